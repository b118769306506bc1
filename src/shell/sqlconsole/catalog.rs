//! PostgreSQL's catalog as far as `psql` and drivers ask it: the console's views and verbs as relations and
//! functions. What there is none of is an empty relation.

use rusqlite::types::Value;

use super::schema::{PUBLIC, TABLES, Table, VERBS, Verb, find, views};
use super::types::{self, Type};

/// Numbers of the schemas, as in PostgreSQL.
pub(super) const SCHEMAS: [(i64, &str); 3] = [(11, "pg_catalog"), (2_200, PUBLIC), (13_000, "information_schema")];
/// The one role there is: whoever asks.
const ROLE: i64 = 10;

/// What the catalog has to know of whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Asker {
    /// Whom everything is recorded for.
    pub(super) name: String,
    /// As they connected.
    pub(super) login: String,
    pub(super) database: String,
    /// Settings and their values.
    pub(super) settings: Vec<(String, String)>,
}

/// What the console calls itself: its catalog is the one of PostgreSQL 14, which newer clients know to ask.
pub(super) const SERVER_VERSION: &str = concat!("14.0 (Lockkeeper ", env!("CARGO_PKG_VERSION"), ")");

/// As `version()` says it.
pub(super) fn version() -> String {
    format!("PostgreSQL {SERVER_VERSION}, the console of a gateway")
}

fn n(number: impl Into<i64>) -> Value {
    Value::Integer(number.into())
}

