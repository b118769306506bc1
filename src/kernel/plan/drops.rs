//! DROP TABLE and DROP COLUMN in steps: what hangs on it goes first, one lock at a time, and the drop itself is brief.
//!
//! First of all the drop is rehearsed and rolled back: what the server has against it, it says before anything is
//! changed. Steps know their table by its oid: a later table of the same name is none of theirs.

use super::names::{Names, helper};
use super::shadow::kept_in_step;
use super::{Action, GRACE, Mode, Plan, Step, detach_partition, quote};
use crate::kernel::facts::{ColumnUse, ConstraintUse, Facts, IndexUse, KinHow, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{LockMode, RelationName};

/// The recipes' names.
pub const TABLE: &str = "drop-table";
pub const COLUMN: &str = "drop-column";
pub const ASIDE: &str = "set-aside";

const SAVEPOINT: &str = "lockkeeper_rehearsal";

/// DROP TABLE of tables that nothing else depends on. Nothing where it is brief as it is, or where that cannot be told.
#[must_use]
pub fn tables(tables: &[&RelationFacts], facts: &Facts, names: &mut Names<'_>) -> Option<Plan> {
    let first = tables.first()?;
    let plain = |table: &&RelationFacts| table.kind == RelationKind::Table && table.dependents.is_empty();
    if !tables.iter().all(plain) {
        return None;
    }
    let mut steps = Vec::new();
    for table in tables {
        steps.extend(detach(table, facts, names));
        steps.extend(keys(table).map(|key| unlink(table, &key, &gone(table))));
    }
    if steps.is_empty() {
        return None;
    }
    let names: Vec<String> = tables.iter().map(|table| quote::table(table)).collect();
    let drop = format!("DROP TABLE {}", names.join(", "));
    let all_gone = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ANY ('{{{}}}'::pg_catalog.oid[]))",
        tables.iter().map(|table| table.oid.to_string()).collect::<Vec<_>>().join(",")
    );
    let others: Vec<RelationName> = tables.iter().skip(1).map(|table| table.qualified()).collect();
    let tied = tables.iter().flat_map(|table| locked_with(table)).chain(others.clone());
    steps.insert(0, Step { past: Some(all_gone.clone()), ..rehearsal(&drop).locking(tied) });
    steps.push(Step::brief("drop", drop, LockMode::AccessExclusive).probed(all_gone).locking(others));
    Some(Plan {
        recipe: TABLE.to_owned(),
        tag: "DROP TABLE".to_owned(),
        summary: format!(
            "What ties {} to other tables is undone first, one lock at a time, because DROP TABLE locks all of them \
             together.",
            names.join(", ")
        ),
        relation: Some(first.qualified()),
        steps,
        undo_loses: Some(format!("all data of {}", names.join(", "))),
        verify: Vec::new(),
    })
}

/// DROP COLUMN of a plain table: its indexes go without a lock that anybody notices, its foreign keys one by one.
/// Nothing where the drop is brief as it is, or where what hangs on the column cannot be told.
#[must_use]
pub fn column(table: &RelationFacts, column: &str, hangs: Option<&ColumnUse>) -> Option<Plan> {
    let hangs = hangs.filter(|hangs| droppable(table, hangs) && kept_in_step(table, column).is_empty())?;
    let is_gone = no_column(table, hangs.position);
    let mut steps = Vec::new();
    for key in hangs.constraints.iter().filter(|constraint| ties(table, constraint)) {
        let named = Named { name: &key.name, definition: &key.definition, comment: key.comment.as_deref() };
        steps.push(unlink(table, &named, &is_gone));
    }
    steps.extend(hangs.indexes.iter().filter(|index| stands_alone(index)).map(|index| unindex(table, index, &is_gone)));
    if steps.is_empty() {
        return None;
    }
    let relation = quote::table(table);
    let drop = format!("ALTER TABLE {relation} DROP COLUMN {}", quote::identifier(column));
    steps.insert(0, Step { past: Some(is_gone.clone()), ..rehearsal(&drop).locking(tied(table, hangs)) });
    steps.push(Step::brief("drop", drop, LockMode::AccessExclusive).probed(is_gone));
    Some(Plan {
        recipe: COLUMN.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "What hangs on column {column} of {relation} goes first: indexes with DROP INDEX CONCURRENTLY, foreign keys \
             one by one. Then the column itself is dropped, which is brief."
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: Some(format!("all values of column {column} of {relation}")),
        verify: Vec::new(),
    })
}

