//! A backfill or a copy that is cut off goes on at the page it had come to: seen in the statements that it sends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::time::Duration;

use proto_tests::client::error_of;
use proto_tests::{Client, Gate, Gateway, GatewayOptions, Server, majors, wait_until, wire};

const LONG: Duration = Duration::from_secs(60);
const ROWS: &str = "60000";
const ADD: &str = "alter table big add column token uuid not null default gen_random_uuid()";
const COMPUTED: &str = "alter table shelf add column twice int generated always as (id * 2) stored";
const UNLOGGED: &str = "alter table shelf set unlogged";
const FILLED: &str = "select count(*), count(token), count(distinct token) from big";

/// So that nobody has to approve a copy.
const COPIES: &str =
    "[[policy.own.rules]]\nresponses = { rewrite-table = \"rewrite\", add-column-rewrite = \"rewrite\" }\n";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Gateway,
    Server,
    Connection,
}

struct Rig {
    server: Server,
    gate: Gate,
    gateway: Gateway,
    /// What the startup messages contain of those whose statements are looked at.
    watched: &'static str,
}

impl Rig {
    /// With jobs, or without.
    fn new(jobs: bool) -> Self {
        let server = Server::start(majors().into_iter().max().unwrap());
        server.sql("postgres", "create database shop owner alice");
        server.sql("shop", "alter schema public owner to alice");
        let mut owner = server.connect("alice", "shop");
        owner.rows("create table big(id int primary key, pad text) partition by range (id)");
        owner.rows("create table big_1 partition of big for values from (0) to (10000)");
        owner.rows("create table big_2 partition of big for values from (10000) to (100000)");
        owner.rows(&format!("insert into big select g, repeat('x', 200) from generate_series(1, {ROWS}) g"));
        owner.rows("analyze big");
        let gate = Gate::to(server.address);
        let mut options = GatewayOptions::jobs("continue", 4_000);
        owner.rows("create table shelf(id int primary key, pad text)");
        owner.rows(&format!("insert into shelf select g, repeat('x', 200) from generate_series(1, {ROWS}) g"));
        owner.rows("analyze shelf");
        options.config = options
            .config
            .replace("[targets.jobs]\n", &format!("policy = \"own\"\n[targets.jobs]\nenabled = {jobs}\n"));
        options.config.push_str(COPIES);
        let gateway = Gateway::before(&gate.address().to_string(), &options);
        let watched = if jobs { "lockkeeper job" } else { "resume" };
        Self { server, gate, gateway, watched }
    }

    fn send(&self, sql: &str) -> Client {
        let session = self.gateway.session("alice", "shop").parameter("application_name", "resume");
        let mut client = session.connect().unwrap_or_else(|e| panic!("{e:?}"));
        client.patience(LONG);
        client.send(&wire::query(sql.as_bytes())).unwrap();
        client
    }

    fn wait_for_the_job(&self) {
        self.gateway.must(&["jobs", "rate", "1", "--pause-percent", "0", "--as", "bob"]);
        wait_until("the job is done", LONG, || {
            let shown = self.gateway.must(&["jobs", "show", "1"]);
            assert!(!shown.contains("has failed"), "{shown}");
            shown.lines().next().unwrap_or_default().contains("is done").then_some(())
        });
    }

    /// The walk so far.
    fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        for sql in self.gate.seen() {
            if sql.contains("pg_logical_emit_message") {
                walk.marks.extend(walk.batches.last().cloned());
            } else if let Some(batch) = Batch::read(&sql) {
                walk.batches.push(batch);
            }
        }
        walk
    }

    fn fault(&mut self, fault: Fault) {
        // Nobody goes on yet.
        self.gate.shut(true);
        match fault {
            Fault::Gateway => {
                self.gateway.kill();
                self.gate.cut();
                self.gateway.run();
            }
            Fault::Server => {
                self.server.crash();
                self.gate.cut();
                self.server.run();
            }
            Fault::Connection => self.gate.cut(),
        }
    }

    fn empty_before(&self, place: &Batch) -> String {
        let sql = format!("select count(*) from only {} where ctid < '({},0)' and token is null", place.part, place.to);
        self.server.sql("shop", &sql).concat()
    }
}

/// One batch: its part of the table, and its pages.
#[derive(Clone, Debug, PartialEq)]
struct Batch {
    part: String,
    from: u64,
    to: u64,
}

impl Batch {
    fn read(sql: &str) -> Option<Self> {
        let copied = || sql.strip_prefix("INSERT INTO ").and_then(|sql| Some(sql.split_once(" FROM ONLY ")?.1));
        let rest = sql.strip_prefix("WITH done AS (UPDATE ONLY ").or_else(copied);
        let rest = rest.filter(|sql| sql.contains("::pg_catalog.tid"))?;
        let part = rest.split(' ').next()?.to_owned();
        let mut pages = rest.split("'(").skip(1).filter_map(|rest| rest.split(',').next()?.parse().ok());
        Some(Self { part, from: pages.next()?, to: pages.next()? })
    }
}

#[derive(Debug, Default)]
struct Walk {
    batches: Vec<Batch>,
    /// The batches after which a place was told.
    marks: Vec<Batch>,
}

