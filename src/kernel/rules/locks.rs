//! Which lock each kind of change takes on which relation: a new kind does not compile until it is here.
//! Measured against `pg_locks` of every version by `proto-tests/tests/catalogue.rs`.

use serde::{Deserialize, Serialize};

use super::subject::{Subject, Target};
use crate::kernel::facts::{KinHow, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{
    AlterKind, AlterObject, AlterTable, Change, ConstraintKind, CreateTable, DropKind, LockMode, RelationName,
};

/// A lock that a statement takes on a relation which is there before it. A lock on an index counts as one on its
/// table: whoever plans a query of the table must open all its indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locked {
    pub relation: RelationName,
    pub mode: LockMode,
}

/// The locks a change takes on relations that others use, the strongest of each, by name.
#[must_use]
pub fn taken(subject: &Subject<'_>) -> Vec<Locked> {
    let mut all = All(Vec::new());
    for (name, mode) in locks(subject.change) {
        let Some(target) = subject.shared(name) else { continue };
        // Nobody reads a type.
        if target.facts.is_some_and(|facts| facts.kind == RelationKind::CompositeType) {
            continue;
        }
        let table = target.facts.and_then(|facts| facts.index_of.clone());
        all.put(table.unwrap_or_else(|| target.name.clone()), mode);
        if let Some(facts) = target.facts {
            all.along(subject, &target, facts, mode);
        }
    }
    if let Change::CreateTable(CreateTable { partition_of: Some(parent), .. }) = subject.change {
        all.kin(subject.shared(parent).as_ref(), KinHow::References, LockMode::ShareRowExclusive);
        all.kin(subject.shared(parent).as_ref(), KinHow::Default, LockMode::AccessExclusive);
    }
    all.0.sort_by(|a, b| a.relation.cmp(&b.relation));
    all.0
}

struct All(Vec<Locked>);

impl All {
    fn put(&mut self, relation: RelationName, mode: LockMode) {
        match self.0.iter_mut().find(|locked| locked.relation == relation) {
            Some(locked) => locked.mode = locked.mode.max(mode),
            None => self.0.push(Locked { relation, mode }),
        }
    }

    fn kin(&mut self, target: Option<&Target<'_>>, how: KinHow, mode: LockMode) {
        let kin = target.and_then(|target| target.facts).into_iter().flat_map(|facts| facts.kin_by(how));
        kin.for_each(|kin| self.put(kin.relation.clone(), mode));
    }

    /// What is locked along with a relation that the statement names.
    fn along(&mut self, subject: &Subject<'_>, target: &Target<'_>, facts: &RelationFacts, mode: LockMode) {
        let target = Some(target);
        match subject.change {
            Change::AlterTable(alter) if named(alter, facts) => {
                for action in &alter.actions {
                    self.with_action(alter, &action.kind, (facts, mode), subject.facts.major());
                }
            }
            // The other table of a foreign key, with its partitions; the table that is attached.
            Change::AlterTable(alter) => {
                let references =
                    |kind: &AlterKind| matches!(kind, AlterKind::AddConstraint(_) | AlterKind::AddColumn(_));
                if alter.actions.iter().any(|action| references(&action.kind)) && is_partitioned(facts) {
                    self.kin(target, KinHow::Below, LockMode::ShareRowExclusive);
                }
            }
            Change::CreateIndex(index) if !index.only && is_partitioned(facts) => self.kin(target, KinHow::Below, mode),
            Change::Drop(drop) => {
                if drop.kind == DropKind::Index && facts.kind == RelationKind::PartitionedIndex {
                    self.kin(target, KinHow::Below, mode);
                }
                if drop.kind == DropKind::Table {
                    self.kin(target, KinHow::Below, mode);
                    self.kin(target, KinHow::Above, mode);
                    self.kin(target, KinHow::References, mode);
                    if drop.cascade {
                        self.kin(target, KinHow::ReferencedBy, mode);
                    }
                }
            }
            Change::Truncate { only, cascade, .. } => {
                if !only {
                    self.kin(target, KinHow::Below, mode);
                }
                if *cascade {
                    self.kin(target, KinHow::ReferencedBy, mode);
                }
            }
            // Each partition in a transaction of its own, and the parent in none.
            Change::Reindex(_)
                if matches!(facts.kind, RelationKind::PartitionedTable | RelationKind::PartitionedIndex) =>
            {
                self.0.clear();
                self.kin(target, KinHow::Below, mode);
            }
            Change::LockTable { .. } => self.kin(target, KinHow::Below, mode),
            Change::Rename(rename) if rename.what == "column" => self.kin(target, KinHow::Below, mode),
            Change::Brief { command: "CREATE TRIGGER" | "DROP TRIGGER", .. } if is_partitioned(facts) => {
                self.kin(target, KinHow::Below, mode);
            }
            _ => {}
        }
    }

