//! A job fills a large table on several connections at once, and goes on with fewer where it has to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::time::Duration;

use proto_tests::client::error_of;
use proto_tests::{Client, Gateway, GatewayOptions, Server, majors, wait_until, wire};

const LONG: Duration = Duration::from_secs(60);
/// Seven on a page.
const ROWS: &str = "36000";
const ADD: &[u8] = b"alter table big add column token uuid not null default gen_random_uuid()";
/// Connections of the job that have run a batch, the eldest first.
const AT_WORK: &str = "select pid from pg_stat_activity where application_name like 'lockkeeper job%' \
                       and query like '%UPDATE ONLY%' order by backend_start";

struct Rig {
    server: Server,
    gateway: Gateway,
}

impl Rig {
    /// Whose backfills have time for others to come between.
    fn new() -> Self {
        let server = Server::start(majors().into_iter().max().unwrap());
        server.sql("postgres", "create database shop owner alice");
        let mut owner = server.connect("alice", "shop");
        owner.rows("create table big(id int primary key, pad text)");
        owner.rows(&format!("insert into big select g, repeat('x', 1000) from generate_series(1, {ROWS}) g"));
        owner.rows("analyze big");
        let mut options = GatewayOptions::jobs("continue", 300);
        options.config = options.config.replacen("[executor]\n", "[executor]\nbackfill_sessions = 2\n", 1);
        let gateway = Gateway::with(&server, &options);
        Self { server, gateway }
    }

    fn begun(&self) -> (Client, String) {
        let mut client = self.gateway.connect("alice", "shop");
        client.patience(LONG);
        client.send(&wire::query(ADD)).unwrap();
        let text = client.until("this is job ").render();
        let job = text[text.find("job ").unwrap() + 4..].chars().take_while(char::is_ascii_digit).collect();
        (client, job)
    }

    fn at_work(&self, count: usize) -> Vec<String> {
        wait_until("so many at work", LONG, || {
            let pids = self.server.sql("postgres", AT_WORK);
            (pids.len() == count).then_some(pids)
        })
    }

    fn ends_well(self, client: &mut Client, job: &str) {
        self.gateway.must(&["jobs", "rate", job, "--pause-percent", "0", "--as", "bob"]);
        let replies = client.until_ready();
        assert!(error_of(&replies).is_none(), "{replies:?}");
        let filled = self.server.sql("shop", "select count(distinct token) from big");
        assert_eq!(filled, [ROWS]);
        let left = "select count(*) from pg_stat_activity where application_name like 'lockkeeper job%'";
        wait_until("its connections are gone", LONG, || (self.server.sql("postgres", left) == ["0"]).then_some(()));
        self.gateway.assert_healthy();
    }
}

#[test]
fn two_connections_fill_one_table_and_one_of_them_is_enough() {
    let rig = Rig::new();
    let (mut client, job) = rig.begun();
    let pids = rig.at_work(2);
    rig.server.sql("postgres", &format!("select pg_terminate_backend({})", pids[1]));
    client.until("the backfill goes on with one session less");
    assert_eq!(rig.at_work(1), pids[..1]);
    rig.ends_well(&mut client, &job);
}

#[test]
fn a_pause_holds_all_of_them() {
    let rig = Rig::new();
    let (mut client, job) = rig.begun();
    let pids = rig.at_work(2);
    rig.gateway.must(&["jobs", "pause", &job, "--as", "bob"]);
    let idle =
        "select count(*) from pg_stat_activity where application_name like 'lockkeeper job%' and state <> 'idle'";
    wait_until("it rests", LONG, || (rig.server.sql("postgres", idle) == ["0"]).then_some(()));
    let done = rig.server.sql("shop", "select count(token) from big");
    rig.gateway.must(&["jobs", "resume", &job, "--as", "bob"]);
    assert_ne!(done, [ROWS]);
    assert_eq!(rig.at_work(2), pids);
    rig.ends_well(&mut client, &job);
}

#[test]
fn who_may_not_log_in_twice_has_one() {
    let rig = Rig::new();
    // Its own and that of the job.
    rig.server.sql("postgres", "alter role alice connection limit 2");
    let (mut client, job) = rig.begun();
    client.until("the backfill goes on with fewer sessions: too many connections for role \"alice\"");
    rig.ends_well(&mut client, &job);
}
