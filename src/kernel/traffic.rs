//! What ordinary statements felt while a change ran: how many there were, how long they took and how long the longest
//! had to wait, second by second from a minute before the change to a minute after it.
//!
//! A statement counts in the second in which it ends, with all the time it took, and in every second at whose end it
//! is under way, with the time it has taken so far: a stall is seen while it lasts. One that was under way for longer
//! than the minute before is a long one by itself and left out.

mod histogram;
mod series;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use histogram::{BUCKETS, Histogram, bucket};
pub use series::{Course, POINTS_MAX, Point, Sample, Series};

use super::review::Instant;

/// So long before a change and after it others are looked at.
pub const AROUND_MS: u64 = 60_000;
/// Steps whose beginnings are kept.
const MARKS_MAX: usize = 200;

/// A statement that is under way, or was: since when, and for how many microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    pub from: Instant,
    pub us: u64,
}

/// What a target was like for about a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Second {
    pub from: Instant,
    pub to: Instant,
    /// Statements that ended in it.
    pub ended: Histogram,
    /// The longest of them, of each thread.
    pub longest: Vec<Wait>,
    /// Those that were under way at its end, or the longest of them where there are many.
    pub open: Vec<Wait>,
}

impl Second {
    /// Whether nothing went on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.ended.count() == 0
    }

    /// Seconds since 1970.
    fn number(&self) -> i64 {
        self.from.0.midpoint(self.to.0).div_euclid(1_000_000)
    }
}

/// A step began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// Counted from 1.
    pub step: u32,
    pub name: String,
    pub at: Instant,
}

/// Statements before, during or after a change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Phase {
    durations: Histogram,
    longest_us: u64,
}

/// All that is kept of one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chart {
    began: Instant,
    ended: Option<Instant>,
    series: Series,
    marks: Vec<Mark>,
    course: Course,
    before: Phase,
    during: Phase,
    after: Phase,
    worst: Option<Wait>,
}

/// Statements in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TrafficFigures")]
pub struct Figures {
    pub statements: u64,
    pub median_us: u64,
    pub p99_us: u64,
    pub longest_us: u64,
}

/// The longest that a statement of others took while a change ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LongestWait")]
pub struct Longest {
    pub us: u64,
    /// When that statement came.
    pub at: Instant,
    /// The step that ran for most of that time, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// A change as others felt it, in figures. A part without statements is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Felt {
    /// In the minute before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Figures>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Figures>,
    /// In the minute after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Figures>,
    /// Of those that came while it ran, up to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest: Option<Longest>,
}

/// A change as others felt it, and how it went on, over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    pub began: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Instant>,
    pub felt: Felt,
    pub series: Series,
    /// When its steps began.
    pub marks: Vec<Mark>,
    /// How far its backfills had come.
    pub course: Course,
}

