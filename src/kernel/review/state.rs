//! Where a ticket can stand.

use serde::{Deserialize, Serialize};

use super::Instant;

/// Where a ticket stands; every state owns its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum State {
    /// Waits for a person. `returned` says why an earlier approval no longer counts.
    Pending { since: Instant, expires: Instant, returned: Option<String> },
    /// May run once until `expires`.
    Approved { by: String, at: Instant, note: Option<String>, expires: Instant },
    /// Claimed; the approval is spent.
    Running { claim: String, since: Instant, by_session: String, approved_by: String },
    Done { at: Instant, ms: u64, tag: String, approved_by: String },
    Failed { at: Instant, code: String, message: String, approved_by: String },
    /// It was running and nobody can say whether it took effect.
    Unknown { at: Instant, why: String, approved_by: String },
    Rejected { by: String, at: Instant, reason: String },
    Cancelled { by: String, at: Instant, reason: Option<String> },
    Expired { at: Instant, was_approved: bool },
}

impl State {
    /// The word used in lists, filters and messages.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending { .. } => StateName::Pending,
            Self::Approved { .. } => StateName::Approved,
            Self::Running { .. } => StateName::Running,
            Self::Done { .. } => StateName::Done,
            Self::Failed { .. } => StateName::Failed,
            Self::Unknown { .. } => StateName::Unknown,
            Self::Rejected { .. } => StateName::Rejected,
            Self::Cancelled { .. } => StateName::Cancelled,
            Self::Expired { .. } => StateName::Expired,
        }
    }

    /// When waiting ends by itself.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        match self {
            Self::Pending { expires, .. } | Self::Approved { expires, .. } => Some(*expires),
            Self::Running { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Unknown { .. }
            | Self::Rejected { .. }
            | Self::Cancelled { .. }
            | Self::Expired { .. } => None,
        }
    }
}

/// A state without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    Pending,
    Approved,
    Running,
    Done,
    Failed,
    Unknown,
    Rejected,
    Cancelled,
    Expired,
}

impl StateName {
    /// All of them, in the order of a ticket's life.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Approved,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Unknown,
        Self::Rejected,
        Self::Cancelled,
        Self::Expired,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == word)
    }

    /// Waiting for a decision, or for somebody to use it: what the same statement attaches to.
    #[must_use]
    pub fn is_live(self) -> bool {
        match self {
            Self::Pending | Self::Approved => true,
            Self::Running
            | Self::Done
            | Self::Failed
            | Self::Unknown
            | Self::Rejected
            | Self::Cancelled
            | Self::Expired => false,
        }
    }

    /// No command moves it any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        !self.is_live() && self != Self::Running
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
