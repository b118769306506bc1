//! Large results and COPY: CPU of the proxy per gigabyte that went through it.

use crate::cluster::Cluster;
use crate::settings::Plan;
use crate::subject::{Kind, Subject};
use crate::wire::Wire;
use crate::{Outcome, pgbench};
use std::time::Instant;

/// What goes through in bulk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    Select,
    CopyOut,
    CopyIn,
}

impl Flow {
    /// All of them, in the order of the tables.
    pub const ALL: [Flow; 3] = [Flow::Select, Flow::CopyOut, Flow::CopyIn];

    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Flow::Select => "SELECT 1 M rows",
            Flow::CopyOut => "COPY out",
            Flow::CopyIn => "COPY in",
        }
    }
}

/// All rounds of one subject with one flow.
#[derive(Clone, Debug)]
pub struct Bulk {
    pub kind: Kind,
    pub flow: Flow,
    pub cpu_s_per_gb: Vec<f64>,
    pub mb_per_s: Vec<f64>,
}

/// Runs all flows through all subjects in turns.
pub fn measure(cluster: &Cluster, subjects: &[Subject], plan: &Plan) -> Outcome<Vec<Bulk>> {
    let table = "CREATE UNLOGGED TABLE bulk (aid int, bid int, abalance int, filler char(84))";
    cluster.run(pgbench::DATABASE, &["DROP TABLE IF EXISTS bulk", table])?;
    let chunk = rows();
    let mut all = Vec::new();
    for flow in Flow::ALL {
        let first = all.len();
        all.extend(subjects.iter().map(|subject| Bulk {
            kind: subject.kind,
            flow,
            cpu_s_per_gb: Vec::new(),
            mb_per_s: Vec::new(),
        }));
        for round in 0..plan.bulk_rounds as usize {
            for turn in 0..subjects.len() {
                let place = (turn + round) % subjects.len();
                once(&subjects[place], &mut all[first + place], &chunk)?;
                if flow == Flow::CopyIn {
                    cluster.run(pgbench::DATABASE, &["TRUNCATE bulk"])?;
                }
            }
        }
    }
    Ok(all)
}

fn once(subject: &Subject, bulk: &mut Bulk, chunk: &[u8]) -> Outcome<()> {
    let mut wire = Wire::connect(subject.port, pgbench::DATABASE)?;
    let before = subject.cpu()?;
    let start = Instant::now();
    let bytes = match bulk.flow {
        Flow::Select => wire.query("SELECT * FROM pgbench_accounts")?.must()?.bytes,
        Flow::CopyOut => wire.query("COPY pgbench_accounts TO STDOUT")?.must()?.bytes,
        Flow::CopyIn => wire.copy_in("COPY bulk FROM STDIN", chunk, 1000)?,
    };
    let elapsed = start.elapsed().as_secs_f64();
    // The proxy may still be busy with its record of the statement.
    wire.query("SELECT 1")?.must()?;
    let spent = subject.cpu()?.saturating_sub(before).as_secs_f64();
    let gigabytes = bytes as f64 / 1e9;
    bulk.cpu_s_per_gb.push(spent / gigabytes);
    bulk.mb_per_s.push(gigabytes * 1000.0 / elapsed);
    wire.close()
}

/// A thousand rows in COPY's text form, of the shape of pgbench's accounts.
fn rows() -> Vec<u8> {
    let filler = "x".repeat(84);
    let lines = (0..1000).map(|number| format!("{number}\t1\t0\t{filler}\n"));
    lines.collect::<String>().into_bytes()
}
