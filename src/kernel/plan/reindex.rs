//! REINDEX as REINDEX CONCURRENTLY, index by index or table by table.

use super::{Action, Mode, Plan, Step, quote};
use crate::kernel::facts::{Facts, IndexFacts, MEMBERS_MAX, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{LockMode, Reindex, ReindexOf};

/// Relations with lower numbers are made by initdb: the server rebuilds none of them concurrently.
const FIRST_OF_USERS: u32 = 16_384;

/// The safe form for one index, or for all indexes of one table.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(relation: &RelationFacts, reindex: &Reindex, facts: &Facts) -> Result<Plan, String> {
    if is_of_the_system(relation) {
        return Err("system catalogs cannot be rebuilt concurrently".to_owned());
    }
    let steps = match relation.kind {
        RelationKind::Table | RelationKind::MaterializedView | RelationKind::Toast => table(relation, reindex)?,
        RelationKind::Index => vec![index(relation, reindex)?],
        RelationKind::PartitionedTable | RelationKind::PartitionedIndex => leaves(relation, reindex, facts)?,
        RelationKind::View | RelationKind::Sequence | RelationKind::ForeignTable | RelationKind::CompositeType => {
            return Err("it has no index".to_owned());
        }
    };
    let how = if steps.len() > 1 { ", step by step" } else { "" };
    Ok(Plan {
        recipe: "reindex".to_owned(),
        tag: "REINDEX".to_owned(),
        summary: format!(
            "{}.{} is rebuilt with REINDEX CONCURRENTLY{how}, because REINDEX blocks writers, and readers by the index.",
            relation.schema, relation.name
        ),
        relation: Some(relation.index_of.clone().unwrap_or_else(|| relation.qualified())),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// A system catalog, or an index of one.
#[must_use]
pub fn is_of_the_system(relation: &RelationFacts) -> bool {
    relation.schema == "pg_catalog" || (relation.schema == "pg_toast" && relation.oid < FIRST_OF_USERS)
}

/// What a client has written so: the statement itself, and what it leaves when it fails is cleared away.
#[must_use]
pub fn as_written(reindex: &Reindex, target: Option<&RelationFacts>) -> Option<Step> {
    let (words, of) = match (&reindex.of, target) {
        (ReindexOf::Index(_), Some(index)) => (format!("INDEX CONCURRENTLY {}", quote::table(index)), Of::Index(index)),
        (ReindexOf::Table(_), Some(table)) => (format!("TABLE CONCURRENTLY {}", quote::table(table)), Of::Table(table)),
        (ReindexOf::Schema(schema), _) => {
            (format!("SCHEMA CONCURRENTLY {}", quote::identifier(schema)), Of::Schema(schema))
        }
        (ReindexOf::Index(_) | ReindexOf::Table(_) | ReindexOf::Database | ReindexOf::System, _) => return None,
    };
    Some(step(&words, reindex, &of))
}

/// The index of an exclusion constraint, also one of WITHOUT OVERLAPS: the server rebuilds none concurrently.
fn excludes(index: &IndexFacts) -> bool {
    index.constraint.is_some() && !(index.unique && index.definition.contains(" USING btree "))
}

fn index(index: &RelationFacts, reindex: &Reindex) -> Result<Step, String> {
    // The facts of an index list the index itself.
    if index.index(&index.name).is_some_and(excludes) {
        return Err("the index of an exclusion constraint cannot be rebuilt concurrently".to_owned());
    }
    Ok(one_index(&quote::table(index), index.oid, reindex, &Of::Index(index)))
}

fn one_index(qualified: &str, oid: u32, reindex: &Reindex, of: &Of<'_>) -> Step {
    step(&format!("INDEX CONCURRENTLY {qualified}"), reindex, of).probed(format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({}) \
         AND i.indexrelid OPERATOR(pg_catalog.<>) {oid}::pg_catalog.oid AND i.indisvalid)",
        quote::literal(qualified)
    ))
}

/// INVALID ones first and by themselves: TABLE CONCURRENTLY leaves them out.
fn table(table: &RelationFacts, reindex: &Reindex) -> Result<Vec<Step>, String> {
    if let Some(index) = table.indexes.iter().find(|index| excludes(index)) {
        return Err(format!("{}, the index of an exclusion constraint, cannot be rebuilt concurrently", index.name));
    }
    let invalid = table.indexes.iter().filter(|index| !index.valid && !is_leftover(&index.name));
    let mut steps: Vec<Step> = invalid
        .map(|index| {
            let qualified = quote::qualified(&table.schema, &index.name);
            one_index(&qualified, index.oid, reindex, &Of::Table(table))
        })
        .collect();
    let whole = step(&format!("TABLE CONCURRENTLY {}", quote::table(table)), reindex, &Of::Table(table));
    let old: Vec<String> =
        table.indexes.iter().filter(|index| index.valid).map(|index| index.oid.to_string()).collect();
    steps.push(if old.is_empty() {
        whole
    } else {
        whole.probed(format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) {} \
             AND i.indexrelid OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.oid[]))",
            quote::oid(table),
            old.join(",")
        ))
    });
    Ok(steps)
}

