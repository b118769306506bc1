//! The statement itself, under a short lock timeout and with retries: its work is brief, only its place in
//! the lock queue could hurt.

use super::{Plan, Step};
use crate::kernel::sql::statement::{LockMode, RelationName};

/// The recipe's name.
pub const RECIPE: &str = "guarded";

/// One step: the statement as it was written.
#[must_use]
pub fn plan(text: &str, tag: String, relation: Option<RelationName>, lock: LockMode) -> Plan {
    Plan {
        recipe: RECIPE.to_owned(),
        tag,
        summary: String::new(),
        relation,
        steps: vec![Step::brief("run", text.to_owned(), lock)],
        undo_loses: None,
        verify: Vec::new(),
    }
}
