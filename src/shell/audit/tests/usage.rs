//! Who is told to use a table.

use super::*;
use crate::shell::audit::usage::{Impact, Wanted, scan};

fn told(bytes: u64) -> Impact {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(directory.path());
    let audit = Audit::open(&settings).unwrap();
    for (application, database) in [("shop", "main"), ("report", "main"), ("shop", "other")] {
        let mut log = audit.begin(SessionInfo {
            user: "app".into(),
            target: "main".into(),
            database: database.into(),
            application: application.into(),
            ..SessionInfo::default()
        });
        log.statement(&record("SELECT total FROM orders WHERE id = 1"));
        log.statement(&record("SELECT total FROM orders WHERE id = 22"));
        if application == "shop" {
            log.statement(&record("UPDATE public.orders SET state = 'orders'"));
            log.statement(&record("SELECT 'orders' FROM items"));
            log.statement(&record("SELECT * FROM archive.orders"));
        }
    }
    // The queue of a session is written before an event that comes after it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let reloaded = Event::GatewayReloaded { settings: "x".into(), error: None };
    runtime.block_on(audit.event_durable(reloaded.clone())).unwrap();
    runtime.block_on(audit.event_durable(reloaded)).unwrap();
    let tables = vec![("public".to_owned(), "orders".to_owned())];
    let (target, database) = ("main".to_owned(), "main".to_owned());
    let wanted = Wanted { target, database, tables, columns: ["total".to_owned()].into() };
    scan(&settings.directory, &wanted, Vec::new(), bytes).unwrap()
}

#[test]
fn users_of_a_table_are_told_by_application_and_shape() {
    let impact = told(1 << 20);
    let users: Vec<_> = impact.users.iter().map(|one| (one.application.as_str(), one.reads, one.writes)).collect();
    assert_eq!(users, [("shop", 2, 1), ("report", 2, 0)]);
    let shapes: Vec<_> =
        impact.users[0].shapes.iter().map(|one| (one.text.as_str(), one.count, one.of_columns)).collect();
    let expected =
        [("SELECT total FROM orders WHERE id = ?", 2, true), ("UPDATE public.orders SET state = ?", 1, false)];
    assert_eq!(shapes, expected);
    assert!(impact.since.is_some() && !impact.is_cut && impact.unknown == 0);
}

#[test]
fn of_a_long_record_the_end_is_read() {
    let impact = told(1_000);
    assert!(impact.is_cut && impact.bytes == 1_000, "{impact:?}");
    assert!(impact.users.is_empty());
}
