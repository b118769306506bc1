//! The record as a whole: what sessions say is what the files hold.

mod failure;
mod sessions;
mod usage;

use std::fs;
use std::io;
use std::path::Path as FilePath;
use std::time::Duration;

use super::event::{Line, Statement};
use super::verify::{VerifyError, verify};
use super::*;
use crate::kernel::plan::Plan;

fn settings(directory: &FilePath) -> Settings {
    Settings { intent_timeout: Duration::from_secs(5), ..Settings::new(directory.join("record")) }
}

fn info() -> SessionInfo {
    SessionInfo {
        client: "127.0.0.1:5000".into(),
        user: "ann".into(),
        application: "ps\u{202e}ql\n".into(),
        ..SessionInfo::default()
    }
}

fn record(text: &str) -> StatementRecord<'_> {
    StatementRecord::new(now(), text)
}

fn intent(text: &str) -> Intent {
    let plan = Plan {
        recipe: "guarded".into(),
        tag: "DROP TABLE".into(),
        summary: String::new(),
        relation: None,
        steps: Vec::new(),
        undo_loses: None,
        verify: Vec::new(),
    };
    Intent {
        n: 1,
        text: text.into(),
        text_hash: String::new(),
        plan,
        ticket: None,
        approvers: vec!["bob".into()],
        session: None,
    }
}

fn events(directory: &FilePath) -> Vec<Event> {
    let mut events = Vec::new();
    for path in read::files(&directory.join("record")).unwrap() {
        read::lines::<io::Error>(&path, |place, text| {
            if !place.is_torn {
                events.push(serde_json::from_slice::<Line>(text).unwrap().event);
            }
            Ok(())
        })
        .unwrap();
    }
    events
}

fn texts(directory: &FilePath) -> Vec<(u64, u64, String)> {
    let statement = |event| match event {
        Event::Statement(Statement { session, n, text, .. }) => Some((session.0, n, text)),
        _ => None,
    };
    events(directory).into_iter().filter_map(statement).collect()
}

#[test]
fn what_sessions_say_is_what_the_files_hold() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&settings(directory.path())).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let audit = audit.clone();
            std::thread::spawn(move || {
                let mut log = audit.begin(info());
                for n in 1..=5000 {
                    assert_eq!(log.statement(&record(&format!("select {n}"))), n);
                }
                log.set_end(EndReason::Terminated);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    audit.close("test").unwrap();
    let texts = texts(directory.path());
    assert_eq!(texts.len(), 20_000);
    for session in 1..=4 {
        let own: Vec<_> = texts.iter().filter(|t| t.0 == session).collect();
        assert!(own.iter().enumerate().all(|(i, (_, n, text))| *n == i as u64 + 1 && *text == format!("select {n}")));
    }
    let report = verify(&directory.path().join("record")).unwrap();
    assert_eq!((report.lines, report.first_seq, report.torn), (20_000 + 8 + 2, 1, 0));
}

#[test]
fn a_dropped_handle_ends_the_session() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&settings(directory.path())).unwrap();
    let mut log = audit.begin(info());
    log.statement(&StatementRecord { change: true, decision: Decision::Refuse, rows: 3, ..record("drop table t") });
    log.add_bytes(10, 20);
    drop(log);
    drop(audit);
    let ended = events(directory.path()).into_iter().find_map(|event| match event {
        Event::SessionEnded(ended) => Some(ended),
        _ => None,
    });
    let ended = ended.unwrap();
    assert_eq!(ended.reason, EndReason::Dropped);
    let expected =
        Counts { statements: 1, changes: 1, refused: 1, rows: 3, bytes_in: 10, bytes_out: 20, ..Counts::default() };
    assert_eq!(ended.counts, expected);
}

#[tokio::test]
async fn an_intent_is_on_disk_when_it_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&settings(directory.path())).unwrap();
    let mut log = audit.begin(info());
    log.statement(&record("select 1"));
    log.intent(intent("drop table t")).await.unwrap();
    let events = events(directory.path());
    assert!(matches!(events.last(), Some(Event::Intent(Intent { session: Some(SessionNumber(1)), .. }))), "{events:?}");
    assert!(matches!(events.iter().rev().nth(1), Some(Event::Statement(_))));
}

#[test]
fn one_record_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&settings(directory.path())).unwrap();
    drop(audit.begin(info()));
    drop(audit);
    let path = read::files(&directory.path().join("record")).unwrap().pop().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3);
    assert!(!text.lines().any(|line| line.chars().any(escape::is_harmful)));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_full_queue_makes_sessions_wait_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&Settings { memory_bytes: 0, ..settings(directory.path()) }).unwrap();
    let mut log = audit.begin(info());
    let mut waited = 0;
    for n in 0..500 {
        if !log.has_room() {
            waited += 1;
            log.room().await.unwrap();
        }
        log.statement(&record(&format!("select {n}")));
    }
    drop(log);
    audit.close("test").unwrap();
    assert!(waited > 10);
    assert_eq!(texts(directory.path()).len(), 500);
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    fs::write(&settings.directory, "a file").unwrap();
    assert!(matches!(Audit::open(&settings), Err(OpenError::Directory { .. })));
    fs::remove_file(&settings.directory).unwrap();
    let first = Audit::open(&settings).unwrap();
    assert!(matches!(Audit::open(&settings), Err(OpenError::InUse(_))));
    drop(first);
    Audit::open(&settings).unwrap();
}

