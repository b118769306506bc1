//! Adding a foreign key looks up every row while nobody may write to either table.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::plan::tree::Tree;
use crate::kernel::plan::{add_constraint, partitioned_key};
use crate::kernel::sql::statement::{AlterKind, ConstraintKind, LockMode, RelationName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-foreign-key",
    hazard: "Adding a foreign key looks up every row while nobody may write to either table.",
    lock: Some(LockMode::ShareRowExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ADD FOREIGN KEY without NOT VALID.",
        why: "Both tables are locked SHARE ROW EXCLUSIVE while every row is looked up: writers to both wait.",
        instead: "ADD CONSTRAINT … FOREIGN KEY (…) REFERENCES … NOT VALID, and then VALIDATE CONSTRAINT in a transaction of its own.",
        versions: "All supported versions; from a partitioned table NOT VALID works from 18, before that for each partition by itself, and the parent adopts them. Up to 17 the server’s own rows of a key for the partitions of the table it references stay marked as not validated (pg_constraint.conparentid); the key itself is validated.",
        undo: "DROP CONSTRAINT, for a moment, ACCESS EXCLUSIVE on both tables. Half-way the constraint is there NOT VALID: it binds new rows, and is dropped the same way.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (alter, constraint) = match subject.alter() {
        Some((alter, AlterKind::AddConstraint(constraint))) => (alter, constraint),
        Some((alter, AlterKind::Enforce { name, enforced: true })) => return enforced(subject, &alter.relation, name),
        _ => return Vec::new(),
    };
    let ConstraintKind::ForeignKey { references } = &constraint.kind else { return Vec::new() };
    if constraint.not_valid || constraint.not_enforced {
        return Vec::new();
    }
    let referenced = subject.shared(references);
    let Some(target) = subject.shared(&alter.relation) else { return of_own(subject, &alter.relation, referenced) };
    // Nothing to look up.
    if target.is_empty() {
        return Vec::new();
    }
    let tree = target.facts.filter(|table| table.kind == RelationKind::PartitionedTable);
    let tree = tree.map(|table| Tree::of(table, subject.facts));
    if let Some(Ok(tree)) = &tree
        && partitioned_key::adopts(tree, constraint)
    {
        return Vec::new();
    }
    let message = format!(
        "ADD FOREIGN KEY looks up every row of {} while nobody may write to it or to {}",
        target.described(),
        references.written()
    );
    let plan = match target.facts {
        Some(_) if alter.only => Err("ONLY".to_owned()),
        Some(table)
            if table.kind == RelationKind::PartitionedTable
                && subject.facts.major() < partitioned_key::NOT_VALID_FROM =>
        {
            let tree = tree.unwrap_or_else(|| Tree::of(table, subject.facts));
            tree.and_then(|tree| partitioned_key::plan(&tree, constraint, &mut subject.names.borrow_mut()))
        }
        Some(table) => add_constraint::plan(table, constraint, &mut subject.names.borrow_mut())
            .ok_or_else(|| "of its kind".to_owned()),
        None => Err(UNKNOWN.to_owned()),
    };
    // However large the other one is: what is looked up there are keys.
    vec![Hazard::lock(&target, LockMode::ShareRowExclusive, message).with(plan)]
}

/// A table of the same transaction: its rows are looked up in one that others want to write to.
fn of_own(subject: &Subject<'_>, own: &RelationName, referenced: Option<Target<'_>>) -> Vec<Hazard> {
    let own = subject.facts.relation(own).flatten().filter(|own| own.heap_bytes > 0);
    let (Some(own), Some(referenced)) = (own, referenced) else { return Vec::new() };
    let message = format!(
        "ADD FOREIGN KEY looks up every row of {} while nobody may write to {}; it cannot be done in steps here: the \
         table is new in this transaction",
        own.name,
        referenced.described()
    );
    let (rows, bytes) = (Some(own.rows_at_most()), Some(own.table_bytes()));
    vec![Hazard { rows, bytes, ..Hazard::lock(&referenced, LockMode::ShareRowExclusive, message) }]
}

/// NOT ENFORCED made ENFORCED is looked up at once, there is no NOT VALID in between.
fn enforced(subject: &Subject<'_>, table: &RelationName, name: &str) -> Vec<Hazard> {
    let Some(target) = subject.shared(table).filter(|target| !target.is_empty()) else { return Vec::new() };
    let message = format!(
        "ENFORCED looks up every row of {} for {name} while nobody may use it; drop it and add it NOT VALID instead",
        target.described()
    );
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message)]
}
