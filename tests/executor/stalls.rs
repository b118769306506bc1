//! How long readers and writers of a table of a million rows wait while each plan runs. Run with
//! `LOCKKEEPER_STALLS=1`; the figures are printed, and the worst may not pass the bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockkeeper::kernel::plan::Plan;
use lockkeeper::shell::executor::{Control, Limits, Outcome, Past, Progress, run};

use crate::cluster::Cluster;
use crate::plans::{add_check, add_column, index};
use crate::session;
use crate::wire::Wire;

/// Or as many as `LOCKKEEPER_STALLS` says, if that is more than 1.
const ROWS: u64 = 1_000_000;
/// Generous, for machines that are noisy; the figures printed are what counts.
const BOUND: Duration = Duration::from_millis(400);

pub(crate) async fn all(cluster: &Cluster) {
    let said = std::env::var("LOCKKEEPER_STALLS").ok().and_then(|text| text.parse().ok());
    let rows: u64 = said.filter(|rows| *rows > 1).unwrap_or(ROWS);
    let mut db = session(cluster, "stall").await;
    db.run("CREATE TABLE t (id bigint PRIMARY KEY, v text, n int NOT NULL DEFAULT 0)").await;
    db.run(&format!("INSERT INTO t SELECT n, md5(n::text) FROM generate_series(1, {rows}) n")).await;
    db.run("VACUUM ANALYZE t").await;
    measure(cluster, &mut db, "nothing", None).await;
    for (name, plan) in [
        ("CREATE INDEX", index("stall.t", "UNIQUE", "v, id")),
        ("ADD CHECK", add_check("stall.t", "n >= 0")),
        ("ADD COLUMN", add_column("stall.t", rows)),
    ] {
        measure(cluster, &mut db, name, Some(plan)).await;
    }
}

async fn measure(cluster: &Cluster, db: &mut Wire, name: &str, plan: Option<Plan>) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for sql in [
        "SELECT v FROM t WHERE id = (SELECT 1 + (random() * 999999)::int)",
        // Hot rows: everybody writes the same hundred.
        "UPDATE t SET n = n + 1 WHERE id = (SELECT 1 + (random() * 99)::int * 1000)",
    ] {
        let (stop, mut other) = (stop.clone(), session(cluster, "stall").await);
        readers.push(tokio::spawn(async move {
            let (mut worst, mut count) = (Duration::ZERO, 0_u32);
            while !stop.load(Ordering::Relaxed) {
                let started = Instant::now();
                other.run(sql).await;
                other.log.clear();
                worst = worst.max(started.elapsed());
                count += 1;
            }
            (worst, count)
        }));
    }
    let started = Instant::now();
    match plan {
        None => tokio::time::sleep(Duration::from_secs(3)).await,
        Some(plan) => {
            let mut last = None;
            let mut tell = |progress| {
                if let Progress::Backfill { .. } = &progress {
                    last = Some(progress);
                }
            };
            let outcome = run(db, (&plan, &Past::default()), &Limits::default(), &Control::default(), &mut tell).await;
            let Outcome::Done(report) = outcome else { panic!("{outcome:?}") };
            let steps: Vec<String> = report.steps.iter().map(|s| format!("{} {} ms", s.name, s.ms)).collect();
            println!("  {name}: {}; {last:?}", steps.join(", "));
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let mut worst = Vec::new();
    for reader in readers {
        worst.push(reader.await.unwrap());
    }
    println!(
        "  {name}: {seconds:.1} s; worst read {:.1} ms ({:.0}/s), worst hot write {:.1} ms ({:.0}/s)",
        worst[0].0.as_secs_f64() * 1000.0,
        f64::from(worst[0].1) / seconds,
        worst[1].0.as_secs_f64() * 1000.0,
        f64::from(worst[1].1) / seconds,
    );
    assert!(worst.iter().all(|(time, _)| *time < BOUND), "{name}: {worst:?}");
}
