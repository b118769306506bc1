//! Dropping an index waits for every query on the table and makes all later ones wait behind it.

use super::subject::{Hazard, Known, Part, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{IndexFacts, RelationFacts, RelationKind};
use crate::kernel::plan::{Plan, drop_index};
use crate::kernel::sql::statement::{Change, DropKind, LockMode, RelationName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "drop-index",
    hazard: "Dropping an index waits for every query on the table and makes all later ones wait behind it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "DROP INDEX without CONCURRENTLY.",
        why: "It takes ACCESS EXCLUSIVE on the table: a single long query before it stops everybody who comes after it.",
        instead: "DROP INDEX CONCURRENTLY, one index a statement, outside a transaction block.",
        versions: "CONCURRENTLY exists in all supported versions, but not for indexes of constraints and of partitioned tables.",
        undo: "CREATE INDEX CONCURRENTLY with the definition it had, which takes as long as any build. Take the definition from pg_get_indexdef() before: the plan has it written down.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Drop(drop) = subject.change else { return Vec::new() };
    if drop.kind != DropKind::Index || drop.concurrently {
        return Vec::new();
    }
    // One that is not there is an error before any is dropped.
    if !drop.if_exists && drop.relations.iter().any(|name| matches!(subject.known(name), Known::Missing)) {
        return Vec::new();
    }
    let shared = drop.relations.iter().filter_map(|name| subject.shared(name));
    let shared: Vec<Target<'_>> = shared.filter(|target| !of_own_table(subject, target)).collect();
    // The server refuses at once to drop what a constraint owns; without CONCURRENTLY the work is brief.
    if shared.iter().any(owned) || (!drop.cascade && shared.iter().any(partitioned)) {
        return Vec::new();
    }
    let missing = drop.relations.iter().filter(|name| matches!(subject.known(name), Known::Missing));
    let plan = safe(drop.cascade, &shared, missing);
    let taken = drop.relations.iter().filter_map(|name| subject.taken(name, Part::All, drop.cascade, None));
    shared.iter().map(|target| hazard(subject, target, plan.clone())).chain(taken).collect()
}

fn owned(index: &Target<'_>) -> bool {
    listed(index).is_some_and(|listed| listed.constraint.is_some())
}

fn partitioned(index: &Target<'_>) -> bool {
    index.facts.is_some_and(|facts| facts.kind == RelationKind::PartitionedIndex || facts.is_partition)
}

/// The facts of an index list the index itself.
fn listed<'a>(index: &Target<'a>) -> Option<&'a IndexFacts> {
    index.facts.and_then(|facts| facts.index(&facts.name))
}

fn hazard(subject: &Subject<'_>, index: &Target<'_>, plan: Result<Plan, &str>) -> Hazard {
    let named = index.facts.and_then(|facts| facts.index_of.as_ref());
    let table = named.and_then(|name| subject.shared(name)).filter(|table| table.facts.is_some());
    let on = match (&table, named) {
        (Some(table), _) => table.described(),
        (None, Some(name)) => name.written(),
        (None, None) => "its table".to_owned(),
    };
    let message = format!("DROP INDEX {} takes {on} away from everybody while it waits and runs", index.name.written());
    Hazard::lock(index, LockMode::AccessExclusive, message).with(plan).and_size_of(table.as_ref())
}

fn of_own_table(subject: &Subject<'_>, index: &Target<'_>) -> bool {
    let table: Option<&RelationName> = index.facts.and_then(|facts| facts.index_of.as_ref());
    table.is_some_and(|name| matches!(subject.known(name), Known::Own))
}

fn safe<'a>(
    cascade: bool,
    indexes: &[Target<'_>],
    missing: impl Iterator<Item = &'a RelationName>,
) -> Result<Plan, &'static str> {
    if cascade {
        return Err("CASCADE does not go with CONCURRENTLY, and takes along what depends on it");
    }
    let facts: Option<Vec<&RelationFacts>> = indexes.iter().map(|index| index.facts).collect();
    let facts = facts.ok_or(UNKNOWN)?;
    if facts.iter().any(|index| index.kind != RelationKind::Index) {
        return Err("not all of it is indexes");
    }
    Ok(drop_index::plan(&facts, missing))
}
