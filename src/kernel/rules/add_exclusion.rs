//! Adding an EXCLUDE constraint builds its index while nobody may use the table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AlterKind, ConstraintKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-exclusion",
    hazard: "Adding an EXCLUDE constraint, or a key WITHOUT OVERLAPS, builds its index while nobody may use the table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ADD CONSTRAINT … EXCLUDE, and UNIQUE or PRIMARY KEY … WITHOUT OVERLAPS, which is the same beneath.",
        why: "The index is built under ACCESS EXCLUSIVE, and it can neither be built concurrently nor be NOT VALID.",
        instead: "Plan a quiet moment, or a new table with the constraint that takes over the rows.",
        versions: "All supported versions; on a partitioned table from 17, WITHOUT OVERLAPS from 18.",
        undo: "DROP CONSTRAINT, for a moment; its index goes with it, and making it again takes as long as before.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::AddConstraint(constraint))) = subject.alter() else { return Vec::new() };
    if constraint.kind != ConstraintKind::Exclude {
        return Vec::new();
    }
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let what =
        if constraint.definition_sql.contains("WITHOUT OVERLAPS") { "a key WITHOUT OVERLAPS" } else { "ADD EXCLUDE" };
    let message = format!("{what} builds an index over {} while nobody may use it", target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message)]
}
