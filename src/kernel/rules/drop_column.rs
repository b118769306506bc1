//! Dropping a column loses its data.

use super::subject::{Hazard, Part, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::plan::drops;
use crate::kernel::sql::statement::{AlterKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "drop-column",
    hazard: "Dropping a column loses its data.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER TABLE … DROP COLUMN, of an empty table too; of one made in the same transaction, where something older goes with the column (a sequence it has got OWNED BY; with CASCADE a view that was replaced onto it).",
        why: "Its values, its indexes and its constraints are gone with the commit, and whatever still names the column fails. That a table is empty does not say that nobody uses it: an application that knows the column fails there as well, as it does where the table is dropped.",
        instead: "Stop using it first; drop it when nothing has read or written it for a while. A policy's drop_grace_s does that by itself: the column is set aside for so long, and its job can be undone until then.",
        versions: "All supported versions.",
        undo: "Nothing after the commit but a backup; adding the column again gives an empty one, last in the table. Before the commit, ROLLBACK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::DropColumn { column, cascade, .. })) = subject.alter() else { return Vec::new() };
    let Some(target) = subject.shared(&alter.relation) else {
        let gone = format!("column {column}");
        let taken = subject.taken(&alter.relation, Part::Column(column), *cascade, Some(&gone));
        return taken.into_iter().collect();
    };
    if target.facts.is_some_and(|table| table.column(column).is_none()) {
        return Vec::new();
    }
    let also = if *cascade { ", and whatever depends on it" } else { "" };
    let mut message = format!("all values of column {column} of {} are lost{also}", target.described());
    let shared = target.facts.map(|table| drops::shared_indexes(table, column)).unwrap_or_default();
    if !shared.is_empty() {
        message.push_str(&format!("; indexes of other columns too go with it: {}", shared.join(", ")));
    }
    // Beside others: if one of them failed, the column would be gone all the same.
    let alone = !cascade && alter.actions.len() == 1;
    let plan = target
        .facts
        .filter(|_| alone)
        .and_then(|table| drops::column(table, column, subject.facts.column_use(&alter.relation, column)));
    vec![Hazard { plan, ..Hazard::loss(&target, LockMode::AccessExclusive, message) }]
}
