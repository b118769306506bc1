//! A gateway that only observes: what it cannot read goes on, and is recorded as that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{Client, GatewayOptions, Server, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

/// How often the record has a decision about a text that could not be read.
fn unreadable(case: &Case<'_>) -> usize {
    let is = |line: &&serde_json::Value| line["event"] == "decision" && line.to_string().contains("\"unreadable\"");
    case.gateway.record().iter().filter(is).count()
}

/// With the setting off a backslash escapes a quote: read by the gateway's rules, this is a string and a DROP.
const TRICKY: &str = r"select 'a\'; drop table ledger; --' as text";

fn go_on(client: &mut Client) {
    assert_eq!(client.rows(TRICKY), ["a'; drop table ledger; --"]);
    let pipeline = [
        wire::parse(b"", TRICKY.as_bytes(), &[]),
        wire::bind(b"", b"", &[], false),
        wire::execute(b"", 0),
        wire::framed(b'S', b""),
    ];
    client.send(&pipeline.concat()).unwrap();
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none() && replies.iter().any(|m| m.tag == b'D'), "{replies:?}");
    // Without a backslash nothing is in doubt.
    assert_eq!(client.rows("select count(*) from ledger"), ["0"]);
}

#[test]
fn a_session_whose_strings_have_backslashes_goes_on() {
    let options = GatewayOptions { mode: Some("observe"), ..GatewayOptions::default() };
    let case = Case::with(&SERVER, "strings", &options);
    let mut client = case.connect();
    assert!(error_of(&client.query("set standard_conforming_strings = off")).is_none());
    go_on(&mut client);
    wait_until("both are recorded", Duration::from_secs(10), || (unreadable(&case) == 2).then_some(()));
    assert!(error_of(&client.query("set standard_conforming_strings = on")).is_none());
    assert_eq!(client.rows(r"select 'a\'"), [r"a\"]);
    // By a setting of the database, from the start.
    SERVER.sql("postgres", &format!("alter database \"{}\" set standard_conforming_strings = off", case.database));
    drop(client);
    go_on(&mut case.connect());
    wait_until("both are recorded", Duration::from_secs(10), || (unreadable(&case) == 4).then_some(()));
    case.assert_well();
}

#[test]
fn lock_table_without_a_transaction_is_the_servers_to_refuse() {
    let case = Case::new(&SERVER, "locks");
    let mut client = case.connect();
    let code = |replies: &[proto_tests::Message]| error_of(replies).and_then(|m| m.field('C'));
    assert_eq!(code(&client.query("lock table orders")).as_deref(), Some("25P01"));
    client.rows("begin");
    assert_eq!(code(&client.query("lock table orders")).as_deref(), Some("LK001"));
    drop(client);
    case.assert_well();
}
