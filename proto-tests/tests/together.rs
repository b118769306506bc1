//! What the statements before it do to a change: they hold locks while it reads, and they make what it uses another thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;

use proto_tests::case::Case;
use proto_tests::client::error_of;
use proto_tests::{Client, GatewayOptions, Server, majors};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start(majors()[0]);
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(
        "create table big(id int primary key, v varchar(10), ts timestamp, other int);
         insert into big select g, 'v', now(), g from generate_series(1, 30000) g;
         alter table big add constraint old check (id > 0) not valid;
         create table small(id int);
         create table bare(id int, q float);
         create domain plainint as int;
         create function vol(int) returns int language plpgsql volatile as 'begin return $1; end';
         create function imm(int) returns int language plpgsql immutable as 'begin return $1; end';
         create function unbind() returns text language sql volatile as 'select set_config(''lock_timeout'', ''0'', false)';
         create procedure unbound() language plpgsql as 'begin set lock_timeout = 0; end';
         create sequence counter;
         create table toasty(id int primary key, b text);
         alter table toasty alter b set storage external;
         insert into toasty select g, repeat('x', 200000) from generate_series(1, 100) g;
         analyze",
    );
    server
});

/// The error's code, or nothing where it ran.
fn code(client: &mut Client, sql: &str) -> Option<String> {
    let replies = client.query(sql);
    error_of(&replies).and_then(|error| error.field('C'))
}

fn case(name: &str) -> Case<'static> {
    Case::with(&SERVER, name, &GatewayOptions::answer_at_once())
}

fn file(case: &Case<'_>, table: &str) -> String {
    SERVER.connect("alice", &case.database).rows(&format!("select relfilenode from pg_class where relname = '{table}'"))
        [0]
    .clone()
}

#[test]
fn nothing_is_validated_behind_a_lock_that_keeps_others_out() {
    let case = case("to_validated");
    let mut client = case.connect();
    let validate = "alter table big validate constraint old";
    for first in [
        "alter table big add constraint k check (other > 0) not valid",
        "alter table big add z int",
        "alter table small add z int",
    ] {
        client.query("begin");
        assert_eq!(code(&mut client, first), None, "{first}");
        assert_eq!(code(&mut client, validate).as_deref(), Some("LK002"), "{first}");
        client.query("rollback");
        for message in [format!("{first}; {validate}"), format!("begin; {first}; {validate}; commit")] {
            assert_eq!(code(&mut client, &message).as_deref(), Some("LK002"), "{message}");
            client.query("rollback");
        }
    }
    // What is new in the message is not there to be looked up.
    let both = "alter table big add constraint k check (other > 0) not valid; alter table big validate constraint k";
    assert_eq!(code(&mut client, both).as_deref(), Some("LK002"));
    // By itself, behind what keeps nobody out, and behind a lock that is given back.
    client.query("begin");
    assert_eq!(code(&mut client, "create table mine(id int); alter table mine add z int"), None);
    assert_eq!(code(&mut client, validate), None);
    client.query("rollback");
    assert_eq!(code(&mut client, &format!("begin; alter table small add y int; commit; {validate}")), None);
    drop(client);
    case.assert_well();
}

#[test]
fn what_a_message_changes_is_not_what_was_looked_up() {
    let case = case("to_changed");
    let mut client = case.connect();
    client.query("set timezone = 'UTC'");
    let before = (file(&case, "big"), file(&case, "bare"));
    for message in [
        "create domain nd as int check (value > 0); alter table big add c nd",
        "create domain nd as int default vol(1); alter table big add c nd",
        "alter domain plainint add check (value > 0) not valid; alter table big add c plainint",
        "alter function imm(int) volatile; alter table big add c int default imm(1)",
        "create or replace function imm(int) returns int language plpgsql volatile as 'begin return $1; end'; \
         alter table big add c int default imm(1)",
        "set timezone = 'Europe/Berlin'; alter table big alter ts type timestamptz",
        "select set_config('timezone', 'Europe/Berlin', false); alter table big alter ts type timestamptz",
        "begin; set local timezone = 'Europe/Berlin'; alter table big alter ts type timestamptz; commit",
        "alter table big add q varchar(5); alter table big alter q type varchar(9) using 'x'",
        "alter table big add b4 int default 1; alter table big alter b4 type bigint",
        "alter table big add b4 int default 1; alter table big alter b4 set not null",
        "insert into bare(id) select g from generate_series(1, 100000) g; alter table bare alter q type float using random()",
    ] {
        let code = code(&mut client, message);
        assert!(matches!(code.as_deref(), Some("LK001" | "LK002")), "{message}: {code:?}");
        client.query("rollback");
        client.query("set timezone = 'UTC'");
        assert_eq!((file(&case, "big"), file(&case, "bare")), before, "{message}");
    }
    // What they leave alone is what it was.
    for message in [
        "create type mood as enum ('good'); alter table big add m mood; alter table big add n int default 1",
        "create function own() returns int language sql immutable as 'select 1'; alter table big add at timestamptz default now()",
        "create domain nd2 as int check (value > 0); alter table big add plain int",
        "insert into small values (1); alter table small add c int default vol(1)",
    ] {
        assert_eq!(code(&mut client, message), None, "{message}");
    }
    drop(client);
    case.assert_well();
}

#[test]
fn what_stands_beside_a_table_makes_it_large() {
    let case = case("to_toast");
    let mut client = case.connect();
    let before = file(&case, "toasty");
    for sql in ["vacuum full toasty", "alter table toasty set unlogged"] {
        assert_eq!(code(&mut client, sql).as_deref(), Some("LK001"), "{sql}");
    }
    assert_eq!(file(&case, "toasty"), before);
    drop(client);
    case.assert_well();
}

