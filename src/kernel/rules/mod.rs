//! Hazards. A rule says what a change would do to the people using the database; it decides nothing.

pub mod add_check;
pub mod add_column_constraint;
pub mod add_column_not_null;
pub mod add_column_rewrite;
pub mod add_column_volatile;
pub mod add_exclusion;
pub mod add_foreign_key;
pub mod add_primary_key;
pub mod add_unique;
pub mod alter_database;
pub mod alter_row_type;
pub mod attach_partition;
pub mod brief_lock;
pub mod change_type;
pub mod check_domain;
mod copied;
pub mod create_index;
pub mod create_rule;
pub mod definition;
pub mod detach_partition;
pub mod disable_trigger;
pub mod drop_column;
pub mod drop_database;
pub mod drop_index;
pub mod drop_object;
pub mod drop_schema;
pub mod drop_table;
pub mod fires_triggers;
pub mod kept_in_step;
pub mod lock_table;
pub mod locks;
pub mod mass_delete;
pub mod mass_update;
pub mod opaque_code;
pub mod opaque_function;
pub mod opaque_server;
pub mod other_ddl;
pub mod privilege;
pub mod publication;
pub mod refresh_matview;
pub mod reindex;
pub mod rename;
pub mod restart_sequence;
pub mod rewrite_table;
pub mod set_not_null;
pub mod setting;
pub mod subject;
pub mod truncate;
pub mod unreadable;
pub mod validate_with_others;
pub mod watched;

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::sql::statement::{LockMode, RelationName};

/// A rule's id as written in policies: `create-index`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RuleId(pub String);

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a policy may answer to a finding, weakest first: joins take the strictest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// Forwarded unchanged.
    Pass,
    /// Forwarded unchanged, with a WARNING.
    Warn,
    /// As [`Response::Rewrite`]; inside a transaction block what only changes the catalog runs there, and the
    /// rest becomes a job that begins at COMMIT.
    Defer,
    /// Run in its safe form; a hazard without a safe form is held instead.
    Rewrite,
    /// Waits for approval.
    Hold,
    /// Never.
    Refuse,
}

/// What one statement would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub rule: RuleId,
    /// Index of the statement in its message.
    pub statement: usize,
    /// Relation concerned, as resolved; as written when it does not exist.
    pub relation: Option<RelationName>,
    /// The table it is an index of.
    #[serde(skip)]
    pub table: Option<RelationName>,
    /// What its statement reaches beside that: partitions, children, what depends on it, as far as it is known.
    #[serde(skip)]
    pub reaches: Vec<RelationName>,
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
    /// Bytes of the message it is about; absent for all of the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Range<usize>>,
    /// What a later statement may still give: then it is no finding.
    #[serde(skip)]
    pub need: Option<definition::Need>,
}

/// A rule: one file of this folder.
#[derive(Debug)]
pub struct Rule {
    /// As written in policies; equals the file's name.
    pub id: &'static str,
    /// One sentence for people.
    pub hazard: &'static str,
    /// The strongest lock the statement itself would take on a table that exists.
    pub lock: Option<LockMode>,
    /// The answer where a policy says nothing.
    pub default: Response,
    pub doc: Doc,
    pub check: fn(&subject::Subject<'_>) -> Vec<subject::Hazard>,
}

/// What a rule's page says in words; the rest of it is made from the rule's cases.
#[derive(Debug)]
pub struct Doc {
    pub what: &'static str,
    pub why: &'static str,
    pub instead: &'static str,
    pub versions: &'static str,
    /// How it is taken back, and what cannot be.
    pub undo: &'static str,
}

impl Rule {
    /// The id, as findings and policies hold it.
    #[must_use]
    pub fn rule_id(&self) -> RuleId {
        RuleId(self.id.to_owned())
    }
}

/// All hazards, by id.
pub const RULES: &[&Rule] = &[
    &add_check::RULE,
    &add_column_constraint::RULE,
    &add_column_not_null::RULE,
    &add_column_rewrite::RULE,
    &add_column_volatile::RULE,
    &add_exclusion::RULE,
    &add_foreign_key::RULE,
    &add_primary_key::RULE,
    &add_unique::RULE,
    &alter_database::RULE,
    &alter_row_type::RULE,
    &attach_partition::RULE,
    &brief_lock::RULE,
    &change_type::RULE,
    &check_domain::RULE,
    &create_index::RULE,
    &create_rule::RULE,
    &detach_partition::RULE,
    &disable_trigger::RULE,
    &drop_column::RULE,
    &drop_database::RULE,
    &drop_index::RULE,
    &drop_object::RULE,
    &drop_schema::RULE,
    &drop_table::RULE,
    &fires_triggers::RULE,
    &kept_in_step::RULE,
    &lock_table::RULE,
    &mass_delete::RULE,
    &mass_update::RULE,
    &opaque_code::RULE,
    &opaque_function::RULE,
    &opaque_server::RULE,
    &other_ddl::RULE,
    &privilege::RULE,
    &publication::RULE,
    &refresh_matview::RULE,
    &reindex::RULE,
    &rename::RULE,
    &restart_sequence::RULE,
    &rewrite_table::RULE,
    &set_not_null::RULE,
    &setting::RULE,
    &truncate::RULE,
    &unreadable::RULE,
    &validate_with_others::RULE,
];

/// The rule of this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.id == id)
}

/// Hazards and definitions.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().chain(definition::RULES).copied()
}

/// Why a statement does not run as it is, and what is told beside that: definitions, where there is a hazard.
pub fn apart(findings: &[Finding]) -> (Vec<&Finding>, Vec<&Finding>) {
    let (defined, hazards): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| is_definition(&finding.rule));
    if hazards.is_empty() { (defined, hazards) } else { (hazards, defined) }
}

/// Whether a rule is about a definition: it changes nothing in how a statement runs.
#[must_use]
pub fn is_definition(id: &RuleId) -> bool {
    definition::RULES.iter().any(|rule| rule.id == id.0)
}
