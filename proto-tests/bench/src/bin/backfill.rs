//! `backfill`: batches of a fixed size against batches steered by time. See `--help`.

use bench::cluster::Cluster;
use bench::stall::batches::{Filled, Options, Way, fill, json, render};
use bench::stall::run::Ran;
use bench::stall::table;
use bench::{Outcome, process, report, subject};
use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;

/// It waits for its disk at every commit.
const SERVER: [&str; 5] = [
    "shared_buffers=1GB",
    "maintenance_work_mem=256MB",
    "max_connections=100",
    "max_wal_size=20GB",
    "checkpoint_timeout=60min",
];

/// So that it can log in for jobs, as in production: they go on without their clients, and fill on several connections.
const GATEWAY: &str = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\n\
    [[targets.jobs.logins]]\nroles = [\"*\"]\n";

fn main() -> ExitCode {
    let options = Options::parse();
    process::until_interrupted(move || run(&options))
}

fn run(options: &Options) -> Outcome<()> {
    let program = subject::lockkeeper_program(&options.programs)?;
    let cluster = Cluster::start(options.programs.pg_bin.as_deref(), &SERVER)?;
    let gateway = subject::lockkeeper(&cluster, &program, Some(GATEWAY))?;
    let mut ways: Vec<Way> = options.sizes.iter().copied().map(Way::Fixed).collect();
    ways.extend(options.tools.iter().copied().flat_map(|size| [Way::Rested(size), Way::Locked(size)]));
    ways.push(Way::Steered(gateway.port));
    say(&format!("filling a light table of {} rows", options.rows));
    table::make(&cluster, options.rows)?;
    let light = each(&cluster, &ways, options)?;
    say("making it heavy");
    table::make_heavy(&cluster)?;
    let heavy = each(&cluster, &ways, options)?;
    let all: Vec<Filled> = ways
        .into_iter()
        .zip(light.into_iter().zip(heavy))
        .map(|(way, (light, heavy))| Filled { way, light, heavy })
        .collect();
    let _ = write!(std::io::stdout(), "{}", render(&all, options.rows));
    report::write(&options.json, &json(&all, options.rows))?;
    say(&format!("every figure is in {}", options.json.display()));
    Ok(())
}

fn each(cluster: &Cluster, ways: &[Way], options: &Options) -> Outcome<Vec<Ran>> {
    ways.iter()
        .map(|way| {
            say(&format!("{way:?}"));
            fill(cluster, *way, options)
        })
        .collect()
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "backfill: {line}");
}
