//! Built-in functions that run text, reach the server's files, processes or settings, or another server.
//! Judged by name wherever they are called, in whatever schema: closed against look-alikes.

use pg_raw_parse::{Node, nodes};

use super::super::statement::{Change, Opaque, OpaqueKind, Setting, Statement};
use super::{fragment, objects, only, settings};

/// What a bare CALL is called.
pub(super) const CALL: &str = "CALL";

/// Functions by exact name.
const OPAQUE: &[&str] = &[
    // Text that is run.
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "ts_stat",
    "crosstab",
    "crosstab2",
    "crosstab3",
    "crosstab4",
    "crosstabn",
    "connectby",
    "xpath_table",
    // Files.
    "lo_import",
    "lo_export",
    "pg_read_file",
    "pg_read_file_old",
    "pg_read_binary_file",
    "pg_stat_file",
    "pg_current_logfile",
    "pg_read_server_files",
    // Under the table's strong lock, or past its visibility: amcheck, pg_visibility, pg_surgery.
    "bt_index_parent_check",
    "pg_truncate_visibility_map",
    "heap_force_kill",
    "heap_force_freeze",
    // Processes and the server itself.
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_rotate_logfile_old",
    "pg_switch_wal",
    "pg_switch_xlog",
    "pg_promote",
    "pg_create_restore_point",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_backup_start",
    "pg_backup_stop",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_log_backend_memory_contexts",
    "pg_import_system_collations",
    "pg_extension_config_dump",
    "pg_create_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_copy_logical_replication_slot",
    "pg_drop_replication_slot",
    "pg_replication_slot_advance",
    "pg_sync_replication_slots",
    "pg_logical_slot_get_changes",
    "pg_logical_slot_get_binary_changes",
    "pg_restore_relation_stats",
    "pg_restore_attribute_stats",
    "pg_clear_relation_stats",
    "pg_clear_attribute_stats",
    "pg_set_relation_stats",
    "pg_set_attribute_stats",
];

/// Families of functions.
const OPAQUE_PREFIXES: &[&str] =
    &["dblink", "pg_ls_", "pg_file_", "pg_logdir_", "pg_replication_origin_", "postgres_fdw_", "binary_upgrade_"];

/// What one call would do, if it is any of ours.
pub(super) fn judge(call: &nodes::FuncCall) -> Option<Statement> {
    let name = objects::last_name(call.funcname())?;
    // Two comparisons settle nearly every call there is.
    if name == "set_config" {
        return set_config(call);
    }
    let opaque = OPAQUE.contains(&name)
        || OPAQUE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        // ts_rewrite(query, text) runs the text; ts_rewrite(query, query, query) does not.
        || (name == "ts_rewrite" && call.args().len() < 3);
    opaque.then(|| opaque_call(format!("{name}()")))
}

fn opaque_call(what: String) -> Statement {
    Statement::Change(Change::Opaque(Opaque { what, kind: OpaqueKind::Function, unless: None }))
}

/// Whether this is how pg_dump keeps itself from reading through views (CVE-2024-7348): the one set_config() of a name from
/// a table that is known for what it is, whole and to the letter.
pub(super) fn is_restriction(select: &nodes::SelectStmt) -> bool {
    let from = select.from_clause();
    let of_settings = |node: Node<'_>| matches!(node, Node::RangeVar(of) if of.relname() == Some("pg_settings"));
    if from.len() != 1 || !from.iter().all(of_settings) {
        return false;
    }
    fragment::printed(Node::SelectStmt(select)).is_some_and(|read| {
        ["view, foreign-table", "view", ""].iter().any(|kinds| {
            let text = format!(
                "SELECT set_config(name, '{kinds}', false) FROM pg_settings \
                 WHERE name = 'restrict_nonsystem_relation_kind'"
            );
            let tree = super::parse(&text, text.len());
            tree.is_ok_and(|tree| only(&tree).and_then(fragment::printed).as_ref() == Some(&read))
        })
    })
}

fn set_config(call: &nodes::FuncCall) -> Option<Statement> {
    let mut arguments = call.args().iter().map(objects::literal);
    let Some(name) = arguments.next().flatten() else {
        return Some(opaque_call("set_config() of a name that is not a literal".to_owned()));
    };
    let value = arguments.next().flatten();
    if settings::is_risky(&name, value.as_deref()) {
        Some(Statement::Change(Change::Setting(Setting { name, value })))
    } else {
        settings::moves_names(&name).then_some(Statement::MovesNames)
    }
}
