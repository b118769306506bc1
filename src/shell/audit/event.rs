//! What the record can say: one closed set of events, the same value for writing and for reading back.
//!
//! Nothing here formats or stores. Statements are told on the hot path by a [`StatementRecord`], which owns nothing;
//! read back they are a [`Statement`].

mod affairs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::plan::Plan;
use crate::kernel::review::{Instant, TicketId};
use crate::kernel::rules::RuleId;
use crate::kernel::sql::statement::LockMode;

pub use affairs::{
    Admission, EndedIdle, GatewayStarted, JobEvent, LogGap, SessionTerminated, TicketEvent, VerifiedEvent, WhoseChange,
};

/// The number of a session, counted from 1 since the gateway started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SessionNumber(pub u64);

/// One line of the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Counted from 1 over all files and restarts; no number is ever missing.
    pub seq: u64,
    /// Random name of this run of the gateway; `boot-session` names a session for ever.
    pub boot: String,
    /// Wall time, RFC 3339, UTC, microseconds.
    pub at: String,
    #[serde(flatten)]
    pub event: Event,
    #[serde(flatten)]
    pub seal: Option<Seal>,
}

/// Closes a batch: the lines written to the file together, of which it is the end of the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seal {
    /// The seal before; zeros before the first.
    pub prev: String,
    /// SHA-256 (hex) of all bytes of the batch up to this value, line feeds and `prev` included.
    pub seal: String,
}

/// Everything that is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    GatewayStarted(GatewayStarted),
    GatewayStopped {
        reason: String,
    },
    /// The configuration was read again; `error` tells why the old one was kept.
    GatewayReloaded {
        settings: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The record could not be written for a while and is being written again. Nothing is missing
    /// unless [`Event::LogGap`] lines say so.
    RecordResumed {
        reason: String,
        failed_at: String,
    },
    /// Statements that ran (or were refused) without a line of their own, exactly.
    LogGap(LogGap),
    LoginFailed(LoginFailed),
    Admission(Admission),
    SessionStarted(SessionStarted),
    /// Somebody ends a session.
    SessionTerminated(SessionTerminated),
    SessionEnded(SessionEnded),
    Statement(Statement),
    /// Durable before the first byte of the change goes upstream.
    Intent(Intent),
    Decision(DecisionRecord),
    Step(Step),
    Ticket(TicketEvent),
    Job(JobEvent),
    EndedIdle(EndedIdle),
    Verified(VerifiedEvent),
}

/// Somebody was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoginFailed {
    pub client: String,
    pub user: String,
    pub database: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
}

/// Who a session is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionInfo {
    /// Address and port, or `[local]`.
    pub client: String,
    /// `tcp` or `unix`.
    pub transport: String,
    /// Version and cipher; absent on a plain connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    pub user: String,
    pub database: String,
    pub target: String,
    pub application: String,
    /// How the client proved who it is: `pass-through`, `scram-sha-256`.
    pub auth: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend_pid: Option<i32>,
}

/// Somebody was let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStarted {
    pub session: SessionNumber,
    #[serde(flatten)]
    pub info: SessionInfo,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The client sent Terminate.
    Terminated,
    /// The client's connection broke or closed without Terminate.
    ClientGone,
    ServerGone,
    ProtocolError,
    /// A time limit of the gateway.
    TimedOut,
    GatewayStopping,
    /// Somebody ended it: see [`Event::SessionTerminated`].
    Administrator,
    /// The handle was dropped without a reason: a panic, or a task that was aborted.
    #[default]
    Dropped,
}

/// What a session did, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    pub statements: u64,
    pub changes: u64,
    pub held: u64,
    pub refused: u64,
    pub errors: u64,
    pub rows: u64,
    /// Bytes the client sent, and received.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEnded {
    pub session: SessionNumber,
    pub reason: EndReason,
    #[serde(flatten)]
    pub counts: Counts,
}

/// How a statement came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrival {
    /// A Query message.
    #[default]
    Simple,
    /// An Execute message (extended protocol).
    Execute,
    /// A FunctionCall message.
    Function,
}

impl Arrival {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Execute => "execute",
            Self::Function => "function",
        }
    }
}

