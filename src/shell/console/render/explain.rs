//! What would become of a statement, and the targets, for people at a terminal.

use std::fmt::Write as _;

use super::super::text::line;
use super::{plan, span, why};
use crate::kernel::review::Conditions;
use crate::shell::jobs::{Explained, TargetSeen};

/// The verdict as a sentence.
pub(in crate::shell::console) fn verdict(explained: &Explained) -> String {
    let would = if explained.observed { "Would, if its target did not only observe," } else { "Would" };
    let what = match explained.verdict.as_str() {
        "pass" => "run as it is".to_owned(),
        "warn" => "run as it is, with warnings".to_owned(),
        "bounded" => "run as it is, with a short lock_timeout".to_owned(),
        "rewrite" => "run as these steps instead".to_owned(),
        "defer" => match explained.head {
            None | Some(0) => "run as a job after COMMIT".to_owned(),
            Some(1) => "run its first step in the transaction, and the rest as a job after COMMIT".to_owned(),
            Some(head) => format!("run its first {head} steps in the transaction, and the rest as a job after COMMIT"),
        },
        "hold" => {
            let conditions = explained.conditions.as_ref().filter(|conditions| **conditions != Conditions::default());
            let needs = conditions.map(|conditions| format!(", which needs {}", conditions.missing(&[]).join(" and ")));
            format!("be held until it is approved{}", needs.unwrap_or_default())
        }
        _ => "be refused".to_owned(),
    };
    format!("{would} {what} (target {}, policy {}).", explained.target, explained.policy)
}

/// Everything about it.
pub(in crate::shell::console) fn explained(explained: &Explained) -> String {
    let mut out = format!("{}\n", line(&verdict(explained)));
    if let Some(assumed) = &explained.assumed {
        let _ = writeln!(out, "Every table counts as a large one: {}.", line(assumed));
    }
    if let Some([message, detail, hint]) = &explained.refusal {
        let _ = writeln!(out, "  {}\n  {}\n  {}", line(message), line(detail), line(hint));
    }
    if !explained.findings.is_empty() {
        out.push_str("\nWhy\n");
        explained.findings.iter().for_each(|finding| why(&mut out, finding));
    }
    if let Some(steps) = &explained.plan {
        plan(&mut out, steps);
    }
    out
}

/// All targets.
pub(in crate::shell::console) fn targets(targets: &[TargetSeen]) -> String {
    let mut out = String::new();
    for target in targets {
        let answers = match (&target.unreachable, target.answers_ms) {
            (Some(why), _) => format!("NOT reachable: {}", line(why)),
            (None, ms) => format!("took a connection after {}", span(ms.unwrap_or_default())),
        };
        let _ = writeln!(out, "Target \"{}\" {answers}", line(&target.name));
        for (what, text) in &target.about {
            let _ = writeln!(out, "  {what:<12}{}", line(text));
        }
    }
    out
}
