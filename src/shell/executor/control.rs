//! How a running plan is told to stop, to pause and how fast to go, from outside the task that runs it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Limits;
use crate::kernel::plan::throttle::{Signal, Throttle};

/// The rate is as the limits say.
const AS_CONFIGURED: u32 = u32::MAX;

/// Shared by the session and the executor. Cancelling wakes whatever sleeps at once; a statement in
/// flight is cancelled by the session, which has the key for a CancelRequest.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cancelled: AtomicBool,
    /// Nobody is heard.
    closed: AtomicBool,
    paused: AtomicBool,
    batch_ms: AtomicU32,
    pause_percent: AtomicU32,
    limits: Mutex<BTreeMap<Signal, u64>>,
    wake: Notify,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            cancelled: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            batch_ms: AtomicU32::new(AS_CONFIGURED),
            pause_percent: AtomicU32::new(AS_CONFIGURED),
            limits: Mutex::default(),
            wake: Notify::new(),
        }
    }
}

impl Control {
    /// Asks the plan to stop. Cannot be taken back.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.shared.wake.notify_waiters();
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.was_asked() && !self.is_closed()
    }

    /// Somebody asked the plan to stop, whether that counts or not.
    pub(super) fn was_asked(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// While closed the plan is not cancelled: there is no way back, and what it does takes only a moment.
    pub(super) fn close(&self, on: bool) {
        self.shared.closed.store(on, Ordering::SeqCst);
        self.shared.wake.notify_waiters();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::SeqCst)
    }

    /// Resolves when cancelled. Cancel safe.
    pub async fn cancelled(&self) {
        self.until(|| self.is_cancelled()).await;
    }

    /// Keeps the plan from beginning another step or batch, or lets it go on.
    pub fn pause(&self, on: bool) {
        self.shared.paused.store(on, Ordering::SeqCst);
        self.shared.wake.notify_waiters();
    }

    /// Waits while paused. False: cancelled. Cancel safe.
    pub async fn may_go_on(&self) -> bool {
        self.until(|| self.is_cancelled() || !self.shared.paused.load(Ordering::SeqCst)).await;
        !self.is_cancelled()
    }

    /// How long a batch of a backfill should take and how long the pause after it is, in percent of that;
    /// absent: as the limits say.
    pub fn set_rate(&self, batch_ms: Option<u32>, pause_percent: Option<u32>) {
        self.shared.batch_ms.store(batch_ms.unwrap_or(AS_CONFIGURED), Ordering::SeqCst);
        self.shared.pause_percent.store(pause_percent.unwrap_or(AS_CONFIGURED), Ordering::SeqCst);
    }

    /// The rate as it is now: the time of a batch, and the pause after it in percent.
    #[must_use]
    pub fn rate(&self, limits: &Limits) -> (Duration, u32) {
        let batch = match self.shared.batch_ms.load(Ordering::SeqCst) {
            AS_CONFIGURED => limits.batch,
            ms => Duration::from_millis(ms.into()),
        };
        match self.shared.pause_percent.load(Ordering::SeqCst) {
            AS_CONFIGURED => (batch, limits.batch_pause_percent),
            percent => (batch, percent),
        }
    }

    /// Limits that count instead of the configured ones.
    pub fn set_limits(&self, limits: BTreeMap<Signal, u64>) {
        *self.shared.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
        self.shared.wake.notify_waiters();
    }

    /// The throttle as it is now.
    #[must_use]
    pub fn throttle(&self, limits: &Limits) -> Throttle {
        limits.throttle.with(&self.shared.limits.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let woken = self.shared.wake.notified();
            tokio::pin!(woken);
            // Listen first, look second: what changes between the two is not missed.
            woken.as_mut().enable();
            if is_so() {
                return;
            }
            woken.await;
        }
    }

    /// Sleeps, and tells whether it slept to the end (false: cancelled). Cancel safe.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            () = self.cancelled() => false,
            () = tokio::time::sleep(duration) => !self.is_cancelled(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sleeper_wakes_at_once() {
        let control = Control::default();
        let sleeper = tokio::spawn({
            let control = control.clone();
            async move { control.sleep(Duration::from_secs(3600)).await }
        });
        tokio::task::yield_now().await;
        let before = tokio::time::Instant::now();
        control.cancel();
        assert!(!sleeper.await.unwrap());
        assert!(before.elapsed() < Duration::from_secs(1));
        assert!(!control.sleep(Duration::from_secs(3600)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_plan_goes_on_when_it_may_and_ends_when_cancelled() {
        let control = Control::default();
        assert!(control.may_go_on().await);
        for (go_on, expected) in [(true, true), (false, false)] {
            control.pause(true);
            let waiter = tokio::spawn({
                let control = control.clone();
                async move { control.may_go_on().await }
            });
            tokio::task::yield_now().await;
            assert!(!waiter.is_finished());
            if go_on {
                control.pause(false);
            } else {
                control.cancel();
            }
            assert_eq!(waiter.await.unwrap(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_while_nobody_is_heard_is_heard_after_it() {
        let control = Control::default();
        control.close(true);
        let waiter = tokio::spawn({
            let control = control.clone();
            async move { control.cancelled().await }
        });
        control.cancel();
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished() && !control.is_cancelled() && control.may_go_on().await);
        control.close(false);
        waiter.await.unwrap();
        assert!(control.is_cancelled());
    }

    #[test]
    fn the_rate_is_the_configured_one_until_it_is_set() {
        let (control, limits) = (Control::default(), Limits::default());
        assert_eq!(control.rate(&limits), (limits.batch, limits.batch_pause_percent));
        control.set_rate(Some(7), None);
        assert_eq!(control.rate(&limits), (Duration::from_millis(7), limits.batch_pause_percent));
        control.set_rate(None, Some(0));
        assert_eq!(control.rate(&limits), (limits.batch, 0));
    }
}
