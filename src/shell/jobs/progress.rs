//! How far a run has come, as people see it: kept in the store, now and then.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::executor::Progress as Told;
use super::super::store::Store;
use crate::kernel::job::{JobId, Progress, Rows};
use crate::kernel::plan::Plan;
use crate::kernel::plan::queue::in_the_way;

/// Between two writes.
const PAUSE: Duration = Duration::from_millis(500);

/// What a job shows that is not at work.
pub(super) fn waiting(plan: &Plan, why: String) -> Progress {
    Progress { steps: number(plan.steps.len()), why: Some(why), ..Progress::default() }
}

/// Follows one run.
pub(super) struct Tracker {
    latest: watch::Sender<Progress>,
    /// Dropped when the run is over: nobody shall wait for the next write then.
    over: watch::Sender<()>,
    writer: JoinHandle<()>,
}

impl Tracker {
    pub(super) fn new(store: Store, id: JobId, plan: &Plan) -> Self {
        let first = Progress { steps: number(plan.steps.len()), ..Progress::default() };
        let (latest, mut seen) = watch::channel(first);
        seen.mark_changed();
        let (over, mut is_over) = watch::channel(());
        let writer = tokio::spawn(async move {
            // Ends with the last value, which is written too.
            while seen.changed().await.is_ok() {
                let progress = seen.borrow_and_update().clone();
                if let Err(error) = store.job_progress(id, progress).await {
                    tracing::warn!(job = id.0, %error, "the progress of a job is not shown");
                }
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ = is_over.changed() => {}
                }
            }
        });
        Self { latest, over, writer }
    }

    /// Says why nothing moves.
    pub(super) fn why(&self, why: String) {
        self.latest.send_modify(|progress| progress.why = Some(why));
    }

    pub(super) fn take(&self, told: &Told) {
        self.latest.send_modify(|progress| take(progress, told));
    }

    /// Waits until the last is written.
    pub(super) async fn end(self) {
        let Self { latest, over, writer } = self;
        latest.send_modify(|progress| progress.why = None);
        drop((latest, over));
        // Its only failure is a panic, which is reported where it happens.
        let _ = writer.await;
    }
}

fn take(progress: &mut Progress, told: &Told) {
    progress.why = None;
    match told {
        Told::StepStarted { step, name } => {
            progress.step = number(*step).saturating_add(1);
            progress.name.clone_from(name);
            progress.rows = None;
        }
        Told::StepDone { .. } | Told::AlreadyDone { .. } | Told::Walked(_) | Told::GoesOn => {}
        Told::Retrying { wait_ms, queue, .. } => {
            let who = in_the_way(&queue.holders);
            let when = wait_ms.map(|ms| format!(", next try in {ms} ms")).unwrap_or_default();
            progress.why = Some(format!("waits for a lock{when}: held by {who}"));
        }
        Told::Backfill { done, estimate, rows_per_second, left } => {
            let left_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            let rows = Rows { done: *done, estimate: *estimate, per_second: *rows_per_second, left_ms };
            progress.rows = Some(rows);
        }
        Told::Throttled { why } => progress.why = Some(format!("holds back: {why}")),
        Told::WaitingForSnapshots { queue } => {
            let who = in_the_way(&queue.holders);
            progress.why = Some(format!("waits until these transactions end: {who}"));
        }
        Told::EndedIdle { blocker } => progress.why = Some(format!("ended a session that idled in the way: {blocker}")),
        Told::Note(text) => progress.why = Some(text.clone()),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
