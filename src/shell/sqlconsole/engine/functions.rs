//! Functions that PostgreSQL has and the engine does not. Times are microseconds, arrays their text.

use regex_lite::{Regex, RegexBuilder};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use crate::shell::sqlconsole::types::{self, Type};
use crate::shell::sqlconsole::{catalog, schema, time};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;
/// Separates an SQLSTATE from its message in an error that comes through the engine.
const MARK: &str = "\u{1}";
type OfReal = fn(f64) -> f64;
type Shown = fn(i64) -> String;

/// Longest pattern of a regular expression, in bytes.
const PATTERN_MAX: usize = 4_096;

/// An error with an SQLSTATE.
fn fail(code: &str, message: &str) -> Error {
    Error::UserFunctionError(format!("{code}{MARK}{message}").into())
}

/// The SQLSTATE and message of an error of ours.
pub(super) fn apart(text: &str) -> Option<(&'static str, String)> {
    let (code, message) = text.split_once(MARK)?;
    let known = ["22007", "22P02", "22003", "22012", "2201B", "22023", "22P01"];
    let code = known.into_iter().find(|known| code.ends_with(known)).unwrap_or("XX000");
    Some((code, message.to_owned()))
}

fn text(context: &Context<'_>, at: usize) -> Result<Option<String>> {
    Ok(match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    })
}

fn number(context: &Context<'_>, at: usize) -> Result<Option<i64>> {
    Ok(match context.get_raw(at) {
        ValueRef::Integer(number) => Some(number),
        #[allow(clippy::cast_possible_truncation, reason = "a number with a fraction where a whole one is meant")]
        ValueRef::Real(number) => Some(number as i64),
        ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok()),
        ValueRef::Null | ValueRef::Blob(_) => None,
    })
}

fn real(context: &Context<'_>, at: usize) -> Option<f64> {
    match context.get_raw(at) {
        #[allow(clippy::cast_precision_loss, reason = "as PostgreSQL casts")]
        ValueRef::Integer(number) => Some(number as f64),
        ValueRef::Real(number) => Some(number),
        _ => None,
    }
}

/// Adds them all.
pub(super) fn register(connection: &Connection) -> Result<()> {
    texts(connection)?;
    arrays(connection)?;
    numbers(connection)?;
    times(connection)?;
    objects(connection)
}

const PURE: FunctionFlags =
    FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC).union(FunctionFlags::SQLITE_INNOCUOUS);

/// A function of texts that gives NULL for NULL.
fn on_text<T: rusqlite::ToSql>(
    connection: &Connection,
    name: &str,
    count: i32,
    run: impl Fn(&[String]) -> Result<T> + Send + 'static,
) -> Result<()> {
    connection.create_scalar_function(name, count, PURE, move |context| {
        let values: Result<Option<Vec<String>>> = (0..context.len()).map(|at| text(context, at)).collect();
        values?.map(|values| run(&values)).transpose()
    })
}

fn item(values: &[String], at: usize) -> &str {
    values.get(at).map_or("", String::as_str)
}

fn texts(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("lk_match", 3, PURE, |context| {
        let (Some(value), Some(_)) = (text(context, 0)?, text(context, 1)?) else { return Ok(None) };
        // Compiled once for each pattern of a query.
        let any_case = number(context, 2)? == Some(1);
        let regex = context.get_or_create_aux(
            1,
            |pattern| -> std::result::Result<Regex, Box<dyn std::error::Error + Send + Sync>> {
                let pattern = pattern.as_str()?;
                if pattern.len() > PATTERN_MAX {
                    return Err(format!("2201B{MARK}invalid regular expression: too long").into());
                }
                RegexBuilder::new(pattern)
                    .case_insensitive(any_case)
                    .build()
                    .map_err(|error| format!("2201B{MARK}invalid regular expression: {error}").into())
            },
        )?;
        Ok(Some(regex.is_match(&value)))
    })?;
    on_text(connection, "lk_quote_ident", 1, |values| Ok(quote_ident(item(values, 0))))?;
    on_text(connection, "lk_quote_literal", 1, |values| Ok(format!("'{}'", item(values, 0).replace('\'', "''"))))?;
    on_text(connection, "lk_starts_with", 2, |values| Ok(item(values, 0).starts_with(item(values, 1))))?;
    on_text(connection, "lk_left", 2, |values| Ok(cut(item(values, 0), item(values, 1), false)))?;
    on_text(connection, "lk_right", 2, |values| Ok(cut(item(values, 0), item(values, 1), true)))?;
    on_text(connection, "lk_split_part", 3, |values| {
        let at = item(values, 2).parse::<usize>().unwrap_or(0);
        let at = at.checked_sub(1).ok_or_else(|| fail("22023", "field position must be greater than zero"))?;
        let separator = item(values, 1);
        let whole = item(values, 0);
        if separator.is_empty() {
            return Ok(if at == 0 { whole.to_owned() } else { String::new() });
        }
        Ok(whole.split(separator).nth(at).unwrap_or_default().to_owned())
    })?;
    on_text(connection, "lk_input", 2, |values| {
        let ty = types::named(item(values, 1)).unwrap_or(Type::Text);
        time::input(item(values, 0), ty).map_err(|bad| fail(bad.code, &bad.message))
    })?;
    on_text(connection, "lk_size_pretty", 1, |values| Ok(format!("{} bytes", item(values, 0))))
}

