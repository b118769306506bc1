//! Functions that give one value for each row.

use std::sync::LazyLock;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::operator::no_function;
use super::relation::parts;
use super::{Done, Translator, Typed, quoted, unsupported};
use crate::kernel::wire::reply::Reply;
use crate::shell::sqlconsole::schema;
use crate::shell::sqlconsole::types::{self, Category, Type};

/// A verb in a place where it would run once for each row, or be hidden among other things.
pub(in crate::shell::sqlconsole) fn not_alone(verb: &str) -> Reply {
    Reply::error("0A000", format!("{verb}() does something, so it stands alone: SELECT {verb}(…) or CALL {verb}(…)"))
        .hint("It takes no values from a query. One statement for each ticket or job.")
}

impl Translator<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Done<Typed> {
        let name = parts(&function.name).pop().unwrap_or_default();
        if schema::verb(&name).is_some() {
            return Err(not_alone(&name));
        }
        if name == "array"
            && let FunctionArguments::Subquery(query) = &function.args
        {
            return self.array_of(query);
        }
        if let Some(aggregate) = self.aggregate(&name, function)? {
            return Ok(aggregate);
        }
        if function.over.is_some() || function.filter.is_some() {
            return Err(unsupported(&format!("{name} as a window function or with FILTER")));
        }
        let mut values = Vec::new();
        for argument in arguments(function)? {
            values.push(self.expression(argument)?);
        }
        if let Some(value) = self.of_asker(&name, &values) {
            return Ok(value);
        }
        self.of_values(&name, values)
    }

    fn array_of(&mut self, query: &sqlparser::ast::Query) -> Done<Typed> {
        let (sql, _) = self.scalar(query)?;
        let item = self.made_up();
        let sql = format!("(WITH {item}(v) AS ({sql}) SELECT coalesce(lk_array_agg(v), '{{}}') FROM {item})");
        Ok(Typed::new(sql, Type::Texts))
    }

    /// What says something of the session.
    fn of_asker(&mut self, name: &str, values: &[Typed]) -> Option<Typed> {
        let asker = self.given.asker;
        let constant = |text: &str, ty| Some(Typed::new(quoted(text), ty));
        let now = |ty| Some(Typed::new(self.given.now.to_string(), ty));
        match (name, values) {
            ("now" | "current_timestamp" | "localtimestamp", [])
            | ("statement_timestamp" | "transaction_timestamp" | "clock_timestamp", []) => now(Type::Timestamp),
            ("current_date", []) => Some(Typed::new(format!("lk_day({})", self.given.now), Type::Date)),
            ("version", []) => constant(&super::super::catalog::version(), Type::Text),
            ("current_user" | "user" | "current_role", []) => constant(&asker.name, Type::Name),
            ("session_user", []) => constant(&asker.login, Type::Name),
            ("current_database" | "current_catalog", []) => constant(&asker.database, Type::Name),
            ("current_schema", []) => constant(schema::PUBLIC, Type::Name),
            ("current_schemas", [_]) => constant("{pg_catalog,public}", Type::Texts),
            ("current_setting", [setting, ..]) => {
                let super::Origin::Literal(setting) = &setting.origin else {
                    let sql = setting.sql.clone();
                    let from = self.catalog("pg_settings");
                    return Some(Typed::new(format!("(SELECT setting FROM {from} WHERE name = {sql})"), Type::Text));
                };
                let found = asker.settings.iter().find(|(name, _)| name.eq_ignore_ascii_case(setting));
                Some(
                    found.map_or_else(
                        || Typed::new("NULL", Type::Text),
                        |(_, value)| Typed::new(quoted(value), Type::Text),
                    ),
                )
            }
            // Drivers turn it off and on around their questions about types; there is none here.
            ("set_config", [Typed { origin: super::Origin::Literal(name), .. }, value, _]) if name == "jit" => {
                let value = self.coerce(value.clone(), Type::Text).ok()?;
                Some(Typed::new(value.sql, Type::Text))
            }
            _ => None,
        }
    }

    fn of_values(&mut self, name: &str, values: Vec<Typed>) -> Done<Typed> {
        match (name, values.len()) {
            ("coalesce" | "greatest" | "least" | "nullif", 1..) => {
                let (values, ty) = self.common(values)?;
                let list = joined(&values);
                let sql = match (name, values.len()) {
                    (_, 1) => list,
                    ("greatest", _) => format!("lk_greatest({list})"),
                    ("least", _) => format!("lk_least({list})"),
                    _ => format!("{name}({list})"),
                };
                return Ok(Typed::new(sql, ty));
            }
            ("date_trunc", 2..=3) => return self.timed("lk_trunc", values, Type::Timestamp),
            ("date_part", 2) => return self.timed("lk_part", values, Type::Float8),
            ("age", 1 | 2) => return self.age(values),
            ("abs" | "round" | "trunc" | "sign" | "ceil" | "ceiling" | "floor" | "mod" | "power" | "sqrt", 1..=2) => {
                return self.numeric(name, values);
            }
            ("pg_get_userbyid", 1) => return Ok(Typed::new(quoted(&self.given.asker.name), Type::Name)),
            ("format_type", 2) => {
                let sql = format!("lk_format_type({})", values.first().map_or("NULL", |value| value.sql.as_str()));
                return Ok(Typed::new(sql, Type::Text));
            }
            _ => {}
        }
        let Some(Simple { sql, ty, kinds, .. }) = simple(name, values.len()) else {
            let known: Vec<Type> = values.iter().map(|value| value.ty).collect();
            return Err(no_function(name, &known));
        };
        let mut list = Vec::new();
        for (value, at) in values.into_iter().zip(0..) {
            // One letter for each argument; the last stands for all that follow.
            let kind = kinds.chars().nth(at).or_else(|| kinds.chars().last()).unwrap_or('t');
            list.push(match kind {
                't' => {
                    let value = self.settled(value)?;
                    self.as_text(value).sql
                }
                'n' => self.coerce(value, Type::Int8)?.sql,
                'a' => self.coerce(value, Type::Texts)?.sql,
                _ => self.settled(value)?.sql,
            });
        }
        Ok(Typed::new(sql.replacen("{}", &list.join(", "), 1), *ty))
    }

    fn timed(&mut self, function: &str, values: Vec<Typed>, ty: Type) -> Done<Typed> {
        let mut values = values.into_iter();
        let (Some(field), Some(value)) = (values.next(), values.next()) else {
            return Err(no_function(function, &[]));
        };
        let field = self.settled(field)?;
        let value = self.coerce(value, Type::Timestamp)?;
        let interval = value.ty.category() == Category::Interval;
        if !interval && value.ty.category() != Category::Time {
            return Err(no_function(function.trim_start_matches("lk_"), &[field.ty, value.ty]));
        }
        let function = if function == "lk_part" { "lk_extract" } else { function };
        let ty = if interval && ty == Type::Timestamp { Type::Interval } else { ty };
        Ok(Typed::new(format!("{function}({}, {}, {})", field.sql, value.sql, i32::from(interval)), ty))
    }

    /// With one time: since then, counted from last midnight, as PostgreSQL does.
    fn age(&mut self, values: Vec<Typed>) -> Done<Typed> {
        let mut times = Vec::new();
        for value in values {
            let value = self.coerce(value, Type::Timestamp)?;
            if value.ty.category() != Category::Time {
                return Err(no_function("age", &[value.ty]));
            }
            times.push(value.sql);
        }
        let sql = match times.as_slice() {
            [since] => format!("(lk_day({}) - {since})", self.given.now),
            [one, other] => format!("({one} - {other})"),
            _ => return Err(no_function("age", &[])),
        };
        Ok(Typed::new(sql, Type::Interval))
    }

    fn numeric(&mut self, name: &str, values: Vec<Typed>) -> Done<Typed> {
        let mut list = Vec::new();
        let mut ty = Type::Int2;
        for value in values {
            let value = self.coerce(value, Type::Float8)?;
            if value.ty.category() != Category::Number && value.ty != Type::Unknown {
                return Err(no_function(name, &[value.ty]));
            }
            ty = super::operator::wider(ty, value.ty);
            list.push(value.sql);
        }
        let list = list.join(", ");
        Ok(match name {
            "abs" | "sign" => Typed::new(format!("{name}({list})"), ty),
            "mod" => Typed::new(format!("lk_mod({list})"), ty),
            "round" => Typed::new(format!("round({list})"), Type::Float8),
            "ceiling" => Typed::new(format!("lk_ceil({list})"), Type::Float8),
            _ => Typed::new(format!("lk_{name}({list})"), Type::Float8),
        })
    }
}

