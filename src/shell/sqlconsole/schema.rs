//! What can be selected from, and the functions that do something: read from the texts beside this file.

use std::sync::LazyLock;

use super::types::{self, Type};

/// A column: its name, type, and meaning.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) about: &'static str,
}

/// A relation: a view of the console's own, or a relation of the catalog.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: i64,
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) columns: Vec<Column>,
}

/// A verb: name, arguments as `\df` shows them, meaning.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    pub(super) oid: i64,
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    pub(super) about: &'static str,
}

/// Where the views are.
pub(super) const PUBLIC: &str = "public";
/// The first number of an object of the console's own; PostgreSQL's are below.
const OWN: i64 = 16_384;

/// All relations, the views first.
pub(super) static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| read(include_str!("relations.txt")));
/// The verbs.
pub(super) static VERBS: LazyLock<Vec<Verb>> = LazyLock::new(|| {
    let rows = rows(include_str!("verbs.txt"));
    rows.zip(OWN + 1_000..).map(|([name, arguments, about], oid)| Verb { oid, name, arguments, about }).collect()
});

/// Lines of three fields.
fn rows(text: &'static str) -> impl Iterator<Item = [&'static str; 3]> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let mut fields = line.splitn(3, '|').map(str::trim);
        [(); 3].map(|()| fields.next().unwrap_or_default())
    })
}

/// What `SELECT * FROM help` says: topic, example, meaning.
pub(super) fn help() -> impl Iterator<Item = [&'static str; 3]> {
    rows(include_str!("help.txt"))
}

fn read(text: &'static str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let (head, about) = line.split_once(" -- ").unwrap_or((line, ""));
        if !line.starts_with(' ') {
            let (schema, name) = head.split_once('.').unwrap_or((PUBLIC, head));
            let oid = OWN - if schema == PUBLIC { 0 } else { 4_000 } + i64::try_from(tables.len()).unwrap_or_default();
            // Known numbers: queries write `'pg_class'::regclass` and compare with what they know.
            let oid = match name {
                "pg_type" => 1_247,
                "pg_attribute" => 1_249,
                "pg_proc" => 1_255,
                "pg_class" => 1_259,
                _ => oid,
            };
            tables.push(Table { oid, schema, name, about, columns: Vec::new() });
            continue;
        }
        let columns = head.split(',').filter_map(|column| column.trim().split_once(' '));
        if let Some(table) = tables.last_mut() {
            table.columns.extend(columns.filter_map(|(name, ty)| Some(Column { name, ty: types::named(ty)?, about })));
        }
    }
    tables
}

/// The relation of a name; without a schema as `search_path` finds it.
pub(super) fn find(schema: Option<&str>, name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| {
        let there = schema.map_or(table.schema != "information_schema", |schema| table.schema == schema);
        there && table.name == name
    })
}

/// The views.
pub(super) fn views() -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(|table| table.schema == PUBLIC)
}

/// The verb of a name.
pub(super) fn verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_known_type() {
        let written = include_str!("relations.txt");
        let mut columns = 0;
        for line in written.lines().filter(|line| line.starts_with("  ")) {
            let head = line.split(" -- ").next().unwrap();
            for column in head.split(',').filter(|column| !column.trim().is_empty()) {
                let (_, ty) = column.trim().split_once(' ').unwrap();
                assert!(types::named(ty).is_some(), "{line}");
                columns += 1;
            }
        }
        assert_eq!(TABLES.iter().map(|table| table.columns.len()).sum::<usize>(), columns);
        assert!(VERBS.iter().all(|verb| !verb.arguments.is_empty() && !verb.about.is_empty()));
        assert!(help().all(|[topic, example, _]| !topic.is_empty() && !example.is_empty()));
    }

    #[test]
    fn numbers_are_unique() {
        let mut oids: Vec<i64> =
            TABLES.iter().map(|table| table.oid).chain(VERBS.iter().map(|verb| verb.oid)).collect();
        let before = oids.len();
        oids.sort_unstable();
        oids.dedup();
        assert_eq!(oids.len(), before);
    }
}
