//! DELETE without a condition deletes every row in one transaction.

use super::mass_update::{batches, through_a_view};
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
        what: "DELETE whose WHERE is missing or by its form always true, on a table that is not empty. That a condition happens to hold for every row (`id IS NOT NULL` of a key) is not seen: ordinary statements are not looked up.",
        why: "Every row is lost, every row is locked until the commit, and the table doubles in size or must be cleaned up. Mostly the WHERE was forgotten.",
        instead: "Write the WHERE. If all rows are meant: with the comment /* lockkeeper: batches */ an approved DELETE runs in batches, and so it does where the policy answers rewrite. It is no longer all or nothing then; rows written meanwhile stay.",
        versions: "All supported versions.",
        undo: "Nothing after the commit but a backup, restored beside the database and copied over. Before the commit, ROLLBACK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::MassWrite { kind: kind @ MassWriteKind::Delete, relation, by_row } = subject.change else {
        return Vec::new();
    };
    if let Some(hazard) = through_a_view(subject, relation, "DELETE without a condition deletes") {
        return vec![hazard];
    }
    if let Some(target) = subject.referenced(relation) {
        let message = format!(
            "DELETE without a condition deletes every row of {}, and may delete or change those that refer to them",
            target.described()
        );
        return vec![Hazard::loss(&target, LockMode::RowExclusive, message)];
    }
    let Some(target) = subject.with_data(relation) else { return Vec::new() };
    let message = format!("DELETE without a condition deletes every row of {}", target.described());
    let hazard = Hazard::loss(&target, LockMode::RowExclusive, message);
    vec![batches(hazard, subject, &target, (*kind, by_row.as_ref()))]
}
