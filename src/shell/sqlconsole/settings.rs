//! SHOW, SET and the like: what clients set at the start of a session is kept and shown, and changes little.

use super::catalog::SERVER_VERSION;
use crate::kernel::wire::reply::Reply;

/// Settings a session may have at most.
const SETTINGS_MAX: usize = 200;

/// A statement that asks for no rows of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Utility {
    Begin,
    Commit,
    Rollback,
    /// SAVEPOINT, RELEASE and the rest that has no meaning here, with its tag.
    Nothing(&'static str),
    Set {
        name: String,
        value: Option<String>,
    },
    /// RESET ALL, DISCARD ALL.
    Forget(&'static str),
    Deallocate(Option<String>),
    Show(String),
}

/// What a session begins with.
pub(super) fn defaults() -> Vec<(String, String)> {
    let known = [
        ("application_name", ""),
        ("client_encoding", "UTF8"),
        ("client_min_messages", "notice"),
        ("DateStyle", "ISO, MDY"),
        ("default_transaction_isolation", "read committed"),
        ("default_transaction_read_only", "off"),
        ("extra_float_digits", "1"),
        ("in_hot_standby", "off"),
        ("integer_datetimes", "on"),
        ("IntervalStyle", "postgres"),
        ("is_superuser", "off"),
        ("max_identifier_length", "63"),
        ("search_path", "public"),
        ("server_encoding", "UTF8"),
        ("server_version", SERVER_VERSION),
        ("server_version_num", "140000"),
        ("standard_conforming_strings", "on"),
        ("statement_timeout", "10s"),
        ("TimeZone", "UTC"),
        ("transaction_isolation", "read committed"),
        ("transaction_read_only", "off"),
    ];
    known.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// Settings that clients are told of whenever they change.
pub(super) const REPORTED: [&str; 12] = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "standard_conforming_strings",
    "TimeZone",
];

/// Those with one value.
const FIXED: [(&str, &str); 5] = [
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("IntervalStyle", "postgres"),
    ("server_version", SERVER_VERSION),
    ("server_version_num", "140000"),
];

/// Sets one; the name as it is known.
pub(super) fn set(settings: &mut Vec<(String, String)>, name: &str, value: Option<&str>) -> Result<String, Reply> {
    let value = match value {
        Some(value) => value.to_owned(),
        None => default(name).unwrap_or_default(),
    };
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    let bad =
        |what: &str| Reply::error("22023", format!("invalid value for parameter \"{name}\": \"{value}\"")).hint(what);
    let encoding = ["utf8", "utf-8", "unicode"].contains(&value.to_lowercase().trim_matches('\''));
    if let Some((_, only)) = FIXED.iter().find(|(known, _)| same(known))
        && !(value.eq_ignore_ascii_case(only) || (same("client_encoding") && encoding))
    {
        return Err(bad(&format!("The console has \"{only}\" only.")));
    }
    if same("DateStyle") && !value.to_lowercase().contains("iso") {
        return Err(bad("The console writes dates as ISO only."));
    }
    if same("TimeZone") && zone(&value).is_none() {
        return Err(bad("Name a zone as in \"Europe/Berlin\"."));
    }
    let value = if same("client_encoding") { "UTF8".to_owned() } else { value };
    if let Some((known, kept)) = settings.iter_mut().find(|(known, _)| same(known)) {
        *kept = value;
        return Ok(known.clone());
    }
    if settings.len() >= SETTINGS_MAX {
        return Err(Reply::error("54000", "too many settings"));
    }
    settings.push((name.to_owned(), value));
    Ok(name.to_owned())
}

fn default(name: &str) -> Option<String> {
    defaults().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A time zone by its name.
pub(super) fn zone(name: &str) -> Option<jiff::tz::TimeZone> {
    match name {
        "UTC" | "utc" | "GMT" | "Etc/UTC" | "default" | "local" => Some(jiff::tz::TimeZone::UTC),
        name => jiff::tz::TimeZone::get(name).ok(),
    }
}

/// The statement, if it is one of these. PostgreSQL's grammar has accepted it.
pub(super) fn read(text: &str) -> Option<Utility> {
    let bare = text.trim().trim_end_matches(';').trim();
    let mut words = bare.split_whitespace();
    let first = words.next()?.to_ascii_uppercase();
    let second = words.next().unwrap_or_default().to_ascii_uppercase();
    Some(match (first.as_str(), second.as_str()) {
        ("BEGIN", _) | ("START", "TRANSACTION") => Utility::Begin,
        ("ROLLBACK", "TO") => Utility::Nothing("ROLLBACK"),
        ("COMMIT" | "END", _) => Utility::Commit,
        ("ROLLBACK" | "ABORT", _) => Utility::Rollback,
        ("SAVEPOINT", _) => Utility::Nothing("SAVEPOINT"),
        ("RELEASE", _) => Utility::Nothing("RELEASE"),
        ("LISTEN", _) => Utility::Nothing("LISTEN"),
        ("UNLISTEN", _) => Utility::Nothing("UNLISTEN"),
        ("CLOSE", _) => Utility::Nothing("CLOSE CURSOR ALL"),
        ("DISCARD", _) => Utility::Forget("DISCARD ALL"),
        ("RESET", "ALL") => Utility::Forget("RESET"),
        ("RESET", name) => Utility::Set { name: name.to_lowercase(), value: None },
        ("DEALLOCATE", _) => {
            let name = bare.split_whitespace().last().unwrap_or_default().trim_matches('"').to_owned();
            Utility::Deallocate((!name.eq_ignore_ascii_case("all")).then_some(name))
        }
        ("SHOW", _) => Utility::Show(shown(bare)),
        ("SET", "TRANSACTION" | "CONSTRAINTS") => Utility::Nothing("SET"),
        ("SET", "SESSION") if bare.to_ascii_uppercase().contains("CHARACTERISTICS") => Utility::Nothing("SET"),
        ("SET", _) => assigned(bare)?,
        _ => return None,
    })
}

fn shown(text: &str) -> String {
    let name = text.get(4..).unwrap_or_default().trim().trim_matches('"');
    match name.to_ascii_uppercase().split_whitespace().collect::<Vec<_>>().join(" ").as_str() {
        "TRANSACTION ISOLATION LEVEL" => "transaction_isolation".to_owned(),
        "TIME ZONE" => "TimeZone".to_owned(),
        _ => name.to_owned(),
    }
}

fn assigned(text: &str) -> Option<Utility> {
    let mut rest = text.get(3..)?.trim_start();
    for word in ["SESSION ", "LOCAL "] {
        if rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)) {
            rest = rest.get(word.len()..)?.trim_start();
        }
    }
    let upper = rest.to_ascii_uppercase();
    let (name, value) = if upper.starts_with("TIME ZONE ") {
        ("TimeZone", rest.get(10..)?)
    } else if upper.starts_with("NAMES ") {
        ("client_encoding", rest.get(6..)?)
    } else if let Some((name, value)) = rest.split_once('=') {
        (name, value)
    } else {
        let at = upper.find(" TO ")?;
        (rest.get(..at)?, rest.get(at + 4..)?)
    };
    let value = value.trim();
    let value = value.strip_prefix('\'').and_then(|inner| inner.strip_suffix('\'')).map_or(value, |inner| inner);
    let value = (!value.eq_ignore_ascii_case("default")).then(|| value.replace("''", "'"));
    Some(Utility::Set { name: name.trim().trim_matches('"').to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilities_are_known_by_their_words() {
        let set = |name: &str, value: &str| Some(Utility::Set { name: name.into(), value: Some(value.into()) });
        for (text, expected) in [
            ("begin", Some(Utility::Begin)),
            ("BEGIN READ ONLY", Some(Utility::Begin)),
            ("rollback to s", Some(Utility::Nothing("ROLLBACK"))),
            ("set extra_float_digits = 3", set("extra_float_digits", "3")),
            ("SET SESSION application_name TO 'it''s'", set("application_name", "it's")),
            ("set time zone 'Europe/Berlin'", set("TimeZone", "Europe/Berlin")),
            ("show transaction isolation level", Some(Utility::Show("transaction_isolation".into()))),
            ("deallocate all", Some(Utility::Deallocate(None))),
            ("select 1", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_the_console_cannot_keep_is_refused() {
        let mut settings = defaults();
        assert_eq!(set(&mut settings, "timezone", Some("Europe/Berlin")).unwrap(), "TimeZone");
        for (name, value) in [("client_encoding", "SJIS"), ("standard_conforming_strings", "off"), ("TimeZone", "Mars")]
        {
            assert_eq!(set(&mut settings, name, Some(value)).unwrap_err().code, "22023", "{name}");
        }
        assert_eq!(set(&mut settings, "search_path", None).unwrap(), "search_path");
    }
}
