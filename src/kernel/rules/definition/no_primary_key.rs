//! A table whose rows nothing tells apart.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::{At, Need, constraints, made};
use crate::kernel::sql::statement::ConstraintKind;

/// The rule.
pub const RULE: Rule = Rule {
    id: "no-primary-key",
    hazard: "A table without a primary key cannot be replicated with its UPDATEs and DELETEs.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "CREATE TABLE or CREATE TABLE AS without a primary key, of a table that is to stay and is no partition. lint knows keys that a later statement of the run adds; so does the gateway within one message.",
        why: "Nothing tells two equal rows apart: UPDATE and DELETE fail once the table is published, a duplicate cannot be deleted by itself, and tools that work by key cannot work on it.",
        instead: "A primary key: id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, or the columns that name a row.",
        versions: "All supported versions. A partition has its parent's.",
        undo: "ADD PRIMARY KEY, for which the gateway builds the index concurrently; or add an identity column first.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((table, create)) = made(subject) else { return Vec::new() };
    let is_key = |kind: &ConstraintKind| matches!(kind, ConstraintKind::PrimaryKey { .. });
    let keyed = constraints(subject).iter().any(|(_, constraint)| is_key(&constraint.kind));
    if keyed || create.partition_of.is_some() || create.outline.like_indexes {
        return Vec::new();
    }
    let message = format!("{} has no primary key", table.name.written());
    let need = Some(Need::PrimaryKey { table: table.name.clone() });
    vec![Hazard { need, ..Hazard::defined(table.name, At::First(create.relation.name.clone()), message) }]
}
