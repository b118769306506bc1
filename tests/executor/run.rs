//! Plans on a real server: to the end, against the odds, and back.

use std::time::{Duration, Instant};

use lockkeeper::kernel::plan::{Mode, Plan};
use lockkeeper::shell::database::{Database, TransactionStatus};
use lockkeeper::shell::executor::{Control, Limits, Outcome, Past, Progress, Report, Stopped, run};

use crate::cluster::Cluster;
use crate::plans::{add_check, add_column, fill, index, plan, probed, sql};
use crate::session;
use crate::wire::Wire;

pub(crate) async fn all(cluster: &Cluster) {
    column_is_filled(cluster).await;
    tables_of_any_shape(cluster).await;
    pages_are_used_again(cluster).await;
    locked_rows_get_their_turn(cluster).await;
    lost_anywhere_and_run_again(cluster).await;
    failures_leave_nothing(cluster).await;
    brief_steps_wait_outside_the_queue(cluster).await;
    index_leftovers(cluster).await;
    cancelled_anywhere(cluster).await;
    inside_a_transaction(cluster).await;
    own_words_of_the_server(cluster).await;
}

pub(crate) async fn go(db: &mut Wire, plan: &Plan) -> Outcome {
    go_with(db, plan, &limits(), &mut |_| {}).await
}

pub(crate) fn limits() -> Limits {
    Limits {
        budget: Duration::from_secs(20),
        transaction_budget: Duration::from_secs(1),
        cleanup_budget: Duration::from_secs(5),
        backoff_max: Duration::from_millis(500),
        batch_pause_percent: 0,
        ..Limits::default()
    }
}

