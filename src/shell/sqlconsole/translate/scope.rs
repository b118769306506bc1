//! What a name can stand for, at a place of a query.

use sqlparser::ast::Ident;

use super::super::types::Type;
use super::{Done, Translator, Typed, code, name};
use crate::kernel::wire::reply::Reply;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell::sqlconsole) struct Output {
    pub(in crate::shell::sqlconsole) name: String,
    pub(in crate::shell::sqlconsole) ty: Type,
}

/// A query with a name (`WITH`).
#[derive(Clone, Debug)]
pub(super) struct Cte {
    pub(super) name: String,
    pub(super) columns: Vec<Output>,
}

/// A relation in a FROM clause.
#[derive(Clone, Debug)]
pub(super) struct Relation {
    pub(super) alias: String,
    pub(super) columns: Vec<Output>,
    /// The relation of the schema it is, if it is one.
    pub(super) table: Option<&'static str>,
    /// What the engine calls its only column, where that is not its name here.
    pub(super) engine: Option<&'static str>,
    /// Columns that a join by name has made one with those of a relation before.
    pub(super) merged: Vec<String>,
}

/// The relations of one SELECT.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    /// Columns of the result that ORDER BY and GROUP BY may name.
    pub(super) outputs: Vec<Output>,
}

/// A name as PostgreSQL folds it.
pub(super) fn folded(ident: &Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl Relation {
    pub(super) fn column(&self, column: &str) -> Option<Typed> {
        let found = self.columns.iter().find(|output| output.name == column)?;
        let engine = self.engine.unwrap_or(&found.name);
        Some(Typed::new(format!("{}.{}", name(&self.alias), name(engine)), found.ty))
    }
}

impl Translator<'_> {
    /// From the innermost query outwards.
    fn seen(&self) -> impl Iterator<Item = &Scope> {
        std::iter::once(&self.current).chain(self.outer.iter().rev())
    }

    /// What a bare name stands for, from the innermost query outwards.
    pub(super) fn column(&self, ident: &Ident) -> Done<Typed> {
        let wanted = folded(ident);
        for scope in self.seen() {
            let mut found = scope
                .relations
                .iter()
                .filter(|relation| !relation.merged.contains(&wanted))
                .filter_map(|relation| relation.column(&wanted));
            match (found.next(), found.next()) {
                (Some(column), None) => return Ok(column),
                (Some(_), Some(_)) => {
                    let message = format!("column reference \"{wanted}\" is ambiguous");
                    return Err(Reply::error(code::AMBIGUOUS_COLUMN, message));
                }
                (None, _) => {}
            }
        }
        Err(self.no_column(&wanted, None))
    }

    /// What `relation.column` stands for.
    pub(super) fn qualified(&self, relation: &Ident, column: &Ident) -> Done<Typed> {
        let (relation, column) = (folded(relation), folded(column));
        for scope in self.seen() {
            if let Some(found) = scope.relations.iter().find(|one| one.alias == relation) {
                return found.column(&column).ok_or_else(|| self.no_column(&column, Some(&relation)));
            }
        }
        let message = format!("missing FROM-clause entry for table \"{relation}\"");
        Err(Reply::error(code::UNDEFINED_TABLE, message))
    }

    /// The error, with the nearest name that is there.
    fn no_column(&self, wanted: &str, relation: Option<&str>) -> Reply {
        let relations = self.seen().flat_map(|scope| &scope.relations);
        let candidates = relations.filter(|one| relation.is_none_or(|name| one.alias == name)).flat_map(|one| {
            one.columns.iter().map(move |column| (strsim::damerau_levenshtein(&column.name, wanted), one, column))
        });
        let near = candidates.min_by_key(|(distance, ..)| *distance).filter(|(distance, ..)| *distance <= 3);
        let full = relation.map_or_else(|| format!("\"{wanted}\""), |relation| format!("{relation}.{wanted}"));
        let reply = Reply::error(code::UNDEFINED_COLUMN, format!("column {full} does not exist"));
        match near {
            Some((_, one, column)) => {
                reply.hint(format!("Perhaps you meant to reference the column \"{}.{}\".", one.alias, column.name))
            }
            None => reply,
        }
    }
}
