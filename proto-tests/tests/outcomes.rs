//! What a ticket says of its change follows the transaction the change ran in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::time::Duration;

use proto_tests::client::{error_of, ticket_of};
use proto_tests::{Client, Gateway, GatewayOptions, Server, majors, wait_until, wire};

const DROP: &str = "drop table victim";
const GRANT: &str = "grant select on victim to bob";
const ROLLED_BACK: &str = "its transaction was rolled back, so nothing of it is there (SQLSTATE 40000)";

/// A gateway before a database with a table that is to be dropped.
struct Case<'a> {
    gateway: &'a Gateway,
    server: &'a Server,
    database: String,
}

impl<'a> Case<'a> {
    fn new(gateway: &'a Gateway, server: &'a Server, name: &str) -> Self {
        let database = server.database(name, "fixture");
        Self { gateway, server, database }
    }

    fn connect(&self) -> Client {
        self.gateway.connect("alice", &self.database)
    }

    /// A ticket for the statement that is approved.
    fn approved(&self, sql: &str) -> String {
        let held = self.connect().query(sql);
        let ticket = ticket_of(error_of(&held).unwrap_or_else(|| panic!("{sql} was not held: {held:?}")));
        self.gateway.approve(&ticket, "bob");
        ticket
    }

    fn says(&self, ticket: &str, part: &str) -> bool {
        self.gateway.show(ticket).lines().next().is_some_and(|line| line.contains(part))
    }

    fn check(&self, ticket: &str, part: &str, change: &str) {
        let shown = self.gateway.show(ticket);
        assert!(self.says(ticket, part), "{part:?} is not in {shown}; {}", self.gateway.log());
        let changes = self.gateway.must(&["changes"]);
        let line = changes.lines().find(|line| line.contains(&format!("ticket {ticket},")));
        assert!(line.is_some_and(|line| line.contains(change)), "{change:?} is not first in {changes}");
    }

    fn exists(&self) -> bool {
        self.server.sql(&self.database, "select to_regclass('victim') is not null") == ["t"]
    }
}

fn each(test: impl Fn(&Gateway, &Server)) {
    for major in majors() {
        let server = Server::start(major);
        server.sql("postgres", "create database fixture owner alice");
        server.sql("fixture", "alter schema public owner to alice");
        server.connect("alice", "fixture").rows(
            "create table victim(id int primary key, name text); insert into victim values (1, 'one');
             create table parent(id int primary key);
             create table child(id int references parent deferrable initially deferred)",
        );
        test(&Gateway::with(&server, &GatewayOptions::answer_at_once()), &server);
    }
}

#[test]
fn it_is_done_when_the_transaction_is_committed_and_not_before() {
    each(|gateway, server| {
        let case = Case::new(gateway, server, "committed");
        let ticket = case.approved(DROP);
        let mut client = case.connect();
        client.rows("begin; savepoint s");
        assert!(error_of(&client.query(DROP)).is_none());
        case.check(&ticket, "is running", "running");
        client.rows("release s");
        case.check(&ticket, "is running", "running");
        client.rows("commit");
        case.check(&ticket, "is done", "done");
        assert!(!case.exists());
    });
}

#[test]
fn it_has_failed_when_it_was_rolled_back() {
    each(|gateway, server| {
        type End = fn(&mut Client);
        let ends: [(&str, End); 5] = [
            ("rollback", |client| drop(client.rows("rollback"))),
            ("savepoint", |client| drop(client.rows("rollback to s; commit"))),
            ("refused", |client| {
                client.rows("insert into child values (1)");
                assert!(error_of(&client.query("commit")).is_some());
            }),
            ("failed", |client| {
                assert!(error_of(&client.query("select 1/0")).is_some());
                client.rows("commit");
            }),
            ("savepoint and failed commit", |client| {
                client.rows("release s; insert into child values (1)");
                assert!(error_of(&client.query("commit")).is_some());
            }),
        ];
        for (name, end) in ends {
            let case = Case::new(gateway, server, name);
            let ticket = case.approved(DROP);
            let mut client = case.connect();
            client.rows("begin; savepoint s");
            assert!(error_of(&client.query(DROP)).is_none());
            end(&mut client);
            case.check(&ticket, ROLLED_BACK, "failed");
            assert!(case.exists(), "{name}");
        }
    });
}

#[test]
fn it_has_failed_when_the_client_leaves_before_it_commits() {
    each(|gateway, server| {
        let case = Case::new(gateway, server, "left");
        let ticket = case.approved(DROP);
        let mut client = case.connect();
        client.rows("begin");
        assert!(error_of(&client.query(DROP)).is_none());
        client.vanish();
        wait_until("the ticket has failed", Duration::from_secs(20), || case.says(&ticket, ROLLED_BACK).then_some(()));
        assert!(case.exists());
    });
}

#[test]
fn a_pipeline_is_a_transaction_too() {
    each(|gateway, server| {
        for (then, expected, change) in [("select 1/0", ROLLED_BACK, "failed"), ("select 1", "is done", "done")] {
            let case = Case::new(gateway, server, change);
            let ticket = case.approved(GRANT);
            let mut client = case.connect();
            let one = |sql: &str| {
                let parts =
                    [wire::parse(b"", sql.as_bytes(), &[]), wire::bind(b"", b"", &[], false), wire::execute(b"", 0)];
                parts.concat()
            };
            client.send(&[one(GRANT), one(then), wire::framed(b'S', b"")].concat()).unwrap();
            client.until_ready();
            case.check(&ticket, expected, change);
            let granted = server.sql(&case.database, "select has_table_privilege('bob', 'victim', 'select')");
            assert_eq!(granted, [if change == "done" { "t" } else { "f" }]);
        }
    });
}

#[test]
fn a_message_that_rolls_itself_back_is_not_done() {
    each(|gateway, server| {
        let case = Case::new(gateway, server, "message");
        let sql = "begin; drop table victim; rollback";
        let ticket = case.approved(sql);
        assert!(error_of(&case.connect().query(sql)).is_none());
        case.check(&ticket, ROLLED_BACK, "failed");
        assert!(case.exists());
    });
}
