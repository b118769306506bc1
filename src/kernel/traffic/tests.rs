use super::*;

const BEGAN: Instant = Instant(1_800_000_000_000_000);

/// Milliseconds after the change began.
fn at(ms: i64) -> Instant {
    Instant(BEGAN.0 + ms * 1_000)
}

/// A second that ends so many seconds after the change began.
fn second(to: i64, ended_us: &[u64]) -> Second {
    let mut ended = Histogram::default();
    ended_us.iter().for_each(|us| ended.add(bucket(*us), 1));
    let (from, to) = (at(to * 1_000 - 1_000), at(to * 1_000));
    let longest =
        ended_us.iter().max().map(|us| Wait { from: Instant(to.0 - i64::try_from(*us).expect("fits")), us: *us });
    Second { from, to, ended, longest: longest.into_iter().collect(), open: Vec::new() }
}

fn with_open(second: Second, open: &[(i64, u64)]) -> Second {
    Second { open: open.iter().map(|(ms, us)| Wait { from: at(*ms), us: *us }).collect(), ..second }
}

#[test]
fn before_during_and_after() {
    let earlier: Vec<Second> = (-59..=0).map(|to| second(to, &[400, 420, 900])).collect();
    let mut chart = Chart::begin(BEGAN, earlier.iter());
    chart.step(0, "add the column", at(10));
    chart.step(1, "fill it", at(1_200));
    chart.take(&second(1, &[400, 9_000]));
    chart.take(&second(2, &[500; 5]));
    chart.end(at(2_500));
    chart.take(&second(3, &[500; 5]));
    chart.take(&second(4, &[400, 400]));
    assert!(chart.has_ended() && !chart.is_over(at(62_499)) && chart.is_over(at(62_500)));
    let shown = chart.shown();
    let counts =
        [shown.felt.before, shown.felt.during, shown.felt.after].map(|part| part.expect("is there").statements);
    assert_eq!(counts, [180, 12, 2]);
    let longest = shown.felt.longest.clone().expect("is there");
    assert_eq!((longest.us, longest.step, longest.name.as_str()), (9_000, Some(1), "add the column"));
    assert_eq!(
        shown.felt.words(),
        "median before 0.4 ms, during 0.4 ms, after 0.4 ms; longest wait of others 9.0 ms at step 1"
    );
    assert_eq!(shown.series.points().count(), 64);
    assert_eq!((shown.marks.len(), shown.ended), (2, Some(at(2_500))));
}

#[test]
fn a_stall_is_seen_while_it_lasts_and_ends_with_the_change() {
    let mut chart = Chart::begin(BEGAN, std::iter::empty());
    chart.step(0, "first", BEGAN);
    chart.step(1, "second", at(400));
    for to in 1..=3 {
        let waited = u64::try_from(to * 1_000 - 500).expect("is later") * 1_000;
        chart.take(&with_open(second(to, &[]), &[(500, waited), (700, waited - 200_000)]));
        let sample = chart.series.samples.last().copied().expect("is there");
        assert_eq!((sample.statements, sample.waiting, sample.longest_us), (0, 2, waited));
        assert!(sample.p99_us <= waited);
    }
    chart.end(at(3_200));
    // It is answered when the change has let go, and takes a while of its own: that is not the change's.
    chart.take(&Second { longest: vec![Wait { from: at(500), us: 3_400_000 }], ..second(4, &[3_400_000]) });
    let felt = chart.shown().felt;
    let longest = felt.longest.clone().expect("is there");
    assert_eq!((longest.us, longest.at, longest.step), (2_700_000, at(500), Some(2)));
    assert_eq!(felt.words(), "median during 2.7 s; longest wait of others 2.7 s at step 2");
    assert_eq!(felt.after, None);
}

#[test]
fn what_was_long_anyway_is_left_out() {
    let mut chart = Chart::begin(BEGAN, std::iter::empty());
    let report = (-600_000, 600_000_000);
    chart.take(&with_open(second(1, &[300, 300]), &[report]));
    // A report that is under way when the change begins is nobody's wait for it, however short it is.
    chart.take(&Second { longest: vec![Wait { from: at(-3_000), us: 5_000_000 }], ..second(2, &[300, 5_000_000]) });
    let felt = chart.shown().felt;
    assert_eq!(felt.longest.as_ref().map(|longest| longest.us), Some(300));
    assert_eq!(felt.before.map(|part| part.longest_us), Some(3_000_000));
    assert_eq!(chart.series.samples.get(60).map(|one| (one.waiting, one.longest_us)), Some((0, 300)));
    assert_eq!(felt.words(), "median during 0.3 ms; longest wait of others 0.3 ms");
}

#[test]
fn nothing_at_all() {
    let mut chart = Chart::begin(BEGAN, std::iter::empty());
    chart.take(&second(1, &[]));
    chart.end(at(1));
    let shown = chart.shown();
    assert_eq!(shown.felt, Felt::default());
    assert_eq!(shown.felt.words(), "no statements of others meanwhile");
    assert_eq!(shown.series.points().count(), 0);
}

#[test]
fn a_change_that_goes_on_is_one_change() {
    let mut chart = Chart::begin(BEGAN, std::iter::empty());
    chart.rows((10, 100, 5), Some(18_000), at(1_000));
    chart.end(at(1_500));
    chart.take(&second(3, &[400]));
    let text = serde_json::to_string(&chart).expect("is written");
    let mut chart: Chart = serde_json::from_str(&text).expect("is read");
    chart.go_on();
    assert!(!chart.has_ended());
    chart.step(1, "fill it", at(60_000));
    chart.rows((90, 100, 5), None, at(61_000));
    chart.take(&second(62, &[800, 800]));
    chart.end(at(62_500));
    let shown = chart.shown();
    assert_eq!((shown.began, shown.ended), (BEGAN, Some(at(62_500))));
    assert_eq!((shown.felt.during.map(|part| part.statements), shown.felt.after), (Some(2), None));
    let course: Vec<(u64, u32, u64)> =
        shown.course.points.iter().map(|point| (point.ms, point.step, point.done)).collect();
    assert_eq!(course, [(1_000, 1, 10), (61_000, 2, 90)]);
    chart.step_done(0, at(64_000));
    chart.step_done(1, at(70_000));
    let last = chart.shown().course.points.last().copied().expect("is there");
    assert_eq!(
        (last.ms, last.step, last.done, last.per_second),
        (70_000, 2, 100, 10),
        "all of it, and how fast in the mean"
    );
}

#[test]
fn durations_in_words() {
    let words: Vec<String> = [0, 99, 100, 400, 9_000, 12_400, 1_500_000, 61_000_000].into_iter().map(took).collect();
    assert_eq!(words, ["0 µs", "99 µs", "0.1 ms", "0.4 ms", "9.0 ms", "12 ms", "1.5 s", "1 min 1 s"]);
}
