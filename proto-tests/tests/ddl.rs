//! A rewritten change leaves exactly the schema that the naive statement would have left: both run on twin
//! databases, on every server version, and the catalogs are compared. The client sees the tag it asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;

use proto_tests::client::{error_of, status_of};
use proto_tests::twins::{self, Twins, complaint, run_table};
use proto_tests::wire;
use proto_tests::{Client, Gateway, GatewayOptions, Message, Server, catalog};

static SERVERS: LazyLock<Vec<Server>> = LazyLock::new(|| twins::servers(SHOP));

/// The names need quoting in one table, and one table is too small to be bothered with.
const SHOP: &str = r#"
create table customer(id int primary key, name text not null);
insert into customer select g, 'customer ' || g from generate_series(1, 1000) g;
create table orders(id bigint primary key, customer_id int not null, status text, amount numeric(12,2), extra text);
insert into orders select g, 1 + g % 1000, case g % 3 when 0 then 'new' else 'paid' end, g % 500, null
  from generate_series(1, 300000) g;
create table keyless(a int not null, b text);
insert into keyless select g, 'b' || g from generate_series(1, 50000) g;
create table "Mixed Case"("Weird ""Column" int, id int);
insert into "Mixed Case" select g, g from generate_series(1, 50000) g;
create table part(id int, region int not null, body text) partition by list (region);
create table part_1 partition of part for values in (1);
create table part_2 partition of part for values in (2);
insert into part select g, 1 + g % 2, 'body' from generate_series(1, 60000) g;
create table parent(a int);
create table child(b int) inherits (parent);
insert into parent select g from generate_series(1, 30000) g;
insert into child select g, g from generate_series(1, 30000) g;
create table elder(a int);
create table heir() inherits (elder);
create table merged(own uuid, rank int default 9) inherits (heir);
insert into elder select g from generate_series(1, 30000) g;
insert into merged(a) select g from generate_series(1, 30000) g;
create table was_keyless(a int, b text, constraint keyless_b_check check (b <> ''), constraint keyless_a_key check (a > 0),
  constraint keyless_a_fkey foreign key (a) references customer);
create table tiny(id int);
create schema other;
create table other.orders(id int primary key, note text);
insert into other.orders select g, 'note' from generate_series(1, 50000) g;
create index orders_old_idx on orders(extra);
create function stamp() returns text language sql volatile as 'select clock_timestamp()::text';
analyze"#;

/// Tables whose rows are counted.
const ROWS: [&str; 4] = ["orders", "keyless", "tiny", "customer"];

