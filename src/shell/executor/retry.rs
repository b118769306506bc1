//! When to try again: pauses that grow, with jitter so that two gateways do not march in step, within
//! a budget.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::Limits;

pub(crate) struct Retry {
    delays: ExponentialBackoff,
    longest: Duration,
    deadline: Instant,
    pub(crate) attempt: u32,
}

impl Retry {
    pub(crate) fn new(limits: &Limits, budget: Duration) -> Self {
        Self::between(limits.backoff_min, limits.backoff_max, budget)
    }

    pub(crate) fn between(shortest: Duration, longest: Duration, budget: Duration) -> Self {
        let delays = ExponentialBuilder::default()
            .with_min_delay(shortest)
            .with_max_delay(longest)
            .with_factor(1.5)
            .with_jitter()
            .without_max_times()
            .build();
        Self { delays, longest, deadline: Instant::now() + budget, attempt: 1 }
    }

    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The pause before the next attempt; absent when the budget is spent.
    pub(crate) fn next(&mut self) -> Option<Duration> {
        if self.is_over() {
            return None;
        }
        self.attempt += 1;
        let pause = self.delays.next().unwrap_or(self.longest).min(self.longest);
        // The last attempt is made at the end of the budget, not some time before.
        Some(pause.min(self.deadline.saturating_duration_since(Instant::now())))
    }
}
