//! A column that a trigger of ours keeps in step with another cannot go, or change, without that trigger.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::plan::shadow;
use crate::kernel::sql::statement::{AlterKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "kept-in-step",
    hazard: "Dropping or changing a column that is kept in step with another breaks every write of the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Refuse,
    doc: Doc {
        what: "DROP COLUMN, and a change of type, of one of two columns that a trigger of the gateway keeps in step: while a change of type is on its way, and while the old name of a renamed column goes on working.",
        why: "The trigger names both columns. Once one of them is gone, every INSERT and UPDATE fails; once one has another type, values may not fit into the other.",
        instead: "Let the job end that keeps them in step (lockkeeper jobs --table): of a rename, the one that drops the old name when its time is up; or take it back with lockkeeper jobs undo. Where that job was aborted, first drop the trigger (zzz_lockkeeper_sync_…).",
        versions: "All supported versions.",
        undo: "Before the commit, ROLLBACK. After it, DROP TRIGGER lets writes go on; the values of a dropped column are still in the other one.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (alter, column, what) = match subject.alter() {
        Some((alter, AlterKind::DropColumn { column, .. })) => (alter, column, "is gone"),
        Some((alter, AlterKind::AlterType { column, .. })) => (alter, column, "has another type"),
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
    let Some(table) = target.facts else { return Vec::new() };
    let is_change = matches!(subject.alter(), Some((_, AlterKind::AlterType { .. })));
    // The same statement sent again goes on where it was stopped.
    if is_change && shadow::is_on_its_way(table, column) {
        return Vec::new();
    }
    let others = shadow::kept_in_step(table, column);
    if others.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "a trigger keeps column {column} of {} in step with {}, and fails in writes once it {what}",
        target.described(),
        others.join(", ")
    );
    vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
}
