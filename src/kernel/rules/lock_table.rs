//! LOCK TABLE keeps others out for as long as the transaction is open.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "lock-table",
    hazard: "LOCK TABLE keeps others out for as long as the transaction is open.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "LOCK TABLE in a mode that blocks readers or writers.",
        why: "Others wait until the client commits, however long that takes.",
        instead: "SELECT … FOR UPDATE of the rows concerned, or advisory locks.",
        versions: "All supported versions.",
        undo: "COMMIT, ROLLBACK, or ROLLBACK TO a savepoint before it: the lock goes with the transaction.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::LockTable { relations, mode } = subject.change else { return Vec::new() };
    relations
        .iter()
        .filter_map(|name| subject.shared(name))
        .map(|target| {
            let message = format!("{} is locked until the transaction ends", target.described());
            Hazard { lock: Some(*mode), ..Hazard::loss(&target, *mode, message) }
        })
        .collect()
}
