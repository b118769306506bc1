//! When the disk fails: nothing is lost in silence, and no change runs without its intent.

use std::fs::{File, OpenOptions};
use std::sync::atomic::AtomicBool;
use std::time::Instant as Clock;

use super::*;

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Clock::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn dev_full(_: &FilePath) -> io::Result<File> {
    OpenOptions::new().write(true).open("/dev/full")
}

#[tokio::test]
async fn a_full_disk_refuses_changes_at_once_and_statements_when_memory_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open_with(&Settings { memory_bytes: 0, ..settings(directory.path()) }, dev_full).unwrap();
    let mut log = audit.begin(info());
    let error = log.intent(intent("drop table t")).await.unwrap_err();
    assert!(matches!(&error, RecordError::Failed(why) if why.contains("space")), "{error}");
    assert!(!audit.is_healthy());
    let start = Clock::now();
    log.intent(intent("drop table t")).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_millis(100));
    let mut ran = 0;
    while log.room().await.is_ok() {
        log.statement(&record("select 1"));
        ran += 1;
        assert!(ran < 100_000, "memory has no bound");
    }
    drop(log);
    audit.close("test").unwrap_err();
}

static DISK_IS_FULL: AtomicBool = AtomicBool::new(false);

fn sometimes_full(path: &FilePath) -> io::Result<File> {
    if DISK_IS_FULL.load(Ordering::SeqCst) { dev_full(path) } else { file::create(path) }
}

#[tokio::test]
async fn going_on_without_a_record_leaves_an_exact_gap() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        Settings { memory_bytes: 0, rotate_bytes: 1, on_failure: OnFailure::Continue, ..settings(directory.path()) };
    let audit = Audit::open_with(&settings, sometimes_full).unwrap();
    let mut log = audit.begin(info());
    log.intent(intent("a")).await.unwrap();
    DISK_IS_FULL.store(true, Ordering::SeqCst);
    log.intent(intent("b")).await.unwrap_err();
    let total = 60_000;
    for n in 1..=total {
        assert!(log.has_room(), "{n}");
        assert_eq!(log.statement(&record(&"x".repeat(1000))), n);
    }
    DISK_IS_FULL.store(false, Ordering::SeqCst);
    until("healthy again", || audit.is_healthy()).await;
    log.room().await.unwrap();
    log.statement(&record("last"));
    drop(log);
    audit.close("test").unwrap();
    let mut next = 1;
    let mut gaps = 0;
    let mut resumed = false;
    for event in events(directory.path()) {
        match event {
            Event::Statement(statement) => {
                assert_eq!(statement.n, next);
                next += 1;
            }
            Event::LogGap(gap) => {
                assert_eq!((gap.first_n, gap.last_n - gap.first_n + 1), (next, gap.records));
                next = gap.last_n + 1;
                gaps += gap.records;
            }
            Event::RecordResumed { .. } => resumed = true,
            _ => {}
        }
    }
    assert_eq!(next, total + 2);
    assert!(gaps > 0 && resumed);
    verify(&settings.directory).unwrap();
}

#[tokio::test]
async fn a_directory_that_vanishes_is_noticed_before_a_change_runs() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let audit = Audit::open(&settings).unwrap();
    let mut log = audit.begin(info());
    log.intent(intent("a")).await.unwrap();
    fs::rename(&settings.directory, directory.path().join("elsewhere")).unwrap();
    log.intent(intent("b")).await.unwrap_err();
    assert!(!audit.is_healthy());
    fs::rename(directory.path().join("elsewhere"), &settings.directory).unwrap();
    until("healthy again", || audit.is_healthy()).await;
    log.intent(intent("c")).await.unwrap();
    drop(log);
    audit.close("test").unwrap();
    verify(&settings.directory).unwrap();
    assert_eq!(events(directory.path()).iter().filter(|event| matches!(event, Event::Intent(_))).count(), 3);
}
