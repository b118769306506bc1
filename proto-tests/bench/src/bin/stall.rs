//! `stall`: how long a schema change holds up the traffic. See `--help`.

use bench::cluster::Cluster;
use bench::stall::changes::{CHANGES, Change};
use bench::stall::report::{Pair, json, render};
use bench::stall::run::{Ran, once};
use bench::stall::{Options, table};
use bench::subject::{self, Subject};
use bench::{Outcome, process, report};
use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;

const SERVER: [&str; 8] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=1GB",
    "maintenance_work_mem=256MB",
    "max_connections=100",
    "max_wal_size=20GB",
    "checkpoint_timeout=60min",
];

/// What writes every row anew is held unless somebody says so; here nobody is there to approve it.
const POLICY: &str = r#"
[[targets]]
name = "stall"
databases = ["*"]
policy = "stall"
[[policy.stall.rules]]
responses = { change-type = "rewrite", rewrite-table = "rewrite" }
"#;

fn main() -> ExitCode {
    let options = Options::parse();
    process::until_interrupted(move || run(&options))
}

fn run(options: &Options) -> Outcome<()> {
    let program = subject::lockkeeper_program(&options.programs);
    let cluster = Cluster::start(options.programs.pg_bin.as_deref(), &SERVER)?;
    say(&format!("filling a table of {} rows", options.rows));
    table::make(&cluster, options.rows)?;
    let gateway = program.and_then(|program| subject::lockkeeper(&cluster, &program, Some(POLICY)));
    let gateway: Option<Subject> = match gateway {
        Ok(gateway) => Some(gateway),
        Err(reason) => {
            say(&format!("without Lockkeeper: {reason}"));
            None
        }
    };
    let wanted = |change: &&Change| {
        let text = options.only.as_deref().unwrap_or("").to_lowercase();
        change.name.to_lowercase().contains(&text)
    };
    let mut pairs = Vec::new();
    for change in CHANGES.iter().filter(wanted) {
        let way = |name: &str, port: u16| -> Option<Ran> {
            say(&format!("{} ({name})", change.name));
            let ran = once(&cluster, port, change, options);
            ran.map_err(|reason| say(&format!("not measured: {reason}"))).ok()
        };
        let naive = match options.skip_naive {
            true => None,
            false => way("direct", cluster.port()),
        };
        let guarded = gateway.as_ref().and_then(|gateway| way("lockkeeper", gateway.port));
        pairs.push(Pair { change, naive, guarded });
    }
    let _ = write!(std::io::stdout(), "{}", render(&pairs));
    report::write(&options.json, &json(&pairs, options.rows))?;
    say(&format!("every figure is in {}", options.json.display()));
    Ok(())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "stall: {line}");
}
