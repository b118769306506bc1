//! Foreign keys that refer to a table that is copied: they come out as they were, and their tables are locked no longer
//! than the table itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockkeeper::kernel::plan::{Action, Step};
use lockkeeper::shell::executor::{Outcome, Progress};

use crate::cluster::Cluster;
use crate::compact::done;
use crate::copy::{CATALOG, beginning, copy_of_shop, planned};
use crate::run::{go, go_with, limits};
use crate::wire::Wire;
use crate::{offered, session};

/// Tables that refer to `t`, and itself.
pub(crate) const SHOP: &[&str] = &[
    "CREATE UNIQUE INDEX t_pair ON t (place, id)",
    "CREATE UNIQUE INDEX t_again ON t (id, place)",
    "CREATE TABLE child (id int PRIMARY KEY, t_id int CONSTRAINT z_of_t REFERENCES t ON UPDATE CASCADE ON DELETE CASCADE, place int, \
     other int CONSTRAINT a_of_t REFERENCES t (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, third int)",
    "INSERT INTO child SELECT id, id, place, id, -1 FROM t",
    "ALTER TABLE child ADD CONSTRAINT \"Of Both\" FOREIGN KEY (t_id, place) REFERENCES t (id, place) MATCH FULL",
    "ALTER TABLE child ADD CONSTRAINT not_all FOREIGN KEY (third) REFERENCES t ON DELETE RESTRICT NOT VALID",
    "ALTER TABLE t ADD up int CONSTRAINT of_itself REFERENCES t ON DELETE SET DEFAULT",
    "COMMENT ON CONSTRAINT of_itself ON t IS 'itself'",
    "COMMENT ON CONSTRAINT a_of_t ON child IS 'foreign key of another'",
    "CREATE SCHEMA \"Other\"",
    "CREATE TABLE \"Other\".\"The children\" (id int PRIMARY KEY REFERENCES t DEFERRABLE, of_customer int REFERENCES customer)",
    "INSERT INTO \"Other\".\"The children\" VALUES (1, 1), (2, 2)",
    "ALTER TABLE \"Other\".\"The children\" ADD CONSTRAINT later FOREIGN KEY (of_customer) REFERENCES customer NOT VALID",
    "CREATE TABLE grandchild (extra text) INHERITS (child)",
];

/// What is not copied, and a word of why.
pub(crate) const NOT: &[(&str, &str)] = &[
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE TABLE other (id int REFERENCES no)",
        "foreign key other_id_fkey of copy_not.other refers to it, and the server refuses that of a logged table",
    ),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE TABLE other (id int REFERENCES no) PARTITION BY LIST (id)",
        "it is of a partitioned table",
    ),
    (
        "CREATE TABLE no (id int PRIMARY KEY); CREATE UNLOGGED TABLE other (id int REFERENCES no); ALTER TABLE other DISABLE TRIGGER ALL",
        "are disabled",
    ),
    ("CREATE TABLE no (id int PRIMARY KEY, up int REFERENCES no); ALTER TABLE no DISABLE TRIGGER ALL", "are disabled"),
    (
        "CREATE TABLE no (id int NOT NULL); CREATE UNIQUE INDEX no_old ON no (id); CREATE UNLOGGED TABLE other (id int REFERENCES no (id)); \
         ALTER TABLE no ADD PRIMARY KEY (id)",
        "refers to it by index no_old, and would go by no_pkey",
    ),
];

/// A logged table cannot refer to an unlogged one.
pub(crate) const UNLOGGED: &[&str] = &[
    "ALTER TABLE child SET UNLOGGED",
    "ALTER TABLE grandchild SET UNLOGGED",
    "ALTER TABLE \"Other\".\"The children\" SET UNLOGGED",
    "ALTER TABLE t SET UNLOGGED",
];

/// Tables that refer to the one which others write, and to its twin.
pub(crate) const BUSY: &[&str] = &[
    "CREATE UNLOGGED TABLE t_child (id int PRIMARY KEY, t_id int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE, a int, \
         second int CONSTRAINT second REFERENCES t ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)",
    "CREATE UNLOGGED TABLE twin_child (id int PRIMARY KEY, t_id int REFERENCES twin ON DELETE CASCADE ON UPDATE CASCADE, a int, \
         second int CONSTRAINT second REFERENCES twin ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)",
    "INSERT INTO t_child SELECT -id, id, 0, id FROM t WHERE id % 2 = 0",
    "INSERT INTO twin_child TABLE t_child",
    "CREATE INDEX ON t_child (t_id)",
    "CREATE INDEX ON t_child (second)",
    "CREATE INDEX ON twin_child (t_id)",
    "CREATE INDEX ON twin_child (second)",
    "ANALYZE",
];

pub(crate) async fn all(cluster: &Cluster, admin: &mut Wire) {
    says_what_is_left(cluster).await;
    needs_rights_of_both(cluster).await;
    waits_for_all_of_them_no_longer_than_for_one(cluster).await;
    others_change_what_refers_to_it(cluster, admin).await;
}

