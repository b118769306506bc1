//! What is dropped is set aside first where the policy says so, and comes back whole; writes of all rows in batches.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::case::{self, Case};
use proto_tests::client::error_of;
use proto_tests::{Gateway, GatewayOptions, Message, Server, wait_until, wire};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = case::prepared();
    server.sql("fixture", "delete from orders where id > 20000");
    server.sql("fixture", "create table owner_of(id int primary key); insert into owner_of values (1)");
    server.sql("fixture", "alter table owner_of owner to alice");
    server.sql("fixture", "alter table ledger add owner_id int references owner_of, add serial_no serial");
    server.sql("fixture", "insert into ledger select g, 'note ' || g, 1 from generate_series(1, 100) g");
    server.sql("fixture", "grant select on ledger to bob; comment on table ledger is 'books'");
    server
});

const LONG: Duration = Duration::from_secs(60);
const LEDGER: &str = "select count(*), sum(serial_no), obj_description('ledger'::regclass), has_table_privilege('bob', 'ledger', 'select'), \
    (select count(*) from pg_constraint where conrelid = 'ledger'::regclass and contype = 'f' and convalidated), \
    pg_get_serial_sequence('ledger', 'serial_no') from ledger";
const ASIDE: &str = "select count(*) from pg_namespace where nspname like 'lockkeeper%'";

fn with_grace(seconds: u32, responses: &str) -> GatewayOptions {
    let mut options = GatewayOptions::jobs("continue", 0);
    options.config = options.config.replace("databases = [\"*\"]\n", "databases = [\"*\"]\npolicy = \"own\"\n");
    options.config += &format!("[[policy.own.rules]]\ndrop_grace_s = {seconds}\nresponses = {{ {responses} }}\n");
    options
}

fn until(gateway: &Gateway, job: &str, part: &str) {
    wait_until(&format!("job {job} {part}"), LONG, || {
        gateway.must(&["jobs", "show", job]).lines().next().unwrap_or_default().contains(part).then_some(())
    });
}

fn completed(replies: &[Message], tag: &str) {
    assert!(error_of(replies).is_none(), "{replies:?}");
    assert!(replies.iter().any(|m| m.render() == format!("CommandComplete {tag}")), "{replies:?}");
}

#[test]
fn a_dropped_table_comes_back_whole() {
    let case = Case::with(&SERVER, "d_back", &with_grace(3600, "drop-table = \"rewrite\""));
    let before = SERVER.sql(&case.database, LEDGER);
    let mut client = case.connect();
    completed(&client.query("drop table ledger"), "DROP TABLE");
    let gone = client.query("select * from ledger");
    assert_eq!(error_of(&gone).unwrap().field('C').as_deref(), Some("42P01"), "{gone:?}");
    // What it referenced is free, and so are the names of all that was its own.
    completed(&client.query("delete from owner_of where id = 1"), "DELETE 1");
    completed(&client.query("insert into owner_of values (1)"), "INSERT 0 1");
    completed(&client.query("create table ledger(id int primary key)"), "CREATE TABLE");
    SERVER.sql(&case.database, "drop table ledger");
    until(&case.gateway, "2", "begins in");
    case.gateway.must(&["jobs", "undo", "1", "--as", "bob"]);
    until(&case.gateway, "3", "is done");
    until(&case.gateway, "1", "was undone by job 3");
    until(&case.gateway, "2", "was aborted");
    assert_eq!(SERVER.sql(&case.database, LEDGER), before);
    assert_eq!(SERVER.sql(&case.database, ASIDE), ["0"]);
    drop(client);
    case.assert_well();
}

#[test]
fn after_its_time_it_is_gone_for_good() {
    let case = Case::with(&SERVER, "d_gone", &with_grace(1, "drop-table = \"rewrite\", drop-column = \"rewrite\""));
    let mut client = case.connect();
    completed(&client.query("alter table orders drop column amount"), "ALTER TABLE");
    completed(&client.query("drop table ledger"), "DROP TABLE");
    for job in ["2", "4"] {
        until(&case.gateway, job, "is done");
    }
    assert_eq!(SERVER.sql(&case.database, ASIDE), ["0"]);
    let left = "select string_agg(attname, ',') from pg_attribute where attrelid = 'orders'::regclass and attnum > 0 \
                and not attisdropped";
    assert_eq!(SERVER.sql(&case.database, left), ["id"]);
    assert_eq!(SERVER.sql(&case.database, "select count(*) from pg_class where relname like 'ledger%'"), ["0"]);
    drop(client);
    case.assert_well();
}

