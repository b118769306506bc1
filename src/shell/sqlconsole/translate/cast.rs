//! Casts.

use sqlparser::ast::{ArrayElemTypeDef, DataType};

use super::relation::parts;
use super::{Done, Origin, Translator, Typed, code, unsupported};
use crate::kernel::wire::reply::Reply;
use crate::shell::sqlconsole::types::{Category, Reg, Type};

/// What `pg_type` calls a type as it was written.
pub(super) fn type_name(data_type: &DataType) -> Option<String> {
    let name = match data_type {
        DataType::Text => "text",
        DataType::Boolean | DataType::Bool => "bool",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Custom(name, _) => return parts(name).pop(),
        DataType::Regclass => "regclass",
        DataType::Date => "date",
        DataType::Timestamp(..) => "timestamptz",
        DataType::Interval { .. } => "interval",
        _ => return None,
    };
    Some(name.to_owned())
}

fn of(data_type: &DataType) -> Done<Type> {
    Ok(match data_type {
        DataType::Boolean | DataType::Bool => Type::Bool,
        DataType::SmallInt(_) | DataType::Int2(_) => Type::Int2,
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => Type::Int4,
        DataType::BigInt(_) | DataType::Int8(_) => Type::Int8,
        DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::Numeric(_)
        | DataType::Decimal(_)
        | DataType::Dec(_) => Type::Float8,
        DataType::Text
        | DataType::Varchar(_)
        | DataType::CharacterVarying(_)
        | DataType::CharVarying(_)
        | DataType::Character(_)
        | DataType::Char(_)
        | DataType::Uuid => Type::Text,
        DataType::Date => Type::Date,
        DataType::Timestamp(..) => Type::Timestamp,
        DataType::Interval { .. } => Type::Interval,
        DataType::JSON | DataType::JSONB => Type::Json,
        DataType::Regclass => Type::Reg(Reg::Class),
        DataType::Array(ArrayElemTypeDef::SquareBracket(of_what, _)) => match of(of_what)? {
            Type::Int2 | Type::Int4 | Type::Int8 => Type::Numbers,
            Type::Oid => Type::Oids,
            _ => Type::Texts,
        },
        DataType::Custom(name, _) => custom(&parts(name))?,
        other => return Err(unsupported(&format!("the type {other}"))),
    })
}

fn custom(parts: &[String]) -> Done<Type> {
    let bare = parts.last().map_or("", String::as_str);
    Ok(match bare {
        "regclass" => Type::Reg(Reg::Class),
        "regtype" => Type::Reg(Reg::Type),
        "regproc" | "regprocedure" => Type::Reg(Reg::Proc),
        "regnamespace" => Type::Reg(Reg::Namespace),
        "regrole" => Type::Reg(Reg::Role),
        bare => crate::shell::sqlconsole::types::by_name(bare).ok_or_else(|| {
            Reply::error(code::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", parts.join(".")))
        })?,
    })
}

impl Translator<'_> {
    pub(super) fn cast(&mut self, value: Typed, data_type: &DataType) -> Done<Typed> {
        let ty = of(data_type)?;
        if value.ty == Type::Unknown {
            return match value.origin {
                Origin::Other => Ok(Typed { ty, ..value }),
                Origin::Literal(_) | Origin::Parameter(_) => {
                    let value = self.coerce(value, ty)?;
                    Ok(Typed { origin: Origin::Other, ..value })
                }
            };
        }
        if value.ty == ty {
            return Ok(value);
        }
        let to = super::quoted(
            crate::shell::sqlconsole::types::ALL.iter().find(|(other, ..)| *other == ty).map_or("text", |row| row.2),
        );
        let sql = match (value.ty.category(), ty.category()) {
            (_, Category::Text) => self.as_text(value).sql,
            (Category::Text, Category::Number) if matches!(ty, Type::Reg(_)) => {
                return Err(unsupported("a cast of a value that is not known to this type"));
            }
            (Category::Text, _) => format!("lk_input({}, {to})", value.sql),
            (Category::Number, Category::Number) if ty == Type::Float8 => format!("CAST({} AS REAL)", value.sql),
            (Category::Number, Category::Number) if value.ty == Type::Float8 => {
                format!("CAST(round({}) AS INTEGER)", value.sql)
            }
            (Category::Number, Category::Number) => value.sql,
            (Category::Number, Category::Bool) => format!("({} <> 0)", value.sql),
            (Category::Bool, Category::Number) if ty == Type::Int4 => value.sql,
            (Category::Time, Category::Time) if ty == Type::Date => format!("lk_day({})", value.sql),
            (Category::Time, Category::Time) | (Category::Array, Category::Array) => value.sql,
            _ => {
                let message = format!("cannot cast type {} to {}", value.ty.sql(), ty.sql());
                return Err(Reply::error("42846", message));
            }
        };
        Ok(Typed::new(sql, ty))
    }
}
