//! Adding a UNIQUE constraint builds its index while nobody may use the table.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule, set_not_null};
use crate::kernel::facts::{RelationFacts, RelationKind};
use crate::kernel::plan::{Plan, add_index_constraint};
use crate::kernel::sql::statement::{AlterKind, AlterTable, ConstraintKind, LockMode, TableConstraint};

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
    if subject.index_of_parent_only(alter, &target) || server_answers(alter, constraint, &target) {
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
    if is_taken(constraint, table) {
        return Err("its name is taken".to_owned());
    }
    let mut names = subject.names.borrow_mut();
    add_index_constraint::plan(table, constraint, subject.facts, &mut names)
}

/// The name is taken by something sound of the table: an error, before anything is built or read. What else the
/// statement does could free the name.
pub(super) fn server_answers(alter: &AlterTable, constraint: &TableConstraint, target: &Target<'_>) -> bool {
    let Some(table) = target.facts else { return false };
    let is_key = matches!(constraint.kind, ConstraintKind::PrimaryKey { .. });
    let reads_nothing = !is_key || constraint.columns.iter().all(|column| set_not_null::nothing_to_read(table, column));
    alter.actions.len() == 1 && reads_nothing && is_taken(constraint, table)
}

fn is_taken(constraint: &TableConstraint, table: &RelationFacts) -> bool {
    let of_it = |name: &String| table.index(name).is_some_and(|index| index.valid) || table.constraint(name).is_some();
    constraint.name.as_ref().is_some_and(of_it)
}
