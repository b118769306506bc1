//! The names a statement gives.

use super::{altered, made, placed, standing};
use crate::kernel::facts::NameKind;
use crate::kernel::plan::names::{index_middle, object_name};
use crate::kernel::rules::subject::Subject;
use crate::kernel::sql::statement::{
    AddColumn, AlterKind, Change, ConstraintKind, CreateIndex, QueriedColumn, RelationName, Rename, TableConstraint,
};
use crate::kernel::sql::words;
use crate::kernel::sql::write::NAME_BYTES;

/// Where in the message something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The word that begins at this byte.
    Byte(usize),
    /// The first word of this name from this byte on.
    From(usize, String),
    /// The first word of this name in the statement, or the last.
    First(String),
    Last(String),
}

/// A name that is given to something.
#[derive(Clone, Debug)]
pub(super) struct Made<'a> {
    pub(super) kind: NameKind,
    pub(super) name: String,
    /// The table it is of, or it itself.
    pub(super) table: RelationName,
    /// The columns it is of, where they are known.
    pub(super) columns: Option<Vec<&'a str>>,
    pub(super) at: At,
    /// Written in the statement; else the server makes it up.
    pub(super) written: bool,
}

impl Made<'_> {
    /// `the column at of public.orders`, its name as it is to be shown.
    pub(super) fn described(&self, shown: &str) -> String {
        let own = matches!(self.kind, NameKind::Table | NameKind::View | NameKind::Sequence);
        let of = if own { String::new() } else { format!(" of {}", self.table.written()) };
        format!("the {} {shown}{of}", self.kind.words())
    }
}

impl At {
    /// As bytes of a text, looking for names in the statement that begins at `from`.
    #[must_use]
    pub fn range(&self, text: &str, from: std::ops::Range<usize>) -> Option<std::ops::Range<usize>> {
        let statement = text.get(from.clone())?;
        // The grammar has cut what is too long.
        let is = |word: &words::Word, name: &str| {
            word.name == name || (word.name.len() > NAME_BYTES && word.name.starts_with(name))
        };
        let placed = |word: words::Word| from.start + word.at.start..from.start + word.at.end;
        match self {
            Self::Byte(at) => words::word_at(text, *at).map(|word| word.at),
            Self::From(at, name) => {
                let found = words::words(text.get(*at..from.end)?).find(|word| is(word, name));
                found.map(|word| at + word.at.start..at + word.at.end)
            }
            Self::First(name) => words::words(statement).find(|word| is(word, name)).map(placed),
            Self::Last(name) => words::words(statement).filter(|word| is(word, name)).last().map(placed),
        }
    }
}

/// All names, those first that stand first.
pub(super) fn names<'a>(subject: &Subject<'a>) -> Vec<Made<'a>> {
    let mut all = Vec::new();
    match subject.change {
        Change::CreateTable(create) => {
            if create.view {
                all.extend(plain(subject, NameKind::View, &create.relation));
            } else if let Some((table, _)) = made(subject) {
                all.extend(plain(subject, NameKind::Table, &create.relation));
                all.extend(create.outline.columns.iter().map(|of| column(&table.name, of)));
                all.extend(create.outline.queried.iter().filter_map(|of| queried(&table.name, of)));
            }
        }
        Change::AlterTable(_) => {
            let Some((table, alter)) = altered(subject) else { return all };
            all.extend(super::columns(subject).into_iter().map(|(_, of)| column(&table.name, of)));
            for action in &alter.actions {
                if let AlterKind::AddConstraintUsingIndex { name: Some(name), primary_key, index, .. } = &action.kind {
                    let kind = if *primary_key { NameKind::PrimaryKey } else { NameKind::Unique };
                    let of = table.facts.and_then(|facts| facts.index(index)).map(|index| strings(&index.parts));
                    let at = At::First(name.clone());
                    all.push(Made { columns: of, ..written(kind, name, &table.name, at) });
                }
            }
        }
        Change::CreateIndex(create) => all.extend(index(subject, create)),
        Change::Rename(rename) => all.extend(renamed(subject, rename)),
        Change::Brief { command: "CREATE VIEW", relation: Some(name) } => {
            all.extend(plain(subject, NameKind::View, name));
        }
        Change::Brief { command: "CREATE SEQUENCE", relation: Some(name) } => {
            all.extend(plain(subject, NameKind::Sequence, name));
        }
        _ => {}
    }
    all.extend(super::constraints(subject).into_iter().filter_map(|(table, of)| constraint(&table, of)));
    all
}