/// Statements that are hazards on a large table and have a safe form, with the tag they must answer.
const REWRITTEN: &[(&str, &str)] = &[
    ("create index on orders (customer_id)", "CREATE INDEX"),
    ("create unique index orders_u on orders (id, status)", "CREATE INDEX"),
    (
        "create index if not exists orders_l on orders using btree (lower(status), amount desc nulls last) include (id) where amount > 10",
        "CREATE INDEX",
    ),
    ("CREATE INDEX ON \"Mixed Case\" (\"Weird \"\"Column\", (id + 1))", "CREATE INDEX"),
    ("/* which */ create index /* where */ on other.orders (note) -- why", "CREATE INDEX"),
    ("alter table orders add column token uuid not null default gen_random_uuid()", "ALTER TABLE"),
    ("alter table orders add column stamped text default stamp()", "ALTER TABLE"),
    ("alter table orders add column rank int default 3 check (rank > 0)", "ALTER TABLE"),
    ("alter table elder add column rank int default 3 check (rank > 0)", "ALTER TABLE"),
    ("alter table elder add column token uuid default gen_random_uuid()", "ALTER TABLE"),
    ("alter table orders add column payer int default 7 references customer(id) on delete set null", "ALTER TABLE"),
    ("alter table orders add column code text unique", "ALTER TABLE"),
    ("alter table orders alter column status set not null", "ALTER TABLE"),
    ("alter table orders add constraint amount_sane check (amount >= 0)", "ALTER TABLE"),
    ("alter table orders add check (amount < 1000)", "ALTER TABLE"),
    (
        "alter table orders add constraint of_customer foreign key (customer_id) references customer (id) on delete cascade",
        "ALTER TABLE",
    ),
    ("alter table orders add foreign key (customer_id) references customer", "ALTER TABLE"),
    ("alter table orders add constraint orders_pair unique (customer_id, id)", "ALTER TABLE"),
    ("alter table keyless add primary key (a)", "ALTER TABLE"),
    // Another table has the names that these would get: the server finds others.
    ("alter table keyless add check (b <> 'x'), add check (b <> 'y')", "ALTER TABLE"),
    ("alter table keyless add check (keyless is distinct from null)", "ALTER TABLE"),
    ("alter table keyless add foreign key (a) references orders", "ALTER TABLE"),
    ("alter table keyless add unique (a)", "ALTER TABLE"),
    ("alter table keyless add column number serial", "ALTER TABLE"),
    ("alter table part add column number serial", "ALTER TABLE"),
    ("alter table parent add column token uuid not null default gen_random_uuid()", "ALTER TABLE"),
    ("alter table \"Mixed Case\" add column \"New \"\"Col\" uuid unique default gen_random_uuid()", "ALTER TABLE"),
    (
        "alter table orders alter status set not null, add column z int default 2, add constraint z_sane check (z > 1), add unique (id, z)",
        "ALTER TABLE",
    ),
];

/// Statements that are harmless as they are, and run as they are.
const PASSED: &[(&str, &str)] = &[
    ("alter table orders add column note text", "ALTER TABLE"),
    (
        "alter table orders add column flag boolean not null default false, add column since timestamptz default now()",
        "ALTER TABLE",
    ),
    // Every value is null, so nothing is looked up.
    ("alter table orders add column payer int references customer(id) on delete set null", "ALTER TABLE"),
    ("alter table orders alter column extra set default 'x'", "ALTER TABLE"),
    ("create table fresh(id int generated always as identity primary key, c int references tiny_parent)", ""),
    ("create table fresh(id serial primary key, note text not null default 'n')", "CREATE TABLE"),
    ("create index on tiny (id)", "CREATE INDEX"),
    ("alter table tiny alter column id set not null", "ALTER TABLE"),
    ("create view paid as select * from orders where status = 'paid'", "CREATE VIEW"),
    ("comment on table orders is 'what people bought'", "COMMENT"),
    ("alter table if exists nosuch add column a int", "ALTER TABLE"),
    ("create index concurrently orders_c on orders (customer_id)", "CREATE INDEX"),
];

#[test]
fn a_rewritten_change_ends_as_the_naive_one_would() {
    run_table(&SERVERS, REWRITTEN, &ROWS, true);
}

#[test]
fn a_harmless_change_runs_as_it_is() {
    run_table(&SERVERS, PASSED, &ROWS, false);
}

/// What only 18 has: keys over time, NOT NULL that is not valid yet, columns computed when they are read.
const SINCE_18: [&str; 8] = [
    "alter table part_of add constraint within foreign key (span, period during) references spans (id, period during)",
    "alter table part_of add foreign key (span, period during) references spans",
    "alter table part_of add constraint within foreign key (span, period during) references spans not valid, \
     alter column span set not null",
    "alter table part_of add constraint span_there not null span",
    "alter table part_of add constraint span_there not null span not valid",
    "alter table part_of add constraint span_there not null span no inherit",
    "alter table part_of add column seen timestamptz not null no inherit default clock_timestamp()",
    "alter table part_of add column length int generated always as (upper(during) - lower(during)) virtual",
];