    fn with_action(&mut self, alter: &AlterTable, kind: &AlterKind, of: (&RelationFacts, LockMode), major: u32) {
        let (facts, mode) = of;
        if let Some(below) = recursion(kind, facts, major).filter(|_| !alter.only) {
            facts.kin_by(KinHow::Below).for_each(|kin| self.put(kin.relation.clone(), below.max(weakest(mode))));
        }
        let about =
            |column: &str| facts.kin.iter().filter(|kin| kin.columns.iter().any(|c| c == column)).collect::<Vec<_>>();
        match kind {
            AlterKind::DropColumn { column, cascade, .. } => {
                let gone = about(column).into_iter().filter(|kin| *cascade || kin.how == KinHow::References);
                gone.for_each(|kin| self.put(kin.relation.clone(), LockMode::AccessExclusive));
            }
            AlterKind::AlterType { column, .. } => {
                about(column).into_iter().for_each(|kin| self.put(kin.relation.clone(), LockMode::AccessExclusive));
            }
            AlterKind::DropConstraint { name, cascade, .. } => {
                let own = facts.kin_by(KinHow::References).filter(|kin| kin.constraint.as_ref() == Some(name));
                own.for_each(|kin| self.put(kin.relation.clone(), LockMode::AccessExclusive));
                let key = facts.constraint(name).filter(|found| *cascade && matches!(found.kind, 'p' | 'u'));
                for kin in key.into_iter().flat_map(|_| facts.kin_by(KinHow::ReferencedBy)) {
                    self.put(kin.relation.clone(), LockMode::AccessExclusive);
                }
            }
            AlterKind::Enforce { name, enforced } => {
                let lock = if *enforced { LockMode::ShareRowExclusive } else { LockMode::AccessExclusive };
                let own = facts.kin_by(KinHow::References).filter(|kin| kin.constraint.as_ref() == Some(name));
                own.for_each(|kin| self.put(kin.relation.clone(), lock));
            }
            AlterKind::AttachPartition { .. } => {
                for kin in facts.kin_by(KinHow::Default) {
                    self.put(kin.relation.clone(), LockMode::AccessExclusive);
                }
                for kin in facts.kin_by(KinHow::References) {
                    self.put(kin.relation.clone(), LockMode::ShareRowExclusive);
                }
            }
            AlterKind::DetachPartition { concurrently: false, finalize: false, .. } => {
                for kin in facts.kin_by(KinHow::Default) {
                    self.put(kin.relation.clone(), LockMode::AccessExclusive);
                }
            }
            _ => {}
        }
    }
}

/// Children are locked as their parent is, all of them before the first subcommand runs.
fn weakest(mode: LockMode) -> LockMode {
    if mode >= LockMode::Share { LockMode::AccessShare } else { mode }
}

fn named(alter: &AlterTable, facts: &RelationFacts) -> bool {
    alter.relation.name == facts.name && alter.relation.schema.as_ref().is_none_or(|schema| *schema == facts.schema)
}

fn is_partitioned(facts: &RelationFacts) -> bool {
    facts.kind == RelationKind::PartitionedTable
}

