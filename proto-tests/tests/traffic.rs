//! What statements of others feel of a change is measured, told and kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proto_tests::case::{Case, prepared};
use proto_tests::client::error_of;
use proto_tests::{Gateway, GatewayOptions, Server, wait_until, wire};
use serde_json::Value;

static SERVER: LazyLock<Server> = LazyLock::new(prepared);

const LONG: Duration = Duration::from_secs(60);
/// Keeps everybody off the table for this long.
const HELD_MS: u64 = 2_000;
const HOLDS: &str = "do $$ begin lock table ledger in access exclusive mode; perform pg_catalog.pg_sleep(2); end $$";

/// Asks for the table's rows again and again while something else is done.
fn while_others_read<T>(case: &Case<'_>, what: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let reading = threads.spawn(|| {
            let mut client = case.connect();
            while !over.load(Ordering::Relaxed) {
                client.rows("select count(*), pg_sleep(0.004) from ledger");
            }
        });
        let done = what();
        over.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        done
    })
}

fn shown(gateway: &Gateway, id: &Value) -> Value {
    serde_json::from_str(&gateway.must(&["changes", "show", &id.to_string(), "--json"])).unwrap()
}

/// The newest change, once this can be said of it.
fn change(gateway: &Gateway, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, LONG, || {
        let list: Value = serde_json::from_str(&gateway.must(&["changes", "--json"])).unwrap();
        list.get(0).filter(|change| is(change)).cloned()
    })
}

fn us(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn a_lock_that_is_held_is_the_longest_wait_of_others() {
    let mut case = Case::new(&SERVER, "felt_lock");
    let mut client = case.connect();
    let number = client.hold(HOLDS);
    let change = while_others_read(&case, || {
        // Long enough for a minute before that has something in it.
        case.connect().rows("select pg_sleep(2.5)");
        case.gateway.approve(&number, "bob");
        let replies = client.until_ready();
        assert!(error_of(&replies).is_none(), "{replies:?}");
        change(&case.gateway, "what others felt is in the history", |change| {
            change["outcome"] == "done" && change["traffic"]["longest"]["us"].as_u64() > Some(HELD_MS * 900)
        })
    });
    let felt = &change["traffic"];
    let longest = us(&felt["longest"]["us"]);
    let took = us(&change["ms"]) * 1_000;
    assert!(longest <= took + 100_000, "{felt} in {took} µs");
    assert_eq!(felt["longest"]["step"], 1, "{felt}");
    assert!(us(&felt["before"]["median_us"]) < 500_000 && us(&felt["before"]["statements"]) > 10, "{felt}");
    let full = shown(&case.gateway, &change["id"]);
    let samples = full["traffic"]["series"]["samples"].as_array().unwrap();
    let stalled = |one: &&Value| one["waiting"] == 1 && one["longest_us"].as_u64() > Some(800_000);
    assert!(samples.iter().filter(stalled).count() >= 1, "the stall shows while it lasts: {samples:?}");
    assert_eq!(full["traffic"]["marks"].as_array().map(Vec::len), Some(1));
    // In words, at the ticket, as a table and by search.
    let words = case.gateway.show(&number);
    assert!(words.contains("longest wait of others ") && words.contains(" s at step 1"), "{words}");
    let found = |ms: &str| case.gateway.must(&["changes", "--waited-ms", ms, "--json"]);
    assert!(found("1500").contains("opaque-code") && !found("60000").contains("opaque-code"));
    let table = case.gateway.must(&["changes", "--export", "csv"]);
    assert!(table.contains("\"longest_wait_ms\"") && table.contains("\"2"), "{table}");
    // A gateway that is killed knows it still.
    case.gateway.kill();
    case.gateway.run();
    let again = shown(&case.gateway, &change["id"]);
    assert_eq!(again["change"]["traffic"]["longest"], change["traffic"]["longest"]);
    assert_eq!((&again["more"], again["traffic"]["marks"].as_array().map(Vec::len)), (&Value::Bool(false), Some(1)));
}

#[test]
fn a_job_is_followed_with_its_progress() {
    let case = Case::with(&SERVER, "felt_job", &GatewayOptions::jobs("continue", 2_000));
    let mut client = case.connect();
    client.send(&wire::query(b"alter table orders add column token uuid not null default gen_random_uuid()")).unwrap();
    client.until("this is job ");
    let running = change(&case.gateway, "the job runs", |change| change["job"] == 1);
    assert_eq!(running["outcome"], "running");
    let full = wait_until("its progress is told", LONG, || {
        let full = shown(&case.gateway, &running["id"]);
        let points = full["traffic"]["course"]["points"].as_array().map_or(0, Vec::len);
        (points >= 3).then_some(full)
    });
    assert_eq!(full["more"], true);
    let points = full["traffic"]["course"]["points"].as_array().unwrap();
    assert!(points.is_sorted_by_key(|point| us(&point["ms"])) && points.is_sorted_by_key(|point| us(&point["done"])));
    assert!(points.iter().all(|point| point["step"] == points[0]["step"]), "{points:?}");
    case.gateway.must(&["jobs", "rate", "1", "--pause-percent", "0", "--as", "bob"]);
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    change(&case.gateway, "it is over", |change| change["outcome"] == "done");
    let full = shown(&case.gateway, &running["id"]);
    let marks = full["traffic"]["marks"].as_array().unwrap();
    assert!(marks.len() > 2 && marks.is_sorted_by_key(|mark| us(&mark["at"])), "{marks:?}");
    assert!(full["traffic"]["ended"].as_u64() >= marks.last().and_then(|mark| mark["at"].as_u64()), "{full}");
    assert!(case.gateway.must(&["jobs", "show", "1"]).contains("Felt by others: "));
    drop(client);
    case.assert_well();
}
