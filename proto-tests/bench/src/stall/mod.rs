//! How long a schema change holds up everybody else.
//!
//! For every kind of change: a fresh copy of a large table, readers and writers on
//! it, a quiet baseline, then the change. Once directly on Postgres, once through
//! Lockkeeper; the traffic takes the same way as the change unless told otherwise.

pub mod batches;
pub mod changes;
pub mod report;
pub mod run;
pub mod table;
pub mod traffic;

use crate::settings::Programs;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Shows how long a schema change stalls the traffic on a large table.
///
/// Starts a throw-away Postgres and Lockkeeper, and prints for every kind of change the longest
/// stall of an application's statements: in a quiet baseline, with the change run directly, and
/// with the change typed through Lockkeeper. Nothing here fails because a figure is high.
#[derive(Parser, Debug)]
#[command(name = "stall", version)]
pub struct Options {
    /// Rows of the table
    #[arg(long, default_value_t = 5_000_000)]
    pub rows: u64,
    /// Readers; there are as many writers
    #[arg(long, default_value_t = 4)]
    pub readers: usize,
    /// Pause of a client between two statements, in milliseconds
    #[arg(long, default_value_t = 2)]
    pub pause_ms: u64,
    /// Length of each baseline in seconds
    #[arg(long, default_value_t = 10)]
    pub baseline_s: u64,
    /// How long the long reader keeps its transaction open, in seconds
    #[arg(long, default_value_t = 5)]
    pub reader_s: u64,
    /// How long a change may take before it is given up, in seconds
    #[arg(long, default_value_t = 600)]
    pub limit_s: u64,
    /// Run only the changes whose name contains this text
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Which way the application's own statements take
    #[arg(long, value_enum, default_value_t = Way::Same)]
    pub traffic: Way,
    /// Leave out the direct runs
    #[arg(long)]
    pub skip_naive: bool,
    #[command(flatten)]
    pub programs: Programs,
    /// Where the figures are written
    #[arg(long, value_name = "FILE", default_value = "target/stall.json")]
    pub json: PathBuf,
}

/// Which way the application's statements take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// The same as the change
    Same,
    /// Always directly to Postgres
    Direct,
}
