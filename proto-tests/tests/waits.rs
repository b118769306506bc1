//! What a change runs for may be gone when it gets its lock: while it waits it is judged again before each try.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;

use proto_tests::case::Case;
use proto_tests::client::{error_of, status_of};
use proto_tests::{Client, GatewayOptions, Server, majors, wire};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors()[0]);
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows("create table t(id int primary key, b int); analyze t");
    server
});

const FILL: &str = "insert into t select g, g from generate_series(1, 30000) g";

/// Somebody reads the table and stays; a change is sent, and waits.
fn waiting(case: &Case<'_>, sql: &str) -> (Client, Client) {
    let mut reader = SERVER.connect("alice", &case.database);
    reader.rows("begin; select count(*) from t");
    let mut client = case.connect();
    client.send(&wire::query(sql.as_bytes())).unwrap();
    client.until("waiting for a lock");
    (reader, client)
}

fn rows(case: &Case<'_>, what: &str) -> String {
    SERVER.connect("alice", &case.database).rows(&format!("select count(*) from t where {what}"))[0].clone()
}

#[test]
fn a_table_that_is_filled_meanwhile_is_not_emptied() {
    let case = Case::new(&SERVER, "w_truncate");
    let (mut reader, mut client) = waiting(&case, "truncate t");
    SERVER.sql(&case.database, FILL);
    reader.rows("commit");
    client.until("judged again");
    client.until("ticket 1");
    client.cancel();
    let replies = client.until_ready();
    assert_eq!(error_of(&replies).and_then(|error| error.field('C')).as_deref(), Some("57014"), "{replies:?}");
    assert_eq!(rows(&case, "true"), "30000");
    drop((client, reader));
    case.assert_well();
}

#[test]
fn in_a_transaction_too() {
    let case = Case::with(&SERVER, "w_block", &GatewayOptions::answer_at_once());
    let mut reader = SERVER.connect("alice", &case.database);
    reader.rows("begin; select count(*) from t");
    let mut client = case.connect();
    client.query("begin");
    client.send(&wire::query(b"alter table t alter b type text using 'gone'")).unwrap();
    client.until("waiting for a lock");
    SERVER.sql(&case.database, FILL);
    client.until("judged again");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_some(), "{replies:?}");
    assert_eq!(status_of(&replies), Some('E'), "{replies:?}");
    reader.rows("commit");
    client.query("rollback");
    assert_eq!(rows(&case, "b = id"), "30000");
    drop((client, reader));
    case.assert_well();
}

#[test]
fn what_stays_empty_is_changed_when_the_lock_is_free() {
    let case = Case::new(&SERVER, "w_same");
    let (mut reader, mut client) = waiting(&case, "truncate t");
    client.until("waiting for a lock");
    reader.rows("commit");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    drop((client, reader));
    case.assert_well();
}
