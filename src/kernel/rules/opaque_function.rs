//! A function that runs text, or reaches another server, is called.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, OpaqueKind};

/// The rule.
pub const RULE: Rule = Rule {
    id: "opaque-function",
    hazard: "A function that runs text, or reaches another server, is called.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "Calls such as query_to_xml(), dblink_exec(), pg_read_file() with a text.",
        why: "What the text does is not read here.",
        instead: "Send the statement itself.",
        versions: "All supported versions.",
        undo: "ROLLBACK takes back what was done in this database; what was done on another server (dblink) or to files stays.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Opaque(opaque) = subject.change else { return Vec::new() };
    if opaque.kind != OpaqueKind::Function {
        return Vec::new();
    }
    vec![Hazard::plain(format!("{} runs text, or reaches where it cannot be seen", opaque.what))]
}
