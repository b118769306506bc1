//! What it costs to open a session, and to keep a thousand of them idle.

use crate::cluster::Cluster;
use crate::settings::Plan;
use crate::subject::{Kind, Subject};
use crate::wire::Wire;
use crate::{Outcome, pgbench};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 3;
const FEW: usize = 100;
const SETTLE: Duration = Duration::from_millis(500);

/// Opening and closing sessions one after the other.
#[derive(Clone, Debug)]
pub struct Rate {
    pub kind: Kind,
    pub per_second: Vec<f64>,
    pub cpu_us: Vec<f64>,
}

/// Sessions that have answered one statement and then keep silent.
#[derive(Clone, Debug)]
pub struct Idle {
    pub kind: Kind,
    pub sessions: usize,
    pub kib_at_start: f64,
    pub kib_at_few: f64,
    pub kib_at_all: f64,
}

impl Idle {
    /// KiB of resident memory per session, between one hundred and all of them.
    pub fn kib_each(&self) -> f64 {
        (self.kib_at_all - self.kib_at_few) / (self.sessions - FEW) as f64
    }
}

/// Opens and closes sessions through every subject in turns.
pub fn rate(subjects: &[Subject], plan: &Plan) -> Outcome<Vec<Rate>> {
    let mut rates: Vec<Rate> = subjects
        .iter()
        .map(|subject| Rate { kind: subject.kind, per_second: Vec::new(), cpu_us: Vec::new() })
        .collect();
    for _ in 0..ROUNDS {
        for (subject, rate) in subjects.iter().zip(&mut rates) {
            let before = subject.cpu()?;
            let start = Instant::now();
            for _ in 0..plan.connections {
                Wire::connect(subject.port, pgbench::DATABASE)?.close()?;
            }
            let count = f64::from(plan.connections);
            rate.per_second.push(count / start.elapsed().as_secs_f64());
            let spent = subject.cpu()?.saturating_sub(before).as_secs_f64();
            rate.cpu_us.push(spent * 1e6 / count);
        }
    }
    Ok(rates)
}

/// Holds many idle sessions on every proxy, one proxy after the other.
pub fn idle(cluster: &Cluster, subjects: &[Subject], plan: &Plan) -> Outcome<Vec<Idle>> {
    let mut all = Vec::new();
    for subject in subjects {
        let Some(process) = &subject.process else {
            continue;
        };
        let kib_at_start = process.resident_kib()?;
        let mut held = Vec::new();
        open(subject, FEW, &mut held)?;
        let kib_at_few = process.resident_kib()?;
        open(subject, plan.idle, &mut held)?;
        let kib_at_all = process.resident_kib()?;
        all.push(Idle { kind: subject.kind, sessions: plan.idle, kib_at_start, kib_at_few, kib_at_all });
        for wire in held {
            wire.close()?;
        }
        emptied(cluster)?;
    }
    Ok(all)
}

fn open(subject: &Subject, wanted: usize, held: &mut Vec<Wire>) -> Outcome<()> {
    while held.len() < wanted {
        let mut wire = Wire::connect(subject.port, pgbench::DATABASE)?;
        wire.query("SELECT 1")?.must()?;
        held.push(wire);
    }
    std::thread::sleep(SETTLE);
    Ok(())
}

/// Waits a little until Postgres has let the sessions go; a pooler keeps its own.
fn emptied(cluster: &Cluster) -> Outcome<()> {
    let count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'";
    for _ in 0..30 {
        let left: u32 = cluster.run(pgbench::DATABASE, &[count])?.parse()?;
        if left < 50 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
