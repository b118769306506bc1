//! Rows that break a constraint which is NOT VALID: what writes every row stops before anything is changed.

use lockkeeper::kernel::plan::Plan;
use lockkeeper::shell::executor::Outcome;

use crate::cluster::Cluster;
use crate::run::go;
use crate::session;
use crate::undo::planned;

/// The rows at the end break it.
const SHOP: &[&str] = &[
    "CREATE TABLE t (id int PRIMARY KEY, b int, c text)",
    "INSERT INTO t SELECT n, CASE WHEN n > 39900 THEN -n WHEN n % 2 = 0 THEN n END, n FROM generate_series(1, 40000) n",
    "ALTER TABLE t ADD CONSTRAINT \"c k\" CHECK (b > 0 AND NOT t IS NULL) NOT VALID",
    "CREATE TABLE parts (id int, b int, c text) PARTITION BY RANGE (id)",
    "CREATE TABLE part PARTITION OF parts DEFAULT",
    "INSERT INTO parts SELECT * FROM t",
    "ALTER TABLE part ADD CONSTRAINT \"c k\" CHECK (b > 0) NOT VALID",
];

const CHANGES: &[(&str, &str)] = &[
    ("t", "ALTER TABLE t ADD COLUMN u uuid DEFAULT gen_random_uuid()"),
    ("t", "ALTER TABLE t ALTER c TYPE int USING c::int"),
    ("t", "ALTER TABLE t ADD COLUMN z int, ADD COLUMN s serial, ALTER c TYPE int USING c::int"),
    ("part", "ALTER TABLE parts ADD COLUMN u uuid DEFAULT gen_random_uuid()"),
];

pub(crate) async fn all(cluster: &Cluster) {
    let mut db = session(cluster, "unproven").await;
    for sql in SHOP {
        db.run(sql).await;
    }
    for (table, sql) in CHANGES {
        let plan = planned(&mut db, sql).await;
        assert_eq!(plan.steps.iter().filter(|step| step.only_looks()).count(), 1, "{sql}");
        let before = db.one(COLUMNS).await;
        let Outcome::Failed(report, stopped) = go(&mut db, &plan).await else { panic!("{sql}: rows break it") };
        let words = stopped.error.to_string();
        assert_eq!(stopped.error.code(), Some("23514"), "{words}");
        let said = [format!("\"c k\" of relation \"{table}\" is NOT VALID"), "VALIDATE CONSTRAINT \"c k\"".to_owned()];
        assert!(said.iter().all(|said| words.contains(said)), "{words}");
        assert!(stopped.state.starts_with("Nothing was changed."), "{stopped:?}");
        assert_eq!((report.rows, db.one(COLUMNS).await), (0, before), "{sql}");
    }
    rows_that_were_filled_are_told(&mut db).await;
    // NULL breaks none.
    db.run("UPDATE t SET b = 1 WHERE b < 0").await;
    db.run("UPDATE parts SET b = 1 WHERE b < 0").await;
    for (_, sql) in CHANGES {
        let plan = planned(&mut db, sql).await;
        let outcome = go(&mut db, &plan).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
        db.run("ALTER TABLE IF EXISTS t DROP COLUMN IF EXISTS u, ALTER c TYPE text").await;
    }
    db.run("DROP SCHEMA unproven CASCADE").await;
}

const COLUMNS: &str = "SELECT string_agg(concat(attrelid::regclass, '.', attname), ' ' ORDER BY attrelid, attnum) FROM pg_attribute \
    WHERE attrelid IN ('t'::regclass, 'parts'::regclass, 'part'::regclass) AND NOT attisdropped AND attnum > 0";

/// Where the constraint came after the look.
async fn rows_that_were_filled_are_told(db: &mut crate::wire::Wire) {
    let mut plan = planned(db, CHANGES[0].1).await;
    plan.steps.retain(|step| !step.only_looks());
    let expand = Plan { steps: plan.steps[..1].to_vec(), verify: Vec::new(), ..plan.clone() };
    assert!(matches!(go(db, &expand).await, Outcome::Done(_)));
    let Outcome::Failed(report, stopped) = go(db, &plan).await else { panic!("rows break it") };
    let filled = db.one("SELECT count(*) FROM t WHERE u IS NOT NULL").await;
    assert_eq!(report.rows.to_string(), filled);
    assert_ne!(filled, "0");
    let words = format!(
        "This run changed nothing but rows: {filled} rows filled, and stay so. Done by an earlier run and left as found: expand."
    );
    assert_eq!(stopped.state, words);
    db.run("ALTER TABLE t DROP COLUMN u").await;
}
