//! Times and intervals, read and written as PostgreSQL does with `DateStyle = ISO`. An interval is a length of
//! time here: a month counts as thirty days, and a year as 365.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rusqlite::types::Value;

use super::types::Type;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A text that is none of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadInput {
    pub(super) code: &'static str,
    pub(super) message: String,
}

fn bad(code: &'static str, ty: Type, text: &str) -> BadInput {
    BadInput { code, message: format!("invalid input syntax for type {}: \"{text}\"", ty.sql()) }
}

/// `.25` of microseconds; nothing of none.
fn fraction(micros: i64) -> String {
    if micros == 0 { String::new() } else { format!(".{micros:06}").trim_end_matches('0').to_owned() }
}

/// `2026-03-01 14:05:06.25+00`
pub(super) fn timestamp(micros: i64, zone: &TimeZone) -> String {
    let Ok(timestamp) = Timestamp::from_microsecond(micros) else { return "infinity".to_owned() };
    let zoned = timestamp.to_zoned(zone.clone());
    let offset = zoned.offset().seconds();
    let sign = if offset < 0 { '-' } else { '+' };
    let (hours, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
    let minutes = if minutes == 0 { String::new() } else { format!(":{minutes:02}") };
    let rest = fraction(micros.rem_euclid(SECOND));
    format!("{}{rest}{sign}{hours:02}{minutes}", zoned.strftime("%Y-%m-%d %H:%M:%S"))
}

/// `2026-03-01`
pub(super) fn date(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "infinity".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// `3 days 02:03:04.5`
pub(super) fn interval(micros: i64) -> String {
    let (days, rest) = (micros / DAY, micros % DAY);
    let mut parts = Vec::new();
    if days != 0 {
        parts.push(format!("{days} day{}", if days == 1 { "" } else { "s" }));
    }
    if rest != 0 || days == 0 {
        let sign = if rest < 0 { "-" } else { "" };
        let rest = rest.abs();
        let seconds = rest / SECOND;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        parts.push(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", fraction(rest % SECOND)));
    }
    parts.join(" ")
}

/// A time with or without its date and zone; `now`, `today`, `yesterday`, `tomorrow`.
pub(super) fn read_timestamp(text: &str, now: i64) -> Result<i64, BadInput> {
    let trimmed = text.trim();
    let midnight = now.div_euclid(DAY) * DAY;
    match trimmed.to_ascii_lowercase().as_str() {
        "now" => return Ok(now),
        "today" => return Ok(midnight),
        "yesterday" => return Ok(midnight - DAY),
        "tomorrow" => return Ok(midnight + DAY),
        "epoch" => return Ok(0),
        "infinity" => return Ok(i64::MAX),
        "-infinity" => return Ok(i64::MIN),
        _ => {}
    }
    let wrong = || bad("22007", Type::Timestamp, text);
    if let Ok(timestamp) = zoned(trimmed).parse::<Timestamp>() {
        return Ok(timestamp.as_microsecond());
    }
    let civil: DateTime = trimmed.trim_end_matches([' ', 'Z', 'z']).parse().map_err(|_| wrong())?;
    let zoned = civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp().as_microsecond())
}

/// `+00` is an offset for PostgreSQL; the parser wants minutes too.
fn zoned(text: &str) -> String {
    let text = text.strip_suffix(" UTC").map_or_else(|| text.to_owned(), |rest| format!("{rest}Z"));
    let tail = text.len().saturating_sub(3);
    match text.get(tail..).map(str::as_bytes) {
        Some([b'+' | b'-', high, low]) if high.is_ascii_digit() && low.is_ascii_digit() && text.contains(':') => {
            format!("{text}:00")
        }
        _ => text,
    }
}

/// `1 day 02:03:04`, `90 minutes`, `1h 5m ago`, `PT1H`.
pub(super) fn read_interval(text: &str) -> Result<i64, BadInput> {
    let wrong = || bad("22007", Type::Interval, text);
    let trimmed = text.trim().to_ascii_lowercase();
    if trimmed.starts_with('p') {
        let duration: SignedDuration = trimmed.to_ascii_uppercase().parse().map_err(|_| wrong())?;
        return i64::try_from(duration.as_micros()).map_err(|_| wrong());
    }
    let (body, sign) = trimmed.strip_suffix(" ago").map_or((trimmed.as_str(), 1.0), |rest| (rest, -1.0));
    let mut words: Vec<String> = Vec::new();
    for word in body.split_whitespace() {
        let split = word.find(|c: char| c.is_ascii_alphabetic()).filter(|at| *at > 0).unwrap_or(word.len());
        let (number, unit) = word.split_at(split);
        words.extend([number, unit].into_iter().filter(|part| !part.is_empty()).map(str::to_owned));
    }
    let mut micros = 0.0;
    let mut words = words.into_iter().peekable();
    if words.peek().is_none() {
        return Err(wrong());
    }
    while let Some(word) = words.next() {
        if word.contains(':') {
            micros += clock(&word).ok_or_else(wrong)?;
            continue;
        }
        let number: f64 = word.parse().map_err(|_| wrong())?;
        let unit = words.next().unwrap_or_else(|| "second".to_owned());
        micros += number * unit_seconds(&unit).ok_or_else(wrong)? * 1e6;
    }
    let micros = (micros * sign).round();
    #[allow(clippy::cast_possible_truncation, reason = "checked against the bounds just before")]
    if micros.abs() < 9e18 { Ok(micros as i64) } else { Err(wrong()) }
}

fn clock(word: &str) -> Option<f64> {
    let (sign, word) = word.strip_prefix('-').map_or((1e6, word), |rest| (-1e6, rest));
    let mut seconds = 0.0;
    let mut scale = 3600.0;
    for part in word.split(':') {
        seconds += part.parse::<f64>().ok()? * scale;
        scale /= 60.0;
    }
    (scale >= 1.0 / 60.0).then_some(seconds * sign)
}

/// Seconds of a unit.
pub(super) fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit.trim_end_matches('s') {
        "microsecond" | "u" => 1e-6,
        "millisecond" | "m" if unit.starts_with("ms") || unit.starts_with("milli") => 1e-3,
        "second" | "sec" | "" => 1.0,
        "minute" | "min" | "m" => 60.0,
        "hour" | "hr" | "h" => 3_600.0,
        "day" | "d" => 86_400.0,
        "week" | "w" => 604_800.0,
        "month" | "mon" => 2_592_000.0,
        "year" | "yr" | "y" => 31_536_000.0,
        _ => return None,
    })
}

