//! SET NOT NULL reads the whole table while nobody may use it.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule, validate_with_others};
use crate::kernel::facts::{ConstraintFacts, RelationFacts};
use crate::kernel::plan::{Plan, quote, set_not_null};
use crate::kernel::sql::statement::{AddColumn, AlterKind, AlterTable, ConstraintKind, LockMode, NotNull};

/// The rule.
pub const RULE: Rule = Rule {
    id: "set-not-null",
    hazard: "SET NOT NULL reads the whole table while nobody may use it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "SET NOT NULL, or from 18 on ADD CONSTRAINT … NOT NULL, on a column that no valid CHECK proves to be filled; from 18 on ALTER CONSTRAINT … INHERIT of a NOT NULL on a table with children, and ADD COLUMN … NOT NULL where a child has the column already.",
        why: "Every row is read under ACCESS EXCLUSIVE.",
        instead: "ADD CONSTRAINT … CHECK (x IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT, SET NOT NULL, DROP CONSTRAINT, each by itself. Before INHERIT: the same on each child.",
        versions: "12 and later take a validated CHECK as proof; from 18 the NOT NULL constraint itself can be NOT VALID.",
        undo: "DROP NOT NULL, for a moment; no row is touched. Half-way a CHECK is left that forbids nulls in new rows: DROP CONSTRAINT.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, kind)) = subject.alter() else { return Vec::new() };
    if let AlterKind::Inherit { name, inherits: true } = kind {
        return inherited(subject, alter, name);
    }
    if let AlterKind::AddColumn(column) = kind {
        return merged(subject, column);
    }
    let (column, written) = match kind {
        AlterKind::SetNotNull { column } => (column, None),
        AlterKind::AddConstraint(constraint) if constraint.kind == ConstraintKind::NotNull && !constraint.not_valid => {
            // Not known before: the server's own error is the answer.
            if subject.facts.major() < set_not_null::NAMED_FROM {
                return Vec::new();
            }
            let Some(column) = constraint.columns.first() else { return Vec::new() };
            (column, Some(constraint.not_null()))
        }
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
    let dropped = target.facts.is_some_and(|table| drops_proof(alter, table, column));
    if target.is_empty() || !dropped && target.facts.is_some_and(|table| nothing_to_read(table, column)) {
        return Vec::new();
    }
    let message = format!("SET NOT NULL on {column} reads all of {} while nobody may use it", target.described());
    let plan = if dropped {
        Err("the same statement drops what proves it: leave out either of them")
    } else {
        safe(subject, alter, &target, (column, written.as_ref()))
    };
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan)]
}

/// Every child is read, and none of them is asked here whether it is NOT NULL already.
fn inherited(subject: &Subject<'_>, alter: &AlterTable, name: &str) -> Vec<Hazard> {
    let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
    let below = target.facts.is_none_or(|table| table.has_children);
    // A constraint that is missing is the server's to answer.
    let known = target.facts.is_none_or(|table| table.constraint(name).is_some_and(|found| found.kind == 'n'));
    if target.is_empty() || !below || !known {
        return Vec::new();
    }
    let message =
        format!("INHERIT of {name} reads all that inherits from {} while nobody may use it", target.described());
    let why = "SET NOT NULL on each child before it goes in steps";
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(Err(why))]
}

/// From 18 on a column that a child has already becomes NOT NULL there as well.
fn merged(subject: &Subject<'_>, column: &AddColumn) -> Vec<Hazard> {
    let not_null = column.not_null.is_some() || column.serial.is_some() || column.identity_sql.is_some();
    if subject.facts.major() < 18 || !not_null {
        return Vec::new();
    }
    let Some((_, target)) = subject.new_column() else { return Vec::new() };
    let Some(type_facts) = subject.facts.type_facts(&column.type_name) else { return Vec::new() };
    let below = target.facts.and_then(|table| table.column_below(&column.name, &type_facts.type_sql));
    let Some(below) = below else { return Vec::new() };
    let message = format!(
        "ADD COLUMN {} NOT NULL reads all of {}, which has such a column already, while nobody may use it",
        column.name, below.table
    );
    let why = "SET NOT NULL on the child's column before it goes in steps";
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(Err(why))]
}

/// Already NOT NULL, or proven by a valid CHECK of exactly this; a missing column is the server's to answer.
pub(super) fn nothing_to_read(table: &RelationFacts, column: &str) -> bool {
    let Some(found) = table.column(column) else { return false };
    (found.not_null && unproven(table, column).is_none())
        || !found.is_row && table.constraints.iter().any(|c| c.validated && proves(&c.definition, column))
}

/// Whether the same statement drops what proves that a column holds no nulls: its drops come first.
fn drops_proof(alter: &AlterTable, table: &RelationFacts, column: &str) -> bool {
    let proof = |found: &ConstraintFacts| {
        found.kind == 'n' && found.columns.iter().any(|name| name == column) || proves(&found.definition, column)
    };
    alter.actions.iter().any(|action| match &action.kind {
        AlterKind::DropNotNull { column: dropped } => dropped == column,
        AlterKind::DropConstraint { name, .. } => table.constraint(name).is_some_and(proof),
        _ => false,
    })
}

/// A NOT NULL constraint that binds new rows only (18).
pub(super) fn unproven<'a>(table: &'a RelationFacts, column: &str) -> Option<&'a str> {
    let of = |c: &&ConstraintFacts| c.kind == 'n' && !c.validated && c.columns.iter().any(|name| name == column);
    table.constraints.iter().find(of).map(|c| c.name.as_str())
}

/// Whether a CHECK's text, as the server prints it, is `column IS NOT NULL`.
pub(super) fn proves(definition: &str, column: &str) -> bool {
    definition == format!("CHECK (({} IS NOT NULL))", quote::identifier(column))
}

fn safe(
    subject: &Subject<'_>,
    alter: &AlterTable,
    target: &Target<'_>,
    (column, written): (&str, Option<&NotNull>),
) -> Result<Plan, &'static str> {
    let table = target.facts.ok_or(UNKNOWN)?;
    if alter.only {
        return Err("ONLY does not go with a CHECK that children inherit");
    }
    if let Some(name) = unproven(table, column) {
        return Ok(validate_with_others::safe(alter, table, name));
    }
    if table.column(column).is_none() {
        return Err("the column is not there yet");
    }
    if subject.facts.major() < 12 {
        return Err("before version 12 nothing proves it");
    }
    let mut names = subject.names.borrow_mut();
    set_not_null::plan(table, column, written, (subject.facts.major(), &mut names))
}