/// What was done with a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    #[default]
    Pass,
    Warn,
    Rewrite,
    Defer,
    Hold,
    Refuse,
    /// It would have been intercepted; observe mode let it through.
    Observe,
    /// The session ended before it was decided.
    NotRun,
}

impl Decision {
    /// As it is written in the record.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Rewrite => "rewrite",
            Self::Defer => "defer",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
            Self::Observe => "observe",
            Self::NotRun => "not_run",
        }
    }
}

/// The transaction state after the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transaction {
    #[default]
    Idle,
    Block,
    Failed,
}

impl Transaction {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Block => "block",
            Self::Failed => "failed",
        }
    }
}

/// Five characters, or nothing. Made from what a server sent, so it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Nothing unless it is five ASCII letters or digits.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(u8::is_ascii_alphanumeric).then_some(Self(bytes))
    }

    pub(super) const fn bytes(&self) -> &[u8; 5] {
        &self.0
    }
}

/// A statement as the session tells it: nothing is kept of it but its line.
#[derive(Clone, Copy, Debug)]
pub struct StatementRecord<'a> {
    /// When the gateway had read it.
    pub at: Instant,
    pub duration_us: u64,
    /// The text as it may be shown: without passwords and secrets.
    pub text: &'a str,
    /// Length of the exact text in bytes; 0 when `text` is complete, or hides something.
    pub text_bytes: u64,
    pub path: Arrival,
    pub decision: Decision,
    /// Whether a rule may be about it: a schema change, a mass write, a grant.
    pub change: bool,
    pub transaction: Transaction,
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    pub tag: &'a str,
    pub sqlstate: Option<SqlState>,
    pub rules: &'a [RuleId],
    pub ticket: Option<TicketId>,
    /// What follows the names of its Bind; the settings say what of it is recorded.
    pub bound: Option<&'a [u8]>,
}

impl<'a> StatementRecord<'a> {
    /// An ordinary statement that passed; the caller fills in the rest.
    #[must_use]
    pub fn new(at: Instant, text: &'a str) -> Self {
        Self {
            at,
            duration_us: 0,
            text,
            text_bytes: 0,
            path: Arrival::Simple,
            decision: Decision::Pass,
            change: false,
            transaction: Transaction::Idle,
            rows: 0,
            bytes: 0,
            tag: "",
            sqlstate: None,
            rules: &[],
            ticket: None,
            bound: None,
        }
    }
}

/// A statement as it is read back. Fields that say nothing are left out of the line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Statement {
    pub session: SessionNumber,
    /// Ordinal within the session, from 1.
    pub n: u64,
    pub path: Arrival,
    pub text: String,
    /// Present when the text was cut: its full length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Vec<Option<String>>>,
    pub decision: Decision,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub change: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    pub tx: Transaction,
    pub rows: u64,
    pub bytes: u64,
    pub duration_us: u64,
    pub tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
}

/// What is about to be done to the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// Ordinal of the statement it belongs to.
    pub n: u64,
    /// As it may be shown.
    pub text: String,
    /// SHA-256 of the exact text, hex; where something is hidden or bound, a hash with a key of the gateway's.
    pub text_hash: String,
    pub plan: Plan,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Filled in by the session's handle; absent for a job that runs without a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionNumber>,
}

/// Why a statement was not simply passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DecisionRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionNumber>,
    pub n: u64,
    pub decision: Decision,
    pub text: String,
    /// Rule and the sentence it says.
    pub findings: Vec<FindingLine>,
    /// All locks the statement itself takes, on every relation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<LockLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    /// What runs after COMMIT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
}

/// One finding, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordedFinding")]
pub struct FindingLine {
    pub rule: RuleId,
    /// `schema.table`, and the lock the statement itself takes on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockMode>,
    pub message: String,
}

/// A lock that a statement takes on what others use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockLine {
    pub relation: String,
    pub mode: LockMode,
}

/// What became of one step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RecordedStep")]
pub struct Step {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionNumber>,
    pub n: u64,
    /// Counted from 1.
    pub step: u64,
    pub name: String,
    pub outcome: StepOutcome,
    pub duration_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RecordedStepOutcome")]
pub enum StepOutcome {
    Done,
    /// Its probe said that nothing was left to do.
    AlreadyDone,
    Failed,
    /// On request, before it was done.
    Cancelled,
    /// The connection broke and the probe could not be asked.
    Unknown,
}