const SPANS: &str = "
create table spans(id int4range, during int4range, primary key (id, during without overlaps));
insert into spans select int4range(g, g + 1), int4range(g, g + 1) from generate_series(1, 300) g;
create table part_of(span int4range, during int4range);
insert into part_of select * from spans";

#[test]
fn what_is_new_in_18_ends_as_the_naive_statement_would() {
    // A key over time is checked row by row: the tables have few.
    let config = "[[targets]]\nname = \"all\"\ndatabases = [\"*\"]\npolicy = \"all\"\n\
        [[policy.all.rules]]\nsmall_rows = 0\nsmall_bytes = 0\n";
    let options = GatewayOptions { config: config.to_owned(), ..GatewayOptions::default() };
    for server in SERVERS.iter().filter(|server| server.major >= 18) {
        for sql in SINCE_18 {
            let twins = Twins::with(server, &options);
            for database in [&twins.safe, &twins.naive] {
                server.connect("alice", database).rows(SPANS);
            }
            let replies = twins.connect().query(sql);
            assert_eq!(complaint(sql, "ALTER TABLE", &replies), None);
            assert_eq!(twins.differences(sql, &["part_of"]), [""; 0], "{sql}");
            twins.gateway.assert_healthy();
        }
    }
}

fn newest() -> &'static Server {
    SERVERS.iter().max_by_key(|s| s.major).unwrap()
}

fn extended(client: &mut Client, sql: &str) -> Vec<Message> {
    let messages = [
        wire::parse(b"", sql.as_bytes(), &[]),
        wire::bind(b"", b"", &[], false),
        wire::named(b'D', b'P', b""),
        wire::execute(b"", 0),
        wire::framed(b'S', b""),
    ];
    client.send(&messages.concat()).unwrap();
    client.until_ready()
}

#[test]
fn a_change_through_the_extended_protocol_answers_in_its_turn() {
    for (sql, tag) in [REWRITTEN[0], REWRITTEN[5], PASSED[0]] {
        let twins = Twins::on(newest());
        let mut client = twins.connect();
        let replies = extended(&mut client, sql);
        let seen: String = replies.iter().filter(|m| m.tag != b'N').map(|m| char::from(m.tag)).collect();
        assert_eq!(seen, "12nCZ", "{sql}: {replies:?}");
        assert_eq!(complaint(sql, tag, &replies), None);
        assert_eq!(twins.differences(sql, &ROWS), Vec::<String>::new(), "{sql}");
        assert_eq!(client.rows("select 1"), ["1"]);
    }
}

#[test]
fn a_portal_of_a_change_runs_once() {
    let twins = Twins::on(newest());
    let mut client = twins.connect();
    let messages = [
        wire::parse(b"", REWRITTEN[0].0.as_bytes(), &[]),
        wire::bind(b"", b"", &[], false),
        wire::execute(b"", 0),
        wire::execute(b"", 0),
        wire::framed(b'S', b""),
    ];
    client.send(&messages.concat()).unwrap();
    let replies = client.until_ready();
    let seen: String = replies.iter().filter(|m| m.tag != b'N').map(|m| char::from(m.tag)).collect();
    assert_eq!(seen, "12CEZ", "{replies:?}");
    assert_eq!(error_of(&replies).and_then(|m| m.field('C')).as_deref(), Some("55000"), "{replies:?}");
    assert_eq!(client.rows("select 1"), ["1"]);
}

#[test]
fn a_named_statement_of_a_change_runs_when_it_is_executed() {
    let twins = Twins::on(newest());
    let mut client = twins.connect();
    client.send(&[wire::parse(b"later", REWRITTEN[0].0.as_bytes(), &[]), wire::framed(b'S', b"")].concat()).unwrap();
    assert!(error_of(&client.until_ready()).is_none());
    assert_eq!(
        catalog::difference(&catalog::dump(twins.server, &twins.naive), &catalog::dump(twins.server, &twins.safe)),
        Vec::<String>::new()
    );
    let run = [wire::bind(b"", b"later", &[], false), wire::execute(b"", 0), wire::framed(b'S', b"")];
    client.send(&run.concat()).unwrap();
    assert!(error_of(&client.until_ready()).is_none());
    assert_eq!(twins.differences(REWRITTEN[0].0, &ROWS), Vec::<String>::new());
}

