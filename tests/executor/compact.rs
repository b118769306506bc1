//! VACUUM FULL in place: the table ends about as small as the statement would have made it, with the same rows, under
//! the same oid, while others read and write it; wherever it is cut off, it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockkeeper::kernel::plan::Plan;
use lockkeeper::shell::executor::{Control, Limits, Outcome, Past, Progress, Report, run};

use crate::cluster::Cluster;
use crate::run::{go, limits};
use crate::wire::Wire;
use crate::{offered, session};

/// As large as the statement would have left it, and so much of a hundred more.
const MORE_PERCENT: u64 = 15;
/// Others wait for a small part of the time it takes: how long that is, is the machine's.
pub(crate) const PART: u32 = 4;

/// Tables with free room, by what is special about them.
const BLOATED: &[(&str, &[&str])] = &[
    (
        "even",
        &[
            "CREATE TABLE $t (id int PRIMARY KEY, a int, t text)",
            "CREATE INDEX ON $t (a)",
            "INSERT INTO $t SELECT n, n % 7, md5(n::text) FROM generate_series(1, 60000) n",
            "DELETE FROM $t WHERE hashint4(id) % 5 <> 0",
        ],
    ),
    (
        "nearly_nothing",
        &[
            "CREATE TABLE $t (id int PRIMARY KEY)",
            "INSERT INTO $t SELECT n FROM generate_series(1, 60000) n",
            "DELETE FROM $t WHERE hashint4(id) % 100 <> 0",
        ],
    ),
    (
        "mixed",
        &[
            "CREATE TABLE $t (id int PRIMARY KEY, t text)",
            "ALTER TABLE $t ALTER t SET STORAGE PLAIN",
            "INSERT INTO $t SELECT n, repeat('x', CASE WHEN n % 20 = 0 THEN 5000 ELSE n % 300 END) FROM generate_series(1, 15000) n",
            "DELETE FROM $t WHERE hashint4(id) % 3 <> 0",
        ],
    ),
    (
        "half_full",
        &[
            "CREATE TABLE $t (id int PRIMARY KEY, a int, t text) WITH (fillfactor = 70)",
            "INSERT INTO $t SELECT n, 1, repeat('x', 200) FROM generate_series(1, 20000) n",
            "DELETE FROM $t WHERE hashint4(id) % 2 <> 0",
        ],
    ),
    (
        "\"Odd \"\"Name\"",
        &[
            "CREATE TABLE $t (\"A b\" int GENERATED ALWAYS AS IDENTITY, id int REFERENCES even, up int, t text)",
            "INSERT INTO $t (id, up, t) SELECT e.id, 1, 't' FROM even e, generate_series(1, 4) n",
            "DELETE FROM $t WHERE hashint4(\"A b\") % 4 <> 0",
        ],
    ),
    (
        "part",
        &[
            "CREATE TABLE $t (id int, k int, t text) PARTITION BY LIST (k)",
            "CREATE TABLE $t_1 PARTITION OF $t FOR VALUES IN (1)",
            "CREATE TABLE $t_2 PARTITION OF $t FOR VALUES IN (2) PARTITION BY RANGE (id)",
            "CREATE TABLE $t_2a PARTITION OF $t_2 FOR VALUES FROM (0) TO (100000)",
            "CREATE INDEX ON $t (id)",
            "INSERT INTO $t SELECT n, 1 + n % 2, repeat('x', 100) FROM generate_series(1, 20000) n",
            "DELETE FROM $t WHERE hashint4(id) % 5 <> 0",
        ],
    ),
    ("packed", &["CREATE TABLE $t (id int)", "INSERT INTO $t SELECT n FROM generate_series(1, 20000) n"]),
];

