//! A rename breaks whatever uses the old name.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{Facts, RelationFacts, RelationKind};
use crate::kernel::plan::{Plan, rename, shadow};
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
        instead: "Let the old name work for a while: a view under a table's old name or in its old schema, a copy kept in step under a column's. A policy's rename_grace_s does that by itself, for one statement the comment /* lockkeeper: keep old name */ does.",
        versions: "All supported versions.",
        undo: "RENAME back to the old name, as brief; that breaks whoever uses the new one by now. Where the old name was kept, lockkeeper jobs undo, until its time is up.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Rename(rename) = subject.change else { return Vec::new() };
    if unseen(rename) {
        return Vec::new();
    }
    let Rename { what, from, to, moves, .. } = rename;
    let is = if *moves { "is in schema" } else { "is called" };
    let mut message = format!("{what} {from} {is} {to} from then on; whatever uses the old name fails");
    let Some(name) = &rename.relation else { return vec![Hazard::plain(message)] };
    let Some(target) = subject.shared(name) else { return Vec::new() };
    if target.facts.is_some_and(|facts| is_index(facts.kind)) {
        return Vec::new();
    }
    if let Some(Err(why)) = target.facts.and_then(|table| plan(rename, table, subject.facts)) {
        message.push_str("; the old name cannot be kept for a while: ");
        message.push_str(&why);
    }
    vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
}

/// The form in which the old name of a table or column goes on working for a while; nothing for other
/// things, and where it was not looked up.
#[must_use]
pub fn plan(rename: &Rename, table: &RelationFacts, facts: &Facts) -> Option<Result<Plan, String>> {
    let asked = rename.relation.as_ref()?;
    match rename.what {
        "table" => Some(rename::table((table, facts.face(asked)?), rename, facts)),
        "column" => Some(shadow::rename_column((table, facts.column_use(asked, &rename.from)?), rename, facts)),
        _ => None,
    }
}

/// No query names these. (ALTER INDEX renames tables too: there the object's kind decides.)
fn unseen(rename: &Rename) -> bool {
    matches!(rename.what, "constraint" | "trigger" | "policy" | "rule" | "statistics")
}

fn is_index(kind: RelationKind) -> bool {
    matches!(kind, RelationKind::Index | RelationKind::PartitionedIndex)
}
