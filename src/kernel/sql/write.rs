//! The only place that quotes names, and the last look at what recipes build with them: SQL of ours is
//! read back by the parser of record before a plan that holds it may run.

use super::read;
use super::statement::{Change, Statement};

/// SQL that is not the one statement it was meant to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the statement written here does not read back: {why}")]
pub struct Miswritten {
    pub why: String,
}

/// Whether the parser of record reads exactly one statement in the text.
///
/// # Errors
/// When it reads none, more than one, or something it does not understand.
pub fn reads_back(sql: &str) -> Result<(), Miswritten> {
    let reading = read::read(sql).map_err(|error| Miswritten { why: error.why })?;
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
    Ok(())
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

/// Bytes of a name at most (NAMEDATALEN - 1).
pub const NAME_BYTES: usize = 63;

/// At most `bytes_max` bytes of a name, cut between characters as the server cuts it.
#[must_use]
pub fn clipped(name: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        for (name, expected) in
            [("t", "t"), ("select", "\"select\""), ("Order", "\"Order\""), ("a\"b", "\"a\"\"b\""), ("", "\"\"")]
        {
            assert_eq!(quote_ident(name), expected);
        }
        for (value, expected) in [("a", "'a'"), ("it's", "'it''s'"), ("a\\'b", "E'a\\\\''b'")] {
            assert_eq!(quote_literal(value), expected);
        }
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn odd_names_read_back() {
        for name in ["t", "Order", "order", "user", "a b", "a\"b", "a'b", "ä", "_x1", "1a\\"] {
            let sql = format!("alter table {} add column c text default {}", quote_ident(name), quote_literal(name));
            let reading = read::read(&sql).unwrap();
            let Statement::Change(Change::AlterTable(alter)) = &reading.statements[0].statement else {
                panic!("{sql}")
            };
            assert_eq!(alter.relation.name, name);
            assert_eq!(reads_back(&sql), Ok(()));
        }
    }

    #[test]
    fn a_name_is_cut_between_characters() {
        assert_eq!(clipped("ääää", 3), "ä");
    }

    #[test]
    fn only_one_statement_is_accepted() {
        assert!(reads_back("select 1; select 2").is_err());
        assert!(reads_back("").is_err());
        assert!(reads_back("selec").is_err());
        assert!(reads_back("with a as (delete from x) delete from y").is_ok());
    }
}
