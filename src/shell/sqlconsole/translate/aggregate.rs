//! Aggregates and window functions.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    WindowType,
};

use super::operator::no_function;
use super::{Done, Translator, Typed, unsupported};
use crate::shell::sqlconsole::types::{Category, Type};

impl Translator<'_> {
    /// The function as an aggregate or window function, if it is one.
    pub(super) fn aggregate(&mut self, name: &str, function: &Function) -> Done<Option<Typed>> {
        let known = matches!(
            name,
            "count" | "sum" | "avg" | "min" | "max" | "string_agg" | "array_agg" | "bool_and" | "bool_or" | "every"
        );
        let window = matches!(
            name,
            "row_number" | "rank" | "dense_rank" | "ntile" | "lag" | "lead" | "first_value" | "last_value"
        );
        if !known && !window {
            return Ok(None);
        }
        let FunctionArguments::List(list) = &function.args else { return Err(no_function(name, &[])) };
        let mut values = Vec::new();
        let mut star = false;
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => values.push(self.expression(expression)?),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => star = true,
                _ => return Err(unsupported("this form of argument")),
            }
        }
        let mut order = String::new();
        for clause in &list.clauses {
            let FunctionArgumentClause::OrderBy(by) = clause else {
                return Err(unsupported("this clause of an aggregate"));
            };
            order = self.order(by, |translator, expression| Ok(translator.expression(expression)?.sql))?;
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let (call, ty) = self.call(name, values, (star, distinct), &order)?;
        let filter = match &function.filter {
            Some(filter) => format!(" FILTER (WHERE {})", self.condition(filter, "FILTER")?),
            None => String::new(),
        };
        let over = function.over.as_ref().map(|over| self.over(over)).transpose()?;
        if window && over.is_none() {
            let message = format!("window function {name} requires an OVER clause");
            return Err(crate::kernel::wire::reply::Reply::error("42809", message));
        }
        Ok(Some(Typed::new(format!("{call}{filter}{}", over.unwrap_or_default()), ty)))
    }

    fn call(
        &mut self,
        name: &str,
        values: Vec<Typed>,
        (star, distinct): (bool, bool),
        order: &str,
    ) -> Done<(String, Type)> {
        let mut values = values.into_iter();
        let first = values.next().map(|value| self.settled(value)).transpose()?;
        let distinct = if distinct { "DISTINCT " } else { "" };
        let known: Vec<Type> = first.iter().map(|value| value.ty).collect();
        let wrong = || no_function(name, &known);
        let one = |function: &str, ty: Type| {
            let value = first.as_ref().ok_or_else(wrong)?;
            Ok((format!("{function}({distinct}{}{order})", value.sql), ty))
        };
        let category = known.first().map(|ty| ty.category());
        match (name, category) {
            ("count", None) if star => Ok(("count(*)".to_owned(), Type::Int8)),
            ("count", Some(_)) => one("count", Type::Int8),
            ("sum", Some(Category::Number)) => {
                let ty = if known.contains(&Type::Float8) { Type::Float8 } else { Type::Int8 };
                one("sum", ty)
            }
            ("sum", Some(Category::Interval)) => one("sum", Type::Interval),
            ("avg", Some(Category::Number)) => one("avg", Type::Float8),
            ("avg", Some(Category::Interval)) => {
                let (sql, ty) = one("avg", Type::Interval)?;
                Ok((format!("CAST({sql} AS INTEGER)"), ty))
            }
            ("min" | "max", Some(_)) => one(name, known.first().copied().unwrap_or(Type::Text)),
            ("bool_and" | "every", Some(Category::Bool)) => one("min", Type::Bool),
            ("bool_or", Some(Category::Bool)) => one("max", Type::Bool),
            ("array_agg", Some(_)) => {
                let value = first.clone().ok_or_else(wrong)?;
                let value = self.as_text(value);
                Ok((format!("lk_array_agg({distinct}{}{order})", value.sql), Type::Texts))
            }
            ("string_agg", Some(_)) => {
                let (value, by) = (first.clone().ok_or_else(wrong)?, values.next().ok_or_else(wrong)?);
                let (value, by) = (self.as_text(value), self.settled(by)?);
                // With DISTINCT the engine takes no separator: it is put in afterwards.
                let sql = if distinct.is_empty() {
                    format!("group_concat({}, {}{order})", value.sql, by.sql)
                } else {
                    format!("lk_array_to_string(lk_array_agg(DISTINCT {}{order}), {})", value.sql, by.sql)
                };
                Ok((sql, Type::Text))
            }
            ("row_number" | "rank" | "dense_rank", None) => Ok((format!("{name}()"), Type::Int8)),
            ("ntile", Some(Category::Number)) => one("ntile", Type::Int4),
            ("first_value" | "last_value", Some(_)) => one(name, known.first().copied().unwrap_or(Type::Text)),
            ("lag" | "lead", Some(_)) => {
                let value = first.clone().ok_or_else(wrong)?;
                let mut list = vec![value.sql];
                for more in values {
                    list.push(self.coerce(more, value.ty)?.sql);
                }
                Ok((format!("{name}({})", list.join(", ")), value.ty))
            }
            _ => Err(wrong()),
        }
    }

    fn over(&mut self, over: &WindowType) -> Done<String> {
        let WindowType::WindowSpec(window) = over else { return Err(unsupported("named windows")) };
        if window.window_name.is_some() || window.window_frame.is_some() {
            return Err(unsupported("window frames"));
        }
        let mut partition = Vec::new();
        for expression in &window.partition_by {
            partition.push(self.expression(expression)?.sql);
        }
        let by = if partition.is_empty() { String::new() } else { format!("PARTITION BY {}", partition.join(", ")) };
        let key = |translator: &mut Self, expression: &Expr| Ok(translator.expression(expression)?.sql);
        let order = self.order(&window.order_by, key)?;
        Ok(format!(" OVER ({by}{order})"))
    }
}
