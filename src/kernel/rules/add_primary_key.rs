//! Adding a PRIMARY KEY builds its index, and may read every row, while nobody may use the table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule, add_unique, set_not_null};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterKind, AlterTable, ConstraintKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-primary-key",
    hazard: "Adding a PRIMARY KEY builds its index, and may read every row, while nobody may use the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ADD PRIMARY KEY that is not made of an index which exists already, or is made of columns that may be null.",
        why: "The table is locked ACCESS EXCLUSIVE until its rows are sorted: nobody can read or write.",
        instead: "CREATE UNIQUE INDEX CONCURRENTLY under the constraint’s name, then ADD CONSTRAINT … PRIMARY KEY USING INDEX. Make its columns NOT NULL first by way of a validated CHECK.",
        versions: "All supported versions. On the parent of partitions: ALTER TABLE ONLY … ADD PRIMARY KEY, then the same for each partition, and ALTER INDEX … ATTACH PARTITION.",
        undo: "DROP CONSTRAINT, for a moment; its index goes with it. The columns stay NOT NULL: that is DROP NOT NULL for each. Half-way only an index is there: DROP INDEX CONCURRENTLY.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (alter, constraint) = match subject.alter() {
        Some((alter, AlterKind::AddConstraint(constraint))) => (alter, constraint),
        Some((alter, AlterKind::AddConstraintUsingIndex { index, primary_key: true, .. })) => {
            return with_nulls(subject, alter, index);
        }
        _ => return Vec::new(),
    };
    let ConstraintKind::PrimaryKey { .. } = constraint.kind else { return Vec::new() };
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    if target.facts.is_some_and(has_primary_key) {
        return Vec::new();
    }
    if subject.index_of_parent_only(alter, &target) {
        return Vec::new();
    }
    let message = format!(
        "ADD PRIMARY KEY builds an index over {} while nobody may use it{}",
        target.described(),
        subject.crowd(&target)
    );
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(add_unique::safe(subject, constraint, &target))]
}

/// USING INDEX on columns that may be null: they are set NOT NULL, and read for it.
fn with_nulls(subject: &Subject<'_>, alter: &AlterTable, index: &str) -> Vec<Hazard> {
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let Some(table) = target.facts.filter(|table| !has_primary_key(table)) else { return Vec::new() };
    let Some(found) = table.index(index) else { return Vec::new() };
    let open: Vec<&str> = found
        .columns
        .iter()
        .filter(|column| !set_not_null::nothing_to_read(table, column))
        .map(String::as_str)
        .collect();
    if open.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "PRIMARY KEY USING INDEX {index} reads all of {} for nulls in {} while nobody may use it",
        target.described(),
        open.join(", ")
    );
    let why = "its columns must be NOT NULL first: set them so with a statement of their own";
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(Err(why))]
}

/// A second one is refused by the server at once.
fn has_primary_key(table: &RelationFacts) -> bool {
    table.indexes.iter().any(|index| index.primary)
}
