//! Figures over time, in few points however long it takes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Points of a series at most; one that would need more gets a step twice as long.
pub const POINTS_MAX: usize = 360;

/// What was felt in a second, or in a few of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sample {
    /// Statements that ended in it.
    #[serde(skip_serializing_if = "is_zero")]
    pub statements: u64,
    /// Statements that were under way when it ended; of several seconds, of the one with most.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting: u64,
    /// Of those that ended and those that were under way, for as long as they had been. Of several seconds: their mean.
    #[serde(skip_serializing_if = "is_zero")]
    pub median_us: u64,
    /// The same; of several seconds: the worst.
    #[serde(skip_serializing_if = "is_zero")]
    pub p99_us: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub longest_us: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Sample {
    /// Whether anything went on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.statements == 0 && self.waiting == 0
    }

    /// Both as one.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (ours, theirs) = (self.statements + self.waiting, other.statements + other.waiting);
        let sum = self.median_us.saturating_mul(ours).saturating_add(other.median_us.saturating_mul(theirs));
        Self {
            statements: self.statements.saturating_add(other.statements),
            waiting: self.waiting.max(other.waiting),
            median_us: sum.checked_div(ours + theirs).unwrap_or_default(),
            p99_us: self.p99_us.max(other.p99_us),
            longest_us: self.longest_us.max(other.longest_us),
        }
    }
}

/// Samples, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Where the first begins, in seconds since 1970.
    pub from: i64,
    /// Seconds that one covers.
    pub step_s: u64,
    pub samples: Vec<Sample>,
}

impl Series {
    /// One without samples.
    #[must_use]
    pub fn new(from: i64) -> Self {
        Self { from, step_s: 1, samples: Vec::new() }
    }

    /// Adds a second. One that is there already is joined with it; what lies before the series is left out.
    pub fn put(&mut self, at: i64, sample: Sample) {
        let Ok(seconds) = u64::try_from(at.saturating_sub(self.from)) else { return };
        while seconds / self.step_s >= POINTS_MAX as u64 {
            let pairs = self.samples.chunks(2);
            self.samples = pairs.map(|pair| pair.iter().copied().fold(Sample::default(), Sample::and)).collect();
            self.step_s = self.step_s.saturating_mul(2);
        }
        let place = usize::try_from(seconds / self.step_s).unwrap_or(POINTS_MAX);
        if self.samples.len() <= place {
            self.samples.resize(place + 1, Sample::default());
        }
        if let Some(there) = self.samples.get_mut(place) {
            *there = there.and(sample);
        }
    }

    /// Each sample that has something, and when it began.
    pub fn points(&self) -> impl Iterator<Item = (i64, &Sample)> {
        let at = |place: usize| i64::try_from((place as u64).saturating_mul(self.step_s)).unwrap_or(i64::MAX);
        let all =
            self.samples.iter().enumerate().map(move |(place, sample)| (self.from.saturating_add(at(place)), sample));
        all.filter(|(_, sample)| !sample.is_empty())
    }
}

/// How far a change had come at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Milliseconds after the change began.
    pub ms: u64,
    /// The step at work, counted from 1.
    pub step: u32,
    pub done: u64,
    pub estimate: u64,
    pub per_second: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// Points in order of time, at least so many milliseconds apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Course {
    pub apart_ms: u64,
    pub points: Vec<Point>,
}

impl Default for Course {
    fn default() -> Self {
        Self { apart_ms: 1_000, points: Vec::new() }
    }
}

impl Course {
    /// Adds one. The last one always stays; of those that came too close to it the ones before go.
    pub fn put(&mut self, point: Point) {
        if let [.., before, last] = self.points.as_slice()
            && before.step == last.step
            && last.step == point.step
            && last.ms.saturating_sub(before.ms) < self.apart_ms
        {
            self.points.pop();
        }
        self.points.push(point);
        if self.points.len() > POINTS_MAX {
            let mut place = 0;
            self.points.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.apart_ms = self.apart_ms.saturating_mul(2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(statements: u64, median_us: u64, longest_us: u64) -> Sample {
        Sample { statements, median_us, p99_us: longest_us, longest_us, waiting: 0 }
    }

    #[test]
    fn a_long_one_has_no_more_points_than_a_short_one() {
        let mut series = Series::new(1_000);
        for at in 1_000..1_000 + 7 * 24 * 3_600 {
            series.put(at, sample(2, 400, if at == 90_000 { 7_000_000 } else { 900 }));
        }
        assert!(series.samples.len() <= POINTS_MAX && series.samples.len() > POINTS_MAX / 3);
        let (statements, longest) = (
            series.samples.iter().map(|one| one.statements).sum::<u64>(),
            series.samples.iter().map(|one| one.longest_us).max(),
        );
        assert_eq!((statements, longest), (2 * 7 * 24 * 3_600, Some(7_000_000)));
        let (at, _) = series.points().find(|(_, one)| one.longest_us > 900).expect("is there");
        assert!((at..at + i64::try_from(series.step_s).expect("is short")).contains(&90_000));
    }

    #[test]
    fn gaps_and_what_comes_twice() {
        let mut series = Series::new(10);
        series.put(9, sample(1, 1, 1));
        series.put(12, sample(1, 100, 100));
        series.put(12, sample(3, 200, 900));
        series.put(14, sample(1, 1, 1));
        assert_eq!(series.samples.len(), 5);
        assert_eq!(series.points().map(|(at, _)| at).collect::<Vec<_>>(), [12, 14]);
        assert_eq!(series.samples.get(2), Some(&sample(4, 175, 900)));
        series.put(i64::MAX, sample(1, 1, 1));
        assert!(series.samples.len() <= POINTS_MAX);
    }

    #[test]
    fn a_course_keeps_its_ends() {
        let mut course = Course::default();
        for ms in 0..2_000_000 {
            course.put(Point { ms, step: 1, done: ms, estimate: 2_000_000, per_second: 1_000, left_ms: None });
        }
        assert!(course.points.len() <= POINTS_MAX);
        assert_eq!(course.points.first().map(|point| point.ms), Some(0));
        assert_eq!(course.points.last().map(|point| point.ms), Some(1_999_999));
        assert!(course.points.is_sorted_by_key(|point| point.ms));
    }
}
