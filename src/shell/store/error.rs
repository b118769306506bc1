//! Why the store cannot do what was asked, in words for an operator.

use rusqlite::ErrorCode;

use crate::kernel::job::{self, JobId};
use crate::kernel::review::{Rejection, TicketId};

/// Everything that can go wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("there is no ticket {0}")]
    NotFound(TicketId),
    #[error("there is no job {0}")]
    NoJob(JobId),
    #[error("there is no change {0} in the history")]
    NoChange(i64),
    #[error("there is no token {0}")]
    NoToken(i64),
    #[error("there is no delivery {0} that has not arrived")]
    NoDelivery(i64),
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    JobRejected(#[from] job::Rejection),
    #[error("ticket {id} has version {found}, not {expected}: somebody else was first")]
    Conflict { id: TicketId, expected: u32, found: u32 },
    #[error("{requester} has {limit} open tickets, which is the limit: cancel some, or have them decided")]
    RequesterLimit { requester: String, limit: u32 },
    #[error("there are {limit} open tickets, which is the limit: have some decided")]
    TotalLimit { limit: u32 },
    #[error("the request is {size} bytes long with its facts, more than the {limit} that can be reviewed")]
    TooLarge { size: usize, limit: usize },
    #[error("the ticket store is in use by another process and did not become free in time")]
    Busy,
    #[error("the disk of the ticket store is full")]
    Full,
    #[error("the ticket store cannot be written: {0}")]
    ReadOnly(String),
    #[error("the ticket store is damaged: {0}; restore it from a copy, or move it away to start a new one")]
    Damaged(String),
    #[error("the ticket store has format {found}, this program knows up to {known}: use a newer lockkeeper")]
    Newer { found: usize, known: usize },
    #[error("the ticket store cannot be opened: {0}")]
    File(String),
    #[error("another lockkeeper uses the data directory {0}")]
    InUse(String),
    #[error("the ticket store failed: {0}")]
    Failed(String),
    #[error("the ticket store has stopped")]
    Gone,
}

/// What kind of trouble an error is, for whoever has to answer a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The ticket is not, or no longer, in a state for that.
    Moved,
    /// Too many open tickets.
    Limit,
    TooLarge,
    /// The store does not work.
    Outage,
}

impl StoreError {
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::NotFound(_)
            | Self::NoJob(_)
            | Self::NoChange(_)
            | Self::NoToken(_)
            | Self::NoDelivery(_)
            | Self::Rejected(_)
            | Self::JobRejected(_)
            | Self::Conflict { .. } => Trouble::Moved,
            Self::RequesterLimit { .. } | Self::TotalLimit { .. } => Trouble::Limit,
            Self::TooLarge { .. } => Trouble::TooLarge,
            Self::Busy
            | Self::Full
            | Self::ReadOnly(_)
            | Self::Damaged(_)
            | Self::Newer { .. }
            | Self::File(_)
            | Self::InUse(_)
            | Self::Failed(_)
            | Self::Gone => Trouble::Outage,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::SystemIoFailure) => {
                Self::ReadOnly(text)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(ErrorCode::CannotOpen) => Self::File(text),
            Some(_) | None => Self::Failed(text),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(format!("a record cannot be read: {error}"))
    }
}