/// DROP TABLE of one table that is first set aside: moved, with all that is its own, into a schema made for it that
/// nobody else may use. Nothing where something else depends on it, or where it cannot be moved whole.
#[must_use]
pub fn table_aside(table: &RelationFacts) -> Option<Plan> {
    let whole = table.kind == RelationKind::Table && !table.is_partition && !table.has_children;
    if !whole || !table.dependents.is_empty() {
        return None;
    }
    let (relation, schema) = (quote::table(table), quote::identifier(&table.schema));
    let aside = helper("dropped", &format!("{}_{}", table.name, table.oid));
    let (kept, room) = (quote::qualified(&aside, &table.name), quote::identifier(&aside));
    let is_in = |schema: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) {}::pg_catalog.oid AND \
             c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace({})::pg_catalog.oid)",
            table.oid,
            quote::literal(&quote::identifier(schema))
        )
    };
    let past = format!("SELECT NOT {}", is_in(&table.schema));
    let drop = format!("DROP TABLE {relation}");
    let mut steps = vec![Step { past: Some(past.clone()), ..rehearsal(&drop).locking(locked_with(table)) }];
    steps.extend(keys(table).map(|key| unlink(table, &key, &past)));
    let move_away = vec![format!("CREATE SCHEMA {room}"), format!("ALTER TABLE {relation} SET SCHEMA {room}")];
    steps.push(
        Step::together("set aside", move_away, LockMode::AccessExclusive)
            .probed(format!("SELECT {}", is_in(&aside)))
            .undone_by(format!("ALTER TABLE {kept} SET SCHEMA {schema}"))
            .undone_by(format!("DROP SCHEMA {room}")),
    );
    let for_good = vec![format!("DROP TABLE {kept}"), format!("DROP SCHEMA {room}")];
    let steps_later = vec![Step::together("drop", for_good, LockMode::AccessExclusive).probed(gone(table))];
    steps.push(later(Plan {
        recipe: TABLE.to_owned(),
        tag: "DROP TABLE".to_owned(),
        summary: format!("{relation} was set aside and is dropped for good."),
        relation: Some(RelationName { schema: Some(aside.clone()), name: table.name.clone() }),
        steps: steps_later,
        undo_loses: Some(format!("all data of {relation}")),
        verify: Vec::new(),
    }));
    Some(Plan {
        recipe: ASIDE.to_owned(),
        tag: "DROP TABLE".to_owned(),
        summary: format!(
            "{relation} is set aside in schema {aside}, where nobody else may use it, and dropped for good {GRACE} \
             later. Until then its job can be undone, which brings all of it back."
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// DROP COLUMN of a column that is first set aside: renamed, and no longer NOT NULL for those who leave it out.
#[must_use]
pub fn column_aside(table: &RelationFacts, column: &str, hangs: Option<&ColumnUse>) -> Option<Plan> {
    let hangs = hangs.filter(|hangs| droppable(table, hangs) && kept_in_step(table, column).is_empty())?;
    let facts = table.column(column)?;
    let needed = |one: &&ConstraintUse| is_key(one, column) || one.definition.contains("NULLS NOT DISTINCT");
    let distinct = |index: &&IndexUse| index.definition.contains("NULLS NOT DISTINCT");
    if hangs.constraints.iter().any(|one| needed(&one)) || hangs.indexes.iter().any(|one| distinct(&one)) {
        return None;
    }
    let relation = quote::table(table);
    let aside = helper("dropped", column);
    let (name, kept) = (quote::identifier(column), quote::identifier(&aside));
    let is = |more: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) {}::pg_catalog.oid \
             AND a.attnum OPERATOR(pg_catalog.=) {}::pg_catalog.int2 AND NOT a.attisdropped AND {more})",
            table.oid, hangs.position
        )
    };
    let named = |name: &str| is(&format!("a.attname OPERATOR(pg_catalog.=) {}", quote::literal(name)));
    let past = format!("SELECT NOT {}", named(column));
    let drop = format!("ALTER TABLE {relation} DROP COLUMN {name}");
    let mut steps = vec![Step { past: Some(past.clone()), ..rehearsal(&drop).locking(tied(table, hangs)) }];
    for key in hangs.constraints.iter().filter(|constraint| ties(table, constraint)) {
        let named = Named { name: &key.name, definition: &key.definition, comment: key.comment.as_deref() };
        steps.push(unlink(table, &named, &past));
    }
    if facts.not_null && !facts.has_default && !facts.identity && !facts.generated {
        let loosen = format!("ALTER TABLE {relation} ALTER COLUMN {name} DROP NOT NULL");
        let step = Step::brief("loosen", loosen, LockMode::AccessExclusive)
            .probed(format!("SELECT {}", is("NOT a.attnotnull")))
            .undone_by(format!("ALTER TABLE {relation} ALTER COLUMN {name} SET NOT NULL"));
        steps.push(Step { past: Some(past.clone()), ..step });
    }
    steps.push(
        Step::brief(
            "set aside",
            format!("ALTER TABLE {relation} RENAME COLUMN {name} TO {kept}"),
            LockMode::AccessExclusive,
        )
        .probed(format!("SELECT {}", named(&aside)))
        .undone_by(format!("ALTER TABLE {relation} RENAME COLUMN {kept} TO {name}")),
    );
    let is_gone = no_column(table, hangs.position);
    let mut steps_later: Vec<Step> =
        hangs.indexes.iter().filter(|index| stands_alone(index)).map(|index| unindex(table, index, &is_gone)).collect();
    let for_good = format!("ALTER TABLE {relation} DROP COLUMN {kept}");
    steps_later.push(Step::brief("drop", for_good, LockMode::AccessExclusive).probed(is_gone));
    let lost = format!("all values of column {column} of {relation}");
    steps.push(later(Plan {
        recipe: COLUMN.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!("Column {column} of {relation} was set aside and is dropped for good."),
        relation: Some(table.qualified()),
        steps: steps_later,
        undo_loses: Some(lost),
        verify: Vec::new(),
    }));
    Some(Plan {
        recipe: ASIDE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "Column {column} of {relation} is set aside under the name {aside} and dropped for good {GRACE} later. \
             Until then its job can be undone, which brings it back with its values; rows written meanwhile have none."
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// A primary key with it in its key: not only in INCLUDE.
fn is_key(constraint: &ConstraintUse, column: &str) -> bool {
    constraint.kind == 'p' && constraint.columns.iter().any(|name| name == column)
}

fn later(plan: Plan) -> Step {
    let action = Action::Later { ms: 0, plan: Box::new(plan) };
    Step { action, ..Step::brief("drop after the grace period", String::new(), LockMode::AccessShare) }
}

/// The indexes that are about other columns too and go with it, for the finding.
#[must_use]
pub fn shared_indexes(table: &RelationFacts, column: &str) -> Vec<String> {
    let shared = |columns: &[String]| columns.iter().any(|name| name == column) && columns.len() > 1;
    let indexes = table.indexes.iter().filter(|index| shared(&index.columns));
    indexes.map(|index| format!("{} ({})", index.name, index.columns.join(", "))).collect()
}

/// A constraint as it is made again.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) definition: &'a str,
    pub(super) comment: Option<&'a str>,
}

/// Foreign keys to other tables: one to itself takes no other lock.
fn keys(table: &RelationFacts) -> impl Iterator<Item = Named<'_>> {
    let own = table.constraints.iter().filter(|constraint| constraint.kind == 'f' && !constraint.inherited);
    let others = own.filter(|key| {
        let other = table.kin_by(KinHow::References).find(|kin| kin.constraint.as_ref() == Some(&key.name));
        other.is_some_and(|kin| kin.relation != table.qualified())
    });
    others.map(|key| Named { name: &key.name, definition: &key.definition, comment: key.comment.as_deref() })
}

