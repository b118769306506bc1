//! ALTER DATABASE and ALTER TABLESPACE, by what they do to those who use the database.

use pg_raw_parse::nodes;

use super::super::statement::{Change, DatabaseEffect};
use super::classify::Found;

pub(super) fn alter(statement: &nodes::AlterDatabaseStmt, found: &mut Found) {
    let moves = statement.options().iter().any(|option| option.defname() == Some("tablespace"));
    let effect = if moves { DatabaseEffect::Moves } else { DatabaseEffect::Admits };
    add(statement.dbname(), effect, found);
}

pub(super) fn refresh_collation(statement: &nodes::AlterDatabaseRefreshCollStmt, found: &mut Found) {
    add(statement.dbname(), DatabaseEffect::ForgetsCollation, found);
}

pub(super) fn tablespace(statement: &nodes::AlterTableSpaceOptionsStmt, found: &mut Found) {
    add(statement.tablespacename(), DatabaseEffect::Reckons, found);
}

fn add(name: Option<&str>, effect: DatabaseEffect, found: &mut Found) {
    found.add(Change::AlterDatabase { database: name.unwrap_or_default().to_owned(), effect });
}
