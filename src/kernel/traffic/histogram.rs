//! How long statements took, in so many buckets that a figure is off by a sixteenth at most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Buckets for every doubling, as a power of two.
const FINE: u32 = 3;
/// The last one is for all that took longer than some fifty days.
pub const BUCKETS: usize = 40 << FINE;

/// The bucket of a duration in microseconds.
#[must_use]
#[inline]
pub fn bucket(us: u64) -> usize {
    let doublings = us.checked_ilog2().unwrap_or_default();
    if doublings < FINE {
        return usize::try_from(us).unwrap_or_default();
    }
    let shift = doublings - FINE;
    let within = usize::try_from((us >> shift) & ((1 << FINE) - 1)).unwrap_or_default();
    ((shift as usize + 1) << FINE | within).min(BUCKETS - 1)
}

/// A duration in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let (doublings, within) = (bucket >> FINE, (bucket & ((1 << FINE) - 1)) as u64);
    match doublings.checked_sub(1) {
        None => within,
        Some(shift) => (((1 << FINE) + within) << shift) + ((1 << shift) >> 1),
    }
}

/// Durations, counted by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Vec<(usize, u64)>", into = "Vec<(usize, u64)>")]
#[schemars(with = "Vec<(usize, u64)>")]
pub struct Histogram {
    /// As long as the highest bucket that has any.
    counts: Vec<u64>,
}

impl From<Vec<(usize, u64)>> for Histogram {
    fn from(pairs: Vec<(usize, u64)>) -> Self {
        let mut made = Self::default();
        pairs.into_iter().for_each(|(bucket, count)| made.add(bucket, count));
        made
    }
}

impl From<Histogram> for Vec<(usize, u64)> {
    fn from(histogram: Histogram) -> Self {
        histogram.pairs().collect()
    }
}

impl Histogram {
    /// So many more in a bucket.
    pub fn add(&mut self, bucket: usize, count: u64) {
        let bucket = bucket.min(BUCKETS - 1);
        if count > 0 && self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(place) = self.counts.get_mut(bucket) {
            *place = place.saturating_add(count);
        }
    }

    /// All of another.
    pub fn merge(&mut self, other: &Self) {
        other.pairs().for_each(|(bucket, count)| self.add(bucket, count));
    }

    /// Buckets that have any, and how many.
    fn pairs(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What so many in a hundred took at most, in microseconds; 0 when there are none.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = (u128::from(self.count()) * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0_u128;
        for (bucket, count) in self.pairs() {
            seen += u128::from(count);
            if seen >= rank {
                return middle(bucket);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_narrow() {
        let mut last = 0;
        for us in (0..5_000).chain((13..46).map(|doublings| 1_u64 << doublings)) {
            let here = bucket(us);
            assert!(here >= last && here < BUCKETS, "{us}");
            last = here;
            if us < 1 << 41 {
                assert!(middle(here).abs_diff(us) * 16 <= us.max(16), "{us} is taken for {}", middle(here));
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles() {
        let mut durations = Histogram::default();
        assert_eq!((durations.count(), durations.percentile(50), durations.percentile(99)), (0, 0, 0));
        durations.add(bucket(5), 1);
        assert_eq!((durations.percentile(0), durations.percentile(50), durations.percentile(100)), (5, 5, 5));
        durations.add(bucket(400), 97);
        durations.add(bucket(9_000_000), 2);
        assert_eq!(durations.count(), 100);
        assert!(durations.percentile(50).abs_diff(400) < 30);
        assert!(durations.percentile(98).abs_diff(400) < 30);
        assert!(durations.percentile(99).abs_diff(9_000_000) < 600_000);
    }

    #[test]
    fn it_is_written_in_short_and_read_again() {
        let mut durations = Histogram::default();
        [3, 400, 400, 70_000].into_iter().for_each(|us| durations.add(bucket(us), 1));
        let text = serde_json::to_string(&durations).expect("is written");
        assert!(text.starts_with("[[3,1],"), "{text}");
        assert_eq!(serde_json::from_str::<Histogram>(&text).expect("is read"), durations);
        // What somebody else wrote takes no more memory than there are buckets.
        let strange: Histogram = serde_json::from_str("[[99999999999,1]]").expect("is read");
        assert_eq!(strange.counts.len(), BUCKETS);
    }
}