#[test]
fn an_approved_drop_is_set_aside_and_its_session_answered() {
    let case = Case::with(&SERVER, "d_held", &with_grace(3600, "truncate = \"hold\""));
    let mut client = case.connect();
    client.send(&wire::query(b"drop table ledger")).unwrap();
    client.until("ticket 1");
    case.gateway.approve("1", "bob");
    completed(&client.until_ready(), "DROP TABLE");
    assert_eq!(SERVER.sql(&case.database, ASIDE), ["1"]);
    assert!(case.gateway.show("1").contains("Ticket 1 is done"));
    // In a transaction nothing can be kept: it is asked about, and says so.
    client.query("begin");
    let held = client.query("drop table orders");
    assert_eq!(error_of(&held).and_then(|m| m.field('C')).as_deref(), Some("LK001"), "{held:?}");
    assert!(case.gateway.show("2").contains("gone at once"), "{}", case.gateway.show("2"));
    client.query("rollback");
    drop(client);
    case.assert_well();
}

#[test]
fn without_a_login_for_jobs_nothing_is_dropped() {
    let config = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\npolicy = \"own\"\n[[policy.own.rules]]\n\
                  drop_grace_s = 60\nresponses = { drop-table = \"rewrite\" }\n";
    let options = GatewayOptions { config: config.to_owned(), ..GatewayOptions::default() };
    let case = Case::with(&SERVER, "d_no_jobs", &options);
    let mut client = case.connect();
    let replies = client.query("drop table ledger");
    assert_eq!(error_of(&replies).and_then(|m| m.field('C')).as_deref(), Some("LK002"), "{replies:?}");
    assert_eq!(client.rows("select count(*) from ledger"), ["100"]);
    drop(client);
    case.assert_well();
}

#[test]
fn a_write_of_all_rows_goes_in_batches_when_asked() {
    let case = Case::with(&SERVER, "d_batches", &GatewayOptions::jobs("continue", 0));
    let mut client = case.connect();
    client.send(&wire::query(b"/* lockkeeper: batches */ update orders set amount = 7")).unwrap();
    client.until("ticket 1");
    let ticket = case.gateway.show("1");
    assert!(ticket.contains("cannot be taken back") && ticket.contains("in batches"), "{ticket}");
    case.gateway.approve("1", "bob");
    completed(&client.until_ready(), "UPDATE 19999");
    assert_eq!(client.rows("select count(*) from orders where amount = 7"), ["20000"]);
    // Not asked for: approved, it is one statement.
    client.send(&wire::query(b"update orders set amount = 8")).unwrap();
    client.until("ticket 2");
    assert!(case.gateway.show("2").contains("it runs as it was written"), "{}", case.gateway.show("2"));
    case.gateway.approve("2", "bob");
    completed(&client.until_ready(), "UPDATE 20000");
    drop(client);
    case.assert_well();
    let mut options = GatewayOptions::jobs("continue", 0);
    options.config = options.config.replace("databases = [\"*\"]\n", "databases = [\"*\"]\npolicy = \"own\"\n");
    options.config += "[[policy.own.rules]]\nresponses = { mass-delete = \"rewrite\" }\n";
    let case = Case::with(&SERVER, "d_policy", &options);
    let mut client = case.connect();
    completed(&client.query("delete from orders"), "DELETE 20000");
    assert_eq!(client.rows("select count(*) from orders"), ["0"]);
    drop(client);
    case.assert_well();
}

#[test]
fn vacuum_full_is_done_in_place_when_asked() {
    let case = Case::with(&SERVER, "d_compact", &GatewayOptions::jobs("continue", 0));
    let mut client = case.connect();
    client.rows("delete from orders where hashint8(id::bigint) % 4 <> 0");
    let state = "select pg_relation_filenode('orders'), pg_relation_size('orders') / 8192";
    let parts = |line: String| {
        let (file, pages) = line.split_once('|').unwrap();
        (file.to_owned(), pages.parse::<u64>().unwrap())
    };
    let before = parts(SERVER.sql(&case.database, state).remove(0));
    let rows = "select md5(string_agg(o::text, ',' order by id)) from orders o";
    let content = SERVER.sql(&case.database, rows);
    // Not asked for, it is what was written.
    client.send(&wire::query(b"vacuum full orders")).unwrap();
    client.until("ticket 1");
    let ticket = case.gateway.show("1");
    assert!(ticket.contains("it runs as it was written") && ticket.contains("lockkeeper: compact"), "{ticket}");
    case.gateway.must(&["reject", "1", "--as", "bob", "--reason", "in place"]);
    client.until_ready();
    client.send(&wire::query(b"/* lockkeeper: compact */ vacuum (full, analyze) orders")).unwrap();
    client.until("ticket 2");
    let ticket = case.gateway.show("2");
    assert!(ticket.contains("compacted in place while others go on"), "{ticket}");
    case.gateway.approve("2", "bob");
    completed(&client.until_ready(), "VACUUM");
    let after = parts(SERVER.sql(&case.database, state).remove(0));
    assert!(after.0 == before.0 && after.1 * 3 < before.1, "{before:?} {after:?}");
    assert_eq!(SERVER.sql(&case.database, rows), content);
    drop(client);
    case.assert_well();
}
