//! The types of the console, by PostgreSQL's own numbers, and their values as text and as bytes.
//!
//! The engine knows numbers and texts only: times are microseconds since 1970, intervals microseconds, truths 0
//! and 1, arrays their text.

use rusqlite::types::Value;

use super::time;

/// Microseconds from 1970 to 2000, where PostgreSQL counts from.
const EPOCH_2000: i64 = 946_684_800_000_000;
const DAY: i64 = 86_400_000_000;

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float8,
    Text,
    Name,
    /// `"char"`: one byte.
    Char,
    Oid,
    Date,
    Timestamp,
    Interval,
    Json,
    Texts,
    /// Numbers of tickets and jobs, as drivers bind them.
    Numbers,
    /// Numbers of types, which drivers ask about.
    Oids,
    /// A literal or parameter whose place says what it is.
    Unknown,
    /// Number of an object that is shown by its name.
    Reg(Reg),
}

/// Kinds of objects with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reg {
    Class,
    Type,
    Proc,
    Namespace,
    Role,
}

/// What can be compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Bool,
    Number,
    Text,
    Time,
    Interval,
    Array,
    Unknown,
}

/// Every type with its number, name in `pg_type`, SQL name and bytes.
pub(super) const ALL: [(Type, u32, &str, &str, i16); 17] = [
    (Type::Bool, 16, "bool", "boolean", 1),
    (Type::Char, 18, "char", "\"char\"", 1),
    (Type::Name, 19, "name", "name", 64),
    (Type::Int8, 20, "int8", "bigint", 8),
    (Type::Int2, 21, "int2", "smallint", 2),
    (Type::Int4, 23, "int4", "integer", 4),
    (Type::Text, 25, "text", "text", -1),
    (Type::Oid, 26, "oid", "oid", 4),
    (Type::Json, 114, "json", "json", -1),
    (Type::Float8, 701, "float8", "double precision", 8),
    (Type::Texts, 1009, "_text", "text[]", -1),
    (Type::Numbers, 1016, "_int8", "bigint[]", -1),
    (Type::Oids, 1028, "_oid", "oid[]", -1),
    (Type::Date, 1082, "date", "date", 4),
    (Type::Timestamp, 1184, "timestamptz", "timestamp with time zone", 8),
    (Type::Interval, 1186, "interval", "interval", 16),
    (Type::Reg(Reg::Class), 2205, "regclass", "regclass", 4),
];

impl Type {
    fn row(self) -> (u32, &'static str, i16) {
        let found = ALL.iter().find(|(ty, ..)| *ty == self);
        // What is not decided until the end is text, as in PostgreSQL.
        found.map_or((25, "text", -1), |(_, oid, _, sql, size)| (*oid, sql, *size))
    }

    pub(super) fn oid(self) -> u32 {
        self.row().0
    }

    /// As `\d` writes it.
    pub(super) fn sql(self) -> &'static str {
        self.row().1
    }

    pub(super) fn size(self) -> i16 {
        self.row().2
    }

    /// The type of this number; nothing: the console has none like that.
    pub(super) fn of_oid(oid: u32) -> Option<Self> {
        match oid {
            0 | 705 => Some(Self::Unknown),
            // varchar, bpchar, jsonb, timestamp, numeric, float4: the next of kin that has the same text.
            1042 | 1043 => Some(Self::Text),
            // name[], bpchar[], varchar[]; int2[], int4[].
            1003 | 1014 | 1015 => Some(Self::Texts),
            1005 | 1007 => Some(Self::Numbers),
            oid => ALL.iter().find(|(_, number, ..)| *number == oid).map(|(ty, ..)| *ty),
        }
    }

    pub(super) fn category(self) -> Category {
        match self {
            Self::Bool => Category::Bool,
            Self::Int2 | Self::Int4 | Self::Int8 | Self::Float8 | Self::Oid | Self::Reg(_) => Category::Number,
            Self::Text | Self::Name | Self::Char | Self::Json => Category::Text,
            Self::Date | Self::Timestamp => Category::Time,
            Self::Interval => Category::Interval,
            Self::Texts | Self::Numbers | Self::Oids => Category::Array,
            Self::Unknown => Category::Unknown,
        }
    }
}

