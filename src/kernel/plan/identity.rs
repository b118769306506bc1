//! An identity for a column that is added: a sequence of ours gives numbers until all rows have one, and then the
//! server's own goes on where it stands.

use super::{Step, quote};
use crate::kernel::facts::{RelationFacts, RelationKind};
use crate::kernel::sql::statement::{AddColumn, LockMode};

/// What an identity needs besides the column.
#[derive(Debug)]
pub struct Identity {
    pub create: Step,
    pub default_sql: String,
    /// Must come after NOT NULL.
    pub hand_over: Step,
    /// Whether the column is an identity already.
    pub past: String,
}

/// The steps around the column.
///
/// # Errors
/// A clause for people that says why there are none.
pub fn identity(table: &RelationFacts, column: &AddColumn, written: &str) -> Result<Identity, &'static str> {
    if table.kind != RelationKind::Table || table.has_children || table.is_partition {
        return Err("the table has partitions or children, or is one");
    }
    let options = written.split_once('(').and_then(|(_, rest)| rest.trim_end().strip_suffix(')')).unwrap_or_default();
    if options.to_ascii_uppercase().contains("SEQUENCE NAME") || options.to_ascii_uppercase().contains("LOGGED") {
        return Err("the name of its sequence is written, and must be free until the end");
    }
    let (relation, name) = (quote::table(table), quote::identifier(&column.name));
    let aside = quote::qualified(&table.schema, &super::helper("seq", &format!("{}_{}", table.name, column.name)));
    let drop = format!("DROP SEQUENCE IF EXISTS {aside}");
    let create = format!("CREATE SEQUENCE {aside} AS {} {options}", column.type_name.sql);
    let create = Step::together(
        "sequence",
        vec![
            create.trim_end().to_owned(),
            // With an identity nobody needs a right of his own to its sequence.
            format!("GRANT USAGE ON SEQUENCE {aside} TO PUBLIC"),
        ],
        LockMode::AccessShare,
    )
    .probed(format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", quote::literal(&aside)))
    .undone_by(drop);
    let past =
        quote::column_probe(table, &column.name, None, "a.attidentity OPERATOR(pg_catalog.<>) ''::pg_catalog.\"char\"");
    let hand_over = Step::together(
        "hand over",
        vec![
            format!("ALTER TABLE {relation} ALTER COLUMN {name} DROP DEFAULT, ALTER COLUMN {name} ADD {written}"),
            format!(
                "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence({}, {})::pg_catalog.regclass, \
                 s.last_value, s.is_called) FROM {aside} AS s",
                quote::literal(&relation),
                quote::literal(&column.name)
            ),
            format!("DROP SEQUENCE {aside}"),
        ],
        LockMode::AccessExclusive,
    )
    .probed(past.clone())
    .undone_by(format!("ALTER TABLE {relation} ALTER COLUMN {name} DROP IDENTITY IF EXISTS"));
    let default_sql = format!("pg_catalog.nextval({}::pg_catalog.regclass)", quote::literal(&aside));
    Ok(Identity { create, default_sql, hand_over, past })
}
