//! SET TABLESPACE of an index, done CONCURRENTLY: what is left is what the statement would have left. An index that is
//! dropped and built again is where it was.

use crate::cluster::Cluster;
use crate::compact::done;
use crate::run::go;
use crate::{offered, session};
use lockkeeper::kernel::plan::undo;

/// From 15 a tablespace needs no folder of its own.
pub(crate) async fn all(cluster: &Cluster) {
    if cluster.major < 15 {
        return;
    }
    let mut db = session(cluster, "elsewhere").await;
    for sql in [
        "SET allow_in_place_tablespaces = on",
        "CREATE TABLESPACE \"Fast One\" LOCATION ''",
        "CREATE TABLE t (id int PRIMARY KEY, a int)",
        "INSERT INTO t SELECT n, n FROM generate_series(1, 2000) n",
        "CREATE UNIQUE INDEX t_a ON t (a) WITH (fillfactor = 80)",
    ] {
        db.run(sql).await;
    }
    let there = "SELECT string_agg(c.relname || reltablespace || pg_get_indexdef(c.oid) || coalesce(reloptions::text, '') \
                 || indisvalid || indisprimary || coalesce(k.conname, ''), ',' ORDER BY relname) \
                 FROM pg_class c JOIN pg_index ON indexrelid = c.oid LEFT JOIN pg_constraint k ON k.conindid = c.oid \
                 WHERE indrelid = 't'::regclass";
    for index in ["t_a", "t_pkey"] {
        let sql = format!("ALTER INDEX {index} SET TABLESPACE \"Fast One\"");
        let plan = offered(&mut db, &sql).await.unwrap();
        let report = done(go(&mut db, &plan).await);
        assert_eq!(report.steps.len(), 1);
        let safe = db.one(there).await;
        db.run(&format!("ALTER INDEX {index} SET TABLESPACE pg_default")).await;
        db.run(&sql).await;
        assert_eq!(db.one(there).await, safe, "{index}");
    }
    db.run("CREATE INDEX t_part ON t (a) INCLUDE (id) TABLESPACE \"Fast One\" WHERE a > 5").await;
    let before = db.one(there).await;
    for sql in ["DROP INDEX t_a", "DROP INDEX t_part", "ALTER TABLE t DROP CONSTRAINT t_pkey"] {
        let plan = offered(&mut db, sql).await.unwrap();
        let report = done(go(&mut db, &plan).await);
        assert_ne!(db.one(there).await, before, "{sql}");
        let every: Vec<usize> = (0..report.steps.len()).collect();
        done(go(&mut db, &undo::plan(&plan, &every).unwrap()).await);
        assert_eq!(db.one(there).await, before, "{sql}");
    }
}
