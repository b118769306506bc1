//! Approvals of changes that do not get their locks: nothing of them is used up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::{error_of, ticket_of};
use proto_tests::{Client, Gateway, GatewayOptions, Server, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = case::prepared();
    server.sql("fixture", "delete from orders where id > 30000");
    server.sql("fixture", "vacuum (full, analyze) orders");
    server
});

const WAIT: Duration = Duration::from_secs(60);

/// Jobs that give up on a lock after a second; filling columns is held.
fn options() -> GatewayOptions {
    let jobs = GatewayOptions::deferring("add-column-volatile = \"hold\"");
    let executor = "[executor]\nretry_budget_s = 1\nbatch_ms = 10\nbatch_pause_percent = 1000\nprogress_s = 1\n";
    GatewayOptions { config: format!("[hold]\nmode = \"answer\"\n{executor}{}", jobs.config), ..jobs }
}

/// The ticket of a change, approved.
fn approved(case: &Case<'_>, sql: &str) -> String {
    let replies = case.connect().query(sql);
    let number = ticket_of(error_of(&replies).unwrap_or_else(|| panic!("{replies:?}")));
    case.gateway.approve(&number, "bob");
    number
}

/// Runs a ticket: the number of its job.
fn run(gateway: &Gateway, ticket: &str) -> String {
    let told = gateway.must(&["run", ticket, "--as", "bob"]).to_lowercase();
    let rest = &told[told.find("job ").unwrap() + 4..];
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// All that is said of a job, once that is in its first line.
fn until(gateway: &Gateway, job: &str, part: &str) -> String {
    wait_until(part, WAIT, || {
        let text = gateway.must(&["jobs", "show", job]);
        text.lines().next().is_some_and(|line| line.contains(part)).then_some(text)
    })
}

fn in_the_way(case: &Case<'_>, table: &str) -> Client {
    let mut client = SERVER.connect("alice", &case.database);
    client.rows(&format!("begin; select count(*) from {table} where id < 10"));
    client
}

#[test]
fn a_job_that_gets_no_lock_gives_its_approval_back() {
    let case = Case::with(&SERVER, "a_back", &options());
    let ticket = approved(&case, "drop table ledger");
    let mut blocker = in_the_way(&case, "ledger");
    let job = run(&case.gateway, &ticket);
    let text = until(&case.gateway, &job, "has failed");
    assert!(text.contains(&format!("Ticket {ticket} stays approved.")), "{text}");
    assert!(text.contains(&format!("lockkeeper run {ticket}")), "{text}");
    let shown = wait_until("the ticket is told", WAIT, || {
        let shown = case.gateway.show(&ticket);
        shown.contains("is approved by bob").then_some(shown)
    });
    assert!(shown.contains(&format!("not used by its last run: job {job} did not get its lock")), "{shown}");
    blocker.rows("rollback");
    drop(blocker);
    let job = run(&case.gateway, &ticket);
    until(&case.gateway, &job, "is done");
    assert_eq!(SERVER.sql(&case.database, "select to_regclass('ledger') is null"), ["t"]);
    // Once.
    let (ok, text) = case.gateway.cli(&["run", &ticket, "--as", "bob"]);
    assert!(!ok && text.contains("would have to be approved"), "{text}");
    case.assert_well();
}

#[test]
fn one_that_gets_no_lock_half_way_goes_on_by_the_same_approval() {
    let case = Case::with(&SERVER, "a_half", &options());
    let ticket = approved(&case, "alter table orders add column token uuid not null default gen_random_uuid()");
    let job = run(&case.gateway, &ticket);
    until(&case.gateway, &job, "rows/s");
    let mut blocker = in_the_way(&case, "orders");
    let text = until(&case.gateway, &job, "has failed");
    let way_on =
        format!("Ticket {ticket} stays approved. When those who hold the lock are done: lockkeeper jobs resume {job}");
    assert!(text.contains(&way_on), "{text}");
    blocker.rows("rollback");
    drop(blocker);
    // What it has begun the same job ends, by whichever name it is asked for.
    assert_eq!(run(&case.gateway, &ticket), job);
    until(&case.gateway, &job, "is done");
    let sql = "select attnotnull, (select count(*) from orders where token is null) from pg_attribute \
        where attrelid = 'orders'::regclass and attname = 'token'";
    assert_eq!(SERVER.sql(&case.database, sql), ["t|0"]);
    assert!(case.gateway.show(&ticket).contains("is done"));
    case.assert_well();
}

/// Sends an approved change while another session is in its way, until it says that it tries again; then that one leaves.
fn gets_its_locks(case: &Case<'_>, (sql, table): (&str, &str), tried: &str) -> String {
    let number = approved(case, sql);
    let mut blocker = in_the_way(case, table);
    let mut client = case.connect();
    client.send(&wire::query(sql.as_bytes())).unwrap();
    client.until(tried);
    blocker.rows("rollback");
    drop(blocker);
    let replies = client.until_ready();
    assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
    assert!(case.gateway.show(&number).contains("is done"), "{sql}");
    replies.iter().map(|reply| reply.render() + "\n").collect()
}

fn patient() -> GatewayOptions {
    GatewayOptions {
        config: "[hold]\nmode = \"answer\"\n[executor]\nretry_budget_s = 60\n".into(),
        ..GatewayOptions::default()
    }
}

#[test]
fn a_message_of_several_statements_is_tried_again_and_answered_once() {
    let case = Case::with(&SERVER, "a_several", &patient());
    let sql = "insert into orders values (70001, 1); select 'once' as told; drop table ledger";
    let told = gets_its_locks(&case, (sql, "ledger"), "its lock was not to be had: tried again in");
    assert_eq!(told.matches("once").count(), 1, "{told}");
    assert_eq!(
        SERVER.sql(&case.database, "select count(*), to_regclass('ledger') is null from orders where id = 70001"),
        ["1|t"]
    );
    case.assert_well();
}

#[test]
fn a_vacuum_of_several_tables_does_each_once() {
    let case = Case::with(&SERVER, "a_vacuum", &patient());
    let file = |table: &str| SERVER.sql(&case.database, &format!("select pg_relation_filenode('{table}')"));
    let (orders, ledger) = (file("orders"), file("ledger"));
    let replies = case.connect().query("insert into ledger values (1, 'x')");
    assert!(error_of(&replies).is_none(), "{replies:?}");
    gets_its_locks(&case, ("vacuum full orders, ledger", "ledger"), "held by process");
    assert!(file("orders") != orders && file("ledger") != ledger);
    let text = case.gateway.show("1");
    assert!(text.contains("run on orders") && text.contains("run on ledger"), "{text}");
    case.assert_well();
}

#[test]
fn a_call_that_may_have_committed_is_not_good_for_another_try() {
    let case = Case::with(&SERVER, "a_call", &patient());
    SERVER.connect("alice", &case.database).rows(
        "create procedure p() language plpgsql as $$ begin insert into orders values (70002, 1); commit; drop table ledger; end $$",
    );
    let number = approved(&case, "call p()");
    let blocker = in_the_way(&case, "ledger");
    let replies = case.connect().query("call p()");
    assert_eq!(error_of(&replies).and_then(|error| error.field('C')).as_deref(), Some("55P03"), "{replies:?}");
    let told: String = replies.iter().map(|reply| reply.render()).collect();
    assert!(told.contains("What it had committed before it failed is there"), "{told}");
    assert!(case.gateway.show(&number).contains("has failed"));
    drop(blocker);
    case.assert_well();
}

#[test]
fn lists_take_their_options_behind_the_word_too() {
    let case = Case::with(&SERVER, "a_lists", &options());
    for sql in ["drop table ledger", "drop table orders"] {
        case.connect().query(sql);
    }
    for words in
        [["tickets", "list", "--limit", "1"], ["changes", "list", "--limit", "1"], ["jobs", "list", "--limit", "1"]]
    {
        let (ok, text) = case.gateway.cli(&words);
        assert!(ok, "{words:?}: {text}");
        assert!(!text.contains("ledger"), "{text}");
    }
    case.assert_well();
}
