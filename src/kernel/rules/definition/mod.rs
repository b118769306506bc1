//! How things are defined: what a statement would leave behind that is hard to live with later. No lock and no loss,
//! so nothing runs instead; a policy that does not want to hear of one answers `pass`.

pub mod char_column;
pub mod foreign_key_index;
pub mod implicit_null;
pub mod integer_key;
pub mod json_column;
pub mod long_name;
pub mod money_column;
pub mod naming;
pub mod no_primary_key;
pub mod nullable_boolean;
pub mod quoted_name;
pub mod redundant_index;
pub mod reserved_name;
pub mod serial_column;
pub mod timestamp_without_zone;

mod made;
mod need;
mod shape;

use super::Rule;
use super::subject::{Hazard, Known, Subject};
use crate::kernel::facts::{Persistence, RelationFacts};
use crate::kernel::sql::read::session::schemas;
use crate::kernel::sql::statement::{
    AddColumn, AlterKind, AlterObject, AlterTable, Change, CreateTable, RelationName, Serial, TableConstraint, TypeName,
};
pub use made::At;
pub use need::Need;

/// All of them, by id.
pub const RULES: &[&Rule] = &[
    &char_column::RULE,
    &foreign_key_index::RULE,
    &implicit_null::RULE,
    &integer_key::RULE,
    &json_column::RULE,
    &long_name::RULE,
    &money_column::RULE,
    &naming::RULE,
    &no_primary_key::RULE,
    &nullable_boolean::RULE,
    &quoted_name::RULE,
    &redundant_index::RULE,
    &reserved_name::RULE,
    &serial_column::RULE,
    &timestamp_without_zone::RULE,
];

/// The table whose definition is looked at.
struct Table<'a> {
    name: RelationName,
    /// As it stands, if it does.
    facts: Option<&'a RelationFacts>,
}

/// A column that gets a type, or a domain.
struct Typed<'a> {
    /// The table, or the domain.
    relation: RelationName,
    column: Option<&'a str>,
    type_name: &'a TypeName,
    serial: Option<Serial>,
    at: At,
}

impl Typed<'_> {
    /// `at of public.events`, `the domain public.d`.
    fn described(&self) -> String {
        match self.column {
            Some(column) => format!("{column} of {}", self.relation.written()),
            None => format!("the domain {}", self.relation.written()),
        }
    }
}

impl Hazard {
    /// Something about a definition.
    fn defined(table: RelationName, at: At, message: String) -> Self {
        Self { relation: Some(table), at: Some(at), ..Self::plain(message) }
    }
}

/// A table that the statement makes: to stay, and of its own.
fn made<'a>(subject: &Subject<'a>) -> Option<(Table<'a>, &'a CreateTable)> {
    let Change::CreateTable(create) = subject.change else { return None };
    // One that stands is the server's to answer, with an error or a NOTICE.
    let free = matches!(subject.known(&create.relation), Known::Missing | Known::Unknown);
    if create.temporary || create.view || !free {
        return None;
    }
    Some((Table { name: placed(subject, &create.relation), facts: None }, create))
}

fn altered<'a>(subject: &Subject<'a>) -> Option<(Table<'a>, &'a AlterTable)> {
    let Change::AlterTable(alter) = subject.change else { return None };
    if !matches!(alter.object, AlterObject::Table | AlterObject::ForeignTable) {
        return None;
    }
    let facts = standing(subject, &alter.relation)?;
    Some((
        Table { name: facts.map_or_else(|| placed(subject, &alter.relation), RelationFacts::qualified), facts },
        alter,
    ))
}

/// A table that is to stay; the inner `None` for one that could not be looked up.
fn standing<'a>(subject: &Subject<'a>, name: &RelationName) -> Option<Option<&'a RelationFacts>> {
    match subject.known(name) {
        Known::Exists(facts) => Some(Some(facts)),
        Known::Own => match subject.facts.relation(name).flatten() {
            Some(facts) if facts.persistence == Persistence::Temporary => None,
            found => Some(found.filter(|_| !subject.earlier.made(name))),
        },
        Known::Missing => None,
        Known::Unknown => Some(None),
    }
}

