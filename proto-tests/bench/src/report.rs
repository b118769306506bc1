//! Turns the figures of a run into tables for people and JSON for programs.

use crate::Outcome;
use crate::bulk::{Bulk, Flow};
use crate::cells::{Cell, WIDTHS};
use crate::connections::{Idle, Rate};
use crate::pgbench::Mode;
use crate::stats::{least, median};
use crate::subject::Kind;
use crate::syscalls::Calls;
use serde_json::{Value, json};
use std::path::Path;

/// Everything one run has found. What could not be measured is empty, with its reason.
#[derive(Default)]
pub struct Findings {
    pub machine: Vec<(&'static str, String)>,
    pub subjects: Vec<Kind>,
    pub cells: Vec<Cell>,
    pub calls: Vec<Calls>,
    pub bulk: Vec<Bulk>,
    pub rates: Vec<Rate>,
    pub idle: Vec<Idle>,
    pub missing: Vec<String>,
}

/// One promise, what was found, and whether it holds.
pub struct Target {
    pub promise: &'static str,
    pub found: String,
    pub met: Option<bool>,
}

impl Findings {
    /// The cell of a subject in one mode and width.
    pub fn cell(&self, kind: Kind, mode: Mode, clients: u32) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.kind == kind && cell.mode == mode && cell.clients == clients)
    }

    /// Median CPU per transaction of Lockkeeper over another subject's, in every cell.
    pub fn cpu_ratios(&self, anchor: Kind) -> Vec<(Mode, u32, f64)> {
        let mut ratios = Vec::new();
        for mode in Mode::ALL {
            for clients in WIDTHS {
                let middle = |kind| median(&self.cell(kind, mode, clients)?.cpu_us);
                if let (Some(ours), Some(theirs)) = (middle(Kind::Lockkeeper), middle(anchor)) {
                    ratios.push((mode, clients, ours / theirs));
                }
            }
        }
        ratios
    }

    /// The median of a bulk figure.
    pub fn bulk_cpu(&self, kind: Kind, flow: Flow) -> Option<f64> {
        let found = self.bulk.iter().find(|bulk| bulk.kind == kind && bulk.flow == flow)?;
        median(&found.cpu_s_per_gb)
    }

    /// Median latency above direct at one client, over the rounds, in microseconds.
    pub fn added_latency(&self, kind: Kind, mode: Mode) -> Option<f64> {
        let direct = &self.cell(Kind::Direct, mode, 1)?.median_us;
        let ours = &self.cell(kind, mode, 1)?.median_us;
        let added: Vec<f64> = ours.iter().zip(direct).map(|(ours, theirs)| ours - theirs).collect();
        median(&added)
    }

    /// The promises of the project against this run.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = vec![
            self.cpu_target("CPU per transaction at most PgBouncer's", Kind::PgBouncer, 1.0),
            self.cpu_target("CPU per transaction at most 1.15 x the floor's", Kind::Floor, 1.15),
        ];
        for flow in Flow::ALL {
            targets.push(self.bulk_target(flow));
        }
        let one = self
            .calls
            .iter()
            .find(|calls| calls.kind == Kind::Lockkeeper && calls.mode == Mode::Simple && calls.clients == 1);
        targets.push(Target {
            promise: "six system calls per simple transaction (1 client)",
            found: one.map_or(NOTHING.into(), |calls| format!("{:.2}", calls.total)),
            met: one.map(|calls| calls.total < 6.05),
        });
        let idle = self.idle.iter().find(|idle| idle.kind == Kind::Lockkeeper);
        targets.push(Target {
            promise: "idle session at most 16 KiB",
            found: idle.map_or(NOTHING.into(), |idle| format!("{:.1} KiB", idle.kib_each())),
            met: idle.map(|idle| idle.kib_each() <= 16.0),
        });
        targets
    }

    fn cpu_target(&self, promise: &'static str, anchor: Kind, limit: f64) -> Target {
        let cells = self.cpu_ratios(anchor);
        let ratios: Vec<f64> = cells.iter().map(|(_, _, ratio)| *ratio).collect();
        let worst = cells.iter().max_by(|left, right| left.2.total_cmp(&right.2));
        let (Some(middle), Some((mode, clients, worst))) = (median(&ratios), worst) else {
            return Target { promise, found: NOTHING.into(), met: None };
        };
        let within = ratios.iter().filter(|ratio| **ratio <= limit).count();
        Target {
            promise,
            found: format!(
                "median {middle:.2}, worst {worst:.2} ({} x{clients}); {within} of {} cells",
                mode.name(),
                ratios.len()
            ),
            met: Some(within == ratios.len()),
        }
    }

    fn bulk_target(&self, flow: Flow) -> Target {
        let promise = match flow {
            Flow::Select => "SELECT of 1 M rows: CPU per byte at most 1.15 x the floor's",
            Flow::CopyOut => "COPY out: CPU per byte at most 1.15 x the floor's",
            Flow::CopyIn => "COPY in: CPU per byte at most 1.15 x the floor's",
        };
        let ours = self.bulk_cpu(Kind::Lockkeeper, flow);
        let ratio = ours.zip(self.bulk_cpu(Kind::Floor, flow)).map(|(ours, floor)| ours / floor);
        Target {
            promise,
            found: ratio.map_or(NOTHING.into(), |ratio| format!("{ratio:.2}")),
            met: ratio.map(|ratio| ratio <= 1.15),
        }
    }

    /// All figures, every round of them.
    pub fn json(&self) -> Value {
        let machine: serde_json::Map<String, Value> =
            self.machine.iter().map(|(name, value)| ((*name).to_string(), json!(value))).collect();
        json!({
            "machine": machine,
            "cells": self.cells.iter().map(|cell| json!({
                "subject": cell.kind.name(), "mode": cell.mode.name(), "clients": cell.clients,
                "cpu_us_per_transaction": cell.cpu_us, "transactions_per_s": cell.per_second,
                "median_latency_us": cell.median_us,
            })).collect::<Vec<_>>(),
            "system_calls": self.calls.iter().map(|calls| json!({
                "subject": calls.kind.name(), "mode": calls.mode.name(),
                "clients": calls.clients, "per_transaction": calls.total,
                "by_name": calls.by_name,
            })).collect::<Vec<_>>(),
            "bulk": self.bulk.iter().map(|bulk| json!({
                "subject": bulk.kind.name(), "flow": bulk.flow.name(),
                "cpu_s_per_gb": bulk.cpu_s_per_gb, "mb_per_s": bulk.mb_per_s,
            })).collect::<Vec<_>>(),
            "connections": self.rates.iter().map(|rate| json!({
                "subject": rate.kind.name(), "per_s": rate.per_second,
                "cpu_us_each": rate.cpu_us,
            })).collect::<Vec<_>>(),
            "idle": self.idle.iter().map(|idle| json!({
                "subject": idle.kind.name(), "sessions": idle.sessions,
                "kib_at_start": idle.kib_at_start, "kib_at_100": idle.kib_at_few,
                "kib_at_all": idle.kib_at_all, "kib_each": idle.kib_each(),
            })).collect::<Vec<_>>(),
            "targets": self.targets().iter().map(|target| json!({
                "promise": target.promise, "found": target.found, "met": target.met,
            })).collect::<Vec<_>>(),
            "missing": self.missing,
        })
    }
}

const NOTHING: &str = "not measured";

/// "median (least)", or a dash.
pub fn middle_and_least(values: &[f64], digits: usize) -> String {
    match (median(values), least(values)) {
        (Some(middle), Some(least)) => format!("{middle:.digits$} ({least:.digits$})"),
        (None, _) | (_, None) => "-".into(),
    }
}

/// Lines of cells, the first left-aligned, the others right-aligned, columns two blanks apart.
pub fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let blanks = " ".repeat(width(column).saturating_sub(cell.chars().count()));
            match column {
                0 => line.push_str(&format!("{cell}{blanks}")),
                _ => line.push_str(&format!("  {blanks}{cell}")),
            }
        }
        text.push_str("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes the figures where programs find them.
pub fn write(path: &Path, figures: &Value) -> Outcome<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, format!("{figures:#}\n"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".into(), "10".into()], vec!["long".into(), "1".into()]];
        assert_eq!(table(&rows), "  a     10\n  long   1\n");
    }

    #[test]
    fn without_figures_no_target_is_met_or_missed() {
        let findings = Findings::default();
        assert!(findings.targets().iter().all(|target| target.met.is_none()));
    }
}
