//! A run's journal: durable, entry by entry, before the run goes on.

use std::convert::Infallible;

use tokio::sync::mpsc;

use super::super::clock::now;
use super::super::executor::{Entry, Ledger, Written};
use super::super::store::{StepOutcome, Store};

/// One run's way to the store.
pub(super) struct Journal {
    pub(super) store: Store,
    pub(super) run: String,
}

/// Writes down the places that a backfill has come to, as they are told. Nothing waits for it: a place that is lost is
/// walked to once more.
pub(super) async fn follow(store: &Store, run: &str, mut places: mpsc::UnboundedReceiver<String>) -> Infallible {
    while let Some(place) = places.recv().await {
        if let Err(error) = store.journal_walked(run, place).await {
            tracing::warn!(run, %error, "how far a backfill has come is not written down");
        }
    }
    std::future::pending().await
}

/// In the place of a transaction's number: there was none.
pub(super) const NO_TRANSACTION: &str = "none";

impl Ledger for Journal {
    fn write<'a>(&'a mut self, step: usize, entry: Entry<'a>) -> Written<'a> {
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        Box::pin(async move {
            let (store, run) = (&self.store, self.run.as_str());
            let written = match entry {
                Entry::Begins => store.journal_started(run, step, now()).await.map(drop),
                Entry::Transaction(xid) => store.journal_transaction(run, step, xid).await,
                Entry::Untold => store.journal_transaction(run, step, NO_TRANSACTION).await,
                Entry::Done => store.journal_finished(run, step, (StepOutcome::Done, None), now()).await,
                Entry::Left(seen) => store.journal_left(run, step, seen).await,
                Entry::Skipped => store.journal_finished(run, step, (StepOutcome::Skipped, None), now()).await,
            };
            written.map_err(|error| error.to_string())
        })
    }
}
