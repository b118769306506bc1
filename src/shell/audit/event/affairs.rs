//! What happened beside sessions: to tickets, to jobs, at the admin door, to the record itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SessionNumber;
use crate::kernel::job::JobId;
use crate::kernel::plan::queue::Blocker;
use crate::kernel::plan::verify::Checked;
use crate::kernel::review::TicketId;

/// The record was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatewayStarted {
    pub version: String,
    pub pid: u32,
    /// Bytes of an unfinished line that the previous run left at the end of its file.
    pub torn_bytes: u64,
}

/// Statements that ran and got no line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogGap {
    pub session: SessionNumber,
    pub first_n: u64,
    pub last_n: u64,
    pub records: u64,
    pub from: String,
    pub to: String,
}

/// Something happened to a ticket. After a crash the last ones may be told twice: `event_number` says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketEvent {
    pub ticket: TicketId,
    /// Counted over all tickets, from 1.
    pub event_number: i64,
    /// When it happened; the line's own time is when it was written down.
    pub happened: String,
    /// `opened`, `approved`, `rejected`, `cancelled`, `commented`, `expired`, `claimed`, `finished`, `failed`,
    /// `outcome lost`, `approval given back`, `returned to review`.
    pub what: String,
    /// A person, a session, or `gateway`.
    pub by: String,
    /// `session`; `local` (the local token: the name is what its holder said), `reviewer` (the name is the
    /// token's); `gateway`.
    pub door: String,
    /// Reason, comment, error, or what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Somebody came to the admin door, or was handed a key to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Admission {
    /// `signed in`, `signed out`, `turned away`, `token handed out`, `token revoked`.
    pub what: String,
    /// Address and port.
    pub client: String,
    /// `token`, `browser`, `device code`.
    pub way: String,
    /// Who it is, or, of a handed out or revoked token, who did that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The number of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<i64>,
    /// Why not, or whose token it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something happened to a job. After a crash the last ones may be told twice: `event_number` says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobEvent {
    pub job: JobId,
    /// Counted over all jobs, from 1.
    pub event_number: i64,
    /// When it happened; the line's own time is when it was written down.
    pub happened: String,
    /// `ordered`, `started`, `paused`, `resumed`, `rate set`, `interrupted`, `stopping`, `finished`, `failed`,
    /// `aborted`, `undone`, `recovered`.
    pub what: String,
    /// A person, or `gateway`.
    pub by: String,
    /// As that of tickets.
    pub door: String,
    /// Reason, error, or what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Whose change something belongs to: a session and the ordinal of its statement, or a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhoseChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

impl WhoseChange {
    /// That of a statement of a session.
    #[must_use]
    pub fn statement(session: SessionNumber, n: u64) -> Self {
        Self { session: Some(session), n: Some(n), job: None }
    }

    /// That of a job.
    #[must_use]
    pub fn job(job: JobId) -> Self {
        Self { job: Some(job), ..Self::default() }
    }
}

/// The gateway has ended a session that idled in a transaction in the way of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndedIdle {
    #[serde(flatten)]
    pub of: WhoseChange,
    /// Who was ended.
    pub ended: Blocker,
}

/// Who ends a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionTerminated {
    pub session: SessionNumber,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was checked when all steps of a plan had run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VerifiedEvent {
    #[serde(flatten)]
    pub of: WhoseChange,
    pub checks: Vec<Checked>,
}
