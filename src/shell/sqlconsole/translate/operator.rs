//! Operators, with PostgreSQL's idea of what fits what.

use sqlparser::ast::{BinaryOperator, Expr, Interval, UnaryOperator, Value};

use super::{Done, Origin, Translator, Typed, code, unsupported};
use crate::kernel::wire::reply::Reply;
use crate::shell::sqlconsole::types::{Category, Type};

impl Translator<'_> {
    pub(super) fn binary(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Done<Typed> {
        use BinaryOperator as Op;
        match op {
            Op::And | Op::Or => {
                let word = if *op == Op::And { "AND" } else { "OR" };
                let (left, right) = (self.condition(left, word)?, self.condition(right, word)?);
                Ok(Typed::new(format!("({left} {word} {right})"), Type::Bool))
            }
            Op::Eq => self.compared(left, "=", right),
            Op::NotEq => self.compared(left, "<>", right),
            Op::Lt => self.compared(left, "<", right),
            Op::LtEq => self.compared(left, "<=", right),
            Op::Gt => self.compared(left, ">", right),
            Op::GtEq => self.compared(left, ">=", right),
            Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo => self.arithmetic(left, op, right),
            Op::StringConcat => self.concatenated(left, right),
            Op::PGRegexMatch => self.regex(left, right, (false, false)),
            Op::PGRegexIMatch => self.regex(left, right, (true, false)),
            Op::PGRegexNotMatch => self.regex(left, right, (false, true)),
            Op::PGRegexNotIMatch => self.regex(left, right, (true, true)),
            Op::PGLikeMatch => self.like((left, right, None), false, false),
            Op::PGNotLikeMatch => self.like((left, right, None), true, false),
            Op::PGILikeMatch => self.like((left, right, None), false, true),
            Op::PGNotILikeMatch => self.like((left, right, None), true, true),
            Op::PGStartsWith => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                Ok(Typed::new(format!("(substr({left}, 1, length({right})) = {right})"), Type::Bool))
            }
            Op::Arrow | Op::LongArrow => {
                let value = self.text(left)?;
                let key = self.expression(right)?;
                let (word, ty) = if *op == Op::Arrow { ("->", Type::Json) } else { ("->>", Type::Text) };
                Ok(Typed::new(format!("({value} {word} {})", key.sql), ty))
            }
            Op::PGCustomBinaryOperator(path) => match path.last().map(String::as_str) {
                Some("~") => self.regex(left, right, (false, false)),
                Some("~*") => self.regex(left, right, (true, false)),
                Some("!~") => self.regex(left, right, (false, true)),
                Some("!~*") => self.regex(left, right, (true, true)),
                Some("~~") => self.like((left, right, None), false, false),
                Some("!~~") => self.like((left, right, None), true, false),
                Some("~~*") => self.like((left, right, None), false, true),
                Some(word @ ("=" | "<>" | "<" | "<=" | ">" | ">=")) => self.compared(left, word, right),
                _ => Err(unsupported("this operator")),
            },
            other => Err(unsupported(&format!("the operator {other}"))),
        }
    }

    /// A comparison of two values of one kind.
    pub(super) fn compared(&mut self, left: &Expr, word: &str, right: &Expr) -> Done<Typed> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        let (left, right) = self.alike(left, right, word)?;
        Ok(Typed::new(format!("({} {word} {})", left.sql, right.sql), Type::Bool))
    }

    /// Gives what is undecided the type of the other; two kinds do not go together.
    pub(super) fn alike(&mut self, left: Typed, right: Typed, word: &str) -> Done<(Typed, Typed)> {
        let (one, other) = (left.ty, right.ty);
        let (left, right) = match (one, other) {
            (Type::Unknown, Type::Unknown) => (self.coerce(left, Type::Text)?, self.coerce(right, Type::Text)?),
            (Type::Unknown, ty) => (self.coerce(left, ty)?, right),
            (ty, Type::Unknown) => (left, self.coerce(right, ty)?),
            _ => (left, right),
        };
        // A NULL stays undecided, and goes with everything.
        let unknown = left.ty == Type::Unknown || right.ty == Type::Unknown;
        if unknown || left.ty.category() == right.ty.category() {
            return Ok((left, right));
        }
        Err(no_operator(left.ty, word, right.ty))
    }

    fn arithmetic(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Done<Typed> {
        use BinaryOperator as Op;
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        // `time - 'a literal'` is a time as PostgreSQL decides it; with + only a length fits.
        let beside = |ty: Type| match (ty.category(), op) {
            (Category::Time, Op::Plus) => Type::Interval,
            (Category::Unknown, _) => Type::Int4,
            _ => ty,
        };
        let right_ty = beside(left.ty);
        let right = if right.ty == Type::Unknown { self.coerce(right, right_ty)? } else { right };
        let left_ty = beside(right.ty);
        let left = if left.ty == Type::Unknown { self.coerce(left, left_ty)? } else { left };
        let word = op.to_string();
        let ty = match (left.ty.category(), op, right.ty.category()) {
            (Category::Number, Op::Modulo, Category::Number)
            | (Category::Number, Op::Plus | Op::Minus | Op::Multiply, Category::Number) => wider(left.ty, right.ty),
            (Category::Number, Op::Divide, Category::Number) => {
                let sql = format!("lk_divide({}, {})", left.sql, right.sql);
                return Ok(Typed::new(sql, wider(left.ty, right.ty)));
            }
            (Category::Time, Op::Plus | Op::Minus, Category::Interval) => Type::Timestamp,
            (Category::Interval, Op::Plus, Category::Time) => Type::Timestamp,
            (Category::Time, Op::Minus, Category::Time) => Type::Interval,
            (Category::Interval, Op::Plus | Op::Minus, Category::Interval) => Type::Interval,
            (Category::Interval, Op::Multiply | Op::Divide, Category::Number)
            | (Category::Number, Op::Multiply, Category::Interval) => {
                let sql = format!("CAST(({} {word} {}) AS INTEGER)", left.sql, right.sql);
                return Ok(Typed::new(sql, Type::Interval));
            }
            (Category::Unknown, ..) | (.., Category::Unknown) => wider(left.ty, right.ty),
            _ => return Err(no_operator(left.ty, &word, right.ty)),
        };
        Ok(Typed::new(format!("({} {word} {})", left.sql, right.sql), ty))
    }

    fn concatenated(&mut self, left: &Expr, right: &Expr) -> Done<Typed> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        if left.ty.category() == Category::Array || right.ty.category() == Category::Array {
            return Ok(Typed::new(format!("lk_array_cat({}, {})", left.sql, right.sql), Type::Texts));
        }
        let (left, right) = (self.settled(left)?, self.settled(right)?);
        let (left, right) = (self.as_text(left), self.as_text(right));
        Ok(Typed::new(format!("({} || {})", left.sql, right.sql), Type::Text))
    }

    fn regex(&mut self, left: &Expr, right: &Expr, (any_case, negated): (bool, bool)) -> Done<Typed> {
        let (left, right) = (self.text(left)?, self.text(right)?);
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(format!("({not}lk_match({left}, {right}, {}))", i32::from(any_case)), Type::Bool))
    }

    pub(super) fn like(
        &mut self,
        (value, pattern, escape): (&Expr, &Expr, Option<&Expr>),
        negated: bool,
        any_case: bool,
    ) -> Done<Typed> {
        let (mut value, mut pattern) = (self.text(value)?, self.text(pattern)?);
        if any_case {
            (value, pattern) = (format!("lower({value})"), format!("lower({pattern})"));
        }
        let escape = escape.map_or(Ok("'\\'".to_owned()), |escape| self.text(escape))?;
        let escape = if escape == "''" { String::new() } else { format!(" ESCAPE {escape}") };
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(format!("({value} {not}LIKE {pattern}{escape})"), Type::Bool))
    }

    /// `= ANY (…)` and its kin.
    pub(super) fn any(&mut self, left: &Expr, op: &BinaryOperator, right: &Expr, any: bool) -> Done<Typed> {
        let value = self.expression(left)?;
        let equal = match (op, any) {
            (BinaryOperator::Eq, true) => true,
            (BinaryOperator::NotEq, false) => false,
            _ => return Err(unsupported("this form of ANY and ALL")),
        };
        let not = if equal { "" } else { "NOT " };
        if let Expr::Subquery(query) = right {
            let (sql, column) = self.scalar(query)?;
            let (value, _) = self.alike(value, Typed::new("", column.ty), "=")?;
            return Ok(Typed::new(format!("({} {not}IN ({sql}))", value.sql), Type::Bool));
        }
        let array = self.expression(right)?;
        let numbers = value.ty.category() == Category::Number && matches!(array.origin, Origin::Parameter(_));
        let array = self.coerce(array, if numbers { Type::Numbers } else { Type::Texts })?;
        let value = self.settled(value)?;
        let value = self.as_text(value);
        Ok(Typed::new(format!("({not}lk_in_array({}, {}))", value.sql, array.sql), Type::Bool))
    }

    pub(super) fn unary(&mut self, op: UnaryOperator, inner: &Expr) -> Done<Typed> {
        match op {
            UnaryOperator::Not => {
                let inner = self.condition(inner, "NOT")?;
                Ok(Typed::new(format!("(NOT {inner})"), Type::Bool))
            }
            UnaryOperator::Minus | UnaryOperator::Plus => {
                let value = self.expression(inner)?;
                let value = if value.ty == Type::Unknown { self.coerce(value, Type::Float8)? } else { value };
                match value.ty.category() {
                    Category::Number | Category::Interval | Category::Unknown => {
                        Ok(Typed::new(format!("({op} {})", value.sql), value.ty))
                    }
                    _ => Err(no_operator_before(op, value.ty)),
                }
            }
            other => Err(unsupported(&format!("the operator {other}"))),
        }
    }

    pub(super) fn interval(&mut self, interval: &Interval) -> Done<Typed> {
        let text = match interval.value.as_ref() {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => text.clone(),
                _ => return Err(unsupported("this form of interval")),
            },
            _ => return Err(unsupported("this form of interval")),
        };
        let text = interval.leading_field.as_ref().map_or(text.clone(), |field| format!("{text} {field}"));
        self.coerce(Typed { origin: Origin::Literal(text), ..Typed::new("", Type::Unknown) }, Type::Interval)
    }

    pub(super) fn extract(&mut self, field: &str, of: &Expr) -> Done<Typed> {
        let value = self.expression(of)?;
        let value = self.coerce(value, Type::Timestamp)?;
        let kind = i32::from(value.ty.category() == Category::Interval);
        if !matches!(value.ty.category(), Category::Time | Category::Interval) {
            return Err(no_function("extract", &[value.ty]));
        }
        let field = super::quoted(&field.to_lowercase());
        Ok(Typed::new(format!("lk_extract({field}, {}, {kind})", value.sql), Type::Float8))
    }

    pub(super) fn rounded(&mut self, function: &str, of: &Expr) -> Done<Typed> {
        let value = self.expression(of)?;
        let value = self.coerce(value, Type::Float8)?;
        match value.ty.category() {
            Category::Number => Ok(Typed::new(format!("lk_{function}({})", value.sql), Type::Float8)),
            _ => Err(no_function(function, &[value.ty])),
        }
    }
}

