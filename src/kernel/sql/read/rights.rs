//! GRANT and REVOKE, roles, owners, policies: who may do what.

use pg_raw_parse::raw::{GrantTargetType, ObjectType};
use pg_raw_parse::{Node, nodes};

use super::super::statement::{Change, Privilege, RelationName};
use super::classify::Found;
use super::objects::{self, relation};
use super::settings;

/// Rights, roles and ownership.
pub(super) fn rights(node: Node<'_>, found: &mut Found) -> bool {
    let command = match node {
        Node::GrantStmt(grant) => {
            let command = if grant.is_grant { "GRANT" } else { "REVOKE" };
            found.add(Change::Privilege(Privilege { command, password_of: None, relations: granted(grant) }));
            return true;
        }
        Node::GrantRoleStmt(grant) if grant.is_grant => "GRANT",
        Node::GrantRoleStmt(_) => "REVOKE",
        Node::AlterDefaultPrivilegesStmt(_) => "ALTER DEFAULT PRIVILEGES",
        Node::CreateRoleStmt(_) => "CREATE ROLE",
        Node::AlterRoleStmt(role) => {
            let password_of = settings::password_of(role);
            found.add(Change::Privilege(Privilege { command: "ALTER ROLE", password_of, relations: Vec::new() }));
            return true;
        }
        Node::AlterRoleSetStmt(set) => {
            settings::stored("ALTER ROLE SET", set.setstmt(), found);
            return true;
        }
        Node::AlterDatabaseSetStmt(set) => {
            settings::stored("ALTER DATABASE SET", set.setstmt(), found);
            return true;
        }
        Node::CreatePolicyStmt(policy) => return policy_of("CREATE POLICY", policy.table(), found),
        Node::AlterPolicyStmt(policy) => return policy_of("ALTER POLICY", policy.table(), found),
        Node::AlterSystemStmt(_) => "ALTER SYSTEM",
        Node::AlterOwnerStmt(_) => "ALTER … OWNER",
        Node::ReassignOwnedStmt(_) => "REASSIGN OWNED",
        Node::SecLabelStmt(_) => "SECURITY LABEL",
        Node::CreateEventTrigStmt(_) => "CREATE EVENT TRIGGER",
        Node::AlterEventTrigStmt(_) => "ALTER EVENT TRIGGER",
        Node::DropRoleStmt(drop) => {
            objects::drop_named("ROLE", objects::role_names(drop.roles()), drop.missing_ok, found);
            return true;
        }
        Node::DropOwnedStmt(drop) => {
            objects::drop_named("OWNED", objects::role_names(drop.roles()), false, found);
            return true;
        }
        _ => return false,
    };
    found.privilege(command);
    true
}

fn policy_of(command: &'static str, table: Option<&nodes::RangeVar>, found: &mut Found) -> bool {
    found.add(Change::Privilege(Privilege {
        command,
        password_of: None,
        relations: table.map(relation).into_iter().collect(),
    }));
    true
}

/// The tables and sequences that rights are given on by name. Lists of what else have other things in them.
pub(super) fn granted(grant: &nodes::GrantStmt) -> Vec<RelationName> {
    let by_name = grant.targtype == GrantTargetType::ACL_TARGET_OBJECT;
    match grant.objtype {
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_SEQUENCE if by_name => {
            grant.objects().iter().map(relation).collect()
        }
        _ => Vec::new(),
    }
}
