//! A rewrite rule turns innocent statements into others.

use super::subject::{Hazard, Known, Subject};
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
    let Change::CreateRule { relation, acts } = subject.change else { return Vec::new() };
    let message = |on: &str| format!("statements on {on} are rewritten into others from then on");
    match (subject.shared(relation), subject.known(relation)) {
        (Some(target), _) => vec![Hazard::loss(&target, LockMode::AccessExclusive, message(&target.described()))],
        // What it does need not be done to its own table.
        (None, Known::Own) if *acts => vec![Hazard::plain(message(&relation.written()))],
        (None, _) => Vec::new(),
    }
}
