//! DROP INDEX as DROP INDEX CONCURRENTLY.

use super::{Mode, Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::LockMode;

/// The safe form of dropping one index that nothing owns. `definition` is `pg_get_indexdef`, for the undo.
#[must_use]
pub fn plan(index: &RelationFacts, definition: Option<&str>) -> Plan {
    let qualified = quote::table(index);
    let sql = format!("DROP INDEX CONCURRENTLY {qualified}");
    let step = Step::sql("drop index", sql, Mode::NoTransaction, LockMode::ShareUpdateExclusive)
        .probed(format!("SELECT pg_catalog.to_regclass({}) IS NULL", quote::literal(&qualified)));
    let step = match definition {
        Some(definition) => {
            step.undone_by(definition.replacen("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1).replacen(
                "CREATE UNIQUE INDEX",
                "CREATE UNIQUE INDEX CONCURRENTLY",
                1,
            ))
        }
        None => step,
    };
    Plan {
        recipe: "drop-index".to_owned(),
        tag: "DROP INDEX".to_owned(),
        summary: format!(
            "Index {}.{} is dropped with DROP INDEX CONCURRENTLY, because DROP INDEX waits for every query on the \
             table and makes all later ones wait behind it.",
            index.schema, index.name
        ),
        relation: index.index_of.clone(),
        steps: vec![step],
        undo_loses: None,
    }
}
