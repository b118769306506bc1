use super::*;
use crate::kernel::job::JobId;
use crate::kernel::review::TicketId;
use crate::kernel::traffic::Wait;

async fn traffic_for_test() -> (tempfile::TempDir, Traffic) {
    let directory = tempfile::tempdir().expect("makes");
    let store = Store::open(&directory.path().join("store")).await.expect("opens");
    (directory, Traffic::new(store))
}

const SECOND_US: u64 = 1_000_000;

impl Traffic {
    /// A look so many seconds after the first.
    fn look_after(&self, began: Instant, seconds: u64) -> Vec<(ChangeOf, Chart)> {
        self.look((began.plus_ms(seconds * 1_000), seconds * SECOND_US), false)
    }
}

#[tokio::test]
async fn what_sessions_count_comes_into_the_chart_of_their_target() {
    let (_directory, traffic) = traffic_for_test().await;
    let began = now();
    traffic.look_after(began, 0);
    let (one, other) = (traffic.join("main", traffic.shared.epoch), traffic.join("main", traffic.shared.epoch));
    let elsewhere = traffic.join("other", traffic.shared.epoch);
    one.ended(100, 500);
    traffic.look_after(began, 1);
    let of = ChangeOf::Ticket(TicketId(1));
    let recording = traffic.begin(of.clone(), "main").await;
    one.ended(SECOND_US, SECOND_US + 400);
    other.ended(SECOND_US, SECOND_US + 70_000);
    elsewhere.ended(0, SECOND_US);
    other.waits(Some(SECOND_US + 500_000));
    traffic.look_after(began, 2);
    let shown = traffic.live(&of).expect("is followed");
    let last = shown.series.samples.last().copied().expect("is there");
    assert_eq!((last.statements, last.waiting, last.longest_us), (2, 1, 500_000));
    // It leaves in the middle of its statement: nobody waits for it any more.
    drop(other);
    traffic.look_after(began, 3);
    let shown = traffic.live(&of).expect("is followed");
    assert_eq!(shown.series.samples.last().map(|one| (one.statements, one.waiting)), Some((0, 0)));
    drop(recording);
}

#[tokio::test]
async fn when_a_statement_came_is_known_to_a_few_milliseconds() {
    let (_directory, traffic) = traffic_for_test().await;
    // A session that began later than the gateway has its own clock.
    let pulse = traffic.join("main", traffic.shared.epoch + Duration::from_secs(40));
    pulse.ended(1_200_000, 1_900_000);
    pulse.waits(Some(SECOND_US));
    let meter = Arc::clone(&traffic.shared.meters.lock().expect("is whole")["main"][0]);
    let mut second = empty(Instant(0), Instant(42_000_000));
    meter.collect(&mut second, 42_000_000);
    assert_eq!(second.open, [Wait { from: Instant(41_000_000), us: SECOND_US }]);
    let longest = second.longest[0];
    assert_eq!(longest.us, 700_000);
    assert!(longest.from.0.abs_diff(41_200_000) < 2_048, "{longest:?}");
    let mut later = empty(Instant(42_000_000), Instant(43_000_000));
    meter.collect(&mut later, 43_000_000);
    assert_eq!((later.longest.len(), later.ended.count()), (0, 0));
}

#[tokio::test]
async fn charts_are_written_and_read_again() {
    let (_directory, traffic) = traffic_for_test().await;
    let store = traffic.shared.store.clone();
    let of = ChangeOf::Job(JobId(7));
    let recording = traffic.begin(of.clone(), "main").await;
    let began = now();
    recording.tell(&Progress::StepStarted { step: 0, name: "fill".into() });
    recording.tell(&Progress::Backfill {
        done: 5,
        estimate: 10,
        rows_per_second: 3,
        left: Some(Duration::from_secs(2)),
    });
    let due = traffic.look((began.plus_ms(1_000), SECOND_US), false);
    assert_eq!(due.len(), 1, "the first time it is written at once");
    store.keep_charts(due).await.expect("writes");
    assert!(traffic.look((began.plus_ms(2_000), 2 * SECOND_US), false).is_empty());
    let kept = store.chart(of.clone()).await.expect("reads").expect("is there").shown();
    assert_eq!((kept.marks.len(), kept.course.points.len(), kept.ended), (1, 1, None));
    drop(recording);
    // As after a kill: another process goes on with what was written.
    let other = Traffic::new(store.clone());
    let again = other.begin(of.clone(), "main").await;
    assert_eq!(other.live(&of).expect("is followed").began, kept.began);
    drop(again);
    let due = other.look((now().plus_ms(1), SECOND_US), false);
    assert_eq!((due.len(), due[0].1.has_ended()), (1, true));
    let over = other.look((now().plus_ms(AROUND_MS + 1_000), 70 * SECOND_US), false);
    assert_eq!((over.len(), other.live(&of)), (1, None));
    store.keep_charts(over).await.expect("writes");
    assert!(store.chart(ChangeOf::Job(JobId(8))).await.expect("reads").is_none());
}

#[tokio::test]
async fn only_a_minute_is_kept_of_a_target_nobody_changes() {
    let (_directory, traffic) = traffic_for_test().await;
    let began = now();
    let pulse = traffic.join("main", traffic.shared.epoch);
    for second in 0..300 {
        pulse.ended(0, 400);
        traffic.look_after(began, second);
    }
    assert!(traffic.charts().recent["main"].len() <= 62);
}

#[tokio::test]
async fn when_too_many_are_followed_those_that_are_over_go() {
    let (_directory, traffic) = traffic_for_test().await;
    for id in 0..300 {
        drop(traffic.begin(ChangeOf::Job(JobId(id)), "main").await);
    }
    let running = traffic.begin(ChangeOf::Job(JobId(1_000)), "main").await;
    let due = traffic.look((now().plus_ms(1_000), SECOND_US), false);
    assert_eq!((due.len(), traffic.charts().live.len()), (301, 1));
    drop(running);
}

#[test]
fn nothing_is_lost_between_counting_and_looking() {
    let meter = Arc::new(Meter::new(std::thread::current().id()));
    let pulse = meter.join(0);
    let mut second = empty(Instant(0), Instant(1));
    std::thread::scope(|threads| {
        threads.spawn(|| (0..100_000).for_each(|n| pulse.ended(n, n + 400)));
        threads.spawn(|| (0..100).for_each(|_| meter.collect(&mut second, 1)));
    });
    meter.collect(&mut second, 1);
    assert_eq!(second.ended.count(), 100_000);
}
