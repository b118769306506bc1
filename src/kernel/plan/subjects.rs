//! What the statements of an undo are about: under which names, and what the catalog has under these. Read from the
//! statements, which are all ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::back;
use super::quote;
use super::verify::{Check, check};
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{
    AlterAction, AlterKind, AlterTable, BareName, Change, Drop, DropKind, RelationName, Rename, Statement,
};

/// Something under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    kind: Kind,
    /// The table it is of.
    of: Option<RelationName>,
    schema: Option<String>,
    name: String,
    drops: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Relation(&'static str),
    Index,
    Column,
    Constraint,
    Trigger,
    Function,
    Schema,
}

/// What stood under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// `index public.orders_idx`.
    pub what: String,
    /// As the catalog numbers it.
    pub id: String,
    /// Of what the server itself makes anew, with another number: an index, a constraint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

/// What the statements drop, change or rename, each once.
#[must_use]
pub fn of(undo: &[String]) -> Vec<Subject> {
    let mut all: Vec<Subject> = Vec::new();
    for subject in undo.iter().flat_map(|sql| of_statement(sql).0) {
        if !all.iter().any(|known| known.what() == subject.what()) {
            all.push(subject);
        }
    }
    all
}

/// The constraints that the statements drop or change, each with its table's schema before its name.
#[must_use]
pub fn constraints(undo: &[String]) -> Vec<String> {
    let name = |subject: Subject| {
        let schema = subject.of.and_then(|table| table.schema).unwrap_or_default();
        format!("{schema}.{}", subject.name)
    };
    of(undo).into_iter().filter(|subject| subject.kind == Kind::Constraint).map(name).collect()
}

/// A query that is true when all that the statements drop is gone. None, where they do anything else.
#[must_use]
pub fn gone(undo: &[String]) -> Option<String> {
    let mut absent = Vec::new();
    for sql in undo {
        let (subjects, whole) = of_statement(sql);
        if !whole || subjects.is_empty() || subjects.iter().any(|subject| !subject.drops) {
            return None;
        }
        absent.extend(subjects.iter().map(|subject| format!("NOT EXISTS ({})", subject.source())));
    }
    (!absent.is_empty()).then(|| format!("SELECT {}", absent.join(" AND ")))
}

/// A query for what stands under the names: what it is, its number and its definition. None, where nothing is named.
#[must_use]
pub fn seen_sql(undo: &[String]) -> Option<String> {
    let each: Vec<String> = of(undo)
        .iter()
        .map(|subject| {
            let what = quote::literal(&subject.what());
            format!("SELECT {what}::pg_catalog.text, s.id, s.definition FROM ({}) AS s", subject.source())
        })
        .collect();
    (!each.is_empty()).then(|| each.join(" UNION ALL "))
}

/// That nothing else stands under the names of `undo`, as far as is known what stood there. `undone` tells whether
/// they have been taken back already, and something else may.
#[must_use]
pub fn same(undo: &[String], seen: &[Seen], by: &str, undone: Option<&str>) -> Vec<Check> {
    let subjects = of(undo);
    let known =
        subjects.iter().filter_map(|subject| Some((subject, seen.iter().find(|one| one.what == subject.what())?)));
    known
        .map(|(subject, seen)| {
            let verb = if subject.drops { "made" } else { "changed" };
            let unless = undone.map(|sql| format!("({sql}) OR ")).unwrap_or_default();
            let sql = format!("SELECT {unless}NOT EXISTS ({})", subject.other(seen));
            check(format!("{} is still the one that \"{by}\" {verb}", seen.what), sql)
        })
        .collect()
}

/// What stands no more under its name and is still there, or whose name something else has: in words, each with a query
/// for that.
#[must_use]
pub fn astray(undo: &[String], seen: &[Seen]) -> Vec<(String, String)> {
    let subjects = of(undo);
    let known =
        subjects.iter().filter_map(|subject| Some((subject, seen.iter().find(|one| one.what == subject.what())?)));
    known
        .map(|(subject, seen)| {
            let sql = format!(
                "SELECT EXISTS ({}) OR NOT EXISTS ({}) AND EXISTS ({})",
                subject.other(seen),
                subject.source(),
                subject.itself(seen)
            );
            (seen.what.clone(), sql)
        })
        .collect()
}