/// A text as a value of a type.
pub(super) fn input(text: &str, ty: Type) -> Result<Value, BadInput> {
    let now = crate::shell::clock::now().0;
    let wrong = |code| bad(code, ty, text);
    let trimmed = text.trim();
    Ok(match ty {
        Type::Bool => match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => Value::Integer(1),
            "f" | "false" | "n" | "no" | "off" | "0" => Value::Integer(0),
            _ => return Err(wrong("22P02")),
        },
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid | Type::Reg(_) => {
            let number: i64 = trimmed.parse().map_err(|_| wrong("22P02"))?;
            let fits = match ty {
                Type::Int2 => i16::try_from(number).is_ok(),
                Type::Int4 => i32::try_from(number).is_ok(),
                Type::Oid | Type::Reg(_) => u32::try_from(number).is_ok(),
                _ => true,
            };
            if !fits {
                let message = format!("value \"{text}\" is out of range for type {}", ty.sql());
                return Err(BadInput { code: "22003", message });
            }
            Value::Integer(number)
        }
        Type::Float8 => Value::Real(trimmed.parse().map_err(|_| wrong("22P02"))?),
        Type::Timestamp => Value::Integer(read_timestamp(text, now)?),
        Type::Date => Value::Integer(read_timestamp(text, now)?.div_euclid(DAY) * DAY),
        Type::Interval => Value::Integer(read_interval(text)?),
        Type::Texts | Type::Numbers | Type::Oids if !(trimmed.starts_with('{') && trimmed.ends_with('}')) => {
            return Err(BadInput { code: "22P02", message: format!("malformed array literal: \"{text}\"") });
        }
        Type::Text
        | Type::Name
        | Type::Char
        | Type::Json
        | Type::Texts
        | Type::Numbers
        | Type::Oids
        | Type::Unknown => Value::Text(text.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        for text in ["2026-03-01 14:05:06.25+00", "1999-12-31 23:59:59+00", "2026-03-01 00:00:00+00"] {
            assert_eq!(timestamp(read_timestamp(text, 0).unwrap(), &TimeZone::UTC), text);
        }
        for (text, expected) in [
            ("2026-03-01", "2026-03-01 00:00:00+00"),
            ("2026-03-01 14:05", "2026-03-01 14:05:00+00"),
            ("2026-03-01T14:05:00Z", "2026-03-01 14:05:00+00"),
            ("2026-03-01 14:05:00+02", "2026-03-01 12:05:00+00"),
        ] {
            assert_eq!(timestamp(read_timestamp(text, 0).unwrap(), &TimeZone::UTC), expected, "{text}");
        }
        assert_eq!(read_timestamp("soon", 0).unwrap_err().code, "22007");
        let zone = TimeZone::get("Asia/Kolkata").unwrap();
        assert_eq!(timestamp(0, &zone), "1970-01-01 05:30:00+05:30");
    }

    #[test]
    fn intervals_go_there_and_back() {
        for (text, expected) in [
            ("1 hour", "01:00:00"),
            ("1 day 02:03:04.5", "1 day 02:03:04.5"),
            ("90 minutes", "01:30:00"),
            ("2 days ago", "-2 days"),
            ("-00:00:01", "-00:00:01"),
            ("1h 5m", "01:05:00"),
            ("5", "00:00:05"),
            ("1 week", "7 days"),
            ("250 ms", "00:00:00.25"),
            ("PT1H", "01:00:00"),
            ("0", "00:00:00"),
        ] {
            assert_eq!(interval(read_interval(text).unwrap()), expected, "{text}");
        }
        for wrong in ["", "soon", "1 fortnight", "1:2:3:4:5", "1e300 years"] {
            assert!(read_interval(wrong).is_err(), "{wrong}");
        }
    }
}
