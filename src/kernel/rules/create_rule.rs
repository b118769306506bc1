//! A rewrite rule turns innocent statements into others.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "create-rule",
    hazard: "A rewrite rule turns innocent statements into others.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "CREATE RULE.",
        why: "From the commit on the server runs something else than what is written, and judged, for every statement on the table.",
        instead: "A trigger, or a view.",
        versions: "All supported versions.",
        undo: "DROP RULE … ON the table, or CREATE OR REPLACE RULE with what it was. What statements did by the rule meanwhile stays done.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::CreateRule { relation } = subject.change else { return Vec::new() };
    let Some(target) = subject.shared(relation) else { return Vec::new() };
    let message = format!("statements on {} are rewritten into others from then on", target.described());
    vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
}