#[test]
fn files_rotate_and_the_chain_goes_on_over_files_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { rotate_bytes: 1000, keep_files: 3, ..settings(directory.path()) };
    for _ in 0..5 {
        let audit = Audit::open(&settings).unwrap();
        let mut log = audit.begin(info());
        log.statement(&record(&"x".repeat(2000)));
        drop(log);
        audit.close("test").unwrap();
    }
    assert_eq!(read::files(&settings.directory).unwrap().len(), 3);
    let report = verify(&settings.directory).unwrap();
    assert_eq!((report.files, report.first_seq, report.last_seq), (3, 11, 25));
}

#[test]
fn starts_eat_no_record_that_has_room() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { rotate_bytes: 100_000, keep_files: 2, ..settings(directory.path()) };
    for _ in 0..6 {
        Audit::open(&settings).unwrap().close("test").unwrap();
    }
    let report = verify(&settings.directory).unwrap();
    assert_eq!((report.files, report.first_seq), (6, 1));
}

/// What a pipeline leaves at once was one batch, and its file as long as that.
#[test]
fn a_burst_does_not_outgrow_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { rotate_bytes: 1 << 20, keep_files: 0, ..settings(directory.path()) };
    let audit = Audit::open(&settings).unwrap();
    let text = "x".repeat(1000);
    // Of several sessions, for what one may have waiting is less than a file.
    for _ in 0..8 {
        let mut log = audit.begin(info());
        (1..=500).for_each(|n| assert_eq!(log.statement(&record(&text)), n));
    }
    audit.close("test").unwrap();
    let files = read::files(&settings.directory).unwrap();
    let longest = files.iter().map(|file| fs::metadata(file).unwrap().len()).max().unwrap();
    assert!(longest <= (2 << 20) + 4096, "{} files, the longest of {longest} bytes", files.len());
    let report = verify(&settings.directory).unwrap();
    assert!(report.lines > 4_000 && report.unsealed == 0, "{report:?}");
}

/// What a crash leaves: the last batch without its end.
#[test]
fn lines_without_a_seal_are_told_and_a_seal_cannot_be_taken_away() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    drop(Audit::open(&settings).unwrap());
    let path = read::files(&settings.directory).unwrap().pop().unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}{{\"seq\":2,\"event\":\"x\"}}\n{{\"seq\":3,\"pr")).unwrap();
    let report = verify(&settings.directory).unwrap();
    assert_eq!((report.lines, report.unsealed, report.torn), (2, 1, 1));
    drop(Audit::open(&settings).unwrap());
    let report = verify(&settings.directory).unwrap();
    assert_eq!((report.lines, report.last_seq, report.unsealed, report.torn), (3, 3, 1, 1));
    let at = whole.find(",\"prev\"").unwrap();
    fs::write(&path, format!("{}}}\n{{\"seq\":2,\"event\":\"x\"}}\n", &whole[..at])).unwrap();
    assert!(matches!(verify(&settings.directory), Err(VerifyError::Broken { .. })));
}

#[test]
fn a_torn_end_is_told_and_followed() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    drop(Audit::open(&settings).unwrap());
    let path = read::files(&settings.directory).unwrap().pop().unwrap();
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"seq\":2,\"pre");
    fs::write(&path, text).unwrap();
    drop(Audit::open(&settings).unwrap());
    let report = verify(&settings.directory).unwrap();
    assert_eq!((report.lines, report.torn), (2, 1));
    assert!(matches!(&events(directory.path())[1], Event::GatewayStarted(started) if started.torn_bytes == 13));
}

#[test]
fn every_alteration_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { rotate_bytes: 1, ..settings(directory.path()) };
    for _ in 0..3 {
        let audit = Audit::open(&settings).unwrap();
        let mut log = audit.begin(info());
        (1..=3).for_each(|n| assert_eq!(log.statement(&record("select 1")), n));
        drop(log);
        drop(audit);
    }
    let files = read::files(&settings.directory).unwrap();
    let path = &files[1];
    let whole = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let changed = |lines: &[&str]| fs::write(path, lines.join("\n") + "\n").unwrap();
    for at in 0..lines.len() {
        let mut one = lines.clone();
        let edited = one[at]
            .replace("127.0.0.1", "127.0.0.2")
            .replace("select", "delete")
            .replace("pid", "pjd")
            .replace("dropped", "stopped");
        assert_ne!(edited, one[at]);
        one[at] = &edited;
        changed(&one);
        assert!(matches!(verify(&settings.directory), Err(VerifyError::Broken { .. })), "edited {at}");
        let mut one = lines.clone();
        one.remove(at);
        changed(&one);
        assert!(matches!(verify(&settings.directory), Err(VerifyError::Broken { .. })), "removed {at}");
        let mut one = lines.clone();
        one.insert(at, lines[at]);
        changed(&one);
        assert!(matches!(verify(&settings.directory), Err(VerifyError::Broken { .. })), "doubled {at}");
    }
    changed(&lines);
    verify(&settings.directory).unwrap();
    fs::remove_file(path).unwrap();
    assert!(matches!(verify(&settings.directory), Err(VerifyError::Broken { .. })));
}

#[test]
fn a_long_text_does_not_stay_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&Settings { text_limit: 10, memory_bytes: 0, ..settings(directory.path()) }).unwrap();
    let mut log = audit.begin(info());
    log.statement(&record(&"x".repeat(1 << 20)));
    assert!(log.has_room());
    drop(log);
    audit.close("test").unwrap();
    let found = events(directory.path()).into_iter().find_map(|event| match event {
        Event::Statement(statement) => Some((statement.text.len(), statement.text_bytes)),
        _ => None,
    });
    assert_eq!(found, Some((10, Some(1 << 20))));
}
