//! Dropping a table loses its data.

use super::subject::{Hazard, Part, Subject, Target};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationFacts;
use crate::kernel::plan::drops;
use crate::kernel::sql::statement::{Change, DropKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "drop-table",
    hazard: "Dropping a table loses its data.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "DROP TABLE, DROP FOREIGN TABLE or DROP MATERIALIZED VIEW of a relation that others can see, empty or not; of one made in the same transaction, where something older goes with it (a sequence it has got OWNED BY; with CASCADE a view that was replaced onto it).",
        why: "The data is gone with the commit, and whatever still reads the table fails. The tables it references are locked too.",
        instead: "Rename it aside, or revoke its use, wait until nobody misses it, and drop it then. A policy's drop_grace_s does that by itself: the table is set aside for so long, and its job can be undone until then.",
        versions: "All supported versions.",
        undo: "Nothing after the commit but a backup. Before the commit, ROLLBACK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Drop(drop) = subject.change else { return Vec::new() };
    match drop.kind {
        DropKind::Table | DropKind::MaterializedView | DropKind::ForeignTable => {}
        DropKind::Index
        | DropKind::View
        | DropKind::Sequence
        | DropKind::Schema
        | DropKind::Database
        | DropKind::Other(_) => return Vec::new(),
    }
    // An empty table may still be what an application needs.
    let dropped: Vec<Target<'_>> = drop.relations.iter().filter_map(|name| subject.shared(name)).collect();
    let found: Option<Vec<&RelationFacts>> = dropped.iter().map(|target| target.facts).collect();
    let all = dropped.len() == drop.relations.len() && drop.kind == DropKind::Table && !drop.cascade;
    let plan =
        found.filter(|_| all).and_then(|found| drops::tables(&found, subject.facts, &mut subject.names.borrow_mut()));
    let taken = |name| subject.taken(name, Part::All, drop.cascade, None);
    let hazard = |target: &Target<'_>| {
        let cascade = if drop.cascade { ", and whatever depends on it" } else { "" };
        let message = format!("all data of {} is lost{cascade}", target.described());
        Hazard { plan: plan.clone(), ..Hazard::loss(target, LockMode::AccessExclusive, message) }
    };
    dropped.iter().map(hazard).chain(drop.relations.iter().filter_map(taken)).collect()
}
