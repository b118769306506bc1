//! Indexes: rebuilt, dropped, and built CONCURRENTLY as the client writes it. They end as the naive statement would
//! leave them, and what fails leaves no INVALID index.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::client::error_of;
use proto_tests::twins::{self, Twins, complaint, run_table};
use proto_tests::{Client, Gateway, GatewayOptions, Server, case, wait_until, wire};

static SERVERS: LazyLock<Vec<Server>> = LazyLock::new(|| twins::servers(SHOP));

/// Everything that can hang on an index.
const SHOP: &str = r#"
create table orders(id bigint primary key, customer_id int not null, status text, amount int);
insert into orders select g, 1 + g % 1000, 'status ' || g % 7, g % 500 from generate_series(1, 60000) g;
create index orders_status on orders (lower(status)) with (fillfactor = 70);
alter index orders_status alter column 1 set statistics 77;
comment on index orders_status is 'what the desk asks for';
alter table orders cluster on orders_status;
create unique index orders_pair on orders (customer_id, id) include (amount);
alter table orders replica identity using index orders_pair;
alter table orders add constraint orders_deferred unique (id, customer_id) deferrable initially deferred;
comment on constraint orders_deferred on orders is 'later';
create index "Odd ""Index" on orders (amount desc nulls last) where amount > 10;
create table child(id bigint references orders, note text);
create table part(id int not null, region int not null, note text, primary key (id, region)) partition by list (region);
create table part_1 partition of part for values in (1);
create table part_2 partition of part for values in (2, 3) partition by list (region);
create table part_2a partition of part_2 for values in (2);
create table part_2b partition of part_2 for values in (3);
insert into part select g, 1 + g % 3, 'note' from generate_series(1, 60000) g;
create index part_note on part (note);
create index part_1_own on part_1 (lower(note));
create table booked(room int primary key, during int4range);
insert into booked select g, int4range(g * 10, g * 10 + 5) from generate_series(1, 60000) g;
alter table booked add constraint booked_once exclude using gist (during with &&);
create materialized view totals as select customer_id, sum(amount) as total from orders group by 1;
create unique index totals_customer on totals (customer_id);
create table nullable(a int, b int, c text);
insert into nullable select g, g, 'c' from generate_series(1, 60000) g;
create unique index nullable_pair on nullable (a, b) include (c);
create unique index nullable_a on nullable (a);
create schema apart;
create table apart.kept(a int primary key, b text);
insert into apart.kept select g, 'b' || g from generate_series(1, 30000) g;
analyze"#;

const LONG: Duration = Duration::from_secs(60);

const ROWS: [&str; 2] = ["orders", "part"];

/// They block, and have a form that does not.
const REWRITTEN: &[(&str, &str)] = &[
    ("reindex index orders_status", "REINDEX"),
    ("reindex index orders_pkey", "REINDEX"),
    ("reindex index \"Odd \"\"Index\"", "REINDEX"),
    ("reindex table orders", "REINDEX"),
    ("reindex (verbose) table orders", "REINDEX"),
    ("reindex (concurrently false) table apart.kept", "REINDEX"),
    ("reindex table part", "REINDEX"),
    ("reindex index part_note", "REINDEX"),
    ("reindex index part_pkey", "REINDEX"),
    ("reindex index booked_pkey", "REINDEX"),
    ("alter table nullable add constraint nullable_key primary key using index nullable_pair", "ALTER TABLE"),
    ("alter table nullable add primary key using index nullable_a deferrable", "ALTER TABLE"),
    ("drop index orders_status, \"Odd \"\"Index\"", "DROP INDEX"),
    ("drop index if exists nosuch, orders_status, apart.nosuch", "DROP INDEX"),
];