/// The first or last characters; a negative number leaves so many out.
fn cut(value: &str, count: &str, right: bool) -> String {
    let length = value.chars().count();
    let count: i64 = count.parse().unwrap_or(0);
    let kept = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX).min(length);
    let kept = if count < 0 { length - kept } else { kept };
    if right { value.chars().skip(length - kept).collect() } else { value.chars().take(kept).collect() }
}

fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Collects texts into an array.
struct Collect;

impl Aggregate<Vec<String>, Option<String>> for Collect {
    fn init(&self, _: &mut Context<'_>) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn step(&self, context: &mut Context<'_>, items: &mut Vec<String>) -> Result<()> {
        items.extend(text(context, 0)?);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, items: Option<Vec<String>>) -> Result<Option<String>> {
        Ok(items.filter(|items| !items.is_empty()).map(types::array))
    }
}

fn arrays(connection: &Connection) -> Result<()> {
    connection.create_aggregate_function("lk_array_agg", 1, PURE, Collect)?;
    connection.create_scalar_function("lk_array", -1, PURE, |context| {
        let items: Result<Vec<Option<String>>> = (0..context.len()).map(|at| text(context, at)).collect();
        Ok(types::array(items?.into_iter().flatten()))
    })?;
    connection.create_scalar_function("lk_array_cat", 2, PURE, |context| {
        let mut items = Vec::new();
        let mut any = false;
        for at in 0..2 {
            let Some(array) = text(context, at)? else { continue };
            any = true;
            match array.starts_with('{') {
                true => items.extend(types::elements(&array).into_iter().flatten()),
                false => items.push(array),
            }
        }
        Ok(any.then(|| types::array(items)))
    })?;
    on_text(connection, "lk_in_array", 2, |values| {
        Ok(types::elements(item(values, 1)).iter().flatten().any(|one| one == item(values, 0)))
    })?;
    on_text(connection, "lk_array_remove", 2, |values| {
        let items = types::elements(item(values, 0)).into_iter().flatten();
        Ok(types::array(items.filter(|one| one != item(values, 1))))
    })?;
    on_text(connection, "lk_array_json", 1, |values| {
        let items: Vec<String> = types::elements(item(values, 0)).into_iter().flatten().collect();
        serde_json::to_string(&items).map_err(|error| fail("XX000", &error.to_string()))
    })?;
    on_text(connection, "lk_element", 2, |values| {
        let at = item(values, 1).parse::<usize>().ok().and_then(|at| at.checked_sub(1));
        Ok(at.and_then(|at| types::elements(item(values, 0)).into_iter().nth(at).flatten()))
    })?;
    on_text(connection, "lk_array_length", 2, |values| {
        let length = types::elements(item(values, 0)).len();
        Ok((length > 0 && item(values, 1) == "1").then(|| i64::try_from(length).unwrap_or(i64::MAX)))
    })?;
    on_text(connection, "lk_array_to_string", -1, |values| {
        let items: Vec<String> = types::elements(item(values, 0)).into_iter().flatten().collect();
        Ok(items.join(item(values, 1)))
    })?;
    on_text(connection, "lk_string_to_array", 2, |values| Ok(types::array(item(values, 0).split(item(values, 1)))))
}

