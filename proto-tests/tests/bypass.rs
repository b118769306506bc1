//! Every way around the gateway that we know of: the scripts of `scripts/ddl`. Played straight at the server
//! most of them do harm, which shows that the trick works; through the gateway nothing may happen unjudged.
//!
//! Words in a script's header: `harmless` (the server itself stops it, or the harm cannot be seen in the
//! catalog), `gap` (only rights or the guard in the database can stop it: reported, not asserted),
//! `dba` (played as a superuser), `startup` (it is about the start of a session).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;

use proto_tests::play::{Delivery, Stage, play};
use proto_tests::script::{self, Script};
use proto_tests::{Gateway, Server, case, catalog};

static SERVER: LazyLock<Server> = LazyLock::new(|| prepared(100_000));

/// The victim must be large where the gateway leaves small tables alone.
fn prepared(rows: u32) -> Server {
    let server = Server::start(proto_tests::majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(&FIXTURE.replace("ROWS", &rows.to_string()));
    server
}

/// The functions do the harm themselves: what calls them has done it.
const FIXTURE: &str = "\
create table victim(id int primary key, name text);
insert into victim select g, 'name ' || g from generate_series(1, ROWS) g;
create table secrets(k text);
insert into secrets values ('one'), ('two');
create index secrets_idx on secrets(k);
create schema attic;
create table attic.relic(a int);
insert into attic.relic values (1);
create type mood as enum ('good', 'bad');
create domain positive as int check (value > 0);
create table moody(m mood, p positive);
create table \"größe\"(a int);
insert into \"größe\" select generate_series(1, 3000);
create sequence victim_seq;
create function harm() returns int language plpgsql as 'begin delete from victim; drop table moody; return 1; end';
create procedure harm_procedure() language plpgsql as 'begin drop table moody; end';
analyze victim";

/// Everything that must not change.
fn state(server: &Server, database: &str) -> Vec<String> {
    let mut lines = catalog::dump(server, database);
    let mut here = server.connect("postgres", database);
    let mut count = |table: &str| {
        let sql = format!("select count(*), sum(hashtext(t::text)) from \"{table}\" t");
        let there = !here.rows(&format!("select 1 from pg_class where relname = '{table}'")).is_empty();
        let answer = if there { here.rows(&sql).join("") } else { "gone".into() };
        format!("rows of {table}: {answer}")
    };
    lines.extend(["victim", "secrets", "moody", "größe"].map(&mut count));
    lines.extend(here.rows("select 'file of ' || oid::regclass || ': ' || relfilenode from pg_class where relname in ('victim', 'victim_pkey')"));
    lines.extend(here.rows("select format('role %s super=%s settings=%s', rolname, rolsuper, setconfig) from pg_roles r left join pg_db_role_setting s on s.setrole = r.oid",
    ));
    lines.extend(here.rows("select format('default acl %s', defaclacl) from pg_default_acl"));
    lines
}

fn user(script: &Script) -> &'static str {
    if script.has("dba") { "dba" } else { "alice" }
}

/// A database to do harm in: kept while nothing happened to it, made anew after that.
struct Range<'a> {
    server: &'a Server,
    label: String,
    database: Option<(String, Vec<String>)>,
    made: usize,
}

impl<'a> Range<'a> {
    fn new(server: &'a Server, label: &str) -> Self {
        Self { server, label: label.into(), database: None, made: 0 }
    }

    /// Plays a script and returns what it changed, with the complaint of the script if any.
    fn effect(
        &mut self,
        script: &Script,
        gateway: Option<&Gateway>,
        delivery: Delivery,
    ) -> (Vec<String>, Option<String>) {
        let server = self.server;
        let (database, before) = self.database.take().unwrap_or_else(|| {
            self.made += 1;
            let database = server.database(&format!("{}_{}", self.label, self.made), "fixture");
            let before = state(server, &database);
            (database, before)
        });
        let stage = Stage {
            address: gateway.map_or(server.address, |g| g.address),
            server,
            gateway,
            user: user(script),
            database: &database,
            delivery,
        };
        let complaint = play(script, stage).err();
        // Late effects count too.
        case::assert_left(server, &database);
        let changes = catalog::difference(&before, &state(server, &database));
        if changes.is_empty() {
            self.database = Some((database, before));
        } else {
            server.sql("postgres", "alter role alice reset all");
        }
        (changes, complaint)
    }
}

fn play_all(delivery: Delivery, label: &str) {
    let gateway = Gateway::start(&SERVER);
    let mut range = Range::new(&SERVER, label);
    let mut failures = Vec::new();
    for script in script::all("ddl") {
        let (changes, complaint) = range.effect(&script, Some(&gateway), delivery);
        if script.has("gap") {
            println!("known gap {}: {}", script.name, if changes.is_empty() { "stopped" } else { "not stopped" });
            continue;
        }
        failures.extend(complaint);
        if !changes.is_empty() {
            failures.push(format!("{}: reached the server: {}", script.name, changes.join("\n    ")));
        }
    }
    gateway.assert_healthy();
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn nothing_dangerous_reaches_the_server_unjudged() {
    play_all(Delivery::ByMessage, "apart");
}

#[test]
fn nothing_dangerous_reaches_the_server_in_a_burst() {
    play_all(Delivery::AtOnce, "burst");
}

#[test]
fn the_tricks_work_where_nobody_judges() {
    let tricks: Vec<_> = script::all("ddl").into_iter().filter(|s| !s.has("harmless") && !s.has("dba")).collect();
    // Roles are shared by all databases of a server: the harm done here must not be seen by the other tests.
    let server = prepared(100);
    let mut void = Vec::new();
    let mut range = Range::new(&server, "control");
    for script in &tricks {
        let (changes, complaint) = range.effect(script, None, Delivery::ByMessage);
        if changes.is_empty() {
            void.push(format!("{}: no harm done: {complaint:?}", script.name));
        }
    }
    println!("{} tricks do harm without the gateway", tricks.len() - void.len());
    assert!(void.is_empty(), "{}", void.join("\n"));
}
