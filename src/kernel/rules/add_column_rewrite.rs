//! A new column that is computed or checked for every row rewrites or reads the table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AddColumn, Generated, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-column-rewrite",
    hazard: "A new column that is computed or checked for every row rewrites or reads the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ADD COLUMN that is GENERATED … STORED, of a domain with a constraint or a default of its own, or virtual with NOT NULL.",
        why: "The whole table is written anew, or read, under ACCESS EXCLUSIVE, and there is no form in steps with the same result.",
        instead: "A plain column with a trigger and a backfill; the base type with a CHECK; from version 18 a virtual generated column.",
        versions: "All supported versions; GENERATED without a key word means VIRTUAL from 18.",
        undo: "DROP COLUMN, for a moment; computed values can be computed again, others are lost. The table does not get smaller by it.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((column, target)) = subject.new_column() else { return Vec::new() };
    if target.is_empty() {
        return Vec::new();
    }
    let Some(why) = rewritten(column, subject) else { return Vec::new() };
    let message =
        format!("ADD COLUMN {}: {why}, for all of {}, while nobody may use it", column.name, target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message)]
}

fn rewritten(column: &AddColumn, subject: &Subject<'_>) -> Option<&'static str> {
    let of = subject.facts.type_facts(&column.type_name);
    if of.is_some_and(|of| of.constrained_domain) {
        return Some("its domain has a constraint, every row is written anew");
    }
    if of.is_some_and(|of| of.domain_default) && column.default.is_none() {
        return Some("its domain has a default, which may differ from row to row");
    }
    let virtual_unsaid = subject.facts.major() >= 18;
    match column.generated {
        Some(Generated::Stored) => Some("a stored generated column is computed"),
        Some(Generated::Unsaid) if !virtual_unsaid => Some("a stored generated column is computed"),
        Some(Generated::Virtual | Generated::Unsaid) if column.not_null.is_some() => {
            Some("a virtual column with NOT NULL is checked")
        }
        Some(Generated::Virtual | Generated::Unsaid) | None => None,
    }
}
