//! Adding a CHECK reads the whole table while nobody may use it.

use super::subject::{Hazard, Subject, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::plan::add_constraint;
use crate::kernel::sql::statement::{AlterKind, ConstraintKind, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "add-check",
    hazard: "Adding a CHECK reads the whole table while nobody may use it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "ADD CONSTRAINT … CHECK without NOT VALID.",
        why: "Every row is checked under ACCESS EXCLUSIVE.",
        instead: "ADD CONSTRAINT … CHECK (…) NOT VALID, and then VALIDATE CONSTRAINT in a transaction of its own.",
        versions: "All supported versions; NOT ENFORCED, which checks nothing, from 18.",
        undo: "ALTER TABLE … DROP CONSTRAINT, for a moment; no row is lost. Half-way the constraint is there NOT VALID: it binds new rows, and is dropped the same way.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::AddConstraint(constraint))) = subject.alter() else { return Vec::new() };
    let ConstraintKind::Check { no_inherit } = constraint.kind else { return Vec::new() };
    if constraint.not_valid || constraint.not_enforced {
        return Vec::new();
    }
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let message = format!("ADD CHECK reads all of {} while nobody may use it", target.described());
    let plan = match target.facts {
        // Of those that children do not inherit it says nothing.
        Some(table) if alter.only && !no_inherit && table.has_children => {
            Err("ONLY does not go with constraints that children inherit")
        }
        Some(table) => add_constraint::plan(table, constraint, &mut subject.names.borrow_mut()).ok_or("of its kind"),
        None => Err(UNKNOWN),
    };
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan)]
}