impl Chart {
    /// A change begins, and this is what was before.
    #[must_use]
    pub fn begin<'a>(began: Instant, earlier: impl Iterator<Item = &'a Second>) -> Self {
        let from = began.minus_ms(AROUND_MS).0.div_euclid(1_000_000);
        let mut chart = Self {
            began,
            ended: None,
            series: Series::new(from),
            marks: Vec::new(),
            course: Course::default(),
            before: Phase::default(),
            during: Phase::default(),
            after: Phase::default(),
            worst: None,
        };
        earlier.for_each(|second| chart.take(second));
        chart
    }

    /// It had ended, or was cut off, and goes on.
    pub fn go_on(&mut self) {
        self.ended = None;
        self.after = Phase::default();
    }

    /// It has ended; what others feel in the minute after still counts.
    pub fn end(&mut self, at: Instant) {
        self.ended.get_or_insert(at);
    }

    /// Whether it has ended: at the most the minute after is still to come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Whether nothing comes any more.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        self.ended.is_some_and(|ended| ended.plus_ms(AROUND_MS) <= now)
    }

    /// A step of its plan begins, counted from 0.
    pub fn step(&mut self, step: usize, name: &str, at: Instant) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push(Mark { step: number(step), name: name.to_owned(), at });
        }
    }

    /// A backfill has come so far: rows written, of how many, how many a second, and how many milliseconds are left.
    pub fn rows(&mut self, (done, estimate, per_second): (u64, u64, u64), left_ms: Option<u64>, at: Instant) {
        let step = self.marks.last().map_or(1, |mark| mark.step);
        self.course.put(Point { ms: at.ms_since(self.began), step, done, estimate, per_second, left_ms });
    }

    /// A step is done, counted from 0: if it was a backfill, so are all of its rows.
    pub fn step_done(&mut self, step: usize, at: Instant) {
        let Some(last) = self.course.points.last().copied().filter(|last| last.step == number(step)) else { return };
        let began = self.marks.iter().rev().find(|mark| mark.step == last.step).map_or(self.began, |mark| mark.at);
        let done = last.done.max(last.estimate);
        let per_second = done.saturating_mul(1_000).checked_div(at.ms_since(began)).unwrap_or(last.per_second);
        self.course.put(Point { ms: at.ms_since(self.began), done, per_second, left_ms: None, ..last });
    }

    /// A second more of what others felt.
    pub fn take(&mut self, second: &Second) {
        let first = self.began.minus_ms(AROUND_MS);
        let counts = |wait: &&Wait| wait.from >= first;
        let mut durations = second.ended.clone();
        let mut waiting = 0;
        for wait in second.open.iter().filter(counts) {
            durations.add(bucket(wait.us), 1);
            waiting += 1;
        }
        let waits = || second.longest.iter().chain(&second.open).filter(counts);
        let longest_us = waits().map(|wait| wait.us).max().unwrap_or_else(|| durations.percentile(99));
        let sample = Sample {
            statements: second.ended.count(),
            waiting,
            median_us: durations.percentile(50).min(longest_us),
            p99_us: durations.percentile(99).min(longest_us),
            longest_us,
        };
        self.series.put(second.number(), sample);
        waits().for_each(|wait| self.look_at(*wait));
        let phase = if second.to <= self.began {
            &mut self.before
        } else if self.ended.is_none_or(|ended| second.from < ended) {
            &mut self.during
        } else {
            &mut self.after
        };
        phase.durations.merge(&second.ended);
    }

    /// Whether it is the longest of its part: before, during or after, by when it came.
    fn look_at(&mut self, wait: Wait) {
        match self.ended {
            _ if wait.from < self.began => {
                let us = wait.us.min(micros(wait.from, self.began));
                self.before.longest_us = self.before.longest_us.max(us);
            }
            Some(ended) if wait.from >= ended => self.after.longest_us = self.after.longest_us.max(wait.us),
            ended => {
                let us = ended.map_or(wait.us, |ended| wait.us.min(micros(wait.from, ended)));
                if self.worst.is_none_or(|worst| worst.us < us) {
                    self.worst = Some(Wait { us, ..wait });
                    self.during.longest_us = us;
                }
            }
        }
    }

    /// For people and programs.
    #[must_use]
    pub fn shown(&self) -> Traffic {
        let felt = Felt {
            before: self.before.figures(),
            during: self.during.figures(),
            after: self.after.figures(),
            longest: self.worst.map(|worst| self.longest(worst)),
        };
        Traffic {
            began: self.began,
            ended: self.ended,
            felt,
            series: self.series.clone(),
            marks: self.marks.clone(),
            course: self.course.clone(),
        }
    }

    fn longest(&self, worst: Wait) -> Longest {
        let end = |wait: Wait| Instant(wait.from.0.saturating_add(i64::try_from(wait.us).unwrap_or(i64::MAX)));
        let until = end(worst);
        let ends = self.marks.iter().skip(1).map(|mark| mark.at).chain([self.ended.unwrap_or(until).max(until)]);
        let spans = self.marks.iter().zip(ends);
        let shared = |(mark, to): &(&Mark, Instant)| micros(mark.at.max(worst.from), (*to).min(until));
        let step = spans.max_by_key(shared).map(|(mark, _)| mark);
        Longest {
            us: worst.us,
            at: worst.from,
            step: step.map(|mark| mark.step),
            name: step.map(|mark| mark.name.clone()).unwrap_or_default(),
        }
    }
}

impl Phase {
    fn figures(&self) -> Option<Figures> {
        let statements = self.durations.count();
        let cap = |us: u64| if self.longest_us > 0 { us.min(self.longest_us) } else { us };
        (statements > 0 || self.longest_us > 0).then(|| Figures {
            statements,
            median_us: cap(self.durations.percentile(50)),
            p99_us: cap(self.durations.percentile(99)),
            longest_us: self.longest_us.max(cap(self.durations.percentile(99))),
        })
    }
}

impl Felt {
    /// In one sentence without its end.
    #[must_use]
    pub fn words(&self) -> String {
        let parts = [("before", self.before), ("during", self.during), ("after", self.after)];
        let known = parts.into_iter().filter_map(|(when, part)| Some((when, part?)));
        let medians: Vec<String> = known
            .filter(|(_, part)| part.statements > 0)
            .map(|(when, part)| format!("{when} {}", took(part.median_us)))
            .collect();
        let longest = self.longest.as_ref().map(Longest::words);
        match (medians.is_empty(), longest) {
            (true, None) => "no statements of others meanwhile".to_owned(),
            (true, Some(longest)) => longest,
            (false, None) => format!("median {}; no statements of others while it ran", medians.join(", ")),
            (false, Some(longest)) => format!("median {}; {longest}", medians.join(", ")),
        }
    }
}

impl Longest {
    /// In words: how long, and at which step.
    #[must_use]
    pub fn words(&self) -> String {
        let step = self.step.map(|step| format!(" at step {step}")).unwrap_or_default();
        format!("longest wait of others {}{step}", took(self.us))
    }
}

/// A duration for people, in the unit it is best read in.
#[must_use]
pub fn took(us: u64) -> String {
    match us {
        0..100 => format!("{us} µs"),
        100..10_000 => format!("{}.{} ms", us / 1_000, us / 100 % 10),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us / 100_000 % 10),
        60_000_000.. => format!("{} min {} s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

/// Microseconds from one time to a later one.
fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or_default()
}

fn number(step: usize) -> u32 {
    u32::try_from(step).unwrap_or(u32::MAX).saturating_add(1)
}
