//! UPDATE, DELETE and MERGE that would touch every row, whatever their WHERE says.

use pg_raw_parse::nodes;

use super::super::statement::{Change, MassWriteKind};
use super::objects;
use super::predicate::{Target, selects_everything};

pub(super) fn update(update: &nodes::UpdateStmt) -> Option<Change> {
    let target = Target::of(update.relation()?, update.from_clause());
    selects_everything(update.where_clause(), &target).then(|| change(MassWriteKind::Update, &target))
}

pub(super) fn delete(delete: &nodes::DeleteStmt) -> Option<Change> {
    let target = Target::of(delete.relation()?, delete.using_clause());
    selects_everything(delete.where_clause(), &target).then(|| change(MassWriteKind::Delete, &target))
}

/// A MERGE whose join says nothing about the target, or that changes whatever has no source row.
pub(super) fn merge(merge: &nodes::MergeStmt) -> Option<Change> {
    use pg_raw_parse::raw::{CmdType, MergeMatchKind};
    let target = Target::merged(merge.relation()?);
    let everything = selects_everything(merge.join_condition(), &target);
    merge.merge_when_clauses().iter().find_map(|clause| {
        let kind = match clause.command_type {
            CmdType::CMD_UPDATE => MassWriteKind::Update,
            CmdType::CMD_DELETE => MassWriteKind::Delete,
            _ => return None,
        };
        let reaches_all = match clause.match_kind {
            MergeMatchKind::MERGE_WHEN_MATCHED => everything,
            MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE => true,
            _ => false,
        };
        (reaches_all && selects_everything(clause.condition(), &target)).then(|| change(kind, &target))
    })
}

fn change(kind: MassWriteKind, target: &Target<'_>) -> Change {
    Change::MassWrite { kind, relation: objects::relation(target.range) }
}
