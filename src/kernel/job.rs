//! The life of a job: a plan that runs on a connection of the gateway's own, and outlives its client and
//! the process. `decide` turns a command into an event, `evolve` applies it. Nothing else moves a job.
//!
//! No storage and no clock here: the store appends what `decide` answers in the transaction it read in.

mod progress;
mod report;
mod state;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::throttle::Signal;
use super::plan::{Action, CHANGED, Plan};
use super::review::{Door, Instant, TicketId};

pub use progress::{Progress, Rows};
pub use report::{claim_of, report};
pub use state::{State, StateName};
pub use turn::{behind, is_due};

/// First and longest pause before a lost connection is tried again, in milliseconds.
const RETRY_MIN_MS: u64 = 500;
const RETRY_MAX_MS: u64 = 30_000;
/// Of a job whose transaction was not committed.
const ROLLED_BACK: &str = "The transaction it belonged to was not committed: nothing was changed.";

/// A job's number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A relation that a job works on: of two jobs on one of them the later waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Table {
    pub oid: u32,
    /// With its schema.
    pub name: String,
}

impl Table {
    /// Whether it is meant by a name with or without its schema.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.name.split_once('.').is_some_and(|(_, bare)| bare == name)
    }
}

/// What is to be done, where and as whom. It never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub target: String,
    pub database: String,
    pub tables: Vec<Table>,
    /// Role the client logged in as; the job logs in as the same.
    pub requester: String,
    /// What the client had `SET ROLE` to, if it had.
    pub role: Option<String>,
    /// Settings of the client's session that are not the login's own.
    pub settings: Vec<(String, String)>,
    pub application: String,
    /// The statement, without secrets.
    pub shown: String,
    pub plan: Plan,
    /// By what the same statement of the same requester is known again.
    pub sameness: Option<String>,
    /// Approved to run once: judged again and claimed before anything runs.
    pub ticket: Option<TicketId>,
    pub undo_of: Option<JobId>,
    /// Part of a transaction: nothing runs unless that was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// It ends what another job has begun, at its time.
    #[serde(default)]
    pub later: Option<Later>,
}

/// The transaction a job follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct After {
    /// The number of the client's transaction, or of its subtransaction since the last savepoint: committed
    /// when, and only when, what was ordered in it counts.
    pub xid: String,
    /// So many steps of the plan have run in it.
    pub head: usize,
}

/// When a job begins that another has left for later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Later {
    pub job: JobId,
    pub at: Instant,
}

/// One job. `version` counts its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    pub id: JobId,
    pub version: u32,
    pub order: Order,
    pub state: State,
    pub created: Instant,
    /// When it first reached the server: from then on it may have left something there.
    pub started: Option<Instant>,
    /// Set after a lost connection, until the next one.
    pub retry: Option<Retry>,
    pub rate: Rate,
    /// The transaction it follows, if any, is known to be committed.
    #[serde(default)]
    pub released: bool,
}

/// When a connection is tried again, and why it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    pub why: String,
    pub at: Instant,
    pub tries: u32,
}

/// How fast backfills go, where it is not as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    pub batch_ms: Option<u32>,
    pub pause_percent: Option<u32>,
    /// Limits of signals, 0 for none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<Signal, u64>,
}

/// What somebody wants of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The transaction it follows was committed.
    Release,
    /// The transaction it follows was rolled back.
    Vanish,
    /// Its connection stands and nobody else runs it.
    Start,
    Pause {
        by: String,
    },
    /// Also tries again what has failed.
    Resume {
        by: String,
    },
    Abort {
        by: String,
        reason: Option<String>,
    },
    SetRate {
        by: String,
        rate: Rate,
    },
    /// There is no connection, or no more.
    Lose {
        why: String,
    },
    Finish {
        ms: u64,
        rows: u64,
    },
    Fail {
        code: String,
        message: String,
    },
    /// What was asked for by an abort is done.
    Stopped {
        left: String,
    },
    Undone {
        by: JobId,
    },
    /// The process that ran it is gone.
    Recover,
}

/// What happened to a job, when, and through which door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    pub at: Instant,
    pub door: Door,
    #[serde(flatten)]
    pub what: Happening,
}

/// The closed list of what can happen to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    Ordered { by: String, shown: String },
    Released,
    Started,
    Paused { by: String },
    Resumed { by: String },
    RateSet { by: String, rate: Rate },
    Interrupted { why: String, again: Instant },
    Stopping { by: String, reason: Option<String> },
    Finished { ms: u64, rows: u64 },
    Failed { code: String, message: String },
    Aborted { by: String, left: String },
    Undone { by: JobId },
    Recovered,
}

