//! How large the next batch should be, so that it takes the time it should.

use std::time::Duration;

/// Weight of the last batch in the running rate.
const WEIGHT: f64 = 0.4;
const GROWTH_MAX: f64 = 1.2;

/// Pages of the first batch, of the smallest, and of the largest (16 MB).
const FIRST: f64 = 8.0;
const LEAST: f64 = 1.0;
const MOST: f64 = 2_000.0;

pub(super) struct Pace {
    target_ms: f64,
    /// Pages per millisecond.
    rate: Option<f64>,
    size: f64,
}

impl Pace {
    pub(super) fn new(target: Duration) -> Self {
        Self { target_ms: target.as_secs_f64() * 1000.0, rate: None, size: FIRST }
    }

    /// Another time that a batch should take.
    pub(super) fn aim_at(&mut self, target: Duration) {
        self.target_ms = target.as_secs_f64() * 1000.0;
    }

    /// Between the bounds, so the conversion is exact enough and never negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn pages(&self) -> u64 {
        self.size.clamp(LEAST, MOST) as u64
    }

    /// Grows slowly; shrinks at once, and to no more than half when a batch took twice its time.
    pub(super) fn took(&mut self, pages: u64, time: Duration) {
        let ms = (time.as_secs_f64() * 1000.0).max(0.01);
        #[allow(clippy::cast_precision_loss)]
        let last = pages as f64 / ms;
        let rate = self.rate.map_or(last, |rate| rate * (1.0 - WEIGHT) + last * WEIGHT);
        self.rate = Some(rate);
        let mut wanted = rate * self.target_ms;
        if ms > 2.0 * self.target_ms {
            wanted = wanted.min(self.size / 2.0);
        }
        self.size = wanted.min(self.size * GROWTH_MAX).clamp(LEAST, MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs batches on a server that does `rate` pages per millisecond.
    fn after(batches: u32, rate: f64) -> f64 {
        let mut pace = Pace::new(Duration::from_millis(30));
        let mut ms = 0.0;
        for _ in 0..batches {
            #[allow(clippy::cast_precision_loss)]
            let time = pace.pages() as f64 / rate;
            ms = time;
            pace.took(pace.pages(), Duration::from_secs_f64(time / 1000.0));
        }
        ms
    }

    #[test]
    fn a_batch_comes_to_take_its_time() {
        for rate in [0.2, 1.0, 5.0, 30.0] {
            let ms = after(60, rate);
            assert!((20.0..=40.0).contains(&ms), "{rate} pages/ms: {ms} ms");
        }
    }

    #[test]
    fn a_slow_batch_halves_the_next_at_once() {
        let mut pace = Pace::new(Duration::from_millis(30));
        pace.took(500, Duration::from_millis(10));
        let before = pace.pages();
        pace.took(before, Duration::from_secs(1));
        assert!(pace.pages() <= before.div_ceil(2));
    }

    #[test]
    fn sizes_stay_within_bounds() {
        let mut pace = Pace::new(Duration::from_millis(30));
        for _ in 0..100 {
            pace.took(pace.pages(), Duration::from_secs(10));
        }
        assert_eq!(pace.pages(), 1);
        for _ in 0..1000 {
            pace.took(pace.pages(), Duration::ZERO);
        }
        assert_eq!(pace.pages(), 2_000);
    }
}