#[test]
fn a_change_in_a_transaction_is_refused_and_fails_it() {
    let twins = Twins::on(newest());
    let risky = [REWRITTEN[0].0, REWRITTEN[5].0, REWRITTEN[10].0, "drop table orders", "truncate orders"];
    for sql in risky {
        let mut client = twins.connect();
        client.rows("begin");
        client.rows("insert into tiny values (77)");
        let replies = client.query(sql);
        let error = error_of(&replies).unwrap_or_else(|| panic!("{sql} ran in a transaction: {replies:?}"));
        assert!(error.field('C').unwrap().starts_with("LK"), "{sql}: {error:?}");
        assert!(error.field('H').is_some_and(|hint| !hint.is_empty()), "{sql}: a way out is missing: {error:?}");
        assert_eq!(status_of(&replies), Some('E'), "{sql}");
        let end = client.query("commit");
        assert_eq!(end[0].render(), "CommandComplete ROLLBACK", "{sql}");
        assert_eq!(client.rows("select count(*) from tiny where id = 77"), ["0"]);
        let replies = {
            client.rows("begin");
            extended(&mut client, sql)
        };
        assert!(error_of(&replies).unwrap().field('C').unwrap().starts_with("LK"), "{sql}: {replies:?}");
        assert_eq!(status_of(&replies), Some('E'), "{sql}");
        client.query("rollback");
        assert_eq!(client.rows("select 1"), ["1"]);
    }
}

#[test]
fn what_is_safe_passes_in_a_transaction() {
    let twins = Twins::on(newest());
    let mut client = twins.connect();
    let statements = [
        "begin",
        "create table fresh(id int primary key, b int)",
        "create index on fresh (b)",
        "alter table fresh alter column b set not null",
        "alter table orders add column note text",
        "commit",
    ];
    for sql in statements {
        let replies = client.query(sql);
        assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
    }
    assert_eq!(twins.differences(&statements.join(";"), &ROWS), Vec::<String>::new());
    assert_eq!(client.rows("show lock_timeout"), ["0"], "the bound on waiting ends with the statement it was for");
}

#[test]
fn a_change_that_cannot_be_true_fails_as_the_servers_own_and_leaves_nothing() {
    SERVERS.iter().for_each(cannot_be_true);
}

fn cannot_be_true(server: &Server) {
    let twins = Twins::on(server);
    let mut client = twins.connect();
    client.rows("insert into orders values (-1, 1, null, -5, null)");
    let cases = [
        ("alter table orders add constraint amount_sane check (amount >= 0)", "23514"),
        ("alter table orders alter column status set not null", "23502"),
        ("create unique index bad on orders (status)", "23505"),
        ("alter table orders add constraint u unique (customer_id)", "23505"),
        ("alter table orders add column payer int default -1 references customer", "23503"),
        ("alter table orders add column number bigserial primary key", "42P16"),
        ("create index on orders (nosuch)", "42703"),
        ("create index on nosuch (a)", "42P01"),
        ("alter table orders add column id int", "42701"),
        ("alter table orders add constraint c check (id > -2), add constraint c check (id < 9)", "42710"),
        (
            "alter table orders add column n int default 1 constraint c check (n > 0) constraint c check (n > 1)",
            "42710",
        ),
        ("create index orders_old_idx on orders (status)", "42P07"),
    ];
    let before = catalog::dump(twins.server, &twins.safe);
    for (sql, code) in cases {
        let replies = client.query(sql);
        let error = error_of(&replies).unwrap_or_else(|| panic!("{sql}: {replies:?}"));
        assert_eq!(error.field('C').as_deref(), Some(code), "{} {sql}: {error:?}", server.major);
        assert_eq!(status_of(&replies), Some('I'));
        let left = catalog::difference(&before, &catalog::dump(twins.server, &twins.safe));
        assert_eq!(left, Vec::<String>::new(), "{sql} left something behind");
    }
}

