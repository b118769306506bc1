//! Triggers, rules or the replica identity are weakened.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "disable-trigger",
    hazard: "Triggers, rules or the replica identity are weakened.",
    lock: Some(LockMode::ShareRowExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "DISABLE TRIGGER, DISABLE RULE, REPLICA IDENTITY NOTHING and the like.",
        why: "What they guard is not guarded any more: DISABLE TRIGGER ALL switches foreign keys off as well.",
        instead: "Leave them on, and let the change pass through them.",
        versions: "All supported versions.",
        undo: "ENABLE TRIGGER, ENABLE RULE, or the former REPLICA IDENTITY. Rows written meanwhile are not checked by that: look for those that break a foreign key yourself.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, kind)) = subject.alter() else { return Vec::new() };
    let (command, lock) = match kind {
        AlterKind::Weakens { command, lock } => (*command, *lock),
        AlterKind::ReplicaIdentityDefault => ("REPLICA IDENTITY DEFAULT", LockMode::AccessExclusive),
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
    let keyed = |facts: &RelationFacts| facts.indexes.iter().any(|index| index.primary);
    // The default is the primary key.
    if *kind == AlterKind::ReplicaIdentityDefault && target.facts.is_some_and(keyed) {
        return Vec::new();
    }
    let message = format!("{command}: what guards {} is weakened", target.described());
    vec![Hazard::loss(&target, lock, message)]
}