fn numbers(connection: &Connection) -> Result<()> {
    let whole = |context: &Context<'_>| match (context.get_raw(0), context.get_raw(1)) {
        (ValueRef::Integer(one), ValueRef::Integer(other)) => Some((one, other)),
        _ => None,
    };
    connection.create_scalar_function("lk_divide", 2, PURE, move |context| {
        if let Some((one, other)) = whole(context) {
            let by_zero = || fail("22012", "division by zero");
            return one.checked_div(other).map(Value::Integer).ok_or_else(by_zero);
        }
        match (real(context, 0), real(context, 1)) {
            (Some(_), Some(0.0)) => Err(fail("22012", "division by zero")),
            (Some(one), Some(other)) => Ok(Value::Real(one / other)),
            _ => Ok(Value::Null),
        }
    })?;
    connection.create_scalar_function("lk_mod", 2, PURE, move |context| match whole(context) {
        Some((one, other)) => {
            one.checked_rem(other).map(Value::Integer).ok_or_else(|| fail("22012", "division by zero"))
        }
        None => Ok(Value::Null),
    })?;
    let functions: [(&str, OfReal); 4] =
        [("lk_ceil", f64::ceil), ("lk_floor", f64::floor), ("lk_trunc", f64::trunc), ("lk_sqrt", f64::sqrt)];
    for (name, function) in functions {
        connection.create_scalar_function(name, 1, PURE, move |context| Ok(real(context, 0).map(function)))?;
    }
    connection.create_scalar_function("lk_power", 2, PURE, |context| {
        Ok(real(context, 0).zip(real(context, 1)).map(|(one, other)| one.powf(other)))
    })?;
    // NULLs are left out, unlike in the engine's min and max of several values.
    for (name, greatest) in [("lk_greatest", true), ("lk_least", false)] {
        connection.create_scalar_function(name, -1, PURE, move |context| {
            let mut best = Value::Null;
            for at in 0..context.len() {
                let value = Value::from(context.get_raw(at));
                if value != Value::Null && (best == Value::Null || precedes(&best, &value) == greatest) {
                    best = value;
                }
            }
            Ok(best)
        })?;
    }
    Ok(())
}

fn precedes(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one < other,
        (Value::Real(one), Value::Real(other)) => one < other,
        (Value::Text(one), Value::Text(other)) => one < other,
        #[allow(clippy::cast_precision_loss, reason = "as PostgreSQL casts")]
        (Value::Integer(one), Value::Real(other)) => (*one as f64) < *other,
        #[allow(clippy::cast_precision_loss, reason = "as PostgreSQL casts")]
        (Value::Real(one), Value::Integer(other)) => *one < (*other as f64),
        _ => false,
    }
}

fn times(connection: &Connection) -> Result<()> {
    let shown: [(&str, Shown); 3] = [
        ("lk_time_text", |micros| time::timestamp(micros, &jiff::tz::TimeZone::UTC)),
        ("lk_date_text", time::date),
        ("lk_interval_text", time::interval),
    ];
    for (name, show) in shown {
        connection.create_scalar_function(name, 1, PURE, move |context| Ok(number(context, 0)?.map(show)))?;
    }
    connection.create_scalar_function("lk_day", 1, PURE, |context| {
        Ok(number(context, 0)?.map(|micros| micros.div_euclid(DAY) * DAY))
    })?;
    connection.create_scalar_function("lk_trunc", 3, PURE, |context| {
        let (Some(field), Some(micros)) = (text(context, 0)?, number(context, 1)?) else { return Ok(None) };
        truncated(&field, micros).map(Some).ok_or_else(|| fail("22023", &format!("unit \"{field}\" not recognized")))
    })?;
    connection.create_scalar_function("lk_extract", 3, PURE, |context| {
        let (Some(field), Some(micros)) = (text(context, 0)?, number(context, 1)?) else { return Ok(None) };
        let interval = number(context, 2)? == Some(1);
        let part = part(&field, micros, interval);
        part.map(Some).ok_or_else(|| fail("22023", &format!("unit \"{field}\" not recognized")))
    })
}