/// Foreign keys that refer to the table are a part of what it is.
async fn others_change_what_refers_to_it(cluster: &Cluster, admin: &mut Wire) {
    for change in [
        "ALTER TABLE child DROP CONSTRAINT a_of_t",
        "ALTER TABLE grandchild ADD FOREIGN KEY (t_id) REFERENCES t",
        "UPDATE child SET third = NULL; ALTER TABLE child VALIDATE CONSTRAINT not_all",
        "ALTER TABLE child ALTER CONSTRAINT a_of_t NOT DEFERRABLE",
        "ALTER TABLE child RENAME third TO fourth",
        "ALTER TABLE child RENAME TO kid",
        "ALTER TABLE child SET SCHEMA \"Other\"",
        "ALTER TABLE child DISABLE TRIGGER ALL",
        "COMMENT ON CONSTRAINT a_of_t ON child IS 'another word'",
    ] {
        let mut db = copy_of_shop(cluster, admin).await;
        let plan = planned(&mut db, "CLUSTER t USING t_place").await;
        let cut_over = plan.steps.iter().position(|step| step.name == "cut over").unwrap();
        done(go(&mut db, &beginning(&plan, cut_over)).await);
        for sql in change.split("; ") {
            db.run(sql).await;
        }
        let before = db.run(CATALOG).await;
        let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("{change}: it ran") };
        let words = stopped.error.to_string();
        assert!(
            words.contains("has changed since its copy was planned") || words.contains("does not exist"),
            "{change}: {words}"
        );
        assert_eq!(db.run(CATALOG).await, before, "{change}");
    }
}

/// Rows that nobody checked were there before: the copy stands, and what is left to prove can be run as it is told.
async fn says_what_is_left(cluster: &Cluster) {
    let mut db = session(cluster, "copy_orphans").await;
    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY)",
        "INSERT INTO t SELECT generate_series(1, 100)",
        "CREATE TABLE child (id int PRIMARY KEY, a int CONSTRAINT first REFERENCES t, b int CONSTRAINT \"Second\" REFERENCES t)",
        "SET session_replication_role = replica",
        "INSERT INTO child VALUES (1, 777, 1)",
        "RESET session_replication_role",
    ] {
        db.run(sql).await;
    }
    let plan = planned(&mut db, "CLUSTER t USING t_pkey").await;
    let Outcome::Failed(_, stopped) = go(&mut db, &plan).await else { panic!("an orphan was proven") };
    assert_eq!(stopped.error.code(), Some("23503"), "{stopped:?}");
    assert!(stopped.state.contains("cut over"), "{stopped:?}");
    db.run("DELETE FROM child").await;
    let (_, left) = stopped.way_on.split_once("run what is left: ").expect("what is left");
    for sql in left.trim_end_matches(';').split("; ") {
        db.run(sql).await;
    }
    assert_eq!(
        db.one("SELECT count(*) FROM pg_constraint WHERE confrelid = 't'::regclass AND convalidated").await,
        "2"
    );
}

/// Their tables are altered too.
async fn needs_rights_of_both(cluster: &Cluster) {
    let mut db = session(cluster, "copy_rights").await;
    for sql in [
        "GRANT ALL ON SCHEMA copy_rights TO copy_owner",
        "CREATE TABLE t (id int PRIMARY KEY, a int)",
        "CREATE INDEX t_a ON t (a)",
        "CREATE TABLE child (id int REFERENCES t)",
        "INSERT INTO t VALUES (1, 1)",
        "ALTER TABLE t OWNER TO copy_owner",
        "SET ROLE copy_owner",
    ] {
        db.run(sql).await;
    }
    let words = offered(&mut db, "CLUSTER t USING t_a").await.expect_err("rights");
    assert!(words.contains("does not have the rights of that table's owner"), "{words}");
    for sql in [
        "RESET ROLE",
        "ALTER TABLE child OWNER TO copy_owner",
        "CREATE SCHEMA copy_closed",
        "ALTER TABLE child SET SCHEMA copy_closed",
        "SET ROLE copy_owner",
    ] {
        db.run(sql).await;
    }
    let words = offered(&mut db, "CLUSTER t USING t_a").await.expect_err("schema");
    assert!(words.contains("foreign key child_id_fkey of copy_closed.child"), "{words}");
    for sql in ["RESET ROLE", "GRANT USAGE ON SCHEMA copy_closed TO copy_owner", "SET ROLE copy_owner"] {
        db.run(sql).await;
    }
    let plan = planned(&mut db, "CLUSTER t USING t_a").await;
    assert!(plan.summary.contains("by which copy_closed.child refers to it"), "{}", plan.summary);
    let also: Vec<String> = plan.steps.iter().map(Step::lock_words).collect();
    assert!(also.contains(&"ACCESS EXCLUSIVE, also on copy_closed.child".to_owned()), "{also:?}");
    done(go(&mut db, &plan).await);
    assert_eq!(
        db.one("SELECT convalidated FROM pg_constraint WHERE conname = 'child_id_fkey' AND confrelid = 't'::regclass")
            .await,
        "t"
    );
    db.run("RESET ROLE").await;
    db.run("DROP SCHEMA copy_rights, copy_closed CASCADE").await;
}

