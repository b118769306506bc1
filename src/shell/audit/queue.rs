//! From the sessions to the writer: bounded memory, nothing dropped in silence, and no system call per record.
//!
//! A session always uses the same shard, which keeps its lines in order; a push is one uncontended lock and writes
//! the line into the shard's own buffer: nothing is allocated on one thread and freed on another. The writer comes by
//! on its own; it is woken when it was asleep for want of work, when a shard is half full, and when somebody waits
//! for durability.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use tokio::sync::{Notify, oneshot, watch};

use super::RecordError;
use crate::kernel::review::Instant;

/// A power of two; enough that sessions on different cores seldom meet.
const SHARDS: usize = 64;

/// Answers whoever waits for something to be on disk.
pub(super) type Done = oneshot::Sender<Result<(), RecordError>>;

/// What sessions have handed over, oldest first.
#[derive(Default)]
pub(super) struct Batch {
    /// For each line when it happened, how long it is, and the line without what the chain puts before it.
    entries: Vec<u8>,
    /// Answered when these lines, and everything before them in their shard, are durable.
    pub(super) waiting: Vec<Done>,
}

/// Bytes before a line: microseconds since 1970, and its length.
const AT: usize = size_of::<i64>();
const HEAD: usize = AT + size_of::<u32>();

impl Batch {
    fn push(&mut self, at: Instant, line: impl FnOnce(&mut Vec<u8>)) {
        let from = self.entries.len();
        self.entries.extend_from_slice(&at.0.to_ne_bytes());
        self.entries.extend_from_slice(&[0; HEAD - AT]);
        line(&mut self.entries);
        // Texts and values are cut long before this.
        let length = u32::try_from(self.entries.len() - from - HEAD).unwrap_or(u32::MAX);
        if let Some(place) = self.entries.get_mut(from + AT..from + HEAD) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
    }

    /// Its lines, and when they happened.
    pub(super) fn lines(&self) -> impl Iterator<Item = (Instant, &[u8])> {
        let mut rest = self.entries.as_slice();
        std::iter::from_fn(move || {
            let (at, after) = rest.split_first_chunk::<AT>()?;
            let (length, after) = after.split_first_chunk::<{ HEAD - AT }>()?;
            let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
            let (line, after) = after.split_at_checked(length)?;
            rest = after;
            Some((Instant(i64::from_ne_bytes(*at)), line))
        })
    }

    /// Ready to take lines again.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.entries.shrink_to(SPARE_BYTES);
    }
}

/// An empty buffer larger than this is given back.
const SPARE_BYTES: usize = 128 << 10;

/// Alone on its cache lines, so that sessions on other shards are not slowed down.
#[derive(Default)]
#[repr(align(128))]
struct Shard {
    batch: Mutex<Batch>,
    room: Notify,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How full a session's shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    Room,
    Full,
}

/// The queue, and what both sides know about each other.
pub(super) struct Queue {
    shards: Vec<Shard>,
    shard_bytes: usize,
    writer: OnceLock<Thread>,
    /// The writer sleeps until somebody pushes.
    asleep: AtomicBool,
    urgent: AtomicBool,
    stopping: AtomicBool,
    healthy: AtomicBool,
    health: watch::Sender<bool>,
}

impl Queue {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            shard_bytes: (memory_bytes / SHARDS).max(4096),
            writer: OnceLock::new(),
            asleep: AtomicBool::new(false),
            urgent: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            healthy: AtomicBool::new(true),
            health: watch::Sender::new(true),
        }
    }

    fn shard(&self, key: u64) -> &Shard {
        let index = usize::try_from(key % SHARDS as u64).unwrap_or_default();
        &self.shards[index]
    }

    /// Adds a line, however full it is: the caller keeps the bound by asking before the next statement. `done` is
    /// answered when it is durable.
    pub(super) fn push(&self, key: u64, at: Instant, done: Option<Done>, line: impl FnOnce(&mut Vec<u8>)) -> Fill {
        let durable = done.is_some();
        let (before, after);
        {
            let mut batch = self.shard(key).lock();
            before = batch.entries.len();
            batch.push(at, line);
            after = batch.entries.len();
            batch.waiting.extend(done);
        }
        let half = self.shard_bytes / 2;
        if durable || (before < half && after >= half) {
            self.urgent.store(true, Ordering::Release);
            self.wake();
        } else if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.wake();
        }
        if after < self.shard_bytes { Fill::Room } else { Fill::Full }
    }

    /// Whether the shard holds twice what it may: then not even a refused statement gets a record.
    pub(super) fn is_overfull(&self, key: u64) -> bool {
        self.fill_bytes(key) >= self.shard_bytes * 2
    }

    fn fill_bytes(&self, key: u64) -> usize {
        self.shard(key).lock().entries.len()
    }

    pub(super) fn fill(&self, key: u64) -> Fill {
        if self.fill_bytes(key) < self.shard_bytes { Fill::Room } else { Fill::Full }
    }

    /// Returns when the shard may have room, or the health of the record has changed. Cancel safe.
    pub(super) async fn room_or_health(&self, key: u64) {
        let shard = self.shard(key);
        let room = shard.room.notified();
        tokio::pin!(room);
        room.as_mut().enable();
        let mut health = self.health.subscribe();
        if self.fill(key) == Fill::Room || !self.is_healthy() {
            return;
        }
        tokio::select! {
            () = room => {}
            _ = health.changed() => {}
        }
    }

    /// Returns when the record cannot be written, at once if that is so already. Cancel safe.
    pub(super) async fn unhealthy(&self) {
        let mut health = self.health.subscribe();
        // The sender lives as long as this queue, so the only result is that the value is there.
        let _ = health.wait_for(|healthy| !healthy).await;
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    pub(super) fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Release);
        self.health.send_replace(healthy);
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.urgent.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn wake(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    // The writer's side.

    pub(super) fn set_writer(&self, thread: Thread) {
        let _ = self.writer.set(thread);
    }

    pub(super) fn take_urgent(&self) -> bool {
        self.urgent.swap(false, Ordering::AcqRel)
    }

    pub(super) fn shards(&self) -> std::ops::Range<u64> {
        0..SHARDS as u64
    }

    /// Takes what a shard has, leaving `spare` in its place, and lets waiting sessions go on.
    pub(super) fn take(&self, key: u64, spare: &mut Batch) -> bool {
        let shard = self.shard(key);
        {
            let mut batch = shard.lock();
            if batch.entries.is_empty() {
                return false;
            }
            std::mem::swap(&mut *batch, spare);
        }
        shard.room.notify_waiters();
        true
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().entries.is_empty())
    }

    /// Tells pushers to wake the writer, unless there is something to do already.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        // The shards' locks order this check with the pushers' look at `asleep`: one of both sees the other.
        if self.is_empty() && !self.is_stopping() {
            return true;
        }
        self.asleep.store(false, Ordering::Relaxed);
        false
    }

    pub(super) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }
}
