//! Dropping a view, type, function, sequence or constraint breaks what uses it.

use super::locks;
use super::subject::{Hazard, Part, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationFacts;
use crate::kernel::plan::{drop_constraint, swap_primary_key};
use crate::kernel::sql::statement::{AlterKind, Change, DropKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "drop-object",
    hazard: "Dropping a view, type, function, sequence or constraint breaks what uses it.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "DROP of anything but tables, columns, indexes, schemas and databases, unless nothing is there that has the name, or it was made in the same transaction and nothing older goes with it; DROP CONSTRAINT, ALTER CONSTRAINT … NOT ENFORCED.",
        why: "Whatever still names it fails, and a constraint that is gone lets wrong rows in.",
        instead: "Stop using it first. To replace a function or a view, CREATE OR REPLACE it.",
        versions: "All supported versions; NOT ENFORCED from 18.",
        undo: "Create it again from its definition (pg_dump --schema-only, taken before). A constraint of a plain table comes back with lockkeeper jobs undo, or: add it NOT VALID, correct what has come in, validate it; a key from an index built concurrently.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    match (subject.change, subject.alter()) {
        (Change::Drop(drop), _) => dropped(subject, drop),
        (_, Some((alter, AlterKind::DropConstraint { name, cascade, .. }))) => {
            let Some(target) = subject.shared(&alter.relation) else {
                return subject.taken(&alter.relation, Part::Constraint, *cascade, Some(name)).into_iter().collect();
            };
            if !cascade && target.facts.is_some_and(|table| says_nothing(table, name)) {
                return Vec::new();
            }
            let message = format!("constraint {name} of {} no longer holds", target.described());
            // Beside others: if one of them failed, it would be gone all the same.
            let alone = !cascade && alter.actions.len() == 1;
            let plan = target.facts.filter(|_| alone).and_then(|table| drop_constraint::plan(table, name));
            // The primary key that the same statement adds says why there is no plan.
            let swapped = target.facts.filter(|_| swap_primary_key::of(alter).is_some());
            let swap = swapped.and_then(|table| swap_primary_key::plan(table, alter, subject.facts).ok());
            vec![Hazard { plan: plan.or(swap), ..Hazard::loss(&target, LockMode::AccessExclusive, message) }]
        }
        (_, Some((alter, AlterKind::Enforce { name, enforced: false }))) => {
            let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
            let message = format!("constraint {name} of {} is not looked at any more", target.described());
            vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
        }
        _ => Vec::new(),
    }
}

/// Missing, or a CHECK that repeats what NOT NULL says already: nothing is lost with it.
fn says_nothing(table: &RelationFacts, name: &str) -> bool {
    let Some(constraint) = table.constraint(name) else { return true };
    table.columns.iter().any(|column| {
        column.not_null
            && super::set_not_null::proves(constraint.definition.trim_end_matches(" NOT VALID"), &column.name)
    })
}

fn dropped(subject: &Subject<'_>, drop: &crate::kernel::sql::statement::Drop) -> Vec<Hazard> {
    let what = match drop.kind {
        DropKind::View => "view",
        DropKind::Sequence => "sequence",
        DropKind::Other(name) => name,
        DropKind::Table
        | DropKind::Index
        | DropKind::MaterializedView
        | DropKind::Schema
        | DropKind::Database
        | DropKind::ForeignTable => return Vec::new(),
    };
    let also = match what {
        _ if !drop.cascade => "",
        "TYPE" | "DOMAIN" | "COLLATION" | "EXTENSION" => {
            ", and whatever depends on it, columns of tables with their values too"
        }
        _ => ", and whatever depends on it",
    };
    if drop.relations.is_empty() {
        let message = format!("{what} {} is gone{also}", drop.objects.join(", "));
        return vec![Hazard { lock: locks::unnamed(subject.change), ..Hazard::plain(message) }];
    }
    let on_table = matches!(drop.kind, DropKind::Other(_));
    let targets = drop.relations.iter().enumerate().filter_map(|(at, name)| Some((at, subject.shared(name)?)));
    let hazards = targets.map(|(at, target)| {
        let table = target.name.written();
        let gone =
            drop.bare.get(at).filter(|_| on_table).map_or(table.clone(), |bare| format!("{} of {table}", bare.name));
        Hazard::loss(&target, LockMode::AccessExclusive, format!("{what} {gone} is gone{also}"))
    });
    let own = drop.relations.iter().filter(|_| !on_table);
    hazards.chain(own.filter_map(|name| subject.taken(name, Part::All, drop.cascade, Some(&name.name)))).collect()
}
