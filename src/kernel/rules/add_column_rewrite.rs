//! A new column that is computed or checked for every row rewrites or reads the table.

use super::copied;
use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::Facts;
use crate::kernel::sql::statement::{AddColumn, Generated, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-column-rewrite",
    hazard: "A new column that is computed or checked for every row rewrites or reads the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ADD COLUMN that is GENERATED … STORED, of a domain with a constraint or a default of its own, or virtual with NOT NULL.",
        why: "The whole table is written anew, or read, under ACCESS EXCLUSIVE, and no steps on the table itself come to the same.",
        instead: "With the comment /* lockkeeper: copy */, approved, or where the policy answers rewrite, the table is copied while others go on: the copy has the column from the start, is kept in step and takes the table's place in one short transaction. All subcommands of the statement must be of this kind, or add a plain column. Else: a plain column with a trigger and a backfill; the base type with a CHECK; from version 18 a virtual generated column.",
        versions: "All supported versions; GENERATED without a key word means VIRTUAL from 18.",
        undo: "A copy can be taken back until it has the table's place. Afterwards DROP COLUMN, for a moment; computed values can be computed again, others are lost. The table does not get smaller by it.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((column, target)) = subject.new_column() else { return Vec::new() };
    if target.is_empty() {
        return Vec::new();
    }
    let Some(why) = rewritten(column, subject.facts) else { return Vec::new() };
    let message =
        format!("ADD COLUMN {}: {why}, for all of {}, while nobody may use it", column.name, target.described());
    vec![copied::altered(Hazard::lock(&target, LockMode::AccessExclusive, message), subject, &target)]
}

/// Why it takes more than a moment, if it does.
#[must_use]
pub fn rewritten(column: &AddColumn, facts: &Facts) -> Option<&'static str> {
    let of = facts.type_facts(&column.type_name);
    if of.is_some_and(|of| of.constrained_domain) {
        return Some("its domain has a constraint, every row is written anew");
    }
    if facts.may_be_new_domain(&column.type_name.sql) {
        return Some("its type may be a domain with a constraint that the same message makes or changes");
    }
    if of.is_some_and(|of| of.domain_default) && column.default.is_none() {
        return Some("its domain has a default, which may differ from row to row");
    }
    let virtual_unsaid = facts.major() >= 18;
    match column.generated {
        Some(Generated::Stored) => Some("a stored generated column is computed"),
        Some(Generated::Unsaid) if !virtual_unsaid => Some("a stored generated column is computed"),
        Some(Generated::Virtual | Generated::Unsaid) if column.not_null.is_some() => {
            Some("a virtual column with NOT NULL is checked")
        }
        Some(Generated::Virtual | Generated::Unsaid) | None => None,
    }
}
