//! What a run that must survive its process writes down, and what it is told of the runs before it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;

use crate::kernel::plan::subjects::Seen;
use crate::kernel::plan::undo::Left;
use crate::shell::database::DatabaseError;

/// What is written about a step. It is durable before the run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    Begins,
    /// Of a step without a probe: the transaction it is about to run in, before it takes any lock. Whether
    /// that was committed the server can tell afterwards. Of a write in batches the first one after it.
    Transaction(&'a str),
    /// Of a step without a probe that is about to run outside a transaction: after a loss nobody can tell.
    Untold,
    Done,
    /// Its probe, or the ledger itself, says that it was done before.
    Skipped,
    /// After either: what stands under the names that its way back goes by.
    Left(&'a [Seen]),
}

/// An entry on its way.
pub type Written<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Where a run is written down, entry by entry.
pub trait Ledger: Send {
    /// Writes an entry about the step of that place. An error stops the run: it must not outrun its ledger.
    fn write<'a>(&'a mut self, step: usize, entry: Entry<'a>) -> Written<'a>;
}

/// What earlier runs of the same plan did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Steps without a probe that are known to be done.
    pub done: BTreeSet<usize>,
    /// Steps that an earlier run began: theirs is what this run may take back.
    pub begun: BTreeSet<usize>,
    /// Where a step is about the rows of an earlier time only: the first transaction after that.
    pub since: BTreeMap<usize, String>,
    /// Where the walk of a step that was cut off had come to: see [`super::Progress::Walked`].
    pub places: BTreeMap<usize, String>,
    /// What steps have left under the names that their ways back go by.
    pub left: Left,
    /// The first steps ran in the transaction of whoever gave the order.
    pub ahead: Option<Ahead>,
}

/// Steps that a transaction did, whose rest is a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    pub steps: usize,
    pub job: String,
    /// An approval was spent on it: it is not resumed.
    pub spent: bool,
}

/// A run without a ledger, or with one.
pub(super) struct Book<'a> {
    pub(super) past: &'a Past,
    pub(super) ledger: Option<&'a mut dyn Ledger>,
}

impl Book<'_> {
    pub(super) fn is_kept(&self) -> bool {
        self.ledger.is_some()
    }

    /// An entry that cannot be written is as bad as a lost connection: what was done is found again later.
    pub(super) async fn write(&mut self, step: usize, entry: Entry<'_>) -> Result<(), DatabaseError> {
        let Some(ledger) = &mut self.ledger else { return Ok(()) };
        let lost = |why| DatabaseError::Lost(format!("how far it has come cannot be written down: {why}"));
        ledger.write(step, entry).await.map_err(lost)
    }
}
