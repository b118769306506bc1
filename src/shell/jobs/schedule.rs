//! Approved tickets that run without their requester: a job is ordered for each when its time has come.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;

use super::super::clock::now;
use super::super::store::StoreError;
use super::{Jobs, OrderError};
use crate::kernel::review::{Command, Door, Instant, RunMode, Ticket, TicketId};

/// Longest sleep: bounds how late it notices that the system's clock was set.
const LOOK: Duration = Duration::from_secs(30);
/// After the store has failed.
const PAUSE: Duration = Duration::from_secs(1);

impl Jobs {
    /// Orders what is due until the gateway drains.
    pub async fn schedule_forever(self, mut draining: watch::Receiver<bool>) {
        let mut changes = self.store().watch();
        // The version at which each was ordered: a job that could not run is not ordered again for the same approval.
        let mut ordered: HashMap<TicketId, u32> = HashMap::new();
        loop {
            let wait = match self.store().starting(now()).await {
                Ok((due, next)) => {
                    ordered.retain(|id, _| due.iter().any(|ticket| ticket.id == *id));
                    for ticket in due {
                        if ordered.insert(ticket.id, ticket.version) != Some(ticket.version) {
                            self.start(&ticket).await;
                        }
                    }
                    next.map_or(LOOK, |next| Duration::from_millis(next.ms_since(now()) + 1).min(LOOK))
                }
                Err(error) => {
                    tracing::warn!(%error, "tickets whose time has come cannot be looked up");
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                _ = draining.wait_for(|on| *on) => return,
                _ = changes.recv() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// What cannot run by itself goes back to its requester's session, and says why.
    async fn start(&self, ticket: &Ticket) {
        let id = ticket.id;
        let Err(error) = self.run_ticket(id, Door::Gateway).await else { return };
        match error {
            OrderError::Refused(why) => {
                let by = || "gateway".to_owned();
                let at = now();
                self.tell_ticket(
                    id,
                    Command::Comment { by: by(), text: format!("it cannot run by itself: {why}") },
                    at,
                )
                .await;
                self.tell_ticket(id, Command::ChooseRun { by: by(), run: RunMode::Session }, at).await;
            }
            error => tracing::error!(ticket = id.0, %error, "a ticket whose time has come could not be ordered"),
        }
    }

    async fn tell_ticket(&self, id: TicketId, command: Command, at: Instant) {
        let terms = self.shared.tickets.settings().terms;
        match self.store().act_through((Door::Gateway, None), id, command, (at, terms)).await {
            Ok(_) | Err(StoreError::Rejected(_)) => {}
            Err(error) => tracing::error!(ticket = id.0, %error, "what became of a ticket could not be recorded"),
        }
    }
}
