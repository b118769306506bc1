//! How far the run of a plan has come, step by step, and on its ticket if it has one: so that after a crash
//! it is known where to look. It proves nothing about the database; the steps' own probes do.

use tokio::sync::mpsc;

use super::Session;
use crate::kernel::plan::Plan;
use crate::kernel::plan::verify::Checked;
use crate::kernel::review::TicketId;
use crate::shell::clock::now;
use crate::shell::executor::Progress;
use crate::shell::store::{ChangeOf, NewRun, Queue, RunOf, RunOutcome, StepOutcome, Store, StoreError};
use crate::shell::traffic::Recording;

/// One run. What is told is written in order by a task of its own: no step waits for it.
#[derive(Debug)]
pub(super) struct Journal {
    lines: mpsc::UnboundedSender<Line>,
    writer: tokio::task::JoinHandle<()>,
    queue: Queue,
    /// What others feel of it.
    recording: Option<Recording>,
}

#[derive(Debug)]
enum Line {
    Started(u32),
    Finished(u32, StepOutcome, Option<String>),
    Walked(String),
    Checks(Vec<Checked>),
    End(RunOutcome),
}

impl Session {
    /// Writes down that a plan is about to run, of a ticket or of its own, and what others feel of it from now on.
    pub(super) async fn begin_journal(
        &self,
        run: &str,
        (ticket, of): (Option<TicketId>, Option<RunOf>),
        plan: &Plan,
    ) -> Result<Journal, StoreError> {
        let (store, session) = (self.shared.tickets.store.clone(), self.log.id().to_string());
        let journal = Journal::begin(store, run, (ticket, of, session), plan).await?;
        let change = ticket.map_or_else(|| ChangeOf::Run(run.to_owned()), ChangeOf::Ticket);
        let recording = self.shared.jobs.traffic().begin(change, &self.identity.target.name).await;
        Ok(Journal { recording: Some(recording), ..journal })
    }
}

impl Journal {
    async fn begin(
        store: Store,
        run: &str,
        (ticket, of, session): (Option<TicketId>, Option<RunOf>, String),
        plan: &Plan,
    ) -> Result<Self, StoreError> {
        let run = run.to_owned();
        let new = NewRun { run: run.clone(), ticket, job: None, session, plan: plan.shown(), of };
        store.journal_begin(new, now()).await?;
        let queue = Queue::of(store.clone(), run.clone());
        let (lines, mut told) = mpsc::unbounded_channel();
        let writer = tokio::spawn(async move {
            while let Some(line) = told.recv().await {
                if let Err(error) = write(&store, &run, line).await {
                    tracing::error!(%error, run, "a step of an approved change is not on its ticket");
                }
            }
        });
        Ok(Self { lines, writer, queue, recording: None })
    }

    pub(super) fn tell(&self, progress: &Progress) {
        if let Some(recording) = &self.recording {
            recording.tell(progress);
        }
        match progress {
            Progress::Retrying { queue, .. } | Progress::WaitingForSnapshots { queue } => {
                self.queue.waits(queue, now());
            }
            Progress::StepDone { .. } | Progress::AlreadyDone { .. } | Progress::Backfill { .. } | Progress::GoesOn => {
                self.queue.goes_on();
            }
            Progress::StepStarted { .. }
            | Progress::Walked(_)
            | Progress::Throttled { .. }
            | Progress::EndedIdle { .. }
            | Progress::Note(_) => {}
        }
        match progress {
            Progress::StepStarted { step, .. } => self.line(Line::Started(number(*step))),
            Progress::StepDone { step, .. } => self.line(Line::Finished(number(*step), StepOutcome::Done, None)),
            Progress::AlreadyDone { step, .. } => self.line(Line::Finished(number(*step), StepOutcome::Skipped, None)),
            Progress::Walked(place) => self.line(Line::Walked(place.clone())),
            Progress::Retrying { .. }
            | Progress::Backfill { .. }
            | Progress::Throttled { .. }
            | Progress::WaitingForSnapshots { .. }
            | Progress::GoesOn
            | Progress::EndedIdle { .. }
            | Progress::Note(_) => {}
        }
    }

    /// What was checked when all steps had run.
    pub(super) fn checked(&self, checks: &[Checked]) {
        if !checks.is_empty() {
            self.line(Line::Checks(checks.to_vec()));
        }
    }

    /// The end of the run, and at which step and why if it ended early. Waits until all is written.
    pub(super) async fn end(mut self, run: RunOutcome, stopped: Option<(usize, String)>) {
        drop(self.recording.take());
        if let Some((step, why)) = stopped {
            let how = match run {
                RunOutcome::Done => StepOutcome::Done,
                RunOutcome::Failed => StepOutcome::Failed,
                RunOutcome::Cancelled => StepOutcome::Cancelled,
                RunOutcome::Unknown => StepOutcome::Unknown,
            };
            self.line(Line::Finished(number(step), how, Some(why)));
        }
        self.line(Line::End(run));
        drop(self.lines);
        self.queue.end().await;
        // Its only failure is a panic, which is reported where it happens.
        let _ = self.writer.await;
    }

    fn line(&self, line: Line) {
        // The writer ends only after the last sender.
        let _ = self.lines.send(line);
    }
}

async fn write(store: &Store, run: &str, line: Line) -> Result<(), StoreError> {
    match line {
        Line::Started(step) => store.journal_started(run, step, now()).await.map(drop),
        Line::Finished(step, outcome, detail) => store.journal_finished(run, step, (outcome, detail), now()).await,
        Line::Walked(place) => store.journal_walked(run, place).await,
        Line::Checks(checks) => store.journal_checks(run, checks).await,
        Line::End(outcome) => store.journal_end(run, outcome, now()).await,
    }
}

fn number(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX)
}
