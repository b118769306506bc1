//! A domain's new constraint is checked in every table that uses it, which cannot be written to meanwhile.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{Change, LockMode};

/// The rule.
pub const RULE: Rule = Rule {
    id: "check-domain",
    hazard: "A domain's new constraint is checked in every table that uses it, which cannot be written to meanwhile.",
    lock: Some(LockMode::Share),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER DOMAIN … ADD CONSTRAINT without NOT VALID, VALIDATE CONSTRAINT, SET NOT NULL, of a domain that a column of some table has, or what is made of it.",
        why: "Every table with a column of the domain is locked SHARE and read from end to end; VALIDATE CONSTRAINT takes the same lock, so two steps do not help.",
        instead: "A CHECK on each table, NOT VALID and then validated; ADD CONSTRAINT … NOT VALID binds new values at once.",
        versions: "All supported versions.",
        undo: "ALTER DOMAIN … DROP CONSTRAINT or DROP NOT NULL: no table is read or locked.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::CheckDomain { domain, bare } = subject.change else { return Vec::new() };
    if subject.is_unused(bare) {
        return Vec::new();
    }
    let message =
        format!("every table that uses domain {domain} is read from end to end, and cannot be written to meanwhile");
    vec![Hazard { lock: Some(LockMode::Share), ..Hazard::plain(message) }]
}
