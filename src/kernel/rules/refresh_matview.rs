//! Refreshing a materialized view keeps its readers waiting.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "refresh-matview",
    hazard: "Refreshing a materialized view keeps its readers waiting.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "REFRESH MATERIALIZED VIEW without CONCURRENTLY.",
        why: "It is locked ACCESS EXCLUSIVE while its query runs.",
        instead: "REFRESH MATERIALIZED VIEW CONCURRENTLY; it needs a unique index over plain columns without WHERE.",
        versions: "All supported versions, CONCURRENTLY too.",
        undo: "Nothing: what it held before is gone. It is made of other tables, so correct those and refresh it again.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::RefreshMatview { relation } = subject.change else { return Vec::new() };
    let Some(target) = subject.shared(relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let message = format!("readers of {} wait until its query is done", target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message)]
}
