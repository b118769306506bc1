//! Who keeps a run waiting: kept with the run while it waits, for whoever looks at its ticket or job. Once the
//! lock was had it is gone; of a run that gave up the last state stays.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Store, StoreError};
use crate::kernel::job::JobId;
use crate::kernel::plan::queue::LockQueue;
use crate::kernel::review::Instant;

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(500);

/// A run in the queue at a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    pub since: Instant,
    #[serde(flatten)]
    pub queue: LockQueue,
}

impl Store {
    /// Who is in a run's way; absent: nobody any more.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn journal_waiting(&self, run: &str, waiting: Option<Waiting>) -> Result<(), StoreError> {
        let run = run.to_owned();
        let job = self
            .write(move |tx| {
                let text = waiting.map(|waiting| serde_json::to_string(&waiting)).transpose()?;
                let sql = "UPDATE runs SET waiting = ?2 WHERE run = ?1 RETURNING job";
                let job = tx.prepare_cached(sql)?.query_row(params![run, text], |row| row.get(0)).optional()?;
                Ok(job.flatten())
            })
            .await?;
        job.into_iter().for_each(|id| self.tell_job(JobId(id)));
        Ok(())
    }
}

/// Writes down who is in the way of a run, as it is told. Nothing waits for it.
#[derive(Debug)]
pub struct Queue {
    latest: watch::Sender<Option<Waiting>>,
    /// Dropped when the run is over: nobody shall wait for the next write then.
    over: watch::Sender<()>,
    writer: JoinHandle<()>,
}

impl Queue {
    #[must_use]
    pub fn of(store: Store, run: String) -> Self {
        let (latest, mut seen) = watch::channel(None);
        let (over, mut is_over) = watch::channel(());
        let writer = tokio::spawn(async move {
            // Ends with the last value, which is written too.
            while seen.changed().await.is_ok() {
                let waiting = seen.borrow_and_update().clone();
                if let Err(error) = store.journal_waiting(&run, waiting).await {
                    tracing::warn!(run, %error, "who is in the way of a change is not shown");
                }
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = is_over.changed() => {}
                }
            }
        });
        Self { latest, over, writer }
    }

    pub fn waits(&self, queue: &LockQueue, now: Instant) {
        let since =
            Instant(now.0.saturating_sub(i64::try_from(queue.waited_ms).unwrap_or(i64::MAX).saturating_mul(1_000)));
        // Counted back from the latest look it would come out a little different each time.
        self.latest.send_modify(|latest| {
            let same = latest.as_ref().filter(|waiting| waiting.queue.step == queue.step).map(|waiting| waiting.since);
            *latest = Some(Waiting { since: same.unwrap_or(since), queue: queue.clone() });
        });
    }

    /// The step is done, or at work.
    pub fn goes_on(&self) {
        self.latest.send_if_modified(|latest| latest.take().is_some());
    }

    /// Waits until the last is written.
    pub async fn end(self) {
        let Self { latest, over, writer } = self;
        drop((latest, over));
        // Its only failure is a panic, which is reported where it happens.
        let _ = writer.await;
    }
}
