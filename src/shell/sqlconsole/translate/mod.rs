//! A query in PostgreSQL's words becomes one for the embedded engine, with the types of its columns and parameters.
//!
//! PostgreSQL's own grammar has accepted the text before; here it is read as a tree, every name is looked up, and
//! every expression gets its type as PostgreSQL would give it. What the engine would read otherwise (order of NULLs,
//! LIKE, times, arrays, casts) is spelled out.

mod aggregate;
mod cast;
mod expression;
mod function;
mod operator;
mod relation;
mod scope;
mod select;

use std::collections::BTreeMap;

use sqlparser::ast::{Query, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use self::scope::{Cte, Scope};
use super::catalog::Asker;
use super::schema::Table;
use super::types::{self, Reg, Type};
use crate::kernel::wire::reply::Reply;

pub(super) use self::function::not_alone;
pub(super) use self::scope::Output;

/// Longest text that is translated, in bytes.
pub(super) const TEXT_MAX: usize = 64 << 10;

type Done<T> = Result<T, Reply>;

/// A query for the engine.
#[derive(Clone, Debug)]
pub(super) struct Translated {
    pub(super) sql: String,
    pub(super) columns: Vec<Output>,
    pub(super) parameters: Vec<Type>,
    /// The relations it reads, and which of their rows are enough.
    pub(super) reads: BTreeMap<String, Read>,
}

/// What is read of a relation.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) table: &'static Table,
    /// How often the query names it.
    times: u32,
    /// Rows that have none of these values in a column cannot be part of the answer.
    pub(super) only: BTreeMap<String, Vec<Wanted>>,
}

/// A value that a column must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Value(String),
    Parameter(usize),
}

/// What a query is translated with.
pub(super) struct Given<'a> {
    pub(super) asker: &'a Asker,
    /// Microseconds since 1970.
    pub(super) now: i64,
    /// Types the client has said, by position.
    pub(super) parameters: &'a [Type],
}

/// The one statement of a text.
pub(super) fn read(text: &str) -> Done<Statement> {
    let unsupported = |why: &str| {
        Reply::error(code::UNSUPPORTED, "the console does not know this form of statement").detail(why.to_owned())
    };
    let mut statements =
        Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(|error| unsupported(&error.to_string()))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(unsupported("It is read as more than one statement.")),
    }
}

/// Translates a query.
pub(super) fn translate(query: &Query, given: &Given<'_>) -> Done<Translated> {
    let mut translator = Translator {
        given,
        current: Scope::default(),
        outer: Vec::new(),
        ctes: Vec::new(),
        reads: BTreeMap::new(),
        parameters: given.parameters.to_vec(),
        aliases: 0,
    };
    let (sql, columns) = translator.query(query)?;
    let (sql, columns) = translator.shown(sql, columns);
    let mut reads = translator.reads;
    for read in reads.values_mut().filter(|read| read.times > 1) {
        read.only.clear();
    }
    Ok(Translated { sql, columns, parameters: translator.parameters, reads })
}

/// SQLSTATEs of PostgreSQL's that only the console gives.
pub(super) mod code {
    pub(in crate::shell::sqlconsole) const UNSUPPORTED: &str = "0A000";
    pub(super) const UNDEFINED_COLUMN: &str = "42703";
    pub(super) const UNDEFINED_TABLE: &str = "42P01";
    pub(super) const UNDEFINED_FUNCTION: &str = "42883";
    pub(super) const UNDEFINED_OBJECT: &str = "42704";
    pub(super) const AMBIGUOUS_COLUMN: &str = "42702";
    pub(super) const DUPLICATE_ALIAS: &str = "42712";
    pub(super) const DATATYPE_MISMATCH: &str = "42804";
    pub(in crate::shell::sqlconsole) const SYNTAX: &str = "42601";
    pub(super) const UNDEFINED_PARAMETER: &str = "42P02";
}

struct Translator<'a> {
    given: &'a Given<'a>,
    current: Scope,
    /// Of the queries around, innermost last.
    outer: Vec<Scope>,
    ctes: Vec<Cte>,
    reads: BTreeMap<String, Read>,
    parameters: Vec<Type>,
    /// Made-up names so far.
    aliases: u32,
}

/// An expression for the engine, and what is known of it.
#[derive(Clone, Debug)]
struct Typed {
    sql: String,
    ty: Type,
    origin: Origin,
}

/// Where an expression comes from, as far as that matters for its type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A quoted literal: its place says what it is.
    Literal(String),
    /// A parameter, counted from 0.
    Parameter(usize),
    Other,
}

impl Typed {
    fn new(sql: impl Into<String>, ty: Type) -> Self {
        Self { sql: sql.into(), ty, origin: Origin::Other }
    }

    fn literal(text: &str) -> Self {
        Self { sql: quoted(text), ty: Type::Unknown, origin: Origin::Literal(text.to_owned()) }
    }
}