/// What a drop of the table locks besides: what its foreign keys refer to, and what it is a partition of.
fn locked_with(table: &RelationFacts) -> impl Iterator<Item = RelationName> {
    let own = table.qualified();
    let kin = table.kin_by(KinHow::References).map(|kin| kin.relation.clone()).filter(move |other| *other != own);
    kin.chain(table.partition_of.iter().map(|place| place.parent.clone()))
}

/// A plain table, and nothing that the drop would be refused for.
fn droppable(table: &RelationFacts, hangs: &ColumnUse) -> bool {
    let plain = table.kind == RelationKind::Table && !table.is_partition && !table.has_children;
    plain && hangs.refused.is_empty() && hangs.constraints.iter().all(|constraint| constraint.local)
}

/// The drop, rolled back at once.
pub(super) fn rehearsal(drop: &str) -> Step {
    let statements =
        vec![format!("SAVEPOINT {SAVEPOINT}"), drop.to_owned(), format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")];
    Step::together("rehearse", statements, LockMode::AccessExclusive)
}

/// A foreign key goes alone: that locks its two tables and no third.
pub(super) fn unlink(table: &RelationFacts, key: &Named<'_>, past: &str) -> Step {
    let (relation, name) = (quote::table(table), quote::identifier(key.name));
    let probe = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid OPERATOR(pg_catalog.=) \
         {}::pg_catalog.oid AND c.conname OPERATOR(pg_catalog.=) {})",
        table.oid,
        quote::literal(key.name)
    );
    let unproven = key.definition.ends_with(" NOT VALID") || key.definition.ends_with(" NOT ENFORCED");
    let mark = if unproven { "" } else { " NOT VALID" };
    let drop = format!("ALTER TABLE {relation} DROP CONSTRAINT {name}");
    let mut step = Step::brief("unlink", drop, LockMode::AccessExclusive)
        .probed(probe)
        .undone_by(format!("ALTER TABLE {relation} ADD CONSTRAINT {name} {}{mark}", key.definition));
    if let Some(comment) = key.comment {
        step = step.undone_by(format!("COMMENT ON CONSTRAINT {name} ON {relation} IS {}", quote::literal(comment)));
    }
    if !unproven {
        step = step.undone_by(format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {name}"));
    }
    let own = table.qualified();
    let kin = table.kin_by(KinHow::References).filter(|kin| kin.constraint.as_deref() == Some(key.name));
    let other = kin.map(|kin| kin.relation.clone()).filter(|other| *other != own);
    Step { past: Some(past.to_owned()), ..step.locking(other) }
}

