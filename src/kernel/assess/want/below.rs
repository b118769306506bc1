//! What has to be looked up once it is known which partitions there are: they themselves, and whether the names
//! are free which the server would choose for their indexes.

use crate::kernel::facts::{Facts, MEMBERS_MAX, RelationFacts, RelationKind, Wanted};
use crate::kernel::plan::names::{candidates, included, index_middle};
use crate::kernel::plan::retype::{self, Retype};
use crate::kernel::plan::shadow;
use crate::kernel::rules::add_column_rewrite;
use crate::kernel::sql::statement::{
    AlterKind, AlterTable, Change, ConstraintKind, DropKind, Reading, RelationName, Statement, TableConstraint,
};

/// The second look-up. Nothing for what has no partitions and needs no copy.
#[must_use]
pub fn wanted_below(reading: &Reading, facts: &Facts) -> Wanted {
    let mut relations = Vec::new();
    for parsed in &reading.statements {
        let Statement::Change(change) = &parsed.statement else { continue };
        match change {
            Change::CreateIndex(index) if !index.only => {
                let middle = index_middle(index.elements.iter().map(|e| e.name_part.as_str()));
                below(&index.relation, Some((&middle, "idx")), facts, &mut relations);
            }
            Change::Reindex(reindex) if !reindex.concurrently => {
                reindex.target().into_iter().for_each(|target| below(target, None, facts, &mut relations));
            }
            Change::RewriteTable { relation: Some(table), shrinks: Some(_), .. } => {
                below(table, None, facts, &mut relations);
            }
            Change::AlterTable(alter) => alter_table(alter, facts, &mut relations),
            Change::Drop(drop) if drop.kind == DropKind::Table => {
                let places = drop.relations.iter().filter_map(|name| found(name, facts)?.partition_of.as_ref());
                relations.extend(places.map(|place| place.parent.clone()));
            }
            Change::CreateTable(table) => {
                if let Some(parent) = &table.partition_of {
                    default_of(parent, facts, &mut relations);
                }
            }
            _ => {}
        }
    }
    relations.sort();
    relations.dedup();
    relations.retain(|name| facts.relation(name).is_none());
    let mut wanted = Wanted { relations, ..Wanted::default() };
    for parsed in &reading.statements {
        if let Statement::Change(Change::AlterTable(alter)) = &parsed.statement
            && alter.actions.iter().any(|action| is_copied(alter, &action.kind, facts))
        {
            // Its oid is that of this look-up.
            wanted.relations.push(alter.relation.clone());
            wanted.faces.push(alter.relation.clone());
            wanted.wholes.push(alter.relation.clone());
        }
    }
    wanted
}

/// Whether a copy may have to take the table's place, as is known once the types are.
fn is_copied(alter: &AlterTable, kind: &AlterKind, facts: &Facts) -> bool {
    let Some(table) = facts.relation(&alter.relation).flatten() else { return false };
    if facts.whole(&alter.relation).is_some() || table.kind != RelationKind::Table || table.heap_bytes == 0 {
        return false;
    }
    match kind {
        AlterKind::AddColumn(column) => add_column_rewrite::rewritten(column, facts).is_some(),
        kind => Retype::of(alter, kind).is_some_and(|change| {
            retype::work(table, &change, facts).is_long() && shadow::plan(table, &change, facts).is_err()
        }),
    }
}

fn found<'a>(name: &RelationName, facts: &'a Facts) -> Option<&'a RelationFacts> {
    facts.relation(name).flatten().filter(|found| found.members.len() <= MEMBERS_MAX)
}

/// The members, and the names their parts may get.
fn below(of: &RelationName, name: Option<(&str, &str)>, facts: &Facts, relations: &mut Vec<RelationName>) {
    let Some(root) = found(of, facts) else { return };
    for member in &root.members {
        relations.push(member.qualified());
        if let Some((middle, label)) = name {
            relations.extend(candidates(&member.qualified(), middle, label));
        }
    }
}

fn default_of(parent: &RelationName, facts: &Facts, relations: &mut Vec<RelationName>) {
    let Some(parent) = found(parent, facts) else { return };
    let default = parent.members.iter().filter(|member| member.parent == parent.oid && member.is_default());
    relations.extend(default.map(crate::kernel::facts::Member::qualified));
}

fn alter_table(alter: &AlterTable, facts: &Facts, relations: &mut Vec<RelationName>) {
    for action in &alter.actions {
        match &action.kind {
            AlterKind::AddConstraint(constraint) => constrained(alter, constraint, facts, relations),
            AlterKind::AddColumn(column) => {
                column.constraints.iter().for_each(|constraint| constrained(alter, constraint, facts, relations));
            }
            AlterKind::AttachPartition { partition, bound: Some(_) } => {
                default_of(&alter.relation, facts, relations);
                below(partition, None, facts, relations);
                attached(alter, partition, facts, relations);
            }
            _ => {}
        }
    }
}

fn constrained(alter: &AlterTable, constraint: &TableConstraint, facts: &Facts, relations: &mut Vec<RelationName>) {
    match &constraint.kind {
        ConstraintKind::Unique { index_sql, .. } => {
            let included = included(index_sql);
            let middle = index_middle(constraint.columns.iter().chain(&included).map(String::as_str));
            below(&alter.relation, Some((&middle, "key")), facts, relations);
        }
        ConstraintKind::PrimaryKey { .. } => below(&alter.relation, Some(("", "pkey")), facts, relations),
        ConstraintKind::ForeignKey { .. } => below(&alter.relation, None, facts, relations),
        ConstraintKind::Check { .. } | ConstraintKind::Exclude | ConstraintKind::NotNull => {}
    }
}

/// The names of the indexes that a table needs before it can be a partition.
fn attached(alter: &AlterTable, partition: &RelationName, facts: &Facts, relations: &mut Vec<RelationName>) {
    let (Some(parent), Some(new)) = (found(&alter.relation, facts), found(partition, facts)) else { return };
    for index in &parent.indexes {
        let (middle, label) = crate::kernel::plan::attach_partition::named(index);
        relations.extend(candidates(&new.qualified(), &middle, label));
    }
}
