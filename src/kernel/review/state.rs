//! Where a ticket can stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Instant, Vote};

/// Where a ticket stands; every state owns its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "name", rename_all = "snake_case")]
#[schemars(rename = "TicketState")]
pub enum State {
    /// Waits for a person. `returned` says why an earlier approval no longer counts.
    Pending {
        since: Instant,
        expires: Instant,
        returned: Option<String>,
        /// Approvals that are not enough yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        votes: Vec<Vote>,
    },
    /// A reviewer wants something else first: the requester answers, or sends the statement again.
    ChangesRequested {
        by: String,
        at: Instant,
        what: String,
        expires: Instant,
    },
    /// May run once until `expires`, and not before `from`.
    Approved {
        #[serde(deserialize_with = "one_or_many")]
        by: Vec<String>,
        at: Instant,
        note: Option<String>,
        expires: Instant,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Instant>,
        /// Let through without a quorum.
        #[serde(default)]
        glass: bool,
        /// Why the run that it was used for last did nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        given_back: Option<String>,
    },
    /// The approval is spent; nothing was sent yet.
    Claimed {
        claim: String,
        since: Instant,
        by_session: String,
        approved_by: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<Approval>,
    },
    /// The database may have seen it.
    Running {
        claim: String,
        since: Instant,
        by_session: String,
        #[serde(deserialize_with = "one_or_many")]
        approved_by: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<Approval>,
    },
    Done {
        at: Instant,
        ms: u64,
        tag: String,
        #[serde(deserialize_with = "one_or_many")]
        approved_by: Vec<String>,
    },
    Failed {
        at: Instant,
        code: String,
        message: String,
        #[serde(deserialize_with = "one_or_many")]
        approved_by: Vec<String>,
    },
    /// It was done, and a job has taken it back.
    Undone {
        at: Instant,
        job: i64,
        approved_by: Vec<String>,
    },
    /// It was running and nobody can say whether it took effect, until somebody has looked.
    Unknown {
        at: Instant,
        why: String,
        #[serde(deserialize_with = "one_or_many")]
        approved_by: Vec<String>,
    },
    Rejected {
        by: String,
        at: Instant,
        reason: String,
    },
    Cancelled {
        by: String,
        at: Instant,
        reason: Option<String>,
    },
    Expired {
        at: Instant,
        was_approved: bool,
    },
}

/// An approval that is being used, as it was: it is given back where nothing was done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    pub at: Instant,
    pub note: Option<String>,
    pub expires: Instant,
    pub from: Option<Instant>,
    pub glass: bool,
}

impl State {
    /// The approval, if it is one, or is being used.
    #[must_use]
    pub fn approval(&self) -> Option<Approval> {
        match self {
            Self::Approved { by: _, at, note, expires, from, glass, given_back: _ } => {
                Some(Approval { at: *at, note: note.clone(), expires: *expires, from: *from, glass: *glass })
            }
            Self::Claimed { approval, .. } | Self::Running { approval, .. } => approval.clone(),
            Self::Pending { .. }
            | Self::ChangesRequested { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Undone { .. }
            | Self::Unknown { .. }
            | Self::Rejected { .. }
            | Self::Cancelled { .. }
            | Self::Expired { .. } => None,
        }
    }

    /// The word used in lists, filters and messages.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending { .. } => StateName::Pending,
            Self::ChangesRequested { .. } => StateName::ChangesRequested,
            Self::Approved { .. } => StateName::Approved,
            Self::Claimed { .. } => StateName::Claimed,
            Self::Running { .. } => StateName::Running,
            Self::Done { .. } => StateName::Done,
            Self::Failed { .. } => StateName::Failed,
            Self::Undone { .. } => StateName::Undone,
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
            Self::Pending { expires, .. } | Self::ChangesRequested { expires, .. } | Self::Approved { expires, .. } => {
                Some(*expires)
            }
            Self::Claimed { .. }
            | Self::Running { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Undone { .. }
            | Self::Unknown { .. }
            | Self::Rejected { .. }
            | Self::Cancelled { .. }
            | Self::Expired { .. } => None,
        }
    }
}

/// A state without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    Pending,
    ChangesRequested,
    Approved,
    Claimed,
    Running,
    Done,
    Failed,
    Undone,
    Unknown,
    Rejected,
    Cancelled,
    Expired,
}

impl StateName {
    /// All of them, in the order of a ticket's life.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::ChangesRequested,
        Self::Approved,
        Self::Claimed,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Undone,
        Self::Unknown,
        Self::Rejected,
        Self::Cancelled,
        Self::Expired,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::ChangesRequested => "changes_requested",
            Self::Approved => "approved",
            Self::Claimed => "claimed",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Undone => "undone",
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
            Self::Pending | Self::ChangesRequested | Self::Approved => true,
            Self::Claimed
            | Self::Running
            | Self::Done
            | Self::Failed
            | Self::Undone
            | Self::Unknown
            | Self::Rejected
            | Self::Cancelled
            | Self::Expired => false,
        }
    }

    /// It waits for nobody and does not run: only what was found out about it later moves it.
    #[must_use]
    pub fn is_over(self) -> bool {
        !self.is_live() && !matches!(self, Self::Claimed | Self::Running)
    }
}

impl std::fmt::Display for StateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who approved it, if somebody has.
#[must_use]
pub fn approvers(state: &State) -> Vec<String> {
    match state {
        State::Pending { votes, .. } => votes.iter().map(|vote| vote.by.clone()).collect(),
        State::Approved { by, .. } => by.clone(),
        State::Claimed { approved_by, .. }
        | State::Running { approved_by, .. }
        | State::Done { approved_by, .. }
        | State::Failed { approved_by, .. }
        | State::Undone { approved_by, .. }
        | State::Unknown { approved_by, .. } => approved_by.clone(),
        State::ChangesRequested { .. } | State::Rejected { .. } | State::Cancelled { .. } | State::Expired { .. } => {
            Vec::new()
        }
    }
}

/// Tickets of the first versions had one approver.
fn one_or_many<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::One(name) if name.is_empty() => Vec::new(),
        Names::One(name) => vec![name],
        Names::Many(names) => names,
    })
}
