//! Refreshing a materialized view keeps its readers waiting.

use super::subject::{Hazard, Subject, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::plan::refresh_matview;
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "refresh-matview",
    hazard: "Refreshing a materialized view keeps its readers waiting.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "REFRESH MATERIALIZED VIEW without CONCURRENTLY, and WITH NO DATA, of one that can be read.",
        why: "It is locked ACCESS EXCLUSIVE while its query runs; WITH NO DATA leaves nothing to read.",
        instead: "REFRESH MATERIALIZED VIEW CONCURRENTLY; it needs a unique index over plain columns without WHERE.",
        versions: "All supported versions, CONCURRENTLY too.",
        undo: "Nothing: what it held before is gone. It is made of other tables, so correct those and refresh it again.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::RefreshMatview { relation, with_data } = subject.change else { return Vec::new() };
    let Some(target) = subject.shared(relation) else { return Vec::new() };
    // Nobody can read one that was never filled.
    if target.facts.is_some_and(|view| !view.populated) {
        return Vec::new();
    }
    if !with_data {
        let message = format!("{} is emptied, and cannot be read until it is refreshed again", target.described());
        return vec![Hazard::loss(&target, LockMode::AccessExclusive, message)];
    }
    let message = format!("readers of {} wait until its query is done", target.described());
    let plan = match target.facts {
        Some(view) => refresh_matview::plan(view),
        None => Err(UNKNOWN.to_owned()),
    };
    let hazard = match plan {
        Ok(plan) => Hazard { plan: Some(plan), ..Hazard::lock(&target, LockMode::AccessExclusive, message) },
        Err(why) => Hazard::lock(&target, LockMode::AccessExclusive, format!("{message}; {why}")),
    };
    // How long its query takes, the size of the last result does not tell.
    vec![Hazard { only_lock: false, ..hazard }]
}
