//! The record: every session and every statement, one line of JSON each. Lines are written
//! in batches, and each batch ends with a seal: a hash of it and of the seal before.
//!
//! Sessions hand lines to a bounded queue; one thread numbers, seals and writes them, and syncs them to disk. Nothing is dropped in silence: a full queue makes sessions wait, a record that cannot be
//! written makes [`Audit::is_healthy`] false at once, and what ran without a line leaves an exact gap line.
//!
//! Not to be confused with the log (tracing). Secrets must be out of a text before it comes here. What
//! follows from a record that cannot be written is decided by the caller: changes are refused.

pub mod escape;
pub mod event;
mod file;
mod format;
mod parameters;
pub mod past;
mod queue;
pub mod read;
mod session;
pub mod sessions;
mod show;
pub mod usage;
pub mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use data_encoding::HEXLOWER;
pub use event::{
    Admission, Arrival, Counts, Decision, DecisionRecord, EndReason, EndedIdle, Event, FindingLine, Intent, JobEvent,
    LockLine, LoginFailed, SessionInfo, SessionNumber, SqlState, StatementRecord, Step, StepOutcome, TicketEvent,
    Transaction, VerifiedEvent, WhoseChange,
};
pub use format::timestamp;
pub use parameters::ParameterMode;
pub use session::{SessionId, SessionLog};
pub(crate) use show::duration;

use event::{GatewayStarted, SessionStarted};
use parameters::Parameters;
use queue::{Fill, Queue};

use super::clock::now;

/// What happens to ordinary statements when the record cannot be written. Changes are refused in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// They run as long as memory has room for their records, then they are refused.
    #[default]
    Refuse,
    /// They run on; what found no room is told in a gap line when the record recovers.
    Continue,
}

/// How and where the record is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Made if it is not there, readable by this user only.
    pub directory: PathBuf,
    /// A file that has grown beyond this is followed by a new one.
    pub rotate_bytes: u64,
    /// Full files kept, by their bytes; older ones are deleted. 0 keeps all.
    pub keep_files: usize,
    /// Copies every line to standard output; the copy may lose lines, the record does not.
    pub stdout: bool,
    /// A text longer than this (bytes) is cut; its full length is recorded.
    pub text_limit: usize,
    pub parameters: ParameterMode,
    pub on_failure: OnFailure,
    /// Memory for records that are not written yet, over all sessions.
    pub memory_bytes: usize,
    /// A change is refused when its intent is not on disk after this long.
    pub intent_timeout: Duration,
}

impl Settings {
    /// The defaults, in this directory.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            rotate_bytes: 128 << 20,
            keep_files: 0,
            stdout: false,
            text_limit: 16 << 10,
            parameters: ParameterMode::None,
            on_failure: OnFailure::Refuse,
            memory_bytes: 64 << 20,
            intent_timeout: Duration::from_secs(10),
        }
    }
}

/// Why the record cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the record directory {directory} cannot be used: {source}")]
    Directory { directory: PathBuf, source: std::io::Error },
    #[error("another gateway writes to the record directory {0}")]
    InUse(PathBuf),
    #[error("the record in {directory} cannot be continued: {source}")]
    Continue { directory: PathBuf, source: std::io::Error },
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
    #[error("the record's thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Why something is not in the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record cannot be written: {0}")]
    Failed(String),
    #[error("the record was not on disk after {} s", .0.as_secs_f32())]
    Slow(Duration),
    #[error("the record is closed")]
    Stopped,
}

/// The record. Cheap to clone; the last clone to go (sessions hold one each) writes what is left and closes it.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
    // After `shared`: dropped last, it waits for the writer.
    thread: Arc<WriterThread>,
}

/// What sessions and the writer share.
struct Shared {
    queue: Queue,
    boot: Arc<str>,
    directory: PathBuf,
    sessions: AtomicU64,
    /// Why it is not healthy.
    failure: Mutex<String>,
    on_failure: OnFailure,
    text_limit: usize,
    parameters: Parameters,
    intent_timeout: Duration,
}