fn is_leftover(name: &str) -> bool {
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name.ends_with("_ccnew") || name.ends_with("_ccold")
}

/// One after the other, as the server does it too.
fn leaves(root: &RelationFacts, reindex: &Reindex, facts: &Facts) -> Result<Vec<Step>, String> {
    if root.members.len() > MEMBERS_MAX {
        return Err(format!("it has more than {MEMBERS_MAX} partitions"));
    }
    root.withheld.owns_all()?;
    let mut steps = Vec::new();
    for member in &root.members {
        let found = facts.relation(&member.qualified()).flatten().filter(|found| found.oid == member.oid);
        let found = found.ok_or_else(|| format!("partition {} could not be looked up", member.name))?;
        let of_it = match member.kind {
            RelationKind::Table => table(found, reindex)?,
            RelationKind::Index => vec![index(found, reindex)?],
            _ => continue,
        };
        let on = found.index_of.clone().unwrap_or_else(|| found.qualified());
        steps.extend(of_it.into_iter().map(|step| Step { on: Some(on.clone()), ..step }));
    }
    if steps.is_empty() { Err("it has no partitions".to_owned()) } else { Ok(steps) }
}

fn step(words: &str, reindex: &Reindex, of: &Of<'_>) -> Step {
    let options = match reindex.options.as_slice() {
        [] => String::new(),
        options => format!("({}) ", options.join(", ")),
    };
    let plain = Step::sql("rebuild", String::new(), Mode::NoTransaction, LockMode::ShareUpdateExclusive);
    let action = Action::Reindex { sql: format!("REINDEX {options}{words}"), leftovers: leftovers(of) };
    Step { action, scans: true, ..plain }
}

/// Whose left-overs are looked for: of partitioned ones, of all below them.
enum Of<'a> {
    Index(&'a RelationFacts),
    Table(&'a RelationFacts),
    Schema(&'a str),
}

/// INVALID indexes that a failed REINDEX CONCURRENTLY has left beside the one it was of (`x_ccnew` before they changed
/// places, `x_ccold` after), and that nobody is building: who does holds a lock on it.
fn leftovers(of: &Of<'_>) -> String {
    const SUFFIX: &str = "'_cc(new|old)[0-9]*$'";
    let tree = |root: &RelationFacts| {
        format!(
            "(WITH RECURSIVE tree (oid) AS (SELECT {}::pg_catalog.oid UNION SELECT h.inhrelid FROM tree t \
             JOIN pg_catalog.pg_inherits h ON h.inhparent OPERATOR(pg_catalog.=) t.oid) SELECT t.oid FROM tree t)",
            quote::oid(root)
        )
    };
    let those = match of {
        Of::Index(index) => format!("o.oid OPERATOR(pg_catalog.=) ANY {}", tree(index)),
        Of::Table(table) => format!(
            "EXISTS (SELECT FROM pg_catalog.pg_class r WHERE r.oid OPERATOR(pg_catalog.=) ANY {} \
             AND (r.oid OPERATOR(pg_catalog.=) i.indrelid OR r.reltoastrelid OPERATOR(pg_catalog.=) i.indrelid))",
            tree(table)
        ),
        Of::Schema(schema) => format!("n.nspname OPERATOR(pg_catalog.=) {}", quote::literal(schema)),
    };
    let name = "x.relname::pg_catalog.text";
    let base = format!("pg_catalog.regexp_replace({name}, {SUFFIX}, '')");
    format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, x.relname) FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) x.relnamespace \
         WHERE NOT i.indisvalid AND {name} OPERATOR(pg_catalog.~) {SUFFIX} \
         AND EXISTS (SELECT FROM pg_catalog.pg_index s JOIN pg_catalog.pg_class o ON o.oid OPERATOR(pg_catalog.=) s.indexrelid \
         WHERE s.indrelid OPERATOR(pg_catalog.=) i.indrelid AND o.oid OPERATOR(pg_catalog.<>) x.oid AND {those} \
         AND (o.relname::pg_catalog.text OPERATOR(pg_catalog.=) {base} \
         OR (pg_catalog.octet_length({name}) OPERATOR(pg_catalog.>) 55 \
         AND pg_catalog.starts_with(o.relname::pg_catalog.text, {base})))) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted \
         AND l.relation OPERATOR(pg_catalog.=) x.oid AND l.mode OPERATOR(pg_catalog.=) 'ShareUpdateExclusiveLock' \
         AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
         AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
         WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()))"
    )
}