pub(crate) async fn go_with(
    db: &mut Wire,
    plan: &Plan,
    limits: &Limits,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Outcome {
    run(db, (plan, &Past::default()), limits, &Control::default(), tell).await
}

#[track_caller]
fn failed(outcome: Outcome) -> Stopped {
    match outcome {
        Outcome::Failed(_, stopped) => *stopped,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn done(outcome: Outcome) -> Report {
    match outcome {
        Outcome::Done(report) => report,
        other => panic!("{other:?}"),
    }
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

/// The session as the client left it, whatever happened.
async fn settings(db: &mut Wire) -> String {
    assert_eq!(db.transaction_status(), TransactionStatus::Idle);
    db.one("SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')").await
}

async fn table(db: &mut Wire, rows: u32) {
    db.run("SET client_min_messages = warning").await;
    db.run("DROP TABLE IF EXISTS t").await;
    db.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    db.run(&format!("INSERT INTO t SELECT n, 'v' || n FROM generate_series(1, {rows}) n")).await;
    db.run("ANALYZE t").await;
    db.run("RESET client_min_messages").await;
}

async fn column_is_filled(cluster: &Cluster) {
    let mut db = session(cluster, "fill").await;
    db.run("SET statement_timeout = '90s'").await;
    table(&mut db, 20_000).await;
    let report = done(go(&mut db, &add_column("fill.t", 20_000)).await);
    assert_eq!((report.rows, report.steps.len()), (20_000, 6));
    assert_eq!(db.one("SELECT count(DISTINCT x) FROM t").await, "20000");
    assert_eq!(settings(&mut db).await, "0 90s");
    let again = done(go(&mut db, &add_column("fill.t", 20_000)).await);
    assert!(again.rows == 0 && again.steps.iter().all(|s| s.already_done));
    // A nullable column: rows written later than the start are the application's own business.
    table(&mut db, 100).await;
    db.run("ALTER TABLE t ADD COLUMN x int").await;
    db.run("INSERT INTO t SELECT generate_series(101, 200)").await;
    assert!(is_done(&go(&mut db, &plan("fill.t", vec![fill("fill.t", "id * 2", 100)])).await));
    assert_eq!(db.one("SELECT sum(x) FROM t").await, "40200");
}

async fn tables_of_any_shape(cluster: &Cluster) {
    let mut db = session(cluster, "shapes").await;
    for (made, rows) in [
        ("CREATE TABLE t AS SELECT n, NULL::int AS x FROM generate_series(1, 3000) n", 3000),
        // Nothing at all, and pages that hold nothing any more.
        ("CREATE TABLE t (n int, x int)", 0),
        (
            "CREATE TABLE t AS SELECT n, NULL::int AS x FROM generate_series(1, 50000) n; DELETE FROM t WHERE n % 500 > 0",
            100,
        ),
        // One row a page, and rows that are stored out of line.
        (
            "CREATE TABLE t (n int, x int, wide char(5000)); ALTER TABLE t ALTER wide SET STORAGE PLAIN; \
          INSERT INTO t SELECT n, NULL, 'w' FROM generate_series(1, 500) n",
            500,
        ),
        (
            "CREATE TABLE t (n int, x int, wide text); INSERT INTO t \
          SELECT n, NULL, (SELECT string_agg(md5(i::text || n), '') FROM generate_series(1, 300) i) FROM generate_series(1, 200) n",
            200,
        ),
        // Some room on every page, and many indexes.
        (
            "CREATE TABLE t (n int PRIMARY KEY, x int, a int, b text) WITH (fillfactor = 80); CREATE INDEX ON t (a); \
          CREATE INDEX ON t (b); CREATE INDEX ON t (a, b); \
          INSERT INTO t SELECT n, NULL, n % 7, 'b' || n FROM generate_series(1, 40000) n",
            40_000,
        ),
    ] {
        for sql in made.split("; ") {
            db.run(sql).await;
        }
        let outcome = go(&mut db, &plan("shapes.t", vec![fill("shapes.t", "1", rows)])).await;
        assert!(is_done(&outcome), "{made}: {outcome:?}");
        assert_eq!(db.one("SELECT count(x) || ' of ' || count(*) FROM t").await, format!("{rows} of {rows}"), "{made}");
        db.run("DROP TABLE t").await;
    }
    // A partitioned table: part by part.
    db.run("CREATE TABLE t (a int, x int) PARTITION BY LIST (a)").await;
    db.run("CREATE TABLE t0 PARTITION OF t FOR VALUES IN (0)").await;
    db.run("CREATE TABLE \"T 1\" PARTITION OF t FOR VALUES IN (1)").await;
    db.run("INSERT INTO t SELECT n % 2, NULL FROM generate_series(1, 5000) n").await;
    assert!(is_done(&go(&mut db, &plan("shapes.t", vec![fill("shapes.t", "1", 5000)])).await));
    assert_eq!(db.one("SELECT sum(x) FROM t").await, "5000");
}

/// With indexes, most rows stay on their pages: little is left behind for VACUUM, and few index entries are made.
async fn pages_are_used_again(cluster: &Cluster) {
    let mut db = session(cluster, "again").await;
    db.run(
        "CREATE TABLE t (n int PRIMARY KEY, a int, b text, c timestamptz DEFAULT now(), x int) WITH (fillfactor = 85)",
    )
    .await;
    for columns in ["a", "b", "c", "a, b", "b, c"] {
        db.run(&format!("CREATE INDEX ON t ({columns})")).await;
    }
    db.run("INSERT INTO t SELECT n, n % 1000, 'b' || n FROM generate_series(1, 200000) n").await;
    let size = "SELECT pg_relation_size('t')";
    let before: u64 = db.one(size).await.parse().unwrap();
    assert!(is_done(&go(&mut db, &plan("again.t", vec![fill("again.t", "1", 200_000)])).await));
    assert_eq!(db.one("SELECT sum(x) FROM t").await, "200000");
    let after: u64 = db.one(size).await.parse().unwrap();
    assert!(after * 10 < before * 18, "{before} bytes became {after}");
}

async fn locked_rows_get_their_turn(cluster: &Cluster) {
    // Two rows far apart, and many on a few pages.
    for held in ["id IN (10, 4000)", "id BETWEEN 10 AND 609"] {
        let mut db = session(cluster, "locked").await;
        table(&mut db, 5_000).await;
        db.run("ALTER TABLE t ADD COLUMN x int").await;
        let mut holder = session(cluster, "locked").await;
        holder.run("BEGIN").await;
        let count = holder.one(&format!("SELECT count(*) FROM t WHERE {held}")).await;
        holder.run(&format!("UPDATE t SET v = 'held' WHERE {held}")).await;
        let release = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(700)).await;
            holder.run("COMMIT").await;
        });
        let outcome = go(&mut db, &plan("locked.t", vec![fill("locked.t", "1", 5_000)])).await;
        release.await.unwrap();
        assert!(is_done(&outcome), "{outcome:?}");
        assert_eq!(db.one("SELECT sum(x) FROM t").await, "5000", "{held}");
        assert_eq!(db.one("SELECT count(*) FROM t WHERE v = 'held'").await, count);
    }
}

/// Cuts the connection before every single statement of a plan and runs the plan again.
async fn lost_anywhere_and_run_again(cluster: &Cluster) {
    let mut db = session(cluster, "lost").await;
    for make in [|| add_column("lost.t", 600), || add_check("lost.t", "id > 0"), || index("lost.t", "UNIQUE", "v")] {
        let mut cut = 0;
        loop {
            table(&mut db, 600).await;
            let mut first = session(cluster, "lost").await;
            // Every statement in turn: first lost before it takes effect, then after.
            first.statements_left = Some(cut / 2);
            first.cut_after_effect = cut % 2 == 1;
            let outcome = go(&mut first, &make()).await;
            drop(first);
            if is_done(&outcome) {
                break;
            }
            assert!(matches!(outcome, Outcome::Unknown(..)), "{outcome:?}");
            let outcome = go(&mut db, &make()).await;
            assert!(is_done(&outcome), "cut before statement {cut}: {outcome:?}");
            let again = done(go(&mut db, &make()).await);
            assert!(again.steps.iter().all(|step| step.already_done));
            assert_eq!(db.one("SELECT count(*) FROM pg_index WHERE NOT indisvalid").await, "0");
            cut += 1;
        }
        assert!(cut > 3, "{cut}");
    }
}

async fn failures_leave_nothing(cluster: &Cluster) {
    let mut db = session(cluster, "failing").await;
    table(&mut db, 1_000).await;
    db.run("SET lock_timeout = '3s'").await;
    let stopped = failed(go(&mut db, &add_check("failing.t", "id < 900")).await);
    assert_eq!(stopped.error.code(), Some("23514"));
    assert!(stopped.state.contains("taken back (guard)"), "{stopped:?}");
    assert_eq!(
        db.one("SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND conname = 'ck'").await,
        "0"
    );
    db.run("UPDATE t SET v = 'same' WHERE id IN (5, 6)").await;
    let stopped = failed(go(&mut db, &index("failing.t", "UNIQUE", "v")).await);
    assert_eq!(stopped.error.code(), Some("23505"));
    assert_eq!(db.one("SELECT count(to_regclass('t_i'))").await, "0");
    // The value of a default fails half way.
    let mut column = add_column("failing.t", 1_000);
    column.steps[1] = fill("failing.t", "(1 / (id - 990))::text::uuid", 1_000);
    let stopped = failed(go(&mut db, &column).await);
    assert!(matches!(stopped.error.code(), Some("22012" | "22P02")), "{stopped:?}");
    assert_eq!(db.one("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'x'").await, "0");
    assert_eq!(settings(&mut db).await, "3s 0");
    // A step that is not brief trips.
    let slow = plan("failing.t", vec![sql("run", "SELECT pg_sleep(5)", Mode::Brief)]);
    let limits = Limits { tripwire: Duration::from_millis(100), ..limits() };
    let stopped = failed(go_with(&mut db, &slow, &limits, &mut |_| {}).await);
    assert!(stopped.state.contains("longer than a brief step"), "{stopped:?}");
    assert_eq!(settings(&mut db).await, "3s 0");
}

async fn brief_steps_wait_outside_the_queue(cluster: &Cluster) {
    let mut db = session(cluster, "queue").await;
    table(&mut db, 10).await;
    let mut holder = session(cluster, "queue").await;
    holder.run("BEGIN").await;
    holder.run("SELECT count(*) FROM t").await;
    let holder_task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        holder.run("COMMIT").await;
    });
    let mut other = session(cluster, "queue").await;
    let reader = tokio::spawn(async move {
        let mut worst = Duration::ZERO;
        let until = Instant::now() + Duration::from_millis(2_200);
        while Instant::now() < until {
            let started = Instant::now();
            other.run("SELECT * FROM t WHERE id = 1").await;
            worst = worst.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        worst
    });
    let step = sql("run", "ALTER TABLE queue.t ADD COLUMN y int", Mode::Brief);
    let mut blockers = Vec::new();
    let mut tell = |progress| {
        if let Progress::Retrying { queue: found, .. } = progress {
            blockers.extend(found.holders);
        }
    };
    let outcome = go_with(&mut db, &plan("queue.t", vec![step.clone()]), &limits(), &mut tell).await;
    assert!(is_done(&outcome), "{outcome:?}");
    holder_task.await.unwrap();
    // The holder stays for 2 s; the bound is wide because machines are noisy.
    let worst = reader.await.unwrap();
    assert!(worst < Duration::from_millis(700), "a reader stalled for {worst:?}");
    assert!(blockers.iter().any(|b| b.state == "idle in transaction" && b.query.contains("count")), "{blockers:?}");
    // For ever: the server's own error, and who it was.
    let mut holder = session(cluster, "queue").await;
    holder.run("BEGIN").await;
    holder.run("SELECT count(*) FROM t").await;
    let again = plan("queue.t", vec![sql("run", "ALTER TABLE queue.t ADD COLUMN z int", Mode::Brief)]);
    let limits = Limits { budget: Duration::from_millis(1_500), ..limits() };
    let stopped = failed(go_with(&mut db, &again, &limits, &mut |_| {}).await);
    assert_eq!(stopped.error.code(), Some("55P03"));
    assert_eq!(stopped.blockers.len(), 1);
    assert!(stopped.blockers[0].to_string().contains("executor-test"), "{}", stopped.blockers[0]);
}

