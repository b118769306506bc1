//! What the executor tells while it works and when it is done.

use std::time::Duration;

use crate::shell::database::{DatabaseError, ServerMessage};

/// Told as it happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    StepStarted {
        step: usize,
        name: String,
    },
    StepDone {
        step: usize,
        name: String,
        ms: u64,
    },
    /// Its probe says that the step was done before.
    AlreadyDone {
        step: usize,
        name: String,
    },
    /// The lock was not to be had, or is not worth queueing for.
    Retrying {
        attempt: u32,
        wait_ms: u64,
        blockers: Vec<Blocker>,
    },
    Backfill {
        done: u64,
        estimate: u64,
        rows_per_second: u64,
        left: Option<Duration>,
    },
    /// A backfill waits because others would suffer.
    Throttled {
        why: String,
    },
    /// An index build is about to wait for transactions that are older than it.
    WaitingForSnapshots {
        blockers: Vec<Blocker>,
    },
    Note(String),
}

/// Somebody in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocker {
    /// Absent: a prepared transaction, which no process holds.
    pub pid: Option<i32>,
    pub user: String,
    pub application: String,
    pub state: String,
    /// Age of its transaction, if we may see it.
    pub age: Option<Duration>,
    /// At most 100 characters.
    pub query: String,
}

impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => return write!(f, "a prepared transaction (see pg_prepared_xacts)"),
        }
        write!(f, " ({} by {}", self.state, self.user)?;
        if !self.application.is_empty() {
            write!(f, ", {}", self.application)?;
        }
        if let Some(age) = self.age {
            write!(f, ", transaction open for {:.1} s", age.as_secs_f64())?;
        }
        write!(f, "): {}", self.query)
    }
}

/// Who is in the way, in words.
#[must_use]
pub fn in_the_way(blockers: &[Blocker]) -> String {
    let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    if who.is_empty() { "somebody".to_owned() } else { who.join("; ") }
}

/// One step as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    pub name: String,
    pub ms: u64,
    pub already_done: bool,
    /// How often it was tried.
    pub attempts: u32,
}

/// What was done, whether or not to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub steps: Vec<StepReport>,
    /// Rows filled by backfills.
    pub rows: u64,
    /// The server's own command tag, when the plan is the client's one statement.
    pub tag: Option<String>,
    /// The server's notices about the client's own statement, as sent. Those of helper steps are dropped.
    pub notices: Vec<ServerMessage>,
}

/// Why a plan ended early, and what that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The step, counted from 0, and its name.
    pub step: usize,
    pub name: String,
    /// The server's own error: for the client.
    pub error: DatabaseError,
    /// What state the database is in, in a sentence or two.
    pub state: String,
    /// How to go on or to undo.
    pub way_on: String,
    /// Who was in the way, if a lock was.
    pub blockers: Vec<Blocker>,
}

/// How a plan ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done and every probe says so.
    Done(Report),
    Failed(Report, Box<Stopped>),
    /// On request. `error` is what to answer the client: SQLSTATE 57014.
    Cancelled(Report, Box<Stopped>),
    /// The connection was lost meanwhile: the step may have happened or not. Running the plan again
    /// finds out by the probes.
    Unknown(Report, Box<Stopped>),
}
