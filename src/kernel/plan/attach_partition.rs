//! ATTACH PARTITION without reading a table that others use: a CHECK proves the bounds of the new partition, another
//! one that the default partition holds none of its rows; what it lacks of indexes and foreign keys is made first.

use super::names::{Names, index_middle};
use super::partitioned_index::{self, Asked, Constraint};
use super::tree::Tree;
use super::{Plan, Reworded, Step, add_index_constraint, create_index, partition_bound, quote};
use crate::kernel::facts::{ConstraintFacts, Facts, IndexFacts, RelationFacts, RelationKind};
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{
    AlterKind, Change, ConstraintKind, LockMode, PartitionBound, Statement, TableConstraint,
};

/// What the server makes the name of a partition's index of: its columns' names, and the label.
#[must_use]
pub fn named(index: &IndexFacts) -> (String, &'static str) {
    match (&index.constraint, index.primary) {
        (Some(_), true) => (String::new(), "pkey"),
        (constraint, _) => {
            let middle = index_middle(index.parts.iter().map(String::as_str));
            (middle, if constraint.is_some() { "key" } else { "idx" })
        }
    }
}

/// The safe form.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(
    parent: &RelationFacts,
    new: &RelationFacts,
    bound: &PartitionBound,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<Plan, String> {
    let default = default_of(parent, facts)?;
    let attached = attached_probe(&quote::table(parent), &quote::table(new));
    let mut steps = Vec::new();
    let mut last =
        vec![format!("ALTER TABLE {} ATTACH PARTITION {} {}", quote::table(parent), quote::table(new), bound.sql())];
    if new.heap_bytes > 0 {
        let mut condition = format!("({})", partition_bound::condition(parent, bound)?);
        if let Some(above) = &parent.partition_of {
            let inherited = above.constraint.as_ref().ok_or("the bounds of its parent could not be read")?;
            condition.push_str(&format!(" AND ({inherited})"));
        }
        let message = format!("partition constraint of relation \"{}\" is violated by some row", new.name);
        let helper = names.constraint(new, "", "bound");
        steps.extend(proved(new, &helper, &condition, (message, &attached)));
        last.push(drop(new, &helper));
    }
    if let Some(default) = default {
        let (helper, more) = default_proved(parent, default, bound, &attached, names)?;
        steps.extend(more);
        last.push(drop(default, &helper));
    }
    steps.extend(indexes(parent, new, facts, names)?);
    steps.extend(foreign_keys(parent, new, names)?);
    let seal = Step::together("attach", last, LockMode::AccessExclusive).probed(attached).undone_by(format!(
        "ALTER TABLE {} DETACH PARTITION {}",
        quote::table(parent),
        quote::table(new)
    ));
    steps.push(Step { on: Some(default.unwrap_or(new).qualified()), ..seal });
    Ok(Plan {
        recipe: "attach-partition".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "{}.{} is prepared while readers and writers go on, so that ATTACH PARTITION finds all proven and has \
             nothing to read or build.",
            new.schema, new.name
        ),
        relation: Some(parent.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// The default partition, if it holds rows.
///
/// # Errors
/// It was not looked up.
pub fn default_of<'a>(parent: &RelationFacts, facts: &'a Facts) -> Result<Option<&'a RelationFacts>, String> {
    let mut members = parent.members.iter().filter(|member| member.parent == parent.oid);
    let Some(member) = members.find(|member| member.is_default()) else {
        return if parent.has_default_partition { Err(UNREAD.to_owned()) } else { Ok(None) };
    };
    let found = facts.relation(&member.qualified()).flatten().ok_or(UNREAD)?;
    Ok(Some(found).filter(|found| found.heap_bytes > 0))
}

const UNREAD: &str = "its default partition could not be looked up";

/// The helper on the default partition and the steps that prove that it holds no row of the new one.
///
/// # Errors
/// A clause for people that says why that cannot be proven.
pub fn default_proved(
    parent: &RelationFacts,
    default: &RelationFacts,
    bound: &PartitionBound,
    attached: &str,
    names: &mut Names<'_>,
) -> Result<(String, Vec<Step>), String> {
    let condition = format!("NOT ({})", partition_bound::condition(parent, bound)?);
    let message = format!(
        "updated partition constraint for default partition \"{}\" would be violated by some row",
        default.name
    );
    let helper = names.constraint(default, "", "bound");
    let steps = proved(default, &helper, &condition, (message, attached));
    Ok((helper, steps))
}

/// Probe: the one is a partition of the other.
#[must_use]
pub fn attached_probe(parent: &str, new: &str) -> String {
    let oid = |table: &str| format!("pg_catalog.to_regclass({})", quote::literal(table));
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) {} AND \
         i.inhparent OPERATOR(pg_catalog.=) {} AND NOT i.inhdetachpending)",
        oid(new),
        oid(parent)
    )
}

/// Drops a helper.
#[must_use]
pub fn drop(table: &RelationFacts, helper: &str) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", quote::table(table), quote::identifier(helper))
}

