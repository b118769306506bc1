//! What a client has written CONCURRENTLY itself is no hazard. It is watched: a failed try leaves an INVALID index,
//! which costs every write and which IF NOT EXISTS takes for the one that was asked for.

use super::brief_lock;
use super::create_index::server_answers;
use super::subject::{Hazard, Subject, Target};
use crate::kernel::facts::{RelationFacts, RelationKind};
use crate::kernel::plan::{Plan, concurrently, create_index, reindex};
use crate::kernel::sql::statement::{
    AlterAction, AlterKind, AlterTable, Change, CreateIndex, Drop, DropKind, LockMode, Reindex, RelationName,
};

/// The statement as a plan of its own, and what to say of it; nothing where the server answers at once.
#[must_use]
pub fn watched(subject: &Subject<'_>) -> Option<(Hazard, Plan)> {
    let plan = match subject.change {
        Change::CreateIndex(index) if index.concurrently => create(subject, index)?,
        Change::Drop(drop) if drop.kind == DropKind::Index && drop.concurrently => dropped(subject, drop)?,
        Change::Reindex(reindex) if reindex.concurrently => rebuilt(subject, reindex)?,
        Change::AlterTable(alter) => detached(subject, alter)?,
        _ => return None,
    };
    if plan.builds_concurrently() && concurrently::forbidden(subject.facts.server_version).is_some() {
        return None;
    }
    let on = plan.relation.as_ref().map_or_else(|| "its tables".to_owned(), RelationName::written);
    let message = format!("what a failed try would leave on {on} is cleared away, and the try repeated");
    let hazard = match &plan.relation {
        Some(name) => {
            let target = Target { facts: None, name: name.clone() };
            Hazard::lock(&target, LockMode::ShareUpdateExclusive, message)
        }
        None => Hazard::plain(message),
    };
    Some((hazard, plan))
}

/// The rule whose answer counts for it.
pub const RULE: &super::Rule = &brief_lock::RULE;

fn create(subject: &Subject<'_>, index: &CreateIndex) -> Option<Plan> {
    let target = subject.shared(&index.relation)?;
    let table =
        target.facts.filter(|table| matches!(table.kind, RelationKind::Table | RelationKind::MaterializedView))?;
    if server_answers(index, &target, subject) {
        return None;
    }
    let name = create_index::name_of(index, table, &mut subject.names.borrow_mut());
    Some(concurrently::create(index, table, &name))
}

/// Several at once, CASCADE, a constraint's and those of partitioned tables are refused by the server.
fn dropped(subject: &Subject<'_>, drop: &Drop) -> Option<Plan> {
    let [only] = drop.relations.as_slice() else { return None };
    let index = plain(subject.shared(only)?.facts?)?;
    let free = index.index(&index.name).is_some_and(|listed| listed.constraint.is_none() && listed.parent.is_none());
    (free && !drop.cascade).then(|| concurrently::drop(index))
}

fn plain(index: &RelationFacts) -> Option<&RelationFacts> {
    (index.kind == RelationKind::Index).then_some(index)
}

/// Beside a default partition, not attached there, or half detached: the server says so at once.
fn detached(subject: &Subject<'_>, alter: &AlterTable) -> Option<Plan> {
    let [AlterAction { kind: AlterKind::DetachPartition { partition, concurrently: true, .. }, .. }] =
        alter.actions.as_slice()
    else {
        return None;
    };
    let (parent, partition) = (subject.shared(&alter.relation)?.facts?, subject.shared(partition)?.facts?);
    let place = partition.partition_of.as_ref().filter(|place| !place.detach_pending)?;
    let is_there = place.parent == parent.qualified();
    is_there.then(|| concurrently::detach(parent, partition, &mut subject.names.borrow_mut()))?
}

fn rebuilt(subject: &Subject<'_>, of: &Reindex) -> Option<Plan> {
    let target = match of.target() {
        Some(name) => {
            let found = subject.shared(name)?.facts?;
            // A table with an exclusion constraint is rebuilt but for that, with a WARNING.
            let refused = found.kind == RelationKind::Index && reindex::plan(found, of, subject.facts).is_err();
            if refused || reindex::is_of_the_system(found) {
                return None;
            }
            Some(found)
        }
        None => None,
    };
    concurrently::rebuild(of, target)
}
