//! A rename breaks whatever uses the old name.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::sql::statement::{Change, LockMode, Rename};

/// The rule.
pub const RULE: Rule = Rule {
    id: "rename",
    hazard: "A rename breaks whatever uses the old name.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "RENAME of a table, column, view, schema, type, function and so on, and SET SCHEMA.",
        why: "It is quick, but every query that names the old one fails from the commit on.",
        instead: "Expand and contract: a view under the old name, or a new column kept in step, until nobody uses the old one.",
        versions: "All supported versions.",
        undo: "RENAME back to the old name, as brief; that breaks whoever uses the new one by now.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Rename(rename) = subject.change else { return Vec::new() };
    if unseen(rename) {
        return Vec::new();
    }
    let message = format!(
        "{} {} is called {} from then on; whatever uses the old name fails",
        rename.what, rename.from, rename.to
    );
    let Some(name) = &rename.relation else { return vec![Hazard::plain(message)] };
    let Some(target) = subject.shared(name) else { return Vec::new() };
    if target.facts.is_some_and(|facts| is_index(facts.kind)) {
        return Vec::new();
    }
    vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
}

/// No query names these. (ALTER INDEX renames tables too: there the object's kind decides.)
fn unseen(rename: &Rename) -> bool {
    matches!(rename.what, "constraint" | "trigger" | "policy" | "rule" | "statistics")
}

fn is_index(kind: RelationKind) -> bool {
    matches!(kind, RelationKind::Index | RelationKind::PartitionedIndex)
}
