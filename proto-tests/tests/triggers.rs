//! Triggers and rules of the application's own on a table whose old rows are filled in batches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{Message, Server, wire};

/// Large enough to be filled in batches.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = case::prepared();
    server.sql("fixture", "delete from orders where id > 20000");
    server.sql("fixture", "vacuum (full, analyze) orders");
    let mut owner = server.connect("alice", "fixture");
    owner.rows("create table seen(id int)");
    owner.rows(
        "create function audit() returns trigger language plpgsql as \
         'begin insert into seen values (new.id); return new; end'",
    );
    owner.rows("create table parted(id int, amount int) partition by range (id)");
    owner.rows("create table parted_1 partition of parted for values from (0) to (100000)");
    owner.rows("insert into parted select g, g from generate_series(1, 20000) g");
    owner.rows("analyze parted");
    server
});

const ADD: &str = "alter table orders add column token uuid not null default gen_random_uuid()";

fn trigger(case: &Case<'_>, sql: &str) {
    SERVER
        .connect("alice", &case.database)
        .rows(&format!("create trigger {sql} for each row execute function audit()"));
}

fn assert_done(replies: &[Message]) {
    assert!(error_of(replies).is_none(), "{replies:?}");
}

#[test]
fn a_fill_that_fires_triggers_is_held_and_names_them() {
    let case = Case::new(&SERVER, "t_held");
    trigger(&case, "audit_orders after update on orders");
    trigger(&case, "touch_orders before update on orders");
    trigger(&case, "at_insert before insert on orders");
    trigger(&case, "of_amount after update of amount on orders");
    let mut client = case.connect();
    client.send(&wire::query(ADD.as_bytes())).unwrap();
    client.until("ticket 1");
    let ticket = case.gateway.show("1");
    assert!(ticket.contains("fires the application's own triggers audit_orders, touch_orders"), "{ticket}");
    assert!(ticket.contains("fires-triggers") && !ticket.contains("at_insert"), "{ticket}");
    // What is approved is the safe form.
    assert!(ticket.contains("backfill"), "{ticket}");
    case.gateway.approve("1", "bob");
    assert_done(&client.until_ready());
    assert_eq!(client.rows("select count(*), count(distinct token) from orders"), ["20000|20000"]);
    assert_eq!(client.rows("select count(*) from seen"), ["40000"], "they fired");
    drop(client);
    case.assert_well();
}

#[test]
fn triggers_that_do_not_fire_hold_nothing_up() {
    let case = Case::new(&SERVER, "t_free");
    trigger(&case, "at_insert before insert on orders");
    trigger(&case, "of_amount after update of amount, id on orders");
    trigger(&case, "is_off after update on orders");
    trigger(&case, "at_replicas after update on orders");
    SERVER.sql(&case.database, "alter table orders disable trigger is_off");
    SERVER.sql(&case.database, "alter table orders enable replica trigger at_replicas");
    let mut client = case.connect();
    assert_done(&client.query(ADD));
    assert_eq!(
        client.rows("select count(*), (select count(*) from seen) from orders where token is not null"),
        ["20000|0"]
    );
    // Whose value is the same for all is not filled.
    trigger(&case, "audit_orders after update on orders");
    assert_done(&client.query("alter table orders add column word text not null default 'a'"));
    drop(client);
    case.assert_well();
}

#[test]
fn triggers_of_a_partition_count() {
    let case = Case::new(&SERVER, "t_parts");
    trigger(&case, "only_here after update on parted_1");
    let mut client = case.connect();
    client.send(&wire::query(b"alter table parted add column token uuid default gen_random_uuid()")).unwrap();
    client.until("ticket 1");
    let ticket = case.gateway.show("1");
    assert!(ticket.contains("fires the application's own trigger only_here"), "{ticket}");
    case.gateway.reject("1", "bob", "no");
    assert!(error_of(&client.until_ready()).is_some());
    drop(client);
    case.assert_well();
}

/// What keeps the fill from the rows leaves no safe form, and the ticket says what it is.
fn assert_held(name: &str, prepared: &[&str], why: &str) {
    let case = Case::new(&SERVER, name);
    let mut owner = SERVER.connect("alice", &case.database);
    prepared.iter().for_each(|sql| drop(owner.rows(sql)));
    let mut client = case.connect();
    client.send(&wire::query(ADD.as_bytes())).unwrap();
    client.until("ticket 1");
    let ticket = case.gateway.show("1");
    assert!(ticket.contains(why), "{ticket}");
    case.gateway.reject("1", "bob", "no");
    assert!(error_of(&client.until_ready()).is_some());
    drop((client, owner));
    case.assert_well();
}

#[test]
fn a_rule_that_rewrites_the_fill_leaves_no_safe_form() {
    let rule = "create rule quiet as on update to orders do instead nothing";
    assert_held("t_rule", &[rule], "rule quiet would change what fills old rows");
}

#[test]
fn rows_that_the_fill_would_not_see_leave_no_safe_form() {
    let security = "alter table orders enable row level security, force row level security";
    let policy = "create policy half on orders using (id % 2 = 0)";
    assert_held("t_security", &[security, policy], "row security hides rows of it from this role");
}

#[test]
fn a_published_table_that_refuses_the_fill_leaves_no_safe_form() {
    let (publication, identity) =
        ("create publication feed for table orders", "alter table orders replica identity nothing");
    assert_held("t_published", &[publication, identity], "its replica identity is not there");
    if SERVER.major >= 15 {
        let filtered = "create publication feed for table orders where (amount > 10)";
        assert_held("t_filtered", &[filtered], "its replica identity is not there");
        let half = "create publication feed for table orders (amount)";
        assert_held("t_unsent", &[half], "its replica identity is not there");
    }
}
