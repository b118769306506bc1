//! VALIDATE CONSTRAINT together with other subcommands reads the table under their lock.

use super::subject::{Hazard, Subject, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationFacts;
use crate::kernel::plan::{Plan, Step, quote};
use crate::kernel::sql::statement::{AlterKind, AlterTable, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "validate-with-others",
    hazard: "VALIDATE CONSTRAINT behind a strong lock reads the table while others wait for that.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "VALIDATE CONSTRAINT in the same ALTER TABLE as something else, or in a transaction that keeps others out of a table they use.",
        why: "The strongest lock of all subcommands, or of the transaction, is held during the scan.",
        instead: "VALIDATE CONSTRAINT by itself, in a transaction of its own.",
        versions: "All supported versions.",
        undo: "A validated constraint does not become NOT VALID again: drop it, and add it NOT VALID. The other subcommands by their opposites.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::ValidateConstraint { name })) = subject.alter() else { return Vec::new() };
    let with_others = !alter.actions.iter().all(|action| weak(&action.kind));
    let under = match &subject.facts.held {
        _ if with_others => "under the lock of the other subcommands".to_owned(),
        Some(held) => format!("while the transaction keeps others out of {}", held.written()),
        None => return Vec::new(),
    };
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let message = format!("VALIDATE CONSTRAINT {name} reads all of {} {under}", target.described());
    let plan = target.facts.ok_or(UNKNOWN).map(|table| safe(alter, table, name));
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan)]
}

fn weak(kind: &AlterKind) -> bool {
    matches!(kind, AlterKind::ValidateConstraint { .. } | AlterKind::WeakLock { .. })
}

pub(super) fn safe(alter: &AlterTable, table: &RelationFacts, name: &str) -> Plan {
    let only = if alter.only { "ONLY " } else { "" };
    let sql = format!("ALTER TABLE {only}{} VALIDATE CONSTRAINT {}", quote::table(table), quote::identifier(name));
    let validated = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid = {} AND c.conname = {} \
         AND c.convalidated)",
        quote::oid(table),
        quote::literal(name)
    );
    Plan {
        recipe: "validate".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!("Constraint {name} is validated by itself, under a lock that lets readers and writers go on."),
        relation: Some(table.qualified()),
        steps: vec![Step::scan("validate", sql).probed(validated)],
        undo_loses: None,
        verify: Vec::new(),
    }
}
