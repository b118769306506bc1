//! A prepared transaction has no process: one that is in the way is told by its name.

use lockkeeper::kernel::plan::queue::LockQueue;
use lockkeeper::kernel::plan::{Action, Mode};
use lockkeeper::shell::executor::Progress;

use crate::cluster::Cluster;
use crate::compact::done;
use crate::plans::{plan, sql};
use crate::run::{go_with, limits};
use crate::session;

pub(crate) async fn is_named(cluster: &Cluster) {
    let mut db = session(cluster, "prepared").await;
    let change = plan("prepared.t", vec![sql("run", "ALTER TABLE t ADD COLUMN b int", Mode::Brief)]);
    let build = "CREATE INDEX CONCURRENTLY t_a ON t (a)";
    let mut built = plan("prepared.t", vec![sql("build", build, Mode::NoTransaction)]);
    for step in &mut built.steps {
        let (leftover, cleanup) = ("SELECT false".to_owned(), "DROP INDEX CONCURRENTLY IF EXISTS t_a".to_owned());
        step.action = Action::BuildIndex { sql: build.to_owned(), leftover, cleanup };
    }
    db.run("CREATE TABLE t (a int)").await;
    for plan in [change, built] {
        for sql in [
            "BEGIN",
            "INSERT INTO t VALUES (1)",
            "SAVEPOINT s",
            "INSERT INTO t VALUES (2)",
            "PREPARE TRANSACTION 'in the way'",
        ] {
            db.run(sql).await;
        }
        let mut other = session(cluster, "prepared").await;
        let (named, heard) = tokio::sync::oneshot::channel();
        let mut named = Some(named);
        let ends = tokio::spawn(async move {
            let queue: LockQueue = heard.await.unwrap();
            other.run("ROLLBACK PREPARED 'in the way'").await;
            queue
        });
        let mut tell = |progress| {
            let (Progress::Retrying { queue, .. } | Progress::WaitingForSnapshots { queue }) = progress else { return };
            if let Some(named) = named.take() {
                named.send(queue).unwrap();
            }
        };
        done(go_with(&mut db, &plan, &limits(), &mut tell).await);
        let holders = ends.await.unwrap().holders;
        let told: Vec<String> = holders.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["a prepared transaction 'in the way' of postgres (see pg_prepared_xacts)"]);
    }
}
