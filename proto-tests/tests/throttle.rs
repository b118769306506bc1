//! Backfills hold back for others: for a replica that falls behind, for the WAL, for those who wait; and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{Client, Gateway, GatewayOptions, Server, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = case::prepared();
    server.sql("fixture", "delete from orders where id > 60000");
    server.sql("fixture", "vacuum (full, analyze) orders");
    server.sql("postgres", "grant pg_monitor to alice");
    server
});

const LONG: Duration = Duration::from_secs(60);
const FILL: &[u8] = b"alter table orders add column token uuid not null default gen_random_uuid()";

/// Jobs with these limits, whose backfills take at least a few seconds.
fn options(limits: &str) -> GatewayOptions {
    let mut options = GatewayOptions::jobs("continue", 400);
    options.config.push_str(&format!("[targets.throttle]\n{limits}\n"));
    options
}

fn begun(client: &mut Client) -> String {
    client.send(&wire::query(FILL)).unwrap();
    let text = client.until("this is job ").render();
    text[text.find("job ").unwrap() + 4..].chars().take_while(char::is_ascii_digit).collect()
}

fn until(gateway: &Gateway, job: &str, part: &str) -> String {
    wait_until(part, LONG, || {
        let line = gateway.must(&["jobs", "show", job]).lines().next().unwrap_or_default().to_owned();
        line.contains(part).then_some(line)
    })
}

fn ends_well(client: &mut Client, server: &Server, database: &str) {
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert_eq!(server.sql(database, "select count(*) from orders where token is null"), ["0"]);
}

#[test]
fn a_replica_that_stops_replaying_makes_it_wait() {
    let server = case::prepared();
    server.sql("postgres", "grant pg_monitor to alice");
    let standby = server.standby("east");
    standby.sql("postgres", "select pg_wal_replay_pause()");
    // Of how far behind by time nothing is asked: that depends on how long ago the pause began.
    let gateway = Gateway::with(&server, &options("replica_behind_mib = 1\nreplica_lag_ms = 0"));
    let mut client = gateway.connect("alice", "fixture");
    let job = begun(&mut client);
    client.until("holding back: replica east has ");
    let line = until(&gateway, &job, "holds back: replica east has ");
    assert!(line.contains("MiB of WAL still to replay (limit 1)"), "{line}");
    let filled = "select count(token) from orders";
    let before = server.sql("fixture", filled);
    // Two more looks of the throttle, seen from outside: its sessions ask and write nothing.
    let asks = "select query_start from pg_stat_activity where application_name like 'lockkeeper job%' \
                and query like '%pg_is_in_recovery%'";
    let first = wait_until("it looks", LONG, || server.sql("postgres", asks).pop());
    wait_until("it looks again", LONG, || server.sql("postgres", asks).pop().filter(|at| *at != first));
    assert_eq!(server.sql("fixture", filled), before);
    gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--limit", "replica_behind_mib=0", "--as", "bob"]);
    standby.sql("postgres", "select pg_wal_replay_resume()");
    ends_well(&mut client, &server, "fixture");
    let shown = gateway.must(&["jobs", "show", &job]);
    assert!(shown.contains("replica_behind_mib: 0"), "{shown}");
    gateway.assert_healthy();
}

#[test]
fn wal_makes_it_wait_and_the_limit_can_be_lifted() {
    let case = Case::with(&SERVER, "t_wal", &options("wal_mib_per_s = 1"));
    let mut client = case.connect();
    let job = begun(&mut client);
    until(&case.gateway, &job, "rows/s");
    // WAL of somebody else.
    let mut other = SERVER.connect("alice", &case.database);
    other.rows("create table heap as select repeat(md5(g::text), 30) from generate_series(1, 100000) g");
    client.until("holding back: the server writes ");
    until(&case.gateway, &job, "MiB of WAL a second (limit 1)");
    case.gateway.must(&["jobs", "rate", &job, "--limit", "wal_mib_per_s=0", "--pause-percent", "0", "--as", "bob"]);
    ends_well(&mut client, &SERVER, &case.database);
    drop((client, other));
    case.assert_well();
}

#[test]
fn over_a_critical_limit_it_ends_and_is_taken_back() {
    let case = Case::with(&SERVER, "t_critical", &options("active_sessions = 1\ncritical_active_sessions = 2"));
    let mut busy: Vec<Client> = (0..3).map(|_| SERVER.connect("alice", &case.database)).collect();
    for one in &mut busy {
        one.send(&wire::query(b"select pg_sleep(60)")).unwrap();
    }
    let mut client = case.connect();
    let job = begun(&mut client);
    let replies = client.until_ready();
    let error = error_of(&replies).unwrap_or_else(|| panic!("{replies:?}"));
    assert_eq!(error.field('C').as_deref(), Some("53400"), "{error:?}");
    assert!(error.field('M').unwrap().contains("other sessions run a statement (critical from 2)"), "{error:?}");
    until(&case.gateway, &job, "has failed");
    let columns =
        "select count(*) from pg_attribute where attrelid = 'orders'::regclass and attnum > 0 and not attisdropped";
    assert_eq!(SERVER.sql(&case.database, columns), ["2"]);
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'", case.database);
    drop((client, busy));
    SERVER.sql("postgres", &end);
    case.assert_well();
}

#[test]
fn what_a_role_cannot_see_is_said() {
    let server = case::prepared();
    let _standby = server.standby("east");
    let gateway = Gateway::with(&server, &options(""));
    let mut client = gateway.connect("alice", "fixture");
    let job = begun(&mut client);
    let told = client.until("this role cannot see ").render();
    assert!(told.contains("replica_lag_ms, replica_behind_mib"), "{told}");
    gateway.must(&["jobs", "rate", &job, "--pause-percent", "0", "--as", "bob"]);
    ends_well(&mut client, &server, "fixture");
    gateway.assert_healthy();
}
