//! A schema change that is known but not modelled.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AlterKind, Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "other-ddl",
    hazard: "A schema change that is known but not modelled.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "Every change no other rule is about.",
        why: "What it would do to others has not been worked out, so it is not let through by itself.",
        instead: "Have it approved, or allow it in the policy where it is known to be harmless.",
        versions: "All supported versions.",
        undo: "It depends on the statement. Before the commit, ROLLBACK, if the server runs it in a transaction at all.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    match (subject.change, subject.alter()) {
        (Change::Other { command }, _) => vec![Hazard::plain(format!("{command} is not modelled"))],
        (_, Some((alter, AlterKind::Other { command }))) => {
            let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
            let message = format!("{command} on {} is not modelled", target.described());
            vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
        }
        _ => Vec::new(),
    }
}