/// A foreign key to another table.
fn ties(table: &RelationFacts, constraint: &ConstraintUse) -> bool {
    let itself = constraint.referenced_schema.as_ref() == Some(&table.schema)
        && constraint.referenced_table.as_ref() == Some(&table.name);
    constraint.kind == 'f' && constraint.local && !itself
}

/// Other tables that a foreign key of the column refers to.
fn tied(table: &RelationFacts, hangs: &ColumnUse) -> Vec<RelationName> {
    let keys = hangs.constraints.iter().filter(|constraint| ties(table, constraint));
    keys.filter_map(ConstraintUse::refers_to).collect()
}

/// No constraint is made of it, and nothing would be missing if it is built again.
fn stands_alone(index: &IndexUse) -> bool {
    let more = index.replica_identity || index.clustered || index.tablespace.is_some() || index.comment.is_some();
    index.constraint.is_none() && !more
}

fn unindex(table: &RelationFacts, index: &IndexUse, past: &str) -> Step {
    let name = quote::qualified(&table.schema, &index.name);
    let sql = format!("DROP INDEX CONCURRENTLY {name}");
    let step = Step::sql("drop index", sql, Mode::NoTransaction, LockMode::ShareUpdateExclusive)
        .probed(format!("SELECT pg_catalog.to_regclass({}) IS NULL", quote::literal(&name)));
    let again = index.definition.split_once(" INDEX ");
    let step = match again {
        Some((create, rest)) if index.valid => step.undone_by(format!("{create} INDEX CONCURRENTLY {rest}")),
        Some(_) | None => step,
    };
    Step { past: Some(past.to_owned()), ..step }
}

/// A partition leaves its parent first, where it can without a strong lock on that.
fn detach(table: &RelationFacts, facts: &Facts, names: &mut Names<'_>) -> Vec<Step> {
    let place = table.partition_of.as_ref().filter(|place| !place.detach_pending);
    let parent = place.and_then(|place| facts.relation(&place.parent).flatten());
    let Some(Ok(plan)) = parent.map(|parent| detach_partition::plan(parent, table, names)) else { return Vec::new() };
    plan.steps.into_iter().map(|step| Step { past: Some(gone(table)), ..step }).collect()
}

fn gone(table: &RelationFacts) -> String {
    format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) {}::pg_catalog.oid)",
        table.oid
    )
}

fn no_column(table: &RelationFacts, position: i16) -> String {
    format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) \
         {}::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.=) {position}::pg_catalog.int2 AND NOT a.attisdropped)",
        table.oid
    )
}
