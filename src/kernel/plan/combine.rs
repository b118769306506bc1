//! Several subcommands of one ALTER TABLE as one plan, in the order in which PostgreSQL works them off.

use super::{Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterKind, AlterTable, LockMode};

/// One subcommand: its own plan, or brief as it is.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text after `ALTER TABLE t `, and the lock it takes.
    Brief(String, LockMode),
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
    for (_, part) in parts {
        match part {
            Part::Brief(sql, lock) => brief.push((sql, lock)),
            Part::Plan(plan) => {
                steps.extend(merged(alter, table, &mut brief));
                steps.extend(plan.steps);
                summaries.push(plan.summary);
                undo_loses = undo_loses.or(plan.undo_loses);
            }
        }
    }
    steps.extend(merged(alter, table, &mut brief));
    Plan {
        recipe: "combined".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: summaries.join(" "),
        relation: Some(table.qualified()),
        steps,
        undo_loses,
    }
}

fn merged(alter: &AlterTable, table: &RelationFacts, brief: &mut Vec<(String, LockMode)>) -> Option<Step> {
    let lock = brief.iter().map(|(_, lock)| *lock).max()?;
    let actions: Vec<String> = brief.drain(..).map(|(sql, _)| sql).collect();
    let only = if alter.only { "ONLY " } else { "" };
    let sql = format!("ALTER TABLE {only}{} {}", quote::table(table), actions.join(", "));
    Some(Step::brief("run", sql, lock))
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
        | AlterKind::Other { .. } => 10,
    }
}
