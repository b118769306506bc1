//! Several subcommands of one ALTER TABLE as one plan, in the order in which PostgreSQL works them off.

use super::{Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterKind, AlterTable, LockMode};

/// One subcommand: its own plan, or brief as it is.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text after `ALTER TABLE t `, and the lock it takes.
    Brief(String, LockMode),
    /// ADD COLUMN of a column that is not there, brief as it is: its text and its name.
    Column(String, String),
    Plan(Plan),
}

/// One plan for all parts. `passes` are the server's, see [`pass`]; parts of one pass keep their order.
#[must_use]
pub fn plan(alter: &AlterTable, table: &RelationFacts, mut parts: Vec<(u8, Part)>) -> Plan {
    if let [(_, Part::Plan(only))] = parts.as_slice() {
        return only.clone();
    }
    parts.sort_by_key(|(pass, _)| *pass);
    let mut steps: Vec<Step> = Vec::new();
    let mut summaries = Vec::new();
    let mut undo_loses = None;
    let mut brief: Vec<(String, LockMode)> = Vec::new();
    let mut columns: Vec<(String, String)> = Vec::new();
    for (_, part) in parts {
        match part {
            Part::Brief(sql, lock) => {
                steps.extend(added(alter, table, &mut columns, &mut undo_loses));
                brief.push((sql, lock));
            }
            Part::Column(sql, name) => {
                steps.extend(merged(alter, table, &mut brief));
                columns.push((sql, name));
            }
            Part::Plan(plan) => {
                steps.extend(merged(alter, table, &mut brief));
                steps.extend(added(alter, table, &mut columns, &mut undo_loses));
                steps.extend(plan.steps);
                summaries.push(plan.summary);
                undo_loses = undo_loses.or(plan.undo_loses);
            }
        }
    }
    steps.extend(merged(alter, table, &mut brief));
    steps.extend(added(alter, table, &mut columns, &mut undo_loses));
    Plan {
        recipe: "combined".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: summaries.join(" "),
        relation: Some(table.qualified()),
        steps,
        undo_loses,
        verify: Vec::new(),
    }
}

fn merged(alter: &AlterTable, table: &RelationFacts, brief: &mut Vec<(String, LockMode)>) -> Option<Step> {
    let lock = brief.iter().map(|(_, lock)| *lock).max()?;
    let actions: Vec<String> = brief.drain(..).map(|(sql, _)| sql).collect();
    Some(Step::brief("run", altered(alter, table, &actions), lock))
}

fn added(
    alter: &AlterTable,
    table: &RelationFacts,
    columns: &mut Vec<(String, String)>,
    undo_loses: &mut Option<String>,
) -> Option<Step> {
    if columns.is_empty() {
        return None;
    }
    let (actions, names): (Vec<String>, Vec<String>) = columns.drain(..).unzip();
    let quoted: Vec<String> = names.iter().map(|name| quote::literal(name)).collect();
    let probe = format!(
        "SELECT pg_catalog.count(*) OPERATOR(pg_catalog.=) {} FROM pg_catalog.pg_attribute a WHERE a.attrelid \
         OPERATOR(pg_catalog.=) {} AND NOT a.attisdropped AND a.attname OPERATOR(pg_catalog.=) ANY (ARRAY[{}]::pg_catalog.name[])",
        names.len(),
        quote::oid(table),
        quoted.join(", ")
    );
    let drops: Vec<String> =
        names.iter().map(|name| format!("DROP COLUMN IF EXISTS {}", quote::identifier(name))).collect();
    undo_loses.get_or_insert_with(|| format!("the values of {}", names.join(", ")));
    let add = Step::brief("add", altered(alter, table, &actions), LockMode::AccessExclusive);
    Some(add.probed(probe).undone_by(altered(alter, table, &drops)))
}

fn altered(alter: &AlterTable, table: &RelationFacts, actions: &[String]) -> String {
    let only = if alter.only { "ONLY " } else { "" };
    format!("ALTER TABLE {only}{} {}", quote::table(table), actions.join(", "))
}

/// The pass in which PostgreSQL runs a subcommand (`AlterTablePass` in tablecmds.c).
#[must_use]
pub fn pass(kind: &AlterKind) -> u8 {
    match kind {
        AlterKind::DropColumn { .. }
        | AlterKind::DropConstraint { .. }
        | AlterKind::DropNotNull { .. }
        | AlterKind::DropDefault { .. } => 0,
        AlterKind::AlterType { .. } => 1,
        AlterKind::AddColumn(_) => 4,
        AlterKind::SetNotNull { .. } => 6,
        AlterKind::AddConstraintUsingIndex { .. } => 7,
        AlterKind::AddConstraint(constraint) => match constraint.kind {
            crate::kernel::sql::statement::ConstraintKind::NotNull => 6,
            crate::kernel::sql::statement::ConstraintKind::Unique { .. }
            | crate::kernel::sql::statement::ConstraintKind::PrimaryKey { .. }
            | crate::kernel::sql::statement::ConstraintKind::Exclude => 8,
            crate::kernel::sql::statement::ConstraintKind::Check { .. }
            | crate::kernel::sql::statement::ConstraintKind::ForeignKey { .. } => 9,
        },
        AlterKind::SetDefault { .. } => 9,
        AlterKind::ValidateConstraint { .. }
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
        | AlterKind::Other { .. } => 10,
    }
}