/// What is not offered, and a word of why.
const NOT: &[(&str, &str)] = &[
    ("CREATE TABLE no (a int PRIMARY KEY DEFERRABLE); CREATE PUBLICATION compact_no FOR TABLE no", "replica identity"),
    ("CREATE TABLE no (a int, b int GENERATED ALWAYS AS (a + 1) STORED)", "generated"),
    ("CREATE TABLE no (a int); ALTER TABLE no ADD CHECK (a > 0) NOT VALID", "NOT VALID"),
    ("CREATE TABLE no (a int GENERATED ALWAYS AS IDENTITY)", "no column"),
    ("CREATE TABLE no (a int, t tsrange, EXCLUDE USING gist (t WITH &&))", "exclusion"),
    ("CREATE TABLE no (a int); CREATE RULE r AS ON UPDATE TO no DO ALSO NOTIFY x", "rules"),
    (
        "CREATE TABLE no (a int); CREATE TRIGGER stamp BEFORE UPDATE ON no FOR EACH ROW \
         EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "trigger stamp",
    ),
    ("CREATE MATERIALIZED VIEW no AS SELECT n AS a FROM generate_series(1, 10) n", "materialized view"),
    (
        "CREATE TABLE no (a int, t text); ALTER TABLE no ALTER t SET STORAGE EXTERNAL; \
         INSERT INTO no SELECT n, repeat('x', 20000) FROM generate_series(1, 100) n",
        "TOAST",
    ),
];

pub(crate) async fn all(cluster: &Cluster) {
    ends_as_small(cluster).await;
    is_not_offered(cluster).await;
    needs_the_rights(cluster).await;
    cut_off_anywhere(cluster).await;
    while_others_work(cluster).await;
    waits_for_what_is_in_the_way(cluster).await;
}

async fn planned(db: &mut Wire, table: &str) -> Plan {
    offered(db, &format!("VACUUM (FULL, ANALYZE) {table}")).await.unwrap_or_else(|why| panic!("{table}: {why}"))
}

async fn bloat(db: &mut Wire, name: &str, statements: &[&str]) {
    for sql in statements {
        db.run(&sql.replace("$t", name)).await;
    }
}

