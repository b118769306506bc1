//! The one thread that numbers, seals, writes and syncs. It must not be waited for except for durability.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant as Clock};

use super::event::Event;
use super::file::{Directory, RecordFile};
use super::format::{self, Chain, timestamp};
use super::queue::{Batch, Done};
use super::{OpenError, RecordError, Shared};
use crate::kernel::review::Instant;
use crate::shell::clock::now;

/// How long records gather before they are written.
const GATHER: Duration = Duration::from_millis(50);
/// How long written records may be without being synced.
const SYNC_AFTER: Duration = Duration::from_secs(1);
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Written in pieces of this size, synced at the latest when this much is not.
const WRITE_BYTES: usize = 1 << 20;
const UNSYNCED_BYTES: usize = 8 << 20;
/// Batches the copy to standard output may be behind.
const COPY_BEHIND: usize = 64;

pub(super) struct Writer {
    shared: Arc<Shared>,
    directory: Directory,
    file: Option<RecordFile>,
    chain: Chain,
    /// Lines not known to be on disk, oldest first; bytes up to `sealed` have their seals, and up to
    /// `written` have been written to `file`.
    lines: Vec<u8>,
    sealed: usize,
    written: usize,
    waiting: Vec<Done>,
    spare: Batch,
    synced_at: Clock,
    retry_at: Option<Clock>,
    failed: Option<(Instant, String)>,
    copy: Option<SyncSender<Vec<u8>>>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        mut directory: Directory,
        chain: Chain,
        stdout: bool,
    ) -> Result<Self, OpenError> {
        let file = directory.next_file().map_err(|source| directory.failed(source))?;
        Ok(Self {
            shared,
            directory,
            file: Some(file),
            chain,
            lines: Vec::new(),
            sealed: 0,
            written: 0,
            waiting: Vec::new(),
            spare: Batch::default(),
            synced_at: Clock::now(),
            retry_at: None,
            failed: None,
            copy: if stdout { Some(copier()?) } else { None },
        })
    }

    /// Returns whether everything is on disk.
    pub(super) fn run(mut self) -> bool {
        let _last_words = LastWords(Arc::clone(&self.shared));
        loop {
            self.wait();
            let stopping = self.shared.queue.is_stopping();
            self.collect();
            self.write();
            if stopping || !self.waiting.is_empty() || self.synced_at.elapsed() >= SYNC_AFTER {
                self.sync();
            }
            if stopping {
                // Recovering just now has added a line.
                self.write();
                self.sync();
                return self.lines.is_empty() && self.failed.is_none();
            }
        }
    }

    fn wait(&mut self) {
        let queue = &self.shared.queue;
        if self.lines.is_empty() && self.failed.is_none() {
            if queue.fall_asleep() {
                std::thread::park();
                queue.wake_up();
            }
            self.synced_at = Clock::now();
        }
        let until = Clock::now() + if self.failed.is_some() { RETRY_AFTER } else { GATHER };
        while !queue.take_urgent() && !queue.is_stopping() {
            let left = until.saturating_duration_since(Clock::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
    }

    /// Takes what the sessions have, as long as there is memory for its lines.
    fn collect(&mut self) {
        let shared = Arc::clone(&self.shared);
        for shard in shared.queue.shards() {
            if self.lines.len() >= UNSYNCED_BYTES {
                self.write();
                self.sync();
            }
            if self.lines.len() >= UNSYNCED_BYTES {
                return;
            }
            let mut batch = std::mem::take(&mut self.spare);
            if shared.queue.take(shard, &mut batch) {
                for (at, line) in batch.lines() {
                    self.chain.line(&mut self.lines, at, line);
                    if self.lines.len() - self.written >= WRITE_BYTES {
                        self.write();
                    }
                }
                self.waiting.append(&mut batch.waiting);
                batch.clear();
            }
            self.spare = batch;
        }
    }

    fn write(&mut self) {
        if self.lines.len() == self.written || self.must_wait() {
            return;
        }
        if let Err(error) = self.try_write() {
            return self.fail(&error);
        }
        // Lines may come faster than they are synced otherwise: the file has no more than this piece beyond its size.
        if self.file.as_ref().is_some_and(RecordFile::is_full) {
            self.sync();
        }
    }

    fn try_write(&mut self) -> io::Result<()> {
        // What the file gets in one piece ends with a seal.
        if self.sealed < self.lines.len() {
            self.chain.seal(&mut self.lines, self.sealed);
            self.sealed = self.lines.len();
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.directory.next_file()?,
        };
        let result = file.append(self.lines.get(self.written..).unwrap_or_default());
        self.file = Some(file);
        result?;
        self.written = self.lines.len();
        Ok(())
    }

    fn sync(&mut self) {
        if self.must_wait() {
            return self.refuse_waiting();
        }
        let Some(file) = &mut self.file else {
            // The last file was full, and everything is in it.
            if self.lines.is_empty() && self.failed.is_none() {
                self.answer_waiting();
            }
            return;
        };
        self.synced_at = Clock::now();
        let is_fresh = file.is_fresh();
        if let Err(error) = file.sync() {
            return self.fail(&error);
        }
        if file.is_full() {
            self.file = None;
        }
        if is_fresh {
            self.directory.delete_old();
        }
        self.copy_out();
        self.lines.clear();
        self.lines.shrink_to(UNSYNCED_BYTES);
        self.sealed = 0;
        self.written = 0;
        self.answer_waiting();
        self.recover();
    }

    fn answer_waiting(&mut self) {
        for done in self.waiting.drain(..) {
            answer(done, Ok(()));
        }
    }

    /// Lines stay in memory; the file is not touched again.
    fn fail(&mut self, error: &io::Error) {
        // Once, and not at every try.
        if self.failed.as_ref().is_none_or(|(_, reason)| *reason != error.to_string()) {
            tracing::error!(%error, "the record cannot be written: changes are refused until it can");
        }
        self.shared.set_failure(error.to_string());
        self.shared.queue.set_healthy(false);
        if let Some(file) = self.file.take() {
            file.abandon();
        }
        self.written = 0;
        self.retry_at = Some(Clock::now() + RETRY_AFTER);
        self.failed.get_or_insert_with(|| (now(), error.to_string()));
        self.refuse_waiting();
    }

    /// Between a failure and the next try.
    fn must_wait(&self) -> bool {
        self.retry_at.is_some_and(|at| Clock::now() < at) && !self.shared.queue.is_stopping()
    }

    fn refuse_waiting(&mut self) {
        for done in self.waiting.drain(..) {
            answer(done, Err(self.shared.failure()));
        }
    }

    fn recover(&mut self) {
        let Some((at, reason)) = self.failed.take() else {
            return;
        };
        self.retry_at = None;
        tracing::info!("the record can be written again");
        let event = Event::RecordResumed { reason, failed_at: timestamp(at) };
        match format::event(&event) {
            Ok(line) => self.chain.line(&mut self.lines, now(), &line),
            Err(error) => tracing::error!(%error, "an event cannot be formatted"),
        }
        self.shared.queue.set_healthy(true);
    }

    fn copy_out(&mut self) {
        let Some(copy) = &self.copy else { return };
        match copy.try_send(self.lines.clone()) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("standard output is slow: the copy of the record lost lines")
            }
            Err(TrySendError::Disconnected(_)) => self.copy = None,
        }
    }
}

impl Directory {
    fn failed(&self, source: io::Error) -> OpenError {
        OpenError::Directory { directory: self.path().to_owned(), source }
    }
}

/// A sender that nobody waits for any more was cancelled; its event is recorded all the same.
fn answer(done: Done, result: Result<(), RecordError>) {
    let _ = done.send(result);
}

/// Whatever ends the thread: nobody may believe that the record is still written.
struct LastWords(Arc<Shared>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if self.0.queue.is_healthy() {
            self.0.set_failure("it is closed".into());
            self.0.queue.set_healthy(false);
        }
    }
}

/// Standard output has its own thread, since whoever reads it may stop reading.
fn copier() -> Result<SyncSender<Vec<u8>>, OpenError> {
    let (sender, batches) = sync_channel::<Vec<u8>>(COPY_BEHIND);
    let work = move || {
        let mut stdout = io::stdout();
        for batch in batches {
            if stdout.write_all(&batch).and_then(|()| stdout.flush()).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().name("record-copy".into()).spawn(work).map_err(OpenError::Thread)?;
    Ok(sender)
}
