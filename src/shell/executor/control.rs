//! How a running plan is told to stop, from outside the task that runs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Shared by the session and the executor. Cancelling wakes whatever sleeps at once; a statement in
/// flight is cancelled by the session, which has the key for a CancelRequest.
#[derive(Clone, Debug, Default)]
pub struct Control {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    cancelled: AtomicBool,
    wake: Notify,
}

impl Control {
    /// Asks the plan to stop. Cannot be taken back.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::SeqCst);
        self.shared.wake.notify_waiters();
    }

    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::SeqCst)
    }

    /// Resolves when cancelled. Cancel safe.
    pub async fn cancelled(&self) {
        let woken = self.shared.wake.notified();
        tokio::pin!(woken);
        // Listen first, look second: a cancel between the two is not missed.
        woken.as_mut().enable();
        if !self.is_cancelled() {
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
}