impl Happening {
    /// The word used in histories.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ordered { .. } => "ordered",
            Self::Released => "released",
            Self::Started => "started",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::RateSet { .. } => "rate set",
            Self::Interrupted { .. } => "interrupted",
            Self::Stopping { .. } => "stopping",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
            Self::Aborted { .. } => "aborted",
            Self::Undone { .. } => "undone",
            Self::Recovered => "recovered",
        }
    }
}

/// Why a command does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the job is {is}, and would have to be {needed} for that")]
    WrongState { is: &'static str, needed: &'static str },
    #[error("the approval it ran by is spent: have the statement approved again")]
    Spent,
    #[error(
        "what it changes is not as it was planned for any more, and it would fail again: send the statement again, which is \
         planned anew and goes on with the rows that are filled: {0}"
    )]
    Outdated(String),
    #[error("the rate's values are 1 to 10000 ms for a batch and at most 10000 percent for the pause")]
    Rate,
}

/// The first event of a job, and the job it makes.
#[must_use]
pub fn order(id: JobId, order: Order, door: Door, now: Instant) -> (Job, Event) {
    let what = Happening::Ordered { by: order.requester.clone(), shown: order.shown.clone() };
    let retry = order.later.map(|later| Retry {
        why: format!("what job {} has set aside is kept until then", later.job),
        at: later.at,
        tries: 0,
    });
    let state = if order.after.is_some() { State::Deferred } else { State::Queued };
    let job = Job {
        id,
        version: 1,
        order,
        state,
        created: now,
        started: None,
        retry,
        rate: Rate::default(),
        released: false,
    };
    (job, Event { at: now, door, what })
}

/// What a command does to a job, if it counts.
///
/// # Errors
/// Why it does not count.
pub fn decide(job: &Job, command: Command, door: Door, now: Instant) -> Result<Event, Rejection> {
    let name = job.state.name();
    let wrong = |needed: &'static str| Err(Rejection::WrongState { is: name.as_str(), needed });
    let is_held = name.is_live() && job.started.is_some();
    let what = match command {
        Command::Release | Command::Vanish if name != StateName::Deferred => return wrong("deferred"),
        Command::Release => Happening::Released,
        Command::Vanish => Happening::Aborted { by: "ROLLBACK".to_owned(), left: ROLLED_BACK.to_owned() },
        Command::Start => match name {
            StateName::Queued | StateName::Waiting => Happening::Started,
            _ => return wrong("queued or waiting"),
        },
        Command::Pause { by } => match name {
            StateName::Queued | StateName::Running | StateName::Waiting => Happening::Paused { by },
            _ => return wrong("queued, running or waiting"),
        },
        Command::Resume { by } => match name {
            StateName::Failed if job.order.ticket.is_some() && !job.had_no_lock() => return Err(Rejection::Spent),
            StateName::Failed if job.is_outdated() => return Err(Rejection::Outdated(job.order.shown.clone())),
            StateName::Paused | StateName::Waiting | StateName::Failed => Happening::Resumed { by },
            _ => return wrong("paused, waiting or failed"),
        },
        Command::Abort { by, reason } => match name {
            StateName::Deferred | StateName::Queued | StateName::Running | StateName::Paused | StateName::Waiting => {
                if job.started.is_none() {
                    Happening::Aborted { by, left: job.left_unbegun() }
                } else {
                    Happening::Stopping { by, reason }
                }
            }
            _ => return wrong("deferred, queued, running, paused or waiting"),
        },
        Command::SetRate { by, rate } => {
            if !name.is_live() {
                return wrong("live");
            }
            let batch = rate.batch_ms.is_none_or(|ms| (1..=10_000).contains(&ms));
            if !batch || rate.pause_percent.is_some_and(|percent| percent > 10_000) {
                return Err(Rejection::Rate);
            }
            Happening::RateSet { by, rate }
        }
        Command::Lose { why } => {
            if !name.is_live() {
                return wrong("live");
            }
            let tries = job.retry.as_ref().map_or(0, |retry| retry.tries);
            Happening::Interrupted { why, again: now.plus_ms(pause_ms(tries)) }
        }
        Command::Finish { ms, rows } if is_held => Happening::Finished { ms, rows },
        Command::Fail { code, message } if name.is_live() => Happening::Failed { code, message },
        Command::Stopped { left } => match &job.state {
            State::Stopping { by, .. } => Happening::Aborted { by: by.clone(), left },
            _ => return wrong("stopping"),
        },
        Command::Undone { by } => match name {
            StateName::Done | StateName::Failed => Happening::Undone { by },
            _ => return wrong("done or failed"),
        },
        Command::Recover => match name {
            StateName::Running => Happening::Recovered,
            _ => return wrong("running"),
        },
        Command::Finish { .. } => return wrong("begun"),
        Command::Fail { .. } => return wrong("live"),
    };
    Ok(Event { at: now, door, what })
}

