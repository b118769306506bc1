//! Hazards. A rule says what a change would do to the people using the database; it decides nothing.

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::sql::statement::{LockMode, RelationName};

/// A rule's id as written in policies: `create-index`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub String);

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a policy may answer to a finding, weakest first: joins take the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Forwarded unchanged.
    Pass,
    /// Forwarded unchanged, with a WARNING.
    Warn,
    /// Run in its safe form; a hazard without a safe form is held instead.
    Rewrite,
    /// Waits for approval.
    Hold,
    /// Never.
    Refuse,
}

/// What one statement would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub rule: RuleId,
    /// Index of the statement in its message.
    pub statement: usize,
    /// Relation concerned, as resolved; as written when it does not exist.
    pub relation: Option<RelationName>,
    /// Lock the statement itself would take.
    pub lock: Option<LockMode>,
    /// One sentence for people: what would happen, to what, how large it is.
    pub message: String,
    /// What to do instead when it is refused: the exact alternative.
    pub instead: String,
    /// The safe form, if there is one.
    pub plan: Option<Plan>,
    /// Rows and bytes concerned, for thresholds in policies.
    pub rows: Option<u64>,
    pub bytes: Option<u64>,
    /// The hazard is a lock or a scan, not lost data or rights: small tables are not bothered.
    pub only_lock: bool,
}