impl Subject {
    /// A query for what was seen, whatever its name is.
    fn itself(&self, seen: &Seen) -> String {
        let catalog = match self.kind {
            Kind::Relation(_) | Kind::Index => "pg_class",
            Kind::Column => {
                let (table, number) = seen.id.split_once('.').unwrap_or_default();
                return format!(
                    "SELECT FROM pg_catalog.pg_attribute x WHERE x.attrelid OPERATOR(pg_catalog.=) {}::pg_catalog.oid \
                     AND x.attnum OPERATOR(pg_catalog.=) {}::pg_catalog.int2 AND NOT x.attisdropped",
                    quote::literal(table),
                    quote::literal(number)
                );
            }
            Kind::Constraint => "pg_constraint",
            Kind::Trigger => "pg_trigger",
            Kind::Function => "pg_proc",
            Kind::Schema => "pg_namespace",
        };
        format!(
            "SELECT FROM pg_catalog.{catalog} x WHERE x.oid OPERATOR(pg_catalog.=) {}::pg_catalog.oid",
            quote::literal(&seen.id)
        )
    }

    /// Its kind and its name, for people and to be known again by.
    #[must_use]
    pub fn what(&self) -> String {
        let kind = match self.kind {
            Kind::Relation(word) => word,
            Kind::Index => "index",
            Kind::Column => "column",
            Kind::Constraint => "constraint",
            Kind::Trigger => "trigger",
            Kind::Function => "function",
            Kind::Schema => "schema",
        };
        let schema = self.schema.as_ref().map(|schema| format!("{schema}.")).unwrap_or_default();
        let of = self.of.as_ref().map(|table| format!(" of {}", table.written())).unwrap_or_default();
        format!("{kind} {schema}{}{of}", self.name)
    }

    /// A query for its number and its definition, under aliases; no row where nothing has its name.
    fn source(&self) -> String {
        let named = |column: &str| format!("{column} OPERATOR(pg_catalog.=) {}", quote::literal(&self.name));
        let of = |column: &str| format!("{column} OPERATOR(pg_catalog.=) {}", oid_of(self.of.as_ref()));
        let itself = RelationName { schema: self.schema.clone(), name: self.name.clone() };
        let itself = oid_of(Some(&itself));
        let (id, definition, rest) = match self.kind {
            Kind::Relation(_) => {
                ("x.oid", "NULL", format!("pg_catalog.pg_class x WHERE x.oid OPERATOR(pg_catalog.=) {itself}"))
            }
            Kind::Index => (
                "x.oid",
                "pg_catalog.pg_get_indexdef(x.oid)",
                format!("pg_catalog.pg_class x WHERE x.oid OPERATOR(pg_catalog.=) {itself}"),
            ),
            Kind::Column => (
                "pg_catalog.concat(x.attrelid, '.', x.attnum)",
                "NULL",
                format!(
                    "pg_catalog.pg_attribute x WHERE {} AND {} AND NOT x.attisdropped",
                    of("x.attrelid"),
                    named("x.attname")
                ),
            ),
            Kind::Constraint => (
                "x.oid",
                // It may have been proven meanwhile.
                "pg_catalog.replace(pg_catalog.pg_get_constraintdef(x.oid), ' NOT VALID', '')",
                format!("pg_catalog.pg_constraint x WHERE {} AND {}", of("x.conrelid"), named("x.conname")),
            ),
            Kind::Trigger => (
                "x.oid",
                "NULL",
                format!("pg_catalog.pg_trigger x WHERE {} AND {}", of("x.tgrelid"), named("x.tgname")),
            ),
            Kind::Function => (
                "x.oid",
                "NULL",
                format!(
                    "pg_catalog.pg_proc x WHERE {} AND x.pronargs OPERATOR(pg_catalog.=) 0::pg_catalog.int2 \
                     AND x.pronamespace OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace({})::pg_catalog.oid",
                    named("x.proname"),
                    quote::literal(&quote::identifier(self.schema.as_deref().unwrap_or_default()))
                ),
            ),
            Kind::Schema => ("x.oid", "NULL", format!("pg_catalog.pg_namespace x WHERE {}", named("x.nspname"))),
        };
        format!("SELECT {id}::pg_catalog.text AS id, {definition}::pg_catalog.text AS definition FROM {rest}")
    }

