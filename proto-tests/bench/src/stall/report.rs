//! The table of stalls, and the same figures as JSON.

use crate::report::table;
use crate::stall::changes::Change;
use crate::stall::run::Ran;
use crate::stall::traffic::Stretch;
use crate::stats::median;
use serde_json::{Value, json};

/// What Lockkeeper promises: no statement waits longer than this above the baseline,
pub const TARGET_MS: f64 = 70.0;
/// nor longer than the naive change's stall divided by this.
pub const TARGET_SHARE: f64 = 50.0;

/// Both ways of one change. A way that was not run or failed is absent.
pub struct Pair<'a> {
    pub change: &'a Change,
    pub naive: Option<Ran>,
    pub guarded: Option<Ran>,
}

/// The table for people.
pub fn render(pairs: &[Pair<'_>]) -> String {
    let usual = usual_ms(pairs);
    let names = [
        "change",
        "way",
        "baseline ms",
        "longest stall ms",
        "(reads",
        "writes)",
        "excess ms",
        "change s",
        "kept",
        "made",
        "target",
    ];
    let mut rows = vec![names.map(String::from).to_vec()];
    for pair in pairs {
        for (way, ran) in [("direct", &pair.naive), ("lockkeeper", &pair.guarded)] {
            if let Some(ran) = ran {
                rows.push(row(pair, way, ran, usual));
            }
        }
    }
    let mut text = format!("\n{}", table(&rows));
    for pair in pairs {
        for (way, ran) in [("direct", &pair.naive), ("lockkeeper", &pair.guarded)] {
            if let Some(remark) = ran.as_ref().and_then(remark) {
                text.push_str(&format!("  {} ({way}): {remark}\n", pair.change.name));
            }
        }
    }
    text.push_str(&summary(pairs));
    text
}

/// The median of all baselines of this call.
fn usual_ms(pairs: &[Pair<'_>]) -> f64 {
    let runs = pairs.iter().flat_map(|pair| [&pair.naive, &pair.guarded]).flatten();
    let longest: Vec<f64> = runs.map(|ran| ran.baseline.longest_ms()).collect();
    median(&longest).unwrap_or(f64::INFINITY)
}

/// Whether the change was made through Lockkeeper, and stalled nobody longer than promised.
fn met(pair: &Pair<'_>, usual: f64) -> bool {
    let share = pair.naive.as_ref().map_or(f64::INFINITY, |naive| naive.excess_ms(usual) / TARGET_SHARE);
    let within = |ran: &Ran| ran.proven && ran.excess_ms(usual) <= TARGET_MS.min(share);
    pair.guarded.as_ref().is_some_and(within)
}

fn row(pair: &Pair<'_>, way: &str, ran: &Ran, usual: f64) -> Vec<String> {
    let target = match (way, met(pair, usual)) {
        ("lockkeeper", true) => "met",
        ("lockkeeper", false) => "missed",
        (_, _) => "",
    };
    vec![
        pair.change.name.to_string(),
        way.to_string(),
        format!("{:.0}", ran.baseline.longest_ms()),
        format!("{:.0}", ran.during.longest_ms()),
        format!("{:.0}", ran.during.longest_read_ms),
        format!("{:.0}", ran.during.longest_write_ms),
        format!("{:.0}", ran.excess_ms(usual)),
        format!("{:.1}", ran.change_s),
        format!("{:.0} %", ran.kept() * 100.0),
        if ran.proven { "yes" } else { "NO" }.to_string(),
        target.to_string(),
    ]
}

fn remark(ran: &Ran) -> Option<String> {
    if !ran.proven {
        return Some(format!("the change was not made: {}", ran.answer));
    }
    let first = ran.first_failure.as_ref()?;
    Some(format!("{} statements of the traffic failed: {first}", ran.failed))
}

fn summary(pairs: &[Pair<'_>]) -> String {
    let usual = usual_ms(pairs);
    let ran: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.guarded.is_some()).collect();
    let met = ran.iter().filter(|pair| met(pair, usual)).count();
    if ran.is_empty() {
        return "\nLockkeeper was not measured.\n".into();
    }
    format!(
        "\nTarget: the longest stall is at most {TARGET_MS:.0} ms above the baseline (the run's own, \
         or the median of all, {usual:.0} ms, where that is smaller), and at most 1/{TARGET_SHARE:.0} of the \
         direct change's. Met for {met} of {} changes.\n",
        ran.len()
    )
}

/// All figures.
pub fn json(pairs: &[Pair<'_>], rows: u64) -> Value {
    let usual = usual_ms(pairs);
    let ran = |found: &Ran| ran(found, usual);
    let all: Vec<Value> = pairs
        .iter()
        .map(|pair| {
            json!({
                "change": pair.change.name, "statement": pair.change.sql,
                "direct": pair.naive.as_ref().map(ran), "lockkeeper": pair.guarded.as_ref().map(ran),
            })
        })
        .collect();
    json!({ "rows": rows, "target_excess_ms": TARGET_MS, "changes": all })
}

fn ran(ran: &Ran, usual: f64) -> Value {
    json!({
        "baseline": stretch(&ran.baseline), "during": stretch(&ran.during),
        "excess_ms": ran.excess_ms(usual), "change_s": ran.change_s, "kept": ran.kept(),
        "answer": ran.answer, "made": ran.proven, "notices": ran.notices,
        "failed_statements": ran.failed,
    })
}

fn stretch(stretch: &Stretch) -> Value {
    json!({
        "longest_read_ms": stretch.longest_read_ms, "longest_write_ms": stretch.longest_write_ms,
        "p99_ms": stretch.p99_ms, "per_s": stretch.per_second,
    })
}