/// The arguments by position; functions take none by name.
pub(super) fn arguments(function: &Function) -> Done<Vec<&Expr>> {
    match &function.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::Subquery(_) => Err(unsupported("a query as an argument")),
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(expression),
                _ => Err(unsupported("this form of argument")),
            })
            .collect(),
    }
}

fn joined(values: &[Typed]) -> String {
    values.iter().map(|value| value.sql.as_str()).collect::<Vec<_>>().join(", ")
}

/// A function: what the engine calls it, what it gives, a letter for each argument.
#[derive(Debug)]
struct Simple {
    names: Vec<&'static str>,
    fewest: usize,
    most: usize,
    sql: &'static str,
    ty: Type,
    kinds: &'static str,
}

static SIMPLE: LazyLock<Vec<Simple>> =
    LazyLock::new(|| include_str!("functions.txt").lines().filter_map(read).collect());

fn read(line: &'static str) -> Option<Simple> {
    let mut fields = line.split('|').map(str::trim).filter(|_| !line.starts_with('#'));
    let names: Vec<&str> = fields.next()?.split_whitespace().collect();
    let (fewest, most) = fields.next()?.split_once(' ')?;
    let sql = fields.next()?;
    let ty = types::named(fields.next()?)?;
    let kinds = fields.next()?;
    Some(Simple { names, fewest: fewest.parse().ok()?, most: most.parse().ok()?, sql, ty, kinds })
}

fn simple(name: &str, count: usize) -> Option<&'static Simple> {
    SIMPLE.iter().find(|one| one.names.contains(&name) && (one.fewest..=one.most).contains(&count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_read() {
        let lines = include_str!("functions.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(lines.count(), SIMPLE.len());
    }
}
