//! The embedded record of tickets and of running plans: one SQLite file, one thread that owns the connection.
//!
//! What a call returns is durable. Decisions are made by `kernel::review`; here they are only made
//! to hold: load, decide and append happen in one transaction, so that of two commands one comes second.

mod charts;
mod definitions;
mod error;
mod history;
mod jobs;
mod journal;
mod lock;
mod outbox;
mod query;
#[cfg(test)]
mod races;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod tickets;
mod tokens;
mod waiting;

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::kernel::review::{Command, Door, Event, Instant, Request, Terms, Ticket, TicketId};

pub use charts::ChangeOf;
pub use definitions::SchemaFilter;
pub use error::{StoreError, Trouble};
pub use history::{Change, ChangeFilter, ChangeOutcome, RunOf};
pub use jobs::{JobChanged, JobFilter, JobRecorded, JobSeen};
pub use journal::{Backend, NewRun, Run, RunOutcome, StepOutcome, StepRecord, places};
pub use lock::DataDirectory;
pub use outbox::{Delivery, DeliveryCounts, DeliveryFilter, DeliveryState, NewDelivery, Tried};
pub use search::{Filter, Kin, PAGE_MAX};
pub use tickets::{Limits, Opened, Recorded};
pub use tokens::{OPERATOR, Token};
pub use waiting::{Queue, Waiting};

/// The store's file in the data directory.
pub const FILE: &str = "lockkeeper.db";
/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Calls that may wait for the thread; more of them wait in their own tasks.
const QUEUE: usize = 64;
/// Changes a watcher may be behind before it has to look at its ticket again.
const WATCH: usize = 1_024;

/// Where it is remembered how far the record has the events of tickets.
const POSITION: &str = "recorded";

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

/// A ticket has a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    pub id: TicketId,
    pub version: u32,
}

/// A handle; clones share the thread. The thread ends with the last of them.
#[derive(Clone, Debug)]
pub struct Store {
    work: mpsc::Sender<Work>,
    changes: broadcast::Sender<Changed>,
    job_changes: broadcast::Sender<JobChanged>,
    schema_changes: broadcast::Sender<()>,
}