/// The wider of two numbers' types.
pub(super) fn wider(one: Type, other: Type) -> Type {
    let rank = |ty| match ty {
        Type::Float8 => 4,
        Type::Int8 | Type::Oid | Type::Reg(_) => 3,
        Type::Int4 | Type::Unknown => 2,
        Type::Int2 => 1,
        _ => 0,
    };
    match (if rank(one) >= rank(other) { one } else { other }, one, other) {
        (Type::Oid | Type::Reg(_), ..) => Type::Int8,
        (Type::Unknown, ..) => Type::Int4,
        (ty, ..) => ty,
    }
}

fn no_operator(left: Type, word: &str, right: Type) -> Reply {
    let message = format!("operator does not exist: {} {word} {}", left.sql(), right.sql());
    Reply::error(code::UNDEFINED_FUNCTION, message)
        .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

fn no_operator_before(op: UnaryOperator, ty: Type) -> Reply {
    Reply::error(code::UNDEFINED_FUNCTION, format!("operator does not exist: {op} {}", ty.sql()))
}

/// No function has this name and these arguments.
pub(super) fn no_function(name: &str, arguments: &[Type]) -> Reply {
    let arguments: Vec<&str> = arguments.iter().map(|ty| ty.sql()).collect();
    let message = format!("function {name}({}) does not exist", arguments.join(", "));
    Reply::error(code::UNDEFINED_FUNCTION, message)
        .hint("No function matches the given name and argument types. SELECT * FROM help says what can be done here.")
}
