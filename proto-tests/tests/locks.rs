//! Nobody is blocked: while each rewrite runs, others read and write the table. What the longest of their statements took
//! is printed; what is judged is what the server says of locks, for that is the change's doing and not the machine's: how long
//! anybody has waited for one, and how long one stayed that keeps others waiting. Both are sampled all the while.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto_tests::client::error_of;
use proto_tests::{Client, Gateway, GatewayOptions, Server, Session, majors};

/// The longest wait for a lock allowed: a short lock timeout and the noise of a busy machine.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// The longest time a lock that blocks readers or writers may be held on the table.
const STRONG_LOCK_MAX: Duration = Duration::from_millis(150);

const TABLE: &str = "\
create table customer(id int primary key);
insert into customer select g from generate_series(1, 1000) g;
create table orders(id bigint primary key, customer_id int not null, status text, amount int, pad text);
insert into orders select g, 1 + g % 1000, 'paid', g % 500, repeat('x', 100) from generate_series(1, 400000) g;
analyze";

const CHANGES: &[&str] = &[
    "create index on orders (status, amount, pad)",
    "alter table orders add column token uuid not null default gen_random_uuid()",
    "alter table orders alter column status set not null",
    "alter table orders add constraint amount_sane check (amount >= 0)",
    "alter table orders add constraint of_customer foreign key (customer_id) references customer (id)",
    "alter table orders add constraint orders_pair unique (pad, id)",
    "alter table orders alter column id type numeric",
    "alter table orders add column number int generated always as identity",
];

/// What the others do meanwhile, and the relations on which they could be kept waiting.
struct Others {
    read: &'static str,
    write: &'static str,
    relations: &'static str,
}

const ORDERS: Others = Others {
    read: "select amount from orders where id = 4711",
    write: "update orders set amount = amount + 1 where id = 815",
    relations: "'orders'::regclass",
};

const EVENTS: Others = Others {
    read: "select amount from event where id = 4711",
    write: "update event set amount = amount + 1 where id = 300815",
    relations: "'event'::regclass, 'event_1'::regclass, 'event_2'::regclass, 'event_rest'::regclass",
};

/// Rows in two partitions and in a default one, and a table that will be a third.
const PARTITIONED: &str = "\
create table customer(id int primary key);
insert into customer select g from generate_series(1, 1000) g;
create table event(id bigint not null, customer_id int, status text, amount int, pad text) partition by range (id);
create table event_1 partition of event for values from (0) to (200000);
create table event_2 partition of event for values from (200000) to (400000);
create table event_rest partition of event default;
insert into event select g, 1 + g % 1000, 'paid', g % 500, repeat('x', 100) from generate_series(1, 600000) g;
create index on event (id);
create table event_3(like event);
insert into event_3 select g, 1 + g % 1000, 'paid', g % 500, repeat('x', 100) from generate_series(700000, 899999) g;
create table plain(like event) partition by range (id);
create table plain_1 partition of plain for values from (0) to (200000);
insert into plain select * from event_1;
analyze";

const PARTITION_CHANGES: &[&str] = &[
    "create index on event (status, amount, pad)",
    "alter table event add constraint event_pair unique (pad, id)",
    "alter table event add primary key (id)",
    "alter table event add constraint of_customer foreign key (customer_id) references customer (id)",
    "alter table event alter column status set not null",
    "alter table event attach partition event_3 for values from (700000) to (900000)",
    "create table event_4 partition of event for values from (900000) to (1000000)",
];

/// What the others saw while a change ran.
#[derive(Default, Debug)]
struct Seen {
    longest_read: Duration,
    longest_write: Duration,
    locks: Locks,
    reads: usize,
}

/// What the server says of locks.
#[derive(Default, Debug)]
struct Locks {
    /// How long one of the others has waited for one.
    longest_wait: Duration,
    /// How long one transaction has held one that keeps readers or writers waiting.
    longest_strong: Duration,
}

fn longest(address: SocketAddr, database: &str, sql: &str, stop: &AtomicBool) -> (Duration, usize) {
    let mut client = Session::to(address).user("alice").database(database).connect().unwrap();
    let (mut worst, mut count) = (Duration::ZERO, 0);
    while !stop.load(Ordering::Relaxed) {
        let from = Instant::now();
        let replies = client.query(sql);
        assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
        worst = worst.max(from.elapsed());
        count += 1;
    }
    (worst, count)
}