fn t(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A row by the names of its columns; what is not named is 0, false or empty as its type has it.
fn row(table: &Table, named: &[(&str, Value)]) -> Vec<Value> {
    let default = |ty: Type| match ty {
        Type::Bool | Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid | Type::Reg(_) => n(0),
        Type::Float8 => Value::Real(-1.0),
        Type::Char => t(""),
        _ => Value::Null,
    };
    let value = |name: &str, ty| {
        let found = named.iter().find(|(other, _)| *other == name);
        found.map_or_else(|| default(ty), |(_, value)| value.clone())
    };
    table.columns.iter().map(|column| value(column.name, column.ty)).collect()
}

/// The rows of a relation of the catalog.
pub(super) fn rows(table: &'static Table, asker: &Asker) -> Vec<Vec<Value>> {
    match (table.schema, table.name) {
        (_, "pg_class") => TABLES.iter().map(|relation| class(table, relation)).collect(),
        (_, "pg_namespace") => {
            let schema = |(oid, name): &(i64, &str)| [("oid", n(*oid)), ("nspname", t(name)), ("nspowner", n(ROLE))];
            SCHEMAS.iter().map(|entry| row(table, &schema(entry))).collect()
        }
        (_, "pg_attribute") => TABLES.iter().flat_map(|relation| attributes(table, relation)).collect(),
        (_, "pg_type") => types::ALL.iter().map(|known| type_row(table, known)).collect(),
        (_, "pg_proc") => VERBS.iter().map(|verb| procedure(table, verb)).collect(),
        _ => rows_of_asker(table, asker),
    }
}

/// What is made of whoever asks.
fn rows_of_asker(table: &'static Table, asker: &Asker) -> Vec<Vec<Value>> {
    let role = || t(&asker.name);
    let database = || t(&asker.database);
    match (table.schema, table.name) {
        (_, "pg_database") => vec![row(
            table,
            &[
                ("oid", n(16_000)),
                ("datname", database()),
                ("datdba", n(ROLE)),
                ("encoding", n(6)),
                ("datcollate", t("C")),
                ("datctype", t("C")),
                ("datallowconn", n(1)),
                ("datconnlimit", n(-1)),
            ],
        )],
        (_, "pg_roles") => vec![row(
            table,
            &[
                ("oid", n(ROLE)),
                ("rolname", role()),
                ("rolinherit", n(1)),
                ("rolcanlogin", n(1)),
                ("rolconnlimit", n(-1)),
            ],
        )],
        (_, "pg_user") => vec![row(table, &[("usename", role()), ("usesysid", n(ROLE))])],
        (_, "pg_language") => vec![row(table, &[("oid", n(12)), ("lanname", t("internal"))])],
        (_, "pg_description") => descriptions(table),
        _ => rows_of_views(table, asker),
    }
}

/// What is made of the views and settings.
fn rows_of_views(table: &'static Table, asker: &Asker) -> Vec<Vec<Value>> {
    let role = || t(&asker.name);
    let database = || t(&asker.database);
    match (table.schema, table.name) {
        (_, "pg_settings") => asker
            .settings
            .iter()
            .map(|(name, value)| {
                row(
                    table,
                    &[
                        ("name", t(name)),
                        ("setting", t(value)),
                        ("context", t("user")),
                        ("vartype", t("string")),
                        ("source", t("session")),
                        ("reset_val", t(value)),
                    ],
                )
            })
            .collect(),
        (_, "pg_collation") => [(100, "default"), (950, "C")]
            .into_iter()
            .map(|(oid, name)| {
                row(table, &[("oid", n(oid)), ("collname", t(name)), ("collnamespace", n(11)), ("collencoding", n(-1))])
            })
            .collect(),
        (_, "pg_views") => views()
            .map(|view| {
                row(
                    table,
                    &[
                        ("schemaname", t(view.schema)),
                        ("viewname", t(view.name)),
                        ("viewowner", role()),
                        ("definition", t(&definition(view))),
                    ],
                )
            })
            .collect(),
        (_, "schemata") => SCHEMAS
            .iter()
            .map(|(_, name)| {
                row(table, &[("catalog_name", database()), ("schema_name", t(name)), ("schema_owner", role())])
            })
            .collect(),
        ("information_schema", "tables") => views()
            .map(|view| {
                row(
                    table,
                    &[
                        ("table_catalog", database()),
                        ("table_schema", t(view.schema)),
                        ("table_name", t(view.name)),
                        ("table_type", t("VIEW")),
                    ],
                )
            })
            .collect(),
        ("information_schema", "columns") => views().flat_map(|view| columns(table, view, asker)).collect(),
        _ => Vec::new(),
    }
}

/// How a view's definition is told: there is none in SQL.
pub(super) fn definition(view: &Table) -> String {
    format!(" -- {}: made by the gateway from its API", view.about)
}

fn schema_oid(name: &str) -> i64 {
    SCHEMAS.iter().find(|(_, schema)| *schema == name).map_or(0, |(oid, _)| *oid)
}

fn class(table: &Table, relation: &Table) -> Vec<Value> {
    let kind = if relation.schema == PUBLIC { "v" } else { "r" };
    row(
        table,
        &[
            ("oid", n(relation.oid)),
            ("relname", t(relation.name)),
            ("relnamespace", n(schema_oid(relation.schema))),
            ("relowner", n(ROLE)),
            ("relpersistence", t("p")),
            ("relkind", t(kind)),
            ("relispopulated", n(1)),
            ("relnatts", n(i64::try_from(relation.columns.len()).unwrap_or_default())),
            ("relreplident", t("n")),
        ],
    )
}

fn collation(ty: Type) -> i64 {
    match ty {
        Type::Text | Type::Texts => 100,
        Type::Name => 950,
        _ => 0,
    }
}

fn category(ty: Type) -> &'static str {
    match ty.category() {
        types::Category::Bool => "B",
        types::Category::Number => "N",
        types::Category::Time => "D",
        types::Category::Interval => "T",
        types::Category::Array => "A",
        types::Category::Text | types::Category::Unknown => "S",
    }
}