/// SQLSTATEs of a lock that was not to be had, and of a deadlock: nothing of the step is there.
const NO_LOCK: [&str; 2] = ["55P03", "40P01"];

/// Whether an error says that a lock was not to be had.
#[must_use]
pub fn is_for_a_lock(code: &str) -> bool {
    NO_LOCK.contains(&code)
}

impl Job {
    /// It ended because what it was planned for had changed under it: its plan does not change.
    fn is_outdated(&self) -> bool {
        matches!(&self.state, State::Failed { code, .. } if code == CHANGED)
    }

    /// It ended only because a lock was not to be had: what it ran by is still good.
    #[must_use]
    pub fn had_no_lock(&self) -> bool {
        matches!(&self.state, State::Failed { code, .. } if is_for_a_lock(code))
    }

    /// What is left when it has not begun: what the transaction has done that it follows is not its own.
    fn left_unbegun(&self) -> String {
        let Order { plan, after, .. } = &self.order;
        let (head, rest) = plan.steps.split_at(after.as_ref().map_or(0, |after| after.head.min(plan.steps.len())));
        if head.is_empty() {
            return "It had not begun: nothing was changed.".to_owned();
        }
        let done: Vec<_> = head.iter().map(|step| step.action.sql()).collect();
        let undo: Vec<_> = head.iter().rev().flat_map(|step| &step.undo).map(String::as_str).collect();
        let (stays, then) = if self.released { ("stays", "") } else { ("stays, if that is committed", " then") };
        let mut left =
            format!("It had not begun. What its transaction has done before it {stays}: {}.", done.join("; "));
        if !undo.is_empty() {
            left.push_str(&format!(" To take that away{then}, run: {};", undo.join("; ")));
        }
        if rest.iter().all(|step| matches!(step.action, Action::Sql { .. })) {
            let rest: Vec<_> = rest.iter().map(|step| step.action.sql()).collect();
            left.push_str(&format!(" To finish it{then} instead, run: {};", rest.join("; ")));
        }
        left
    }
}

/// The job after an event. Total: an event that was recorded counts.
#[must_use]
pub fn evolve(mut job: Job, event: &Event) -> Job {
    job.version = job.version.saturating_add(1);
    let at = event.at;
    job.state = match &event.what {
        Happening::Ordered { .. } | Happening::Recovered => State::Queued,
        Happening::Released => {
            job.retry = None;
            job.released = true;
            State::Queued
        }
        Happening::Started => {
            job.started.get_or_insert(at);
            job.retry = None;
            State::Running { since: at }
        }
        Happening::Paused { by } => State::Paused { by: by.clone(), since: at },
        Happening::Resumed { .. } => {
            job.retry = None;
            // Whoever could not ask for its transaction still has to.
            if job.order.after.is_some() && !job.released { State::Deferred } else { State::Queued }
        }
        Happening::RateSet { rate, .. } => {
            job.rate.batch_ms = rate.batch_ms.or(job.rate.batch_ms);
            job.rate.pause_percent = rate.pause_percent.or(job.rate.pause_percent);
            job.rate.limits.extend(&rate.limits);
            return job;
        }
        Happening::Interrupted { why, again } => {
            let tries = job.retry.as_ref().map_or(0, |retry| retry.tries).saturating_add(1);
            job.retry = Some(Retry { why: why.clone(), at: *again, tries });
            match job.state {
                // Who wanted it to pause or to stop still does, and what it follows is still to be asked for.
                state @ (State::Paused { .. } | State::Stopping { .. } | State::Deferred) => state,
                _ => State::Waiting,
            }
        }
        Happening::Stopping { by, reason } => {
            job.retry = None;
            State::Stopping { by: by.clone(), reason: reason.clone() }
        }
        Happening::Finished { ms, rows } => State::Done { at, ms: *ms, rows: *rows },
        Happening::Failed { code, message } => State::Failed { at, code: code.clone(), message: message.clone() },
        Happening::Aborted { by, left } => State::Aborted { at, by: by.clone(), left: left.clone() },
        Happening::Undone { by } => State::Undone { at, by: *by },
    };
    job
}

fn pause_ms(tries: u32) -> u64 {
    RETRY_MIN_MS.saturating_mul(1 << tries.min(10)).min(RETRY_MAX_MS)
}
