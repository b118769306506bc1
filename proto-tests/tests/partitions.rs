//! Changes of partitioned tables end as the naive statements would, down to the names of the partitions' indexes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::client::error_of;
use proto_tests::twins::{self, Twins, run_table};
use proto_tests::{Server, wait_until, wire};

static SERVERS: LazyLock<Vec<Server>> = LazyLock::new(|| twins::servers(SHOP));

/// `event` has two levels, a partition in another schema, one with an equal index of its own, one whose obvious
/// name is taken, and a default; `plain` has neither level nor default; `hashed` goes by a hash; the partitions of
/// `long` have names that are cut.
const SHOP: &str = r#"
create schema other;
create table customer(id int primary key, name text);
insert into customer select g, 'customer ' || g from generate_series(1, 100) g;
create table event(id bigint not null, at date not null, customer_id int, body text) partition by range (at);
create table event_1 partition of event for values from ('2024-01-01') to ('2024-02-01');
create table other."Event 2" partition of event for values from ('2024-02-01') to ('2024-03-01');
create table event_3 partition of event for values from ('2024-03-01') to ('2024-04-01') partition by list (customer_id);
create table event_3a partition of event_3 for values in (1, 2, 3);
create table event_3b partition of event_3 for values in (4, null);
create table event_rest partition of event default;
create index event_1_own on event_1 (body);
create table event_3a_at_idx(a int);
insert into event select g, '2024-01-01'::date + g % 100, 1 + g % 3, 'body ' || g from generate_series(1, 40000) g;
create table plain(id int not null, region int not null, customer_id int, note text, check (region > 0))
  partition by list (region);
create table plain_1 partition of plain for values in (1);
create table plain_2 partition of plain for values in (2);
insert into plain select g, 1 + g % 2, 1 + g % 100, 'note' from generate_series(1, 40000) g;
create table hashed(id int not null, note text) partition by hash (id);
create table hashed_0 partition of hashed for values with (modulus 2, remainder 0);
insert into hashed select g, 'note' from generate_series(1, 20000) g where satisfies_hash_partition('hashed'::regclass, 2, 0, g);
create table hashed_1(id int not null, note text);
insert into hashed_1 select g, 'note' from generate_series(1, 80000) g where satisfies_hash_partition('hashed'::regclass, 2, 1, g);
create table long(some_quite_long_column_name int, k int) partition by range (k);
create table measurements_of_all_devices_by_customer_from_0010 partition of long for values from (10) to (20);
create table measurements_of_all_devices_by_customer_from_0000 partition of long for values from (0) to (10);
insert into long select g, g % 20 from generate_series(1, 20000) g;
create table keyed(id int not null, k int not null, parent int, note text, primary key (id, k)) partition by list (k);
create table keyed_1 partition of keyed for values in (1);
create table keyed_2 partition of keyed for values in (2, null);
insert into keyed select g, 1 + g % 2, null, 'note' from generate_series(1, 20000) g;
alter table keyed add unique (note, id, k);
create index on keyed (lower(note), note);
alter table keyed add constraint keyed_parent foreign key (parent) references customer (id);
create table keyed_3(id int not null, k int not null, parent int, note text);
insert into keyed_3 select g, 3, 1 + g % 100, 'note' from generate_series(1, 20000) g;
create table referring(id int, k int);
insert into referring select g, 1 + g % 2 from generate_series(1, 20000) g;
create table event_4(like event including all, check (id > 0));
create index event_4_own on event_4 (body, id);
insert into event_4 select g, '2024-05-01', 1, 'body' from generate_series(1, 20000) g;
analyze"#;

const ROWS: [&str; 4] = ["event", "plain", "hashed", "keyed"];

