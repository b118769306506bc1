//! What the subcommands of ALTER TABLE change in the model.

use super::{Forecast, assume};
use crate::kernel::facts::{ConstraintFacts, Facts, IndexFacts, RelationFacts, RelationKind};
use crate::kernel::plan::names::index_middle;
use crate::kernel::plan::quote;
use crate::kernel::sql::statement::{
    AddColumn, AlterKind, AlterTable, ConstraintKind, PartitionBound, RelationName, TableConstraint, TypeName,
};

impl Forecast {
    pub(super) fn alter_table(&mut self, alter: &AlterTable, facts: &Facts) {
        let Some(standing) = self.touch(&alter.relation, facts) else { return };
        let table = standing.facts.qualified();
        let table = match standing.facts.persistence {
            // A temporary table stands under a schema of its own here.
            crate::kernel::facts::Persistence::Temporary => self.key(&alter.relation, facts),
            crate::kernel::facts::Persistence::Permanent | crate::kernel::facts::Persistence::Unlogged => table,
        };
        for action in &alter.actions {
            self.act(&table, &action.kind, facts);
        }
    }

    fn act(&mut self, table: &RelationName, kind: &AlterKind, facts: &Facts) {
        match kind {
            AlterKind::AddColumn(column) => self.add_column(table, column),
            AlterKind::DropColumn { column, .. } => self.drop_column(table, column),
            AlterKind::SetNotNull { column } => self.column(table, column, |found| found.not_null = true),
            AlterKind::DropNotNull { column } => self.column(table, column, |found| found.not_null = false),
            AlterKind::SetDefault { column } => self.column(table, column, |found| found.has_default = true),
            AlterKind::DropDefault { column } => self.column(table, column, |found| found.has_default = false),
            AlterKind::AlterType { column, type_name, .. } => {
                let type_sql = self.type_sql(type_name, facts);
                self.column(table, column, |found| found.type_sql = type_sql);
            }
            AlterKind::AddConstraint(constraint) => self.add_constraint(table, constraint),
            AlterKind::ValidateConstraint { name } => self.facts_of(table, |of| {
                of.constraints.iter_mut().filter(|c| c.name == *name).for_each(|found| found.validated = true);
            }),
            AlterKind::DropConstraint { name, .. } => self.drop_constraint(table, name),
            AlterKind::AddConstraintUsingIndex { name, index, primary_key } => {
                self.own_index(table, (name.as_deref().unwrap_or(index), index), *primary_key);
            }
            AlterKind::AttachPartition { partition, bound } => {
                self.attach(table, partition, facts);
                let default = *bound == Some(PartitionBound::Default);
                self.facts_of(table, |of| of.has_default_partition |= default);
            }
            AlterKind::DetachPartition { partition, .. } => {
                if let Some(standing) = self.touch(partition, facts) {
                    standing.facts.is_partition = false;
                }
            }
            AlterKind::WeakLock { .. }
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

    fn attach(&mut self, table: &RelationName, partition: &RelationName, facts: &Facts) {
        let attached = self.touch(partition, facts).map(|standing| {
            standing.facts.is_partition = true;
            standing.facts.rows.unwrap_or_default()
        });
        self.facts_of(table, |of| {
            of.has_children = true;
            let rows = of.rows.unwrap_or_default().saturating_add(attached.unwrap_or_default());
            if of.kind == RelationKind::PartitionedTable {
                super::sized(of, rows);
            }
        });
    }

    fn facts_of(&mut self, table: &RelationName, change: impl FnOnce(&mut RelationFacts)) {
        if let Some(Some(standing)) = self.now.relations.get_mut(table) {
            change(&mut standing.facts);
        }
    }

    fn column(
        &mut self,
        table: &RelationName,
        name: &str,
        change: impl FnOnce(&mut crate::kernel::facts::ColumnFacts),
    ) {
        self.facts_of(table, |of| {
            if let Some(found) = of.columns.iter_mut().find(|column| column.name == name) {
                change(found);
            }
        });
    }

    fn type_sql(&self, of: &TypeName, facts: &Facts) -> String {
        facts.type_facts(of).map_or_else(|| self.type_of(of).type_sql, |found| found.type_sql.clone())
    }

    pub(super) fn add_column(&mut self, table: &RelationName, column: &AddColumn) {
        let type_sql = self.type_of(&column.type_name).type_sql;
        let mut added = false;
        self.facts_of(table, |of| {
            if of.column(&column.name).is_some() {
                return;
            }
            added = true;
            let mut made = assume::column(&column.name, type_sql);
            made.identity = column.identity_sql.is_some();
            made.not_null = column.not_null.is_some() || column.serial.is_some() || made.identity;
            made.generated = column.generated.is_some();
            made.has_default = column.serial.is_some() || (column.default.is_some() && !made.generated);
            of.columns.push(made);
        });
        if !added {
            return;
        }
        if column.serial.is_some() || column.identity_sql.is_some() {
            let name = self.free_name(table, &column.name, "seq");
            let key = RelationName { schema: table.schema.clone(), name };
            let sequence = super::bare(&key, RelationKind::Sequence, &self.assumed.role);
            self.now.relations.insert(key, Some(super::Standing { facts: sequence, complete: true }));
        }
        for constraint in &column.constraints {
            self.add_constraint(table, constraint);
        }
    }

    fn drop_column(&mut self, table: &RelationName, column: &str) {
        let mut gone = Vec::new();
        self.facts_of(table, |of| {
            of.columns.retain(|found| found.name != column);
            of.constraints.retain(|found| !found.columns.iter().any(|name| name == column));
            let (with, without) =
                std::mem::take(&mut of.indexes).into_iter().partition(|i| i.columns.iter().any(|n| n == column));
            (gone, of.indexes) = (with, without);
        });
        self.forget_indexes(table, &gone);
    }

    fn drop_constraint(&mut self, table: &RelationName, name: &str) {
        let mut gone = Vec::new();
        self.facts_of(table, |of| {
            of.constraints.retain(|found| found.name != name);
            let (with, without) =
                std::mem::take(&mut of.indexes).into_iter().partition(|i| i.constraint.as_deref() == Some(name));
            (gone, of.indexes) = (with, without);
        });
        self.forget_indexes(table, &gone);
    }

    fn forget_indexes(&mut self, table: &RelationName, gone: &[IndexFacts]) {
        for index in gone {
            let key = RelationName { schema: table.schema.clone(), name: index.name.clone() };
            self.now.relations.insert(key, None);
        }
    }

    pub(super) fn add_constraint(&mut self, table: &RelationName, constraint: &TableConstraint) {
        let middle = || index_middle(constraint.columns.iter().map(String::as_str));
        let (kind, middle, label) = match &constraint.kind {
            ConstraintKind::Check { .. } => ('c', one(&constraint.columns), "check"),
            ConstraintKind::ForeignKey { .. } => ('f', middle(), "fkey"),
            ConstraintKind::PrimaryKey { .. } => ('p', String::new(), "pkey"),
            ConstraintKind::Unique { .. } => ('u', middle(), "key"),
            ConstraintKind::Exclude => ('x', middle(), "excl"),
            ConstraintKind::NotNull => {
                let column = constraint.columns.first().map(String::as_str).unwrap_or_default();
                if !constraint.not_valid {
                    self.column(table, column, |found| found.not_null = true);
                }
                ('n', middle(), "not_null")
            }
        };
        let name = constraint.name.clone().unwrap_or_else(|| self.free_name(table, &middle, label));
        if kind == 'p' {
            for column in &constraint.columns {
                self.column(table, column, |found| found.not_null = true);
            }
        }
        self.facts_of(table, |of| {
            of.constraints.push(ConstraintFacts {
                comment: None,
                name: name.clone(),
                kind,
                validated: !constraint.not_valid && !constraint.not_enforced,
                columns: constraint.columns.clone(),
                definition: as_printed(constraint),
                inherited: false,
            });
        });
        if matches!(kind, 'p' | 'u' | 'x') {
            let definition = match &constraint.kind {
                ConstraintKind::Unique { index_sql, .. } | ConstraintKind::PrimaryKey { index_sql, .. } => {
                    quote::index_definition(&name, table, (true, index_sql))
                }
                _ => String::new(),
            };
            let index = IndexFacts {
                marks: crate::kernel::facts::IndexMarks::default(),
                definition,
                primary: kind == 'p',
                unique: kind != 'x',
                columns: constraint.columns.clone(),
                constraint: Some(name.clone()),
                ..assume::index(&name)
            };
            self.put_index(table, index);
        }
    }

    /// An index that becomes a constraint's takes its name.
    fn own_index(&mut self, table: &RelationName, names: (&str, &str), primary: bool) {
        let (name, index) = names;
        let mut columns = Vec::new();
        self.facts_of(table, |of| {
            if let Some(found) = of.indexes.iter_mut().find(|found| found.name == index) {
                name.clone_into(&mut found.name);
                found.constraint = Some(name.to_owned());
                found.primary = primary;
                columns.clone_from(&found.columns);
            }
            of.constraints.push(ConstraintFacts {
                comment: None,
                name: name.to_owned(),
                kind: if primary { 'p' } else { 'u' },
                validated: true,
                columns: columns.clone(),
                definition: String::new(),
                inherited: false,
            });
        });
        for column in columns.iter().filter(|_| primary) {
            self.column(table, column, |found| found.not_null = true);
        }
    }
}

/// CHECK constraints are named after their column if they have but one.
fn one(columns: &[String]) -> String {
    match columns {
        [column] => column.clone(),
        _ => String::new(),
    }
}

/// The server prints `CHECK ((a IS NOT NULL))`; of other constraints nothing is read here.
fn as_printed(constraint: &TableConstraint) -> String {
    match (&constraint.kind, constraint.columns.as_slice()) {
        (ConstraintKind::Check { .. }, [column]) => {
            let proof = format!("CHECK ({} IS NOT NULL)", quote::identifier(column));
            if constraint.definition_sql == proof {
                return format!("CHECK (({} IS NOT NULL))", quote::identifier(column));
            }
            constraint.definition_sql.clone()
        }
        _ => constraint.definition_sql.clone(),
    }
}
