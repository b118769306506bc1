//! Who is in the way of a change: named to the client, on the job and on the ticket, and ended only where that is
//! configured, allowed, and nothing is at work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{Client, GatewayOptions, Message, Server, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = case::prepared();
    server.sql("fixture", "delete from orders where id > 30000");
    server.sql("fixture", "vacuum (full, analyze) orders");
    server
});

const ADD: &[u8] = b"alter table orders add column token uuid not null default gen_random_uuid()";
const WAIT: Duration = Duration::from_secs(60);

/// Jobs, and an end for those who idle in the way for so many seconds.
fn ending(seconds: u32) -> GatewayOptions {
    let jobs = GatewayOptions::jobs("continue", 0);
    let target = "name = \"default\"\n";
    let ends = format!("{target}end_idle_in_transaction_after_s = {seconds}\n");
    GatewayOptions { config: jobs.config.replace(target, &ends), ..jobs }
}

/// A session that has read the table and idles in its transaction, and its process.
fn idles(case: &Case<'_>, user: &str) -> (Client, String) {
    let mut client = SERVER.connect(user, &case.database);
    client.rows("begin; select count(*) from orders where id < 10");
    let pid = client.rows("select pg_backend_pid() /* has read it */")[0].clone();
    (client, pid)
}

fn texts(replies: &[Message]) -> String {
    replies.iter().map(|reply| reply.render() + "\n").collect()
}

fn until(is_so: impl Fn() -> bool) {
    wait_until("what is shown", WAIT, || is_so().then_some(()));
}