/// Hazards on partitioned tables that have a safe form.
const REWRITTEN: &[(&str, &str)] = &[
    ("create index on event (customer_id)", "CREATE INDEX"),
    ("create index on event (body)", "CREATE INDEX"),
    ("create index on event (at)", "CREATE INDEX"),
    ("create unique index event_u on event (id, at, customer_id)", "CREATE INDEX"),
    (
        "create index if not exists event_e on event (lower(body), (id + 1), lower(body) desc) include (id) where id > 10",
        "CREATE INDEX",
    ),
    ("create index on long (some_quite_long_column_name)", "CREATE INDEX"),
    ("alter table plain add constraint plain_u unique (id, region)", "ALTER TABLE"),
    ("alter table plain add unique (region, id) include (note) deferrable", "ALTER TABLE"),
    ("alter table plain add primary key (id, region)", "ALTER TABLE"),
    ("alter table event add primary key (id, at, customer_id)", "ALTER TABLE"),
    ("alter table plain alter note set not null", "ALTER TABLE"),
    ("alter table plain add constraint id_sane check (id > 0)", "ALTER TABLE"),
    ("alter table event add foreign key (customer_id) references customer (id) on delete cascade", "ALTER TABLE"),
    ("alter table plain add constraint of_customer foreign key (customer_id) references customer", "ALTER TABLE"),
    ("alter table plain add column code int default 1 references customer (id)", "ALTER TABLE"),
    ("alter table plain add column extra int check (extra > 0)", "ALTER TABLE"),
    ("alter table event attach partition event_4 for values from ('2024-05-01') to ('2024-06-01')", "ALTER TABLE"),
    ("alter table hashed attach partition hashed_1 for values with (modulus 2, remainder 1)", "ALTER TABLE"),
    ("alter table keyed attach partition keyed_3 for values in (3, 4)", "ALTER TABLE"),
    ("alter table referring add foreign key (id, k) references keyed (id, k)", "ALTER TABLE"),
    ("alter table keyed add foreign key (parent, k) references keyed (id, k)", "ALTER TABLE"),
    ("alter table plain detach partition plain_1", "ALTER TABLE"),
    ("alter table keyed detach partition keyed_1", "ALTER TABLE"),
    ("alter table hashed detach partition hashed_0", "ALTER TABLE"),
    ("create table event_5 partition of event for values from ('2024-06-01') to ('2024-07-01')", "CREATE TABLE"),
    ("create table other.plain_3 partition of plain for values in (3)", "CREATE TABLE"),
    ("create table plain_rest partition of plain default", "CREATE TABLE"),
    ("create table keyed_4 partition of keyed for values in (4)", "CREATE TABLE"),
];

/// Written as they should be: the same, watched.
const CONCURRENT: &[(&str, &str)] = &[
    ("alter table plain detach partition plain_1 concurrently", "ALTER TABLE"),
    ("alter table only hashed detach partition hashed_0 concurrently", "ALTER TABLE"),
];

#[test]
fn what_is_detached_concurrently_ends_as_it_would_without_us() {
    run_table(&SERVERS, CONCURRENT, &ROWS, false);
}

/// The server would leave it half detached: neither seen by queries of the parent nor to be attached again.
#[test]
fn a_detach_that_is_stopped_half_way_is_taken_back() {
    let server = SERVERS.last().unwrap();
    let twins = Twins::on(server);
    let mut client = twins.connect();
    for sql in ["alter table plain detach partition plain_1", "alter table plain detach partition plain_1 concurrently"]
    {
        let mut holder = server.connect("alice", &twins.safe);
        holder.rows("begin");
        holder.rows("select count(*) from plain");
        client.send(&wire::query(sql.as_bytes())).unwrap();
        let pending =
            || (server.sql(&twins.safe, "select 1 from pg_inherits where inhdetachpending") == ["1"]).then_some(());
        wait_until("it is half detached", Duration::from_secs(20), pending);
        client.cancel();
        holder.rows("rollback");
        let replies = client.until_ready();
        let error = error_of(&replies).unwrap_or_else(|| panic!("{sql}: {replies:?}"));
        assert_eq!(error.field('C').as_deref(), Some("57014"), "{sql}: {error:?}");
        assert!(error.field('D').unwrap().contains("taken back (detach)"), "{sql}: {error:?}");
        assert_eq!(twins.differences("select 1", &[]), Vec::<String>::new(), "{sql}");
    }
}

#[test]
fn a_rewritten_change_of_partitions_ends_as_the_naive_one_would() {
    run_table(&SERVERS, REWRITTEN, &ROWS, true);
}
