//! Adding a PRIMARY KEY builds its index, and may read every row, while nobody may use the table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule, add_unique, set_not_null};
use crate::kernel::facts::{RelationFacts, RelationKind};
use crate::kernel::plan::{add_index_constraint, swap_primary_key};
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
        instead: "CREATE UNIQUE INDEX CONCURRENTLY under the constraint’s name, then ADD CONSTRAINT … PRIMARY KEY USING INDEX. Make its columns NOT NULL first by way of a validated CHECK. In place of another: DROP CONSTRAINT of that one in the same ALTER TABLE, after the foreign keys that reference it.",
        versions: "All supported versions. On the parent of partitions: ALTER TABLE ONLY … ADD PRIMARY KEY, then the same for each partition, and ALTER INDEX … ATTACH PARTITION. From 18 that way leaves the key's columns NOT NULL in each partition by itself too (conislocal), not only by the parent's: after a DROP CONSTRAINT of the key and a DROP NOT NULL of the parent, DROP NOT NULL of each partition.",
        undo: "DROP CONSTRAINT, for a moment; its index goes with it. A swapped one is swapped back, with the old key’s index built again. The columns stay NOT NULL: that is DROP NOT NULL for each. Half-way only an index is there: DROP INDEX CONCURRENTLY.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (alter, constraint) = match subject.alter() {
        Some((alter, AlterKind::AddConstraint(constraint))) => (alter, constraint),
        Some((alter, AlterKind::AddConstraintUsingIndex { name, index, primary_key: true })) => {
            return with_nulls(subject, alter, (name.as_deref(), index));
        }
        _ => return Vec::new(),
    };
    let ConstraintKind::PrimaryKey { .. } = constraint.kind else { return Vec::new() };
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    if let (Some((dropped, _)), Some(table)) = (swap_primary_key::of(alter), target.facts)
        && table.indexes.iter().any(|index| index.primary && index.constraint.as_deref() == Some(dropped))
    {
        let message =
            format!("another PRIMARY KEY builds an index over {} while nobody may use it", target.described());
        let plan = swap_primary_key::plan(table, alter, subject.facts);
        return vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan)];
    }
    if target.facts.is_some_and(|table| has_primary_key(table) || refused(table, &constraint.columns)) {
        return Vec::new();
    }
    if subject.index_of_parent_only(alter, &target) || add_unique::server_answers(alter, constraint, &target) {
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
fn with_nulls(subject: &Subject<'_>, alter: &AlterTable, named: (Option<&str>, &str)) -> Vec<Hazard> {
    let (name, index) = named;
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let Some(table) = target.facts.filter(|table| !has_primary_key(table)) else { return Vec::new() };
    let Some(found) = table.index(index) else { return Vec::new() };
    let open: Vec<&str> = found
        .columns
        .iter()
        .filter(|column| !set_not_null::nothing_to_read(table, column))
        .map(String::as_str)
        .collect();
    if open.is_empty() || refused(table, &found.columns) {
        return Vec::new();
    }
    let message = format!(
        "PRIMARY KEY USING INDEX {index} reads all of {} for nulls in {} while nobody may use it",
        target.described(),
        open.join(", ")
    );
    let plan = if alter.only || table.has_children || table.kind != RelationKind::Table {
        Err("a CHECK that proves its columns would be inherited: set them NOT NULL with a statement of their own"
            .to_owned())
    } else if !found.unique || !found.valid || found.expression_or_partial || found.constraint.is_some() {
        Err("the index is not fit for it".to_owned())
    } else {
        let action = subject.action.map(|action| action.sql.as_str()).unwrap_or_default();
        let (major, mut names) = (subject.facts.major(), subject.names.borrow_mut());
        let of = add_index_constraint::Used { name: name.unwrap_or(index), index, action, open: &open };
        add_index_constraint::using(table, &of, (major, &mut names)).map_err(str::to_owned)
    };
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan)]
}

/// The server does not take a NOT NULL that is NOT VALID (18) for a key, and says so at once.
fn refused(table: &RelationFacts, columns: &[String]) -> bool {
    columns.iter().any(|column| set_not_null::unproven(table, column).is_some())
}

/// A second one is refused by the server at once.
fn has_primary_key(table: &RelationFacts) -> bool {
    table.indexes.iter().any(|index| index.primary)
}
