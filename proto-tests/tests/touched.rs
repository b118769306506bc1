//! An approval is bound to every object it touches, not to relations alone: what has changed since is looked at again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use proto_tests::client::{error_of, ticket_of};
use proto_tests::{Gateway, GatewayOptions, Message, Server, majors};

/// One approval that does not cover what there is any more.
struct Changed {
    made: &'static str,
    statement: &'static str,
    /// On the ticket, under what it touches.
    shown: &'static [&'static str],
    change: &'static str,
    /// On the ticket after that.
    then: &'static str,
}

const CASES: &[Changed] = &[
    Changed {
        made: "create schema s2; create table s2.small(id int)",
        statement: "drop schema s2 cascade",
        shown: &["schema s2", "table s2.small"],
        change: "create table s2.big as select g from generate_series(1, 2000) g; analyze s2.big",
        then: "table s2.big, about 2,000 rows",
    },
    Changed {
        made: "create type ty as enum ('a'); create table one(a ty)",
        statement: "drop type ty cascade",
        shown: &["type public.ty", "table column public.one.a"],
        change: "create table two(b ty[])",
        then: "table column public.two.b",
    },
    Changed {
        made: "create domain dm as int",
        statement: "drop domain dm cascade",
        shown: &["type public.dm"],
        change: "create table two(b dm)",
        then: "table column public.two.b",
    },
    Changed {
        made: "create extension hstore",
        statement: "drop extension hstore cascade",
        shown: &["extension hstore", " more\n"],
        change: "create table two(b hstore)",
        then: "table column public.two.b",
    },
    Changed {
        made: "create sequence numbers",
        statement: "drop sequence numbers cascade",
        shown: &["public.numbers"],
        change: "create table two(b int default nextval('numbers'))",
        then: "default value for public.two.b",
    },
    Changed {
        made: "create function f() returns int language sql as 'select 1'",
        statement: "drop function f() cascade",
        shown: &["function public.f()"],
        change: "create view seen as select f() as n; create view above as select * from seen",
        then: "view public.above",
    },
    Changed {
        made: "create function f() returns int language sql as 'select 1'",
        statement: "drop function f()",
        shown: &["function public.f()"],
        change: "create or replace function f() returns int language sql as 'select 2'",
        then: "function public.f()",
    },
    Changed {
        made: "create procedure p() language plpgsql as 'begin end'",
        statement: "call p()",
        shown: &["procedure public.p()"],
        change: "create or replace procedure p() language plpgsql as 'begin drop table ledger; end'",
        then: "procedure public.p()",
    },
    Changed {
        made: "create procedure p() language plpgsql as 'begin end'",
        statement: "prepare x as select 1; call p()",
        shown: &["procedure public.p()"],
        change: "create procedure p(a int) language plpgsql as 'begin end'",
        then: "procedure public.p(integer)",
    },
    Changed {
        made: "",
        statement: "grant select on ledger to bob",
        shown: &["table public.ledger", "role bob"],
        change: "drop table ledger; create table ledger(id int primary key, note text, secret text)",
        then: "table public.ledger",
    },
    Changed {
        made: "",
        statement: "grant select on all tables in schema public to bob",
        shown: &["table public.ledger"],
        change: "create table private(a int)",
        then: "table public.private",
    },
    Changed {
        made: "create function f() returns int language sql as 'select 1'",
        statement: "grant execute on function f() to bob",
        shown: &["function public.f()"],
        change: "create or replace function f() returns int language sql as 'select 2'",
        then: "function public.f()",
    },
    Changed {
        made: "",
        statement: "delete from ledger",
        shown: &["public.ledger"],
        change: "create function told() returns trigger language plpgsql as 'begin return old; end';
                 create trigger tr after delete on ledger for each row execute function told()",
        then: "trigger tr on public.ledger",
    },
    Changed {
        made: "create function told() returns trigger language plpgsql as 'begin return null; end';
               create trigger tr after truncate on ledger execute function told()",
        statement: "truncate ledger",
        shown: &["trigger tr on public.ledger"],
        change: "create or replace function told() returns trigger language plpgsql as 'begin perform 1; return null; end'",
        then: "trigger tr on public.ledger",
    },
    Changed {
        made: "",
        statement: "delete from ledger",
        shown: &["public.ledger"],
        change: "create table below(id int references ledger on delete cascade)",
        then: "table constraint below_id_fkey on public.below",
    },
    Changed {
        made: "create schema s2; create function s2.f() returns int language sql as 'select 1'",
        statement: "alter schema s2 rename to s3",
        shown: &["function s2.f()"],
        change: "create table s2.t(a int)",
        then: "table s2.t",
    },
];