/// The lock a subcommand takes on partitions and children, if it goes down to them.
fn recursion(kind: &AlterKind, facts: &RelationFacts, major: u32) -> Option<LockMode> {
    match kind {
        AlterKind::AddConstraint(constraint) => match constraint.kind {
            ConstraintKind::Check { no_inherit: true } => None,
            ConstraintKind::Unique { .. } | ConstraintKind::PrimaryKey { .. } | ConstraintKind::Exclude => {
                let lock = if major >= 18 { LockMode::AccessExclusive } else { LockMode::Share };
                is_partitioned(facts).then_some(lock)
            }
            ConstraintKind::ForeignKey { .. } => is_partitioned(facts).then_some(LockMode::ShareRowExclusive),
            ConstraintKind::Check { .. } | ConstraintKind::NotNull => Some(LockMode::AccessExclusive),
        },
        AlterKind::AddColumn(_)
        | AlterKind::DropColumn { .. }
        | AlterKind::SetNotNull { .. }
        | AlterKind::DropNotNull { .. }
        | AlterKind::SetDefault { .. }
        | AlterKind::DropDefault { .. }
        | AlterKind::AlterType { .. }
        | AlterKind::Inherit { .. }
        | AlterKind::DropConstraint { .. } => Some(LockMode::AccessExclusive),
        AlterKind::Weakens { lock, .. } | AlterKind::BriefLock { lock, .. }
            if *lock == LockMode::ShareRowExclusive && is_partitioned(facts) =>
        {
            Some(*lock)
        }
        AlterKind::ValidateConstraint { .. }
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
        | AlterKind::RowType(_)
        | AlterKind::Other { .. } => None,
    }
}