    /// A query for what stands under its name and is not what was seen. What the server has made anew in the place of
    /// what was seen, and which is gone, is the same by its definition.
    fn other(&self, seen: &Seen) -> String {
        let id = quote::literal(&seen.id);
        let anew = match (self.kind, &seen.definition) {
            (Kind::Index, Some(definition)) => Some(("pg_class", definition)),
            (Kind::Constraint, Some(definition)) => Some(("pg_constraint", definition)),
            _ => None,
        };
        let unless = anew.map(|(catalog, definition)| {
            format!(
                " AND NOT (s.definition OPERATOR(pg_catalog.=) {} AND NOT EXISTS (SELECT FROM pg_catalog.{catalog} o \
                 WHERE o.oid OPERATOR(pg_catalog.=) {id}::pg_catalog.oid))",
                quote::literal(definition)
            )
        });
        format!(
            "SELECT FROM ({}) AS s WHERE s.id OPERATOR(pg_catalog.<>) {id}{}",
            self.source(),
            unless.unwrap_or_default()
        )
    }
}

fn oid_of(relation: Option<&RelationName>) -> String {
    let name = relation.map(quote::relation).unwrap_or_default();
    format!("pg_catalog.to_regclass({})::pg_catalog.oid", quote::literal(&name))
}

/// Its subjects, and whether they are all that it does something to.
fn of_statement(sql: &str) -> (Vec<Subject>, bool) {
    let Ok(reading) = read(sql) else { return (Vec::new(), false) };
    let [parsed] = reading.statements.as_slice() else { return (Vec::new(), false) };
    match &parsed.statement {
        Statement::Change(Change::AlterTable(alter)) => {
            let found: Vec<_> = alter.actions.iter().map(|action| of_action(alter, action)).collect();
            let whole = found.iter().all(Option::is_some);
            (found.into_iter().flatten().collect(), whole)
        }
        Statement::Change(Change::Drop(drop)) => {
            let found = dropped(drop);
            let whole = found.len() == drop.objects.len();
            (found, whole)
        }
        Statement::Change(Change::Rename(rename)) => (renamed(rename).into_iter().collect(), false),
        _ => (Vec::new(), false),
    }
}

fn of_action(alter: &AlterTable, action: &AlterAction) -> Option<Subject> {
    let (kind, name, drops) = match &action.kind {
        AlterKind::DropColumn { column, .. } => (Kind::Column, column, true),
        AlterKind::DropConstraint { name, .. } => (Kind::Constraint, name, true),
        AlterKind::SetNotNull { column }
        | AlterKind::DropNotNull { column }
        | AlterKind::SetDefault { column }
        | AlterKind::DropDefault { column } => (Kind::Column, column, false),
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } if back::is_of_column(command) => {
            (Kind::Column, action.named.first()?, false)
        }
        _ => return None,
    };
    Some(Subject { kind, of: Some(alter.relation.clone()), schema: None, name: name.clone(), drops })
}

fn dropped(drop: &Drop) -> Vec<Subject> {
    let relation = |kind: Kind| {
        let one = |of: &RelationName| Subject {
            kind,
            of: None,
            schema: of.schema.clone(),
            name: of.name.clone(),
            drops: true,
        };
        drop.relations.iter().map(one).collect()
    };
    match drop.kind {
        DropKind::Table => relation(Kind::Relation("table")),
        DropKind::View => relation(Kind::Relation("view")),
        DropKind::Sequence => relation(Kind::Relation("sequence")),
        DropKind::Index => relation(Kind::Index),
        DropKind::Schema => {
            let one = |bare: &BareName| {
                let name = bare.name.clone();
                Subject { kind: Kind::Schema, of: None, schema: None, name, drops: true }
            };
            drop.bare.iter().map(one).collect()
        }
        DropKind::Other("TRIGGER") => {
            let on = drop.relations.iter().zip(&drop.bare);
            let one = |(table, bare): (&RelationName, &BareName)| Subject {
                kind: Kind::Trigger,
                of: Some(table.clone()),
                schema: None,
                name: bare.name.clone(),
                drops: true,
            };
            on.map(one).collect()
        }
        DropKind::Other("FUNCTION") => {
            let one = |(whole, bare): (&String, &BareName)| {
                let name = &bare.name;
                let schema = whole.strip_suffix(name.as_str())?.strip_suffix('.')?.to_owned();
                Some(Subject { kind: Kind::Function, of: None, schema: Some(schema), name: name.clone(), drops: true })
            };
            drop.objects.iter().zip(&drop.bare).filter_map(one).collect()
        }
        DropKind::MaterializedView | DropKind::Database | DropKind::ForeignTable | DropKind::Other(_) => Vec::new(),
    }
}

