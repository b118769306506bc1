//! Settings the gateway's reading or the database's guard depends on.

use pg_raw_parse::raw::{RoleSpecType, VariableSetKind};
use pg_raw_parse::{Node, nodes};

use super::super::encoding::is_unreadable;
use super::super::statement::{Change, PasswordOf, Setting, Statement};
use super::classify::Found;
use super::objects;

/// Settings that no session may change to any value.
const PINNED: &[&str] = &[
    "session_replication_role",
    "event_triggers",
    "allow_system_table_mods",
    "session_authorization",
    "session_preload_libraries",
    "local_preload_libraries",
    "dynamic_library_path",
    "extension_control_path",
    "jit_provider",
    "ignore_system_indexes",
];

/// Whether this setting at this value takes away what the gateway or the guard relies on.
/// `None` is a value that is not a literal.
pub(super) fn is_risky(name: &str, value: Option<&str>) -> bool {
    let name = name.to_ascii_lowercase();
    match (name.as_str(), value) {
        ("client_encoding" | "names", Some(encoding)) => is_unreadable(encoding),
        ("standard_conforming_strings", Some(value)) => !is_on(value),
        ("session_replication_role", Some(value)) => !value.eq_ignore_ascii_case("origin"),
        ("event_triggers", Some(value)) => !is_on(value),
        ("client_encoding" | "names" | "standard_conforming_strings", None) => true,
        (name, _) => PINNED.contains(&name),
    }
}

/// Unambiguous spellings only: anything else counts as off.
fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1" | "t" | "y" | "tr" | "tru" | "ye")
}

/// `SET`, `RESET`. Values are reset to what the gateway pinned at the start of the session, so RESET and
/// TO DEFAULT pass; so does SET ROLE, because facts are looked up as the current role anyway.
pub(super) fn set(statement: &nodes::VariableSetStmt, found: &mut Found) {
    if let Some(setting) = risky(statement) {
        found.add(Change::Setting(setting));
    } else if statement.kind == VariableSetKind::VAR_RESET_ALL || statement.name().is_some_and(moves_names) {
        found.push(Statement::MovesNames);
    }
}

/// Whether names without a schema may mean something else when it has changed: `"$user"` stands in most search paths.
pub(super) fn moves_names(setting: &str) -> bool {
    ["search_path", "role", "session_authorization"].iter().any(|name| setting.eq_ignore_ascii_case(name))
}

/// `ALTER ROLE … SET`, `ALTER DATABASE … SET`: works on sessions to come.
pub(super) fn stored(command: &'static str, statement: Option<&nodes::VariableSetStmt>, found: &mut Found) {
    match statement.and_then(risky) {
        Some(setting) => found.add(Change::Setting(setting)),
        None => found.privilege(command),
    }
}

fn risky(statement: &nodes::VariableSetStmt) -> Option<Setting> {
    match statement.kind {
        VariableSetKind::VAR_SET_VALUE => {
            let name = statement.name().unwrap_or_default();
            let value = value_of(statement);
            is_risky(name, value.as_deref()).then(|| Setting { name: name.to_ascii_lowercase(), value })
        }
        // SET TRANSACTION, SET SESSION CHARACTERISTICS, RESET, TO DEFAULT, FROM CURRENT.
        _ => None,
    }
}

fn value_of(statement: &nodes::VariableSetStmt) -> Option<String> {
    let values: Option<Vec<String>> = statement.args().iter().map(objects::literal).collect();
    values.map(|values| values.join(", "))
}

/// Whose password it sets, if it sets one and nothing else.
pub(super) fn password_of(statement: &nodes::AlterRoleStmt) -> Option<PasswordOf> {
    let options = statement.options();
    let password_only = statement.action == 1
        && options.len() == 1
        && options.iter().all(|option| option.defname() == Some("password") && !matches!(option.arg(), Node::None));
    let role = statement.role().filter(|_| password_only)?;
    match role.roletype {
        RoleSpecType::ROLESPEC_CSTRING => Some(PasswordOf::Named(role.rolename().unwrap_or_default().to_owned())),
        RoleSpecType::ROLESPEC_CURRENT_ROLE
        | RoleSpecType::ROLESPEC_CURRENT_USER
        | RoleSpecType::ROLESPEC_SESSION_USER => Some(PasswordOf::Own),
        _ => None,
    }
}