/// Written as they should be: the same, watched.
const CONCURRENT: &[(&str, &str)] = &[
    ("create index concurrently on orders (customer_id)", "CREATE INDEX"),
    ("create unique index concurrently orders_u on only orders (id desc) include (status)", "CREATE INDEX"),
    ("create index concurrently if not exists orders_l on orders (lower(status)) where amount > 3", "CREATE INDEX"),
    ("create index concurrently if not exists orders_status on orders (amount)", "CREATE INDEX"),
    ("create index concurrently totals_total on totals (total)", "CREATE INDEX"),
    ("drop index concurrently orders_status", "DROP INDEX"),
    ("drop index concurrently if exists nosuch", "DROP INDEX"),
    ("reindex index concurrently orders_status", "REINDEX"),
    ("reindex (concurrently, verbose) index orders_pair", "REINDEX"),
    ("reindex table concurrently orders", "REINDEX"),
    ("reindex table concurrently booked", "REINDEX"),
    ("reindex table concurrently part", "REINDEX"),
    ("reindex index concurrently part_note", "REINDEX"),
    ("reindex schema concurrently apart", "REINDEX"),
    ("drop index part_note", "DROP INDEX"),
    ("drop index part_1_own", "DROP INDEX"),
];

#[test]
fn a_rewritten_change_of_indexes_ends_as_the_naive_one_would() {
    run_table(&SERVERS, REWRITTEN, &ROWS, true);
}

#[test]
fn what_is_written_concurrently_ends_as_it_would_without_us() {
    run_table(&SERVERS, CONCURRENT, &ROWS, false);
}

#[test]
fn every_index_is_a_new_one_after_its_reindex() {
    let files = "select c.relname || ' ' || c.relfilenode from pg_class c join pg_index i on i.indexrelid = c.oid \
                 where c.relkind = 'i' and c.relname ~ '^(orders|part)_'";
    for server in SERVERS.iter() {
        let twins = Twins::on(server);
        let before = server.sql(&twins.safe, files);
        for sql in ["reindex table orders", "reindex table part"] {
            assert_eq!(complaint(sql, "REINDEX", &twins.connect().query(sql)), None);
        }
        let after = server.sql(&twins.safe, files);
        let kept: Vec<&String> = before.iter().filter(|line| after.contains(line)).collect();
        assert!(kept.is_empty() && before.len() == after.len(), "{}: {kept:?}", server.major);
    }
}

/// The server's own words, through the gateway as without it.
#[test]
fn what_the_server_refuses_it_refuses_itself() {
    let cases = [
        "begin; create index concurrently x on orders (amount)",
        "begin; drop index concurrently orders_status",
        "begin; reindex index concurrently orders_status",
        "begin; reindex schema concurrently apart",
        "create index concurrently x on orders (amount); select 1",
        "select 1; drop index concurrently orders_status",
        "drop index concurrently orders_status, orders_pair",
        "drop index concurrently orders_status cascade",
        "drop index concurrently orders_pkey",
        "drop index concurrently part_note",
        "drop index concurrently nosuch",
        "drop index orders_pkey",
        "drop index part_1_note_idx",
        "drop index nosuch, orders_status",
        "create index concurrently x on part (note)",
        "create index concurrently orders_status on orders (amount)",
        "create index concurrently x on orders (nosuch)",
        "create unique index concurrently x on orders (status)",
        "reindex index concurrently booked_once",
        "reindex index concurrently nosuch",
        "reindex system concurrently",
        "reindex table concurrently pg_catalog.pg_class",
    ];
    let said = |client: &mut Client, sql: &str| {
        let (first, second) = sql.split_once("begin; ").map_or(("", sql), |(_, rest)| ("begin", rest));
        client.query(first);
        let replies = client.query(second);
        let error = error_of(&replies).unwrap_or_else(|| panic!("{sql}: no error"));
        client.query("rollback");
        (error.field('C'), error.field('M'))
    };
    for server in SERVERS.iter() {
        let twins = Twins::on(server);
        let (mut through, mut direct) = (twins.connect(), server.connect("alice", &twins.naive));
        for sql in cases {
            assert_eq!(said(&mut through, sql), said(&mut direct, sql), "{} {sql}", server.major);
        }
        let invalid = "select indexrelid::regclass from pg_index where not indisvalid";
        assert_eq!(server.sql(&twins.safe, invalid), Vec::<String>::new(), "{}", server.major);
    }
}

#[test]
fn if_exists_gets_its_notices() {
    for server in SERVERS.iter() {
        let twins = Twins::on(server);
        let replies = twins.connect().query("drop index if exists nosuch, orders_status, apart.neither");
        let notices: Vec<String> = replies.iter().filter(|m| m.tag == b'N').filter_map(|m| m.field('M')).collect();
        for name in ["nosuch", "neither"] {
            let words = format!("index \"{name}\" does not exist, skipping");
            assert!(notices.contains(&words), "{}: {notices:?}", server.major);
        }
    }
}