async fn index_leftovers(cluster: &Cluster) {
    let mut db = session(cluster, "leftover").await;
    table(&mut db, 1_000).await;
    db.run("SET statement_timeout = '1min'").await;
    // An INVALID one is found, dropped and built again.
    db.run("UPDATE t SET v = 'same' WHERE id IN (5, 6)").await;
    assert!(db.execute("CREATE UNIQUE INDEX CONCURRENTLY t_i ON t (v)").await.is_err());
    db.run("UPDATE t SET v = 'other' WHERE id = 6").await;
    assert!(is_done(&go(&mut db, &index("leftover.t", "UNIQUE", "v")).await));
    assert_eq!(db.one("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_i'::regclass").await, "t");
    db.run("DROP INDEX t_i").await;
    // Somebody is still building it: his index is awaited, not dropped.
    let mut snapshot = session(cluster, "leftover").await;
    snapshot.run("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    snapshot.run("SELECT 1").await;
    let mut builder = session(cluster, "leftover").await;
    let building = tokio::spawn(async move {
        builder.run("CREATE UNIQUE INDEX CONCURRENTLY t_i ON t (v)").await;
    });
    while db.one("SELECT count(to_regclass('t_i'))").await == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let oid = db.one("SELECT 't_i'::regclass::oid").await;
    let release = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(800)).await;
        snapshot.run("COMMIT").await;
    });
    let outcome = go(&mut db, &index("leftover.t", "UNIQUE", "v")).await;
    assert!(is_done(&outcome), "{outcome:?}");
    building.await.unwrap();
    release.await.unwrap();
    assert_eq!(db.one("SELECT 't_i'::regclass::oid").await, oid);
    assert_eq!(settings(&mut db).await, "0 1min");
}

