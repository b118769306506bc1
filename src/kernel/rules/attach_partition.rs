//! Attaching, detaching or adding a partition reads tables, or keeps the parent from everybody.

use super::subject::{Hazard, Subject, Target};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{RelationFacts, RelationKind};
use crate::kernel::sql::statement::{AlterKind, Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "attach-partition",
    hazard: "Attaching, detaching or adding a partition reads tables, or keeps the parent from everybody.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ATTACH PARTITION; DETACH PARTITION without CONCURRENTLY; CREATE TABLE … PARTITION OF a parent with a default partition.",
        why: "The new table and the default partition are read under ACCESS EXCLUSIVE; a plain DETACH locks the parent.",
        instead: "A CHECK that proves the bounds, NOT VALID and validated, before ATTACH; DETACH … CONCURRENTLY from 14.",
        versions: "DETACH … CONCURRENTLY from 14.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    match (subject.change, subject.alter()) {
        (_, Some((alter, AlterKind::AttachPartition { partition }))) => {
            let parent = subject.shared(&alter.relation);
            let Some(new) = subject.shared(partition) else { return default_partition(parent) };
            if parent.as_ref().is_some_and(|p| p.facts.is_some_and(is_index)) {
                return Vec::new();
            }
            if new.is_empty() && !parent.as_ref().is_some_and(has_default) {
                return Vec::new();
            }
            let message = format!("ATTACH PARTITION reads all of {} while nobody may use it", new.described());
            vec![
                Hazard::lock(&new, LockMode::AccessExclusive, message).and_size_of(parent.filter(has_default).as_ref()),
            ]
        }
        (_, Some((_, AlterKind::DetachPartition { partition, concurrently: false, finalize: false }))) => {
            let Some(target) = subject.shared(partition) else { return Vec::new() };
            let message = format!("{} leaves its parent, which is locked for it", target.described());
            vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
        }
        (Change::CreateTable(table), _) => match &table.partition_of {
            Some(parent) => default_partition(subject.shared(parent)),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn has_default(parent: &Target<'_>) -> bool {
    parent.facts.is_none_or(|facts| facts.has_default_partition && facts.heap_bytes > 0)
}

fn is_index(facts: &RelationFacts) -> bool {
    facts.kind == RelationKind::PartitionedIndex
}

fn default_partition(parent: Option<Target<'_>>) -> Vec<Hazard> {
    let Some(parent) = parent.filter(has_default) else { return Vec::new() };
    let message = format!("the default partition of {} is read while nobody may use it", parent.described());
    vec![Hazard::lock(&parent, LockMode::AccessExclusive, message)]
}
