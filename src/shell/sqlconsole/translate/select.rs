//! Queries: WITH, SELECT, set operations, ORDER BY, LIMIT.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Value, Values, With,
};

use super::relation::parts;
use super::scope::{Cte, Output, folded};
use super::{Done, Translator, Typed, code, mismatch, name, unsupported};
use crate::kernel::wire::reply::Reply;
use crate::shell::sqlconsole::types::{Category, Type};

/// A part of a query: its text and columns.
pub(super) type Part = (String, Vec<Output>);

impl Translator<'_> {
    pub(super) fn query(&mut self, query: &Query) -> Done<Part> {
        if query.fetch.is_some() || query.for_clause.is_some() || !query.pipe_operators.is_empty() {
            return Err(unsupported("this clause of a query"));
        }
        if !query.locks.is_empty() {
            return Err(unsupported("FOR UPDATE: nothing here is a table"));
        }
        let known = self.ctes.len();
        let with = query.with.as_ref().map(|with| self.with(with)).transpose()?.unwrap_or_default();
        let order = order_of(query.order_by.as_ref())?;
        let (body, columns) = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, order)?,
            body => {
                let (body, columns) = self.body(body)?;
                let order = self.order_by_output(order, &columns)?;
                (format!("{body}{order}"), columns)
            }
        };
        let limit = query.limit_clause.as_ref().map(|limit| self.limit(limit)).transpose()?.unwrap_or_default();
        self.ctes.truncate(known);
        Ok((format!("{with}{body}{limit}"), columns))
    }

    fn with(&mut self, with: &With) -> Done<String> {
        let mut clauses = Vec::new();
        for cte in &with.cte_tables {
            let alias = folded(&cte.alias.name);
            let rename = |columns: Vec<Output>| -> Vec<Output> {
                let mut columns = columns;
                for (column, given) in columns.iter_mut().zip(&cte.alias.columns) {
                    column.name = folded(&given.name);
                }
                columns
            };
            // The first part of a recursive query says what its columns are.
            if let (true, SetExpr::SetOperation { left, .. }) = (with.recursive, cte.query.body.as_ref()) {
                let columns = rename(self.body(left)?.1);
                self.ctes.push(Cte { name: alias.clone(), columns });
            }
            let (sql, columns) = self.query(&cte.query)?;
            let columns = rename(columns);
            let names: Vec<String> = columns.iter().map(|column| name(&column.name)).collect();
            clauses.push(format!("{}({}) AS ({sql})", name(&alias), names.join(", ")));
            self.ctes.push(Cte { name: alias, columns });
        }
        let recursive = if with.recursive { "RECURSIVE " } else { "" };
        Ok(format!("WITH {recursive}{} ", clauses.join(", ")))
    }

    fn body(&mut self, body: &SetExpr) -> Done<Part> {
        match body {
            SetExpr::Select(select) => self.select(select, &[]),
            SetExpr::Query(query) => {
                let (sql, columns) = self.query(query)?;
                Ok((format!("SELECT * FROM ({sql})"), columns))
            }
            SetExpr::Values(values) => self.values(values),
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                let (left, columns) = self.body(left)?;
                let (right, others) = self.body(right)?;
                let word = match (op, set_quantifier) {
                    (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
                    (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => "UNION",
                    (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => "INTERSECT",
                    (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => "EXCEPT",
                    _ => return Err(unsupported("this set operation")),
                };
                if columns.len() != others.len() {
                    let message = "each UNION query must have the same number of columns";
                    return Err(Reply::error(code::SYNTAX, message));
                }
                let merge = |(one, other): (Output, Output)| match one.ty {
                    Type::Unknown => Output { ty: other.ty, ..one },
                    _ => one,
                };
                let columns = columns.into_iter().zip(others).map(merge).collect();
                Ok((format!("{left} {word} {right}"), columns))
            }
            _ => Err(unsupported("this form of query")),
        }
    }

    fn values(&mut self, values: &Values) -> Done<Part> {
        let mut rows = Vec::new();
        let mut columns: Vec<Output> = Vec::new();
        for row in &values.rows {
            let mut items = Vec::new();
            for (at, item) in row.content.iter().enumerate() {
                let item = self.expression(item)?;
                let ty = columns.get(at).map_or(item.ty, |column| column.ty);
                let item = self.coerce(item, ty)?;
                if columns.len() == at {
                    columns.push(Output { name: format!("column{}", at + 1), ty: item.ty });
                }
                items.push(item.sql);
            }
            if items.len() != columns.len() {
                return Err(Reply::error(code::SYNTAX, "VALUES lists must all be the same length"));
            }
            rows.push(format!("({})", items.join(", ")));
        }
        Ok((format!("VALUES {}", rows.join(", ")), columns))
    }

    fn select(&mut self, select: &Select, order: &[OrderByExpr]) -> Done<Part> {
        if select.into.is_some() || select.qualify.is_some() || select.top.is_some() || !select.named_window.is_empty()
        {
            return Err(unsupported("this clause of a SELECT"));
        }
        let around = std::mem::take(&mut self.current);
        self.outer.push(around);
        let done = self.select_within(select, order);
        self.current = self.outer.pop().unwrap_or_default();
        done
    }

    fn select_within(&mut self, select: &Select, order: &[OrderByExpr]) -> Done<Part> {
        let mut sql = String::from("SELECT ");
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => sql.push_str("DISTINCT "),
            Some(Distinct::On(_)) => return Err(unsupported("DISTINCT ON")),
        }
        let from = self.from(&select.from)?;
        let (items, columns) = self.projection(&select.projection)?;
        if items.is_empty() {
            return Err(unsupported("a SELECT without columns"));
        }
        sql.push_str(&items.join(", "));
        if !from.is_empty() {
            sql.push_str(&format!(" FROM {from}"));
        }
        if let Some(condition) = &select.selection {
            sql.push_str(&format!(" WHERE {}", self.condition(condition, "WHERE")?));
            self.narrow(condition);
        }
        self.current.outputs.clone_from(&columns);
        if let GroupByExpr::Expressions(expressions, modifiers) = &select.group_by {
            if !modifiers.is_empty() {
                return Err(unsupported("this form of GROUP BY"));
            }
            let mut groups = Vec::new();
            for expression in expressions {
                groups.push(self.by(expression, true)?);
            }
            if !groups.is_empty() {
                sql.push_str(&format!(" GROUP BY {}", groups.join(", ")));
            }
        }
        if let Some(condition) = &select.having {
            sql.push_str(&format!(" HAVING {}", self.condition(condition, "HAVING")?));
        }
        sql.push_str(&self.order(order, |translator, expression| translator.by(expression, false))?);
        Ok((sql, columns))
    }

    fn projection(&mut self, items: &[SelectItem]) -> Done<(Vec<String>, Vec<Output>)> {
        let (mut sql, mut columns) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                SelectItem::Wildcard(_) => self.all(None, &mut sql, &mut columns)?,
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(object), _) => {
                    self.all(parts(object).pop().as_deref(), &mut sql, &mut columns)?;
                }
                SelectItem::UnnamedExpr(expression) => {
                    let value = self.expression(expression)?;
                    let value = self.settled(value)?;
                    let called = called(expression);
                    sql.push(format!("{} AS {}", value.sql, name(&called)));
                    columns.push(Output { name: called, ty: value.ty });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let value = self.expression(expr)?;
                    let value = self.settled(value)?;
                    let called = folded(alias);
                    sql.push(format!("{} AS {}", value.sql, name(&called)));
                    columns.push(Output { name: called, ty: value.ty });
                }
                SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
                    return Err(unsupported("this form of column list"));
                }
            }
        }
        Ok((sql, columns))
    }

    fn all(&self, of: Option<&str>, sql: &mut Vec<String>, columns: &mut Vec<Output>) -> Done<()> {
        let relations = self.current.relations.iter().filter(|one| of.is_none_or(|name| one.alias == name));
        let before = columns.len();
        for relation in relations {
            for column in
                relation.columns.iter().filter(|column| of.is_some() || !relation.merged.contains(&column.name))
            {
                if let Some(value) = relation.column(&column.name) {
                    sql.push(format!("{} AS {}", value.sql, name(&column.name)));
                    columns.push(column.clone());
                }
            }
        }
        match of {
            Some(name) if columns.len() == before => {
                Err(Reply::error(code::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{name}\"")))
            }
            None if columns.len() == before => {
                Err(Reply::error(code::SYNTAX, "SELECT * with no tables specified is not valid"))
            }
            _ => Ok(()),
        }
    }

    /// An expression that is true or false.
    pub(super) fn condition(&mut self, expression: &Expr, what: &str) -> Done<String> {
        let value = self.expression(expression)?;
        let value = self.coerce(value, Type::Bool)?;
        match value.ty.category() {
            Category::Bool => Ok(value.sql),
            _ => Err(mismatch(what, "boolean", value.ty)),
        }
    }

    /// An expression of ORDER BY or GROUP BY: a column of the result by name or number, or any other. By name the
    /// result's column comes first in ORDER BY, that of a relation in GROUP BY.
    fn by(&mut self, expression: &Expr, group: bool) -> Done<String> {
        if let Expr::Value(value) = expression
            && let Value::Number(number, _) = &value.value
        {
            let count = self.current.outputs.len();
            let fits = number.parse::<usize>().is_ok_and(|number| (1..=count).contains(&number));
            let message = format!("ORDER BY position {number} is not in select list");
            return if fits { Ok(number.clone()) } else { Err(Reply::error("42P10", message)) };
        }
        if let Expr::Identifier(ident) = expression {
            let wanted = folded(ident);
            let output = self.current.outputs.iter().any(|output| output.name == wanted);
            if output && !(group && self.column(ident).is_ok()) {
                return Ok(name(&wanted));
            }
        }
        Ok(self.expression(expression)?.sql)
    }

    fn order_by_output(&mut self, order: &[OrderByExpr], columns: &[Output]) -> Done<String> {
        self.order(order, |_, expression| match expression {
            Expr::Identifier(ident) if columns.iter().any(|column| column.name == folded(ident)) => {
                Ok(name(&folded(ident)))
            }
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) => Ok(number.clone()),
                _ => Err(unsupported("this ORDER BY of a set operation")),
            },
            _ => Err(unsupported("this ORDER BY of a set operation: name one of its columns")),
        })
    }

    /// NULLs come last upwards and first downwards, as in PostgreSQL.
    pub(super) fn order(
        &mut self,
        order: &[OrderByExpr],
        mut key: impl FnMut(&mut Self, &Expr) -> Done<String>,
    ) -> Done<String> {
        let mut keys = Vec::new();
        for item in order {
            let down = match &item.options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(_) => return Err(unsupported("ORDER BY … USING")),
            };
            let first = item.options.nulls_first.unwrap_or(down);
            let (way, nulls) = (if down { "DESC" } else { "ASC" }, if first { "FIRST" } else { "LAST" });
            keys.push(format!("{} {way} NULLS {nulls}", key(self, &item.expr)?));
        }
        Ok(if keys.is_empty() { String::new() } else { format!(" ORDER BY {}", keys.join(", ")) })
    }

    fn limit(&mut self, limit: &LimitClause) -> Done<String> {
        let LimitClause::LimitOffset { limit, offset, limit_by } = limit else {
            return Err(unsupported("this form of LIMIT"));
        };
        if !limit_by.is_empty() {
            return Err(unsupported("this form of LIMIT"));
        }
        let around = std::mem::take(&mut self.current);
        let count = |translator: &mut Self, expression: &Expr| -> Done<String> {
            let value = translator.expression(expression)?;
            let value: Typed = translator.coerce(value, Type::Int8)?;
            Ok(value.sql)
        };
        let limit = limit.as_ref().map(|limit| count(self, limit)).transpose();
        let offset = offset.as_ref().map(|offset| count(self, &offset.value)).transpose();
        self.current = around;
        Ok(match (limit?, offset?) {
            (None, None) => String::new(),
            (limit, offset) => {
                let limit = limit.map_or_else(|| "-1".to_owned(), |limit| format!("coalesce({limit}, -1)"));
                format!(" LIMIT {limit} OFFSET {}", offset.unwrap_or_else(|| "0".to_owned()))
            }
        })
    }
}