fn goes_on_there(jobs: bool, fault: Fault) {
    let mut rig = Rig::new(jobs);
    rig.gate.arm(rig.watched, None);
    let client = rig.send(ADD);
    // Beyond the first part, and some batches after the place: nothing waits for that to be written down.
    let before = wait_until("the walk has told a place in the second part", LONG, || {
        let walk = rig.walk();
        let last = walk.marks.last().filter(|mark| mark.part.ends_with("big_2"))?.clone();
        let since = walk.batches.iter().rev().take_while(|batch| **batch != last).count();
        (since >= 4).then_some(walk)
    });
    rig.fault(fault);
    let last = before.marks.last().unwrap();
    assert_eq!(rig.empty_before(last), "0", "what was told is there: {before:?}");
    client.vanish();
    rig.gate.arm(rig.watched, None);
    rig.gate.shut(false);
    if jobs {
        rig.wait_for_the_job();
    } else {
        let replies = rig.send(ADD).until_ready();
        assert!(error_of(&replies).is_none(), "{replies:?}");
        let told: Vec<String> = replies.iter().map(proto_tests::Message::render).collect();
        assert!(told.iter().any(|line| line.contains("an earlier run has walked")), "{told:?}");
    }
    let after = rig.walk();
    let first = after.batches.first().expect("batches");
    assert!(
        before.marks.iter().any(|mark| (&mark.part, mark.to) == (&first.part, first.from)),
        "{before:?}\n{after:?}"
    );
    assert!(after.batches.iter().all(|batch| batch.part == first.part && batch.from >= first.from), "{after:?}");
    assert!(first.from > 0 && first.part.ends_with("big_2"), "{first:?}");
    assert_eq!(rig.server.sql("shop", FILLED), [format!("{ROWS}|{ROWS}|{ROWS}")]);
    let looks = rig.gate.seen().iter().filter(|sql| sql.contains("AS page")).count();
    assert_eq!(looks, 1, "the end is proven by a look at the whole table");
    rig.gateway.assert_healthy();
}

#[test]
fn a_job_goes_on_at_its_page_after_the_gateway_was_killed() {
    goes_on_there(true, Fault::Gateway);
}

#[test]
fn a_job_goes_on_at_its_page_after_the_server_crashed() {
    goes_on_there(true, Fault::Server);
}

#[test]
fn a_job_goes_on_at_its_page_after_its_connection_was_cut() {
    goes_on_there(true, Fault::Connection);
}

#[test]
fn a_statement_sent_again_goes_on_at_its_page() {
    goes_on_there(false, Fault::Gateway);
}

#[test]
fn what_is_behind_the_place_and_empty_again_is_filled_all_the_same() {
    let mut rig = Rig::new(true);
    rig.gate.arm(rig.watched, None);
    let client = rig.send(ADD);
    wait_until("a place in the second part", LONG, || {
        rig.walk().marks.last().is_some_and(|mark| mark.part.ends_with("big_2")).then_some(())
    });
    rig.fault(Fault::Connection);
    client.vanish();
    rig.server.sql("shop", "update big set token = null where id between 1 and 300");
    rig.gate.shut(false);
    rig.wait_for_the_job();
    assert_eq!(rig.server.sql("shop", FILLED), [format!("{ROWS}|{ROWS}|{ROWS}")]);
}

/// What is written while nobody copies is in the copy all the same. Gives the walks before the fault and after it.
fn copied(sql: &str, fault: Fault) -> (Walk, Walk) {
    let mut rig = Rig::new(true);
    rig.gate.arm(rig.watched, None);
    let client = rig.send(sql);
    let before = wait_until("the copy has told a place", LONG, || {
        let walk = rig.walk();
        let unmarked = |mark: &Batch| walk.batches.iter().rev().take_while(|batch| *batch != mark).count();
        let enough = match walk.marks.last() {
            Some(mark) => walk.marks.len() >= 2 && unmarked(mark) >= 2,
            None => sql == UNLOGGED && walk.batches.len() >= 20,
        };
        enough.then_some(walk)
    });
    rig.fault(fault);
    client.vanish();
    for change in [
        "update shelf set pad = 'new' where id <= 300 or id > 59700",
        "update shelf set id = -id where id between 301 and 400",
        "delete from shelf where id between 401 and 500",
        "insert into shelf select g, 'more' from generate_series(70001, 70100) g",
    ] {
        rig.server.sql("shop", change);
    }
    let rows = "select count(*), sum(id), count(*) filter (where pad = 'new'), md5(string_agg(pad, '' order by id)) from shelf";
    let expected = rig.server.sql("shop", rows);
    rig.gate.arm(rig.watched, None);
    rig.gate.shut(false);
    rig.wait_for_the_job();
    assert_eq!(rig.server.sql("shop", rows), expected);
    if sql == COMPUTED {
        assert_eq!(rig.server.sql("shop", "select count(*) from shelf where twice is distinct from id * 2"), ["0"]);
    }
    let emptied = rig.gate.seen().iter().any(|sql| sql.starts_with("TRUNCATE"));
    let after = rig.walk();
    assert_eq!(emptied, after.batches.first().is_some_and(|batch| batch.from == 0), "{after:?}");
    rig.gateway.assert_healthy();
    (before, after)
}

fn a_copy_goes_on_there(fault: Fault) {
    let (before, after) = copied(COMPUTED, fault);
    let first = after.batches.first().expect("batches");
    assert!(first.from > 0 && before.marks.iter().any(|mark| mark.to == first.from), "{before:?}\n{after:?}");
}

#[test]
fn a_copy_goes_on_at_its_page_after_the_gateway_was_killed() {
    a_copy_goes_on_there(Fault::Gateway);
}

#[test]
fn a_copy_goes_on_at_its_page_after_the_server_crashed() {
    a_copy_goes_on_there(Fault::Server);
}

#[test]
fn a_copy_goes_on_at_its_page_after_its_connection_was_cut() {
    a_copy_goes_on_there(Fault::Connection);
}

#[test]
fn a_copy_that_a_crash_empties_begins_anew() {
    let (_, after) = copied(UNLOGGED, Fault::Server);
    assert_eq!(after.batches.first().expect("batches").from, 0);
}