fn truncated(field: &str, micros: i64) -> Option<i64> {
    let field = field.to_lowercase();
    if let "month" | "year" | "quarter" = field.as_str() {
        let date = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
        let month = match field.as_str() {
            "month" => date.month(),
            "quarter" => (date.month() - 1) / 3 * 3 + 1,
            _ => 1,
        };
        let first = jiff::civil::Date::new(date.year(), month, 1).ok()?;
        return Some(first.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond());
    }
    if field == "week" {
        // 1970 began on a Thursday; weeks begin on Mondays.
        return Some((micros + 3 * DAY).div_euclid(7 * DAY) * 7 * DAY - 3 * DAY);
    }
    let unit = match field.as_str() {
        "microseconds" => 1,
        "milliseconds" => 1_000,
        "second" => MICROS,
        "minute" => 60 * MICROS,
        "hour" => 3_600 * MICROS,
        "day" => DAY,
        _ => return None,
    };
    Some(micros.div_euclid(unit) * unit)
}

#[allow(clippy::cast_precision_loss, reason = "PostgreSQL gives a number with a fraction as well")]
fn part(field: &str, micros: i64, interval: bool) -> Option<f64> {
    let day = if interval { micros % DAY } else { micros.rem_euclid(DAY) };
    let of_day = match field {
        "epoch" => Some(micros as f64 / 1e6),
        "hour" if interval => Some((day / (3_600 * MICROS)) as f64),
        "hour" => Some((day / (3_600 * MICROS)) as f64),
        "minute" => Some((day / (60 * MICROS) % 60) as f64),
        "second" => Some((day % (60 * MICROS)) as f64 / 1e6),
        "day" if interval => Some((micros / DAY) as f64),
        _ => None,
    };
    if of_day.is_some() || interval {
        return of_day;
    }
    let date = jiff::Timestamp::from_microsecond(micros).ok()?.to_zoned(jiff::tz::TimeZone::UTC).date();
    Some(match field {
        "day" => f64::from(date.day()),
        "month" => f64::from(date.month()),
        "year" => f64::from(date.year()),
        "dow" => f64::from(date.weekday().to_sunday_zero_offset()),
        "isodow" => f64::from(date.weekday().to_monday_one_offset()),
        "doy" => f64::from(date.day_of_year()),
        _ => return None,
    })
}

/// What is said of objects by their numbers.
fn objects(connection: &Connection) -> Result<()> {
    connection.create_scalar_function("lk_format_type", 1, PURE, |context| {
        let Some(oid) = number(context, 0)? else { return Ok(None) };
        let oid = u32::try_from(oid).unwrap_or_default();
        let found = types::ALL.iter().find(|(_, other, ..)| *other == oid);
        Ok(Some(found.map_or_else(|| if oid == 0 { "-" } else { "???" }, |(_, _, _, sql, _)| *sql).to_owned()))
    })?;
    connection.create_scalar_function("lk_class", 1, PURE, |context| {
        let Some(name) = text(context, 0)? else { return Ok(None) };
        let (schema, bare) = name.split_once('.').map_or((None, name.as_str()), |(a, b)| (Some(a), b));
        Ok(schema::find(schema, bare).map(|table| table.oid))
    })?;
    connection.create_scalar_function("lk_visible", 1, PURE, |context| {
        let oid = number(context, 0)?;
        let found = schema::TABLES.iter().find(|table| Some(table.oid) == oid);
        Ok(found.map(|table| table.schema != "information_schema"))
    })?;
    connection.create_scalar_function("lk_arguments", 1, PURE, |context| {
        let oid = number(context, 0)?;
        Ok(schema::VERBS.iter().find(|verb| Some(verb.oid) == oid).map(|verb| verb.arguments))
    })?;
    connection.create_scalar_function("lk_viewdef", -1, PURE, |context| {
        let oid = number(context, 0)?;
        Ok(schema::views().find(|view| Some(view.oid) == oid).map(catalog::definition))
    })?;
    connection.create_scalar_function("lk_described", -1, PURE, |context| {
        let oid = number(context, 0)?;
        let view = schema::views().find(|view| Some(view.oid) == oid).map(|view| view.about);
        Ok(view.or_else(|| schema::VERBS.iter().find(|verb| Some(verb.oid) == oid).map(|verb| verb.about)))
    })?;
    connection.create_scalar_function("lk_column_described", 2, PURE, |context| {
        let (oid, number) = (number(context, 0)?, number(context, 1)?.and_then(|number| usize::try_from(number).ok()));
        let view = schema::views().find(|view| Some(view.oid) == oid);
        let column = view.zip(number.and_then(|number| number.checked_sub(1)));
        Ok(column.and_then(|(view, at)| view.columns.get(at)).map(|column| column.about))
    })
}
