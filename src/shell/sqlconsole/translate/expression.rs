//! Expressions.

use sqlparser::ast::{AccessExpr, BinaryOperator, CaseWhen};
use sqlparser::ast::{CastKind, Expr, Query, Subscript, TrimWhereField, Value};

use super::scope::{Output, Scope};
use super::{Done, Origin, Translator, Typed, Wanted, code, unsupported};
use crate::kernel::wire::reply::Reply;
use crate::shell::sqlconsole::types::{Category, Type};

/// Parameters a statement may have, as in the protocol.
const PARAMETERS_MAX: usize = 65_535;

impl Translator<'_> {
    pub(super) fn expression(&mut self, expression: &Expr) -> Done<Typed> {
        match expression {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [relation, column] | [_, relation, column] => self.qualified(relation, column),
                _ => Err(unsupported("names of more than three parts")),
            },
            Expr::Value(value) => self.literal(&value.value),
            Expr::Nested(inner) => {
                let inner = self.expression(inner)?;
                Ok(Typed { sql: format!("({})", inner.sql), ..inner })
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, format: None } => {
                let value = self.expression(expr)?;
                self.cast(value, data_type)
            }
            Expr::TypedString(typed) => {
                let Value::SingleQuotedString(text) = &typed.value.value else {
                    return Err(unsupported("this literal"));
                };
                self.cast(Typed::literal(text), &typed.data_type)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Collate { expr, .. } => self.expression(expr),
            Expr::Function(function) => self.function(function),
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Expr::Exists { subquery, negated } => {
                let (sql, _) = self.query(subquery)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::new(format!("({not}EXISTS ({sql}))"), Type::Bool))
            }
            Expr::Subquery(query) => {
                let (sql, column) = self.scalar(query)?;
                Ok(Typed::new(format!("({sql})"), column.ty))
            }
            other => self.predicate(other),
        }
    }

    /// What is true or false by its form.
    fn predicate(&mut self, expression: &Expr) -> Done<Typed> {
        match expression {
            Expr::IsNull(inner) => self.test(inner, "IS NULL"),
            Expr::IsNotNull(inner) => self.test(inner, "IS NOT NULL"),
            Expr::IsTrue(inner) => self.truth(inner, "IS 1"),
            Expr::IsNotTrue(inner) => self.truth(inner, "IS NOT 1"),
            Expr::IsFalse(inner) => self.truth(inner, "IS 0"),
            Expr::IsNotFalse(inner) => self.truth(inner, "IS NOT 0"),
            Expr::IsUnknown(inner) => self.truth(inner, "IS NULL"),
            Expr::IsNotUnknown(inner) => self.truth(inner, "IS NOT NULL"),
            Expr::IsDistinctFrom(left, right) => self.compared(left, "IS NOT", right),
            Expr::IsNotDistinctFrom(left, right) => self.compared(left, "IS", right),
            Expr::InList { expr, list, negated } => self.in_list(expr, list, *negated),
            Expr::InSubquery { expr, subquery, negated } => self.in_query(expr, subquery, *negated),
            Expr::Between { expr, negated, low, high } => {
                let low = self.compared(expr, ">=", low)?;
                let high = self.compared(expr, "<=", high)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::new(format!("({not}({} AND {}))", low.sql, high.sql), Type::Bool))
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like((expr, pattern, escape_char.as_deref()), *negated, false)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char } => {
                self.like((expr, pattern, escape_char.as_deref()), *negated, true)
            }
            Expr::AnyOp { left, compare_op, right, .. } => self.any(left, compare_op, right, true),
            Expr::AllOp { left, compare_op, right } => self.any(left, compare_op, right, false),
            other => self.special(other),
        }
    }

    /// What has a form of its own.
    fn special(&mut self, expression: &Expr) -> Done<Typed> {
        match expression {
            Expr::Array(array) => {
                let mut items = Vec::new();
                for item in &array.elem {
                    let item = self.expression(item)?;
                    let item = self.settled(item)?;
                    items.push(self.as_text(item).sql);
                }
                Ok(Typed::new(format!("lk_array({})", items.join(", ")), Type::Texts))
            }
            Expr::CompoundFieldAccess { root, access_chain } => self.subscript(root, access_chain),
            Expr::Extract { field, expr, .. } => self.extract(&field.to_string(), expr),
            Expr::Ceil { expr, .. } => self.rounded("ceil", expr),
            Expr::Floor { expr, .. } => self.rounded("floor", expr),
            Expr::Position { expr, r#in } => {
                let (what, whole) = (self.text(expr)?, self.text(r#in)?);
                Ok(Typed::new(format!("instr({whole}, {what})"), Type::Int4))
            }
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.text(expr)?];
                let from = substring_from.as_deref();
                arguments.push(from.map_or(Ok("1".to_owned()), |from| Ok(self.expression(from)?.sql))?);
                if let Some(count) = substring_for {
                    arguments.push(self.expression(count)?.sql);
                }
                Ok(Typed::new(format!("substr({})", arguments.join(", ")), Type::Text))
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let function = match trim_where {
                    None | Some(TrimWhereField::Both) => "trim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let mut arguments = vec![self.text(expr)?];
                if let Some(what) = trim_what {
                    arguments.push(self.text(what)?);
                }
                Ok(Typed::new(format!("{function}({})", arguments.join(", ")), Type::Text))
            }
            Expr::AtTimeZone { .. } => Err(unsupported("AT TIME ZONE: SET timezone changes how times are shown")),
            other => Err(unsupported(&format!("the expression {other}"))),
        }
    }

    /// An expression as text.
    pub(super) fn text(&mut self, expression: &Expr) -> Done<String> {
        let value = self.expression(expression)?;
        let value = self.settled(value)?;
        Ok(self.as_text(value).sql)
    }

    fn literal(&mut self, value: &Value) -> Done<Typed> {
        match value {
            Value::Number(number, _) => match number.parse::<i64>() {
                Ok(whole) => {
                    let ty = if i32::try_from(whole).is_ok() { Type::Int4 } else { Type::Int8 };
                    Ok(Typed::new(whole.to_string(), ty))
                }
                Err(_) => {
                    let number: f64 = number.parse().map_err(|_| unsupported("this number"))?;
                    if number.is_finite() {
                        Ok(Typed::new(format!("{number:?}"), Type::Float8))
                    } else {
                        Err(Reply::error("22003", "value out of range: overflow"))
                    }
                }
            },
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) | Value::UnicodeStringLiteral(text) => {
                Ok(Typed::literal(text))
            }
            Value::DollarQuotedString(text) => Ok(Typed::literal(&text.value)),
            Value::Boolean(truth) => Ok(Typed::new(i32::from(*truth).to_string(), Type::Bool)),
            Value::Null => Ok(Typed::new("NULL", Type::Unknown)),
            Value::Placeholder(place) => {
                let number = place.strip_prefix('$').and_then(|number| number.parse::<usize>().ok());
                let at = number
                    .filter(|number| (1..=PARAMETERS_MAX).contains(number))
                    .ok_or_else(|| Reply::error(code::UNDEFINED_PARAMETER, format!("there is no parameter {place}")))?;
                if self.parameters.len() < at {
                    self.parameters.resize(at, Type::Unknown);
                }
                let ty = self.parameters.get(at - 1).copied().unwrap_or(Type::Unknown);
                Ok(Typed { sql: format!("?{at}"), ty, origin: Origin::Parameter(at - 1) })
            }
            _ => Err(unsupported("this literal")),
        }
    }

    fn test(&mut self, inner: &Expr, test: &str) -> Done<Typed> {
        let inner = self.expression(inner)?;
        Ok(Typed::new(format!("({} {test})", inner.sql), Type::Bool))
    }

    fn truth(&mut self, inner: &Expr, test: &str) -> Done<Typed> {
        let inner = self.condition(inner, "IS TRUE")?;
        Ok(Typed::new(format!("({inner} {test})"), Type::Bool))
    }

    fn in_list(&mut self, expression: &Expr, list: &[Expr], negated: bool) -> Done<Typed> {
        let value = self.expression(expression)?;
        let mut items = Vec::new();
        for item in list {
            let item = self.expression(item)?;
            let (_, item) = self.alike(value.clone(), item, "=")?;
            items.push(item.sql);
        }
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(format!("({} {not}IN ({}))", value.sql, items.join(", ")), Type::Bool))
    }

    fn in_query(&mut self, expression: &Expr, query: &Query, negated: bool) -> Done<Typed> {
        let value = self.expression(expression)?;
        let (sql, column) = self.scalar(query)?;
        let (value, _) = self.alike(value, Typed::new("", column.ty), "=")?;
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(format!("({} {not}IN ({sql}))", value.sql), Type::Bool))
    }

    /// A query with one column.
    pub(super) fn scalar(&mut self, query: &Query) -> Done<(String, Output)> {
        let (sql, columns) = self.query(query)?;
        match <[Output; 1]>::try_from(columns) {
            Ok([column]) => Ok((sql, column)),
            Err(_) => Err(Reply::error(code::SYNTAX, "subquery must return only one column")),
        }
    }

    fn case(&mut self, operand: Option<&Expr>, conditions: &[CaseWhen], otherwise: Option<&Expr>) -> Done<Typed> {
        let mut whens = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            whens.push(match operand {
                Some(operand) => self.compared(operand, "=", &when.condition)?.sql,
                None => self.condition(&when.condition, "CASE/WHEN")?,
            });
            results.push(self.expression(&when.result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise)?);
        }
        let (results, ty) = self.common(results)?;
        let mut sql = String::from("CASE");
        for (when, result) in whens.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {when} THEN {}", result.sql));
        }
        if let Some(otherwise) = results.get(whens.len()) {
            sql.push_str(&format!(" ELSE {}", otherwise.sql));
        }
        Ok(Typed::new(format!("{sql} END"), ty))
    }

    /// Values of which any may be the result, and the type they have in common.
    pub(super) fn common(&mut self, values: Vec<Typed>) -> Done<(Vec<Typed>, Type)> {
        let mut ty = Type::Unknown;
        for value in &values {
            ty = match (ty, value.ty) {
                (Type::Unknown, other) | (other, Type::Unknown) => other,
                (one, other) if one.category() != other.category() => {
                    let message = format!("types {} and {} cannot be matched", one.sql(), other.sql());
                    return Err(Reply::error(code::DATATYPE_MISMATCH, message));
                }
                (Type::Name | Type::Char, Type::Text) => Type::Text,
                (Type::Int4 | Type::Int2, wider @ (Type::Int8 | Type::Float8 | Type::Int4)) => wider,
                (Type::Int8, Type::Float8) => Type::Float8,
                (one, _) => one,
            };
        }
        if ty == Type::Unknown {
            ty = Type::Text;
        }
        let values: Done<Vec<Typed>> = values.into_iter().map(|value| self.coerce(value, ty)).collect();
        Ok((values?, ty))
    }

    fn subscript(&mut self, root: &Expr, chain: &[AccessExpr]) -> Done<Typed> {
        let array = self.expression(root)?;
        match (array.ty, chain) {
            (Type::Texts | Type::Numbers, [AccessExpr::Subscript(Subscript::Index { index })]) => {
                let index = self.expression(index)?;
                Ok(Typed::new(format!("lk_element({}, {})", array.sql, index.sql), Type::Text))
            }
            _ => Err(unsupported("this subscript")),
        }
    }

    /// Which rows of a relation a condition leaves: only equality with values that are known before.
    pub(super) fn narrow(&mut self, condition: &Expr) {
        match condition {
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.narrow(left);
                self.narrow(right);
            }
            Expr::Nested(inner) => self.narrow(inner),
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                self.wanted(left, std::slice::from_ref(right.as_ref()));
                self.wanted(right, std::slice::from_ref(left.as_ref()));
            }
            Expr::InList { expr, list, negated: false } => self.wanted(expr, list),
            _ => {}
        }
    }

    fn wanted(&mut self, column: &Expr, values: &[Expr]) {
        let (relation, column) = match column {
            Expr::Identifier(column) => (None, super::scope::folded(column)),
            Expr::CompoundIdentifier(idents) => match idents.as_slice() {
                [relation, column] => (Some(super::scope::folded(relation)), super::scope::folded(column)),
                _ => return,
            },
            _ => return,
        };
        let known = |value: &Expr| match value {
            Expr::Value(value) => match &value.value {
                Value::Number(text, _) | Value::SingleQuotedString(text) => Some(Wanted::Value(text.clone())),
                Value::Placeholder(place) => {
                    let number = place.strip_prefix('$')?.parse::<usize>().ok()?;
                    number.checked_sub(1).map(Wanted::Parameter)
                }
                _ => None,
            },
            _ => None,
        };
        let Some(values) = values.iter().map(known).collect::<Option<Vec<_>>>() else { return };
        let scope: &Scope = &self.current;
        let found = scope.relations.iter().find(|one| {
            relation.as_ref().is_none_or(|name| one.alias == *name)
                && one.columns.iter().any(|known| known.name == column)
        });
        let Some(table) = found.and_then(|relation| relation.table) else { return };
        let key = format!("{}.{table}", crate::shell::sqlconsole::schema::PUBLIC);
        if let Some(read) = self.reads.get_mut(&key) {
            read.only.entry(column).or_insert(values);
        }
    }

    /// A value as text, where the engine would write it otherwise.
    pub(super) fn as_text(&mut self, value: Typed) -> Typed {
        let sql = match value.ty.category() {
            Category::Text | Category::Array | Category::Unknown => value.sql,
            Category::Bool => format!("CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END", value.sql),
            Category::Time if value.ty == Type::Date => format!("lk_date_text({})", value.sql),
            Category::Time => format!("lk_time_text({})", value.sql),
            Category::Interval => format!("lk_interval_text({})", value.sql),
            Category::Number => match value.ty {
                Type::Reg(reg) => self.named(&value.sql, reg),
                _ => format!("CAST({} AS TEXT)", value.sql),
            },
        };
        Typed::new(sql, Type::Text)
    }
}
