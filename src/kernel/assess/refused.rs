//! What the server refuses before it does anything long: it is the server's, for in steps half of it would stay.

use std::collections::HashSet;

use super::super::facts::RelationFacts;
use super::super::plan::combine::pass;
use super::super::plan::retype::{self, Retype, Work};
use super::super::sql::statement::{AlterAction, AlterKind, AlterTable, ConstraintKind, TableConstraint};
use super::judged::Judged;

/// When PostgreSQL comes to a part of a subcommand: by pass, and in a pass columns' own constraints first.
type Turn = (u8, bool, usize);

/// Whether two of the constraints it adds are written under one name.
pub(super) fn names_twice(alter: &AlterTable) -> bool {
    any_twice(added(alter).filter_map(|constraint| constraint.name.as_deref()))
}

/// Whether it changes the type of a column twice.
pub(super) fn retypes_twice(alter: &AlterTable) -> bool {
    any_twice(retyped(alter).map(|change| change.column))
}

fn retyped(alter: &AlterTable) -> impl Iterator<Item = Retype<'_>> {
    alter.actions.iter().filter_map(|action| Retype::of(alter, &action.kind))
}

fn any_twice<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    names.any(|name| !seen.insert(name))
}

/// Whether it does more than add columns, and constraints without an index: it may be refused after one is built.
fn builds(alter: &AlterTable) -> bool {
    let adds = |kind: &AlterKind| matches!(kind, AlterKind::AddColumn(_) | AlterKind::AddConstraint(_));
    !alter.actions.iter().all(|action| adds(&action.kind)) || added(alter).any(has_index)
}

fn has_index(constraint: &TableConstraint) -> bool {
    match &constraint.kind {
        ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. } | ConstraintKind::Exclude => true,
        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } | ConstraintKind::NotNull => false,
    }
}

/// The constraints it adds, those of new columns too.
fn added(alter: &AlterTable) -> impl Iterator<Item = &TableConstraint> {
    alter.actions.iter().flat_map(|action| constraints(&action.kind))
}

fn constraints(kind: &AlterKind) -> &[TableConstraint] {
    match kind {
        AlterKind::AddConstraint(constraint) => std::slice::from_ref(constraint),
        AlterKind::AddColumn(column) => column.constraints.as_slice(),
        _ => &[],
    }
}

/// When the index of a constraint that the subcommand adds is built.
fn index_turn(kind: &AlterKind, at: usize) -> Turn {
    (INDEXES, matches!(kind, AlterKind::AddConstraint(_)), at)
}

/// The passes in which PostgreSQL builds indexes anew after a change of type, and new ones.
const REBUILDS: u8 = 2;
const INDEXES: u8 = 8;

