//! A table copied while others write it, and read it by a view: they hardly wait, and nothing they wrote is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::compact::{PART, done, watched};
use crate::copy::planned;
use crate::incoming;
use crate::run::go;
use crate::session;
use crate::wire::Wire;

/// Every change goes to the table and to a twin of it in one transaction: in the end both are the same.
fn writer(mut db: Wire, stop: &Arc<AtomicBool>, (round, number): (u64, u64)) -> tokio::task::JoinHandle<u64> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut count = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            let id = (count * 7919 % 20_000) * 2 + number;
            let new = round * 2_000_000 + count * 2 + number;
            let far = new + 1_000_000;
            let level = if count.is_multiple_of(3) { "REPEATABLE READ" } else { "READ COMMITTED" };
            let change = match count % 4 {
                0 => format!("INSERT INTO $ (id, a, u) VALUES ({new}, {count}, {new})"),
                1 => format!("UPDATE $ SET a = a + 1 WHERE id = {id}"),
                2 => format!("UPDATE $ SET id = {far}, u = -u WHERE id = {id}"),
                _ => format!("DELETE FROM $ WHERE id = {id}"),
            };
            let end = if count.is_multiple_of(11) { "ROLLBACK" } else { "COMMIT" };
            let mut statements = vec![format!("BEGIN ISOLATION LEVEL {level}")];
            // One that began before the cut-over and comes to the table after it would not see what was copied (decision
            // 34); one that has the table holds the cut-over up.
            if level == "REPEATABLE READ" {
                statements.push("LOCK TABLE t IN ROW EXCLUSIVE MODE".to_owned());
            }
            statements.push("SELECT count(*) FROM one".to_owned());
            statements.extend([change.replace('$', "t"), change.replace('$', "twin"), end.to_owned()]);
            for sql in statements {
                db.run(&sql).await;
            }
            db.log.clear();
        }
        count
    })
}

/// Reads by a view as fast as it can. How often, and the longest that one took.
fn reader(mut db: Wire, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<(u64, Duration)> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let (mut count, mut longest) = (0_u64, Duration::ZERO);
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            let started = Instant::now();
            db.run(&format!("SELECT sum(u) FROM seen WHERE id = {}", count * 7919 % 60_000)).await;
            longest = longest.max(started.elapsed());
            db.log.clear();
        }
        (count, longest)
    })
}

pub(crate) async fn while_others_write(cluster: &Cluster) {
    let schema = "copy_busy";
    let mut db = session(cluster, schema).await;
    for sql in [
        "CREATE TABLE one AS SELECT 1",
        "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, u int UNIQUE)",
        "CREATE INDEX t_a ON t (a)",
        "INSERT INTO t SELECT n, hashint4(n) & 65535, n FROM generate_series(1, 60000) n",
        "CREATE TABLE twin (LIKE t INCLUDING ALL)",
        "INSERT INTO twin SELECT * FROM t",
        "CREATE VIEW seen AS SELECT t.id, t.u, o FROM t, one AS o",
    ]
    .iter()
    .chain(incoming::BUSY)
    {
        db.run(sql).await;
    }
    for (round, sql) in [
        (1, "CLUSTER t USING t_a"),
        (2, "ALTER TABLE t SET UNLOGGED"),
        (3, "ALTER TABLE t SET LOGGED"),
        (4, "ALTER TABLE t ADD x int GENERATED ALWAYS AS (a % 7) STORED NOT NULL CHECK (x > -8)"),
    ] {
        let plan = planned(&mut db, sql).await;
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = {
            let mut all = Vec::new();
            for number in 0..2 {
                all.push(writer(session(cluster, schema).await, &stop, (round, number)));
            }
            all.push(incoming::writer(session(cluster, schema).await, &stop, round));
            all
        };
        let reader = reader(session(cluster, schema).await, &stop);
        let locks = watched(session(cluster, schema).await, &stop);
        let started = Instant::now();
        let outcome = go(&mut db, &plan).await;
        let took = started.elapsed();
        stop.store(true, Ordering::Relaxed);
        let mut written = 0;
        for writer in writers {
            written += writer.await.unwrap();
        }
        let (read, longest) = reader.await.unwrap();
        let locked = locks.await.unwrap();
        done(outcome);
        println!(
            "  {sql}: {written} transactions meanwhile, longest strong lock {:?}, longest wait {:?}; {read} reads by a view, the \
             longest {longest:?}",
            locked.held, locked.waited
        );
        let differ = "SELECT count(*) FROM ((SELECT id, a, u FROM t EXCEPT ALL TABLE twin) UNION ALL (TABLE twin EXCEPT ALL SELECT id, a, u FROM t)) d";
        assert_eq!(db.one(differ).await, "0", "PostgreSQL {}: {sql}", cluster.major);
        incoming::are_as_the_twins(&mut db, sql).await;
        assert!(locked.held * PART < took, "PostgreSQL {}: {sql}: {locked:?} of {took:?}", cluster.major);
        // The same through the indexes.
        db.run("SET enable_seqscan = off").await;
        let by_index = "SELECT count(*) FROM twin w WHERE NOT EXISTS (SELECT FROM t WHERE t.id = w.id AND t.u = w.u)";
        assert_eq!(db.one(by_index).await, "0", "{sql}");
        db.run("RESET enable_seqscan").await;
    }
    assert_eq!(db.one("SELECT count(*) FROM t WHERE x IS DISTINCT FROM a % 7").await, "0");
}
