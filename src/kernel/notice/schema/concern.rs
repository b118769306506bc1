//! Which relations' definitions a statement or a plan may change, by what it names.

use crate::kernel::plan::{Action, Plan};
use crate::kernel::sql::read;
use crate::kernel::sql::statement::{AlterKind, AlterTable, Change, DropKind, Reading, RelationName, Statement};

/// Relations that a change is about. Those below them belong to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concern {
    pub names: Vec<RelationName>,
    /// Of these, those that it makes.
    pub made: Vec<RelationName>,
    /// Schemas with all that is in them.
    pub schemas: Vec<String>,
    /// What depends on them changes too.
    pub cascades: bool,
}

impl Concern {
    /// What a text may change.
    #[must_use]
    pub fn of(reading: &Reading) -> Self {
        let mut concern = Self::default();
        concern.take(reading);
        concern.settled()
    }

    /// What a plan may change.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let mut concern = Self::default();
        for step in &plan.steps {
            let texts: &[String] = match &step.action {
                Action::Together { statements } => statements,
                Action::Sql { sql, .. } | Action::BuildIndex { sql, .. } | Action::Reindex { sql, .. } => {
                    std::slice::from_ref(sql)
                }
                // Rows; and what another job does.
                Action::Backfill(_) | Action::Later { .. } => &[],
            };
            // What does not read back is in no plan.
            texts.iter().filter_map(|sql| read::read(sql).ok()).for_each(|reading| concern.take(&reading));
        }
        concern.settled()
    }

    /// Whether no definition can change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.schemas.is_empty()
    }

    fn settled(mut self) -> Self {
        self.names.sort();
        self.names.dedup();
        self
    }

    fn take(&mut self, reading: &Reading) {
        for parsed in &reading.statements {
            if let Statement::Change(change) = &parsed.statement {
                self.change(change);
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::CreateIndex(index) => self.names.push(index.relation.clone()),
            Change::AlterTable(alter) => self.alter(alter),
            Change::CreateTable(table) if table.temporary => {}
            Change::CreateTable(table) => self.make(&table.relation),
            Change::Drop(drop) => {
                self.cascades |= drop.cascade;
                self.names.extend(drop.relations.iter().cloned());
                if drop.kind == DropKind::Schema {
                    self.schemas.extend(drop.objects.iter().cloned());
                    // Only what is empty is dropped without.
                    self.cascades = true;
                }
            }
            Change::Rename(rename) if rename.what == "schema" => self.schemas.push(rename.from.clone()),
            Change::Rename(rename) => self.names.extend(rename.relation.iter().cloned()),
            // An index may become valid by it.
            Change::Reindex(reindex) => self.names.extend(reindex.target().cloned()),
            Change::Brief { command: "CREATE VIEW", relation } => relation.iter().for_each(|name| self.make(name)),
            Change::Brief { .. }
            | Change::Truncate { .. }
            | Change::MassWrite { .. }
            | Change::Privilege(_)
            | Change::Setting(_)
            | Change::Opaque(_)
            | Change::RewriteTable { .. }
            | Change::RefreshMatview { .. }
            | Change::CreateDomain(_)
            | Change::CheckDomain { .. }
            | Change::CreateRule { .. }
            | Change::Publication(_)
            | Change::RestartSequence { .. }
            | Change::LockTable { .. }
            | Change::AlterDatabase { .. }
            | Change::Other { .. }
            | Change::Unreadable { .. } => {}
        }
    }

    fn make(&mut self, name: &RelationName) {
        self.names.push(name.clone());
        self.made.push(name.clone());
    }

    fn alter(&mut self, alter: &AlterTable) {
        self.names.push(alter.relation.clone());
        for action in &alter.actions {
            match &action.kind {
                AlterKind::AttachPartition { partition, .. } | AlterKind::DetachPartition { partition, .. } => {
                    self.names.push(partition.clone());
                }
                AlterKind::DropColumn { cascade, .. } | AlterKind::DropConstraint { cascade, .. } => {
                    self.cascades |= cascade;
                }
                AlterKind::AddColumn(_)
                | AlterKind::SetNotNull { .. }
                | AlterKind::DropNotNull { .. }
                | AlterKind::SetDefault { .. }
                | AlterKind::DropDefault { .. }
                | AlterKind::AlterType { .. }
                | AlterKind::AddConstraint(_)
                | AlterKind::ValidateConstraint { .. }
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
                | AlterKind::Other { .. } => {}
            }
        }
    }
}
