//! The FROM clause.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};

use super::super::schema::{self, Table};
use super::super::types::Type;
use super::scope::{Output, Relation, folded};
use super::{Done, Read, Translator, code, name, unsupported};
use crate::kernel::wire::reply::Reply;

/// Parts of a dotted name, folded.
pub(super) fn parts(object: &ObjectName) -> Vec<String> {
    object.0.iter().filter_map(|part| part.as_ident().map(folded)).collect()
}

impl Translator<'_> {
    /// The clause, and its relations in the innermost scope.
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Done<String> {
        let mut clauses = Vec::with_capacity(from.len());
        for item in from {
            clauses.push(self.joined(item)?);
        }
        Ok(clauses.join(", "))
    }

    fn joined(&mut self, item: &TableWithJoins) -> Done<String> {
        let mut sql = self.factor(&item.relation)?;
        for join in &item.joins {
            let (word, constraint) = match &join.join_operator {
                JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => ("JOIN", constraint),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => ("LEFT JOIN", constraint),
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => ("RIGHT JOIN", constraint),
                JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
                JoinOperator::CrossJoin(constraint) => ("CROSS JOIN", constraint),
                _ => return Err(unsupported("this kind of join")),
            };
            let before = self.relations().len();
            let relation = self.factor(&join.relation)?;
            let on = self.constraint(constraint, before)?;
            sql = format!("{sql} {word} {relation}{on}");
        }
        Ok(sql)
    }

    fn relations(&mut self) -> &mut Vec<Relation> {
        &mut self.current.relations
    }

    fn constraint(&mut self, constraint: &JoinConstraint, before: usize) -> Done<String> {
        let names: Vec<String> = match constraint {
            JoinConstraint::None => return Ok(String::new()),
            JoinConstraint::On(condition) => return Ok(format!(" ON {}", self.condition(condition, "JOIN/ON")?)),
            JoinConstraint::Using(names) => names.iter().flat_map(parts).collect(),
            JoinConstraint::Natural => {
                let (left, right) = self.relations().split_at(before);
                let has = |name: &str| left.iter().any(|one| one.columns.iter().any(|column| column.name == name));
                let columns = right.iter().flat_map(|one| &one.columns);
                columns.map(|column| column.name.clone()).filter(|name| has(name)).collect()
            }
        };
        let (left, right) = self.relations().split_at_mut(before);
        let mut conditions = Vec::new();
        for wanted in &names {
            let missing = || {
                let message = format!("column \"{wanted}\" specified in USING clause does not exist in both tables");
                Reply::error(code::UNDEFINED_COLUMN, message)
            };
            let one = left.iter().find_map(|relation| relation.column(wanted)).ok_or_else(missing)?;
            let other = right.iter().find_map(|relation| relation.column(wanted)).ok_or_else(missing)?;
            conditions.push(format!("{} = {}", one.sql, other.sql));
            right.iter_mut().for_each(|relation| relation.merged.push(wanted.clone()));
        }
        Ok(if conditions.is_empty() { " ON 1".to_owned() } else { format!(" ON {}", conditions.join(" AND ")) })
    }

    fn factor(&mut self, factor: &TableFactor) -> Done<String> {
        match factor {
            TableFactor::Table { name: object, alias, args: None, .. } => self.table(object, alias.as_ref()),
            TableFactor::Table { name: object, alias, args: Some(args), .. } => {
                self.function_relation(object, &args.args, alias.as_ref())
            }
            TableFactor::Function { name: object, args, alias, .. } => {
                self.function_relation(object, args, alias.as_ref())
            }
            TableFactor::Derived { subquery, alias, lateral: false, .. } => {
                // What stands beside it is not seen from within.
                let scope = std::mem::take(self.relations());
                let query = self.query(subquery);
                *self.relations() = scope;
                let (sql, columns) = query?;
                let made_up = self.made_up();
                let (alias, columns) = renamed(alias.as_ref(), &made_up, columns);
                self.derived(&sql, alias, columns)
            }
            TableFactor::Derived { lateral: true, .. } => Err(unsupported("LATERAL")),
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                Ok(format!("({})", self.joined(table_with_joins)?))
            }
            TableFactor::UNNEST { array_exprs, alias, .. } => match array_exprs.as_slice() {
                [array] => self.unnest(array, alias.as_ref()),
                _ => Err(unsupported("unnest of several arrays")),
            },
            _ => Err(unsupported("this form of FROM")),
        }
    }

    fn enter(&mut self, relation: Relation) -> Done<()> {
        if self.relations().iter().any(|one| one.alias == relation.alias) {
            let message = format!("table name \"{}\" specified more than once", relation.alias);
            return Err(Reply::error(code::DUPLICATE_ALIAS, message));
        }
        self.relations().push(relation);
        Ok(())
    }

    /// A query in place of a relation. Its columns get their names here, whatever they are within.
    fn derived(&mut self, sql: &str, alias: String, columns: Vec<Output>) -> Done<String> {
        let names: Vec<String> = columns.iter().map(|column| name(&column.name)).collect();
        let inner = self.made_up();
        let select = format!(
            "(WITH {inner}({}) AS ({sql}) SELECT * FROM {inner}) AS {}",
            unique(&names).join(", "),
            name(&alias)
        );
        self.enter(Relation { alias, columns, table: None, engine: None, merged: Vec::new() })?;
        Ok(select)
    }

    fn table(&mut self, object: &ObjectName, alias: Option<&TableAlias>) -> Done<String> {
        let parts = parts(object);
        let (schema, bare) = match parts.as_slice() {
            [bare] => (None, bare.as_str()),
            [.., schema, bare] => (Some(schema.as_str()), bare.as_str()),
            [] => return Err(unsupported("a relation without a name")),
        };
        let cte = self.ctes.iter().rev().find(|cte| schema.is_none() && cte.name == bare).cloned();
        let (source, columns, table) = match cte {
            Some(cte) => (name(&cte.name), cte.columns, None),
            None => {
                let table = schema::find(schema, bare).ok_or_else(|| no_relation(&parts.join("."), bare))?;
                let columns = table.columns.iter();
                let columns = columns.map(|column| Output { name: column.name.to_owned(), ty: column.ty }).collect();
                (self.reading(table), columns, Some(table.name))
            }
        };
        if alias.is_some_and(|alias| !alias.columns.is_empty()) {
            let (alias, columns) = renamed(alias, bare, columns);
            return self.derived(&format!("SELECT * FROM {source}"), alias, columns);
        }
        let alias = alias.map_or_else(|| bare.to_owned(), |alias| folded(&alias.name));
        let sql = format!("{source} AS {}", name(&alias));
        self.enter(Relation { alias, columns, table, engine: None, merged: Vec::new() })?;
        Ok(sql)
    }

    /// Notes that a relation is read; its name for the engine.
    fn reading(&mut self, table: &'static Table) -> String {
        let key = engine_name(table);
        let read = self.reads.entry(key.clone());
        read.or_insert_with(|| Read { table, times: 0, only: std::collections::BTreeMap::new() }).times += 1;
        name(&key)
    }

    /// A relation of the catalog for a look-up of our own.
    pub(super) fn catalog(&mut self, table: &str) -> String {
        schema::find(Some("pg_catalog"), table).map_or_else(|| name(table), |table| self.reading(table))
    }

    fn function_relation(
        &mut self,
        object: &ObjectName,
        arguments: &[FunctionArg],
        alias: Option<&TableAlias>,
    ) -> Done<String> {
        let function = parts(object).pop().unwrap_or_default();
        let mut expressions = Vec::new();
        for argument in arguments {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => expressions.push(expression),
                _ => return Err(unsupported("arguments by name here")),
            }
        }
        match (function.as_str(), expressions.as_slice()) {
            ("unnest", [array]) => self.unnest(array, alias),
            ("generate_series", [from, to]) => {
                let from = self.whole(from)?;
                let to = self.whole(to)?;
                let series = self.made_up();
                let sql = format!(
                    "WITH RECURSIVE {series}(n) AS (SELECT {from} WHERE {from} <= {to} \
                     UNION ALL SELECT n + 1 FROM {series} WHERE n < {to}) SELECT n FROM {series}"
                );
                let column = vec![Output { name: function.clone(), ty: Type::Int8 }];
                let (alias, columns) = alone(alias, &function, column);
                self.derived(&sql, alias, columns)
            }
            (verb, _) if schema::verb(verb).is_some() => Err(super::function::not_alone(verb)),
            _ => {
                let message = format!("function {function} does not exist, or returns no rows");
                Err(Reply::error(code::UNDEFINED_FUNCTION, message))
            }
        }
    }

    fn whole(&mut self, expression: &Expr) -> Done<String> {
        let value = self.expression(expression)?;
        Ok(self.coerce(value, Type::Int8)?.sql)
    }

    fn unnest(&mut self, array: &Expr, alias: Option<&TableAlias>) -> Done<String> {
        let value = self.expression(array)?;
        let value = self.coerce(value, Type::Texts)?;
        let column = vec![Output { name: "unnest".to_owned(), ty: Type::Text }];
        let (alias, columns) = alone(alias, "unnest", column);
        let sql = format!("json_each(lk_array_json({})) AS {}", value.sql, name(&alias));
        self.enter(Relation { alias, columns, table: None, engine: Some("value"), merged: Vec::new() })?;
        Ok(sql)
    }
}

