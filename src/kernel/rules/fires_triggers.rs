//! Filling old rows fires the application's own triggers.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::Trigger;
use crate::kernel::plan::{Action, Backfill, Plan};
use crate::kernel::sql::statement::LockMode;

/// The rule.
pub const RULE: Rule = Rule {
    id: "fires-triggers",
    hazard: "Filling old rows in batches fires the application's own triggers.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ADD COLUMN that is done with a backfill, on a table with triggers on UPDATE.",
        why: "The statement as written would fire no trigger, its safe form updates every row: a trigger that keeps \
              updated_at makes all rows look changed, one that writes an audit trail or a queue writes a line for each. \
              Only whoever knows them can say whether that is wanted.",
        instead: "Approve it where that does no harm. A trigger that is for UPDATE OF the columns it is about does not \
                  fire; one with a WHEN that compares OLD and NEW of those columns fires, and does nothing.",
        versions: "All supported versions.",
        undo: "What the triggers wrote stays when the column is dropped.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((column, target)) = subject.new_column() else { return Vec::new() };
    let Some(table) = target.facts.filter(|_| !target.is_empty()) else { return Vec::new() };
    if !crate::kernel::plan::add_column::volatile(column, subject.facts) {
        return Vec::new();
    }
    let Ok(plan) = subject.column_plan(column, &target) else { return Vec::new() };
    let mut fired: Vec<&str> = Vec::new();
    for fill in fills(&plan) {
        let fires = |trigger: &&Trigger| trigger.fires_on(std::iter::once(fill.column.as_str()));
        fired.extend(table.reacts.triggers.iter().filter(fires).map(|trigger| trigger.name.as_str()));
    }
    // Of several parts, perhaps.
    fired.sort_unstable();
    fired.dedup();
    if fired.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "filling column {} updates every row of {}, which fires the application's own trigger{} {}",
        column.name,
        target.described(),
        if fired.len() == 1 { "" } else { "s" },
        fired.join(", ")
    );
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(Ok::<Plan, String>(plan))]
}

fn fills(plan: &Plan) -> impl Iterator<Item = &Backfill> {
    plan.steps.iter().filter_map(|step| match &step.action {
        Action::Backfill(fill) => Some(fill),
        _ => None,
    })
}
