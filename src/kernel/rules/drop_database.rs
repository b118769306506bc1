//! Dropping a database loses everything in it.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, DropKind};

/// The rule.
pub const RULE: Rule = Rule {
    id: "drop-database",
    hazard: "Dropping a database loses everything in it.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "DROP DATABASE.",
        why: "Everything in it is gone at once, and there is no transaction to roll back.",
        instead: "Take a backup, and rename it aside first.",
        versions: "All supported versions; FORCE, which ends everybody's sessions first, too.",
        undo: "Nothing but a backup: DROP DATABASE runs in no transaction.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Drop(drop) = subject.change else { return Vec::new() };
    if drop.kind != DropKind::Database {
        return Vec::new();
    }
    vec![Hazard::plain(format!("database {} is dropped with everything in it", drop.objects.join(", ")))]
}
