//! DROP INDEX as DROP INDEX CONCURRENTLY, one step an index.

use super::shadow::index_body;
use super::{Mode, Plan, Step, quote};
use crate::kernel::facts::{IndexFacts, IndexMarks, RelationFacts};
use crate::kernel::sql::statement::{LockMode, RelationName};

/// The safe form of dropping indexes that nothing owns. What is missing under IF EXISTS gets its NOTICE.
#[must_use]
pub fn plan<'a>(indexes: &[&RelationFacts], missing: impl Iterator<Item = &'a RelationName>) -> Plan {
    let names: Vec<String> = indexes.iter().map(|index| format!("{}.{}", index.schema, index.name)).collect();
    Plan {
        recipe: "drop-index".to_owned(),
        tag: "DROP INDEX".to_owned(),
        summary: format!(
            "{} is dropped with DROP INDEX CONCURRENTLY, because DROP INDEX waits for every query on the table and \
             makes all later ones wait behind it.",
            names.join(", ")
        ),
        relation: indexes.first().and_then(|index| index.index_of.clone()),
        steps: missing.map(skipped).chain(indexes.iter().map(|index| step(index))).collect(),
        undo_loses: None,
        verify: Vec::new(),
    }
}

/// Nothing but what the server says to it, which is the client's to hear.
fn skipped(name: &RelationName) -> Step {
    let name = match &name.schema {
        Some(schema) => quote::qualified(schema, &name.name),
        None => quote::identifier(&name.name),
    };
    let step = Step::brief("skip", format!("DROP INDEX IF EXISTS {name}"), LockMode::AccessShare);
    Step { heard: true, ..step }
}

/// One index.
#[must_use]
pub fn step(index: &RelationFacts) -> Step {
    let qualified = quote::table(index);
    let sql = format!("DROP INDEX CONCURRENTLY {qualified}");
    let step = Step::sql("drop index", sql, Mode::NoTransaction, LockMode::ShareUpdateExclusive)
        .probed(format!("SELECT pg_catalog.to_regclass({}) IS NULL", quote::literal(&qualified)));
    // The facts of an index list the index itself.
    match index.index(&index.name).and_then(again) {
        Some(again) => marks(index).into_iter().fold(step.undone_by(again), Step::undone_by),
        None => step,
    }
}

/// Builds it where it was.
pub(super) fn again(index: &IndexFacts) -> Option<String> {
    let head = index.definition.strip_suffix(&index_body(&index.definition, None)?)?;
    let (create, of) = head.split_once(" INDEX ")?;
    let body = index_body(&index.definition, index.marks.tablespace.as_deref())?;
    Some(format!("{create} INDEX CONCURRENTLY {of}{body}"))
}

/// What was said of the index, said again.
fn marks(index: &RelationFacts) -> Vec<String> {
    let Some(listed) = index.index(&index.name) else { return Vec::new() };
    let table = index.index_of.as_ref().map(|of| match &of.schema {
        Some(schema) => quote::qualified(schema, &of.name),
        None => quote::identifier(&of.name),
    });
    put_back(&listed.marks, &quote::table(index), (table, &index.name))
}

/// The same for one of these marks and this name.
pub(super) fn put_back(marks: &IndexMarks, index: &str, of: (Option<String>, &str)) -> Vec<String> {
    let (table, name) = of;
    let name = quote::identifier(name);
    let mut all = Vec::new();
    if let Some(table) = table {
        all.extend(marks.replica_identity.then(|| format!("ALTER TABLE {table} REPLICA IDENTITY USING INDEX {name}")));
        all.extend(marks.clustered.then(|| format!("ALTER TABLE {table} CLUSTER ON {name}")));
    }
    let targets = marks.statistics.iter();
    all.extend(targets.map(|(at, target)| format!("ALTER INDEX {index} ALTER COLUMN {at} SET STATISTICS {target}")));
    all.extend(marks.comment.iter().map(|text| format!("COMMENT ON INDEX {index} IS {}", quote::literal(text))));
    all
}
