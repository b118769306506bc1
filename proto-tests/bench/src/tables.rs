//! The tables of `bench`, from [`Findings`] to text.

use crate::bulk::Flow;
use crate::cells::WIDTHS;
use crate::pgbench::Mode;
use crate::report::{Findings, middle_and_least, table};
use crate::stats::median;
use crate::subject::Kind;

const DASH: &str = "-";

/// All tables of a run, in the order in which they are read.
pub fn render(findings: &Findings) -> String {
    let mut text = String::from("\n");
    for (name, value) in &findings.machine {
        text.push_str(&format!("  {name}: {value}\n"));
    }
    let parts = [
        ("CPU of the proxy process, µs per transaction: median (least) over the rounds", cpu(findings)),
        ("Transactions per second: median, and share of direct", rate(findings)),
        ("Median latency added at 1 client, µs", latency(findings)),
        ("System calls of the proxy per transaction", calls(findings)),
        ("CPU of the proxy, s per GB: median (least)", bulk(findings)),
        (
            "Opening a session: sessions per second, CPU of the proxy in µs each (PgBouncer opens none at the server)",
            connections(findings),
        ),
        ("Resident memory with idle sessions", idle(findings)),
        ("Targets", targets(findings)),
    ];
    for (title, body) in parts {
        text.push_str(&format!("\n{title}\n{}", table(&body)));
    }
    for reason in &findings.missing {
        text.push_str(&format!("\nNot measured: {reason}\n"));
    }
    text
}

fn proxies(findings: &Findings) -> Vec<Kind> {
    let all = findings.subjects.iter().copied();
    all.filter(|kind| *kind != Kind::Direct).collect()
}

fn head(first: &str, kinds: &[Kind], more: &[&str]) -> Vec<String> {
    let names = kinds.iter().map(|kind| kind.name());
    [first].into_iter().chain(names).chain(more.iter().copied()).map(String::from).collect()
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => format!("{:.2}", ours / theirs),
        (None, _) | (_, None) => DASH.into(),
    }
}

fn cpu(findings: &Findings) -> Vec<Vec<String>> {
    let kinds = proxies(findings);
    let mut rows = vec![head("", &kinds, &["ours/pgbouncer", "ours/floor"])];
    for mode in Mode::ALL {
        for clients in WIDTHS {
            let mut row = vec![format!("{} x{clients}", mode.name())];
            for kind in &kinds {
                let cell = findings.cell(*kind, mode, clients);
                row.push(cell.map_or(DASH.into(), |cell| middle_and_least(&cell.cpu_us, 1)));
            }
            let middle = |kind| median(&findings.cell(kind, mode, clients)?.cpu_us);
            let ours = middle(Kind::Lockkeeper);
            row.push(ratio(ours, middle(Kind::PgBouncer)));
            row.push(ratio(ours, middle(Kind::Floor)));
            rows.push(row);
        }
    }
    rows
}

fn rate(findings: &Findings) -> Vec<Vec<String>> {
    let mut rows = vec![head("", &findings.subjects, &[])];
    for mode in Mode::ALL {
        for clients in WIDTHS {
            let mut row = vec![format!("{} x{clients}", mode.name())];
            let middle = |kind| median(&findings.cell(kind, mode, clients)?.per_second);
            let direct = middle(Kind::Direct);
            for kind in &findings.subjects {
                let own = middle(*kind);
                let share = ratio(own, direct);
                row.push(own.map_or(DASH.into(), |own| format!("{own:.0} ({share})")));
            }
            rows.push(row);
        }
    }
    rows
}

fn latency(findings: &Findings) -> Vec<Vec<String>> {
    let kinds = proxies(findings);
    let mut rows = vec![head("", &kinds, &["direct takes"])];
    for mode in Mode::ALL {
        let mut row = vec![mode.name().to_string()];
        for kind in &kinds {
            let added = findings.added_latency(*kind, mode);
            row.push(added.map_or(DASH.into(), |added| format!("{added:+.0}")));
        }
        let direct = findings.cell(Kind::Direct, mode, 1).and_then(|cell| median(&cell.median_us));
        row.push(direct.map_or(DASH.into(), |direct| format!("{direct:.0}")));
        rows.push(row);
    }
    rows
}

fn calls(findings: &Findings) -> Vec<Vec<String>> {
    let kinds = proxies(findings);
    let mut rows = vec![head("", &kinds, &[])];
    for mode in Mode::ALL {
        for clients in [1, 8] {
            let mut row = vec![format!("{} x{clients}", mode.name())];
            for kind in &kinds {
                let found = findings
                    .calls
                    .iter()
                    .find(|calls| calls.kind == *kind && calls.mode == mode && calls.clients == clients);
                row.push(found.map_or(DASH.into(), |calls| format!("{:.2}", calls.total)));
            }
            rows.push(row);
        }
    }
    rows
}

fn bulk(findings: &Findings) -> Vec<Vec<String>> {
    let kinds = proxies(findings);
    let mut rows = vec![head("", &kinds, &["ours/pgbouncer", "ours/floor"])];
    for flow in Flow::ALL {
        let mut row = vec![flow.name().to_string()];
        for kind in &kinds {
            let found = findings.bulk.iter().find(|bulk| bulk.kind == *kind && bulk.flow == flow);
            row.push(found.map_or(DASH.into(), |bulk| middle_and_least(&bulk.cpu_s_per_gb, 2)));
        }
        let ours = findings.bulk_cpu(Kind::Lockkeeper, flow);
        row.push(ratio(ours, findings.bulk_cpu(Kind::PgBouncer, flow)));
        row.push(ratio(ours, findings.bulk_cpu(Kind::Floor, flow)));
        rows.push(row);
    }
    rows
}

fn connections(findings: &Findings) -> Vec<Vec<String>> {
    let mut rows = vec![["", "per second", "CPU µs"].map(String::from).to_vec()];
    for rate in &findings.rates {
        rows.push(vec![
            rate.kind.name().to_string(),
            median(&rate.per_second).map_or(DASH.into(), |rate| format!("{rate:.0}")),
            middle_and_least(&rate.cpu_us, 0),
        ]);
    }
    rows
}

fn idle(findings: &Findings) -> Vec<Vec<String>> {
    let most = findings.idle.first().map_or(0, |idle| idle.sessions);
    let names = ["", "at start", "with 100", &format!("with {most}"), "KiB each"];
    let mut rows = vec![names.map(String::from).to_vec()];
    for idle in &findings.idle {
        let mib = |kib: f64| format!("{:.1} MiB", kib / 1024.0);
        rows.push(vec![
            idle.kind.name().to_string(),
            mib(idle.kib_at_start),
            mib(idle.kib_at_few),
            mib(idle.kib_at_all),
            format!("{:.1}", idle.kib_each()),
        ]);
    }
    rows
}

fn targets(findings: &Findings) -> Vec<Vec<String>> {
    let word = |met: Option<bool>| match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => DASH,
    };
    let targets = findings.targets();
    let rows = targets.iter();
    rows.map(|target| vec![target.promise.into(), target.found.clone(), word(target.met).into()]).collect()
}
