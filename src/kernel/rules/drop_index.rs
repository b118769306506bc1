//! Dropping an index waits for every query on the table and makes all later ones wait behind it.

use super::subject::{Hazard, Known, Subject, Target, UNKNOWN, written};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
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
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Drop(drop) = subject.change else { return Vec::new() };
    if drop.kind != DropKind::Index || drop.concurrently {
        return Vec::new();
    }
    let shared: Vec<Target<'_>> = drop.relations.iter().filter_map(|name| subject.shared(name)).collect();
    let alone = drop.relations.len() == 1 && !drop.cascade;
    shared.iter().filter(|target| !of_own_table(subject, target)).map(|target| hazard(subject, target, alone)).collect()
}

fn hazard(subject: &Subject<'_>, index: &Target<'_>, alone: bool) -> Hazard {
    let table = index.facts.and_then(|facts| facts.index_of.as_ref()).and_then(|name| subject.shared(name));
    let on = table.as_ref().map_or_else(|| "its table".to_owned(), Target::described);
    let message = format!("DROP INDEX {} takes {on} away from everybody while it waits and runs", written(&index.name));
    let plan = if alone { safe(index, table.as_ref()) } else { Err("several indexes, or CASCADE") };
    let hazard = Hazard::lock(index, LockMode::AccessExclusive, message).with(plan);
    match &table {
        Some(table) => hazard.and_size_of(Some(table)),
        None => hazard,
    }
}

fn of_own_table(subject: &Subject<'_>, index: &Target<'_>) -> bool {
    let table: Option<&RelationName> = index.facts.and_then(|facts| facts.index_of.as_ref());
    table.is_some_and(|name| matches!(subject.known(name), Known::Own))
}

fn safe(index: &Target<'_>, table: Option<&Target<'_>>) -> Result<Plan, &'static str> {
    let facts = index.facts.ok_or(UNKNOWN)?;
    if facts.kind == RelationKind::PartitionedIndex || facts.is_partition {
        return Err("CONCURRENTLY does not work on the indexes of partitioned tables");
    }
    let listed = table.and_then(|table| table.facts).and_then(|table| table.index(&facts.name));
    if listed.is_some_and(|listed| listed.constraint.is_some()) {
        return Err("the index belongs to a constraint");
    }
    Ok(drop_index::plan(facts, listed.map(|listed| listed.definition.as_str())))
}