fn strings(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

fn written<'a>(kind: NameKind, name: &str, table: &RelationName, at: At) -> Made<'a> {
    Made { kind, name: name.to_owned(), table: table.clone(), columns: None, at, written: true }
}

/// A relation that is not a table's part.
fn plain<'a>(subject: &Subject<'_>, kind: NameKind, name: &RelationName) -> Option<Made<'a>> {
    let temporary = name.schema.as_deref() == Some("pg_temp");
    (!temporary).then(|| written(kind, &name.name, &placed(subject, name), At::First(name.name.clone())))
}

fn column<'a>(table: &RelationName, of: &'a AddColumn) -> Made<'a> {
    Made { columns: Some(vec![&of.name]), ..written(NameKind::Column, &of.name, table, At::Byte(of.at)) }
}

fn queried<'a>(table: &RelationName, of: &'a QueriedColumn) -> Option<Made<'a>> {
    let at = At::From(of.name_at?, of.name.clone());
    Some(Made { columns: Some(vec![&of.name]), ..written(NameKind::Column, &of.name, table, at) })
}

fn index<'a>(subject: &Subject<'_>, create: &'a CreateIndex) -> Option<Made<'a>> {
    let table = standing(subject, &create.relation)?;
    let table = table.map_or_else(|| placed(subject, &create.relation), |facts| facts.qualified());
    let middle = || index_middle(create.elements.iter().map(|element| element.name_part.as_str()));
    let name = create.name.clone().unwrap_or_else(|| object_name(&table.name, &middle(), "idx"));
    Some(Made {
        kind: NameKind::Index,
        columns: Some(create.elements.iter().map(|element| element.name_part.as_str()).collect()),
        at: At::First(if create.name.is_some() { name.clone() } else { create.relation.name.clone() }),
        written: create.name.is_some(),
        name,
        table,
    })
}

fn constraint<'a>(table: &RelationName, of: &'a TableConstraint) -> Option<Made<'a>> {
    let (kind, label) = match of.kind {
        ConstraintKind::PrimaryKey { .. } => (NameKind::PrimaryKey, "pkey"),
        ConstraintKind::Unique { .. } => (NameKind::Unique, "key"),
        ConstraintKind::ForeignKey { .. } => (NameKind::ForeignKey, "fkey"),
        ConstraintKind::Check { .. } => (NameKind::Check, "check"),
        ConstraintKind::Exclude => (NameKind::Exclusion, "excl"),
        ConstraintKind::NotNull => return None,
    };
    let middle = match (&of.kind, of.columns.as_slice()) {
        (ConstraintKind::PrimaryKey { .. }, _) => String::new(),
        (ConstraintKind::Check { .. }, [_, _, ..]) => String::new(),
        (_, columns) => index_middle(columns.iter().map(String::as_str)),
    };
    let name = of.name.clone().unwrap_or_else(|| object_name(&table.name, &middle, label));
    Some(Made {
        kind,
        table: table.clone(),
        columns: Some(strings(&of.columns)),
        // CONSTRAINT stands first where a name does.
        at: if of.name.is_some() { At::First(name.clone()) } else { At::Byte(of.at) },
        written: of.name.is_some(),
        name,
    })
}

fn renamed<'a>(subject: &Subject<'a>, rename: &Rename) -> Option<Made<'a>> {
    let name = rename.relation.as_ref()?;
    let facts = standing(subject, name)?;
    // SET SCHEMA is read as a rename too.
    if rename.moves {
        return None;
    }
    let mut columns = None;
    let kind = match rename.what {
        "table" => NameKind::Table,
        "column" => NameKind::Column,
        "index" => NameKind::Index,
        "view" | "materialized view" => NameKind::View,
        "sequence" => NameKind::Sequence,
        "constraint" => {
            let constraint = facts?.constraint(&rename.from)?;
            columns = Some(strings(&constraint.columns));
            match constraint.kind {
                'p' => NameKind::PrimaryKey,
                'u' => NameKind::Unique,
                'f' => NameKind::ForeignKey,
                'c' => NameKind::Check,
                'x' => NameKind::Exclusion,
                _ => return None,
            }
        }
        _ => return None,
    };
    let table = if kind == NameKind::Index {
        columns = facts?.index(&rename.from).map(|index| strings(&index.parts)).filter(|parts| !parts.is_empty());
        facts?.index_of.clone()?
    } else {
        facts.map_or_else(|| placed(subject, name), |facts| facts.qualified())
    };
    Some(Made { columns, ..written(kind, &rename.to, &table, At::Last(rename.to.clone())) })
}