/// The type of a name as in `pg_type`.
pub(super) fn named(name: &str) -> Option<Type> {
    ALL.iter().find(|(_, _, known, ..)| *known == name).map(|(ty, ..)| *ty)
}

/// The type that SQL calls by a name.
pub(super) fn by_name(name: &str) -> Option<Type> {
    match name {
        "integer" | "int" => Some(Type::Int4),
        "bigint" => Some(Type::Int8),
        "smallint" => Some(Type::Int2),
        "boolean" => Some(Type::Bool),
        "timestamp" | "timestamp with time zone" => Some(Type::Timestamp),
        "varchar" | "bpchar" | "character varying" | "unknown" | "cstring" | "uuid" => Some(Type::Text),
        "numeric" | "double precision" | "float4" | "real" => Some(Type::Float8),
        "xid" => Some(Type::Oid),
        "jsonb" => Some(Type::Json),
        "text[]" | "name[]" | "_name" => Some(Type::Texts),
        "bigint[]" | "integer[]" | "int[]" | "_int4" => Some(Type::Numbers),
        name => named(name),
    }
}

/// A value as PostgreSQL writes it; nothing for NULL.
pub(super) fn text(value: &Value, ty: Type, zone: &jiff::tz::TimeZone) -> Option<String> {
    Some(match (value, ty) {
        (Value::Null, _) => return None,
        (Value::Integer(number), Type::Bool) => if *number == 0 { "f" } else { "t" }.to_owned(),
        (Value::Integer(micros), Type::Timestamp) => time::timestamp(*micros, zone),
        (Value::Integer(micros), Type::Date) => time::date(*micros),
        (Value::Integer(micros), Type::Interval) => time::interval(*micros),
        (Value::Integer(number), _) => number.to_string(),
        (Value::Real(number), _) => float(*number),
        (Value::Text(text), _) => text.clone(),
        (Value::Blob(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
    })
}

fn float(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else if number != 0.0 && !(1e-4..1e15).contains(&number.abs()) {
        let written = format!("{number:e}");
        let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        format!("{digits}e{sign}{exponent:0>2}")
    } else {
        number.to_string()
    }
}

/// A value in the binary format. What does not fit its type is told as that.
pub(super) fn binary(value: &Value, ty: Type) -> Result<Option<Vec<u8>>, &'static str> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::Integer(number) => Some(*number),
        Value::Real(number) =>
        {
            #[allow(clippy::cast_possible_truncation, reason = "a number with a fraction in a whole one's place")]
            Some(*number as i64)
        }
        Value::Text(text) => text.parse().ok(),
        Value::Blob(_) => None,
    };
    let range = "a value does not fit its type";
    let whole = || number.ok_or("a value is not of its column's type");
    Ok(Some(match ty {
        Type::Bool => vec![u8::from(whole()? != 0)],
        Type::Int2 => i16::try_from(whole()?).map_err(|_| range)?.to_be_bytes().to_vec(),
        Type::Int4 => i32::try_from(whole()?).map_err(|_| range)?.to_be_bytes().to_vec(),
        Type::Oid | Type::Reg(_) => u32::try_from(whole()?).map_err(|_| range)?.to_be_bytes().to_vec(),
        Type::Int8 => whole()?.to_be_bytes().to_vec(),
        Type::Timestamp => (whole()? - EPOCH_2000).to_be_bytes().to_vec(),
        Type::Date => {
            let days = (whole()? - EPOCH_2000).div_euclid(DAY);
            i32::try_from(days).map_err(|_| range)?.to_be_bytes().to_vec()
        }
        Type::Interval => {
            let micros = whole()?;
            let days = i32::try_from(micros / DAY).map_err(|_| range)?;
            [&(micros % DAY).to_be_bytes()[..], &days.to_be_bytes(), &[0; 4]].concat()
        }
        Type::Float8 => match value {
            Value::Real(number) => number.to_be_bytes().to_vec(),
            #[allow(clippy::cast_precision_loss, reason = "as PostgreSQL casts")]
            _ => (whole()? as f64).to_be_bytes().to_vec(),
        },
        Type::Texts => packed(&plain(value), 25, |item| Ok(item.as_bytes().to_vec()))?,
        Type::Numbers => {
            let number = |item: &str| item.parse::<i64>().map_err(|_| "a value is not of its column's type");
            packed(&plain(value), 20, |item| Ok(number(item)?.to_be_bytes().to_vec()))?
        }
        Type::Oids => {
            let number = |item: &str| item.parse::<u32>().map_err(|_| "a value is not of its column's type");
            packed(&plain(value), 26, |item| Ok(number(item)?.to_be_bytes().to_vec()))?
        }
        Type::Text | Type::Name | Type::Char | Type::Json | Type::Unknown => plain(value).into_bytes(),
    }))
}