#[track_caller]
pub(crate) fn done(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

/// Pages of the table and its parts, and of their indexes.
async fn size(db: &mut Wire, table: &str) -> (u64, u64) {
    let sql = format!(
        "WITH RECURSIVE tree (oid) AS (SELECT to_regclass('{}')::oid UNION SELECT inhrelid FROM tree JOIN pg_inherits ON inhparent = oid) \
         SELECT (sum(pg_relation_size(oid)) / 8192)::int8 || ' ' || (sum(pg_indexes_size(oid)) / 8192)::int8 FROM tree",
        table.replace('\'', "''")
    );
    let text = db.one(&sql).await;
    let (heap, indexes) = text.split_once(' ').unwrap();
    (heap.parse().unwrap(), indexes.parse().unwrap())
}

async fn content(db: &mut Wire, table: &str) -> String {
    db.one(&format!("SELECT count(*) || md5(string_agg(whole::text, ',' ORDER BY whole::text)) FROM {table} whole"))
        .await
}

/// What the catalog says of it, without what any VACUUM writes there.
async fn catalog(db: &mut Wire, table: &str) -> String {
    db.one(&format!(
        "SELECT c.oid || relname || relnamespace || reltype || relowner || relam || reltablespace || reltoastrelid || relhasindex \
         || relpersistence::text || relnatts || relchecks || relhastriggers || coalesce(relacl::text, '') || coalesce(reloptions::text, '') \
         || coalesce((SELECT string_agg(pg_get_indexdef(indexrelid) || indisvalid || indisready || indisprimary, ',' ORDER BY indexrelid::regclass::text) \
           FROM pg_index WHERE indrelid = c.oid), '') \
         || coalesce((SELECT string_agg(conname || pg_get_constraintdef(oid) || convalidated, ',' ORDER BY conname) \
           FROM pg_constraint WHERE conrelid = c.oid), '') FROM pg_class c WHERE c.oid = to_regclass('{table}')",
    ))
    .await
}

fn is_small((heap, indexes): (u64, u64), (naive, naive_indexes): (u64, u64)) -> bool {
    // A part of a small table is hardly a page.
    heap <= naive + (naive * MORE_PERCENT / 100).max(2) && indexes <= naive_indexes + (naive_indexes / 10).max(2)
}

async fn ends_as_small(cluster: &Cluster) {
    let mut naive = session(cluster, "compact_naive").await;
    let mut db = session(cluster, "compact").await;
    for (name, statements) in BLOATED {
        bloat(&mut naive, name, statements).await;
        bloat(&mut db, name, statements).await;
        let before = (content(&mut db, name).await, catalog(&mut db, name).await);
        let large = size(&mut db, name).await;
        naive.run(&format!("VACUUM FULL {name}")).await;
        let plan = planned(&mut db, name).await;
        let started = Instant::now();
        let report = done(go(&mut db, &plan).await);
        let took = started.elapsed();
        let (small, wanted) = (size(&mut db, name).await, size(&mut naive, name).await);
        println!(
            "  {name}: {large:?} pages, then {small:?}, VACUUM FULL {wanted:?}; {} rows moved in {took:?}",
            report.rows
        );
        assert!(is_small(small, wanted), "PostgreSQL {}: {name}: {small:?} for {wanted:?}", cluster.major);
        assert_eq!((content(&mut db, name).await, catalog(&mut db, name).await), before, "{name}");
        let ordered = format!(
            "SELECT count(*) FROM {name} a WHERE NOT EXISTS (SELECT FROM {name} b WHERE b.ctid = a.ctid AND b.tableoid = a.tableoid)"
        );
        assert_eq!(db.one(&ordered).await, "0");
        let again = done(go(&mut db, &plan).await);
        assert!(again.rows * 10 <= report.rows.max(1000), "{name}: {} rows moved once more", again.rows);
    }
}

async fn is_not_offered(cluster: &Cluster) {
    let mut db = session(cluster, "compact_not").await;
    for (setup, why) in NOT {
        db.run("DROP TABLE IF EXISTS gone").await;
        for sql in setup.split("; ") {
            db.run(sql).await;
        }
        if !setup.contains("INSERT") && !setup.contains("VIEW") {
            db.run(if setup.contains("IDENTITY") {
                "INSERT INTO no DEFAULT VALUES"
            } else {
                "INSERT INTO no (a) VALUES (1)"
            })
            .await;
        }
        let words = offered(&mut db, "VACUUM FULL no").await.expect_err(setup);
        assert!(words.contains("cannot be compacted in place") && words.contains(why), "{setup}: {words}");
        let kind = if setup.contains("VIEW") { "MATERIALIZED VIEW" } else { "TABLE" };
        db.run(&format!("DROP {kind} no")).await;
    }
    db.run("CREATE TABLE no AS SELECT 1 AS a").await;
    for sql in ["VACUUM (FULL, INDEX_CLEANUP off) no", "VACUUM (FULL, ANALYZE) no (a)", "VACUUM FULL", "CLUSTER no"] {
        assert!(offered(&mut db, sql).await.is_err(), "{sql}");
    }
}

/// VACUUM would only warn, and row security hide rows.
async fn needs_the_rights(cluster: &Cluster) {
    let mut db = session(cluster, "compact_rights").await;
    for sql in [
        "CREATE ROLE compact_guest",
        "GRANT ALL ON SCHEMA compact_rights TO compact_guest",
        "CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n",
        "GRANT SELECT, UPDATE ON t TO compact_guest",
        "CREATE TABLE own AS SELECT n FROM generate_series(1, 1000) n",
        "ALTER TABLE own ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY, OWNER TO compact_guest",
    ] {
        db.run(sql).await;
    }
    for (table, why) in [("t", "may not VACUUM"), ("own", "row security")] {
        let plan = planned(&mut db, table).await;
        db.run("SET ROLE compact_guest").await;
        let outcome = go(&mut db, &plan).await;
        db.run("RESET ROLE").await;
        let Outcome::Failed(_, stopped) = outcome else { panic!("{table}: {outcome:?}") };
        assert!(stopped.error.to_string().contains(why), "{stopped:?}");
        assert_eq!((stopped.error.code(), stopped.state.as_str()), (Some("42501"), "Nothing was changed."));
    }
}

async fn cut_off_anywhere(cluster: &Cluster) {
    let mut db = session(cluster, "compact_cut").await;
    let (name, statements) = BLOATED[0];
    for cut in [2, 3, 8, 17, 29, 60] {
        db.run(&format!("DROP TABLE IF EXISTS {name}")).await;
        bloat(&mut db, name, statements).await;
        let before = (content(&mut db, name).await, catalog(&mut db, name).await);
        let plan = planned(&mut db, name).await;
        let mut first = session(cluster, "compact_cut").await;
        first.statements_left = Some(cut);
        first.cut_after_effect = cut % 2 == 0;
        let outcome = go(&mut first, &plan).await;
        assert!(matches!(outcome, Outcome::Unknown(..) | Outcome::Done(_)), "cut at {cut}: {outcome:?}");
        drop(first);
        done(go(&mut db, &plan).await);
        assert_eq!((content(&mut db, name).await, catalog(&mut db, name).await), before, "cut at {cut}");
        let (heap, _) = size(&mut db, name).await;
        assert!(heap < 140, "PostgreSQL {}: cut at {cut}: {heap} pages", cluster.major);
    }
    // Stopped half way, and told so.
    db.run(&format!("DROP TABLE {name}")).await;
    bloat(&mut db, name, statements).await;
    let plan = planned(&mut db, name).await;
    let control = Control::default();
    let mut tell = |told: Progress| {
        if matches!(told, Progress::Backfill { done, .. } if done > 0) {
            control.cancel();
        }
    };
    let limits = Limits { progress: Duration::ZERO, ..limits() };
    let outcome = run(&mut db, (&plan, &Past::default()), &limits, &control, &mut tell).await;
    let Outcome::Cancelled(report, stopped) = outcome else { panic!("{outcome:?}") };
    assert!(report.rows > 0 && stopped.state.starts_with("No row has changed"), "{stopped:?}");
    let all: Vec<usize> = (0..plan.steps.len()).collect();
    assert_eq!(lockkeeper::kernel::plan::undo::plan(&plan, &all), None);
}

struct Others {
    worst: Duration,
    count: u64,
}

/// Runs a statement all the time.
fn busy(
    mut db: Wire,
    stop: &Arc<AtomicBool>,
    sql: impl Fn(u64) -> String + Send + 'static,
) -> tokio::task::JoinHandle<Others> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut others = Others { worst: Duration::ZERO, count: 0 };
        while !stop.load(Ordering::Relaxed) {
            let started = Instant::now();
            db.run(&sql(others.count)).await;
            db.log.clear();
            others.worst = others.worst.max(started.elapsed());
            others.count += 1;
        }
        others
    })
}

