//! Keys that run out of numbers.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::{At, altered, columns, constraints, typed};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AddColumn, ConstraintKind, RelationName, TableConstraint, TypeName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "integer-key",
    hazard: "An integer key runs out of numbers.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A primary key of one smallint or integer column, a serial or identity column of these types, and a foreign key from such a column to a bigint.",
        why: "integer ends at 2147483647, rolled back inserts and ON CONFLICT count too; then every INSERT fails, and the way out is a change of type of the key and of everything that references it.",
        instead: "bigint from the beginning: with the padding of rows it often takes no more room.",
        versions: "All supported versions.",
        undo: "ALTER COLUMN … TYPE bigint: for a table in use the gateway fills a column beside it and swaps the two, once that is approved; the columns that reference it first.",
    },
    check,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    Small,
    Int,
    Big,
}

impl Width {
    fn of(name: &str) -> Option<Self> {
        match name {
            "int2" | "smallint" => Some(Self::Small),
            "int4" | "integer" => Some(Self::Int),
            "int8" | "bigint" => Some(Self::Big),
            _ => None,
        }
    }

    fn of_type(of: &TypeName) -> Option<Self> {
        let built_in = of.schema.as_ref().is_none_or(|schema| schema == "pg_catalog");
        Self::of(&of.name).filter(|_| built_in && !of.sql.ends_with(']'))
    }

    /// Its name, and where it ends.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Small => ("smallint", "32767"),
            Self::Int => ("integer", "2147483647"),
            Self::Big => ("bigint", "9223372036854775807"),
        }
    }
}

/// What is known of the columns of the table that the statement is about.
struct Known<'a> {
    new: Vec<(RelationName, &'a AddColumn)>,
    facts: Option<&'a RelationFacts>,
}

impl Known<'_> {
    fn width(&self, column: &str) -> Option<Width> {
        if let Some((_, new)) = self.new.iter().find(|(_, new)| new.name == column) {
            return Width::of_type(&new.type_name);
        }
        Width::of(&self.facts?.column(column)?.type_sql)
    }

    /// The type, where the statement says it.
    fn at(&self, column: &str, constraint: &TableConstraint) -> At {
        let new = self.new.iter().find(|(_, new)| new.name == column);
        At::Byte(new.map_or(constraint.at, |(_, new)| new.type_at))
    }
}

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let known = Known { new: columns(subject), facts: altered(subject).and_then(|(table, _)| table.facts) };
    let mut found: Vec<(String, Hazard)> = Vec::new();
    let mut put = |column: &str, hazard: Hazard| {
        if !found.iter().any(|(name, _)| name == column) {
            found.push((column.to_owned(), hazard));
        }
    };
    let all = constraints(subject);
    for (table, constraint) in &all {
        if let (ConstraintKind::PrimaryKey { .. }, [column]) = (&constraint.kind, constraint.columns.as_slice())
            && let Some(width) = known.width(column).filter(|width| *width != Width::Big)
        {
            put(column, runs_out(table, ("the key ", column), width, known.at(column, constraint)));
        }
    }
    for (table, column) in &known.new {
        let numbered = column.serial.is_some() || column.identity_sql.is_some();
        if let Some(width) = Width::of_type(&column.type_name).filter(|width| numbered && *width != Width::Big) {
            put(&column.name, runs_out(table, ("", &column.name), width, At::Byte(column.type_at)));
        }
    }
    for changed in typed(subject).into_iter().filter(|changed| matches!(changed.at, At::Last(_))) {
        let Some(column) = changed.column else { continue };
        let is_key = |facts: &RelationFacts| {
            facts.indexes.iter().any(|index| index.primary && index.columns.as_slice() == [column])
        };
        if let Some(width) = Width::of_type(changed.type_name).filter(|width| *width != Width::Big)
            && known.facts.is_some_and(is_key)
        {
            put(column, runs_out(&changed.relation, ("the key ", column), width, changed.at));
        }
    }
    for (table, constraint) in &all {
        for (column, hazard) in narrower(subject, table, constraint, &known) {
            put(column, hazard);
        }
    }
    found.into_iter().map(|(_, hazard)| hazard).collect()
}

fn runs_out(table: &RelationName, of: (&str, &str), width: Width, at: At) -> Hazard {
    let (what, column) = of;
    let (name, end) = width.words();
    let message = format!("{what}{column} of {} is {name}: after {end} every INSERT fails", table.written());
    Hazard::defined(table.clone(), at, message)
}

/// Columns that reference wider ones.
fn narrower<'a>(
    subject: &Subject<'_>,
    table: &RelationName,
    constraint: &'a TableConstraint,
    known: &Known<'_>,
) -> Vec<(&'a str, Hazard)> {
    let ConstraintKind::ForeignKey { references } = &constraint.kind else { return Vec::new() };
    let Some(other) = subject.facts.relation(references).flatten().filter(|_| !subject.earlier.blurs(references))
    else {
        return Vec::new();
    };
    let key = other.indexes.iter().find(|index| index.primary).map(|index| index.columns.clone()).unwrap_or_default();
    let to = if constraint.referenced.is_empty() { &key } else { &constraint.referenced };
    let pairs = constraint.columns.iter().zip(to).filter_map(|(own, to)| {
        let width = known.width(own).filter(|width| *width != Width::Big)?;
        let wide = other.column(to).is_some_and(|column| Width::of(&column.type_sql) == Some(Width::Big));
        let message = format!(
            "{own} of {} is {}, and {to} of {}, which it references, is bigint: its larger keys do not fit",
            table.written(),
            width.words().0,
            other.qualified().written()
        );
        wide.then(|| (own.as_str(), Hazard::defined(table.clone(), known.at(own, constraint), message)))
    });
    pairs.collect()
}