#[test]
fn what_cannot_be_rebuilt_concurrently_is_held_and_says_why() {
    let twins = Twins::on(SERVERS.last().unwrap());
    let mut client = twins.connect();
    for (sql, why) in [
        ("reindex table booked", "booked_once, the index of an exclusion constraint"),
        ("reindex index booked_once", "exclusion constraint"),
        ("reindex system", "cannot be rebuilt concurrently"),
        ("reindex schema apart", "REINDEX SCHEMA CONCURRENTLY"),
    ] {
        client.query("begin");
        let replies = client.query(sql);
        let error = error_of(&replies).unwrap();
        client.query("rollback");
        assert_eq!(error.field('C').as_deref(), Some("LK001"), "{sql}: {error:?}");
        assert!(error.field('M').unwrap().contains(why), "{sql}: {error:?}");
    }
}

#[test]
fn an_invalid_index_is_not_what_was_asked_for() {
    for server in SERVERS.iter() {
        let twins = Twins::on(server);
        let mut direct = server.connect("alice", &twins.safe);
        assert!(error_of(&direct.query("create unique index concurrently late on orders (status)")).is_some());
        // A small table too, and without CONCURRENTLY.
        direct.rows("create table tiny(a int)");
        direct.rows("insert into tiny values (1), (1)");
        assert!(error_of(&direct.query("create unique index concurrently tiny_a on tiny (a)")).is_some());
        let mut client = twins.connect();
        for sql in [
            "create index concurrently if not exists late on orders (status)",
            "create index if not exists tiny_a on tiny (a)",
        ] {
            assert_eq!(complaint(sql, "CREATE INDEX", &client.query(sql)), None, "{}", server.major);
        }
        let valid =
            "select count(*) from pg_index where indexrelid in ('late'::regclass, 'tiny_a'::regclass) and indisvalid";
        assert_eq!(server.sql(&twins.safe, valid), ["2"], "{}", server.major);
    }
}

#[test]
fn how_the_client_has_names_quoted_does_not_matter() {
    let server = SERVERS.last().unwrap();
    for options in [GatewayOptions::default(), GatewayOptions::jobs("continue", 0)] {
        let twins = Twins::with(server, &options);
        let mut client = twins.connect();
        client.query("set quote_all_identifiers = on");
        let statements = [
            ("create index on orders (amount)", "CREATE INDEX"),
            ("create unique index nullable_u on nullable (b) include (c) where a > 0", "CREATE INDEX"),
            ("alter table nullable add primary key (a)", "ALTER TABLE"),
            ("alter table nullable add column token timestamp with time zone default clock_timestamp()", "ALTER TABLE"),
            ("alter table nullable add constraint positive check (a > 0)", "ALTER TABLE"),
        ];
        let mut naive = Vec::new();
        for (sql, tag) in statements {
            assert_eq!(complaint(sql, tag, &client.query(sql)), None);
            naive.push(sql);
        }
        assert_eq!(client.rows("show quote_all_identifiers"), ["on"]);
        let naive = naive.join("; ");
        assert_eq!(twins.differences(&naive, &[]), Vec::<String>::new());
    }
}

/// What is left over of a REINDEX CONCURRENTLY. Only a superuser gets at that of the toast table.
const LEFT: &str = "select c.relname from pg_class c join pg_index i on i.indexrelid = c.oid
  where not indisvalid and relnamespace <> 'pg_toast'::regnamespace";

#[test]
fn a_reindex_that_is_stopped_leaves_the_original_and_nothing_else() {
    let written = "reindex index concurrently orders_status";
    for server in SERVERS.iter() {
        let twins = Twins::on(server);
        let mut client = twins.connect();
        for sql in [written, "reindex table orders"] {
            stopped(&twins, &mut client, sql);
            assert_eq!(server.sql(&twins.safe, LEFT), Vec::<String>::new(), "{} {sql}", server.major);
        }
        assert_eq!(twins.differences("select 1", &[]), Vec::<String>::new(), "{}", server.major);
        // What somebody else has left goes with the next one.
        stopped(&twins, &mut server.connect("alice", &twins.safe), written);
        assert_eq!(server.sql(&twins.safe, LEFT), ["orders_status_ccnew"], "{}", server.major);
        assert_eq!(complaint(written, "REINDEX", &client.query(written)), None);
        assert_eq!(twins.differences("select 1", &[]), Vec::<String>::new(), "{}", server.major);
    }
}

