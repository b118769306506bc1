//! UPDATE, DELETE and MERGE that would touch every row, whatever their WHERE says.

use pg_raw_parse::{Node, nodes};

use super::super::statement::{Assignment, ByRow, Change, MassWriteKind, Statement};
use super::predicate::{Target, selects_everything};
use super::{Unreadable, fragment, objects, using, walk};

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
    let target = Target::merged(merge.relation()?, merge.source_relation());
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
    Change::MassWrite { kind, relation: objects::relation(target.range), by_row: None }
}

/// Notes in the one thing found in a statement how it can be done row by row, if it can and is all of it.
pub(super) fn tell_by_row(node: Node<'_>, found: &mut [Statement]) {
    let [Statement::Change(Change::MassWrite { by_row, .. })] = found else { return };
    let form = match node {
        Node::UpdateStmt(update) => updated_by_row(update),
        Node::DeleteStmt(delete) => deleted_by_row(delete),
        _ => return,
    };
    // What cannot be written back is only not offered.
    *by_row = form.ok().flatten();
}

fn updated_by_row(update: &nodes::UpdateStmt) -> Result<Option<ByRow>, Unreadable> {
    let Some(table) = update.relation() else { return Ok(None) };
    let alone = update.with_clause().is_none()
        && update.returning_clause().is_none()
        && update.from_clause().is_empty()
        && table.alias().is_none();
    let Some(mut form) = condition(table, update.where_clause())?.filter(|_| alone) else { return Ok(None) };
    for target in update.target_list() {
        let (Some(name), true) = (target.name(), target.indirection().is_empty()) else { return Ok(None) };
        let Some(callees) = using::computed(target.val())? else { return Ok(None) };
        let reads = columns(target.val())?;
        form.callees.extend(callees);
        form.reads.extend(reads.iter().cloned());
        let sql = fragment::expression(target.val())?;
        form.set.push(Assignment { column: name.to_owned(), sql, reads });
    }
    Ok(Some(form))
}

fn deleted_by_row(delete: &nodes::DeleteStmt) -> Result<Option<ByRow>, Unreadable> {
    let Some(table) = delete.relation() else { return Ok(None) };
    let alone = delete.with_clause().is_none()
        && delete.returning_clause().is_none()
        && delete.using_clause().is_empty()
        && table.alias().is_none();
    Ok(condition(table, delete.where_clause())?.filter(|_| alone))
}

fn condition(table: &nodes::RangeVar, predicate: Node<'_>) -> Result<Option<ByRow>, Unreadable> {
    let mut form = ByRow { set: Vec::new(), where_sql: None, callees: Vec::new(), reads: Vec::new(), only: !table.inh };
    if !matches!(predicate, Node::None) {
        let Some(callees) = using::computed(predicate)? else { return Ok(None) };
        form.callees = callees;
        form.reads = columns(predicate)?;
        form.where_sql = Some(fragment::expression(predicate)?);
    }
    Ok(Some(form))
}

fn columns(expression: Node<'_>) -> Result<Vec<String>, Unreadable> {
    let mut names = Vec::new();
    walk::each(expression, |node| names.extend(using::bare_column(node).map(str::to_owned)))?;
    Ok(names)
}
