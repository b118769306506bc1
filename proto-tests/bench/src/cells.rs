//! The main table: CPU of the proxy per transaction, in every mode and width.
//!
//! Subjects take turns within a round and the order moves on from round to round,
//! so that a disturbance of the machine meets all of them alike.

use crate::Outcome;
use crate::cluster::Cluster;
use crate::pgbench::{self, Length, Mode};
use crate::settings::Plan;
use crate::subject::{Kind, Subject};

/// The numbers of clients.
pub const WIDTHS: [u32; 3] = [1, 8, 32];

/// All rounds of one subject in one mode and width.
#[derive(Clone, Debug)]
pub struct Cell {
    pub kind: Kind,
    pub mode: Mode,
    pub clients: u32,
    /// CPU of the proxy per transaction, in microseconds, one per round.
    pub cpu_us: Vec<f64>,
    pub per_second: Vec<f64>,
    /// Median latency of the round, logged with one client only.
    pub median_us: Vec<f64>,
}

/// Runs every cell; `progress` hears a line per round.
pub fn measure(
    cluster: &Cluster,
    subjects: &[Subject],
    plan: &Plan,
    progress: &mut dyn FnMut(&str),
) -> Outcome<Vec<Cell>> {
    let mut cells = Vec::new();
    for mode in Mode::ALL {
        for clients in WIDTHS {
            cells.extend(subjects.iter().map(|subject| Cell {
                kind: subject.kind,
                mode,
                clients,
                cpu_us: Vec::new(),
                per_second: Vec::new(),
                median_us: Vec::new(),
            }));
        }
    }
    for round in 0..plan.rounds as usize {
        progress(&format!("transactions: round {} of {}", round + 1, plan.rounds));
        for group in cells.chunks_mut(subjects.len()) {
            for turn in 0..subjects.len() {
                let place = (turn + round) % subjects.len();
                let length = Length::Seconds(plan.seconds);
                once(cluster, &subjects[place], &mut group[place], length)?;
            }
        }
    }
    Ok(cells)
}

fn once(cluster: &Cluster, subject: &Subject, cell: &mut Cell, length: Length) -> Outcome<()> {
    let before = subject.cpu()?;
    let run = pgbench::select_only(cluster, subject.port, cell.mode, cell.clients, length)
        .map_err(|error| format!("{} {}: {error}", subject.kind.name(), cell.mode.name()))?;
    let spent = subject.cpu()?.saturating_sub(before);
    cell.cpu_us.push(spent.as_secs_f64() * 1e6 / run.transactions);
    cell.per_second.push(run.per_second);
    cell.median_us.extend(run.median_us);
    Ok(())
}
