//! Jobs that take back what a job has done, after names have gone to something else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{GatewayOptions, Server, wait_until, wire};

fn number(text: &str) -> String {
    let rest = &text[text.find("job ").unwrap() + 4..];
    rest.chars().take_while(char::is_ascii_digit).collect()
}

const LEFT: &str = "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid \
    where a.attname = 'q' order by 1";

#[test]
fn an_undo_touches_no_other_table_of_the_same_name_and_says_so() {
    let server: Server = case::prepared();
    let case = Case::with(&server, "u_replaced", &GatewayOptions::jobs("continue", 0));
    let mut owner = server.connect("alice", &case.database);
    let mut client = case.connect();
    client.send(&wire::query(b"alter table orders add column q uuid default gen_random_uuid()")).unwrap();
    let job = number(&client.until("this is job ").render());
    assert!(error_of(&client.until_ready()).is_none());
    owner.rows("alter table orders rename to was");
    owner.rows("create table orders(id int, q uuid)");
    owner.rows("insert into orders values (1, gen_random_uuid())");
    let undo = || {
        let undo = number(&case.gateway.must(&["jobs", "undo", &job, "--yes", "--as", "bob"]).to_lowercase());
        wait_until("the undo is over", Duration::from_secs(60), || {
            let shown = case.gateway.must(&["jobs", "show", &undo]);
            ["is done", "has failed"].iter().any(|end| shown.contains(end)).then_some(shown)
        })
    };
    let shown = undo();
    assert!(shown.contains("public.orders is still the relation that was changed"), "{shown}");
    assert_eq!(server.sql(&case.database, LEFT), ["orders|q", "was|q"]);
    assert!(case.gateway.must(&["jobs", "show", &job]).lines().next().unwrap().contains("is done"));
    owner.rows("drop table orders");
    let shown = undo();
    assert!(shown.contains("has failed") && shown.contains("is there under its name"), "{shown}");
    assert_eq!(server.sql(&case.database, LEFT), ["was|q"]);
    owner.rows("alter table was rename to orders");
    let shown = undo();
    assert!(shown.contains("is done"), "{shown}");
    assert!(server.sql(&case.database, LEFT).is_empty());
    drop((owner, client));
    case.assert_well();
}
