//! The command tag a client gets for a change.

use crate::kernel::sql::statement::{AlterObject, Change, DatabaseEffect, DropKind, MassWriteKind};

/// As PostgreSQL names it; for writes without the number of rows.
#[must_use]
pub fn of(change: &Change) -> String {
    match change {
        Change::CreateIndex(_) => "CREATE INDEX".to_owned(),
        Change::AlterTable(alter) => format!("ALTER {}", altered(alter.object)),
        Change::CreateTable(table) if table.from_query => "SELECT".to_owned(),
        Change::CreateTable(_) => "CREATE TABLE".to_owned(),
        Change::Drop(drop) if drop.kind == DropKind::Other("CONSTRAINT") => "ALTER DOMAIN".to_owned(),
        Change::Drop(drop) => format!("DROP {}", dropped(drop.kind)),
        Change::Truncate { .. } => "TRUNCATE TABLE".to_owned(),
        Change::MassWrite { kind: MassWriteKind::Update, .. } => "UPDATE".to_owned(),
        Change::MassWrite { kind: MassWriteKind::Delete, .. } => "DELETE".to_owned(),
        Change::Rename(rename) => match rename.what {
            "column" | "constraint" => "ALTER TABLE".to_owned(),
            what => format!("ALTER {}", what.to_uppercase()),
        },
        Change::Privilege(privilege) => privilege.command.to_owned(),
        Change::Setting(_) => "SET".to_owned(),
        Change::Opaque(opaque) => opaque.what.clone(),
        Change::Reindex(_) => "REINDEX".to_owned(),
        Change::RewriteTable { command, .. } => {
            if command.starts_with("VACUUM") { "VACUUM" } else { command }.to_owned()
        }
        Change::RefreshMatview { .. } => "REFRESH MATERIALIZED VIEW".to_owned(),
        Change::LockTable { .. } => "LOCK TABLE".to_owned(),
        Change::CreateDomain(_) => "CREATE DOMAIN".to_owned(),
        Change::CheckDomain { .. } => "ALTER DOMAIN".to_owned(),
        Change::CreateRule { .. } => "CREATE RULE".to_owned(),
        Change::Publication(publication) => publication.command.to_owned(),
        Change::RestartSequence { .. } => "ALTER SEQUENCE".to_owned(),
        Change::AlterDatabase { effect: DatabaseEffect::Reckons, .. } => "ALTER TABLESPACE".to_owned(),
        Change::AlterDatabase { .. } => "ALTER DATABASE".to_owned(),
        Change::Brief { command, .. } | Change::Other { command } => (*command).to_owned(),
        Change::Unreadable { .. } => String::new(),
    }
}

/// What stands after ALTER.
#[must_use]
pub fn altered(object: AlterObject) -> &'static str {
    match object {
        AlterObject::Table => "TABLE",
        AlterObject::Index => "INDEX",
        AlterObject::View => "VIEW",
        AlterObject::MaterializedView => "MATERIALIZED VIEW",
        AlterObject::Sequence => "SEQUENCE",
        AlterObject::ForeignTable => "FOREIGN TABLE",
        AlterObject::Type => "TYPE",
    }
}

/// What stands after DROP.
#[must_use]
pub fn dropped(kind: DropKind) -> &'static str {
    match kind {
        DropKind::Table => "TABLE",
        DropKind::Index => "INDEX",
        DropKind::View => "VIEW",
        DropKind::MaterializedView => "MATERIALIZED VIEW",
        DropKind::Sequence => "SEQUENCE",
        DropKind::Schema => "SCHEMA",
        DropKind::Database => "DATABASE",
        DropKind::ForeignTable => "FOREIGN TABLE",
        DropKind::Other(name) => name,
    }
}
