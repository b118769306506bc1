//! UPDATE without a condition writes every row in one transaction.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::plan::batches;
use crate::kernel::sql::statement::{ByRow, Change, LockMode, MassWriteKind, RelationName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "mass-update",
    hazard: "UPDATE without a condition writes every row in one transaction.",
    lock: Some(LockMode::RowExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "UPDATE whose WHERE is missing or by its form always true, on a table that is not empty. That a condition happens to hold for every row (`id IS NOT NULL` of a key) is not seen: ordinary statements are not looked up.",
        why: "Every row is overwritten, every row is locked until the commit, and the table doubles in size or must be cleaned up. Mostly the WHERE was forgotten.",
        instead: "Write the WHERE. If all rows are meant: with the comment /* lockkeeper: batches */ an approved UPDATE runs in batches, and so it does where the policy answers rewrite. It is no longer all or nothing then.",
        versions: "All supported versions; MERGE that changes every row from 15.",
        undo: "Nothing after the commit but a backup, restored beside the database and copied over. Before the commit, ROLLBACK; the dead row versions stay until VACUUM.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::MassWrite { kind: kind @ MassWriteKind::Update, relation, by_row } = subject.change else {
        return Vec::new();
    };
    if let Some(hazard) = through_a_view(subject, relation, "UPDATE without a condition overwrites") {
        return vec![hazard];
    }
    let Some(target) = subject.with_data(relation) else { return Vec::new() };
    let message = format!("UPDATE without a condition overwrites every row of {}", target.described());
    let hazard = Hazard::loss(&target, LockMode::RowExclusive, message);
    vec![batches(hazard, subject, &target, (*kind, by_row.as_ref()))]
}

/// The relation, if it is a view: its rows are others', however it was made, and how many they are is not known.
pub(super) fn through_a_view(subject: &Subject<'_>, name: &RelationName, does: &str) -> Option<Hazard> {
    let found = subject.facts.relation(name).flatten().filter(|found| found.kind == RelationKind::View)?;
    if subject.earlier.made(name) || subject.earlier.blurs(name) {
        return None;
    }
    let view = Target { facts: None, name: found.qualified() };
    let message = format!("{does} every row that {} shows", view.name.written());
    Some(Hazard::loss(&view, LockMode::RowExclusive, message))
}

/// With the form in batches, or why there is none.
pub(super) fn batches(
    mut hazard: Hazard,
    subject: &Subject<'_>,
    target: &Target<'_>,
    (kind, write): (MassWriteKind, Option<&ByRow>),
) -> Hazard {
    let plan = match target.facts {
        Some(table) => batches::plan(kind, write, table, subject.facts),
        None => Err(UNKNOWN.to_owned()),
    };
    match plan {
        Ok(plan) => {
            hazard.message.push_str(&format!(
                "; with the comment /* {} */ it is done in batches, which lock few rows at a time and are no longer \
                 all or nothing",
                batches::REQUEST
            ));
            Hazard { plan: Some(plan), ..hazard }
        }
        Err(why) => {
            hazard.message.push_str("; it cannot be done in batches: ");
            hazard.message.push_str(&why);
            hazard
        }
    }
}
