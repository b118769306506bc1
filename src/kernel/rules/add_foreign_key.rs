//! Adding a foreign key looks up every row while nobody may write to either table.

use super::subject::{Hazard, Subject, UNKNOWN, written};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::plan::tree::Tree;
use crate::kernel::plan::{add_constraint, partitioned_key};
use crate::kernel::sql::statement::{AlterKind, ConstraintKind, LockMode};

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
        versions: "All supported versions; from a partitioned table NOT VALID works from 18, before that for each partition by itself, and the parent adopts them.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::AddConstraint(constraint))) = subject.alter() else { return Vec::new() };
    let ConstraintKind::ForeignKey { references } = &constraint.kind else { return Vec::new() };
    if constraint.not_valid || constraint.not_enforced {
        return Vec::new();
    }
    let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
    let referenced = subject.shared(references);
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
        written(references)
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
    let hazard = Hazard::lock(&target, LockMode::ShareRowExclusive, message).with(plan);
    vec![hazard.and_size_of(referenced.as_ref())]
}
