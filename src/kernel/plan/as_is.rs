//! What an approval without a safe form permits: the statement as it was written.

use super::{Mode, Plan, Step};
use crate::kernel::sql::statement::{LockMode, RelationName};

/// The recipe's name.
pub const RECIPE: &str = "as-is";

/// The statement in a transaction of its own. `mode` is [`Mode::Brief`] where a strong but brief lock is
/// taken, [`Mode::AsIs`] where rows may come back or the work is long: the client's own message is then
/// forwarded and not run in its place.
#[must_use]
pub fn plan(text: &str, tag: String, relation: Option<RelationName>, run: (Mode, LockMode)) -> Plan {
    let (mode, lock) = run;
    Plan {
        recipe: RECIPE.to_owned(),
        tag,
        summary: "There is no form of this statement without its hazard: approved, it runs as it was written."
            .to_owned(),
        relation,
        steps: vec![Step::sql("run", text.to_owned(), mode, lock)],
        undo_loses: None,
        verify: Vec::new(),
    }
}