/// Relations a change locks, and how.
#[must_use]
pub fn locks(change: &Change) -> Vec<(&RelationName, LockMode)> {
    match change {
        Change::CreateIndex(index) if index.concurrently => Vec::new(),
        Change::CreateIndex(index) => vec![(&index.relation, LockMode::Share)],
        Change::AlterTable(alter) => {
            let strongest = alter.actions.iter().map(|action| action_lock(&action.kind)).max();
            let strongest = strongest.unwrap_or(LockMode::AccessExclusive);
            // What follows ALTER TYPE stands for no relation that anybody reads.
            let own = (alter.object != AlterObject::Type).then_some((&alter.relation, strongest));
            let mut all: Vec<_> = own.into_iter().collect();
            all.extend(alter.actions.iter().flat_map(|action| others(&action.kind)));
            all
        }
        Change::CreateTable(table) => created(table),
        Change::Drop(drop) if drop.kind == DropKind::Index && drop.concurrently => Vec::new(),
        Change::Drop(drop) => drop.relations.iter().map(|name| (name, LockMode::AccessExclusive)).collect(),
        Change::Truncate { relations, .. } => relations.iter().map(|name| (name, LockMode::AccessExclusive)).collect(),
        Change::MassWrite { relation, .. } => vec![(relation, LockMode::RowExclusive)],
        Change::Rename(rename) => {
            let lock = if rename.what == "index" { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
            rename.relation.iter().map(|name| (name, lock)).collect()
        }
        Change::Reindex(reindex) if reindex.concurrently => Vec::new(),
        Change::Reindex(reindex) => reindex.target().iter().map(|name| (*name, LockMode::AccessExclusive)).collect(),
        Change::RewriteTable { relation, .. } => {
            relation.iter().map(|name| (name, LockMode::AccessExclusive)).collect()
        }
        Change::RefreshMatview { relation, .. } => vec![(relation, LockMode::AccessExclusive)],
        Change::CreateRule { relation, .. } => vec![(relation, LockMode::AccessExclusive)],
        Change::RestartSequence { relation, .. } => vec![(relation, LockMode::ShareRowExclusive)],
        Change::Publication(publication) => {
            publication.tables.iter().map(|one| (&one.relation, LockMode::ShareUpdateExclusive)).collect()
        }
        Change::Privilege(privilege) if privilege.is_grant() => Vec::new(),
        Change::Privilege(privilege) => {
            privilege.relations.iter().map(|name| (name, LockMode::AccessExclusive)).collect()
        }
        Change::LockTable { relations, mode } => relations.iter().map(|name| (name, *mode)).collect(),
        Change::Brief { command, relation } => relation.iter().map(|name| (name, brief(command))).collect(),
        Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::AlterDatabase { .. }
        | Change::Other { .. }
        | Change::Unreadable { .. } => Vec::new(),
    }
}

/// The lock a change takes on relations that it does not name.
#[must_use]
pub fn unnamed(change: &Change) -> Option<LockMode> {
    match change {
        // Of every table with a column of the domain.
        Change::CheckDomain { .. } => Some(LockMode::Share),
        // Whatever depends on it.
        Change::Drop(drop) if drop.cascade => Some(LockMode::AccessExclusive),
        Change::Drop(drop) if drop.kind == DropKind::Other("STATISTICS") => Some(LockMode::ShareUpdateExclusive),
        // Every typed table.
        Change::AlterTable(alter) if alter.object == AlterObject::Type => Some(LockMode::AccessExclusive),
        _ => None,
    }
}

fn created(table: &CreateTable) -> Vec<(&RelationName, LockMode)> {
    let references = table.references.iter().map(|name| (name, LockMode::ShareRowExclusive));
    references.chain(table.partition_of.iter().map(|name| (name, LockMode::AccessExclusive))).collect()
}

fn brief(command: &str) -> LockMode {
    match command {
        "COMMENT" | "CREATE STATISTICS" | "ALTER STATISTICS" | "CREATE PUBLICATION" | "ALTER PUBLICATION" => {
            LockMode::ShareUpdateExclusive
        }
        "CREATE TRIGGER" | "CREATE CONSTRAINT TRIGGER" | "ALTER SEQUENCE" => LockMode::ShareRowExclusive,
        // What else is brief may be the strongest.
        _ => LockMode::AccessExclusive,
    }
}

/// The lock of one subcommand on the table that is altered.
#[must_use]
pub fn action_lock(kind: &AlterKind) -> LockMode {
    match kind {
        AlterKind::ValidateConstraint { .. }
        | AlterKind::WeakLock { .. }
        | AlterKind::AttachPartition { .. }
        | AlterKind::DetachPartition { concurrently: true, .. }
        | AlterKind::DetachPartition { finalize: true, .. } => LockMode::ShareUpdateExclusive,
        AlterKind::AddConstraint(constraint) => match constraint.kind {
            ConstraintKind::ForeignKey { .. } => LockMode::ShareRowExclusive,
            ConstraintKind::Check { .. }
            | ConstraintKind::Unique { .. }
            | ConstraintKind::PrimaryKey { .. }
            | ConstraintKind::Exclude
            | ConstraintKind::NotNull => LockMode::AccessExclusive,
        },
        AlterKind::BriefLock { lock, .. } | AlterKind::Weakens { lock, .. } => *lock,
        AlterKind::ReplicaIdentityDefault
        | AlterKind::RestartIdentity { .. }
        | AlterKind::Enforce { .. }
        | AlterKind::Inherit { .. }
        | AlterKind::AddColumn(_)
        | AlterKind::DropColumn { .. }
        | AlterKind::SetNotNull { .. }
        | AlterKind::DropNotNull { .. }
        | AlterKind::SetDefault { .. }
        | AlterKind::DropDefault { .. }
        | AlterKind::AlterType { .. }
        | AlterKind::DropConstraint { .. }
        | AlterKind::AddConstraintUsingIndex { .. }
        | AlterKind::DetachPartition { .. }
        | AlterKind::Rewrites { .. }
        | AlterKind::Security { .. }
        | AlterKind::RowType(_)
        | AlterKind::Other { .. } => LockMode::AccessExclusive,
    }
}

/// Other tables that a subcommand locks.
fn others(kind: &AlterKind) -> Vec<(&RelationName, LockMode)> {
    match kind {
        AlterKind::AddColumn(column) => column.constraints.iter().filter_map(|c| referenced(&c.kind)).collect(),
        AlterKind::AddConstraint(constraint) => referenced(&constraint.kind).into_iter().collect(),
        AlterKind::AttachPartition { partition, .. } | AlterKind::DetachPartition { partition, .. } => {
            vec![(partition, LockMode::AccessExclusive)]
        }
        AlterKind::DropColumn { .. }
        | AlterKind::SetNotNull { .. }
        | AlterKind::DropNotNull { .. }
        | AlterKind::SetDefault { .. }
        | AlterKind::DropDefault { .. }
        | AlterKind::AlterType { .. }
        | AlterKind::ValidateConstraint { .. }
        | AlterKind::DropConstraint { .. }
        | AlterKind::AddConstraintUsingIndex { .. }
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
        | AlterKind::Other { .. } => Vec::new(),
    }
}

fn referenced(kind: &ConstraintKind) -> Option<(&RelationName, LockMode)> {
    match kind {
        ConstraintKind::ForeignKey { references } => Some((references, LockMode::ShareRowExclusive)),
        ConstraintKind::Check { .. }
        | ConstraintKind::Unique { .. }
        | ConstraintKind::PrimaryKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => None,
    }
}
