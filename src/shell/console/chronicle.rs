//! What happens to tickets and jobs, on its way from the store into the record.
//!
//! The store is the truth: this follows its events and remembers how far the record has them on disk. So
//! nothing is missing after a crash; at worst the last events are told twice, under the same number.

use std::time::Duration;

use tokio::sync::watch;

use super::text::{how, labels};
use crate::kernel::job;
use crate::kernel::review::Happening;
use crate::shell::audit::{Audit, Event, JobEvent, TicketEvent, timestamp};
use crate::shell::store::{JobRecorded, Recorded, Store, StoreError};

/// Events that are read at a time.
const PAGE: u32 = 100;
/// Characters of a statement: the decision's own line has more of it.
const TEXT_MAX: usize = 500;
/// Between two looks while it is behind.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows the store.
pub struct Chronicle {
    store: Store,
    audit: Audit,
    /// Position of the last event of a ticket that was handed to the record, and of a job.
    handed: i64,
    handed_jobs: i64,
}

impl Chronicle {
    /// Goes on where the last run stopped.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn new(store: Store, audit: Audit) -> Result<Self, StoreError> {
        let (handed, handed_jobs) = (store.recorded().await?, store.jobs_recorded().await?);
        Ok(Self { store, audit, handed, handed_jobs })
    }

    /// Follows until `stop` turns true, and catches up once more then.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.store.watch();
        let mut job_changes = self.store.watch_jobs();
        loop {
            let stopping = *stop.borrow();
            let is_behind = match self.catch_up().await {
                Ok(()) => !self.audit.is_healthy(),
                Err(error) => {
                    tracing::error!(%error, "what happened to tickets and jobs cannot be recorded yet");
                    true
                }
            };
            if stopping {
                return;
            }
            tokio::select! {
                _ = changes.recv(), if !is_behind => {}
                _ = job_changes.recv(), if !is_behind => {}
                _ = stop.wait_for(|on| *on) => {}
                () = tokio::time::sleep(PAUSE), if is_behind => {}
            }
        }
    }

    /// Hands over what is new. While the record cannot be written there is no hurry: the store keeps it.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        while self.audit.is_healthy() {
            let events = self.store.events_after(self.handed, PAGE).await?;
            let Some((last, others)) = events.split_last() else { break };
            for recorded in others {
                self.audit.event(line(recorded));
            }
            self.handed = last.seq;
            if self.audit.event_settled(line(last)).await.is_ok() {
                self.store.set_recorded(self.handed).await?;
            }
        }
        while self.audit.is_healthy() {
            let events = self.store.job_events_after(self.handed_jobs, PAGE).await?;
            let Some((last, others)) = events.split_last() else { break };
            for recorded in others {
                self.audit.event(job_line(recorded));
            }
            self.handed_jobs = last.seq;
            if self.audit.event_settled(job_line(last)).await.is_ok() {
                self.store.set_jobs_recorded(self.handed_jobs).await?;
            }
        }
        Ok(())
    }
}

fn job_line(recorded: &JobRecorded) -> Event {
    const GATEWAY: &str = "gateway";
    let (by, note) = match &recorded.event.what {
        job::Happening::Ordered { by, shown } => (by.as_str(), Some(shown.chars().take(TEXT_MAX).collect())),
        job::Happening::Released | job::Happening::Started | job::Happening::Recovered => (GATEWAY, None),
        job::Happening::Paused { by } | job::Happening::Resumed { by } => (by.as_str(), None),
        job::Happening::RateSet { by, rate } => {
            let set = |value: Option<u32>| value.map_or("unchanged".to_owned(), |value| value.to_string());
            let mut note = format!("batch_ms {}, pause_percent {}", set(rate.batch_ms), set(rate.pause_percent));
            note.extend(rate.limits.iter().map(|(signal, limit)| format!(", {} {limit}", signal.key())));
            (by.as_str(), Some(note))
        }
        job::Happening::Interrupted { why, .. } => (GATEWAY, Some(why.clone())),
        job::Happening::Stopping { by, reason } => (by.as_str(), reason.clone()),
        job::Happening::Finished { ms, rows } => (GATEWAY, Some(format!("{rows} rows in {ms} ms"))),
        job::Happening::Failed { code, message } => (GATEWAY, Some(format!("{message} (SQLSTATE {code})"))),
        job::Happening::Aborted { by, left } => (by.as_str(), Some(left.clone())),
        job::Happening::Undone { by } => (GATEWAY, Some(format!("by job {by}"))),
    };
    Event::Job(JobEvent {
        job: recorded.job,
        event_number: recorded.seq,
        happened: timestamp(recorded.event.at),
        what: recorded.event.what.name().to_owned(),
        by: by.to_owned(),
        door: recorded.event.door.word().to_owned(),
        note,
    })
}

fn line(recorded: &Recorded) -> Event {
    let (by, note) = told(&recorded.event.what);
    Event::Ticket(TicketEvent {
        ticket: recorded.ticket,
        event_number: recorded.seq,
        happened: timestamp(recorded.event.at),
        what: recorded.event.what.name().to_owned(),
        by: by.to_owned(),
        door: recorded.event.door.word().to_owned(),
        note,
    })
}

/// Who, and with what words.
fn told(what: &Happening) -> (&str, Option<String>) {
    const GATEWAY: &str = "gateway";
    /// The one that claimed it.
    const SESSION: &str = "session";
    match what {
        Happening::Opened { request, .. } => (&request.requester, Some(request.shown.chars().take(TEXT_MAX).collect())),
        Happening::Voted { by, note, .. } | Happening::Approved { by, note, .. } => (by, note.clone()),
        Happening::GlassBroken { by, reason, .. } => (by, Some(reason.clone())),
        Happening::DebtReviewed { by, note } => (by, Some(note.clone())),
        Happening::ChangesRequested { by, what, .. } => (by, Some(what.clone())),
        Happening::Justified { by, text, .. } => (by, Some(text.clone())),
        Happening::Labelled { by, add, remove } => (by, Some(labels(add, remove))),
        Happening::RunChosen { by, run, .. } => (by, Some(how(*run))),
        Happening::Started => (SESSION, None),
        Happening::GivenBack { why } => (SESSION, Some(why.clone())),
        Happening::Settled { by, applied, found } => {
            (by, Some(format!("{}: {found}", if *applied { "applied" } else { "not applied" })))
        }
        Happening::Undone { job } => (GATEWAY, Some(format!("by job {job}"))),
        Happening::Rejected { by, reason } => (by, Some(reason.clone())),
        Happening::Cancelled { by, reason } => (by, reason.clone()),
        Happening::Commented { by, text } => (by, Some(text.clone())),
        Happening::Expired => (GATEWAY, None),
        Happening::Claimed { session, .. } => (session, None),
        Happening::Finished { ms, tag } => (SESSION, Some(format!("{tag} in {ms} ms"))),
        Happening::Failed { code, message } => (SESSION, Some(format!("{message} (SQLSTATE {code})"))),
        Happening::OutcomeLost { why } => (GATEWAY, Some(why.clone())),
        Happening::Returned { why, request, .. } => (&request.requester, Some(why.clone())),
    }
}