/// A text as a literal of the engine, which knows no NUL in one.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}

/// A name of the engine's.
fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

fn unsupported(what: &str) -> Reply {
    Reply::error(code::UNSUPPORTED, format!("the console does not support {what}"))
}

fn mismatch(what: &str, wanted: &str, found: Type) -> Reply {
    Reply::error(code::DATATYPE_MISMATCH, format!("argument of {what} must be type {wanted}, not type {}", found.sql()))
}

impl Translator<'_> {
    fn made_up(&mut self) -> String {
        self.aliases += 1;
        format!("lk_{}", self.aliases)
    }

    /// The type of a value decided by where it stands.
    fn coerce(&mut self, value: Typed, ty: Type) -> Done<Typed> {
        match &value.origin {
            Origin::Literal(text) if value.ty == Type::Unknown => {
                if let Type::Reg(reg) = ty {
                    return self.lookup(text, reg);
                }
                Ok(Typed::new(constant(text, ty)?, ty))
            }
            Origin::Parameter(at) if value.ty == Type::Unknown => {
                if let Some(known) = self.parameters.get_mut(*at) {
                    *known = ty;
                }
                Ok(Typed { ty, ..value })
            }
            _ => Ok(value),
        }
    }

    /// What nobody has decided is text.
    fn settled(&mut self, value: Typed) -> Done<Typed> {
        if value.ty == Type::Unknown { self.coerce(value, Type::Text) } else { Ok(value) }
    }

    /// What is shown by its name gets it.
    fn shown(&mut self, sql: String, columns: Vec<Output>) -> (String, Vec<Output>) {
        if !columns.iter().any(|column| matches!(column.ty, Type::Reg(_))) {
            return (sql, columns);
        }
        let names: Vec<String> = (0..columns.len()).map(|at| format!("\"c{at}\"")).collect();
        let shown = names.iter().zip(&columns).map(|(name, column)| match column.ty {
            Type::Reg(reg) => self.named(name, reg),
            _ => name.clone(),
        });
        let shown: Vec<String> = shown.collect();
        let sql = format!("WITH lk_shown({}) AS ({sql}) SELECT {} FROM lk_shown", names.join(", "), shown.join(", "));
        let text = |column: Output| match column.ty {
            Type::Reg(_) => Output { ty: Type::Text, ..column },
            _ => column,
        };
        (sql, columns.into_iter().map(text).collect())
    }

    /// The name of an object by its number, as SQL.
    fn named(&mut self, sql: &str, reg: Reg) -> String {
        let (table, column) = match reg {
            Reg::Class => ("pg_class", "relname"),
            Reg::Type => return format!("lk_format_type({sql})"),
            Reg::Proc => ("pg_proc", "proname"),
            Reg::Namespace => ("pg_namespace", "nspname"),
            Reg::Role => ("pg_roles", "rolname"),
        };
        let from = self.catalog(table);
        format!("coalesce((SELECT {column} FROM {from} AS lk_o WHERE lk_o.oid = {sql}), CAST({sql} AS TEXT))")
    }

    /// The number of an object by its name.
    fn lookup(&mut self, text: &str, reg: Reg) -> Done<Typed> {
        if text.parse::<u32>().is_ok() {
            return Ok(Typed::new(text, Type::Reg(reg)));
        }
        let plain = text.replace('"', "");
        let (schema, bare) = plain.split_once('.').map_or((None, plain.as_str()), |(a, b)| (Some(a), b));
        let found = match reg {
            Reg::Class => super::schema::find(schema, bare).map(|table| table.oid),
            Reg::Type => types::by_name(bare).map(|ty| ty.oid().into()),
            Reg::Proc => super::schema::verb(bare).map(|verb| verb.oid),
            Reg::Namespace => super::catalog::SCHEMAS.iter().find(|(_, name)| *name == bare).map(|(oid, _)| *oid),
            Reg::Role => (bare == self.given.asker.name).then_some(10),
        };
        let number = found.ok_or_else(|| match reg {
            Reg::Class => Reply::error(code::UNDEFINED_TABLE, format!("relation \"{text}\" does not exist")),
            _ => Reply::error(code::UNDEFINED_OBJECT, format!("\"{text}\" does not exist")),
        })?;
        Ok(Typed::new(number.to_string(), Type::Reg(reg)))
    }
}

/// A literal of a known type.
fn constant(text: &str, ty: Type) -> Done<String> {
    use rusqlite::types::Value;
    let value = super::time::input(text, ty).map_err(|bad| Reply::error(bad.code, bad.message))?;
    Ok(match value {
        Value::Integer(number) => number.to_string(),
        Value::Real(number) if number.is_finite() => format!("{number:?}"),
        Value::Real(_) => return Err(unsupported("numbers that are not finite")),
        Value::Text(text) => quoted(&text),
        Value::Null | Value::Blob(_) => "NULL".to_owned(),
    })
}
