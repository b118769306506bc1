//! System calls of the proxy per transaction, counted by strace.
//!
//! Two runs of different length are subtracted, so that connecting and closing
//! do not count.

use crate::cluster::Cluster;
use crate::pgbench::{self, Length, Mode};
use crate::settings::Plan;
use crate::subject::{Kind, Subject};
use crate::{Outcome, process};
use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ATTACH_WAIT: Duration = Duration::from_secs(10);

/// Calls per transaction, in total and by name.
#[derive(Clone, Debug)]
pub struct Calls {
    pub kind: Kind,
    pub mode: Mode,
    pub clients: u32,
    pub total: f64,
    pub by_name: BTreeMap<String, f64>,
}

/// Counts for every proxy, mode and the widths 1 and 8.
pub fn measure(cluster: &Cluster, subjects: &[Subject], plan: &Plan) -> Outcome<Vec<Calls>> {
    let mut all = Vec::new();
    for subject in subjects {
        let Some(id) = subject.id() else { continue };
        for mode in Mode::ALL {
            for clients in [1, 8] {
                let count = |each: u32| -> Outcome<BTreeMap<String, f64>> {
                    traced(id, cluster, || {
                        let length = Length::TransactionsEach(each);
                        pgbench::select_only(cluster, subject.port, mode, clients, length)?;
                        Ok(())
                    })
                };
                let extra = plan.traced / clients;
                let short = count(20)?;
                let long = count(20 + extra)?;
                let divisor = f64::from(extra * clients);
                let by_name = per_transaction(&short, &long, divisor);
                let total = by_name.values().sum();
                all.push(Calls { kind: subject.kind, mode, clients, total, by_name });
            }
        }
    }
    Ok(all)
}

fn per_transaction(short: &BTreeMap<String, f64>, long: &BTreeMap<String, f64>, divisor: f64) -> BTreeMap<String, f64> {
    long.iter()
        .map(|(name, count)| {
            let before = short.get(name).copied().unwrap_or(0.0);
            (name.clone(), (count - before) / divisor)
        })
        .filter(|(_, count)| count.abs() >= 0.005)
        .collect()
}

/// Runs `work` while strace counts the calls of all threads of process `id`.
fn traced(id: u32, cluster: &Cluster, work: impl FnOnce() -> Outcome<()>) -> Outcome<BTreeMap<String, f64>> {
    let summary = cluster.directory().join("strace.txt");
    let mut tracer = Command::new("strace")
        .args(["-f", "-c", "-p", &id.to_string(), "-o"])
        .arg(&summary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("strace cannot be started: {error}"))?;
    let start = Instant::now();
    let mut ended = false;
    while !attached(id) && !ended && start.elapsed() < ATTACH_WAIT {
        std::thread::sleep(Duration::from_millis(10));
        ended = tracer.try_wait()?.is_some();
    }
    let worked = if attached(id) {
        work()
    } else {
        Err("strace may not attach to the proxy (run as root, or allow ptrace)".into())
    };
    process::interrupt(&tracer);
    tracer.wait()?;
    worked?;
    Ok(counts(&fs::read_to_string(&summary)?))
}

fn attached(id: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else {
        return false;
    };
    threads.flatten().all(|thread| {
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|tracer| tracer.trim() != "0")
    })
}

/// Name and count of every row of strace's summary, but its total.
fn counts(summary: &str) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for line in summary.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(name), Some(count)) = (words.last(), words.get(3)) else {
            continue;
        };
        if let Ok(count) = count.parse::<f64>()
            && *name != "total"
        {
            counts.insert((*name).to_string(), count);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_summary() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
             50.00    0.010000           5      2000           epoll_wait\n\
             50.00    0.010000           5      2001         3 recvfrom\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.020000           5      4001         3 total\n";
        let counts = counts(summary);
        assert_eq!(counts.get("epoll_wait"), Some(&2000.0));
        assert_eq!(counts.get("recvfrom"), Some(&2001.0));
        assert_eq!(counts.len(), 2);
    }
}