fn renamed(rename: &Rename) -> Option<Subject> {
    let relation = rename.relation.as_ref()?;
    let (kind, of) = match rename.what {
        "column" => (Kind::Column, Some(relation.clone())),
        "constraint" => (Kind::Constraint, Some(relation.clone())),
        "table" => (Kind::Relation("table"), None),
        "index" => (Kind::Index, None),
        _ => return None,
    };
    let schema = relation.schema.clone().filter(|_| of.is_none());
    Some(Subject { kind, of, schema, name: rename.from.clone(), drops: false })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests report by panicking")]

    use super::*;
    use crate::kernel::sql::write;

    const DROPS: &[(&str, &[&str])] = &[
        (
            "ALTER TABLE public.t DROP COLUMN IF EXISTS \"A b\", DROP COLUMN c",
            &["column A b of public.t", "column c of public.t"],
        ),
        ("ALTER TABLE public.t DROP CONSTRAINT IF EXISTS ck", &["constraint ck of public.t"]),
        ("DROP INDEX CONCURRENTLY IF EXISTS public.ix", &["index public.ix"]),
        ("DROP TABLE IF EXISTS public.t", &["table public.t"]),
        ("DROP SEQUENCE IF EXISTS public.s", &["sequence public.s"]),
        ("DROP TRIGGER IF EXISTS \"X\" ON \"S\".t", &["trigger X of S.t"]),
        ("DROP FUNCTION IF EXISTS \"S\".\"f.g\"()", &["function S.f.g"]),
        ("DROP SCHEMA room", &["schema room"]),
    ];

    const CHANGES: &[(&str, &[&str])] = &[
        ("ALTER TABLE public.t ALTER COLUMN a DROP NOT NULL", &["column a of public.t"]),
        (
            "ALTER TABLE public.t ALTER COLUMN a SET STATISTICS 7, DROP CONSTRAINT ck",
            &["column a of public.t", "constraint ck of public.t"],
        ),
        ("ALTER TABLE public.t ALTER a DROP IDENTITY IF EXISTS", &["column a of public.t"]),
        ("ALTER TABLE public.t RENAME COLUMN a TO b", &["column a of public.t"]),
        ("ALTER TABLE public.t RENAME TO u", &["table public.t"]),
        ("ALTER TABLE room.t SET SCHEMA public", &["table room.t"]),
        ("ALTER TABLE public.t ADD CONSTRAINT ck CHECK (a > 0)", &[]),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON public.t USING btree (a)", &[]),
        ("DO LANGUAGE plpgsql ''", &[]),
    ];

    #[test]
    fn a_statement_tells_what_it_is_about() {
        for (drops, cases) in [(true, DROPS), (false, CHANGES)] {
            for (sql, subjects) in cases {
                let undo = [(*sql).to_owned()];
                let found: Vec<String> = of(&undo).iter().map(Subject::what).collect();
                assert_eq!(found, *subjects, "{sql}");
                assert_eq!(gone(&undo).is_some(), drops, "{sql}");
                for sql in gone(&undo).iter().chain(&seen_sql(&undo)) {
                    write::reads_back(sql).unwrap();
                }
                let seen: Vec<Seen> = found
                    .iter()
                    .map(|what| Seen { what: what.clone(), id: "7".to_owned(), definition: Some("d".to_owned()) })
                    .collect();
                let checks = same(&undo, &seen, "seal", Some("SELECT true"));
                assert_eq!(checks.len(), subjects.len());
                checks.iter().for_each(|check| write::reads_back(&check.sql).unwrap());
                astray(&undo, &seen).iter().for_each(|(_, sql)| write::reads_back(sql).unwrap());
            }
        }
    }

    #[test]
    fn what_was_never_seen_is_not_asked_for() {
        let undo = ["DROP INDEX public.a".to_owned(), "ALTER TABLE public.t DROP CONSTRAINT b".to_owned()];
        let seen = [Seen { what: "index public.a".to_owned(), id: "9".to_owned(), definition: Some("x".to_owned()) }];
        let checks = same(&undo, &seen, "build index", None);
        let [only] = checks.as_slice() else { panic!("{checks:?}") };
        assert_eq!(only.name, "index public.a is still the one that \"build index\" made");
        assert!(same(&undo, &[], "build index", None).is_empty());
    }
}
