//! A change of rights, roles, ownership or row security.

use super::subject::{Hazard, Subject, Target};
use super::{Doc, Response, Rule};
use crate::kernel::facts::Facts;
use crate::kernel::sql::statement::{AlterKind, Change, LockMode, PasswordOf, Privilege};

/// The rule.
pub const RULE: Rule = Rule {
    id: "privilege",
    hazard: "A change of rights, roles, ownership or row security.",
    lock: None,
    default: Response::Hold,
    doc: Doc {
        what: "GRANT, REVOKE, CREATE/ALTER/DROP ROLE, OWNER TO, policies, row level security, default privileges, security labels. Not `ALTER ROLE … PASSWORD` for the session's own role and nothing else, as psql's `\\password` sends it: that passes, and its text is hidden. Nor GRANT and REVOKE on a table that is new in the same transaction.",
        why: "It changes who may do what: too much is a breach, too little is an outage.",
        instead: "Have it approved by somebody who knows the roles.",
        versions: "All supported versions; WITH INHERIT and WITH SET of memberships from 16, MAINTAIN from 17.",
        undo: "REVOKE what was granted, GRANT what was revoked, the former owner, policy or role by the same command. Keep what it was (pg_dump --schema-only, pg_dumpall --roles-only) first.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    match (subject.change, subject.alter()) {
        (Change::Privilege(privilege), _) if !is_own(privilege.password_of.as_ref(), subject.facts) => {
            if privilege.is_grant() {
                return rights(subject, privilege);
            }
            let message = format!("{} changes who may do what", privilege.command);
            match privilege.relations.as_slice() {
                [] => vec![Hazard::plain(message)],
                tables => {
                    let shared = tables.iter().filter_map(|name| subject.shared(name));
                    shared.map(|of| Hazard::loss(&of, LockMode::AccessExclusive, message.clone())).collect()
                }
            }
        }
        (_, Some((alter, AlterKind::Security { command }))) => {
            let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
            let message = format!("{command} changes who may do what with {}", target.name.written());
            vec![Hazard::loss(&target, LockMode::AccessExclusive, message)]
        }
        _ => Vec::new(),
    }
}

/// GRANT and REVOKE: of each table by itself, so that a policy can tell tables apart.
fn rights(subject: &Subject<'_>, privilege: &Privilege) -> Vec<Hazard> {
    if privilege.relations.is_empty() {
        return vec![Hazard::plain(format!("{} changes who may do what", privilege.command))];
    }
    let of_one = |of: Target<'_>| {
        let message = format!("{} changes who may do what with {}", privilege.command, of.name.written());
        Hazard { lock: None, ..Hazard::loss(&of, LockMode::AccessExclusive, message) }
    };
    privilege.relations.iter().filter_map(|name| subject.shared(name)).map(of_one).collect()
}

/// The role the session acts as, or logged in as.
fn is_own(password_of: Option<&PasswordOf>, facts: &Facts) -> bool {
    match password_of {
        Some(PasswordOf::Own) => true,
        Some(PasswordOf::Named(name)) => *name == facts.current_role || *name == facts.session_role,
        None => false,
    }
}
