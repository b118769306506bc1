//! The only place that quotes names and builds SQL. Everything built here is read back by the parser of
//! record before it is used ([`checked`]); callers give decoded names and fragments deparsed by [`super::read`].

use super::read;
use super::statement::{AddColumn, Change, RelationName, Serial, Statement};

/// SQL that is not the one statement it was meant to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the statement written here does not read back: {why}")]
pub struct Miswritten {
    pub why: String,
}

/// Returns the text only if the parser of record reads exactly one statement in it.
pub fn checked(sql: String) -> Result<String, Miswritten> {
    let reading = read::read(&sql).map_err(|error| Miswritten { why: error.why })?;
    let Some(first) = reading.statements.first() else {
        return Err(Miswritten { why: "it is empty".to_owned() });
    };
    if reading.statements.iter().any(|parsed| parsed.span != first.span) {
        return Err(Miswritten { why: "it is more than one statement".to_owned() });
    }
    for parsed in &reading.statements {
        if let Statement::Change(Change::Unreadable { why }) = &parsed.statement {
            return Err(Miswritten { why: why.clone() });
        }
    }
    Ok(sql)
}

/// Keywords that cannot stand for a name everywhere (reserved, type or function, column names), of the
/// newest grammar: a name that is a keyword only there is quoted without need, which is harmless.
const KEYWORDS: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "json",
    "json_array",
    "json_arrayagg",
    "json_exists",
    "json_object",
    "json_objectagg",
    "json_query",
    "json_scalar",
    "json_serialize",
    "json_table",
    "json_value",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "merge_action",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// A name as an identifier, quoted unless it is plain and no keyword.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && KEYWORDS.binary_search(&name).is_err();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A string literal that reads the same whatever `standard_conforming_strings` is.
#[must_use]
pub fn quote_literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// `schema.name`, quoted as needed.
#[must_use]
pub fn qualified(relation: &RelationName) -> String {
    match &relation.schema {
        Some(schema) => format!("{}.{}", quote_ident(schema), quote_ident(&relation.name)),
        None => quote_ident(&relation.name),
    }
}

/// A relation in the same schema as `beside`.
#[must_use]
pub fn beside(beside: &RelationName, name: &str) -> RelationName {
    RelationName { schema: beside.schema.clone(), name: name.to_owned() }
}

/// `CREATE [UNIQUE] INDEX CONCURRENTLY name ON table …`; `body_sql` is a [`super::statement::CreateIndex::body_sql`].
#[must_use]
pub fn create_index_concurrently(relation: &RelationName, name: &str, unique: bool, body_sql: &str) -> String {
    let unique = if unique { "UNIQUE " } else { "" };
    format!("CREATE {unique}INDEX CONCURRENTLY {} ON {} {body_sql}", quote_ident(name), qualified(relation))
}

/// `DROP INDEX CONCURRENTLY [IF EXISTS] …`.
#[must_use]
pub fn drop_index_concurrently(index: &RelationName) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {}", qualified(index))
}

/// `ALTER TABLE t <action>`, for an action as read or made below.
#[must_use]
pub fn alter_table(relation: &RelationName, action_sql: &str) -> String {
    format!("ALTER TABLE {} {action_sql}", qualified(relation))
}

/// `ADD CONSTRAINT name <definition> NOT VALID`.
#[must_use]
pub fn add_constraint_not_valid(relation: &RelationName, name: &str, definition_sql: &str) -> String {
    alter_table(relation, &format!("ADD CONSTRAINT {} {definition_sql} NOT VALID", quote_ident(name)))
}

/// `ADD CONSTRAINT name CHECK (column IS NOT NULL) NOT VALID`.
#[must_use]
pub fn add_not_null_guard(relation: &RelationName, name: &str, column: &str) -> String {
    add_constraint_not_valid(relation, name, &format!("CHECK ({} IS NOT NULL)", quote_ident(column)))
}

#[must_use]
pub fn validate_constraint(relation: &RelationName, name: &str) -> String {
    alter_table(relation, &format!("VALIDATE CONSTRAINT {}", quote_ident(name)))
}

#[must_use]
pub fn drop_constraint(relation: &RelationName, name: &str) -> String {
    alter_table(relation, &format!("DROP CONSTRAINT IF EXISTS {}", quote_ident(name)))
}

/// `ADD CONSTRAINT name {UNIQUE | PRIMARY KEY} USING INDEX index <tail>`.
#[must_use]
pub fn add_constraint_using_index(
    relation: &RelationName,
    name: &str,
    primary_key: bool,
    index: &str,
    tail_sql: &str,
) -> String {
    let kind = if primary_key { "PRIMARY KEY" } else { "UNIQUE" };
    let action = format!("ADD CONSTRAINT {} {kind} USING INDEX {} {tail_sql}", quote_ident(name), quote_ident(index));
    alter_table(relation, action.trim_end())
}