/// What a server's own sampling has seen of the table.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    /// How long a lock that keeps readers or writers out was held.
    pub(crate) held: Duration,
    /// How long somebody waited, for the table or for a row of it.
    pub(crate) waited: Duration,
}

pub(crate) fn watched(mut db: Wire, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Locks> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let (mut worst, mut since) = (Locks::default(), None);
        let sample = "SELECT count(*) FILTER (WHERE granted AND relation = 't'::regclass AND mode IN \
                      ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')), \
                      coalesce(extract(milliseconds FROM max(clock_timestamp() - waitstart) \
                        FILTER (WHERE locktype <> 'virtualxid'))::int8, 0) FROM pg_locks";
        while !stop.load(Ordering::Relaxed) {
            let row = db.run(sample).await.concat();
            if row[0].as_deref() == Some("0") {
                since = None;
            } else {
                worst.held = worst.held.max(since.get_or_insert_with(Instant::now).elapsed());
            }
            worst.waited = worst.waited.max(Duration::from_millis(row[1].as_ref().unwrap().parse().unwrap()));
            db.log.clear();
        }
        worst
    })
}

async fn while_others_work(cluster: &Cluster) {
    let schema = "compact_busy";
    let mut db = session(cluster, schema).await;
    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, t text)",
        "CREATE INDEX ON t (t)",
        "INSERT INTO t SELECT n, 0, md5(n::text) FROM generate_series(1, 200000) n",
        "DELETE FROM t WHERE hashint4(id) % 5 <> 0",
        "CREATE TABLE twin (LIKE t INCLUDING ALL)",
        "INSERT INTO twin SELECT * FROM t",
        "VACUUM FULL twin",
    ] {
        db.run(sql).await;
    }
    let rows = "SELECT md5(string_agg(id || t, ',' ORDER BY id)) FROM t WHERE id > 0";
    let before = db.one(rows).await;
    let ids: Vec<String> = db
        .run("SELECT id::text FROM t ORDER BY hashint4(id) LIMIT 997")
        .await
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let plan = planned(&mut db, "t").await;
    let large = size(&mut db, "t").await;
    let stop = Arc::new(AtomicBool::new(false));
    let read_of = ids.clone();
    let reader = busy(session(cluster, schema).await, &stop, move |at| {
        format!("SELECT t FROM t WHERE id = {}", read_of[usize::try_from(at).unwrap() % read_of.len()])
    });
    let writer = busy(session(cluster, schema).await, &stop, move |at| {
        format!("UPDATE t SET n = n + 1 WHERE id = {}", ids[usize::try_from(at).unwrap() % ids.len()])
    });
    let locks = watched(session(cluster, schema).await, &stop);
    let started = Instant::now();
    let outcome = go(&mut db, &plan).await;
    let took = started.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (reader, writer, locked) = (reader.await.unwrap(), writer.await.unwrap(), locks.await.unwrap());
    let report = done(outcome);
    let (small, wanted) = (size(&mut db, "t").await, size(&mut db, "twin").await);
    println!(
        "  while others work: {large:?} pages, then {small:?}, VACUUM FULL {wanted:?}; {} rows moved in {took:?}; longest read {:?} \
         of {}, longest write {:?} of {}, longest strong lock {:?}, longest wait {:?}",
        report.rows, reader.worst, reader.count, writer.worst, writer.count, locked.held, locked.waited
    );
    assert_eq!(db.one(rows).await, before);
    assert_eq!(db.one("SELECT sum(n) FROM t").await, writer.count.to_string(), "no write is lost");
    // The others leave dead rows behind all the time.
    assert!(small.0 <= wanted.0 * (100 + MORE_PERCENT) / 100, "PostgreSQL {}: {small:?} for {wanted:?}", cluster.major);
    assert!(locked.waited.max(locked.held) * PART < took, "PostgreSQL {}: {locked:?} of {took:?}", cluster.major);
}

