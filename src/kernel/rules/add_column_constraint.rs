//! A constraint written with a new column is checked while nobody may use the table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AddColumn, ConstraintKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-column-constraint",
    hazard: "A constraint written with a new column is checked while nobody may use the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ADD COLUMN with an inline UNIQUE, PRIMARY KEY or CHECK, or with REFERENCES and a default.",
        why: "The index is built, or every row is read, under ACCESS EXCLUSIVE.",
        instead: "Add the column first, then the constraint: an index built CONCURRENTLY and USING INDEX, or NOT VALID and VALIDATE CONSTRAINT.",
        versions: "All supported versions. REFERENCES without a default costs nothing: every value is null.",
        undo: "DROP CONSTRAINT alone keeps the column; DROP COLUMN takes its constraints and indexes along, and the values written since are lost.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((column, target)) = subject.new_column() else { return Vec::new() };
    if target.is_empty() {
        return Vec::new();
    }
    let Some(what) = scanned(column) else { return Vec::new() };
    let message =
        format!("ADD COLUMN {} with {what} reads all of {} while nobody may use it", column.name, target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(subject.column_plan(column, &target))]
}

/// What makes the server read the table, if anything does.
fn scanned(column: &AddColumn) -> Option<&'static str> {
    // DEFAULT NULL, too, makes the server look at every row.
    let has_value = column.default.is_some()
        || column.serial.is_some()
        || column.identity_sql.is_some()
        || column.generated.is_some();
    column.constraints.iter().find_map(|constraint| match &constraint.kind {
        ConstraintKind::Check { .. } if !constraint.not_enforced => Some("a CHECK"),
        ConstraintKind::Unique { .. } => Some("UNIQUE"),
        ConstraintKind::PrimaryKey { .. } => Some("PRIMARY KEY"),
        ConstraintKind::ForeignKey { .. } if has_value && !constraint.not_enforced => Some("REFERENCES and a default"),
        ConstraintKind::Exclude => Some("EXCLUDE"),
        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } | ConstraintKind::NotNull => None,
    })
}
