//! Drawings: what others felt of a change, and how it went on. Text in, coordinates out: no number comes from a page.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::super::render::grouped;
use crate::kernel::traffic::{Course, Point, Sample, Traffic};

/// A drawing in its own units. Both are on the page, and the one that fits is shown.
struct Size {
    name: &'static str,
    width: f64,
    height: f64,
    /// Times written below, at most.
    ticks: i64,
}

const SIZES: [Size; 2] = [
    Size { name: "plot-wide", width: 900.0, height: 280.0, ticks: 9 },
    Size { name: "plot-narrow", width: 380.0, height: 240.0, ticks: 4 },
];

const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 26.0;
/// Between two numbers of steps.
const APART: f64 = 13.0;
/// Distances of times that are written below, in seconds.
const TICKS: [i64; 17] =
    [1, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400, 172_800, 604_800];

/// Where a value stands between two others, on a line of this length. Values outside stand at its ends.
fn along(value: f64, (from, to): (f64, f64), length: f64) -> f64 {
    let part = if to > from { (value - from) / (to - from) } else { 0.0 };
    if part.is_finite() { part.clamp(0.0, 1.0) * length } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing is as exact as its pixels")]
fn real(number: i64) -> f64 {
    number as f64
}

fn count(number: u64) -> f64 {
    real(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The frame of a drawing: seconds after the change began, and values from bottom to top.
struct Frame<'a> {
    size: &'a Size,
    times: (i64, i64),
    values: (f64, f64),
}

impl Frame<'_> {
    fn right(&self) -> f64 {
        self.size.width - RIGHT
    }

    fn bottom(&self) -> f64 {
        self.size.height - BOTTOM
    }

    fn x(&self, ms: i64) -> f64 {
        let (from, to) = self.times;
        LEFT + along(real(ms), (real(from.saturating_mul(1_000)), real(to.saturating_mul(1_000))), self.right() - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - along(value, self.values, self.bottom() - TOP)
    }

    /// Times below.
    fn times(&self) -> Markup {
        let (from, to) = self.times;
        let fits = |step: &&i64| (to - from) / **step < self.size.ticks;
        let step =
            TICKS.iter().find(fits).or(TICKS.last()).copied().unwrap_or(1).max((to - from) / self.size.ticks).max(1);
        let first = from.div_euclid(step) + i64::from(from.rem_euclid(step) > 0);
        let at = (first..=to.div_euclid(step)).map(|n| n.saturating_mul(step));
        html! {
            @for at in at {
                @let x = self.x(at.saturating_mul(1_000));
                line.grid x1=(px(x)) x2=(px(x)) y1=(px(self.bottom())) y2=(px(self.bottom() + 4.0)) {}
                text x=(px(x)) y=(px(self.bottom() + 18.0)) text-anchor="middle" { (after(at)) }
            }
        }
    }

    fn level(&self, value: f64, label: &str) -> Markup {
        let y = self.y(value);
        html! {
            line.grid x1=(px(LEFT)) x2=(px(self.right())) y1=(px(y)) y2=(px(y)) {}
            text x=(px(LEFT - 6.0)) y=(px(y + 4.0)) text-anchor="end" { (label) }
        }
    }

    fn svg(&self, (id, title, words): (&str, &str, &str), body: &Markup) -> Markup {
        let (width, height) = (px(self.size.width), px(self.size.height));
        let name = format!("{id}-{}", self.size.name);
        html! {
            svg class={ "plot " (self.size.name) } viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-labelledby={ (name) "-title " (name) "-desc" } {
                title id={ (name) "-title" } { (title) }
                desc id={ (name) "-desc" } { (words) }
                (body)
            }
        }
    }
}

/// A power of ten of microseconds.
fn power(of_ten: u32) -> String {
    match of_ten {
        0..2 => format!("{} µs", 10_u64.pow(of_ten)),
        2 => "0.1 ms".to_owned(),
        3..6 => format!("{} ms", 10_u64.pow(of_ten - 3)),
        6.. => format!("{} s", grouped(10_u64.saturating_pow(of_ten - 6))),
    }
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// Seconds after the change began.
pub(super) fn after(seconds: i64) -> String {
    let (sign, size) = (if seconds < 0 { "−" } else { "+" }, seconds.unsigned_abs());
    match size {
        0 => "0".to_owned(),
        1..60 => format!("{sign}{size} s"),
        60..3_600 if size % 60 == 0 => format!("{sign}{} min", size / 60),
        60..3_600 => format!("{sign}{}:{:02}", size / 60, size % 60),
        3_600..172_800 if size % 3_600 == 0 => format!("{sign}{} h", size / 3_600),
        3_600..172_800 => format!("{sign}{} h {} min", size / 3_600, size / 60 % 60),
        172_800.. => format!("{sign}{} d", size / 86_400),
    }
}

/// Seconds after the change began at which a sample begins, and the sample.
pub(super) fn samples(traffic: &Traffic) -> Vec<(i64, &Sample)> {
    let began = traffic.began.0.div_euclid(1_000_000);
    traffic.series.points().map(|(at, sample)| (at.saturating_sub(began), sample)).collect()
}

/// How long others took, over time; nothing where there were none.
pub(super) fn waits(traffic: &Traffic, words: &str) -> Markup {
    let points = samples(traffic);
    let step = i64::try_from(traffic.series.step_s).unwrap_or(i64::MAX);
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return html! {} };
    let ran_ms = traffic.ended.map(|ended| i64::try_from(ended.ms_since(traffic.began)).unwrap_or(i64::MAX));
    let to = last.saturating_add(step).max(ran_ms.unwrap_or(0) / 1_000 + 1);
    let felt = points.iter().flat_map(|(_, one)| [one.median_us, one.longest_us]).filter(|us| *us > 0);
    let (least, most) = felt.fold((u64::MAX, 0), |(least, most), us| (least.min(us), most.max(us)));
    let lowest = if most == 0 { 2 } else { least.ilog10() };
    let highest = (most.max(1).ilog10() + 1).max(lowest + 1);
    let values = (f64::from(lowest), f64::from(highest));
    let all = SIZES.iter().map(|size| {
        let frame = Frame { size, times: ((*first).min(0), to), values };
        let body = html! {
            (shade(&frame, ran_ms.unwrap_or_else(|| to.saturating_mul(1_000))))
            @for decade in lowest..=highest { (frame.level(f64::from(decade), &power(decade))) }
            (frame.times())
            (marks(&frame, traffic))
            @for (class, value) in LINES { path class={ "line " (class) } d=(path(&frame, (&points, step), value)) {} }
            (worst(&frame, traffic))
        };
        frame.svg(("waits", "How long other statements took", words), &body)
    });
    html! {
        @for one in all { (one) }
        p.legend {
            span.key.longest { "longest" } " " span.key.p99 { "99 of 100 within" } " " span.key.median { "median" } " "
            span.key.span { "while the change ran" }
            @if !traffic.marks.is_empty() { " " span.key.mark { "a step begins" } }
        }
    }
}

type Value = fn(&Sample) -> u64;

const LINES: [(&str, Value); 3] =
    [("median", |one| one.median_us), ("p99", |one| one.p99_us), ("longest", |one| one.longest_us)];

fn log(us: u64) -> f64 {
    count(us.max(1)).log10()
}

/// Steps from second to second; where there is none, a gap.
fn path(frame: &Frame<'_>, (points, step): (&[(i64, &Sample)], i64), value: Value) -> String {
    let mut out = String::new();
    let mut last = None;
    for (at, sample) in points {
        let y = px(frame.y(log(value(sample))));
        let (from, to) = (at.saturating_mul(1_000), at.saturating_add(step).saturating_mul(1_000));
        // Writing to a text cannot fail.
        let _ = if last == Some(*at) {
            write!(out, "V{y}H{}", px(frame.x(to)))
        } else {
            write!(out, "M{} {y}H{}", px(frame.x(from)), px(frame.x(to)))
        };
        last = Some(at.saturating_add(step));
    }
    out
}

/// While the change ran.
fn shade(frame: &Frame<'_>, ran_ms: i64) -> Markup {
    let (from, to) = (frame.x(0), frame.x(ran_ms));
    let width = (to - from).max(2.0).min(frame.right() - from);
    html! { rect.span x=(px(from)) y=(px(TOP)) width=(px(width.max(0.0))) height=(px(frame.bottom() - TOP)) {} }
}

/// Where steps begin. Of numbers that would stand upon each other the first is shown.
fn marks(frame: &Frame<'_>, traffic: &Traffic) -> Markup {
    let mut free = f64::MIN;
    let marks = traffic.marks.iter().map(|mark| {
        let x = frame.x(i64::try_from(mark.at.ms_since(traffic.began)).unwrap_or(i64::MAX));
        let fits = x >= free;
        free = if fits { x + APART } else { free };
        (x, fits.then_some(mark.step))
    });
    html! {
        @for (x, step) in marks {
            line.mark x1=(px(x)) x2=(px(x)) y1=(px(TOP)) y2=(px(frame.bottom())) {}
            @if let Some(step) = step { text x=(px(x)) y=(px(TOP - 6.0)) text-anchor="middle" { (step) } }
        }
    }
}

/// The longest wait, at the end of it.
fn worst(frame: &Frame<'_>, traffic: &Traffic) -> Markup {
    let Some(longest) = &traffic.felt.longest else { return html! {} };
    let end = longest.at.0.saturating_sub(traffic.began.0) / 1_000 + i64::try_from(longest.us / 1_000).unwrap_or(0);
    html! { circle.worst cx=(px(frame.x(end))) cy=(px(frame.y(log(longest.us)))) r="5" {} }
}

/// How far backfills had come, over time; nothing where there are none.
pub(super) fn progress(course: &Course, words: &str) -> Markup {
    let Some(last) = course.points.last() else { return html! {} };
    let to = i64::try_from(last.ms / 1_000).unwrap_or(i64::MAX).saturating_add(1);
    let most = course.points.iter().map(|point| point.per_second).max().unwrap_or_default();
    let all = SIZES.iter().map(|size| {
        let frame = Frame { size, times: (0, to), values: (0.0, 100.0) };
        let percent = |point: &Point| 100.0 * count(point.done) / count(point.estimate.max(point.done).max(1));
        let rate = |point: &Point| 100.0 * count(point.per_second) / count(most.max(1));
        let body = html! {
            @for level in [0_u8, 25, 50, 75, 100] { (frame.level(f64::from(level), &format!("{level} %"))) }
            (frame.times())
            path.line.done d=(course_path(&frame, &course.points, percent)) {}
            path.line.rate d=(course_path(&frame, &course.points, rate)) {}
            circle.now cx=(px(frame.x(milliseconds(last)))) cy=(px(frame.y(percent(last)))) r="4" {}
        };
        frame.svg(("progress", "How far it had come", words), &body)
    });
    html! {
        @for one in all { (one) }
        p.legend {
            span.key.done { "rows done" } " "
            span.key.rate { "rate, up to " (grouped(most)) " rows a second" }
        }
    }
}

fn milliseconds(point: &Point) -> i64 {
    i64::try_from(point.ms).unwrap_or(i64::MAX)
}

/// A line through the points of each step.
fn course_path(frame: &Frame<'_>, points: &[Point], value: impl Fn(&Point) -> f64) -> String {
    let mut out = String::new();
    let mut step = None;
    for point in points {
        let begins = step != Some(point.step);
        step = Some(point.step);
        let letter = if begins { 'M' } else { 'L' };
        let _ = write!(out, "{letter}{} {}", px(frame.x(milliseconds(point))), px(frame.y(value(point))));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::review::Instant;
    use crate::kernel::traffic::{Felt, Longest, Mark, Series};

    const BEGAN: Instant = Instant(1_800_000_000_500_000);

    fn traffic(samples: &[(i64, u64)], ran_ms: Option<u64>) -> Traffic {
        let mut series = Series::new(BEGAN.0 / 1_000_000 - 60);
        for (at, us) in samples {
            let one = Sample { statements: 3, waiting: 0, median_us: us / 4, p99_us: us / 2, longest_us: *us };
            series.put(BEGAN.0 / 1_000_000 + at, one);
        }
        let ended = ran_ms.map(|ms| BEGAN.plus_ms(ms));
        Traffic { began: BEGAN, ended, felt: Felt::default(), series, marks: Vec::new(), course: Course::default() }
    }

    /// Every number in a drawing is one, and lies within it.
    fn check(drawn: &str) {
        for bad in ["NaN", "inf", "style=", "--"] {
            assert!(!drawn.contains(bad), "{bad} in {drawn}");
        }
        for part in drawn.split("<svg").skip(1) {
            let (_, view) = part.split_once("viewBox=\"0 0 ").expect("has one");
            let mut view = view.split(['"', ' ']).map(|number| number.parse::<f64>().expect("a number"));
            let (width, height) = (view.next().expect("is there"), view.next().expect("is there"));
            for (names, most) in
                [([" x=\"", " x1=\"", " x2=\"", " cx=\""], width), ([" y=\"", " y1=\"", " y2=\"", " cy=\""], height)]
            {
                for value in names.iter().flat_map(|name| part.split(name).skip(1)) {
                    let value: f64 = value.split('"').next().expect("ends").parse().expect("a number");
                    assert!((0.0..=most).contains(&value), "{value} is outside of {most}");
                }
            }
            for path in part.split(" d=\"").skip(1) {
                let path = path.split('"').next().expect("ends");
                for number in path.split(['M', 'V', 'H', 'L', ' ']).filter(|text| !text.is_empty()) {
                    let number: f64 = number.parse().expect("a number");
                    assert!((0.0..=width).contains(&number), "{number} in {path}");
                }
            }
        }
    }

    fn drawn(traffic: &Traffic) -> String {
        waits(traffic, "words & <signs>").into_string()
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(drawn(&traffic(&[], Some(5))), "");
        assert_eq!(progress(&Course::default(), "").into_string(), "");
    }

    #[test]
    fn one_point_is_seen() {
        for us in [0, 1, 400, u64::MAX / 8] {
            let one = drawn(&traffic(&[(0, us)], None));
            check(&one);
            assert_eq!(one.matches("<svg").count(), 2);
            assert!(one.contains("role=\"img\"") && one.contains("words &amp; &lt;signs&gt;"), "{one}");
        }
        let point = Point { ms: 0, step: 1, done: 0, estimate: 0, per_second: 0, left_ms: None };
        check(&progress(&Course { points: vec![point], ..Course::default() }, "").into_string());
    }

    #[test]
    fn a_change_with_steps_and_a_stall() {
        let seconds: Vec<(i64, u64)> =
            (-60..70).filter(|at| *at != 20).map(|at| (at, if at == 3 { 2_000_000 } else { 700 })).collect();
        let mut of = traffic(&seconds, Some(9_700));
        of.marks =
            (0..40).map(|n| Mark { step: n + 1, name: "x".into(), at: BEGAN.plus_ms(u64::from(n) * 3) }).collect();
        of.felt.longest = Some(Longest { us: 2_000_000, at: BEGAN.plus_ms(1_500), step: Some(2), name: "x".into() });
        let one = drawn(&of);
        check(&one);
        // Forty steps in an eighth of a second have one number, and a gap breaks each of three lines.
        assert_eq!(one.matches(">1</text>").count(), 2, "{one}");
        assert!(!one.contains(">2</text>"));
        let (_, path) = one.split_once("line longest\" d=\"").expect("is there");
        assert_eq!(path.split('"').next().expect("ends").matches('M').count(), 2);
        assert!(one.contains("circle"));
    }

    #[test]
    fn long_ones() {
        let mut of = traffic(&[], None);
        for at in (0..40 * 86_400).step_by(50) {
            of.series.put(
                BEGAN.0 / 1_000_000 + at,
                Sample { statements: 1, longest_us: 9_000_000_000, ..Sample::default() },
            );
        }
        let one = drawn(&of);
        check(&one);
        assert!(one.len() < 60_000, "{}", one.len());
        let mut course = Course::default();
        for n in 0..5_000 {
            course.put(Point {
                ms: n * 700,
                step: 1 + u32::try_from(n / 2_500).unwrap_or(0),
                done: n,
                estimate: 2_500,
                per_second: n % 90,
                left_ms: Some(1),
            });
        }
        check(&progress(&course, "").into_string());
    }

    #[test]
    fn times_in_words() {
        let words: Vec<String> = [-60, -5, 0, 59, 90, 600, 3_600, 5_400, 172_800].into_iter().map(after).collect();
        assert_eq!(words, ["−1 min", "−5 s", "0", "+59 s", "+1:30", "+10 min", "+1 h", "+1 h 30 min", "+2 d"]);
    }
}
