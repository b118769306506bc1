//! REINDEX as REINDEX CONCURRENTLY.

use super::{Mode, Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::LockMode;

/// The safe form for one index, or for all indexes of one table.
#[must_use]
pub fn plan(relation: &RelationFacts, index: bool) -> Plan {
    let word = if index { "INDEX" } else { "TABLE" };
    let sql = format!("REINDEX {word} CONCURRENTLY {}", quote::table(relation));
    Plan {
        recipe: "reindex".to_owned(),
        tag: "REINDEX".to_owned(),
        summary: format!(
            "{}.{} is rebuilt with REINDEX CONCURRENTLY, because REINDEX blocks writers, and readers by the index.",
            relation.schema, relation.name
        ),
        relation: Some(relation.qualified()),
        steps: vec![Step {
            scans: true,
            ..Step::sql("rebuild", sql, Mode::NoTransaction, LockMode::ShareUpdateExclusive)
        }],
        undo_loses: None,
    }
}
