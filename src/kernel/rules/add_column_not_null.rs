//! A NOT NULL column without a default cannot be added to a table that has rows.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AddColumn, ConstraintKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-column-not-null",
    hazard: "A NOT NULL column without a default cannot be added to a table that has rows.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Refuse,
    doc: Doc {
        what: "ADD COLUMN NOT NULL (or PRIMARY KEY) without a default on a table that is not empty.",
        why: "The server refuses it (23502), but only after it has waited for ACCESS EXCLUSIVE and made everybody else wait behind it.",
        instead: "Give it a DEFAULT, or add it without NOT NULL, fill it, and SET NOT NULL afterwards.",
        versions: "All supported versions.",
        undo: "Nothing: the server refuses the statement, or it adds a column to an empty table, which DROP COLUMN takes away again.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((column, target)) = subject.new_column() else { return Vec::new() };
    if target.is_empty() || !must_be_filled(column) || filled(column, subject) {
        return Vec::new();
    }
    let message = format!(
        "column {} of {} would have no value in the rows that exist, and NOT NULL forbids that (the server answers \
         23502)",
        column.name,
        target.described()
    );
    let mut hazard = Hazard::loss(&target, LockMode::AccessExclusive, message);
    // The server says the same at once where nobody is kept waiting.
    hazard.only_lock = true;
    vec![hazard]
}

fn must_be_filled(column: &AddColumn) -> bool {
    column.not_null.is_some() || column.constraints.iter().any(|c| matches!(c.kind, ConstraintKind::PrimaryKey { .. }))
}

fn filled(column: &AddColumn, subject: &Subject<'_>) -> bool {
    column.default.as_ref().is_some_and(|default| !default.is_null)
        || column.serial.is_some()
        || column.identity_sql.is_some()
        || column.generated.is_some()
        || subject.facts.type_facts(&column.type_name).is_some_and(|of| of.domain_default)
}
