//! How long and how wide one run of `bench` is.

use clap::{Args, Parser};
use std::path::PathBuf;

/// Compares Lockkeeper with Postgres itself, a raw byte pump and PgBouncer, in one run.
///
/// Starts a throw-away Postgres, all subjects and pgbench; prints a table of figures, ratios
/// and targets, and writes them as JSON. Nothing here fails because a figure is high.
#[derive(Parser, Debug)]
#[command(name = "bench", version)]
pub struct Options {
    /// A shorter run of at most four minutes; figures are noisier
    #[arg(long)]
    pub quick: bool,
    /// Rounds over all subjects [default: 7, quick: 3]
    #[arg(long)]
    pub rounds: Option<u32>,
    /// Seconds of one pgbench run [default: 2, quick: 1]
    #[arg(long)]
    pub seconds: Option<u32>,
    /// Idle sessions held open at once
    #[arg(long, default_value_t = 1000)]
    pub idle: usize,
    #[command(flatten)]
    pub programs: Programs,
    /// Where the figures are written
    #[arg(long, value_name = "FILE", default_value = "target/bench.json")]
    pub json: PathBuf,
}

/// What is measured, and where its server comes from.
#[derive(Args, Debug)]
pub struct Programs {
    /// The Lockkeeper program to measure, instead of building the release
    #[arg(long, value_name = "FILE")]
    pub lockkeeper: Option<PathBuf>,
    /// Do not build; use the release build that is there
    #[arg(long)]
    pub no_build: bool,
    /// Where initdb and postgres are
    #[arg(long, value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
}

/// The sizes a run works with.
#[derive(Clone, Debug)]
pub struct Plan {
    pub rounds: u32,
    pub seconds: u32,
    pub bulk_rounds: u32,
    pub connections: u32,
    pub traced: u32,
    pub idle: usize,
}

impl Options {
    /// What the options amount to.
    pub fn plan(&self) -> Plan {
        let short = self.quick;
        Plan {
            rounds: self.rounds.unwrap_or(if short { 3 } else { 7 }).max(1),
            seconds: self.seconds.unwrap_or(if short { 1 } else { 2 }).max(1),
            bulk_rounds: if short { 3 } else { 7 },
            connections: if short { 200 } else { 500 },
            traced: if short { 1000 } else { 3000 },
            idle: self.idle.max(200),
        }
    }
}