async fn cancelled_anywhere(cluster: &Cluster) {
    let mut db = session(cluster, "cancel").await;
    db.run("SET statement_timeout = '1min'").await;
    db.run("SET lock_timeout = '1min'").await;
    table(&mut db, 30_000).await;
    for (after, plan) in [
        (5, add_column("cancel.t", 30_000)),
        (60, add_column("cancel.t", 30_000)),
        (200, add_column("cancel.t", 30_000)),
        (3, index("cancel.t", "", "v")),
        (15, index("cancel.t", "", "v")),
        (0, add_check("cancel.t", "length(v) < 1000")),
    ] {
        let control = Control::default();
        let (socket, key) = (db.socket().to_owned(), db.key.clone());
        let canceller = tokio::spawn({
            let control = control.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                control.cancel();
                Wire::cancel(&socket, &key).await;
            }
        });
        let outcome = run(&mut db, (&plan, &Past::default()), &limits(), &control, &mut |_| {}).await;
        canceller.await.unwrap();
        // A cancel that comes too late hits whatever runs next.
        while db.execute("SELECT pg_sleep(0.05)").await.is_err() {}
        if is_done(&outcome) {
            table(&mut db, 30_000).await;
            continue;
        }
        assert!(matches!(outcome, Outcome::Cancelled(..)), "{outcome:?}");
        assert_eq!(db.one("SELECT count(to_regclass('t_i'))").await, "0", "{outcome:?}");
        assert_eq!(
            db.one("SELECT count(*) FROM pg_constraint WHERE conrelid = 't'::regclass AND conname IN ('nn', 'ck')")
                .await,
            "0"
        );
        assert_eq!(
            db.one("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'x'").await,
            "0",
            "{outcome:?}"
        );
        assert_eq!(settings(&mut db).await, "1min 1min");
    }
}

