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
        what: "Calls such as query_to_xml(), dblink_exec(), pg_read_file() with a text; pg_cancel_backend() and pg_terminate_backend().",
        why: "What the text does is not read here; the session that is stopped or ended may be anybody's.",
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
    let does = match opaque.what.as_str() {
        "pg_cancel_backend()" => "stops the statement that another session runs",
        "pg_terminate_backend()" => "ends another session: what it has not committed is lost",
        _ => "runs text, or reaches where it cannot be seen",
    };
    vec![Hazard::plain(format!("{} {does}", opaque.what))]
}
