//! Replication connections, where the configuration allows them: their commands pass, changes do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use proto_tests::client::error_of;
use proto_tests::gateway::{self, GatewayOptions};
use proto_tests::{Gateway, Server, case, wire};

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
