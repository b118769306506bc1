//! What a session does with a ticket: open or attach, wait for a decision, claim it, report the outcome.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::kernel::review::{Command, Request, State, StateName, Terms, Ticket, TicketId};
use crate::shell::clock::now;
use crate::shell::store::{Limits, Opened, Store, StoreError};

/// Longest sleep of the timer: bounds how late it notices that the system's clock was set.
const TIMER_MAX: Duration = Duration::from_secs(30);
/// Pause of the timer after the store has failed.
const TIMER_PAUSE: Duration = Duration::from_secs(1);

/// How long tickets live and how many there may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub terms: Terms,
    pub limits: Limits,
}

/// The queue as sessions see it. Clones share the store.
#[derive(Clone, Debug)]
pub struct Tickets {
    pub store: Store,
    settings: Arc<RwLock<Settings>>,
}

/// How the wait for a decision ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Claim it now.
    Approved(Box<Ticket>),
    Rejected {
        by: String,
        reason: String,
    },
    Cancelled {
        by: String,
        reason: Option<String>,
    },
    Expired {
        was_approved: bool,
    },
    /// A reviewer wants something else first.
    ChangesRequested {
        by: String,
        what: String,
    },
    /// Another session was first: it is running there or has run.
    Taken(StateName),
    /// The deadline came first; the ticket stays.
    StillPending(Box<Ticket>),
}

/// The answer to a claim that counted.
#[derive(Debug)]
pub enum Claimed {
    Run(Claim),
    /// What the statement means has changed since it was approved: a person has to look again.
    BackToReview {
        ticket: Box<Ticket>,
        why: String,
    },
}

/// The right to run a ticket's plan, once. Dropped without a report, it reports by itself:
/// failed when nothing was sent yet, unknown when something was.
#[derive(Debug)]
pub struct Claim {
    tickets: Tickets,
    ticket: Box<Ticket>,
    claim: String,
    sent: bool,
    reported: bool,
    runtime: tokio::runtime::Handle,
}