/// A CHECK added and validated, unless the partition is attached already. `said` is how a row that breaks it is
/// told, and the probe of the end.
fn proved(table: &RelationFacts, helper: &str, condition: &str, said: (String, &str)) -> Vec<Step> {
    let (message, attached) = said;
    let (relation, quoted) = (quote::table(table), quote::identifier(helper));
    let unless = |probe: String| format!("SELECT ({probe}) OR ({attached})");
    let steps = [
        Step::brief(
            "guard",
            format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} CHECK ({condition}) NOT VALID"),
            LockMode::AccessExclusive,
        )
        .probed(unless(quote::constraint_probe(table, helper, 'c', "")))
        .undone_by(drop(table, helper)),
        Step {
            reworded: Some(Reworded {
                code: "23514".to_owned(),
                as_code: "23514".to_owned(),
                message,
                column: String::new(),
            }),
            ..Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {quoted}"))
        }
        .probed(unless(quote::constraint_probe(table, helper, 'c', "c.convalidated"))),
    ];
    steps.into_iter().map(|step| Step { on: Some(table.qualified()), ..step }).collect()
}

/// Builds what indexes of the parent the new partition lacks, as the server would: the first equal one that is not
/// taken yet is used, and another one is made where there is none.
fn indexes(
    parent: &RelationFacts,
    new: &RelationFacts,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<Vec<Step>, String> {
    let mut ordered: Vec<&IndexFacts> = parent.indexes.iter().collect();
    ordered.sort_by_key(|index| index.oid);
    let mut steps = Vec::new();
    let mut taken: Vec<u32> = Vec::new();
    for index in ordered {
        let constraint = index.constraint.as_ref().and_then(|name| parent.constraint(name));
        let parsed = constraint.map(|constraint| added(&constraint.definition).ok_or(UNREADABLE)).transpose()?;
        let (middle, label) = named(index);
        let body = partitioned_index::body(&index.definition).ok_or(UNREADABLE)?;
        let (tail, definition) = match &parsed {
            Some(TableConstraint {
                kind: ConstraintKind::Unique { tail_sql, .. } | ConstraintKind::PrimaryKey { tail_sql, .. },
                definition_sql,
                ..
            }) => (tail_sql.as_str(), definition_sql.as_str()),
            Some(_) => return Err(format!("its constraint {} has no form in steps", index.name)),
            None => ("", ""),
        };
        let asked = Asked {
            name: &index.name,
            unique: index.unique,
            body_sql: &body,
            middle: &middle,
            label,
            constraint: parsed.as_ref().map(|_| Constraint {
                primary: index.primary,
                definition_sql: definition,
                tail_sql: tail,
            }),
        };
        if let Some(there) = partitioned_index::usable(new, &asked, &taken)? {
            taken.push(there.oid);
            continue;
        }
        match new.kind {
            RelationKind::Table => {}
            RelationKind::ForeignTable => continue,
            _ if Tree::of(new, facts).is_ok_and(|tree| tree.leaves().all(|leaf| leaf.heap_bytes == 0)) => continue,
            _ => return Err(format!("{} is partitioned itself and lacks an index like {}", new.name, index.name)),
        }
        let name = match asked.constraint {
            Some(_) => names.index_constraint(new, &middle, label),
            None => names.relation(new, &middle, label),
        };
        let on = Some(new.qualified());
        steps.push(Step { on: on.clone(), ..create_index::build(new, &name, index.unique, &body) });
        if asked.constraint.is_some() {
            steps.push(Step { on, ..add_index_constraint::attach(new, &name, index.primary, tail) });
        }
    }
    Ok(steps)
}

const UNREADABLE: &str = "one of its indexes has a form that is not known here";

/// A constraint as the catalog prints it.
#[must_use]
pub fn added(definition: &str) -> Option<TableConstraint> {
    let reading = read(&format!("ALTER TABLE t ADD {definition}")).ok()?;
    match reading.statements.into_iter().next()?.statement {
        Statement::Change(Change::AlterTable(alter)) => match alter.actions.into_iter().next()?.kind {
            AlterKind::AddConstraint(constraint) => Some(constraint),
            _ => None,
        },
        _ => None,
    }
}

/// Adds and validates the foreign keys of the parent that the new partition lacks.
fn foreign_keys(parent: &RelationFacts, new: &RelationFacts, names: &mut Names<'_>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for key in parent.constraints.iter().filter(|constraint| constraint.kind == 'f' && constraint.validated) {
        // One for each partition of a partitioned referenced table comes with the first.
        if key.inherited && parent.partition_of.is_none() {
            continue;
        }
        let same = |there: &&ConstraintFacts| there.kind == 'f' && there.columns == key.columns && !there.inherited;
        if new.constraints.iter().any(|there| same(&there) && there.validated && there.definition == key.definition) {
            continue;
        }
        if new.constraints.iter().any(|there| same(&there)) {
            return Err(format!("it has another foreign key of the columns of {}", key.name));
        }
        let free = new.constraint(&key.name).is_none();
        let name = if free { key.name.clone() } else { names.constraint(new, &key.columns.join("_"), "fkey") };
        let (relation, quoted) = (quote::table(new), quote::identifier(&name));
        let add = format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {} NOT VALID", key.definition);
        let more = [
            Step::brief("expand", add, LockMode::ShareRowExclusive)
                .probed(quote::constraint_probe(new, &name, 'f', ""))
                .undone_by(drop(new, &name)),
            Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {quoted}"))
                .probed(quote::constraint_probe(new, &name, 'f', "c.convalidated")),
        ];
        steps.extend(more.map(|step| Step { on: Some(new.qualified()), ..step }));
    }
    Ok(steps)
}
