//! DELETE without a condition deletes every row in one transaction.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, LockMode, MassWriteKind};

/// The rule.
pub const RULE: Rule = Rule {
    id: "mass-delete",
    hazard: "DELETE without a condition deletes every row in one transaction.",
    lock: Some(LockMode::RowExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "DELETE whose WHERE is missing or always true, on a table that is not empty.",
        why: "Every row is lost, every row is locked until the commit, and the table doubles in size or must be cleaned up. Mostly the WHERE was forgotten.",
        instead: "Write the WHERE; for a change of all rows work in batches by key.",
        versions: "All supported versions.",
        undo: "Nothing after the commit but a backup, restored beside the database and copied over. Before the commit, ROLLBACK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::MassWrite { kind: MassWriteKind::Delete, relation } = subject.change else { return Vec::new() };
    let Some(target) = subject.with_data(relation) else { return Vec::new() };
    let message = format!("DELETE without a condition deletes every row of {}", target.described());
    vec![Hazard::loss(&target, LockMode::RowExclusive, message)]
}
