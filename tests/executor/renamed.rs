//! Undoing a plan after names have changed.

use lockkeeper::kernel::plan::undo::{self, Bounds};
use lockkeeper::kernel::plan::{Plan, Step};
use lockkeeper::kernel::sql::statement::LockMode;
use lockkeeper::shell::executor::{Control, Entry, Ledger, Outcome, Past, Written, go_on};

use crate::cluster::Cluster;
use crate::run::{go, limits};
use crate::undo::{CATALOG, planned};
use crate::wire::Wire;

/// A statement, what happens to names after it, and what brings them back.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
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
    (
        "ALTER TABLE orders ADD q uuid DEFAULT gen_random_uuid()",
        &["ALTER TABLE orders RENAME q TO was", "ALTER TABLE orders ADD q uuid DEFAULT gen_random_uuid()"],
        &["ALTER TABLE orders DROP q", "ALTER TABLE orders RENAME was TO q"],
    ),
    (
        "CREATE INDEX ix ON orders (amount)",
        &["ALTER INDEX ix RENAME TO was", "CREATE INDEX ix ON orders (status)"],
        &["DROP INDEX ix", "ALTER INDEX was RENAME TO ix", "REINDEX INDEX CONCURRENTLY ix"],
    ),
    (
        "CREATE INDEX ix ON orders (amount)",
        &["ALTER INDEX ix RENAME TO was", "CREATE INDEX ix ON orders (amount)"],
        &["DROP INDEX was"],
    ),
    (
        "ALTER TABLE orders ADD CONSTRAINT ck CHECK (amount >= 0)",
        &["ALTER TABLE orders DROP CONSTRAINT ck", "ALTER TABLE orders ADD CONSTRAINT ck CHECK (id > 0)"],
        &[
            "ALTER TABLE orders DROP CONSTRAINT ck",
            "ALTER TABLE orders ADD CONSTRAINT ck CHECK (amount >= 0) NOT VALID",
        ],
    ),
    (
        "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (id, amount)",
        &["ALTER TABLE orders RENAME CONSTRAINT one TO was", "ALTER TABLE orders ADD CONSTRAINT one UNIQUE (id)"],
        &["ALTER TABLE orders DROP CONSTRAINT one", "ALTER TABLE orders RENAME CONSTRAINT was TO one"],
    ),
    (
        "CREATE TABLE part_4 PARTITION OF part FOR VALUES IN (4)",
        &[
            "ALTER TABLE part DETACH PARTITION part_4",
            "ALTER TABLE part_4 RENAME TO was",
            "CREATE TABLE part_4 PARTITION OF part FOR VALUES IN (4)",
        ],
        &[
            "DROP TABLE part_4",
            "ALTER TABLE was RENAME TO part_4",
            "ALTER TABLE part ATTACH PARTITION part_4 FOR VALUES IN (4)",
        ],
    ),
];

/// Up to 17 NOT NULL is the column's; from 18 on it is a constraint, which has a name of its own.
const NOT_NULL: [Case; 2] = [
    (
        "ALTER TABLE orders ALTER customer_id SET NOT NULL",
        &["ALTER TABLE orders RENAME customer_id TO was", "ALTER TABLE orders ADD customer_id int NOT NULL DEFAULT 1"],
        &["ALTER TABLE orders DROP customer_id", "ALTER TABLE orders RENAME was TO customer_id"],
    ),
    (
        "ALTER TABLE orders ALTER customer_id SET NOT NULL",
        &[
            "ALTER TABLE orders RENAME CONSTRAINT orders_customer_id_not_null TO was_not_null",
            "ALTER TABLE orders RENAME customer_id TO was",
            "ALTER TABLE orders ADD customer_id int NOT NULL DEFAULT 1",
        ],
        &[
            "ALTER TABLE orders DROP customer_id",
            "ALTER TABLE orders RENAME was TO customer_id",
            "ALTER TABLE orders RENAME CONSTRAINT was_not_null TO orders_customer_id_not_null",
        ],
    ),
];