impl Shared {
    fn failure(&self) -> RecordError {
        RecordError::Failed(self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn set_failure(&self, why: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

struct WriterThread {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<bool>>>,
}

impl WriterThread {
    /// Whether everything is on disk.
    fn stop(&self) -> bool {
        self.shared.queue.stop();
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        handle.is_none_or(|handle| handle.join().unwrap_or_default())
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Audit {
    /// Opens the record: continues the chain of the files that are there, in a new file.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        Self::open_with(settings, file::create)
    }

    fn open_with(settings: &Settings, create: file::Create) -> Result<Self, OpenError> {
        let mut directory = file::Directory::open(settings, create)?;
        let last =
            directory.last().map_err(|source| OpenError::Continue { directory: settings.directory.clone(), source })?;
        let boot: Arc<str> = Arc::from(random_name()?);
        let shared = Arc::new(Shared {
            queue: Queue::new(settings.memory_bytes),
            boot: Arc::clone(&boot),
            directory: settings.directory.clone(),
            sessions: AtomicU64::new(0),
            failure: Mutex::new(String::new()),
            on_failure: settings.on_failure,
            text_limit: settings.text_limit,
            parameters: Parameters::new(settings.parameters, settings.text_limit),
            intent_timeout: settings.intent_timeout,
        });
        let chain = format::Chain::new(&boot, (last.seq, last.seal));
        let writer = writer::Writer::new(Arc::clone(&shared), directory, chain, settings.stdout)?;
        let thread = std::thread::Builder::new().name("record".into());
        let handle = thread.spawn(move || writer.run()).map_err(OpenError::Thread)?;
        shared.queue.set_writer(handle.thread().clone());
        let thread = Arc::new(WriterThread { shared: Arc::clone(&shared), handle: Mutex::new(Some(handle)) });
        let audit = Self { shared, thread };
        audit.event(Event::GatewayStarted(GatewayStarted {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            torn_bytes: last.torn_bytes,
        }));
        Ok(audit)
    }

    /// Starts a session; it ends when the handle is dropped.
    #[must_use]
    pub fn begin(&self, info: SessionInfo) -> SessionLog {
        let session = SessionNumber(self.shared.sessions.fetch_add(1, Ordering::Relaxed) + 1);
        self.push_event(session.0, &Event::SessionStarted(SessionStarted { session, info }));
        SessionLog::new(self.clone(), session)
    }

    /// Whether the record can be written. While it cannot, changes must be refused.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shared.queue.is_healthy()
    }

    /// Why it is not healthy, for people.
    #[must_use]
    pub fn failure(&self) -> Option<RecordError> {
        (!self.is_healthy()).then(|| self.shared.failure())
    }

    /// Records an event that belongs to no session: login failed, reloaded, something happened to a ticket.
    pub fn event(&self, event: Event) {
        self.push_event(0, &event);
    }

    /// Records an event and returns when it is on disk. Cancelling it leaves the event in the record.
    pub async fn event_durable(&self, event: Event) -> Result<(), RecordError> {
        self.durable(0, event).await
    }

    /// As [`Self::event_durable`], but an error only means that it is not on disk yet: it comes when the
    /// record can be written again.
    pub async fn event_settled(&self, event: Event) -> Result<(), RecordError> {
        self.settled(0, event).await
    }

    /// The name of this run of the gateway in the record.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.shared.boot
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Writes everything that is left, syncs it and stops the writer: blocks until then. What sessions
    /// still record afterwards is lost, so end them first.
    pub fn close(&self, reason: &str) -> Result<(), RecordError> {
        self.event(Event::GatewayStopped { reason: reason.to_owned() });
        if self.thread.stop() { Ok(()) } else { Err(self.shared.failure()) }
    }

    /// How full the shard is then; nothing: the event has no line.
    fn push_event(&self, key: u64, event: &Event) -> Option<Fill> {
        match format::event(event) {
            Ok(line) => Some(self.shared.queue.push(key, now(), None, |out| out.extend_from_slice(&line))),
            Err(error) => {
                tracing::error!(%error, "an event cannot be formatted");
                None
            }
        }
    }
}

fn random_name() -> Result<String, OpenError> {
    let mut bytes = [0_u8; 4];
    getrandom::fill(&mut bytes).map_err(OpenError::Random)?;
    Ok(HEXLOWER.encode(&bytes))
}
