//! Two indexes for one purpose.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::shape::{Beside, Shape};
use super::{At, altered, constraints, standing};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{Change, ConstraintKind, RelationName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "redundant-index",
    hazard: "An index that another one makes superfluous costs every write, and serves no query.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "CREATE INDEX, UNIQUE or PRIMARY KEY beside an index with the same columns, or of which it is the beginning, or the other way round; method, operator classes, collations, directions and WHERE being the same.",
        why: "Every INSERT, and every UPDATE that is not HOT, writes both; both take memory, and VACUUM cleans both.",
        instead: "Leave the new one out, or drop the old one (DROP INDEX CONCURRENTLY) once the new one is there. Keep both only if the shorter one is so much smaller that scans of it pay.",
        versions: "All supported versions; from 18 a btree can also be searched without its first column (skip scan), which makes more of them superfluous than is said here.",
        undo: "DROP INDEX CONCURRENTLY, one of the two; a constraint's by DROP CONSTRAINT.",
    },
    check,
};

/// One that stands there, or is made by the same statement.
struct Old {
    shape: Shape,
    name: String,
    may_go: bool,
}

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    if let Change::CreateIndex(create) = subject.change {
        let Some(Some(facts)) = standing(subject, &create.relation) else { return Vec::new() };
        let there = create.name.as_ref().is_some_and(|name| facts.index(name).is_some());
        let shape = Shape::of_body(create.unique, &create.body_sql).filter(|_| !there);
        let at = At::First(create.name.clone().unwrap_or_else(|| create.relation.name.clone()));
        return shape
            .and_then(|shape| beside(&shape, "this one", &old(facts), (&facts.qualified(), at)))
            .into_iter()
            .collect();
    }
    let facts = altered(subject).and_then(|(table, _)| table.facts);
    let mut standing = facts.map(old).unwrap_or_default();
    let mut found = Vec::new();
    for (table, constraint) in constraints(subject) {
        let (ConstraintKind::Unique { index_sql, .. } | ConstraintKind::PrimaryKey { index_sql, .. }) =
            &constraint.kind
        else {
            continue;
        };
        let Some(shape) = Shape::of_body(true, index_sql) else { continue };
        let what = match constraint.kind {
            ConstraintKind::PrimaryKey { .. } => "the primary key",
            _ => "the UNIQUE constraint",
        };
        found.extend(beside(&shape, what, &standing, (&table, At::Byte(constraint.at))));
        let name = constraint.name.clone().unwrap_or_else(|| format!("of {what}"));
        standing.push(Old { shape, name, may_go: false });
    }
    found
}

fn old(facts: &RelationFacts) -> Vec<Old> {
    let known = facts.indexes.iter().filter_map(|index| {
        let shape = Shape::of_facts(index)?;
        Some(Old { shape, name: index.name.clone(), may_go: index.constraint.is_none() && !index.primary })
    });
    known.collect()
}

fn beside(new: &Shape, what: &str, standing: &[Old], on: (&RelationName, At)) -> Option<Hazard> {
    let (table, at) = on;
    let found = |wanted: Beside| standing.iter().find(|old| new.beside(&old.shape, old.may_go) == Some(wanted));
    let of = |old: &Old| format!("{} on ({})", old.name, old.shape.keys.join(", "));
    let message = if let Some(old) = found(Beside::Same) {
        format!("{} has an index already that does what {what} would do: {}", table.written(), of(old))
    } else if let Some(old) = found(Beside::Begins) {
        format!("{} has an index already that begins like {what}: {}", table.written(), of(old))
    } else {
        let old = found(Beside::Replaces)?;
        format!("beside {what} the index {} of {} is no longer needed", of(old), table.written())
    };
    Some(Hazard::defined(table.clone(), at, message))
}