/// Samples the locks on the table, and those the others wait for.
fn locks(server: &Server, database: &str, others: &Others, stop: &AtomicBool) -> Locks {
    let held = format!(
        "select distinct virtualtransaction from pg_locks where granted and relation in ({}) and mode in \
         ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')",
        others.relations
    );
    let waiting = format!(
        "select coalesce(max(extract(epoch from clock_timestamp() - waitstart) * 1e6), 0)::bigint from pg_locks \
         where not granted and pid in (select pid from pg_stat_activity where query in ('{}', '{}'))",
        others.read, others.write
    );
    let mut client = server.connect("postgres", database);
    let mut seen = Locks::default();
    let mut since: HashMap<String, Instant> = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let holders = client.rows(&held);
        since.retain(|holder, _| holders.contains(holder));
        for holder in holders {
            let held_for = since.entry(holder).or_insert_with(Instant::now).elapsed();
            seen.longest_strong = seen.longest_strong.max(held_for);
        }
        let waited: u64 = client.rows(&waiting)[0].parse().unwrap();
        seen.longest_wait = seen.longest_wait.max(Duration::from_micros(waited));
    }
    seen
}

/// Lets the others stop also when the change panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn watch(server: &Server, database: &str, others: &Others, change: impl FnOnce()) -> Seen {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        let read = scope.spawn(move || longest(server.address, database, others.read, stop));
        let write = scope.spawn(move || longest(server.address, database, others.write, stop));
        let locks = scope.spawn(move || locks(server, database, others, stop));
        {
            let _stop = StopOnDrop(stop);
            change();
        }
        let (longest_read, reads) = read.join().unwrap();
        Seen { longest_read, longest_write: write.join().unwrap().0, locks: locks.join().unwrap(), reads }
    })
}

fn run(mut client: Client, sql: &str) -> Duration {
    let from = Instant::now();
    client.patience(Duration::from_secs(120));
    let replies = client.query(sql);
    assert!(error_of(&replies).is_none(), "{sql}: {replies:?}");
    from.elapsed()
}

#[test]
fn others_read_and_write_while_a_change_runs() {
    run_all(TABLE, CHANGES, &ORDERS);
}

#[test]
fn others_read_and_write_while_a_change_of_partitions_runs() {
    run_all(PARTITIONED, PARTITION_CHANGES, &EVENTS);
}

fn run_all(setup: &str, changes: &[&str], others: &Others) {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(setup);
    let gateway = Gateway::with(&server, &GatewayOptions::answers("change-type = \"rewrite\""));
    let mut failures = Vec::new();
    for (number, sql) in changes.iter().enumerate() {
        let database = server.database(&format!("locks_{number}"), "fixture");
        let mut took = Duration::ZERO;
        let seen = watch(&server, &database, others, || took = run(gateway.connect("alice", &database), sql));
        println!(
            "{sql}: {} ms; longest read {} ms, longest write {} ms, longest wait for a lock {} ms, longest strong lock {} ms, \
             {} reads",
            took.as_millis(),
            seen.longest_read.as_millis(),
            seen.longest_write.as_millis(),
            seen.locks.longest_wait.as_millis(),
            seen.locks.longest_strong.as_millis(),
            seen.reads
        );
        if seen.locks.longest_wait > WAIT_MAX || seen.locks.longest_strong > STRONG_LOCK_MAX {
            failures.push(format!("{sql}: {seen:?}"));
        }
        server.sql("postgres", &format!("drop database \"{database}\" with (force)"));
    }
    gateway.assert_healthy();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_change_behind_a_long_reader_queues_nobody() {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(TABLE);
    let gateway = Gateway::start(&server);
    let mut reader = server.connect("alice", "fixture");
    reader.rows("begin; select count(*) from orders");
    let seen = watch(&server, "fixture", &ORDERS, || {
        std::thread::scope(|scope| {
            let change =
                scope.spawn(|| run(gateway.connect("alice", "fixture"), "alter table orders add column note text"));
            // The reader stays until the change has had to wait for it at least once.
            proto_tests::wait_until("the change waits for the reader", Duration::from_secs(10), || {
                let waiting = "select 1 from pg_locks where not granted and relation = 'orders'::regclass";
                (!server.sql("fixture", waiting).is_empty()).then_some(())
            });
            let until = Instant::now() + Duration::from_secs(2);
            proto_tests::wait_until("two seconds have passed", Duration::from_secs(5), || {
                (Instant::now() >= until).then_some(())
            });
            reader.rows("rollback");
            change.join().unwrap();
        });
    });
    println!(
        "behind a reader of 2 s: longest read {} ms, longest write {} ms, longest wait for a lock {} ms",
        seen.longest_read.as_millis(),
        seen.longest_write.as_millis(),
        seen.locks.longest_wait.as_millis()
    );
    assert!(seen.locks.longest_wait < WAIT_MAX, "{seen:?}");
}
