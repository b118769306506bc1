//! Names of helpers that somebody else has already: theirs stay, and what an earlier run has left is found all the same.

use lockkeeper::kernel::plan::Plan;
use lockkeeper::shell::executor::Outcome;

use crate::cluster::Cluster;
use crate::run::go;
use crate::session;
use crate::undo::planned;
use crate::wire::Wire;

const SHOP: &[&str] = &[
    "CREATE TABLE t (id int PRIMARY KEY, b int)",
    "INSERT INTO t SELECT n, n FROM generate_series(1, 300) n",
    "ALTER TABLE t CLUSTER ON t_pkey",
];

const THEIRS: &[(&str, &str, &str)] = &[
    (
        "ALTER TABLE t ALTER b TYPE bigint",
        "FUNCTION lockkeeper_sync_t_b()",
        "() RETURNS int LANGUAGE sql AS 'SELECT 7'",
    ),
    ("CLUSTER t", "TABLE lockkeeper_copy_t", "(a int)"),
    ("CLUSTER t", "TABLE lockkeeper_changed_t", "(a int)"),
    ("CLUSTER t", "FUNCTION lockkeeper_changes_t()", "() RETURNS int LANGUAGE sql AS 'SELECT 7'"),
    ("CLUSTER t", "TYPE lockkeeper_old_t", " AS ENUM ('a')"),
];

pub(crate) async fn all(cluster: &Cluster) {
    let mut db = session(cluster, "taken").await;
    for (sql, theirs, is) in THEIRS {
        let name = theirs.trim_end_matches("()");
        // Cut off nowhere, before anything fires, and when the rows are kept in step.
        for steps in 0..3 {
            db.run("SET client_min_messages = warning").await;
            db.run("DROP SCHEMA taken CASCADE").await;
            db.run("CREATE SCHEMA taken").await;
            for sql in SHOP {
                db.run(sql).await;
            }
            db.run(&format!("CREATE {name}{is}")).await;
            let plan = planned(&mut db, sql).await;
            let first = Plan { steps: plan.steps[..steps].to_vec(), verify: Vec::new(), ..plan.clone() };
            done(go(&mut db, &first).await, sql);
            let again = planned(&mut db, sql).await;
            assert_eq!(again.steps, plan.steps, "{theirs}: after {steps} steps");
            let stays = steps < 2;
            if !stays {
                // What was begun goes on under the names it has.
                db.run(&format!("DROP {theirs}")).await;
                let again = planned(&mut db, sql).await;
                assert_eq!(again.steps, plan.steps, "{theirs}: is gone");
            }
            done(go(&mut db, &again).await, sql);
            let left = db.one(LEFT).await;
            assert_eq!(left, if stays { "1" } else { "0" }, "{theirs}: after {steps} steps");
        }
    }
    keys_renamed_meanwhile(&mut db).await;
    db.run("DROP SCHEMA taken CASCADE").await;
}

const LEFT: &str = "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'taken'::regnamespace AND relname LIKE 'lockkeeper%') \
    + (SELECT count(*) FROM pg_proc WHERE pronamespace = 'taken'::regnamespace) \
    + (SELECT count(*) FROM pg_type WHERE typnamespace = 'taken'::regnamespace AND typtype = 'e')";

#[track_caller]
fn done(outcome: Outcome, sql: &str) {
    assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
}

/// Somebody renames the key past the gateway: the application's writes neither fail nor are missed.
async fn keys_renamed_meanwhile(db: &mut Wire) {
    for steps in [2, 3] {
        let plan = planned(db, "CLUSTER t").await;
        let first = Plan { steps: plan.steps[..steps].to_vec(), verify: Vec::new(), ..plan.clone() };
        done(go(db, &first).await, "CLUSTER t");
        for sql in [
            "ALTER TABLE t RENAME id TO z",
            "INSERT INTO t (z, b) VALUES (1000, 1)",
            "UPDATE t SET z = 1001, b = 2 WHERE z = 1",
            "UPDATE t SET b = 3 WHERE z = 2",
            "DELETE FROM t WHERE z = 3",
            "ALTER TABLE t RENAME z TO id",
        ] {
            db.run(sql).await;
        }
        done(go(db, &plan).await, "CLUSTER t");
        let rows = "SELECT string_agg(concat(id, '-', b), ' ' ORDER BY id) FROM t WHERE id IN (1, 2, 3, 1000, 1001)";
        assert_eq!(db.one(rows).await, "2-3 1000-1 1001-2");
        db.run("TRUNCATE t").await;
        db.run("INSERT INTO t SELECT n, n FROM generate_series(1, 300) n").await;
    }
    let plan = planned(db, "CLUSTER t").await;
    let first = Plan { steps: plan.steps[..2].to_vec(), verify: Vec::new(), ..plan.clone() };
    done(go(db, &first).await, "CLUSTER t");
    // Nothing can be had of what is gone, and nobody fails by it.
    db.run("ALTER TABLE t DROP id").await;
    db.run("INSERT INTO t (b) VALUES (1)").await;
    db.run("DELETE FROM t WHERE b = 1").await;
}
