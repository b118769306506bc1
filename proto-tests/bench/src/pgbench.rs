//! Runs pgbench and reads what it says.

use crate::cluster::Cluster;
use crate::{Outcome, stats};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The database all cells run on.
pub const DATABASE: &str = "postgres";

/// How pgbench sends its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Simple,
    Extended,
    Prepared,
}

impl Mode {
    /// All modes, in the order of the tables.
    pub const ALL: [Mode; 3] = [Mode::Simple, Mode::Extended, Mode::Prepared];

    /// pgbench's own word.
    pub fn name(self) -> &'static str {
        match self {
            Mode::Simple => "simple",
            Mode::Extended => "extended",
            Mode::Prepared => "prepared",
        }
    }
}

/// One run: how many transactions, how many per second, and their median latency
/// where it was logged.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub transactions: f64,
    pub per_second: f64,
    pub median_us: Option<f64>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    Seconds(u32),
    TransactionsEach(u32),
}

/// Creates pgbench's tables: one million accounts.
pub fn prepare(cluster: &Cluster) -> Outcome<()> {
    let mut command = base(cluster, cluster.port());
    command.args(["-i", "-q", "-s", "10", DATABASE]);
    checked(command.output()?).map(|_| ())
}

/// Runs the select-only script; with one client every latency is logged.
pub fn select_only(cluster: &Cluster, port: u16, mode: Mode, clients: u32, length: Length) -> Outcome<Run> {
    let mut command = base(cluster, port);
    command.args(["-n", "-S", "-M", mode.name()]);
    command.args(["-c", &clients.to_string(), "-j", &clients.min(2).to_string()]);
    match length {
        Length::Seconds(seconds) => command.args(["-T", &seconds.to_string()]),
        Length::TransactionsEach(count) => command.args(["-t", &count.to_string()]),
    };
    let log = tempfile::tempdir()?;
    if clients == 1 {
        command.arg("-l").arg("--log-prefix").arg(log.path().join("log"));
    }
    command.arg(DATABASE);
    let text = checked(command.output()?)?;
    let transactions = field(&text, "number of transactions actually processed: ")
        .ok_or("pgbench does not say how many transactions it ran")?;
    let per_second = field(&text, "tps = ").ok_or("pgbench does not say its rate")?;
    let median_us = if clients == 1 { median_latency(log.path())? } else { None };
    Ok(Run { transactions, per_second, median_us })
}

fn base(cluster: &Cluster, port: u16) -> Command {
    let mut command = Command::new(cluster.program("pgbench"));
    command.args(["-h", "127.0.0.1", "-U", "postgres"]);
    command.args(["-p", &port.to_string()]);
    command.env_remove("PGOPTIONS").env("PGSSLMODE", "disable");
    command
}

fn checked(output: Output) -> Outcome<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("pgbench failed: {}", said.trim()).into())
}

/// The number after `label`, up to a blank or a slash.
fn field(text: &str, label: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.split([' ', '/']).next()?.parse().ok()
}

/// pgbench's log has the latency in microseconds as its third field.
fn median_latency(folder: &Path) -> Outcome<Option<f64>> {
    let mut latencies = Vec::new();
    for file in fs::read_dir(folder)? {
        let text = fs::read_to_string(file?.path())?;
        let third = |line: &str| line.split(' ').nth(2).and_then(|word| word.parse::<f64>().ok());
        latencies.extend(text.lines().filter_map(third));
    }
    Ok(stats::median(&latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "transaction type: <builtin: select only>\n\
        number of transactions actually processed: 11832\n\
        tps = 11841.262113 (without initial connection time)\n";

    #[test]
    fn the_figures_of_a_run() {
        let count = field(SAID, "number of transactions actually processed: ");
        assert_eq!(count, Some(11832.0));
        assert_eq!(field(SAID, "tps = "), Some(11841.262113));
    }

    #[test]
    fn a_count_with_its_aim_behind_a_slash() {
        let text = "number of transactions actually processed: 100/100\n";
        let count = field(text, "number of transactions actually processed: ");
        assert_eq!(count, Some(100.0));
    }
}