/// An array in the binary format.
fn packed(
    text: &str,
    element: u32,
    write: impl Fn(&str) -> Result<Vec<u8>, &'static str>,
) -> Result<Vec<u8>, &'static str> {
    let items = elements(text);
    let mut bytes = Vec::new();
    let dimensions = u32::from(!items.is_empty());
    for head in [dimensions, u32::from(items.iter().any(Option::is_none)), element] {
        bytes.extend(head.to_be_bytes());
    }
    if dimensions > 0 {
        bytes.extend(u32::try_from(items.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(1_u32.to_be_bytes());
    }
    for item in items {
        match item {
            None => bytes.extend((-1_i32).to_be_bytes()),
            Some(item) => {
                let item = write(&item)?;
                bytes.extend(u32::try_from(item.len()).unwrap_or(u32::MAX).to_be_bytes());
                bytes.extend(item);
            }
        }
    }
    Ok(bytes)
}

/// The text of an array that came in the binary format: of one dimension, of texts or whole numbers.
fn unpacked(bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let mut word = || -> Option<u32> {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        Some(u32::from_be_bytes(*head))
    };
    let (dimensions, _, element) = (word()?, word()?, word()?);
    if dimensions == 0 {
        return Some("{}".to_owned());
    }
    let count = (word()?, word()?).0;
    let mut items = Vec::new();
    for _ in 0..count {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*head)) else {
            items.push("NULL".to_owned());
            rest = tail;
            continue;
        };
        let (item, tail) = tail.split_at_checked(length)?;
        rest = tail;
        items.push(match (element, item.len()) {
            (20, 8) => i64::from_be_bytes(item.try_into().ok()?).to_string(),
            (21, 2) => i16::from_be_bytes(item.try_into().ok()?).to_string(),
            (26, 4) => u32::from_be_bytes(item.try_into().ok()?).to_string(),
            (23, 4) => i32::from_be_bytes(item.try_into().ok()?).to_string(),
            (18 | 19 | 25 | 1042 | 1043, _) => quoted(std::str::from_utf8(item).ok()?),
            _ => return None,
        });
    }
    (dimensions == 1 && rest.is_empty()).then(|| format!("{{{}}}", items.join(",")))
}

