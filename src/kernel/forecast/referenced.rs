//! Which relations a reading takes to be there already, and as what.

use std::collections::{BTreeMap, BTreeSet};

use crate::kernel::facts::RelationKind;
use crate::kernel::rules::locks;
use crate::kernel::sql::statement::{AlterObject, Change, DropKind, Reading, ReindexOf, RelationName, Statement};

/// By name as written. What the reading itself makes is not among them.
pub(super) fn by(reading: &Reading) -> BTreeMap<RelationName, RelationKind> {
    let mut made: BTreeSet<&RelationName> = BTreeSet::new();
    let mut names = BTreeMap::new();
    for parsed in &reading.statements {
        let Statement::Change(change) = &parsed.statement else { continue };
        // A table may reference itself.
        made.extend(makes(change));
        for (name, kind) in of(change) {
            if !made.contains(name) {
                names.entry(name.clone()).or_insert(kind);
            }
        }
    }
    names
}

fn makes(change: &Change) -> Option<&RelationName> {
    match change {
        Change::CreateTable(table) => Some(&table.relation),
        Change::Brief { command: "CREATE VIEW" | "CREATE SEQUENCE", relation } => relation.as_ref(),
        _ => None,
    }
}

fn of(change: &Change) -> Vec<(&RelationName, RelationKind)> {
    let mut names: Vec<(&RelationName, RelationKind)> = Vec::new();
    match change {
        Change::CreateIndex(index) => names.push((&index.relation, RelationKind::Table)),
        Change::AlterTable(alter) => names.push((&alter.relation, altered(alter.object))),
        Change::Drop(drop) => names.extend(drop.relations.iter().map(|name| (name, dropped(drop.kind)))),
        Change::Rename(rename) => names.extend(rename.relation.iter().map(|name| (name, renamed(rename.what)))),
        Change::Reindex(reindex) => match &reindex.of {
            ReindexOf::Index(name) => names.push((name, RelationKind::Index)),
            ReindexOf::Table(name) => names.push((name, RelationKind::Table)),
            ReindexOf::Schema(_) | ReindexOf::Database | ReindexOf::System => {}
        },
        Change::RefreshMatview { relation, .. } => names.push((relation, RelationKind::MaterializedView)),
        Change::Privilege(privilege) => {
            names.extend(privilege.relations.iter().map(|name| (name, RelationKind::Table)))
        }
        Change::RestartSequence { relation, .. } => names.push((relation, RelationKind::Sequence)),
        Change::Brief { command: "CREATE VIEW" | "CREATE SEQUENCE", .. } => return names,
        Change::Brief { command: "ALTER SEQUENCE", relation } => {
            names.extend(relation.iter().map(|name| (name, RelationKind::Sequence)));
        }
        Change::CreateTable(_)
        | Change::Truncate { .. }
        | Change::MassWrite { .. }
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::RewriteTable { .. }
        | Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::CreateRule { .. }
        | Change::Publication(_)
        | Change::LockTable { .. }
        | Change::Brief { .. }
        | Change::AlterDatabase { .. }
        | Change::Other { .. }
        | Change::Unreadable { .. } => {}
    }
    // The first kind that is said of a name counts.
    names.extend(locks::locks(change).into_iter().map(|(name, _)| (name, RelationKind::Table)));
    names
}

fn altered(object: AlterObject) -> RelationKind {
    match object {
        AlterObject::Table => RelationKind::Table,
        AlterObject::Index => RelationKind::Index,
        AlterObject::View => RelationKind::View,
        AlterObject::MaterializedView => RelationKind::MaterializedView,
        AlterObject::Sequence => RelationKind::Sequence,
        AlterObject::ForeignTable => RelationKind::ForeignTable,
        AlterObject::Type => RelationKind::CompositeType,
    }
}

fn dropped(kind: DropKind) -> RelationKind {
    match kind {
        DropKind::Index => RelationKind::Index,
        DropKind::View => RelationKind::View,
        DropKind::MaterializedView => RelationKind::MaterializedView,
        DropKind::Sequence => RelationKind::Sequence,
        DropKind::ForeignTable => RelationKind::ForeignTable,
        DropKind::Table | DropKind::Schema | DropKind::Database | DropKind::Other(_) => RelationKind::Table,
    }
}

fn renamed(what: &str) -> RelationKind {
    match what {
        "index" => RelationKind::Index,
        "view" => RelationKind::View,
        "materialized view" => RelationKind::MaterializedView,
        "sequence" => RelationKind::Sequence,
        "foreign table" => RelationKind::ForeignTable,
        "attribute" => RelationKind::CompositeType,
        _ => RelationKind::Table,
    }
}
