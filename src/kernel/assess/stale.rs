//! What the earlier statements of a message do to what was looked up before its first.

use super::super::facts::Facts;
use super::super::rules::locks::Locked;
use super::super::sql::statement::{Change, DropKind, LockMode, Parsed, Statement, TransactionControl};

/// The facts for the statement behind this one.
pub(super) fn after(parsed: &Parsed, text: &str, locks: &[Locked], facts: &mut Facts) {
    match &parsed.statement {
        Statement::Change(change) => {
            changed(change, text, facts);
            if let Some(strong) = locks.iter().find(|one| one.mode >= LockMode::Share) {
                facts.hold(Some(strong.relation.clone()));
            }
        }
        Statement::Transaction(TransactionControl::Begin) => {}
        // What SET LOCAL has set ends, and so do the locks.
        Statement::Transaction(control) => {
            facts.time_zone_changes();
            if !matches!(control, TransactionControl::Savepoint) {
                facts.hold(None);
            }
        }
        Statement::Ordinary
        | Statement::MovesNames
        | Statement::Execute { .. }
        | Statement::Prepare { .. }
        | Statement::Deallocate { .. } => {
            facts.time_zone_changes();
            if fills(&text.to_lowercase()) {
                facts.rows_come(text);
            }
        }
    }
}

/// More rows than are written in the text.
fn fills(text: &str) -> bool {
    text.contains("merge") || text.contains("insert") && (text.contains("select") || text.contains("table"))
}

fn changed(change: &Change, text: &str, facts: &mut Facts) {
    match change {
        Change::AlterTable(alter) => facts.columns_change(alter),
        Change::CreateIndex(index) => facts.uses_change(&index.relation, None),
        Change::CreateDomain(_) | Change::CheckDomain { .. } => facts.domains_change(),
        Change::Brief { command, .. } | Change::Other { command } => by_command(command, text, facts),
        Change::Drop(drop) => {
            if let DropKind::Other(what) = drop.kind {
                by_command(what, text, facts);
            }
        }
        Change::Rename(rename) if rename.relation.is_none() => {
            facts.domains_change();
            facts.functions_change(text);
        }
        Change::Opaque(_) | Change::Unreadable { .. } => {
            facts.domains_change();
            facts.functions_change(text);
            facts.time_zone_changes();
        }
        _ => {}
    }
}

fn by_command(command: &str, text: &str, facts: &mut Facts) {
    let about = |words: &[&str]| words.iter().any(|word| command.contains(word));
    if about(&["DOMAIN"]) || command == "TYPE" {
        facts.domains_change();
    }
    if about(&["FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "OPERATOR", "CAST"]) {
        facts.functions_change(text);
    }
}