impl Tickets {
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        Self { store, settings: Arc::new(RwLock::new(settings)) }
    }

    /// As they are now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, for all clones. What is open keeps the time it was given.
    pub fn set(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Opens a ticket, or attaches to the live one of the same request.
    ///
    /// # Errors
    /// Too many open tickets, or the store cannot be written: the change must not run.
    pub async fn request(&self, request: Request) -> Result<(Ticket, Opened), StoreError> {
        let Settings { terms, limits } = self.settings();
        self.store.open_or_attach(request, now(), (terms, limits)).await
    }

    /// Waits until the ticket is decided on, or until the deadline. Cancel safe: made for `select!`.
    ///
    /// # Errors
    /// No such ticket, or the store cannot be read.
    pub async fn await_decision(
        &self,
        id: TicketId,
        deadline: Option<tokio::time::Instant>,
    ) -> Result<Decision, StoreError> {
        // Watching starts before the first look, so that no change falls between.
        let mut changes = self.store.watch();
        loop {
            let ticket = self.store.load(id).await?;
            let opens = match &ticket.state {
                State::Pending { .. } => None,
                // Approved for a later hour: there is nothing to do before it.
                State::Approved { .. } => {
                    let now = now();
                    ticket
                        .runs_from(now)
                        .filter(|from| *from > now)
                        .map(|from| Duration::from_millis(from.ms_since(now) + 1))
                }
                State::ChangesRequested { .. }
                | State::Claimed { .. }
                | State::Running { .. }
                | State::Done { .. }
                | State::Failed { .. }
                | State::Undone { .. }
                | State::Unknown { .. }
                | State::Rejected { .. }
                | State::Cancelled { .. }
                | State::Expired { .. } => return Ok(decision(ticket)),
            };
            if opens.is_none() && !matches!(ticket.state, State::Pending { .. }) {
                return Ok(decision(ticket));
            }
            let news = async {
                use tokio::sync::broadcast::error::RecvError;
                loop {
                    match changes.recv().await {
                        Ok(change) if change.id != id => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => return,
                        // The store lives as long as `self`; there is nothing to wait for without it.
                        Err(RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let opened = async {
                match opens {
                    Some(wait) => tokio::time::sleep(wait.min(TIMER_MAX)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = news => {}
                () = opened => {}
                () = over => return Ok(Decision::StillPending(Box::new(ticket))),
            }
        }
    }

    /// Spends the approval. `request` is the statement as judged just now, with fresh facts.
    /// Cancel safe: a claim nobody waits for any more is given up.
    ///
    /// # Errors
    /// It is not approved, the approval ran out, another session was first, or the store cannot be written.
    pub async fn claim(&self, id: TicketId, session: &str, request: Request) -> Result<Claimed, StoreError> {
        let (tickets, session) = (self.clone(), session.to_owned());
        // A task of its own: if the caller goes away in the middle, the claim is still built, and dropped.
        let task = tokio::spawn(async move { tickets.claim_to_the_end(id, session, request).await });
        task.await.map_err(|error| StoreError::Failed(error.to_string()))?
    }

    async fn claim_to_the_end(self, id: TicketId, session: String, request: Request) -> Result<Claimed, StoreError> {
        let claim = super::door::random_hex()?;
        let command = Command::Claim { claim: claim.clone(), session, request: Box::new(request) };
        let ticket = self.store.act(id, command, now(), self.settings().terms).await?;
        if let State::Pending { returned, .. } = &ticket.state {
            let why = returned.clone().unwrap_or_default();
            return Ok(Claimed::BackToReview { ticket: Box::new(ticket), why });
        }
        let runtime = tokio::runtime::Handle::current();
        let ticket = Box::new(ticket);
        Ok(Claimed::Run(Claim { tickets: self, ticket, claim, sent: false, reported: false, runtime }))
    }

    /// Ends tickets as their time runs out. Never returns: spawn it, and abort it at the end.
    pub async fn expire_forever(self) {
        let mut changes = self.store.watch();
        loop {
            let due = match self.store.expire_due(now()).await {
                Ok(_) => self.store.next_due().await,
                Err(error) => Err(error),
            };
            let wait = match due {
                Ok(Some(due)) => Duration::from_millis(due.ms_since(now()) + 1).min(TIMER_MAX),
                Ok(None) => TIMER_MAX,
                Err(error) => {
                    tracing::warn!(%error, "tickets cannot be expired");
                    tokio::time::sleep(TIMER_PAUSE).await;
                    continue;
                }
            };
            // Any change may bring the next end nearer.
            let _ = tokio::time::timeout(wait, changes.recv()).await;
        }
    }
}

impl Claim {
    #[must_use]
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Unique: the name of the run in the journal.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.claim
    }

    /// From now on the outcome is unknown until it is reported. Call it before the first byte goes out.
    ///
    /// # Errors
    /// The store cannot be written: the change must not be sent.
    pub async fn start(&mut self) -> Result<(), StoreError> {
        let command = Command::Start { claim: self.claim.clone() };
        self.tickets.store.act(self.ticket.id, command, now(), self.tickets.settings().terms).await?;
        self.sent = true;
        Ok(())
    }

    /// # Errors
    /// The store cannot be written: the change has run, and the record does not say so.
    pub async fn finish(mut self, ms: u64, tag: &str) -> Result<Ticket, StoreError> {
        let command = Command::Finish { claim: self.claim.clone(), ms, tag: tag.to_owned() };
        self.report(command).await
    }

    /// # Errors
    /// The store cannot be written.
    pub async fn fail(mut self, code: &str, message: &str) -> Result<Ticket, StoreError> {
        let (code, message) = (code.to_owned(), message.to_owned());
        let command = Command::Fail { claim: self.claim.clone(), code, message };
        self.report(command).await
    }

    /// # Errors
    /// The store cannot be written.
    pub async fn lose(mut self, why: &str) -> Result<Ticket, StoreError> {
        let command = Command::LoseOutcome { claim: Some(self.claim.clone()), why: why.to_owned() };
        self.report(command).await
    }

    /// The run has done nothing: what was approved may be sent again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn give_back(mut self, why: &str) -> Result<Ticket, StoreError> {
        let command = Command::GiveBack { claim: self.claim.clone(), why: why.to_owned() };
        self.report(command).await
    }

    async fn report(&mut self, command: Command) -> Result<Ticket, StoreError> {
        let (store, id, terms) = (&self.tickets.store, self.ticket.id, self.tickets.settings().terms);
        let ticket = store.act(id, command, now(), terms).await?;
        self.reported = true;
        Ok(ticket)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.reported {
            return;
        }
        let claim = self.claim.clone();
        let command = if self.sent {
            let why = "the session ended before it knew the outcome".to_owned();
            Command::LoseOutcome { claim: Some(claim), why }
        } else {
            let message = "the session ended before the change was sent".to_owned();
            Command::Fail { claim, code: "57014".to_owned(), message }
        };
        let (tickets, id) = (self.tickets.clone(), self.ticket.id);
        self.runtime.spawn(async move {
            let outcome = tickets.store.act(id, command, now(), tickets.settings().terms).await;
            match outcome {
                // Rejected: it was reported after all, by a call that was cut off.
                Ok(_) | Err(StoreError::Rejected(_)) => {}
                Err(error) => tracing::error!(ticket = id.0, %error, "an outcome cannot be recorded"),
            }
        });
    }
}

fn decision(ticket: Ticket) -> Decision {
    match ticket.state {
        State::Pending { .. } => Decision::StillPending(Box::new(ticket)),
        State::Approved { .. } => Decision::Approved(Box::new(ticket)),
        State::Rejected { by, reason, .. } => Decision::Rejected { by, reason },
        State::Cancelled { by, reason, .. } => Decision::Cancelled { by, reason },
        State::Expired { was_approved, .. } => Decision::Expired { was_approved },
        State::ChangesRequested { by, what, .. } => Decision::ChangesRequested { by, what },
        State::Claimed { .. }
        | State::Running { .. }
        | State::Done { .. }
        | State::Failed { .. }
        | State::Undone { .. }
        | State::Unknown { .. } => Decision::Taken(ticket.state.name()),
    }
}
