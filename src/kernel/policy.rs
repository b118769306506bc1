//! Findings and policy make a verdict. Policy is data: ordered entries, the first that matches decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::assess::Assessment;
use super::plan::Plan;
use super::rules::{Finding, Response, RuleId};

/// An ordered list of entries; the last matches everything (checked when the configuration is read).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    pub name: String,
    pub entries: Vec<Entry>,
    /// Judged and recorded, nothing changed.
    pub observe: bool,
}

/// One entry: for whom and what it is, and what it answers to each rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub matches: Match,
    /// Tables at most this large are not bothered with lock hazards.
    pub small_rows: u64,
    pub small_bytes: u64,
    /// Answers by rule id; a rule that is absent gets its own default.
    pub responses: BTreeMap<RuleId, Response>,
}

/// Empty lists match everything. Patterns have `*` and `?` and are case-sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    pub targets: Vec<String>,
    pub roles: Vec<String>,
    pub applications: Vec<String>,
    /// `schema.table`.
    pub tables: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    pub target: String,
    pub role: String,
    pub application: String,
}

/// Where the message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// In an explicit transaction block, or after other statements of the same pipeline or string:
    /// what runs here shares its transaction with something else.
    pub in_transaction: bool,
    /// More than one statement in the message.
    pub several: bool,
    /// Bound parameters present (extended protocol).
    pub parameters: bool,
}

/// Proof that a text was judged. Only [`judge`] and its kin make one; the upstream asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearance(());

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Forward as it is; the findings are told as WARNINGs.
    Pass {
        clearance: Clearance,
        warnings: Vec<Finding>,
    },
    /// Forward as it is under a bounded `lock_timeout`: several statements, or inside a transaction block.
    Bounded {
        clearance: Clearance,
        warnings: Vec<Finding>,
    },
    /// Run this plan instead.
    Rewrite {
        plan: Box<Plan>,
        clearance: Clearance,
        findings: Vec<Finding>,
    },
    Hold(Box<Draft>),
    Refuse(Box<Refusal>),
}

/// What a ticket is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub findings: Vec<Finding>,
    /// What will run on approval: the safe form where there is one, else the statement as it is.
    pub plan: Plan,
}

/// Why not, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub findings: Vec<Finding>,
    pub message: String,
    pub detail: String,
    pub hint: String,
}

/// The verdict on an assessed message.
pub fn judge(policy: &Policy, who: &Who, place: Place, assessment: &Assessment) -> Verdict {
    let _ = (policy, who, place, assessment);
    Verdict::Pass { clearance: Clearance(()), warnings: Vec::new() }
}
