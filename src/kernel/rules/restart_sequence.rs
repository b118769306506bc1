//! A sequence that starts again gives numbers that are taken.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AlterKind, Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "restart-sequence",
    hazard: "A sequence that starts again gives numbers that are taken.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER SEQUENCE … RESTART, ALTER COLUMN … RESTART of an identity column. Not setval(), which restoring tools and applications call, nor INCREMENT, MAXVALUE and CYCLE, though all of these can lead to numbers that are taken.",
        why: "New rows get keys that exist already: the application fails with 23505, or old references mean new rows.",
        instead: "SELECT setval(…, (SELECT max(id) FROM t)), which cannot go below what is used.",
        versions: "All supported versions.",
        undo: "setval() with the value it had: read last_value first. Rows that got a number twice stay.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (name, lock) = match (subject.change, subject.alter()) {
        (Change::RestartSequence { relation }, _) => (relation, LockMode::ShareRowExclusive),
        (_, Some((alter, AlterKind::RestartIdentity { .. }))) => (&alter.relation, LockMode::AccessExclusive),
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(name) else { return Vec::new() };
    let message = format!("the numbers of {} start again, and may be taken", target.name.written());
    vec![Hazard::loss(&target, lock, message)]
}