/// Who holds one of them is waited for without a place in the queue, and named. Then the waits share one time.
async fn waits_for_all_of_them_no_longer_than_for_one(cluster: &Cluster) {
    let mut db = session(cluster, "copy_waits").await;
    for sql in [
        "CREATE TABLE t (id int PRIMARY KEY, a int)",
        "CREATE INDEX t_a ON t (a)",
        "CREATE TABLE one (id int REFERENCES t)",
        "CREATE TABLE two (id int REFERENCES t)",
        "INSERT INTO t VALUES (1, 1)",
    ] {
        db.run(sql).await;
    }
    let plan = planned(&mut db, "CLUSTER t USING t_a").await;
    let cut_over = plan.steps.iter().position(|step| step.name == "cut over").unwrap();
    done(go(&mut db, &beginning(&plan, cut_over)).await);
    let Action::Together { statements } = &plan.steps[cut_over].action else { panic!("{:?}", plan.steps[cut_over]) };
    for sql in ["BEGIN", "SET LOCAL lock_timeout = '100s'", &statements[0]] {
        db.run(sql).await;
    }
    let left = db.one("SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'").await;
    assert!((1..100_000).contains(&left.parse::<u32>().unwrap()), "{left}");
    let locked = "SELECT string_agg(relation::regclass::text, ' ' ORDER BY relation::regclass::text) FROM pg_locks WHERE mode = 'AccessExclusiveLock' \
                  AND pid = pg_backend_pid()";
    assert_eq!(db.one(locked).await, "one t two");
    db.run("ROLLBACK").await;
    let mut holder = session(cluster, "copy_waits").await;
    let pid = holder.one("SELECT pg_backend_pid()").await.parse::<i32>().unwrap();
    holder.run("BEGIN").await;
    holder.run("SELECT count(*) FROM two").await;
    let (named, heard) = tokio::sync::oneshot::channel();
    let mut named = Some(named);
    let ends = tokio::spawn(async move {
        let queue = heard.await.unwrap();
        holder.run("COMMIT").await;
        queue
    });
    let mut tell = |progress| {
        let Progress::Retrying { queue, .. } = progress else { return };
        if let Some(named) = named.take() {
            named.send(queue).unwrap();
        }
    };
    done(go_with(&mut db, &plan, &limits(), &mut tell).await);
    let queue: lockkeeper::kernel::plan::queue::LockQueue = ends.await.unwrap();
    assert_eq!(queue.table, "copy_waits.t, copy_waits.one, copy_waits.two");
    assert_eq!(queue.holders.iter().map(|one| one.pid).collect::<Vec<_>>(), [Some(pid)], "{queue:?}");
}

/// The same for a table that refers to it, and one that refers to its twin.
pub(crate) fn writer(mut db: Wire, stop: &Arc<AtomicBool>, round: u64) -> tokio::task::JoinHandle<u64> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut count = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            count += 1;
            let new = round * 1_000_000 + count;
            let parent = count * 6133 % 60_000;
            let change = match count % 4 {
                0 => format!("DELETE FROM $_child WHERE id = {}", new - 3),
                1 => format!("UPDATE $_child SET a = a + 1 WHERE t_id BETWEEN {parent} AND {parent} + 50"),
                2 => format!("UPDATE $_child SET t_id = NULL WHERE id = {}", new - 5),
                _ => format!(
                    "INSERT INTO $_child SELECT {new}, id, 0, id FROM $ WHERE id >= {parent} ORDER BY id LIMIT 1 FOR KEY SHARE"
                ),
            };
            // Both parents are locked before either child is written: another writer locks them in that order, too.
            let first = format!("SELECT FROM t WHERE id = {parent} FOR KEY SHARE");
            for sql in ["BEGIN", &first, &change.replace('$', "t"), &change.replace('$', "twin"), "COMMIT"] {
                db.run(sql).await;
            }
            db.log.clear();
        }
        count
    })
}

/// They hold the same rows, refer to rows that are there, and are proven to.
pub(crate) async fn are_as_the_twins(db: &mut Wire, sql: &str) {
    let differ = "SELECT count(*) FROM ((TABLE t_child EXCEPT ALL TABLE twin_child) UNION ALL (TABLE twin_child EXCEPT ALL TABLE t_child)) d";
    assert_eq!(db.one(differ).await, "0", "{sql}");
    let orphans = "SELECT count(*) FROM t_child c WHERE NOT EXISTS (SELECT FROM t WHERE t.id = c.t_id) AND t_id IS NOT NULL \
                       OR NOT EXISTS (SELECT FROM t WHERE t.id = c.second) AND second IS NOT NULL";
    assert_eq!(db.one(orphans).await, "0", "{sql}");
    let proven = "SELECT count(*) FROM pg_constraint WHERE confrelid = 't'::regclass AND convalidated";
    assert_eq!(db.one(proven).await, "2", "{sql}");
}
