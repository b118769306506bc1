//! Adding a UNIQUE constraint builds its index while nobody may use the table.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::plan::{Plan, add_index_constraint};
use crate::kernel::sql::statement::{AlterKind, ConstraintKind, LockMode, TableConstraint};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-unique",
    hazard: "Adding a UNIQUE constraint builds its index while nobody may use the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ADD UNIQUE that is not made of an index which exists already.",
        why: "The table is locked ACCESS EXCLUSIVE until its rows are sorted: nobody can read or write.",
        instead: "CREATE UNIQUE INDEX CONCURRENTLY under the constraint’s name, then ADD CONSTRAINT … UNIQUE USING INDEX.",
        versions: "All supported versions. On the parent of partitions: ALTER TABLE ONLY … ADD UNIQUE, then the same for each partition, and ALTER INDEX … ATTACH PARTITION.",
        undo: "DROP CONSTRAINT, for a moment; its index goes with it. Half-way only an index is there: DROP INDEX CONCURRENTLY.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::AddConstraint(constraint))) = subject.alter() else { return Vec::new() };
    let ConstraintKind::Unique { .. } = constraint.kind else { return Vec::new() };
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    if subject.index_of_parent_only(alter, &target) {
        return Vec::new();
    }
    let message = format!(
        "ADD UNIQUE builds an index over {} while nobody may use it{}",
        target.described(),
        subject.crowd(&target)
    );
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(safe(subject, constraint, &target))]
}

/// The index first, then the constraint: UNIQUE and PRIMARY KEY alike.
pub(super) fn safe(subject: &Subject<'_>, constraint: &TableConstraint, target: &Target<'_>) -> Result<Plan, String> {
    let table = target.facts.ok_or(UNKNOWN)?;
    if !matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable) {
        return Err("it is not a table".to_owned());
    }
    let taken = |name: &String| table.index(name).is_some_and(|index| index.valid) || table.constraint(name).is_some();
    if constraint.name.as_ref().is_some_and(taken) {
        return Err("its name is taken".to_owned());
    }
    let mut names = subject.names.borrow_mut();
    add_index_constraint::plan(table, constraint, subject.facts, &mut names)
}