fn attributes(table: &Table, relation: &Table) -> Vec<Vec<Value>> {
    let numbered = relation.columns.iter().zip(1_i64..);
    let one = |(column, number): (&super::schema::Column, i64)| {
        row(
            table,
            &[
                ("attrelid", n(relation.oid)),
                ("attname", t(column.name)),
                ("atttypid", n(column.ty.oid())),
                ("attlen", n(column.ty.size())),
                ("attnum", n(number)),
                ("atttypmod", n(-1)),
                ("attislocal", n(1)),
                ("attcollation", n(collation(column.ty))),
                ("attstorage", t("x")),
                ("attstattarget", n(-1)),
            ],
        )
    };
    numbered.map(one).collect()
}

fn procedure(table: &Table, verb: &Verb) -> Vec<Value> {
    row(
        table,
        &[
            ("oid", n(verb.oid)),
            ("proname", t(verb.name)),
            ("pronamespace", n(2_200)),
            ("proowner", n(ROLE)),
            ("prolang", n(12)),
            ("prokind", t("p")),
            ("provolatile", t("v")),
            ("proparallel", t("u")),
            ("pronargs", n(1)),
            ("prorettype", n(2_249)),
            ("proargtypes", t("20")),
            ("prosrc", t(verb.name)),
        ],
    )
}

fn type_row(table: &Table, (ty, oid, name, _, size): &(Type, u32, &str, &str, i16)) -> Vec<Value> {
    let element = match ty {
        Type::Texts => 25,
        Type::Numbers => 20,
        Type::Oids => 26,
        _ => 0,
    };
    let array = match ty {
        Type::Text => 1009,
        Type::Int8 => 1016,
        Type::Oid => 1028,
        _ => 0,
    };
    row(
        table,
        &[
            ("oid", n(*oid)),
            ("typname", t(name)),
            ("typnamespace", n(11)),
            ("typowner", n(ROLE)),
            ("typlen", n(*size)),
            ("typtype", t("b")),
            ("typcategory", t(category(*ty))),
            ("typisdefined", n(1)),
            ("typdelim", t(",")),
            ("typelem", n(element)),
            ("typarray", n(array)),
            ("typtypmod", n(-1)),
            ("typcollation", n(collation(*ty))),
        ],
    )
}

fn descriptions(table: &Table) -> Vec<Vec<Value>> {
    let number = |name| find(Some("pg_catalog"), name).map_or(0, |table| table.oid);
    let (class, proc) = (number("pg_class"), number("pg_proc"));
    let one = |oid: i64, of: i64, part: i64, about: &str| {
        row(table, &[("objoid", n(oid)), ("classoid", n(of)), ("objsubid", n(part)), ("description", t(about))])
    };
    let mut rows = Vec::new();
    for view in views() {
        rows.push(one(view.oid, class, 0, view.about));
        rows.extend(view.columns.iter().zip(1..).map(|(column, part)| one(view.oid, class, part, column.about)));
    }
    rows.extend(VERBS.iter().map(|verb| one(verb.oid, proc, 0, verb.about)));
    rows
}

fn columns(table: &Table, view: &Table, asker: &Asker) -> Vec<Vec<Value>> {
    let one = |(column, number): (&super::schema::Column, i64)| {
        let udt = types::ALL.iter().find(|(other, ..)| *other == column.ty).map_or("text", |(_, _, name, ..)| *name);
        row(
            table,
            &[
                ("table_catalog", t(&asker.database)),
                ("table_schema", t(view.schema)),
                ("table_name", t(view.name)),
                ("column_name", t(column.name)),
                ("ordinal_position", n(number)),
                ("is_nullable", t("YES")),
                ("data_type", t(column.ty.sql())),
                ("udt_name", t(udt)),
            ],
        )
    };
    view.columns.iter().zip(1_i64..).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_its_columns() {
        let asker = Asker { settings: vec![("a".into(), "b".into())], ..Asker::default() };
        for table in TABLES.iter() {
            for row in rows(table, &asker) {
                assert_eq!(row.len(), table.columns.len(), "{}", table.name);
            }
        }
    }
}
