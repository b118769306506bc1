//! Building an index blocks every write to the table until it is built.

use super::subject::{Hazard, Known, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::plan::{Plan, concurrently, create_index};
use crate::kernel::sql::statement::{Change, CreateIndex, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "create-index",
    hazard: "Building an index blocks every write to the table until it is built.",
    lock: Some(LockMode::Share),
    default: Response::Rewrite,
    doc: Doc {
        what: "CREATE INDEX without CONCURRENTLY on a table that others use.",
        why: "It takes SHARE: INSERT, UPDATE and DELETE wait until the whole table is read and sorted.",
        instead: "CREATE INDEX CONCURRENTLY, alone and outside a transaction block.",
        versions: "CONCURRENTLY exists in all supported versions, but not for the parent of partitions: there CREATE INDEX … ON ONLY, an index built CONCURRENTLY on each partition, and ALTER INDEX … ATTACH PARTITION for each. Not on 14.0 to 14.3, where the new index may lack rows.",
        undo: "DROP INDEX CONCURRENTLY; no row is touched. A build that is cut off leaves an INVALID index, which costs every write until it is dropped: the gateway drops it.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::CreateIndex(index) = subject.change else { return Vec::new() };
    let Some(target) = subject.shared(&index.relation) else { return Vec::new() };
    if index.concurrently {
        return broken(&target, subject);
    }
    if (index.only && is_parent(&target)) || server_answers(index, &target, subject) {
        return Vec::new();
    }
    let message = format!(
        "CREATE INDEX blocks every write to {} until the index is built{}",
        target.described(),
        subject.crowd(&target)
    );
    let mut hazard = Hazard::lock(&target, LockMode::Share, message).with(safe(index, &target, subject));
    // Small or not: with IF NOT EXISTS the server would be content with the INVALID one.
    hazard.only_lock = !is_left_over(index, &target);
    vec![hazard]
}

/// What is written CONCURRENTLY is no hazard, but on a server that does it wrongly.
fn broken(target: &Target<'_>, subject: &Subject<'_>) -> Vec<Hazard> {
    let Some(why) = concurrently::forbidden(subject.facts.server_version) else { return Vec::new() };
    let message = format!("CREATE INDEX CONCURRENTLY on {}: {why}", target.described());
    vec![Hazard { relation: Some(target.name.clone()), ..Hazard::plain(message) }]
}

fn is_left_over(index: &CreateIndex, target: &Target<'_>) -> bool {
    let found = index.name.as_ref().and_then(|name| target.facts?.index(name));
    found.is_some_and(|found| !found.valid)
}

fn is_parent(target: &Target<'_>) -> bool {
    target.facts.is_some_and(|facts| facts.kind == RelationKind::PartitionedTable)
}

/// The name is taken by something sound: an error, or a NOTICE with IF NOT EXISTS. Nothing is built.
pub(super) fn server_answers(index: &CreateIndex, target: &Target<'_>, subject: &Subject<'_>) -> bool {
    let (Some(name), Some(table)) = (&index.name, target.facts) else { return false };
    if let Some(found) = table.index(name) {
        return found.valid;
    }
    let written =
        crate::kernel::sql::statement::RelationName { schema: index.relation.schema.clone(), name: name.clone() };
    matches!(subject.known(&written), Known::Exists(found) if found.schema == table.schema)
}

fn safe(index: &CreateIndex, target: &Target<'_>, subject: &Subject<'_>) -> Result<Plan, String> {
    let table = target.facts.ok_or(UNKNOWN)?;
    match table.kind {
        RelationKind::Table | RelationKind::MaterializedView => {
            Ok(create_index::plan(index, table, &mut subject.names.borrow_mut()))
        }
        RelationKind::PartitionedTable => {
            create_index::on_partitioned(index, table, subject.facts, &mut subject.names.borrow_mut())
        }
        RelationKind::Index
        | RelationKind::PartitionedIndex
        | RelationKind::View
        | RelationKind::Sequence
        | RelationKind::ForeignTable
        | RelationKind::CompositeType
        | RelationKind::Toast => Err("it is not a table".to_owned()),
    }
}