#[must_use]
pub fn set_not_null(relation: &RelationName, column: &str) -> String {
    alter_table(relation, &format!("ALTER COLUMN {} SET NOT NULL", quote_ident(column)))
}

#[must_use]
pub fn drop_not_null(relation: &RelationName, column: &str) -> String {
    alter_table(relation, &format!("ALTER COLUMN {} DROP NOT NULL", quote_ident(column)))
}

#[must_use]
pub fn set_default(relation: &RelationName, column: &str, default_sql: &str) -> String {
    alter_table(relation, &format!("ALTER COLUMN {} SET DEFAULT {default_sql}", quote_ident(column)))
}

#[must_use]
pub fn drop_default(relation: &RelationName, column: &str) -> String {
    alter_table(relation, &format!("ALTER COLUMN {} DROP DEFAULT", quote_ident(column)))
}

#[must_use]
pub fn drop_column(relation: &RelationName, column: &str) -> String {
    alter_table(relation, &format!("DROP COLUMN IF EXISTS {}", quote_ident(column)))
}

/// The column, nullable and without constraints, identity or serial sequence: what can be added without
/// reading a row when the default is left out (or is not volatile).
#[must_use]
pub fn add_column(relation: &RelationName, column: &AddColumn, with_default: bool) -> String {
    let if_not_exists = if column.if_not_exists { "IF NOT EXISTS " } else { "" };
    let mut action = format!("ADD COLUMN {if_not_exists}{} {}", quote_ident(&column.name), column.type_name.sql);
    if let Some(options) = &column.options_sql {
        action.push(' ');
        action.push_str(options);
    }
    if let Some(collation) = &column.collation_sql {
        action.push_str(" COLLATE ");
        action.push_str(collation);
    }
    if let (true, Some(default)) = (with_default, &column.default) {
        // The grammar wants a restricted expression here; parentheses lift the restriction.
        action.push_str(&format!(" DEFAULT ({})", default.sql));
    }
    alter_table(relation, &action)
}

/// The type a serial column is written with.
#[must_use]
pub fn serial_type(serial: Serial) -> &'static str {
    match serial {
        Serial::Small => "smallint",
        Serial::Int => "integer",
        Serial::Big => "bigint",
    }
}

/// The relation's oid in a probe: NULL when it does not exist.
fn oid_of(relation: &RelationName) -> String {
    format!("pg_catalog.to_regclass({})::pg_catalog.oid", quote_literal(&qualified(relation)))
}

/// Whether the column exists.
#[must_use]
pub fn probe_column(relation: &RelationName, column: &str) -> String {
    probe_attribute(relation, column, "")
}

/// Whether the column exists and is NOT NULL.
#[must_use]
pub fn probe_not_null(relation: &RelationName, column: &str) -> String {
    probe_attribute(relation, column, " AND a.attnotnull")
}

/// Whether the column exists and has a default (or is generated).
#[must_use]
pub fn probe_default(relation: &RelationName, column: &str) -> String {
    probe_attribute(relation, column, " AND a.atthasdef")
}

fn probe_attribute(relation: &RelationName, column: &str, and: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) {} \
         AND a.attname OPERATOR(pg_catalog.=) {} AND NOT a.attisdropped{and})",
        oid_of(relation),
        quote_literal(column)
    )
}

/// Whether the constraint exists, validated or not.
#[must_use]
pub fn probe_constraint(relation: &RelationName, name: &str) -> String {
    probe_constraint_and(relation, name, "")
}

/// Whether the constraint exists and is validated.
#[must_use]
pub fn probe_validated(relation: &RelationName, name: &str) -> String {
    probe_constraint_and(relation, name, " AND c.convalidated")
}

fn probe_constraint_and(relation: &RelationName, name: &str, and: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint c WHERE c.conrelid OPERATOR(pg_catalog.=) {} \
         AND c.conname OPERATOR(pg_catalog.=) {}{and})",
        oid_of(relation),
        quote_literal(name)
    )
}

/// Whether the index exists on the table and is valid and ready.
#[must_use]
pub fn probe_index_valid(relation: &RelationName, index: &str) -> String {
    probe_index(relation, index, "i.indisvalid AND i.indisready")
}

/// Whether a failed concurrent build left this index INVALID on the table.
#[must_use]
pub fn probe_index_leftover(relation: &RelationName, index: &str) -> String {
    probe_index(relation, index, "NOT i.indisvalid")
}

fn probe_index(relation: &RelationName, index: &str, and: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indexrelid OPERATOR(pg_catalog.=) {} \
         AND i.indrelid OPERATOR(pg_catalog.=) {} AND {and})",
        oid_of(&beside(relation, index)),
        oid_of(relation)
    )
}

/// The opposite of a boolean query.
#[must_use]
pub fn probe_not(probe: &str) -> String {
    format!("SELECT NOT ({probe})")
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
