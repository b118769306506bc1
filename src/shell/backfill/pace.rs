//! How large the next batch should be, so that it takes the time it should.

use std::time::Duration;

/// Weight of the last batch in the running rate.
const WEIGHT: f64 = 0.4;
const GROWTH_MAX: f64 = 1.2;

/// What a batch is counted in, and how large it may be.
#[derive(Clone, Copy)]
pub(super) enum Most {
    Rows(u64),
    Pages,
}

pub(super) struct Pace {
    target_ms: f64,
    /// Rows or pages per millisecond.
    rate: Option<f64>,
    size: f64,
    least: f64,
    most: f64,
}

impl Pace {
    /// Counts rows, or else pages.
    pub(super) fn new(target: Duration, most: Most) -> Self {
        let (size, least, most) = match most {
            Most::Rows(rows) => (500.0, 10.0, f64::from(u32::try_from(rows).unwrap_or(u32::MAX)).max(10.0)),
            Most::Pages => (8.0, 1.0, 2_000.0),
        };
        Self { target_ms: target.as_secs_f64() * 1000.0, rate: None, size, least, most }
    }

    /// Between the bounds, so the conversion is exact enough and never negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn size(&self) -> u64 {
        self.size.clamp(self.least, self.most) as u64
    }

    /// Grows slowly; shrinks at once, and to no more than half when a batch took twice its time.
    pub(super) fn took(&mut self, size: u64, time: Duration) {
        let ms = (time.as_secs_f64() * 1000.0).max(0.01);
        #[allow(clippy::cast_precision_loss)]
        let last = size as f64 / ms;
        let rate = self.rate.map_or(last, |rate| rate * (1.0 - WEIGHT) + last * WEIGHT);
        self.rate = Some(rate);
        let mut wanted = rate * self.target_ms;
        if ms > 2.0 * self.target_ms {
            wanted = wanted.min(self.size / 2.0);
        }
        self.size = wanted.min(self.size * GROWTH_MAX).clamp(self.least, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs batches on a server that does `rate` rows per millisecond.
    fn after(batches: u32, rate: f64) -> f64 {
        let mut pace = Pace::new(Duration::from_millis(30), Most::Rows(50_000));
        let mut ms = 0.0;
        for _ in 0..batches {
            #[allow(clippy::cast_precision_loss)]
            let time = pace.size() as f64 / rate;
            ms = time;
            pace.took(pace.size(), Duration::from_secs_f64(time / 1000.0));
        }
        ms
    }

    #[test]
    fn a_batch_comes_to_take_its_time() {
        for rate in [1.0, 5.0, 30.0, 200.0, 1000.0] {
            let ms = after(60, rate);
            assert!((20.0..=40.0).contains(&ms), "{rate} rows/ms: {ms} ms");
        }
    }

    #[test]
    fn a_slow_batch_halves_the_next_at_once() {
        let mut pace = Pace::new(Duration::from_millis(30), Most::Rows(50_000));
        pace.took(500, Duration::from_millis(10));
        assert_eq!(pace.size(), 600);
        pace.took(600, Duration::from_secs(1));
        assert!(pace.size() <= 300);
    }

    #[test]
    fn sizes_stay_within_bounds() {
        let mut pace = Pace::new(Duration::from_millis(30), Most::Pages);
        for _ in 0..100 {
            pace.took(pace.size(), Duration::from_secs(10));
        }
        assert_eq!(pace.size(), 1);
        for _ in 0..1000 {
            pace.took(pace.size(), Duration::ZERO);
        }
        assert_eq!(pace.size(), 2_000);
    }
}