impl Store {
    /// Opens the file, creating it (readable by its owner only) or bringing it up to date.
    ///
    /// # Errors
    /// The file cannot be created or read, is damaged, or was made by a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let (work, queue) = mpsc::channel(QUEUE);
        let (ready, opened) = oneshot::channel();
        std::thread::Builder::new()
            .name("lockkeeper-store".into())
            .spawn(move || own_connection(&path, ready, queue))
            .map_err(|error| StoreError::File(error.to_string()))?;
        opened.await.map_err(|_| StoreError::Gone)??;
        Ok(Self {
            work,
            changes: broadcast::Sender::new(WATCH),
            job_changes: broadcast::Sender::new(WATCH),
            schema_changes: broadcast::Sender::new(WATCH),
        })
    }

    /// The live ticket of the same request by the same requester, or a new one.
    /// Where the objects or the plan have changed meanwhile, the live one returns to review.
    ///
    /// # Errors
    /// Too many open tickets, or the store cannot be written.
    pub async fn open_or_attach(
        &self,
        request: Request,
        now: Instant,
        rules: (Terms, Limits),
    ) -> Result<(Ticket, Opened), StoreError> {
        let (ticket, opened, events) = self.write(move |tx| tickets::open_or_attach(tx, request, now, rules)).await?;
        self.tell(events);
        Ok((ticket, opened))
    }

    /// # Errors
    /// No such ticket, or the store cannot be read.
    pub async fn load(&self, id: TicketId) -> Result<Ticket, StoreError> {
        self.run(move |connection| tickets::load(connection, id)).await
    }

    /// Newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Ticket>, StoreError> {
        self.run(move |connection| search::list(connection, &filter)).await
    }

    /// Earlier changes of the same kind on the same table, and the same change elsewhere, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn kin(&self, ticket: Ticket) -> Result<Vec<Kin>, StoreError> {
        self.run(move |connection| search::kin(connection, &ticket)).await
    }

    /// Approved tickets that run without their requester and whose time has come, and when the next comes.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn starting(&self, now: Instant) -> Result<(Vec<Ticket>, Option<Instant>), StoreError> {
        self.run(move |connection| search::starting(connection, now)).await
    }

    /// All events of a ticket, oldest first.
    ///
    /// # Errors
    /// No such ticket, or the store cannot be read.
    pub async fn events(&self, id: TicketId) -> Result<Vec<Recorded>, StoreError> {
        self.run(move |connection| tickets::events(connection, id)).await
    }

    /// Events of all tickets after a position, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn events_after(&self, position: i64, limit: u32) -> Result<Vec<Recorded>, StoreError> {
        self.run(move |connection| tickets::events_after(connection, position, limit)).await
    }

    /// Position of the newest event of all tickets.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn position(&self) -> Result<i64, StoreError> {
        self.run(|connection| tickets::position(connection)).await
    }

    /// Appends an event that was decided on at `expected_version`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the ticket has another version by now.
    pub async fn append(&self, id: TicketId, expected_version: u32, event: Event) -> Result<Ticket, StoreError> {
        let ticket = self.write(move |tx| tickets::append(tx, id, expected_version, &event)).await?;
        self.tell(vec![changed(&ticket)]);
        Ok(ticket)
    }

    /// Loads, decides and appends as one. Not cancel safe: a call that was begun may still take effect.
    ///
    /// # Errors
    /// [`StoreError::Rejected`] with why the command does not count.
    pub async fn act(&self, id: TicketId, command: Command, now: Instant, terms: Terms) -> Result<Ticket, StoreError> {
        let ticket = self.write(move |tx| tickets::act(tx, id, command, (now, terms))).await?;
        self.tell(vec![changed(&ticket)]);
        Ok(ticket)
    }

    /// As [`Self::act`], with the door the command came through, and the version it is about if it names one.
    ///
    /// # Errors
    /// As there.
    pub async fn act_through(
        &self,
        through: (Door, Option<u32>),
        id: TicketId,
        command: Command,
        when: (Instant, Terms),
    ) -> Result<Ticket, StoreError> {
        let ticket = self.write(move |tx| tickets::act_through(tx, through, (id, command), when)).await?;
        self.tell(vec![changed(&ticket)]);
        Ok(ticket)
    }

    /// Ends every ticket whose time has run out.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn expire_due(&self, now: Instant) -> Result<Vec<Ticket>, StoreError> {
        let tickets = self.write(move |tx| tickets::expire_due(tx, now)).await?;
        self.tell(tickets.iter().map(changed).collect());
        Ok(tickets)
    }

    /// Position up to which the record is known to have the events: [`Self::set_recorded`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn recorded(&self) -> Result<i64, StoreError> {
        self.run(|connection| tickets::position_of(connection, POSITION)).await
    }

    /// Remembers that the record has every event up to `position`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn set_recorded(&self, position: i64) -> Result<(), StoreError> {
        self.write(move |tx| tickets::set_position_of(tx, POSITION, position)).await
    }

    /// When the next live ticket runs out of time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn next_due(&self) -> Result<Option<Instant>, StoreError> {
        self.run(|connection| tickets::next_due(connection)).await
    }

    /// After a start: what was running when the last process died has an unknown outcome.
    /// The directory's lock proves that no other process is running them.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn recover(&self, _alone: &DataDirectory, now: Instant) -> Result<Vec<Ticket>, StoreError> {
        let tickets = self
            .write(move |tx| {
                history::write::runs_lost(tx, now)?;
                definitions::lost(tx, now)?;
                tickets::recover(tx, now)
            })
            .await?;
        self.tell(tickets.iter().map(changed).collect());
        Ok(tickets)
    }

    /// Every change made through this handle and its clones from now on. A receiver that lags
    /// behind has missed changes and has to load what it waits for.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    fn tell(&self, changes: Vec<Changed>) {
        for change in changes {
            // An error says that nobody is watching.
            let _ = self.changes.send(change);
        }
    }

    /// Runs one transaction to its end; an error of the body rolls it back.
    async fn write<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |connection| {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = body(&tx)?;
            tx.commit()?;
            Ok(value)
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        body: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let piece: Work = Box::new(move |connection| {
            // An error says that the caller has gone: the work is done all the same.
            let _ = reply.send(body(connection));
        });
        self.work.send(piece).await.map_err(|_| StoreError::Gone)?;
        answer.await.map_err(|_| StoreError::Gone)?
    }
}

fn changed(ticket: &Ticket) -> Changed {
    Changed { id: ticket.id, version: ticket.version }
}

fn own_connection(path: &Path, ready: oneshot::Sender<Result<(), StoreError>>, mut queue: mpsc::Receiver<Work>) {
    let mut connection = match connect(path) {
        Ok(connection) => connection,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(())).is_err() {
        return;
    }
    while let Some(piece) = queue.blocking_recv() {
        piece(&mut connection);
    }
}

/// The mode is set before SQLite sees the file; its companions (`-wal`, `-shm`) inherit it.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let file_error = |error: std::io::Error| StoreError::File(format!("{}: {error}", path.display()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(file_error)?;
    let mode = file.metadata().map_err(file_error)?.permissions().mode();
    if mode & 0o077 != 0 {
        file.set_permissions(PermissionsExt::from_mode(0o600)).map_err(file_error)?;
    }
    drop(file);
    let mut connection = Connection::open(path)?;
    schema::prepare(&mut connection)?;
    Ok(connection)
}
