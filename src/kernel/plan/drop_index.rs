//! DROP INDEX as DROP INDEX CONCURRENTLY, one step an index.

use super::{Mode, Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
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
    let definition = index.index(&index.name).map(|listed| listed.definition.as_str()).unwrap_or_default();
    let again = definition.split_once(" INDEX ").map(|(create, rest)| format!("{create} INDEX CONCURRENTLY {rest}"));
    match again {
        Some(again) => step.undone_by(again),
        None => step,
    }
}
