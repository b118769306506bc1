//! Undoing a plan after names have changed.

use lockkeeper::kernel::plan::undo;
use lockkeeper::shell::executor::Outcome;

use crate::cluster::Cluster;
use crate::run::go;
use crate::undo::{CATALOG, planned};
use crate::wire::Wire;

/// What has another name by now, or whose name something else has, is not taken back, and it is said.
pub(crate) async fn all(cluster: &Cluster, admin: &mut Wire) {
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("CREATE INDEX i ON orders (amount)", &["ALTER INDEX i RENAME TO j"], &["ALTER INDEX j RENAME TO i"]),
        (
            "ALTER TABLE orders ADD CONSTRAINT one CHECK (amount >= 0), ADD CONSTRAINT two CHECK (amount < 5000)",
            &["ALTER TABLE orders RENAME CONSTRAINT two TO three"],
            &["ALTER TABLE orders RENAME CONSTRAINT three TO two"],
        ),
        (
            "ALTER TABLE orders ADD q uuid DEFAULT gen_random_uuid()",
            &["ALTER TABLE orders RENAME TO was", "CREATE TABLE orders (id int, q uuid)"],
            &["DROP TABLE orders", "ALTER TABLE was RENAME TO orders"],
        ),
        (
            "ALTER TABLE orders ADD q uuid DEFAULT gen_random_uuid()",
            &["ALTER TABLE orders RENAME TO was"],
            &["ALTER TABLE was RENAME TO orders"],
        ),
    ];
    for (sql, away, again) in cases {
        admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
        let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
        let oid: u32 = db.one("SELECT 'orders'::regclass::oid").await.parse().unwrap();
        let before = db.run(CATALOG).await;
        let plan = planned(&mut db, sql).await;
        let outcome = go(&mut db, &plan).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
        let done: Vec<usize> = (0..plan.steps.len()).collect();
        let back = undo::plan(&plan, &done).unwrap();
        let back = undo::bound_to(back, [(oid, "public.orders")].into_iter(), false);
        for sql in away {
            db.run(sql).await;
        }
        let there = db.run(CATALOG).await;
        let outcome = go(&mut db, &back).await;
        let Outcome::Failed(_, stopped) = &outcome else { panic!("{sql}: {outcome:?}") };
        assert_eq!(stopped.error.code(), Some("55000"), "{stopped:?}");
        assert_eq!(db.run(CATALOG).await, there, "{sql}");
        for sql in again {
            db.run(sql).await;
        }
        let outcome = go(&mut db, &back).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
        assert_eq!(db.run(CATALOG).await, before, "{sql}");
        drop(db);
        admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
    }
}
