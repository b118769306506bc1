//! The server’s files or programs are reached.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, OpaqueKind};

/// The rule.
pub const RULE: Rule = Rule {
    id: "opaque-server",
    hazard: "The server’s files or programs are reached.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "COPY … PROGRAM, COPY to or from files of the server, and functions that do the same; foreign servers and tables, tablespaces, subscriptions.",
        why: "It leaves the database: files and programs of the server’s machine are read, written or run.",
        instead: "\\copy in psql, or COPY FROM STDIN and TO STDOUT.",
        versions: "All supported versions.",
        undo: "Nothing: files written and programs run on the server are outside of every transaction.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Opaque(opaque) = subject.change else { return Vec::new() };
    if opaque.kind != OpaqueKind::Server {
        return Vec::new();
    }
    vec![Hazard::plain(format!("{} reaches the files or programs of the server", opaque.what))]
}