/// Sends it, waits until it waits for somebody, and cancels it.
fn stopped(twins: &Twins<'_>, client: &mut Client, sql: &str) {
    let (server, database) = (twins.server, &twins.safe);
    let mut holder = server.connect("alice", database);
    holder.rows("begin");
    holder.rows("insert into orders values (-2, 1, 'x', 0)");
    client.send(&wire::query(sql.as_bytes())).unwrap();
    let waiting = format!(
        "select 1 from pg_stat_activity where query ilike 'reindex%' and wait_event_type = 'Lock' and datname = '{database}'"
    );
    let waits = || (!server.sql(database, &waiting).is_empty()).then_some(());
    wait_until("it waits", Duration::from_secs(20), waits);
    client.cancel();
    holder.rows("rollback");
    let replies = client.until_ready();
    let error = error_of(&replies).unwrap_or_else(|| panic!("{sql}: {replies:?}"));
    assert_eq!(error.field('C').as_deref(), Some("57014"), "{sql}: {error:?}");
}

/// Its owner is not let into pg_toast.
#[test]
fn an_index_of_toast_that_a_crash_has_left_is_named_with_what_drops_it() {
    let server = case::prepared();
    server.connect("alice", "fixture").rows("alter table orders add note text");
    let gateway = Gateway::with(&server, &GatewayOptions::jobs("continue", 0));
    let mut holder = server.connect("alice", "fixture");
    holder.rows("begin; update orders set amount = 0 where id = 1");
    let mut client = gateway.connect("alice", "fixture");
    client.send(&wire::query(b"reindex table orders")).unwrap();
    client.until("this is job 1");
    let waits = "select from pg_stat_activity where application_name like 'lockkeeper job%' and wait_event_type = 'Lock' \
                 and query like 'REINDEX%'";
    wait_until("the new indexes wait for the writer", LONG, || {
        (!server.sql("fixture", waits).is_empty()).then_some(())
    });
    server.crash();
    server.run();
    drop((holder, client));
    let shown = wait_until("the job is done", LONG, || {
        let shown = gateway.must(&["jobs", "show", "1"]);
        Some(shown).filter(|shown| shown.lines().next().unwrap_or_default().contains("is done"))
    });
    let left = "select c.oid::regclass from pg_index i join pg_class c on c.oid = i.indexrelid where not indisvalid";
    let left = server.sql("fixture", left);
    assert!(matches!(left.as_slice(), [only] if only.starts_with("pg_toast.") && only.ends_with("_ccnew")), "{left:?}");
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", left[0]);
    assert!(shown.contains("this role may not drop it") && shown.contains(&drop), "{shown}");
    server.sql("fixture", &drop);
    gateway.assert_healthy();
}

#[test]
fn two_jobs_of_indexes_of_a_table_take_turns() {
    let server = SERVERS.last().unwrap();
    let twins = Twins::with(server, &GatewayOptions::jobs("continue", 0));
    let mut holder = server.connect("alice", &twins.safe);
    holder.rows("begin");
    holder.rows("insert into nullable values (-2, 1, 'x')");
    let mut first = twins.connect();
    first.send(&wire::query(b"reindex index nullable_a")).unwrap();
    first.until("this is job 1");
    let mut second = twins.connect();
    second.send(&wire::query(b"drop index nullable_pair")).unwrap();
    second.until("job 2 waits for job 1, which works on public.nullable");
    for name in ["nullable", "public.nullable", "nullable_pair"] {
        let listed = twins.gateway.must(&["jobs", "--table", name]);
        assert!(listed.contains("drop index nullable_pair"), "{name}: {listed}");
    }
    holder.rows("rollback");
    assert_eq!(complaint("reindex", "REINDEX", &first.until_ready()), None);
    assert_eq!(complaint("drop index", "DROP INDEX", &second.until_ready()), None);
    twins.gateway.assert_healthy();
}
