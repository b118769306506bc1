//! Filling a column: batches of a fixed number of rows against batches steered by time.
//!
//! A fixed size is chosen once, for every table it may meet. So both a light and a heavy table are filled:
//! the size that is allowed is the greatest whose stall stays within the bound on both.

use crate::Outcome;
use crate::cluster::Cluster;
use crate::report::table as text_table;
use crate::settings::Programs;
use crate::stall::run::{Ran, under_traffic};
use crate::stall::table::{self, DATABASE};
use crate::stall::traffic::Shape;
use crate::wire::{Answer, Wire};
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Fills a new column of a large table in batches, under traffic, by several sizes and by Lockkeeper.
///
/// Starts a throw-away Postgres that waits for its disk, as one in production does, and Lockkeeper. Prints rows per
/// second and the longest stall of the application for every way, on a light and on a heavy table.
#[derive(Parser, Debug)]
#[command(name = "backfill", version)]
pub struct Options {
    /// Rows of each table
    #[arg(long, default_value_t = 500_000)]
    pub rows: u64,
    /// Readers; there are as many writers
    #[arg(long, default_value_t = 4)]
    pub readers: usize,
    /// Pause of a client between two statements, in milliseconds
    #[arg(long, default_value_t = 2)]
    pub pause_ms: u64,
    /// Length of each baseline in seconds
    #[arg(long, default_value_t = 5)]
    pub baseline_s: u64,
    /// Rows of a batch of a fixed size
    #[arg(long, value_delimiter = ',', default_value = "100,300,1000,3000,10000,30000")]
    pub sizes: Vec<u64>,
    #[command(flatten)]
    pub programs: Programs,
    /// Where the figures are written
    #[arg(long, value_name = "FILE", default_value = "target/backfill.json")]
    pub json: PathBuf,
}

/// A way to fill the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Fixed(u64),
    /// Through Lockkeeper, which listens here.
    Steered(u16),
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Fixed(rows) => format!("{rows} rows a batch"),
            Self::Steered(_) => "lockkeeper".to_owned(),
        }
    }
}

/// What one way did on both tables.
#[derive(Debug)]
pub struct Filled {
    pub way: Way,
    pub light: Ran,
    pub heavy: Ran,
}

const FILLED: &str = "SELECT count(*) = 0 FROM orders WHERE extra IS NULL";
const ADD: &str = "ALTER TABLE orders ADD COLUMN extra uuid DEFAULT gen_random_uuid()";

/// Fills the column of a fresh copy of the table.
pub fn fill(cluster: &Cluster, way: Way, options: &Options) -> Outcome<Ran> {
    let shape = Shape {
        port: cluster.port(),
        readers: options.readers,
        rows: options.rows,
        pause: Duration::from_millis(options.pause_ms),
    };
    let act = || {
        let answer = match way {
            Way::Fixed(size) => fixed(cluster.port(), size, options.rows),
            Way::Steered(port) => Wire::connect(port, DATABASE).and_then(|mut wire| wire.query(ADD)),
        };
        Ok((answer, None))
    };
    table::copy(cluster)?;
    under_traffic(cluster, shape, options.baseline_s, FILLED, act)
}

/// As kind to the fixed size as can be: one statement a batch, bounds known without a look.
fn fixed(port: u16, size: u64, rows: u64) -> Outcome<Answer> {
    let mut wire = Wire::connect(port, DATABASE)?;
    let expand = "ALTER TABLE orders ADD COLUMN extra uuid, ALTER COLUMN extra SET DEFAULT gen_random_uuid()";
    let mut last = wire.query(expand)?.must()?;
    let mut from = 0;
    while from < rows {
        let to = (from + size).min(rows);
        let batch = format!("UPDATE orders SET extra = DEFAULT WHERE id > {from} AND id <= {to} AND extra IS NULL");
        last = wire.query(&batch)?.must()?;
        from = to;
    }
    Ok(last)
}

fn per_second(ran: &Ran, rows: u64) -> f64 {
    rows as f64 / ran.change_s.max(1e-3)
}

fn stall(ran: &Ran) -> f64 {
    ran.excess_ms(f64::INFINITY)
}

fn worst(filled: &Filled) -> f64 {
    stall(&filled.light).max(stall(&filled.heavy))
}

/// The greatest fixed size that stalls nobody longer than Lockkeeper did, on neither table.
fn allowed(all: &[Filled]) -> Option<&Filled> {
    let bound = all.iter().find(|filled| matches!(filled.way, Way::Steered(_))).map(worst)?;
    let sizes = all.iter().filter(|filled| matches!(filled.way, Way::Fixed(_)) && worst(filled) <= bound);
    sizes.max_by(|a, b| a.light.change_s.total_cmp(&b.light.change_s).reverse())
}

/// The table for people, and what follows from it.
pub fn render(all: &[Filled], rows: u64) -> String {
    let names = ["way", "light: rows/s", "stall ms", "kept", "heavy: rows/s", "stall ms", "kept", "filled"];
    let mut lines = vec![names.map(String::from).to_vec()];
    for filled in all {
        let mut line = vec![filled.way.name()];
        for ran in [&filled.light, &filled.heavy] {
            line.push(format!("{:.0}", per_second(ran, rows)));
            line.push(format!("{:.0}", stall(ran)));
            line.push(format!("{:.0} %", ran.kept() * 100.0));
        }
        line.push(if filled.light.proven && filled.heavy.proven { "yes" } else { "NO" }.to_owned());
        lines.push(line);
    }
    format!("\n{}{}", text_table(&lines), compared(all))
}

fn compared(all: &[Filled]) -> String {
    let Some(ours) = all.iter().find(|filled| matches!(filled.way, Way::Steered(_))) else {
        return "\nLockkeeper was not measured.\n".to_owned();
    };
    match allowed(all) {
        None => format!("\nNo fixed size stays within the {:.0} ms that Lockkeeper stalls at most.\n", worst(ours)),
        Some(best) => format!(
            "\nOf the fixed sizes that stall nobody longer than Lockkeeper does at most ({:.0} ms), the fastest has {}. \
             Lockkeeper fills the light table {:.2} times as fast, the heavy one {:.2} times.\n",
            worst(ours),
            best.way.name(),
            best.light.change_s / ours.light.change_s,
            best.heavy.change_s / ours.heavy.change_s,
        ),
    }
}

/// All figures.
pub fn json(all: &[Filled], rows: u64) -> Value {
    let one = |ran: &Ran| {
        json!({
            "rows_per_s": per_second(ran, rows), "stall_ms": stall(ran), "kept": ran.kept(),
            "seconds": ran.change_s, "filled": ran.proven, "answer": ran.answer,
        })
    };
    let ways: Vec<Value> = all
        .iter()
        .map(|filled| json!({ "way": filled.way.name(), "light": one(&filled.light), "heavy": one(&filled.heavy) }))
        .collect();
    json!({ "rows": rows, "ways": ways })
}
