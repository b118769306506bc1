//! An approved change with a time runs at that time, by itself, and also if the gateway was away meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{Case, prepared};
use proto_tests::client::{error_of, ticket_of};
use proto_tests::{GatewayOptions, Server, wait_until};
use serde_json::Value;

static SERVER: LazyLock<Server> = LazyLock::new(prepared);

const LONG: Duration = Duration::from_secs(60);

/// A ticket that is to run so many seconds from now: its number, and that time in microseconds since 1970.
fn scheduled(case: &Case<'_>, sql: &str, seconds: u32) -> (String, i64) {
    let mut client = case.connect();
    let replies = client.query(sql);
    let number = ticket_of(error_of(&replies).unwrap_or_else(|| panic!("{replies:?}")));
    // To the second, as people write it.
    let at = format!("(date_trunc('second', now()) + interval '{seconds} s')");
    let at = format!(
        "select to_char({at} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') || ' ' || (extract(epoch from {at}) * 1000000)::bigint"
    );
    let text = SERVER.sql(&case.database, &at)[0].clone();
    let (words, micros) = text.split_once(' ').unwrap();
    case.gateway.must(&["run", &number, "--at", words, "--as", "alice"]);
    (number, micros.parse().unwrap())
}

fn exists(case: &Case<'_>, table: &str) -> bool {
    SERVER.sql(&case.database, &format!("select to_regclass('{table}') is not null")) == ["t"]
}

/// When the newest change began, once it is done.
fn began(case: &Case<'_>) -> i64 {
    let done = wait_until("it has run", LONG, || {
        let list: Value = serde_json::from_str(&case.gateway.must(&["changes", "--json"])).unwrap();
        list.get(0).filter(|change| change["outcome"] == "done").cloned()
    });
    done["began"].as_i64().unwrap()
}

fn options() -> GatewayOptions {
    let jobs = GatewayOptions::jobs("continue", 0);
    GatewayOptions { config: format!("[hold]\nmode = \"answer\"\n{}", jobs.config), ..jobs }
}

#[test]
fn it_runs_at_its_time_and_not_before() {
    let case = Case::with(&SERVER, "scheduled", &options());
    let (number, at) = scheduled(&case, "drop table ledger", 6);
    case.gateway.approve(&number, "bob");
    assert!(exists(&case, "ledger") && case.gateway.show(&number).contains("approved"), "it waits for its time");
    let (ok, text) = case.gateway.cli(&["run", &number, "--as", "bob"]);
    assert!(!ok && text.contains("it may not run yet"), "{text}");
    let began = began(&case);
    assert!(began >= at, "{began} is {} µs too early", at - began);
    assert!(!exists(&case, "ledger"));
    case.assert_well();
}

#[test]
fn its_time_comes_while_nobody_is_there() {
    let mut case = Case::with(&SERVER, "scheduled_away", &options());
    let (number, at) = scheduled(&case, "drop table ledger", 6);
    case.gateway.approve(&number, "bob");
    case.gateway.kill();
    // The server's own clock says when the time has come.
    SERVER.sql(
        &case.database,
        &format!("select pg_sleep(greatest(0, {at} / 1000000.0 - extract(epoch from clock_timestamp())))"),
    );
    assert!(exists(&case, "ledger"));
    case.gateway.run();
    assert!(began(&case) >= at);
    assert!(!exists(&case, "ledger"));
}