fn number(message: &Message) -> String {
    let text = message.render();
    text[text.find("job ").unwrap() + 4..].chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_blocker_is_named_until_the_lock_is_had() {
    let case = Case::with(&SERVER, "b_named", &GatewayOptions::jobs("continue", 0));
    let (mut blocker, pid) = idles(&case, "alice");
    let mut client = case.connect();
    client.send(&wire::query(ADD)).unwrap();
    let job = number(&client.until("this is job "));
    client.until(&format!("held by process {pid} (idle in transaction by alice"));
    let shown = || case.gateway.must(&["jobs", "show", &job]);
    until(|| shown().contains(&format!("in the way:  process {pid} (idle in transaction by alice")));
    assert!(shown().contains("has read it"), "{}", shown());
    let json = case.gateway.must(&["jobs", "show", &job, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let waiting = &json["runs"][0]["waiting"];
    assert_eq!(waiting["holders"][0]["pid"].to_string(), pid, "{waiting}");
    assert_eq!(waiting["table"], "public.orders", "{waiting}");
    blocker.rows("commit");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(!shown().contains("in the way:"), "{}", shown());
    assert!(shown().contains("checked: column token holds no nulls holds"), "{}", shown());
    drop((client, blocker));
    case.assert_well();
}

#[test]
fn a_ticket_names_who_is_in_the_way_of_its_change() {
    let case = Case::with(&SERVER, "b_ticket", &ending(0));
    let mut client = case.connect();
    client.send(&wire::query(b"alter table orders drop column amount")).unwrap();
    client.until("ticket 1");
    let (mut blocker, pid) = idles(&case, "alice");
    case.gateway.approve("1", "bob");
    let way = format!("in the way:  process {pid} (idle in transaction by alice");
    until(|| case.gateway.show("1").contains(&way));
    blocker.rows("commit");
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(!case.gateway.show("1").contains("in the way:"), "{}", case.gateway.show("1"));
    drop((client, blocker));
    case.assert_well();
}

#[test]
fn who_idles_in_the_way_is_ended_where_that_is_configured() {
    let case = Case::with(&SERVER, "b_ended", &ending(1));
    let (mut blocker, pid) = idles(&case, "alice");
    let mut client = case.connect();
    let replies = client.query(&String::from_utf8_lossy(ADD));
    assert!(error_of(&replies).is_none(), "{replies:?}");
    let told = format!("ended a session that idled in its transaction in the way: process {pid}");
    assert!(texts(&replies).contains(&told), "{}", texts(&replies));
    let end = blocker.recv().unwrap().expect("the server's last words");
    assert_eq!(end.field('C').as_deref(), Some("57P01"));
    until(|| case.gateway.record().iter().any(|line| line["event"] == "ended_idle"));
    let record = case.gateway.record();
    let line = record.iter().find(|line| line["event"] == "ended_idle").unwrap();
    assert_eq!(line["ended"]["pid"].to_string(), pid, "{line}");
    // The same before a concurrent build, which waits for old transactions.
    let mut old = SERVER.connect("alice", &case.database);
    old.rows("begin isolation level repeatable read; select count(*) from orders where id < 10");
    let pid = old.rows("select pg_backend_pid()")[0].clone();
    let replies = client.query("create index on orders (amount)");
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(texts(&replies).contains(&format!("in the way: process {pid}")), "{}", texts(&replies));
    let shown = case.gateway.must(&["jobs", "show", "2"]);
    for what in ["is valid", "is defined as was asked for"] {
        assert!(shown.contains(&format!("checked: index orders_amount_idx {what} holds")), "{shown}");
    }
    assert!(shown.contains("checked: the planner uses index orders_amount_idx holds"), "{shown}");
    drop((client, blocker, old));
    case.assert_well();
}

#[test]
fn who_keeps_a_concurrent_build_or_drop_waiting_is_named_while_it_waits() {
    let case = Case::with(&SERVER, "b_build", &GatewayOptions::jobs("continue", 0));
    let mut client = case.connect();
    client.query("create table part(id int) partition by range (id)");
    client.query("create table part_1 partition of part for values from (0) to (9)");
    for (change, blocks) in [
        (
            "create index built on orders (amount)",
            "begin isolation level repeatable read; select count(*) from pg_class",
        ),
        ("reindex index concurrently built", "begin; update orders set amount = amount where id = 1"),
        ("drop index concurrently built", "begin; select count(*) from orders where id < 10"),
        ("alter table part detach partition part_1 concurrently", "begin; select count(*) from part"),
    ] {
        let mut blocker = SERVER.connect("alice", &case.database);
        blocker.rows(blocks);
        let pid = blocker.rows("select pg_backend_pid() /* is in the way */")[0].clone();
        client.send(&wire::query(change.as_bytes())).unwrap();
        let job = number(&client.until("this is job "));
        client.until(&format!("waiting until these transactions end: process {pid} (idle in transaction by alice"));
        let shown = || case.gateway.must(&["jobs", "show", &job]);
        until(|| shown().contains(&format!("in the way:  process {pid} (idle in transaction by alice")));
        assert!(shown().contains("is in the way */"), "{change}: {}", shown());
        let json: serde_json::Value =
            serde_json::from_str(&case.gateway.must(&["jobs", "show", &job, "--json"])).unwrap();
        assert_eq!(json["runs"][0]["waiting"]["holders"][0]["pid"].to_string(), pid, "{json}");
        blocker.rows("rollback");
        let replies = client.until_ready();
        assert!(error_of(&replies).is_none(), "{change}: {replies:?}");
        assert!(!shown().contains("in the way:"), "{change}: {}", shown());
    }
    drop(client);
    case.assert_well();
}

#[test]
fn who_begins_to_idle_while_a_build_waits_for_it_is_ended() {
    let case = Case::with(&SERVER, "b_build_ends", &ending(1));
    let mut blocker = SERVER.connect("alice", &case.database);
    blocker.rows("begin isolation level repeatable read; select count(*) from pg_class");
    let pid = blocker.rows("select pg_backend_pid()")[0].clone();
    // At work when the build begins, and idle before it ends.
    blocker.send(&wire::query(b"select pg_sleep(3)")).unwrap();
    let mut client = case.connect();
    let replies = client.query("create index built on orders (amount)");
    assert!(error_of(&replies).is_none(), "{replies:?}");
    let told = format!("ended a session that idled in its transaction in the way: process {pid}");
    assert!(texts(&replies).contains(&told), "{}", texts(&replies));
    drop((client, blocker));
    case.assert_well();
}

#[test]
fn who_is_at_work_is_not_ended() {
    let case = Case::with(&SERVER, "b_active", &ending(1));
    let mut blocker = SERVER.connect("alice", &case.database);
    blocker
        .send(&wire::query(b"begin; select count(*) from orders where id < 10; select pg_sleep(4); commit"))
        .unwrap();
    let locks = "select count(*) from pg_locks where relation = 'orders'::regclass";
    until(|| SERVER.sql(&case.database, locks) != ["0"]);
    let mut client = case.connect();
    let replies = client.query(&String::from_utf8_lossy(ADD));
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert!(texts(&replies).contains("held by process"), "{}", texts(&replies));
    assert!(!texts(&replies).contains("ended"), "{}", texts(&replies));
    assert!(error_of(&blocker.until_ready()).is_none());
    drop((client, blocker));
    case.assert_well();
}

#[test]
fn whom_the_role_may_not_end_is_not_ended_and_that_is_said() {
    for (name, grant, why) in [
        ("b_unseen", "", "is not ended: this role cannot see what it does"),
        ("b_unable", "grant pg_read_all_stats to alice", "is not ended: this role may not end it"),
    ] {
        let case = Case::with(&SERVER, name, &ending(1));
        SERVER.sql("postgres", grant);
        let (mut blocker, _) = idles(&case, "postgres");
        let mut client = case.connect();
        client.send(&wire::query(ADD)).unwrap();
        client.until(why);
        blocker.rows("commit");
        let replies = client.until_ready();
        assert!(error_of(&replies).is_none(), "{name}: {replies:?}");
        drop((client, blocker));
        case.assert_well();
    }
    SERVER.sql("postgres", "revoke pg_read_all_stats from alice");
}
