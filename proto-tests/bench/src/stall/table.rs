//! The table under traffic: made once, copied afresh for every run.

use crate::Outcome;
use crate::cluster::Cluster;

const TEMPLATE: &str = "stall_base";
/// What makes a row dear to change.
const HEAVY: [&str; 6] = [
    "UPDATE orders SET note = repeat(note, 20)",
    "CREATE INDEX ON orders (customer_id, created_at)",
    "CREATE INDEX ON orders (status, updated_at)",
    "CREATE INDEX ON orders (created_at)",
    "CREATE INDEX ON orders USING gin (to_tsvector('simple', left(note, 120)))",
    // Or the room the old rows leave would be there for the new ones.
    "VACUUM (FULL, FREEZE, ANALYZE) orders",
];
/// The database of the run at hand.
pub const DATABASE: &str = "stall";
const CUSTOMERS: u64 = 100_000;

/// Fills the template: customers, and orders with the given number of rows.
pub fn make(cluster: &Cluster, rows: u64) -> Outcome<()> {
    let create = format!("CREATE DATABASE {TEMPLATE}");
    cluster.run("postgres", &[&format!("DROP DATABASE IF EXISTS {TEMPLATE}"), &create])?;
    let customers =
        format!("INSERT INTO customers SELECT id, 'customer ' || id FROM generate_series(1, {CUSTOMERS}) id");
    let orders = format!(
        "INSERT INTO orders SELECT id, 1 + (id::bigint * 7919) % {CUSTOMERS}, 'new', (id % 10000) / 100.0, \
         'order number ' || id, now() - (id % 1000000) * interval '1 second', now() \
         FROM generate_series(1, {rows}) id"
    );
    cluster.run(
        TEMPLATE,
        &[
            "CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL)",
            "CREATE TABLE orders (id integer NOT NULL, customer_id integer NOT NULL, \
             status text NOT NULL, amount numeric(10,2) NOT NULL, note text, \
             created_at timestamptz, updated_at timestamptz NOT NULL) WITH (fillfactor = 90)",
            &customers,
            &orders,
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "VACUUM (FREEZE, ANALYZE)",
            "CHECKPOINT",
        ],
    )?;
    Ok(())
}

/// Makes every row of the template dear to change: wide, and in many indexes.
pub fn make_heavy(cluster: &Cluster) -> Outcome<()> {
    cluster.run(TEMPLATE, &HEAVY)?;
    cluster.run(TEMPLATE, &["CHECKPOINT"])?;
    Ok(())
}

/// Gives the run a copy of its own, read once so that it is in memory.
pub fn copy(cluster: &Cluster) -> Outcome<()> {
    drop_copy(cluster)?;
    let major: u32 =
        cluster.run("postgres", &["SHOW server_version_num"])?.parse().map(|number: u32| number / 10_000)?;
    let how = if major >= 15 { " STRATEGY file_copy" } else { "" };
    let create = format!("CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}{how}");
    cluster.run("postgres", &[&create, "CHECKPOINT"])?;
    let read = "SELECT count(*) FROM orders WHERE amount < 0";
    cluster.run(DATABASE, &["SET max_parallel_workers_per_gather = 0", read])?;
    Ok(())
}

/// Takes the copy away, whoever is still connected.
pub fn drop_copy(cluster: &Cluster) -> Outcome<()> {
    let statement = format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)");
    cluster.run("postgres", &[&statement]).map(|_| ())
}
