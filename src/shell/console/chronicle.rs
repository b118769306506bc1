//! What happens to tickets, on its way from the store into the record.
//!
//! The store is the truth: this follows its events and remembers how far the record has them on disk. So
//! nothing is missing after a crash; at worst the last events are told twice, under the same number.

use std::time::Duration;

use tokio::sync::watch;

use crate::kernel::review::Happening;
use crate::shell::audit::{Audit, Event, TicketEvent, timestamp};
use crate::shell::store::{Recorded, Store, StoreError};

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
    /// Position of the last event that was handed to the record.
    handed: i64,
}

impl Chronicle {
    /// Goes on where the last run stopped.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn new(store: Store, audit: Audit) -> Result<Self, StoreError> {
        let handed = store.recorded().await?;
        Ok(Self { store, audit, handed })
    }

    /// Follows until `stop` turns true, and catches up once more then.
    pub async fn follow(mut self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.store.watch();
        loop {
            let stopping = *stop.borrow();
            let is_behind = match self.catch_up().await {
                Ok(()) => !self.audit.is_healthy(),
                Err(error) => {
                    tracing::error!(%error, "what happened to tickets cannot be recorded yet");
                    true
                }
            };
            if stopping {
                return;
            }
            tokio::select! {
                _ = changes.recv(), if !is_behind => {}
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
        Ok(())
    }
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
        Happening::Approved { by, note, .. } => (by, note.clone()),
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
