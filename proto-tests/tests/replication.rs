//! Replication connections, where the configuration allows them: their commands pass, changes do not. And what becomes of
//! subscribers when a table is copied.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::time::Duration;

use proto_tests::client::error_of;
use proto_tests::gateway::{self, GatewayOptions};
use proto_tests::{Gateway, Server, case, wait_until, wire};

const CONFIG: &str = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\nallow_replication = true\n";

#[test]
fn commands_pass_and_changes_do_not() {
    if gateway::stand_in() {
        return;
    }
    let server: Server = case::prepared();
    let database = server.database("walking", "fixture");
    let gateway = Gateway::with(&server, &GatewayOptions { config: CONFIG.into(), ..GatewayOptions::default() });
    let session = gateway.session("postgres", &database).parameter("replication", "database");
    let mut client = session.connect().unwrap_or_else(|e| panic!("{e:?}; {}", gateway.log()));
    let system = client.rows("IDENTIFY_SYSTEM");
    let position = system[0].split('|').nth(2).unwrap().to_owned();
    assert_eq!(client.rows("show wal_level"), ["replica"]);
    client.send(&wire::query(format!("START_REPLICATION {position}").as_bytes())).unwrap();
    assert_eq!(client.recv().unwrap().unwrap().tag, b'W');
    client.send(&wire::framed(b'c', b"")).unwrap();
    let replies = client.until_ready();
    assert!(replies.iter().any(|message| message.tag == b'C') && error_of(&replies).is_none(), "{replies:?}");
    for change in ["drop table ledger", "IDENTIFY_SYSTEM; drop table ledger", "select 1; drop table ledger"] {
        assert!(error_of(&client.query(change)).is_some(), "{change}");
    }
    assert_eq!(server.sql(&database, "select to_regclass('ledger') is not null"), ["t"]);
    gateway.assert_healthy();
}

/// So that nobody has to approve a copy.
const COPIES: &str = "[[policy.own.rules]]\nresponses = { rewrite-table = \"rewrite\" }\n\
    [[targets]]\nname = \"default\"\ndatabases = [\"*\"]\npolicy = \"own\"\n";

const ROWS: &str = "select count(*), md5(string_agg(l::text, ',' order by id)) from line l";

/// The rows that a subscriber has, once they are the publisher's.
fn follows(server: &Server, publisher: &str) {
    wait_until("the subscriber has the publisher's rows", Duration::from_secs(60), || {
        (server.sql("subscriber", ROWS) == server.sql(publisher, ROWS)).then_some(())
    });
}

#[test]
fn subscribers_go_on_with_a_copy_and_a_table_that_is_subscribed_is_not_copied() {
    let server: Server = case::prepared();
    server.sql("postgres", "alter system set wal_level = logical");
    server.crash();
    server.run();
    let publisher = server.database("publisher", "fixture");
    let mut owner = server.connect("alice", &publisher);
    owner.rows("create table line(id int primary key, place int, note text)");
    owner.rows("insert into line select g, hashint4(g), 'n' || g from generate_series(1, 30000) g");
    owner.rows("create index line_place on line (place)");
    owner.rows("analyze line");
    server.sql("postgres", "create database subscriber owner alice");
    server.sql("subscriber", "create table public.line(id int primary key, place int, note text)");
    server.sql("subscriber", "alter table public.line owner to alice; grant all on schema public to alice");
    server.sql(&publisher, "create publication feed for table line");
    server.sql(&publisher, "alter publication feed owner to alice");
    server.sql(&publisher, "select pg_create_logical_replication_slot('feed', 'pgoutput')");
    server.sql(
        "subscriber",
        &format!(
            "create subscription feed connection 'host=127.0.0.1 port={} user=postgres dbname={publisher}' \
             publication feed with (create_slot = false, slot_name = 'feed')",
            server.address.port()
        ),
    );
    follows(&server, &publisher);

    let gateway = Gateway::with(&server, &GatewayOptions { config: COPIES.into(), ..GatewayOptions::default() });
    let mut client = gateway.connect("alice", &publisher);
    let before = server.sql(&publisher, "select 'line'::regclass::oid");
    let said = client.query("cluster line using line_place");
    assert!(error_of(&said).is_none(), "{said:?}");
    assert_ne!(server.sql(&publisher, "select 'line'::regclass::oid"), before, "it was copied");
    owner.rows("update line set note = 'after' where id % 3 = 0");
    owner.rows("delete from line where id % 5 = 0");
    owner.rows("insert into line select g, g, 'new' from generate_series(30001, 30100) g");
    follows(&server, &publisher);
    assert!(!server.log().contains("does not exist"), "the subscriber was sent something else: {}", server.log());

    // The other way round the server would forget what the subscription writes to.
    server.sql("subscriber", "create index line_place on line (place); analyze line");
    let mut client = gateway.connect("alice", "subscriber");
    client.send(&wire::query(b"cluster line using line_place")).unwrap();
    client.until("ticket 1");
    let ticket = gateway.show("1");
    assert!(ticket.contains("subscription feed writes to it"), "{ticket}");
    gateway.reject("1", "bob", "no");
    assert!(error_of(&client.until_ready()).is_some());
    gateway.assert_healthy();
    server.sql("subscriber", "alter subscription feed disable");
    server.sql("subscriber", "alter subscription feed set (slot_name = none)");
    server.sql("subscriber", "drop subscription feed");
}