fn order_of(order: Option<&OrderBy>) -> Done<&[OrderByExpr]> {
    match order {
        None => Ok(&[]),
        Some(OrderBy { kind: OrderByKind::Expressions(expressions), interpolate: None }) => Ok(expressions),
        Some(_) => Err(unsupported("this form of ORDER BY")),
    }
}

/// What PostgreSQL calls a column that nobody named.
fn called(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(ident) => folded(ident),
        Expr::CompoundIdentifier(idents) => idents.last().map(folded).unwrap_or_default(),
        Expr::Function(function) => parts(&function.name).pop().unwrap_or_default(),
        Expr::Cast { expr, data_type, .. } => match called(expr) {
            unnamed if unnamed == "?column?" => super::cast::type_name(data_type).unwrap_or(unnamed),
            named => named,
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } | Expr::CompoundFieldAccess { root: inner, .. } => {
            called(inner)
        }
        Expr::Case { else_result, .. } => match else_result.as_deref().map(called) {
            Some(named) if named != "?column?" => named,
            _ => "case".to_owned(),
        },
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Array(_) => "array".to_owned(),
        Expr::Extract { .. } => "extract".to_owned(),
        Expr::Substring { shorthand, .. } => if *shorthand { "substr" } else { "substring" }.to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::UnnamedExpr(expression)) => called(expression),
                Some(SelectItem::ExprWithAlias { alias, .. }) => folded(alias),
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        },
        _ => "?column?".to_owned(),
    }
}
