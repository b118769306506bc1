//! What people are told about sessions.

use std::path::Path;

use super::*;
use crate::shell::audit::sessions::{Args, Command, SessionsError, run};

fn args(directory: &Path, command: Option<Command>) -> Args {
    Args { data_dir: directory.to_owned(), record_dir: None, json: false, live: false, limit: 100, command }
}

fn show(id: &str) -> Option<Command> {
    Some(Command::Show { id: id.to_owned() })
}

fn said(args: &Args) -> String {
    let mut out = Vec::new();
    run(args, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn some_work(audit: &Audit) -> SessionLog {
    let mut log = audit.begin(SessionInfo {
        client: "127.0.0.1:5000".into(),
        user: "ann\x1b[2J".into(),
        target: "main".into(),
        database: "shop".into(),
        application: "psql".into(),
        ..SessionInfo::default()
    });
    log.statement(&StatementRecord { rows: 1, tag: "SELECT 1", ..record("select\n  1") });
    log.statement(&StatementRecord {
        change: true,
        decision: Decision::Refuse,
        sqlstate: SqlState::new("LK002"),
        ..record("drop table t")
    });
    log
}

/// One session that has ended, one that lives; all of it on disk.
fn two_sessions(directory: &Path) -> (Audit, SessionLog) {
    let audit = Audit::open(&settings(directory)).unwrap();
    drop(some_work(&audit));
    let live = some_work(&audit);
    // The queue of a session is written before an event that comes after it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reloaded = Event::GatewayReloaded { settings: "x".into(), error: None };
    runtime.block_on(audit.event_durable(reloaded.clone())).unwrap();
    runtime.block_on(audit.event_durable(reloaded)).unwrap();
    (audit, live)
}

#[test]
fn sessions_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let (audit, live) = two_sessions(directory.path());
    let listed = said(&args(directory.path(), None));
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[1].starts_with(&format!("{}-1  ann\\u{{1b}}[2J", audit.boot())), "{listed}");
    assert!(lines[1].ends_with("2        1        1"), "{listed}");
    assert!(lines[2].contains("main/shop") && lines[2].contains("  live  "), "{listed}");

    let only_live = said(&Args { live: true, json: true, ..args(directory.path(), None) });
    assert_eq!(only_live.lines().count(), 1);
    let json: serde_json::Value = serde_json::from_str(&only_live).unwrap();
    let said_of_it = (json["user"].as_str(), json["changes"].as_u64(), json["live"].as_bool());
    assert_eq!(said_of_it, (Some("ann\x1b[2J"), Some(1), Some(true)));
    drop(live);
    drop(audit);
    assert!(!said(&args(directory.path(), None)).contains("live"));
}

#[test]
fn a_session_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let (audit, _live) = two_sessions(directory.path());
    let shown = said(&args(directory.path(), show("1")));
    assert!(shown.contains("select 1") && shown.contains("LK002") && shown.contains("refuse"), "{shown}");
    assert!(!shown.contains('\x1b'));
    assert_eq!(shown, said(&args(directory.path(), show(&format!("{}-1", audit.boot())))));
    let raw = said(&Args { json: true, ..args(directory.path(), show("1")) });
    assert_eq!(raw.lines().count(), 4);
    let whole = said(&args(directory.path(), Some(Command::Verify)));
    assert!(whole.starts_with("The record is whole: 10 lines in 1 files"), "{whole}");
}

#[test]
fn what_is_not_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = |command| run(&args(directory.path(), command), &mut Vec::new()).unwrap_err();
    assert!(matches!(wrong(None), SessionsError::Read { .. }));
    drop(Audit::open(&settings(directory.path())).unwrap());
    assert!(matches!(wrong(show("7")), SessionsError::Unknown(_)));
    assert_eq!(said(&args(directory.path(), None)), "No sessions.\n");
}

#[test]
fn only_the_newest_are_kept_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::open(&settings(directory.path())).unwrap();
    (0..10).for_each(|_| drop(some_work(&audit)));
    drop(audit);
    let listed = said(&Args { limit: 2, json: true, ..args(directory.path(), None) });
    assert!(listed.lines().count() == 2 && listed.contains("-9\"") && listed.contains("-10\""), "{listed}");
}
