//! Attaching or adding a partition reads tables, builds indexes, or keeps the parent from everybody.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{MEMBERS_MAX, RelationFacts, RelationKind};
use crate::kernel::plan::{Plan, attach_partition, create_partition};
use crate::kernel::sql::statement::{
    AlterKind, AlterTable, Change, CreateTable, LockMode, PartitionBound, RelationName,
};

/// The rule.
pub const RULE: Rule = Rule {
    id: "attach-partition",
    hazard: "Attaching or adding a partition reads tables, builds indexes, or keeps the parent from everybody.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ATTACH PARTITION of a table with rows, or beside a default partition with rows; CREATE TABLE … PARTITION OF.",
        why: "The new table and the default partition are read under ACCESS EXCLUSIVE, and missing indexes and foreign keys are made under it; PARTITION OF locks the parent ACCESS EXCLUSIVE, ATTACH only SHARE UPDATE EXCLUSIVE.",
        instead: "A CHECK that proves the bounds, NOT VALID and validated, on the new table, and its opposite on the default partition; the indexes built CONCURRENTLY and foreign keys validated beforehand; then ATTACH, and the helpers dropped. For PARTITION OF: CREATE TABLE … (LIKE …), and then ATTACH.",
        versions: "All supported versions. No CHECK proves bounds of a hash of text. One of an expression the server takes for a proof, but it is not made here: the ATTACH is held, with the CHECK too.",
        undo: "DETACH PARTITION … CONCURRENTLY, beside a default partition without it. No row is lost; indexes and foreign keys that the table got for it stay. For PARTITION OF, DROP TABLE as well, with the rows that came meanwhile.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    match (subject.change, subject.alter()) {
        (_, Some((alter, AlterKind::AttachPartition { partition, bound: Some(bound) }))) => {
            attach(subject, alter, partition, bound)
        }
        (Change::CreateTable(table), _) => create(subject, table),
        _ => Vec::new(),
    }
}

fn attach(subject: &Subject<'_>, alter: &AlterTable, partition: &RelationName, bound: &PartitionBound) -> Vec<Hazard> {
    let parent = subject.shared(&alter.relation);
    let Some(new) = subject.shared(partition) else { return default_partition(parent) };
    if new.is_empty() && !parent.as_ref().is_some_and(has_default) {
        return Vec::new();
    }
    let facts = parent.as_ref().and_then(|parent| parent.facts).zip(new.facts);
    // The server answers before it reads anything.
    if facts.is_some_and(|(parent, new)| refused(parent, new)) {
        return Vec::new();
    }
    let plan = match facts {
        Some((parent, _)) if parent.members.len() > MEMBERS_MAX => Err(too_many()),
        Some((parent, new)) => {
            attach_partition::plan(parent, new, bound, subject.facts, &mut subject.names.borrow_mut())
        }
        None => Err(UNKNOWN.to_owned()),
    };
    let message = format!("ATTACH PARTITION reads all of {} while nobody may use it", new.described());
    let hazard = Hazard::lock(&new, LockMode::AccessExclusive, message).with(plan);
    vec![hazard.and_size_of(parent.filter(has_default).as_ref())]
}

/// A column or constraint of the parent that the new table lacks, or one too many, or it is a partition already.
fn refused(parent: &RelationFacts, new: &RelationFacts) -> bool {
    let fits = |name: &str, type_sql: &str, not_null: bool| {
        new.column(name).is_some_and(|column| column.type_sql == type_sql && (column.not_null || !not_null))
    };
    let checked = |definition: &str, name: &str| {
        new.constraint(name).is_some_and(|there| there.validated && there.definition == definition)
    };
    // What is only foreseen may be incomplete.
    if parent.oid == 0 || new.oid == 0 {
        return false;
    }
    parent.kind != RelationKind::PartitionedTable
        || new.is_partition
        || parent.columns.len() != new.columns.len()
        || !parent.columns.iter().all(|column| fits(&column.name, &column.type_sql, column.not_null))
        || parent.constraints.iter().any(|c| c.kind == 'c' && c.validated && !checked(&c.definition, &c.name))
}

fn create(subject: &Subject<'_>, table: &CreateTable) -> Vec<Hazard> {
    let Some(parent) = table.partition_of.as_ref().and_then(|parent| subject.shared(parent)) else {
        return Vec::new();
    };
    let Some(bound) = &table.plain_partition else { return default_partition(Some(parent)) };
    // An error, at once.
    let there = subject.facts.relation(&table.relation).flatten().is_some();
    if parent.is_empty() || (there && table.relation.schema.is_some()) {
        return Vec::new();
    }
    let plan = match parent.facts {
        Some(facts) if facts.kind != RelationKind::PartitionedTable => return Vec::new(),
        Some(facts) if facts.members.len() > MEMBERS_MAX => Err(too_many()),
        Some(facts) => {
            create_partition::plan(facts, &table.relation, bound, subject.facts, &mut subject.names.borrow_mut())
        }
        None => Err(UNKNOWN.to_owned()),
    };
    if plan.is_err() && !has_default(&parent) {
        // The lock alone: brief once it is there.
        return Vec::new();
    }
    vec![create_hazard(&parent, plan)]
}

fn create_hazard(parent: &Target<'_>, plan: Result<Plan, String>) -> Hazard {
    let and = if has_default(parent) { ", while its default partition is read" } else { "" };
    let message =
        format!("CREATE TABLE … PARTITION OF takes {} away from everybody while it waits{and}", parent.described());
    Hazard::lock(parent, LockMode::AccessExclusive, message).with(plan)
}

/// Why there is no plan for a tree that is too large.
pub(super) fn too_many() -> String {
    format!("it has more than {MEMBERS_MAX} partitions")
}

fn has_default(parent: &Target<'_>) -> bool {
    parent.facts.is_none_or(|facts| facts.has_default_partition && facts.heap_bytes > 0)
}

fn default_partition(parent: Option<Target<'_>>) -> Vec<Hazard> {
    let Some(parent) = parent.filter(has_default) else { return Vec::new() };
    let message = format!("the default partition of {} is read while nobody may use it", parent.described());
    vec![Hazard::lock(&parent, LockMode::AccessExclusive, message)]
}
