//! What the executor tells while it works and when it is done.

use std::time::Duration;

use crate::kernel::plan::queue::{Blocker, LockQueue};
use crate::kernel::plan::verify::Checked;
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
        /// Until the next attempt, milliseconds. Absent: none is made while who is in the way stays.
        wait_ms: Option<u64>,
        queue: LockQueue,
    },
    Backfill {
        done: u64,
        estimate: u64,
        rows_per_second: u64,
        left: Option<Duration>,
    },
    /// The place to which a backfill has come, durably: a later run may begin there.
    Walked(String),
    /// A backfill waits because others would suffer.
    Throttled {
        why: String,
    },
    /// What is done concurrently waits for transactions that are older than it.
    WaitingForSnapshots {
        queue: LockQueue,
    },
    /// Nobody keeps it waiting any more.
    GoesOn,
    /// A session that idled in its transaction, in our way, was ended.
    EndedIdle {
        blocker: Blocker,
    },
    Note(String),
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
    /// What was checked when all steps had run.
    pub checks: Vec<Checked>,
    /// Rows filled by backfills.
    pub rows: u64,
    /// The server's own command tag, when the plan is the client's one statement.
    pub tag: Option<String>,
    /// The server's notices about the client's own statement, as sent. Those of helper steps are dropped.
    pub notices: Vec<ServerMessage>,
    /// It did not run: what it was chosen for has changed while it waited.
    pub overtaken: bool,
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

impl Outcome {
    /// What was done, however it ended.
    #[must_use]
    pub fn report(&self) -> &Report {
        match self {
            Self::Done(report) | Self::Failed(report, _) | Self::Cancelled(report, _) | Self::Unknown(report, _) => {
                report
            }
        }
    }
}
