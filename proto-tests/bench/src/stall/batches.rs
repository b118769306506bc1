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
    /// Rows of a batch as the field's tools make them: their bounds looked up with a rest after each, and locked before
    /// they are written by a trigger
    #[arg(long, value_delimiter = ',', default_value = "1000,10000")]
    pub tools: Vec<u64>,
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
    /// What migration helpers of frameworks advise: the end of a batch is looked up, and a rest follows it.
    Rested(u64),
    /// What tools with two versions of a schema do: rows are locked in their order, and written by a trigger of the row.
    Locked(u64),
    /// Through Lockkeeper, which listens here.
    Steered(u16),
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Fixed(rows) => format!("{rows} rows a batch"),
            Self::Rested(rows) => format!("{rows} rows, rests"),
            Self::Locked(rows) => format!("{rows} rows, trigger"),
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
            Way::Fixed(_) | Way::Rested(_) | Way::Locked(_) => fixed(cluster.port(), way, options.rows),
            Way::Steered(port) => Wire::connect(port, DATABASE).and_then(|mut wire| wire.query(ADD)),
        };
        Ok((answer, None))
    };
    table::copy(cluster)?;
    under_traffic(cluster, shape, options.baseline_s, FILLED, act)
}

/// The rest after a batch that migration helpers advise.
const REST: Duration = Duration::from_millis(10);

const TRIGGER: &str = "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.extra IS NULL THEN NEW.extra := gen_random_uuid(); END IF; RETURN NEW; END $$;
    CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION fill()";
const NO_TRIGGER: &str = "DROP TRIGGER fill ON orders; DROP FUNCTION fill()";

/// By a size that is chosen beforehand. [`Way::Fixed`] is as kind to it as can be: one statement a batch, bounds known
/// without a look.
fn fixed(port: u16, way: Way, rows: u64) -> Outcome<Answer> {
    let mut wire = Wire::connect(port, DATABASE)?;
    let expand = "ALTER TABLE orders ADD COLUMN extra uuid, ALTER COLUMN extra SET DEFAULT gen_random_uuid()";
    let mut last = wire.query(expand)?.must()?;
    if matches!(way, Way::Locked(_)) {
        wire.query(TRIGGER)?.must()?;
    }
    let mut from = 0;
    while from < rows {
        let size = match way {
            Way::Fixed(size) | Way::Rested(size) | Way::Locked(size) => size,
            Way::Steered(_) => rows,
        };
        let to = (from + size).min(rows);
        if matches!(way, Way::Rested(_)) {
            let end = format!("SELECT id FROM orders WHERE id > {from} ORDER BY id LIMIT 1 OFFSET {}", size - 1);
            wire.query(&end)?.must()?;
        }
        let batch = if matches!(way, Way::Locked(_)) {
            format!(
                "WITH rows AS (SELECT id FROM orders WHERE id > {from} AND extra IS NULL ORDER BY id LIMIT {size} \
                 FOR NO KEY UPDATE), written AS (UPDATE orders o SET id = o.id FROM rows WHERE o.id = rows.id RETURNING o.id) \
                 SELECT max(id) FROM written"
            )
        } else {
            format!("UPDATE orders SET extra = DEFAULT WHERE id > {from} AND id <= {to} AND extra IS NULL")
        };
        last = wire.query(&batch)?.must()?;
        if matches!(way, Way::Rested(_)) {
            std::thread::sleep(REST);
        }
        from = to;
    }
    if matches!(way, Way::Locked(_)) {
        last = wire.query(NO_TRIGGER)?.must()?;
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

/// Whether a way is of a kind.
type Kind = fn(Way) -> bool;

/// The fastest of them that stalls nobody longer than Lockkeeper did, on neither table.
fn allowed(all: &[Filled], is_one: Kind) -> Option<&Filled> {
    let bound = all.iter().find(|filled| matches!(filled.way, Way::Steered(_))).map(worst)?;
    let sizes = all.iter().filter(|filled| is_one(filled.way) && worst(filled) <= bound);
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
    let kinds: [(&str, Kind); 3] = [
        ("fixed sizes", |way| matches!(way, Way::Fixed(_))),
        ("sizes with rests", |way| matches!(way, Way::Rested(_))),
        ("sizes by a trigger", |way| matches!(way, Way::Locked(_))),
    ];
    let said = kinds.map(|(kind, is_one)| match allowed(all, is_one) {
        None => {
            format!("\nNone of the {kind} stays within the {:.0} ms that Lockkeeper stalls at most.\n", worst(ours))
        }
        Some(best) => format!(
            "\nOf the {kind} that stall nobody longer than Lockkeeper does at most ({:.0} ms), the fastest has {}. \
             Lockkeeper fills the light table {:.2} times as fast, the heavy one {:.2} times.\n",
            worst(ours),
            best.way.name(),
            best.light.change_s / ours.light.change_s,
            best.heavy.change_s / ours.heavy.change_s,
        ),
    });
    said.concat()
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
