//! How sessions end that the client did not end: it is told why, once, and in the server's own words where there are any.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::process::signal;
use proto_tests::pump::Pump;
use proto_tests::{Client, Gateway, GatewayOptions, Message, Server, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

/// Everything up to the end of the connection.
fn to_the_end(client: &mut Client, what: &str) -> Vec<Message> {
    client.patience(Duration::from_secs(15));
    let mut seen = Vec::new();
    loop {
        match client.recv() {
            Ok(Some(message)) => seen.push(message),
            Ok(None) => return seen,
            Err(error) => panic!("{what}: {error}; seen {seen:?}"),
        }
    }
}

/// The SQLSTATEs of the errors, and the last one's DETAIL.
fn errors(seen: &[Message]) -> (Vec<String>, String) {
    let errors: Vec<&Message> = seen.iter().filter(|m| m.tag == b'E').collect();
    let detail = errors.last().and_then(|m| m.field('D')).unwrap_or_default();
    (errors.iter().filter_map(|m| m.field('C')).collect(), detail)
}

/// Waits until something of this database runs at the server.
fn wait_active(server: &Server, database: &str) {
    let sql = format!(
        "select 1 from pg_stat_activity where datname = '{database}' and state = 'active' and pid <> pg_backend_pid()"
    );
    wait_until("it runs", Duration::from_secs(20), || (!server.sql("postgres", &sql).is_empty()).then_some(()));
}

#[test]
fn a_server_that_is_lost_without_a_word_is_told_of() {
    let database = SERVER.database("silent", "fixture");
    let pump = Pump::to(SERVER.address);
    let gateway = Gateway::before(&pump.address().to_string(), &GatewayOptions::default());
    for (what, detail) in [
        ("", "Nothing was under way."),
        ("begin", "The open transaction is rolled back by the server."),
        ("select pg_sleep(60)", "Whether what was under way was done is not known"),
        ("copy ledger from stdin", "Whether what was under way was done is not known"),
    ] {
        let mut client = gateway.connect("alice", &database);
        match what {
            "" => {}
            "begin" => drop(client.query(what)),
            _ => client.send(&wire::query(what.as_bytes())).unwrap(),
        }
        match what {
            "select pg_sleep(60)" => wait_active(&SERVER, &database),
            "copy ledger from stdin" => drop(client.until("CopyInResponse")),
            _ => {}
        }
        pump.cut();
        let (codes, said) = errors(&to_the_end(&mut client, what));
        assert_eq!(codes, ["08006"], "{what}");
        assert!(said.contains(detail), "{what}: {said}");
        let orphans = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'");
        SERVER.sql("postgres", &orphans);
        case::assert_left(&SERVER, &database);
    }
    gateway.assert_healthy();
}

#[test]
fn nothing_is_added_in_the_middle_of_a_reply() {
    let database = SERVER.database("half", "fixture");
    let pump = Pump::to(SERVER.address);
    let gateway = Gateway::before(&pump.address().to_string(), &GatewayOptions::default());
    let mut client = gateway.connect("alice", &database);
    client.send(&wire::query(b"select repeat('x', 200000000)")).unwrap();
    // The client does not read: the row is on its way, and not all of it has come to the gateway.
    let writing = format!("select 1 from pg_stat_activity where datname = '{database}' and wait_event = 'ClientWrite'");
    wait_until("the server cannot write any more", Duration::from_secs(15), || {
        (!SERVER.sql("postgres", &writing).is_empty()).then_some(())
    });
    pump.cut();
    client.patience(Duration::from_secs(15));
    while let Ok(Some(message)) = client.recv() {
        assert!(!matches!(message.tag, b'E' | b'D'), "{}", message.tag.escape_ascii());
    }
    gateway.assert_healthy();
}

#[test]
fn a_server_that_says_why_is_not_explained() {
    let case = Case::new(&SERVER, "said");
    for sql in ["", "select pg_sleep(60)"] {
        let mut client = case.connect();
        if !sql.is_empty() {
            client.send(&wire::query(sql.as_bytes())).unwrap();
            wait_active(&SERVER, &case.database);
        }
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}' and usename = 'alice'",
            case.database
        );
        SERVER.sql("postgres", &end);
        assert_eq!(errors(&to_the_end(&mut client, sql)).0, ["57P01"], "{sql}");
    }
    case.assert_well();
}

#[test]
fn a_server_process_that_is_killed_takes_nobody_by_surprise() {
    let server = case::prepared();
    let gateway = Gateway::start(&server);
    let mut idle = gateway.connect("alice", "fixture");
    let mut busy = gateway.connect("alice", "fixture");
    let pid: u32 = busy.rows("select pg_backend_pid()").concat().parse().unwrap();
    busy.send(&wire::query(b"select pg_sleep(60)")).unwrap();
    wait_active(&server, "fixture");
    signal(pid, "KILL");
    for (what, client) in [("killed", &mut busy), ("idle", &mut idle)] {
        let seen = to_the_end(client, what);
        assert_eq!(errors(&seen).0, ["08006"], "{what}: {seen:?}");
    }
    gateway.assert_healthy();
}

#[test]
fn sessions_that_are_busy_when_the_time_to_drain_is_over_are_told() {
    let case = Case::with(&SERVER, "late", &GatewayOptions::drain_for(1));
    let mut open = case.connect();
    open.rows("begin; insert into ledger values (1, 'x')");
    let mut busy = case.connect();
    busy.send(&wire::query(b"select pg_sleep(60)")).unwrap();
    wait_active(&SERVER, &case.database);
    let mut change = case.connect();
    let mut holder = SERVER.connect("alice", &case.database);
    holder.rows("begin; update orders set amount = amount where id = 1");
    change.send(&wire::query(b"create index on orders (amount)")).unwrap();
    change.until("NoticeResponse");
    std::thread::scope(|scope| {
        scope.spawn(|| case.gateway.stop());
        for (what, client, detail) in [
            ("open", &mut open, "The open transaction is rolled back"),
            ("busy", &mut busy, "Whether what was under way was done is not known"),
            ("change", &mut change, "its time to drain is over"),
        ] {
            let (codes, said) = errors(&to_the_end(client, what));
            assert_eq!(codes, ["57P01"], "{what}");
            assert!(said.contains(detail), "{what}: {said}");
        }
    });
    drop(holder);
    assert_eq!(SERVER.sql(&case.database, "select count(*) from ledger"), ["0"]);
}
