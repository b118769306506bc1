//! One change under traffic, by one way, with its own baseline before it.

use crate::cluster::Cluster;
use crate::stall::changes::Change;
use crate::stall::traffic::{Shape, Stretch, Traffic, stretch};
use crate::stall::{Options, Way, table};
use crate::wire::{Answer, Wire};
use crate::{Fault, Outcome};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_secs(2);
/// Locks of a change that failed may be let go a little after its answer.
const AFTER: Duration = Duration::from_millis(500);

/// What a change did to the traffic.
#[derive(Debug, Default)]
pub struct Ran {
    pub baseline: Stretch,
    pub during: Stretch,
    pub change_s: f64,
    /// The command tag, or the error.
    pub answer: String,
    pub notices: Vec<String>,
    /// Whether the catalog shows that the change was made.
    pub proven: bool,
    /// Statements of the application that failed, and the first of them.
    pub failed: usize,
    pub first_failure: Option<String>,
}

impl Ran {
    /// Longest stall above the baseline: the run's own, or `usual` where that is smaller,
    /// so that a disturbance of the machine during the baseline hides nothing.
    pub fn excess_ms(&self, usual: f64) -> f64 {
        let baseline = self.baseline.longest_ms().min(usual);
        (self.during.longest_ms() - baseline).max(0.0)
    }

    /// Throughput during the change, as a share of the baseline's.
    pub fn kept(&self) -> f64 {
        self.during.per_second / self.baseline.per_second.max(1.0)
    }
}

/// Runs `change` through `port` on a fresh copy of the table.
pub fn once(cluster: &Cluster, port: u16, change: &Change, options: &Options) -> Outcome<Ran> {
    let shape = Shape {
        port: match options.traffic {
            Way::Same => port,
            Way::Direct => cluster.port(),
        },
        readers: options.readers,
        rows: options.rows,
        pause: Duration::from_millis(options.pause_ms),
    };
    let act = || {
        let reader = match change.long_reader {
            true => Some(long_reader(cluster.port(), options.reader_s)?),
            false => None,
        };
        Ok((make(port, change, options.limit_s), reader))
    };
    table::copy(cluster)?;
    cluster.run(table::DATABASE, change.before)?;
    under_traffic(cluster, shape, options.baseline_s, change.proof, act)
}

/// Does something on the copy of the table, which goes away afterwards, while readers and writers are on it.
pub fn under_traffic(
    cluster: &Cluster,
    shape: Shape,
    baseline_s: u64,
    proof: &str,
    act: impl FnOnce() -> Outcome<(Outcome<Answer>, Option<Reader>)>,
) -> Outcome<Ran> {
    let traffic = Traffic::start(shape)?;
    std::thread::sleep(WARM_UP);
    let baseline_start = Instant::now();
    std::thread::sleep(Duration::from_secs(baseline_s));
    let baseline_end = Instant::now();
    let start = Instant::now();
    let (outcome, reader) = act()?;
    let end = Instant::now();
    std::thread::sleep(AFTER);
    let heard = traffic.stop()?;
    if let Some(reader) = reader {
        reader.join().map_err(|_| Fault::from("the long reader failed"))??;
    }
    let (answer, notices) = match outcome {
        Ok(answer) => (answer.error.unwrap_or(answer.tag), answer.notices),
        Err(fault) => (format!("no answer: {fault}"), Vec::new()),
    };
    let proof = cluster.run(table::DATABASE, &[proof]);
    table::drop_copy(cluster)?;
    Ok(Ran {
        baseline: stretch(&heard.samples, baseline_start, baseline_end),
        during: stretch(&heard.samples, start, end),
        change_s: (end - start).as_secs_f64(),
        answer,
        notices,
        proven: proof.is_ok_and(|value| value == "t"),
        failed: heard.errors.len(),
        first_failure: heard.errors.into_iter().next(),
    })
}

/// A transaction that stands in the way, until it ends.
type Reader = JoinHandle<Outcome<()>>;

fn make(port: u16, change: &Change, limit_s: u64) -> Outcome<Answer> {
    let mut wire = Wire::connect(port, table::DATABASE)?;
    wire.limit(Duration::from_secs(limit_s))?;
    wire.query(change.sql)
}

/// Opens a transaction that has read the table, and ends it after a while.
fn long_reader(port: u16, seconds: u64) -> Outcome<Reader> {
    let mut wire = Wire::connect(port, table::DATABASE)?;
    wire.query("BEGIN")?.must()?;
    wire.query("SELECT id FROM orders LIMIT 1")?.must()?;
    Ok(std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        wire.query("COMMIT")?.must()?;
        wire.close()
    }))
}