/// An old snapshot keeps the end from being given back, a locked row from being moved: both are waited for, and said.
async fn waits_for_what_is_in_the_way(cluster: &Cluster) {
    let schema = "compact_waits";
    let mut db = session(cluster, schema).await;
    for (hold, word) in [
        (&["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM even"][..], "older transactions"),
        (&["BEGIN", "SELECT id FROM even ORDER BY ctid DESC LIMIT 1 FOR UPDATE"][..], "locked by others"),
    ] {
        db.run("DROP TABLE IF EXISTS even").await;
        bloat(&mut db, "even", BLOATED[0].1).await;
        let plan = planned(&mut db, "even").await;
        let mut other = session(cluster, schema).await;
        for sql in hold {
            other.run(sql).await;
        }
        let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut runner = session(cluster, schema).await;
        let running = tokio::spawn(async move {
            let mut tell = |progress: Progress| {
                if let Progress::Note(text) = progress {
                    sender.send(text).unwrap();
                }
            };
            run(&mut runner, (&plan, &Past::default()), &limits(), &Control::default(), &mut tell).await
        });
        let text =
            tokio::time::timeout(Duration::from_secs(20), told.recv()).await.expect("it tells").expect("it tells");
        assert!(text.contains(word), "{text}");
        other.run("COMMIT").await;
        done(running.await.unwrap());
        let (heap, _) = size(&mut db, "even").await;
        assert!(heap < 140, "PostgreSQL {}: {word}: {heap} pages", cluster.major);
    }
}
