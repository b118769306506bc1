//! `bench`: what Lockkeeper costs beside its anchors. See `--help`.

use bench::cluster::Cluster;
use bench::report::Findings;
use bench::settings::{Options, Plan};
use bench::subject::{self, Subject};
use bench::{Outcome, bulk, cells, connections, pgbench, process, report, syscalls, tables};
use clap::Parser as _;
use std::io::Write as _;
use std::process::{Command, ExitCode};
use std::time::Instant;

const SERVER: [&str; 6] = [
    "fsync=off",
    "synchronous_commit=off",
    "shared_buffers=512MB",
    "max_connections=2300",
    "max_wal_size=4GB",
    "autovacuum=off",
];

fn main() -> ExitCode {
    let options = Options::parse();
    process::until_interrupted(move || run(&options))
}

fn run(options: &Options) -> Outcome<()> {
    let start = Instant::now();
    let plan = options.plan();
    process::raise_file_limit()?;
    say(&format!("load average before the run: {}", load()));
    let program = subject::lockkeeper_program(&options.programs);
    let cluster = Cluster::start(options.programs.pg_bin.as_deref(), &SERVER)?;
    pgbench::prepare(&cluster)?;
    let mut findings = Findings::default();
    let mut subjects = vec![subject::direct(&cluster)];
    let others = [
        subject::floor(&cluster),
        subject::pgbouncer(&cluster),
        program.and_then(|program| subject::lockkeeper(&cluster, &program, None)),
    ];
    for other in others {
        match other {
            Ok(subject) => subjects.push(subject),
            Err(reason) => {
                say(&format!("left out: {reason}"));
                findings.missing.push(reason.to_string());
            }
        }
    }
    findings.subjects = subjects.iter().map(|subject| subject.kind).collect();
    measure(&cluster, &subjects, &plan, &mut findings);
    findings.machine = machine(&cluster, &plan, &subjects, start)?;
    let _ = write!(std::io::stdout(), "{}", tables::render(&findings));
    report::write(&options.json, &findings.json())?;
    say(&format!("every figure is in {}", options.json.display()));
    Ok(())
}

/// A part that cannot be measured is named and does not stop the others.
fn measure(cluster: &Cluster, subjects: &[Subject], plan: &Plan, findings: &mut Findings) {
    let mut missing = Vec::new();
    let mut keep = |part: &str, reason: bench::Fault| missing.push(format!("{part}: {reason}"));
    match cells::measure(cluster, subjects, plan, &mut |line| say(line)) {
        Ok(cells) => findings.cells = cells,
        Err(reason) => keep("transactions", reason),
    }
    say("large results and COPY");
    match bulk::measure(cluster, subjects, plan) {
        Ok(bulk) => findings.bulk = bulk,
        Err(reason) => keep("large results", reason),
    }
    say("connections");
    match connections::rate(subjects, plan) {
        Ok(rates) => findings.rates = rates,
        Err(reason) => keep("connections", reason),
    }
    say("system calls");
    match syscalls::measure(cluster, subjects, plan) {
        Ok(calls) => findings.calls = calls,
        Err(reason) => keep("system calls", reason),
    }
    say(&format!("{} idle sessions", plan.idle));
    match connections::idle(cluster, subjects, plan) {
        Ok(idle) => findings.idle = idle,
        Err(reason) => keep("idle sessions", reason),
    }
    findings.missing.append(&mut missing);
}

fn machine(
    cluster: &Cluster,
    plan: &Plan,
    subjects: &[Subject],
    start: Instant,
) -> Outcome<Vec<(&'static str, String)>> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(": "))
        .map_or("", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let pgbouncer = Command::new("pgbouncer").arg("--version").output();
    let pgbouncer = pgbouncer.map(|output| output.stdout).unwrap_or_default();
    let pgbouncer = String::from_utf8_lossy(&pgbouncer);
    let mut lines = vec![
        ("machine", format!("{cores} cores, {model}")),
        ("kernel", std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_string()),
        ("Postgres", cluster.run(pgbench::DATABASE, &["SHOW server_version"])?),
        ("pgbouncer", pgbouncer.lines().next().unwrap_or("none").to_string()),
        ("rounds", format!("{} of {} s each", plan.rounds, plan.seconds)),
        ("load average at the end", load()),
        ("time taken", format!("{:.0} s", start.elapsed().as_secs_f64())),
    ];
    let record = subjects.iter().find_map(|subject| subject.record.as_ref());
    if let Some(record) = record {
        let mib = size_of(record) as f64 / f64::from(1 << 20);
        lines.push(("record written by Lockkeeper", format!("{mib:.0} MiB")));
    }
    Ok(lines)
}

fn size_of(folder: &std::path::Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => size_of(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "bench: {line}");
}