#[test]
fn an_invalid_index_of_an_earlier_try_is_replaced() {
    for server in SERVERS.iter() {
        let twins = Twins::on(server);
        let mut direct = server.connect("alice", &twins.safe);
        assert!(error_of(&direct.query("create unique index concurrently late on orders (status)")).is_some());
        let replies = twins.connect().query("create index late on orders (amount)");
        assert_eq!(complaint("late", "CREATE INDEX", &replies), None);
        assert_eq!(twins.differences("create index late on orders (amount)", &ROWS), Vec::<String>::new());
    }
}

#[test]
fn a_transaction_that_keeps_others_out_does_not_wait_long() {
    let twins = Twins::on(newest());
    let mut holder = twins.server.connect("alice", &twins.safe);
    holder.rows("begin; select count(*) from customer");
    let mut client = twins.connect();
    client.rows("begin");
    client.rows("alter table orders add column one int");
    let from = std::time::Instant::now();
    let replies = client.query("alter table customer add column two int");
    assert!(from.elapsed() < std::time::Duration::from_secs(1), "{:?}", from.elapsed());
    assert_eq!(error_of(&replies).unwrap().field('C').as_deref(), Some("55P03"), "{replies:?}");
    assert_eq!(status_of(&replies), Some('E'));
    client.rows("rollback");
    holder.rows("rollback");
}

#[test]
fn cancel_during_a_rewrite_stops_it_and_the_session_goes_on() {
    let twins = Twins::on(newest());
    let mut holder = twins.server.connect("alice", &twins.safe);
    holder.rows("begin; insert into orders values (-2, 1, 'x', 0, null)");
    let mut client = twins.connect();
    client.send(&wire::query(b"create index stuck on orders (amount)")).unwrap();
    let building = "select 1 from pg_stat_activity where query ilike '%create index%stuck%' and state = 'active' and pid <> pg_backend_pid()";
    proto_tests::wait_until("the index is being built", std::time::Duration::from_secs(20), || {
        (!twins.server.sql(&twins.safe, building).is_empty()).then_some(())
    });
    client.cancel();
    let replies = client.until_ready();
    assert_eq!(error_of(&replies).unwrap().field('C').as_deref(), Some("57014"), "{replies:?}");
    holder.rows("rollback");
    assert_eq!(client.rows("select 1"), ["1"]);
    let again = client.query("create index stuck on orders (amount)");
    assert_eq!(complaint("again", "CREATE INDEX", &again), None);
    assert_eq!(twins.differences("create index stuck on orders (amount)", &ROWS), Vec::<String>::new());
}

#[test]
fn several_statements_in_one_message_are_judged_together() {
    let twins = Twins::on(newest());
    let mut client = twins.connect();
    let replies = client.query("create table fresh(a int); insert into fresh values (1); select a from fresh");
    assert!(error_of(&replies).is_none(), "{replies:?}");
    assert_eq!(replies.iter().filter(|m| m.tag == b'C').count(), 3);
}

#[test]
fn observe_mode_changes_nothing_and_hides_nothing() {
    let server = newest();
    let database = server.database("observed", "shop");
    let options = GatewayOptions { mode: Some("observe"), ..Default::default() };
    let gateway = Gateway::with(server, &options);
    let mut client = gateway.connect("alice", &database);
    for sql in ["create index on orders (amount)", "begin; drop table keyless; rollback", "drop table keyless"] {
        let replies = client.query(sql);
        assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
    }
    assert_eq!(server.sql(&database, "select to_regclass('keyless') is null"), ["t"]);
}
