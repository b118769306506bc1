//! REFRESH MATERIALIZED VIEW as REFRESH MATERIALIZED VIEW CONCURRENTLY, which lets readers go on.

use super::{Mode, Plan, Step, quote};
use crate::kernel::facts::{IndexFacts, RelationFacts};
use crate::kernel::sql::statement::LockMode;

/// The safe form.
///
/// # Errors
/// A clause for people that says why there is none, and how there would be one.
pub fn plan(view: &RelationFacts) -> Result<Plan, String> {
    // `is_usable_unique_index` in matview.c.
    let usable = |index: &&IndexFacts| {
        index.unique && index.valid && index.ready && !index.expression_or_partial && !index.columns.is_empty()
    };
    if !view.indexes.iter().any(|index| usable(&index)) {
        return Err("CONCURRENTLY needs a unique index over plain columns and without WHERE; with one (CREATE UNIQUE \
                    INDEX CONCURRENTLY) it can"
            .to_owned());
    }
    let sql = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {}", quote::table(view));
    Ok(Plan {
        recipe: "refresh-matview".to_owned(),
        tag: "REFRESH MATERIALIZED VIEW".to_owned(),
        summary: format!(
            "{}.{} is refreshed with REFRESH MATERIALIZED VIEW CONCURRENTLY, because REFRESH MATERIALIZED VIEW keeps \
             every reader waiting while its query runs.",
            view.schema, view.name
        ),
        relation: Some(view.qualified()),
        // What it did cannot be seen from outside, and done again it gives the same.
        steps: vec![Step { scans: true, ..Step::sql("refresh", sql, Mode::Scan, LockMode::Exclusive) }],
        undo_loses: None,
        verify: Vec::new(),
    })
}
