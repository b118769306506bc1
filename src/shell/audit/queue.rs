//! From the sessions to the writer: bounded memory, nothing dropped in silence, and no system call per record.
//!
//! A session always uses the same shard, which keeps its records in order; a push is one uncontended
//! lock. The writer comes by on its own; it is woken when it was asleep for want of work, when a shard is
//! half full, and when somebody waits for durability.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;

use tokio::sync::{Notify, oneshot, watch};

use super::RecordError;
use super::event::{Event, SessionNumber, StatementRecord};
use crate::kernel::review::Instant;

/// A power of two; enough that sessions on different cores seldom meet.
const SHARDS: usize = 64;

/// What a session hands over.
pub(super) enum Item {
    Statement {
        session: SessionNumber,
        n: u64,
        record: StatementRecord,
    },
    Event {
        at: Instant,
        event: Box<Event>,
    },
    /// Answered when it, and everything before it in its shard, is durable.
    Durable {
        at: Instant,
        event: Box<Event>,
        done: oneshot::Sender<Result<(), RecordError>>,
    },
}

impl Item {
    fn bytes(&self) -> usize {
        let more = match self {
            Self::Statement { record, .. } => record.text.len() + record.bound.as_ref().map_or(0, |bound| bound.len()),
            Self::Event { .. } | Self::Durable { .. } => 1024,
        };
        size_of::<Self>() + more
    }
}

#[derive(Default)]
struct Batch {
    items: Vec<Item>,
    bytes: usize,
}

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

    /// Adds a record, however full it is: the caller keeps the bound by asking before the next statement.
    pub(super) fn push(&self, key: u64, item: Item) -> Fill {
        let bytes = item.bytes();
        let durable = matches!(item, Item::Durable { .. });
        let before;
        {
            let mut batch = self.shard(key).lock();
            before = batch.bytes;
            batch.bytes += bytes;
            batch.items.push(item);
        }
        let half = self.shard_bytes / 2;
        if durable || (before < half && before + bytes >= half) {
            self.urgent.store(true, Ordering::Release);
            self.wake();
        } else if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            self.wake();
        }
        if before + bytes < self.shard_bytes { Fill::Room } else { Fill::Full }
    }

    /// Whether the shard holds twice what it may: then not even a refused statement gets a record.
    pub(super) fn is_overfull(&self, key: u64) -> bool {
        self.fill_bytes(key) >= self.shard_bytes * 2
    }

    fn fill_bytes(&self, key: u64) -> usize {
        self.shard(key).lock().bytes
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
    pub(super) fn take(&self, key: u64, spare: &mut Vec<Item>) -> bool {
        let shard = self.shard(key);
        {
            let mut batch = shard.lock();
            if batch.items.is_empty() {
                return false;
            }
            std::mem::swap(&mut batch.items, spare);
            batch.bytes = 0;
        }
        shard.room.notify_waiters();
        true
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().items.is_empty())
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
