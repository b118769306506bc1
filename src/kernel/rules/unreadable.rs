//! A text that cannot be read cannot be judged.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::Change;

/// The rule.
pub const RULE: Rule = Rule {
    id: "unreadable",
    hazard: "A text that cannot be read cannot be judged.",
    lock: None,
    default: Response::Refuse,
    doc: Doc {
        what: "Text beyond the bounds, or that PostgreSQL’s own grammar does not accept. Where the server does not accept it either, its own syntax error is the answer.",
        why: "What is not understood might do anything.",
        instead: "Send smaller statements, in UTF8, with the grammar of PostgreSQL.",
        versions: "All supported versions.",
        undo: "There is nothing to undo: it does not run.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Unreadable { why } = subject.change else { return Vec::new() };
    vec![Hazard::plain(format!("the statement cannot be read: {why}"))]
}
