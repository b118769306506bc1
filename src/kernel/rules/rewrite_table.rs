//! The whole table is written anew while nobody may use it.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AlterKind, AlterObject, Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "rewrite-table",
    hazard: "The whole table is written anew while nobody may use it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "VACUUM FULL, CLUSTER, SET LOGGED/UNLOGGED, SET TABLESPACE, SET ACCESS METHOD, SET EXPRESSION.",
        why: "Nobody can even read the table until it is done, and it needs its size again on disk.",
        instead: "Plain VACUUM; or a tool that copies the table and swaps it.",
        versions: "All supported versions; SET ACCESS METHOD from 15, SET EXPRESSION from 17.",
        undo: "VACUUM FULL and CLUSTER: there is nothing to undo. SET LOGGED, SET TABLESPACE and SET ACCESS METHOD: the opposite, which writes the whole table once more.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (command, name) = match (subject.change, subject.alter()) {
        (Change::RewriteTable { command, relation: Some(relation) }, _) => (*command, relation),
        (Change::RewriteTable { command, relation: None }, _) => {
            return vec![Hazard::plain(format!("{command} writes every table anew while nobody may use it"))];
        }
        // A sequence is one row.
        (_, Some((alter, AlterKind::Rewrites { .. }))) if alter.object == AlterObject::Sequence => return Vec::new(),
        (_, Some((alter, AlterKind::Rewrites { command }))) => (*command, &alter.relation),
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(name).filter(|target| !target.is_empty()) else { return Vec::new() };
    let message = format!("{command} writes {} anew while nobody may use it", target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message)]
}
