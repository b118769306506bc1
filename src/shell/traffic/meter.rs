//! Counting on the path of every statement: a few relaxed atomics that belong to one thread, no lock and no memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::ThreadId;

use crate::kernel::review::Instant;
use crate::kernel::traffic::{BUCKETS, Second, Wait, bucket};

/// The longest statement is one number, so that it is compared and set as one: its microseconds, and below them the
/// time of its end in units of 1024 of them, as far as it has room.
const END_BITS: u32 = 24;
const END_MASK: u64 = (1 << END_BITS) - 1;
const LONGEST_MAX: u64 = u64::MAX >> END_BITS;

/// What the sessions of one thread do on one target.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) thread: ThreadId,
    counts: Box<[AtomicU32]>,
    longest: AtomicU64,
    sessions: Mutex<Vec<Weak<AtomicU64>>>,
    /// The counts when they were last looked at.
    seen: Mutex<Vec<u32>>,
}

/// A session's hand on its meter.
#[derive(Debug)]
pub struct Pulse {
    meter: Arc<Meter>,
    /// Since when it waits for the server, on the meter's clock and one more; 0: it does not.
    since: Arc<AtomicU64>,
    /// When the session's clock began, on the meter's.
    began_us: u64,
}

impl Pulse {
    /// The session goes to sleep: since when, on its own clock, the ordinary statement is under way that is answered
    /// next; nothing when there is none.
    #[inline]
    pub fn waits(&self, since: Option<u64>) {
        let since = since.map_or(0, |at| self.began_us.saturating_add(at).saturating_add(1));
        self.since.store(since, Ordering::Relaxed);
    }

    /// An ordinary statement has ended: when it came and when that was, on the session's own clock.
    #[inline]
    pub fn ended(&self, started: u64, ended: u64) {
        let us = ended.saturating_sub(started);
        if let Some(count) = self.meter.counts.get(bucket(us)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let longest = us.min(LONGEST_MAX) << END_BITS;
        if longest > self.meter.longest.load(Ordering::Relaxed) {
            let end = (self.began_us.saturating_add(ended) >> 10) & END_MASK;
            self.meter.longest.fetch_max(longest | end, Ordering::Relaxed);
        }
    }
}

impl Meter {
    pub(super) fn new(thread: ThreadId) -> Self {
        Self {
            thread,
            counts: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
            longest: AtomicU64::new(0),
            sessions: Mutex::default(),
            seen: Mutex::new(vec![0; BUCKETS]),
        }
    }

    /// For a session whose clock began at this time on the meter's.
    pub(super) fn join(self: &Arc<Self>, began_us: u64) -> Pulse {
        let since = Arc::new(AtomicU64::new(0));
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&since));
        Pulse { meter: Arc::clone(self), since, began_us }
    }

    /// Adds what was since it was last looked at; `now_us` is `second.to` on the meter's clock.
    pub(super) fn collect(&self, second: &mut Second, now_us: u64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (bucket, (count, seen)) in self.counts.iter().zip(seen.iter_mut()).enumerate() {
            let now = count.load(Ordering::Relaxed);
            second.ended.add(bucket, u64::from(now.wrapping_sub(*seen)));
            *seen = now;
        }
        let longest = self.longest.swap(0, Ordering::Relaxed);
        if longest > 0 {
            let us = longest >> END_BITS;
            let ago = ((now_us >> 10).wrapping_sub(longest) & END_MASK) << 10;
            second.longest.push(Wait { from: before(second.to, us.saturating_add(ago)), us });
        }
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).retain(|session| {
            let Some(since) = session.upgrade() else { return false };
            if let Some(since) = since.load(Ordering::Relaxed).checked_sub(1) {
                let us = now_us.saturating_sub(since);
                second.open.push(Wait { from: before(second.to, us), us });
            }
            true
        });
    }
}

fn before(at: Instant, us: u64) -> Instant {
    Instant(at.0.saturating_sub(i64::try_from(us).unwrap_or(i64::MAX)))
}