/// What has another name by now, or whose name something else has, is not taken back, and it is said.
pub(crate) async fn all(cluster: &Cluster, admin: &mut Wire) {
    failed_after_a_rename(cluster, admin).await;
    let [before_18, from_18] = &NOT_NULL;
    let not_null = if cluster.major < 18 { before_18 } else { from_18 };
    for (sql, away, again) in CASES.iter().chain([not_null]) {
        admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
        let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
        let oid: u32 = db.one("SELECT 'orders'::regclass::oid").await.parse().unwrap();
        let before = db.run(CATALOG).await;
        let plan = planned(&mut db, sql).await;
        let (outcome, left) = go_noting(&mut db, &plan).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
        let done: Vec<usize> = (0..plan.steps.len()).collect();
        let bounds = Bounds { relations: &[(oid, "public.orders")], left: &left, in_part: false };
        let back = undo::bound_to(&plan, &done, bounds).unwrap();
        for sql in *away {
            db.run(sql).await;
        }
        let there = db.run(CATALOG).await;
        let outcome = go(&mut db, &back).await;
        let Outcome::Failed(_, stopped) = &outcome else { panic!("{sql}: {outcome:?}") };
        assert_eq!(stopped.error.code(), Some("55000"), "{stopped:?}");
        assert_eq!(db.run(CATALOG).await, there, "{sql}");
        for sql in *again {
            db.run(sql).await;
        }
        let outcome = go(&mut db, &back).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{sql}: {outcome:?}");
        assert_eq!(db.run(CATALOG).await, before, "{sql}");
        drop(db);
        admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
    }
}

/// Runs a plan as a job does, and notes what its steps leave.
pub(crate) async fn go_noting(db: &mut Wire, plan: &Plan) -> (Outcome, undo::Left) {
    let mut left = Noted::default();
    let (limits, control) = (limits(), Control::default());
    let ledger = (&Past::default(), &mut left as &mut dyn Ledger);
    let outcome = go_on((db, None), (plan, &limits), &control, &mut |_| {}, ledger).await;
    (outcome, left.0)
}

#[derive(Default)]
struct Noted(undo::Left);

impl Ledger for Noted {
    fn write<'a>(&'a mut self, step: usize, entry: Entry<'a>) -> Written<'a> {
        if let Entry::Left(seen) = entry {
            self.0.insert(step, seen.to_vec());
        }
        Box::pin(async { Ok(()) })
    }
}

/// What a failed plan cannot find under its name is not told as taken back.
async fn failed_after_a_rename(cluster: &Cluster, admin: &mut Wire) {
    admin.run("CREATE DATABASE undo_copy TEMPLATE undo_shop").await;
    let mut db = Wire::connect_to(&cluster.socket(), "postgres", "undo_copy").await;
    let brief = |name: &str, sql: &str| Step::brief(name, sql.to_owned(), LockMode::AccessExclusive);
    let plan = Plan {
        steps: vec![
            brief("expand", "ALTER TABLE public.orders ADD q int")
                .undone_by("ALTER TABLE public.orders DROP COLUMN IF EXISTS q".to_owned()),
            brief("rename", "ALTER TABLE public.orders RENAME q TO was"),
            brief("fill", "UPDATE public.orders SET q = 1"),
        ],
        verify: Vec::new(),
        ..planned(&mut db, "ALTER TABLE orders ADD q uuid DEFAULT gen_random_uuid()").await
    };
    let (outcome, _) = go_noting(&mut db, &plan).await;
    let Outcome::Failed(_, stopped) = &outcome else { panic!("{outcome:?}") };
    assert!(stopped.state.contains("column q of public.orders"), "{stopped:?}");
    assert!(stopped.state.contains("it has another name by now"), "{stopped:?}");
    drop(db);
    admin.run("DROP DATABASE undo_copy WITH (FORCE)").await;
}
