//! Adding a column whose value differs from row to row rewrites the table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::LockMode;

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-column-volatile",
    hazard: "Adding a column whose value differs from row to row rewrites the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ADD COLUMN with a volatile default, or smallserial, serial, bigserial, or an identity. A default counts as volatile when anything it calls may be: a function or what its left-out arguments are, an operator, a cast that is written or happens by itself.",
        why: "The whole table and its indexes are written anew under ACCESS EXCLUSIVE: nobody can even read it.",
        instead: "Add the column and set its default in one ALTER TABLE, fill old rows in batches, then SET NOT NULL by way of a validated CHECK.",
        versions: "All supported versions; a default that is constant for the statement, such as now(), costs nothing from version 11.",
        undo: "DROP COLUMN, for a moment. The values are lost, and given a second time they are others. Half-way the column is there with its default, partly filled: dropping it is all there is to do.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((column, target)) = subject.new_column() else { return Vec::new() };
    if target.is_empty() {
        return Vec::new();
    }
    let why = if column.serial.is_some() {
        "a serial column"
    } else if column.identity_sql.is_some() {
        "an identity column"
    } else if crate::kernel::plan::add_column::volatile(column, subject.facts) {
        "a default that differs from row to row"
    } else {
        return Vec::new();
    };
    let message = format!(
        "ADD COLUMN {} with {why} rewrites {} while nobody may read or write it",
        column.name,
        target.described()
    );
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(subject.column_plan(column, &target))]
}