async fn inside_a_transaction(cluster: &Cluster) {
    let mut db = session(cluster, "block").await;
    table(&mut db, 10).await;
    let add = |column: &str| {
        plan("block.t", vec![sql("run", &format!("ALTER TABLE block.t ADD COLUMN {column} int"), Mode::Brief)])
    };
    db.run("SET lock_timeout = '9s'").await;
    let mut holder = session(cluster, "block").await;
    holder.run("BEGIN").await;
    holder.run("SELECT count(*) FROM t").await;
    let release = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(400)).await;
        holder.run("COMMIT").await;
        holder
    });
    db.run("BEGIN").await;
    db.run("CREATE TABLE before (a int)").await;
    let report = done(go(&mut db, &add("y")).await);
    assert!(report.steps[0].attempts > 1);
    assert_eq!(db.one("SHOW lock_timeout").await, "9s");
    db.run("COMMIT").await;
    assert_eq!(db.one("SHOW lock_timeout").await, "9s");
    assert_eq!(db.one("SELECT to_regclass('before') IS NOT NULL AND (SELECT count(y) = 0 FROM t)").await, "t");
    // Not to be had: the client's transaction has failed, as its statement did.
    let mut holder = release.await.unwrap();
    holder.run("BEGIN").await;
    holder.run("SELECT count(*) FROM t").await;
    db.run("BEGIN").await;
    let stopped = failed(go(&mut db, &add("z")).await);
    assert_eq!(stopped.error.code(), Some("55P03"));
    assert_eq!(db.transaction_status(), TransactionStatus::Failed);
    db.run("ROLLBACK").await;
    // Any other plan is refused there.
    db.run("BEGIN").await;
    let stopped = failed(go(&mut db, &index("block.t", "", "v")).await);
    assert_eq!(stopped.error.code(), Some("25001"));
    db.run("ROLLBACK").await;
    assert_eq!(settings(&mut db).await, "9s 0");
}

async fn own_words_of_the_server(cluster: &Cluster) {
    let mut db = session(cluster, "words").await;
    table(&mut db, 10).await;
    let guarded = plan("words.t", vec![sql("run", "DROP VIEW IF EXISTS words.nosuch", Mode::Brief)]);
    let report = done(go(&mut db, &guarded).await);
    assert_eq!((report.notices.len(), report.tag.as_deref()), (1, Some("DROP VIEW")));
    assert_eq!(report.notices[0].code, "00000");
    let as_is = plan("words.t", vec![sql("run", "DELETE FROM words.t", Mode::AsIs)]);
    let report = done(go(&mut db, &as_is).await);
    assert_eq!(report.tag.as_deref(), Some("DELETE 10"));
    let stays = probed(sql("one", "SELECT 1", Mode::Brief), "SELECT false", "");
    let stopped = failed(go(&mut db, &plan("words.t", vec![stays])).await);
    assert_eq!(stopped.error.code(), Some("55000"));
}
