//! Where a job can stand.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobId;
use crate::kernel::review::Instant;

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
#[schemars(rename = "JobState")]
pub enum State {
    /// The transaction it follows has not ended.
    Deferred,
    /// Its turn has not come, or nobody has taken it up yet.
    Queued,
    Running {
        since: Instant,
    },
    /// Begins no step and no batch.
    Paused {
        by: String,
        since: Instant,
    },
    /// The server could not be reached or the connection broke: [`Job::retry`].
    Waiting,
    /// Aborted, and what it did is being taken back.
    Stopping {
        by: String,
        reason: Option<String>,
    },
    Done {
        at: Instant,
        ms: u64,
        rows: u64,
    },
    Failed {
        at: Instant,
        code: String,
        message: String,
    },
    Aborted {
        at: Instant,
        by: String,
        /// What that leaves, in words.
        left: String,
    },
    /// Another job took it back.
    Undone {
        at: Instant,
        by: JobId,
    },
}

/// A state's name, as lists and filters have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateName {
    Deferred,
    Queued,
    Running,
    Paused,
    Waiting,
    Stopping,
    Done,
    Failed,
    Aborted,
    Undone,
}

impl StateName {
    /// All of them, those that are not over first.
    pub const ALL: [Self; 10] = [
        Self::Deferred,
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Waiting,
        Self::Stopping,
        Self::Done,
        Self::Failed,
        Self::Aborted,
        Self::Undone,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deferred => "deferred",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
            Self::Stopping => "stopping",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Undone => "undone",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|name| name.as_str() == word)
    }

    /// Not over yet.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::Deferred | Self::Queued | Self::Running | Self::Paused | Self::Waiting | Self::Stopping => true,
            Self::Done | Self::Failed | Self::Aborted | Self::Undone => false,
        }
    }
}

impl State {
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Deferred => StateName::Deferred,
            Self::Queued => StateName::Queued,
            Self::Running { .. } => StateName::Running,
            Self::Paused { .. } => StateName::Paused,
            Self::Waiting => StateName::Waiting,
            Self::Stopping { .. } => StateName::Stopping,
            Self::Done { .. } => StateName::Done,
            Self::Failed { .. } => StateName::Failed,
            Self::Aborted { .. } => StateName::Aborted,
            Self::Undone { .. } => StateName::Undone,
        }
    }
}
