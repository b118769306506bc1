//! TRUNCATE loses all rows of a table.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "truncate",
    hazard: "TRUNCATE loses all rows of a table.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "TRUNCATE of a table that is not empty, and with CASCADE of one made in the same transaction that an older one refers to.",
        why: "All rows are gone with the commit; no trigger of rows sees them go (only those FOR EACH STATEMENT on TRUNCATE fire), and snapshots taken before find the table empty.",
        instead: "DELETE in batches with a condition.",
        versions: "All supported versions.",
        undo: "Nothing after the commit but a backup. Before the commit, ROLLBACK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Truncate { relations, cascade, .. } = subject.change else { return Vec::new() };
    let emptied = relations.iter().filter_map(|name| {
        if *cascade { subject.shared(name).or_else(|| subject.referenced(name)) } else { subject.with_data(name) }
    });
    emptied
        .map(|target| {
            let also = if *cascade { ", and of every table that references it" } else { "" };
            let message = format!("all rows of {} are lost{also}", target.described());
            Hazard::loss(&target, LockMode::AccessExclusive, message)
        })
        .collect()
}
