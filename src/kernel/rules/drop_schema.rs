//! Dropping a schema may lose everything in it.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, DropKind};

/// The rule.
pub const RULE: Rule = Rule {
    id: "drop-schema",
    hazard: "Dropping a schema may lose everything in it.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "DROP SCHEMA.",
        why: "With CASCADE every table in it is gone with the commit.",
        instead: "Drop what is in it piece by piece.",
        versions: "All supported versions.",
        undo: "Nothing after the commit but a backup. Before the commit, ROLLBACK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Drop(drop) = subject.change else { return Vec::new() };
    if drop.kind != DropKind::Schema {
        return Vec::new();
    }
    let also = if drop.cascade { " with everything in it" } else { "" };
    vec![Hazard::plain(format!("schema {} is dropped{also}", drop.objects.join(", ")))]
}
