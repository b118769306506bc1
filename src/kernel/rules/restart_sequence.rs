//! A sequence that starts again, or turns back, gives numbers that are taken.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AlterKind, Change, LockMode, Repeats};

/// The rule.
pub const RULE: Rule = Rule {
    id: "restart-sequence",
    hazard: "A sequence that starts again, or turns back, gives numbers that are taken.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER SEQUENCE … RESTART, CYCLE or INCREMENT by a negative number, and the same of an identity column (ALTER COLUMN … RESTART, SET CYCLE, SET INCREMENT). Not INCREMENT by a positive number, MINVALUE, MAXVALUE, CACHE and AS: where they would lead to taken numbers the server refuses them, or only a descending sequence could. Not setval(), which restoring tools and applications call to go on behind what is used: it is part of an ordinary SELECT, which passes without a look-up, and where it points to is not to be told from the text.",
        why: "New rows get keys that exist already: the application fails with 23505, or old references mean new rows.",
        instead: "SELECT setval(…, (SELECT max(id) FROM t)), which cannot go below what is used.",
        versions: "All supported versions.",
        undo: "setval() with the value it had: read last_value first; NO CYCLE, or the old INCREMENT. Rows that got a number twice stay.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let ((name, how), lock) = match (subject.change, subject.alter()) {
        (Change::RestartSequence { relation, how }, _) => ((relation, how), LockMode::ShareRowExclusive),
        (_, Some((alter, AlterKind::RestartIdentity { how, .. }))) => {
            ((&alter.relation, how), LockMode::AccessExclusive)
        }
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(name) else { return Vec::new() };
    let what = match how {
        Repeats::Restarts => "start again",
        Repeats::TurnsBack => "go back from now on",
        Repeats::Cycles => "start again when they are used up",
    };
    let message = format!("the numbers of {} {what}, and may be taken", target.name.written());
    vec![Hazard::loss(&target, lock, message)]
}
