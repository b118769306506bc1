//! What is taken for granted of things nobody has looked up: the columns a statement needs, and the built-in
//! types as the server names them.

use crate::kernel::facts::{ColumnFacts, ConstraintFacts, IndexFacts, RelationFacts};
use crate::kernel::sql::statement::{AlterKind, AlterTable, Change, Reading, RelationName, Statement, TypeName};

/// `format_type` of a type without its modifier. A type that is not built in is called as it was written.
pub(super) fn type_sql(of: &TypeName) -> String {
    let element = match of.name.as_str() {
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bool" => "boolean",
        "varchar" => "character varying",
        "bpchar" => "character",
        "varbit" => "bit varying",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        name => name,
    };
    let array = if of.sql.ends_with("[]") { "[]" } else { "" };
    match &of.schema {
        Some(schema) if schema != "pg_catalog" => format!("{schema}.{element}{array}"),
        Some(_) | None => format!("{element}{array}"),
    }
}

/// Gives a relation that nobody has looked up what the statements about it need: without it the server
/// would answer with an error, and there would be nothing to judge.
pub(super) fn needed_by(reading: &Reading, name: &RelationName, facts: &mut RelationFacts) {
    for parsed in &reading.statements {
        match &parsed.statement {
            Statement::Change(Change::AlterTable(alter)) if alter.relation == *name => needed_by_alter(alter, facts),
            Statement::Change(Change::MassWrite { relation, by_row: Some(write), .. }) if relation == name => {
                let set = write.set.iter().map(|one| &one.column);
                set.chain(&write.reads).for_each(|column| need_column(facts, column));
            }
            _ => {}
        }
    }
}

fn needed_by_alter(alter: &AlterTable, facts: &mut RelationFacts) {
    for action in &alter.actions {
        match &action.kind {
            AlterKind::SetNotNull { column }
            | AlterKind::DropNotNull { column }
            | AlterKind::SetDefault { column }
            | AlterKind::DropDefault { column }
            | AlterKind::DropColumn { column, .. }
            | AlterKind::RestartIdentity { column, .. }
            | AlterKind::AlterType { column, .. } => need_old_column(alter, facts, column),
            AlterKind::AddConstraint(constraint) => {
                constraint.columns.iter().for_each(|column| need_old_column(alter, facts, column));
            }
            AlterKind::ValidateConstraint { name } => need_constraint(facts, name, false),
            AlterKind::DropConstraint { name, .. }
            | AlterKind::Enforce { name, .. }
            | AlterKind::Inherit { name, .. } => need_constraint(facts, name, true),
            AlterKind::AddConstraintUsingIndex { index: name, .. } => {
                if facts.index(name).is_none() {
                    facts.indexes.push(index(name));
                }
            }
            AlterKind::AddColumn(_)
            | AlterKind::AttachPartition { .. }
            | AlterKind::DetachPartition { .. }
            | AlterKind::WeakLock { .. }
            | AlterKind::BriefLock { .. }
            | AlterKind::Rewrites { .. }
            | AlterKind::Security { .. }
            | AlterKind::Weakens { .. }
            | AlterKind::ReplicaIdentityDefault
            | AlterKind::RowType(_)
            | AlterKind::Other { .. } => {}
        }
    }
}

/// One that the statement does not add itself.
fn need_old_column(alter: &AlterTable, facts: &mut RelationFacts, name: &str) {
    let added = |kind: &AlterKind| matches!(kind, AlterKind::AddColumn(column) if column.name == name);
    if !alter.actions.iter().any(|action| added(&action.kind)) {
        need_column(facts, name);
    }
}

/// Of a type that is not known, which is like no other.
fn need_column(facts: &mut RelationFacts, name: &str) {
    if facts.column(name).is_none() {
        facts.columns.push(column(name, String::new()));
    }
}

fn need_constraint(facts: &mut RelationFacts, name: &str, validated: bool) {
    if facts.constraint(name).is_none() {
        facts.constraints.push(ConstraintFacts {
            comment: None,
            name: name.to_owned(),
            kind: 'c',
            validated,
            columns: Vec::new(),
            definition: String::new(),
            inherited: false,
        });
    }
}

pub(super) fn column(name: &str, type_sql: String) -> ColumnFacts {
    ColumnFacts {
        name: name.to_owned(),
        type_sql,
        type_oid: 0,
        type_modifier: -1,
        not_null: false,
        has_default: false,
        generated: false,
        identity: false,
        is_row: false,
    }
}

/// An index of its own, unique because only such a one is asked for by name.
pub(super) fn index(name: &str) -> IndexFacts {
    IndexFacts {
        marks: crate::kernel::facts::IndexMarks::default(),
        oid: 0,
        name: name.to_owned(),
        valid: true,
        ready: true,
        unique: true,
        primary: false,
        columns: Vec::new(),
        definition: String::new(),
        expression_or_partial: false,
        constraint: None,
        bytes: 0,
        parts: Vec::new(),
        parent: None,
    }
}
