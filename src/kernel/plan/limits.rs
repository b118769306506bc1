//! The bounds within which plans run: the one place that has their defaults. The configuration fills
//! them in, the executor keeps to them.

use core::time::Duration;

use super::throttle::Throttle;

/// Bounds of a run. The defaults suit a busy server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A brief step waits this long for its lock: as long as it stalls others at worst.
    pub lock_timeout: Duration,
    /// A validating scan waits this long; its weak lock makes nobody queue behind it.
    pub scan_lock_timeout: Duration,
    /// A statement in the client's own transaction waits this long: there it cannot be tried again
    /// without losing the transaction, so a little longer than a step, which can.
    pub transaction_lock_timeout: Duration,
    /// A brief step that runs longer was misjudged, and is stopped.
    pub tripwire: Duration,
    /// How long a step is tried again in all.
    pub budget: Duration,
    /// The same for a brief step inside a client's transaction, which holds locks meanwhile.
    pub transaction_budget: Duration,
    /// First and longest pause between two tries.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// Who holds a lock in our way in a transaction older than this is waited for without queueing.
    pub long_holder: Duration,
    /// Sessions in our way that have idled in a transaction so long are ended; absent: nobody is.
    pub end_idle: Option<Duration>,
    /// Taking steps back and dropping a failed index is tried this long.
    pub cleanup_budget: Duration,
    /// Time one batch of a backfill should take: as long as a writer of its rows may have to wait.
    pub batch: Duration,
    /// Pause after each batch, in percent of the time it took.
    pub batch_pause_percent: u32,
    /// Sessions that fill a column side by side at most, where the gateway can log in.
    pub backfill_sessions: usize,
    /// Between two notices of progress.
    pub progress: Duration,
    /// What makes a backfill wait, or end, besides.
    pub throttle: Throttle,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lock_timeout: Duration::from_millis(50),
            scan_lock_timeout: Duration::from_secs(10),
            transaction_lock_timeout: Duration::from_millis(100),
            tripwire: Duration::from_secs(5),
            budget: Duration::from_secs(600),
            transaction_budget: Duration::from_secs(3),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            long_holder: Duration::from_secs(1),
            end_idle: None,
            cleanup_budget: Duration::from_secs(20),
            batch: Duration::from_millis(30),
            batch_pause_percent: 20,
            backfill_sessions: 1,
            progress: Duration::from_secs(5),
            throttle: Throttle::default(),
        }
    }
}

/// A long time in words: `7 days`, `12 hours`.
pub(super) fn period(ms: u64) -> String {
    let units = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")];
    let (one, word) =
        units.into_iter().find(|(one, _)| ms >= *one && ms.is_multiple_of(*one)).unwrap_or((1, "millisecond"));
    let count = ms / one;
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
