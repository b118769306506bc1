//! Detaching a partition keeps the parent from everybody.

use super::subject::{Hazard, Subject, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::plan::detach_partition;
use crate::kernel::sql::statement::{AlterKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "detach-partition",
    hazard: "Detaching a partition keeps the parent from everybody while it waits for every query on it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "DETACH PARTITION without CONCURRENTLY.",
        why: "The parent and the partition are locked ACCESS EXCLUSIVE: a single long query before it stops everybody who comes after it.",
        instead: "DETACH PARTITION … CONCURRENTLY, outside a transaction block; after an interruption, DETACH PARTITION … FINALIZE.",
        versions: "From 14, but not beside a default partition.",
        undo: "ATTACH PARTITION with the bounds it had. A CHECK that proves them spares the scan; CONCURRENTLY leaves one behind.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::DetachPartition { partition, concurrently: false, finalize: false })) = subject.alter()
    else {
        return Vec::new();
    };
    let (Some(parent), Some(target)) = (subject.shared(&alter.relation), subject.shared(partition)) else {
        return Vec::new();
    };
    // Not a partition of this one, or half detached: the server says so at once.
    let looked_up = target.facts.filter(|facts| facts.oid != 0);
    let place = looked_up.map(|facts| facts.partition_of.as_ref());
    let name = parent.facts.map(|facts| facts.qualified());
    if place.is_some_and(|place| place.is_none_or(|place| place.detach_pending || Some(&place.parent) != name.as_ref()))
    {
        return Vec::new();
    }
    let plan = match (parent.facts, target.facts) {
        (Some(parent), Some(target)) => detach_partition::plan(parent, target, &mut subject.names.borrow_mut()),
        _ => Err(UNKNOWN.to_owned()),
    };
    let message = format!("to detach {}, {} is taken away from everybody", target.described(), parent.name.written());
    vec![Hazard::lock(&parent, LockMode::AccessExclusive, message).with(plan)]
}