/// A parameter as it was bound.
pub(super) fn parameter(bytes: &[u8], binary: bool, ty: Type) -> Result<Value, &'static str> {
    let damaged = "incorrect binary data format in bind parameter";
    if !binary {
        let text = std::str::from_utf8(bytes).map_err(|_| "invalid byte sequence for encoding \"UTF8\"")?;
        return time::input(text, ty).map_err(|_| "invalid input for the parameter's type");
    }
    let fixed = |bytes: &[u8]| -> Option<i64> {
        match bytes.len() {
            1 => bytes.first().map(|byte| i64::from(*byte)),
            2 => bytes.try_into().ok().map(|bytes| i16::from_be_bytes(bytes).into()),
            4 => bytes.try_into().ok().map(|bytes| i32::from_be_bytes(bytes).into()),
            8 => bytes.try_into().ok().map(i64::from_be_bytes),
            _ => None,
        }
    };
    Ok(match ty {
        Type::Bool | Type::Int2 | Type::Int4 | Type::Int8 => Value::Integer(fixed(bytes).ok_or(damaged)?),
        Type::Oid | Type::Reg(_) => {
            let number: [u8; 4] = bytes.try_into().map_err(|_| damaged)?;
            Value::Integer(u32::from_be_bytes(number).into())
        }
        Type::Timestamp => Value::Integer(fixed(bytes).ok_or(damaged)?.saturating_add(EPOCH_2000)),
        Type::Date => Value::Integer(fixed(bytes).ok_or(damaged)?.saturating_mul(DAY).saturating_add(EPOCH_2000)),
        Type::Float8 => Value::Real(f64::from_be_bytes(bytes.try_into().map_err(|_| damaged)?)),
        Type::Interval => {
            let (micros, rest) = bytes.split_first_chunk::<8>().ok_or(damaged)?;
            let (days, months) = rest.split_first_chunk::<4>().ok_or(damaged)?;
            let months: [u8; 4] = months.try_into().map_err(|_| damaged)?;
            let days = i64::from(i32::from_be_bytes(*days)) + 30 * i64::from(i32::from_be_bytes(months));
            Value::Integer(i64::from_be_bytes(*micros).saturating_add(days.saturating_mul(DAY)))
        }
        Type::Texts | Type::Numbers | Type::Oids => Value::Text(unpacked(bytes).ok_or(damaged)?),
        Type::Text | Type::Name | Type::Char | Type::Json | Type::Unknown => {
            Value::Text(String::from_utf8(bytes.to_vec()).map_err(|_| damaged)?)
        }
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => float(*number),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// An array as PostgreSQL writes it.
pub(super) fn array<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(item.as_ref())).collect();
    format!("{{{}}}", items.join(","))
}

/// An element, as it stands in an array's text.
fn quoted(item: &str) -> String {
    let plain = !item.is_empty()
        && !item.eq_ignore_ascii_case("null")
        && item.chars().all(|c| !c.is_whitespace() && !matches!(c, '"' | '\\' | '{' | '}' | ','));
    if plain { item.to_owned() } else { format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// The elements of an array's text; of something else, and of arrays within it, what can be made out.
pub(super) fn elements(text: &str) -> Vec<Option<String>> {
    let inner = text.trim();
    let Some(inner) = inner.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        // A vector of numbers, as in `pg_index`.
        return inner.split_whitespace().map(|item| Some(item.to_owned())).collect();
    };
    let mut items = Vec::new();
    let (mut item, mut quoted, mut inside) = (String::new(), false, false);
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => item.extend(characters.next()),
            '"' => {
                inside = !inside;
                quoted = true;
            }
            ',' if !inside => {
                items.push(element(std::mem::take(&mut item), quoted));
                quoted = false;
            }
            character => item.push(character),
        }
    }
    if !item.is_empty() || quoted || !items.is_empty() {
        items.push(element(item, quoted));
    }
    items
}

fn element(item: String, quoted: bool) -> Option<String> {
    (quoted || !item.eq_ignore_ascii_case("null")).then_some(item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_go_there_and_back() {
        let items = ["a", "", "with, comma", "q\"uote", "back\\slash", "null", "{x}"];
        let read: Vec<String> = elements(&array(items)).into_iter().flatten().collect();
        assert_eq!(read, items);
        assert_eq!(elements("{}"), Vec::new());
        assert_eq!(elements("{NULL,a}"), [None, Some("a".to_owned())]);
        assert_eq!(elements("1 2"), [Some("1".to_owned()), Some("2".to_owned())]);
    }

    #[test]
    fn numbers_are_written_as_postgres_does() {
        for (number, expected) in [(0.5, "0.5"), (1e20, "1e+20"), (1.5e-7, "1.5e-07"), (3.0, "3"), (-2.25, "-2.25")] {
            assert_eq!(float(number), expected);
        }
    }
}