fn code(replies: &[Message]) -> String {
    error_of(replies).and_then(|m| m.field('C')).unwrap_or_default()
}

fn check(gateway: &Gateway, server: &Server, database: &str, case: &Changed) {
    let direct = |sql: &str| drop(server.connect("alice", database).rows(sql));
    let ask = || gateway.connect("alice", database).query(case.statement);
    direct(case.made);
    let held = ask();
    assert_eq!(code(&held), "LK001", "{}: {held:?}", case.statement);
    let ticket = ticket_of(error_of(&held).unwrap());
    let touches = |part: &str| {
        let shown = gateway.show(&ticket);
        let listed = shown.split("\nWhat it touches\n").nth(1).and_then(|rest| rest.split("\nWhat will run").next());
        assert!(listed.is_some_and(|listed| listed.contains(part)), "{}: {part} in {shown}", case.statement);
    };
    case.shown.iter().for_each(|part| touches(part));
    gateway.approve(&ticket, "bob");
    direct(case.change);
    let again = ask();
    let said = error_of(&again).map(Message::render).unwrap_or_default();
    let why = "is back in review: the objects it touches have changed since it was looked at";
    assert!(said.contains(why), "{}: {again:?}", case.statement);
    touches(case.then);
    gateway.approve(&ticket, "bob");
    let ran = ask();
    assert!(error_of(&ran).is_none(), "{}: {ran:?}; {}", case.statement, gateway.log());
}

#[test]
fn what_has_changed_since_it_was_approved_is_looked_at_again() {
    for major in majors() {
        let server = Server::start(major);
        server.sql("postgres", "create database fixture owner alice");
        server.sql("fixture", "alter schema public owner to alice");
        server.connect("alice", "fixture").rows(
            "create table ledger(id int primary key, note text); insert into ledger values (1, 'one'); analyze ledger",
        );
        let gateway = Gateway::with(&server, &GatewayOptions::answer_at_once());
        for (number, case) in CASES.iter().enumerate() {
            let database = server.database(&format!("touched_{number}"), "fixture");
            check(&gateway, &server, &database, case);
        }
    }
}

#[test]
fn what_has_not_changed_runs() {
    for major in majors() {
        let server = Server::start(major);
        server.sql("postgres", "create database fixture owner alice");
        server.sql("fixture", "alter schema public owner to alice");
        let gateway = Gateway::with(&server, &GatewayOptions::answer_at_once());
        for (number, case) in CASES.iter().enumerate() {
            let database = server.database(&format!("same_{number}"), "fixture");
            let mut direct = server.connect("alice", &database);
            direct.rows(&format!(
                "create table ledger(id int primary key, note text); insert into ledger values (1, 'one'); {}",
                case.made
            ));
            let held = gateway.connect("alice", &database).query(case.statement);
            gateway.approve(&ticket_of(error_of(&held).unwrap()), "bob");
            for beside in ["create schema other; create table other.t(a int)", "vacuum full ledger", "analyze ledger"] {
                direct.rows(beside);
            }
            let ran = gateway.connect("alice", &database).query(case.statement);
            assert!(error_of(&ran).is_none(), "{}: {ran:?}", case.statement);
        }
    }
}

/// Under a policy whose first entry is about one table: it counts where that is reached, too.
#[test]
fn the_entry_of_a_table_counts_for_what_reaches_it() {
    let server = Server::start(majors()[0]);
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice; create schema pay authorization alice");
    let mut direct = server.connect("alice", "fixture");
    direct.rows(
        "create table pay.ledger(id int primary key); create table whole(id int) partition by range (id);
         create table pay.part partition of whole for values from (0) to (9);
         create table plain(id int primary key); create view pay.seen as select * from plain;
         create type ty as enum ('a'); create table pay.typed(a ty); create table alone(a int)",
    );
    let config = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\npolicy = \"own\"\n[[policy.own.rules]]\n\
        tables = [\"pay.*\"]\nresponses = { drop-table = \"refuse\", drop-object = \"refuse\", drop-schema = \"refuse\" }\n\
        [[policy.own.rules]]\n[hold]\nmode = \"answer\"\n";
    let options = GatewayOptions { config: config.to_owned(), ..GatewayOptions::default() };
    let gateway = Gateway::with(&server, &options);
    for (expected, sql) in [
        ("LK002", "drop table pay.ledger"),
        ("LK002", "drop table whole"),
        ("LK002", "drop table plain cascade"),
        ("LK002", "drop type ty cascade"),
        ("LK002", "drop schema pay cascade"),
        ("LK001", "drop table alone"),
    ] {
        assert_eq!(code(&gateway.connect("alice", "fixture").query(sql)), expected, "{sql}");
    }
    gateway.assert_healthy();
}