/// Where a name without a schema will stand, as far as the search path says.
fn placed(subject: &Subject<'_>, name: &RelationName) -> RelationName {
    let named = |schema: &String| !schema.is_empty() && *schema != "$user";
    let first = schemas(&subject.facts.search_path).unwrap_or_default().into_iter().find(named);
    RelationName { schema: name.schema.clone().or(first), name: name.name.clone() }
}

/// Columns that the statement makes.
fn columns<'a>(subject: &Subject<'a>) -> Vec<(RelationName, &'a AddColumn)> {
    if let Some((table, create)) = made(subject) {
        return create.outline.columns.iter().map(|column| (table.name.clone(), column)).collect();
    }
    let Some((table, alter)) = altered(subject) else { return Vec::new() };
    let added = alter.actions.iter().filter_map(|action| match &action.kind {
        AlterKind::AddColumn(column) => Some(column),
        _ => None,
    });
    let new = added.filter(|column| table.facts.is_none_or(|facts| facts.column(&column.name).is_none()));
    new.map(|column| (table.name.clone(), column)).collect()
}

/// Constraints that the statement makes, those of its columns first.
fn constraints<'a>(subject: &Subject<'a>) -> Vec<(RelationName, &'a TableConstraint)> {
    let of_columns = columns(subject).into_iter();
    let mut all: Vec<(RelationName, &TableConstraint)> = of_columns
        .flat_map(|(table, column)| column.constraints.iter().map(move |constraint| (table.clone(), constraint)))
        .collect();
    if let Some((table, create)) = made(subject) {
        all.extend(create.outline.constraints.iter().map(|constraint| (table.name.clone(), constraint)));
    } else if let Some((table, alter)) = altered(subject) {
        all.extend(alter.actions.iter().filter_map(|action| match &action.kind {
            AlterKind::AddConstraint(constraint) => Some((table.name.clone(), constraint)),
            _ => None,
        }));
    }
    all
}

/// What gets a type: new columns, those whose type changes, those that a query casts, and domains.
fn typed<'a>(subject: &Subject<'a>) -> Vec<Typed<'a>> {
    let mut all: Vec<Typed<'a>> = columns(subject)
        .into_iter()
        .map(|(relation, column)| Typed {
            relation,
            column: Some(&column.name),
            type_name: &column.type_name,
            serial: column.serial,
            at: At::Byte(column.type_at),
        })
        .collect();
    if let Some((table, alter)) = altered(subject) {
        all.extend(alter.actions.iter().filter_map(|action| match &action.kind {
            AlterKind::AlterType { column, type_name, .. } => {
                let (relation, at) = (table.name.clone(), At::Last(column.clone()));
                Some(Typed { relation, column: Some(column), type_name, serial: None, at })
            }
            _ => None,
        }));
    }
    if let Some((table, create)) = made(subject) {
        all.extend(create.outline.queried.iter().filter_map(|column| {
            let (type_name, at) = column.cast.as_ref()?;
            let (relation, at) = (table.name.clone(), At::Byte(*at));
            Some(Typed { relation, column: Some(&column.name), type_name, serial: None, at })
        }));
    }
    if let Change::CreateDomain(domain) = subject.change {
        let (relation, at) = (placed(subject, &domain.name), At::Byte(domain.type_at));
        all.push(Typed { relation, column: None, type_name: &domain.type_name, serial: None, at });
    }
    all
}

/// What is of a built-in type, as hazards.
fn of_type(subject: &Subject<'_>, name: &str, message: impl Fn(&Typed<'_>) -> String) -> Vec<Hazard> {
    let built_in = |typed: &Typed<'_>| {
        typed.type_name.name == name && typed.type_name.schema.as_ref().is_none_or(|schema| schema == "pg_catalog")
    };
    let found = typed(subject).into_iter().filter(|typed| typed.serial.is_none() && built_in(typed));
    found
        .map(|typed| {
            let message = message(&typed);
            Hazard::defined(typed.relation, typed.at, message)
        })
        .collect()
}
