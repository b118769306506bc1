//! REINDEX blocks writes, and reads by the index, until it is rebuilt.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::plan::Plan;
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "reindex",
    hazard: "REINDEX blocks writes, and reads by the index, until it is rebuilt.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "REINDEX without CONCURRENTLY.",
        why: "The table is locked SHARE and each index ACCESS EXCLUSIVE while it is built.",
        instead: "REINDEX INDEX CONCURRENTLY or REINDEX TABLE CONCURRENTLY, outside a transaction block.",
        versions: "CONCURRENTLY from version 12; not for system catalogs and exclusion constraints.",
        undo: "There is nothing to undo: the index is the same, only compact. A CONCURRENTLY that is cut off leaves an INVALID index ending in _ccnew, which is dropped.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Reindex { target: name, index } = subject.change else { return Vec::new() };
    let Some(name) = name else {
        return vec![Hazard::plain("REINDEX of a schema or database blocks writes to every table in it".to_owned())];
    };
    let Some(target) = subject.shared(name) else { return Vec::new() };
    let message = format!("REINDEX blocks writes, and reads by the index, of {} until it is done", target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(safe(&target, *index))]
}

fn safe(target: &Target<'_>, index: bool) -> Result<Plan, &'static str> {
    let facts = target.facts.ok_or(UNKNOWN)?;
    if matches!(facts.kind, RelationKind::PartitionedTable | RelationKind::PartitionedIndex) {
        return Err("its partitions are rebuilt one by one");
    }
    if facts.constraints.iter().any(|constraint| constraint.kind == 'x') {
        return Err("the index of an exclusion constraint cannot be rebuilt concurrently");
    }
    Ok(crate::kernel::plan::reindex::plan(facts, index))
}