/// The engine's name of a relation: its own database has no schemas.
pub(in crate::shell::sqlconsole) fn engine_name(table: &Table) -> String {
    format!("{}.{}", table.schema, table.name)
}

/// Names that are written twice get a number: within a query nobody can ask for them.
fn unique(names: &[String]) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names
        .iter()
        .enumerate()
        .map(|(at, one)| if seen.insert(one.to_lowercase()) { one.clone() } else { format!("\"lk_again_{at}\"") })
        .collect()
}

fn renamed(alias: Option<&TableAlias>, default: &str, mut columns: Vec<Output>) -> (String, Vec<Output>) {
    let Some(alias) = alias else { return (default.to_owned(), columns) };
    for (column, given) in columns.iter_mut().zip(&alias.columns) {
        column.name = folded(&given.name);
    }
    (folded(&alias.name), columns)
}

/// As `renamed`, for a function with one column, which is called as its relation is.
fn alone(alias: Option<&TableAlias>, default: &str, mut columns: Vec<Output>) -> (String, Vec<Output>) {
    if let (Some(alias), Some(column)) = (alias, columns.first_mut()) {
        column.name = folded(&alias.name);
    }
    renamed(alias, default, columns)
}

fn no_relation(full: &str, bare: &str) -> Reply {
    let near = schema::views().map(|table| (strsim::damerau_levenshtein(table.name, bare), table.name));
    let near = near.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= 3);
    let hint = near.map_or_else(
        || "\\dv lists the views, SELECT * FROM help says what can be done here.".to_owned(),
        |(_, name)| format!("Perhaps you meant \"{name}\"; \\dv lists the views."),
    );
    Reply::error(code::UNDEFINED_TABLE, format!("relation \"{full}\" does not exist")).hint(hint)
}