#[test]
fn a_message_cannot_lengthen_the_wait_for_its_own_locks() {
    let case = case("to_unbound");
    let mut client = case.connect();
    let add = "alter table small add longer int";
    for before in [
        "set lock_timeout = 0",
        "set lock_timeout = '4s'",
        "reset lock_timeout",
        "reset all",
        "select set_config('lock_timeout', '0', false)",
        "begin; set local lock_timeout = 0",
        // Of a function nobody knows what it does.
        "select unbind()",
        "insert into small select vol(1)",
        "begin; declare c cursor for select unbind(); fetch c",
        "call unbound()",
        "do 'begin perform 1; end'",
    ] {
        assert_eq!(code(&mut client, &format!("{before}; {add}")).as_deref(), Some("LK002"), "{before}");
        client.query("rollback");
    }
    for back in ["rollback", "rollback to a", "rollback and chain"] {
        client.query("begin");
        client.query("savepoint a");
        assert_eq!(code(&mut client, &format!("{back}; {add}")).as_deref(), Some("LK002"), "{back}");
        client.query("rollback");
    }
    assert_eq!(client.rows("select count(*) from pg_attribute where attname = 'longer'"), ["0"]);
    // By itself, behind what is the server's own, and where there is no such lock.
    for fine in [
        "select unbind()",
        "select now(), lower('A'), setval('counter', 3); alter table small add longer int",
        "select vol(1); create table made(a int); alter table made add b int",
        "alter table small add longest int; select vol(1)",
    ] {
        assert_eq!(code(&mut client, fine), None, "{fine}");
    }
    drop(client);
    case.assert_well();
}

#[test]
fn the_sessions_own_lock_timeout_is_what_the_client_made_of_it() {
    let case = case("to_put_back");
    let mut client = case.connect();
    let shown = |client: &mut Client| client.rows("show lock_timeout").concat();
    client.query("set lock_timeout = '7s'");
    for message in ["alter table small add a int; select 1", "begin; alter table small add b int; commit"] {
        assert_eq!(code(&mut client, message), None, "{message}");
        assert_eq!(shown(&mut client), "7s", "{message}");
    }
    assert_eq!(code(&mut client, "alter table small add c int; set lock_timeout = '6s'"), None);
    assert_eq!(shown(&mut client), "6s");
    client.query("begin");
    client.query("set local lock_timeout = '5s'");
    assert_eq!(code(&mut client, "alter table small add d int; select 1"), None);
    assert_eq!(shown(&mut client), "5s");
    client.query("commit");
    assert_eq!(shown(&mut client), "6s");
    client.query("begin");
    assert_eq!(code(&mut client, "alter table small add e int; select 1 / 0").as_deref(), Some("22012"));
    client.query("rollback");
    assert_eq!(shown(&mut client), "6s");
    drop(client);
    case.assert_well();
}

#[test]
fn a_new_table_takes_no_old_rows_along() {
    let case = case("to_along");
    let mut client = case.connect();
    let make = "create table ref(id int primary key)";
    let fill = "insert into ref select g from generate_series(1, 30000) g";
    for (key, last) in [
        ("alter table big add foreign key (other) references ref not valid", "truncate ref cascade"),
        ("alter table big add foreign key (other) references ref on delete cascade not valid", "delete from ref"),
    ] {
        client.query("begin");
        for sql in [make, fill, key] {
            assert_eq!(code(&mut client, sql), None, "{sql}");
        }
        assert_eq!(code(&mut client, last).as_deref(), Some("LK001"), "{last}");
        client.query("rollback");
        let message = [make, fill, key, last].join("; ");
        assert_eq!(code(&mut client, &message).as_deref(), Some("LK001"), "{message}");
        assert_eq!(client.rows("select count(*) from big"), ["30000"]);
        // One that only new tables refer to is nobody else's.
        client.query("begin");
        for sql in [make, fill, "create table new(a int references ref)", last] {
            assert_eq!(code(&mut client, sql), None, "{sql}");
        }
        client.query("rollback");
    }
    drop(client);
    case.assert_well();
}

#[test]
fn a_default_that_may_be_null_is_not_drawn_again_and_again() {
    let case = case("to_null");
    let mut client = case.connect();
    let sql = "alter table big add column x int default case when random() < 0.5 then 1 end";
    let replies = client.query(sql);
    let error = error_of(&replies).unwrap();
    assert_eq!(error.field('C').as_deref(), Some("0A000"), "{error:?}");
    assert!(error.field('M').unwrap().contains("is null for some rows"), "{error:?}");
    assert_eq!(client.rows("select count(*) from pg_attribute where attname = 'x'"), ["0"]);
    assert_eq!(code(&mut client, "alter table big add column x uuid default gen_random_uuid()"), None);
    assert_eq!(client.rows("select count(*) from big where x is null"), ["0"]);
    drop(client);
    case.assert_well();
}

#[test]
fn rights_on_what_is_new_are_nobodys_business() {
    let case = case("to_rights");
    let mut client = case.connect();
    client.query("begin");
    for sql in ["create table mine(id int)", "grant select on mine to public", "commit"] {
        assert_eq!(code(&mut client, sql), None, "{sql}");
    }
    assert_eq!(code(&mut client, "grant select on mine, small to public").as_deref(), Some("LK001"));
    assert_eq!(code(&mut client, "create table other(id int); grant select on other to public"), None);
    drop(client);
    case.assert_well();
}
