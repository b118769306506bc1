//! A change whose work is brief, but whose lock makes others queue behind it while it waits for its turn.
//!
//! Also the one place that says which lock each kind of change takes: a new kind does not compile until it is here.

use super::subject::{Hazard, Known, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::sql::statement::{
    AlterKind, AlterObject, Change, ConstraintKind, CreateTable, DropKind, LockMode, RelationName,
};

/// The rule.
pub const RULE: Rule = Rule {
    id: "brief-lock",
    hazard: "A strong lock is brief, but whoever waits for it makes everybody else wait behind him.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "Every change that takes a strong lock on a table that others use, if only for a moment.",
        why: "While it waits for one long query, all later ones queue behind it.",
        instead: "A short lock_timeout, and retries with pauses in between.",
        versions: "All supported versions.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    if refuses_transaction(subject.change) {
        return Vec::new();
    }
    let mut locks = locks(subject.change).into_iter();
    let taken = locks.find_map(|(name, lock)| {
        let target = subject.shared(name)?;
        (lock >= LockMode::Share && !weak_on(subject, name)).then_some((target, lock))
    });
    let Some((target, lock)) = taken else { return Vec::new() };
    let message = format!("a strong lock on {} is taken for a moment", target.described());
    vec![Hazard::lock(&target, lock, message)]
}

/// What the server does not run in a transaction block cannot be given a lock timeout of its own there.
fn refuses_transaction(change: &Change) -> bool {
    let detaches = |kind: &AlterKind| matches!(kind, AlterKind::DetachPartition { concurrently: true, .. });
    if let Change::RewriteTable { command, relation } = change {
        return command.starts_with("VACUUM") || relation.is_none();
    }
    if let Change::AlterTable(alter) = change {
        return alter.actions.iter().any(|action| detaches(&action.kind));
    }
    matches!(change, Change::Reindex { .. })
}

/// ALTER of an index or view as if it were a table locks that, which is the server's own business.
fn weak_on(subject: &Subject<'_>, name: &RelationName) -> bool {
    let Known::Exists(facts) = subject.known(name) else { return false };
    matches!(facts.kind, RelationKind::CompositeType)
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
            let lock = match alter.object {
                AlterObject::Sequence => strongest.min(LockMode::ShareRowExclusive),
                AlterObject::Index => strongest.min(LockMode::ShareUpdateExclusive),
                AlterObject::Table
                | AlterObject::View
                | AlterObject::MaterializedView
                | AlterObject::ForeignTable
                | AlterObject::Type => strongest,
            };
            let mut all = vec![(&alter.relation, lock)];
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
        Change::Reindex { target, .. } => target.iter().map(|name| (name, LockMode::AccessExclusive)).collect(),
        Change::RewriteTable { relation, .. } => {
            relation.iter().map(|name| (name, LockMode::AccessExclusive)).collect()
        }
        Change::RefreshMatview { relation } => vec![(relation, LockMode::AccessExclusive)],
        Change::LockTable { relations, mode } => relations.iter().map(|name| (name, *mode)).collect(),
        Change::Brief { command, relation } => relation.iter().map(|name| (name, brief(command))).collect(),
        Change::Privilege(_)
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::Other { .. }
        | Change::Unreadable { .. } => Vec::new(),
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
        AlterKind::BriefLock { lock, .. } => *lock,
        AlterKind::Weakens { .. }
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