impl Judged<'_> {
    /// The server answers with an error before it does anything long.
    pub(super) fn is_refused(&self, alter: &AlterTable) -> bool {
        if names_twice(alter) && !builds(alter) {
            return true;
        }
        let Some(Some(table)) = self.facts.relation(&alter.relation) else { return false };
        let drops = |kind: &AlterKind| matches!(kind, AlterKind::DropColumn { .. } | AlterKind::DropConstraint { .. });
        let is_other = self.earlier.changed
            || self.earlier.blurs(&alter.relation)
            || alter.actions.iter().any(|action| drops(&action.kind));
        let actions = || alter.actions.iter().enumerate();
        let refused = actions().filter_map(|(at, action)| self.refusal(alter, table, (at, action))).min();
        let built = actions().filter_map(|(at, action)| self.build(alter, table, (at, action))).min();
        let comes_first = refused.is_some_and(|refused| built.is_none_or(|built| refused <= built));
        self.retypes_anew(alter, table) || !is_other && comes_first
    }

    /// Whether the type of one column changes, and then again: that is looked at before anything else.
    fn retypes_anew(&self, alter: &AlterTable, table: &RelationFacts) -> bool {
        let changes = |change: &Retype<'_>| {
            let now = table.column(change.column).map(|column| column.type_sql.as_str());
            let then = self.facts.type_facts(change.type_name).map(|of| of.type_sql.as_str());
            now.is_some() && then.is_some() && now != then
        };
        let mut changed = HashSet::new();
        retyped(alter)
            .any(|change| changed.contains(change.column) || changes(&change) && !changed.insert(change.column))
    }

    /// When an index is built under the statement's lock, by a subcommand.
    fn build(&self, alter: &AlterTable, table: &RelationFacts, (at, action): (usize, &AlterAction)) -> Option<Turn> {
        if let Some(change) = Retype::of(alter, &action.kind) {
            let work = retype::work(table, &change, self.facts);
            return matches!(work, Work::Rebuilds(_) | Work::Unknown(_)).then_some((REBUILDS, false, at));
        }
        constraints(&action.kind).iter().any(has_index).then(|| index_turn(&action.kind, at))
    }

    /// When the server finds that a subcommand cannot be.
    fn refusal(&self, alter: &AlterTable, table: &RelationFacts, (at, action): (usize, &AlterAction)) -> Option<Turn> {
        let makes = |name: &str| {
            alter.actions.iter().any(|action| matches!(&action.kind, AlterKind::AddColumn(c) if c.name == name))
        };
        let using = |kind: &AlterKind| matches!(kind, AlterKind::AddConstraintUsingIndex { .. });
        let adds = added(alter).next().is_some() || alter.actions.iter().any(|action| using(&action.kind));
        let missing = |name: &str| table.column(name).is_none() && !makes(name);
        let second_key = |constraint: &TableConstraint| {
            matches!(constraint.kind, ConstraintKind::PrimaryKey { .. })
                && table.indexes.iter().any(|index| index.primary)
        };
        let refused = match &action.kind {
            AlterKind::AddColumn(column) => match table.column(&column.name) {
                Some(_) => !column.if_not_exists,
                None if alter.only && table.has_children => true,
                None if column.constraints.iter().any(second_key) => return Some(index_turn(&action.kind, at)),
                None => false,
            },
            AlterKind::SetNotNull { column }
            | AlterKind::DropNotNull { column }
            | AlterKind::SetDefault { column }
            | AlterKind::DropDefault { column } => missing(column),
            kind @ AlterKind::AlterType { column, .. } => {
                let change = Retype::of(alter, kind);
                let work = |change| retype::work(table, &change, self.facts);
                missing(column) || matches!(change.map(work), Some(Work::Refused(_)))
            }
            AlterKind::ValidateConstraint { name } => match table.constraint(name) {
                Some(there) => !matches!(there.kind, 'c' | 'f' | 'n'),
                // It may be one of those that the statement adds, under a name that the server chooses.
                None => !adds,
            },
            // One that comes from a parent takes one of the table's own into itself, and NOT NULL (18) the one there is.
            AlterKind::AddConstraint(constraint) => {
                let name = constraint.name.as_ref().filter(|_| constraint.kind != ConstraintKind::NotNull);
                let there = name.and_then(|name| table.constraint(name));
                second_key(constraint) || there.is_some_and(|there| !there.inherited)
            }
            AlterKind::DropColumn { .. }
            | AlterKind::DropConstraint { .. }
            | AlterKind::AddConstraintUsingIndex { .. }
            | AlterKind::AttachPartition { .. }
            | AlterKind::DetachPartition { .. }
            | AlterKind::WeakLock { .. }
            | AlterKind::BriefLock { .. }
            | AlterKind::Rewrites { .. }
            | AlterKind::Security { .. }
            | AlterKind::Weakens { .. }
            | AlterKind::ReplicaIdentityDefault
            | AlterKind::RestartIdentity { .. }
            | AlterKind::Enforce { .. }
            | AlterKind::Inherit { .. }
            | AlterKind::RowType(_)
            | AlterKind::Other { .. } => false,
        };
        let is_constraint = matches!(action.kind, AlterKind::AddConstraint(_));
        refused.then(|| (pass(&action.kind), is_constraint, at))
    }
}
