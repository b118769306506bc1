//! The first packet of a connection (PostgreSQL docs, 55.2.1 and 55.7): told apart, read into a map in
//! which nothing may occur twice, and rebuilt from what is allowed. Nothing is forwarded as it came.

use bytes::{BufMut, BytesMut};

use super::message::Reader;
use super::reply::sqlstate;

/// Longest first packet, as in the server.
pub const STARTUP_MAX: usize = 10_000;

const CANCEL_REQUEST: i32 = 80_877_102;
const SSL_REQUEST: i32 = 80_877_103;
const GSSENC_REQUEST: i32 = 80_877_104;

/// What a first packet asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First {
    Ssl,
    GssEnc,
    /// Process id and key: 4 bytes up to protocol 3.0, up to 256 from 3.2.
    Cancel {
        process: i32,
        key: Vec<u8>,
    },
    Startup(Startup),
}

/// A StartupMessage, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    pub minor: u16,
    pub user: String,
    pub database: String,
    pub application: String,
    /// `replication`, when it asks for more than an ordinary session.
    pub replication: Option<String>,
    /// Settings, from the packet and from `options`, in the order in which they came.
    pub settings: Vec<(String, String)>,
    /// Protocol options (`_pq_.…`): we know none.
    pub protocol_options: Vec<String>,
}

/// Why a first packet is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadStartup {
    pub code: &'static str,
    pub message: String,
    pub hint: String,
}

fn bad(message: impl Into<String>) -> BadStartup {
    BadStartup { code: sqlstate::PROTOCOL_VIOLATION, message: message.into(), hint: String::new() }
}

/// Reads a first packet, without its length word.
///
/// # Errors
/// When it is none of the four known ones, or has a parameter twice.
pub fn first(packet: &[u8]) -> Result<First, BadStartup> {
    let mut reader = Reader::new(packet);
    let code = reader.int32().map_err(|_| bad("invalid length of startup packet"))?;
    match code {
        SSL_REQUEST => Ok(First::Ssl),
        GSSENC_REQUEST => Ok(First::GssEnc),
        CANCEL_REQUEST => {
            let process = reader.int32().map_err(|_| bad("invalid length of cancel request"))?;
            let key = reader.rest();
            if !(4..=256).contains(&key.len()) {
                return Err(bad("invalid length of cancel request"));
            }
            Ok(First::Cancel { process, key: key.to_vec() })
        }
        code if code >> 16 == 3 => {
            startup(u16::try_from(code & 0xffff).unwrap_or_default(), reader).map(First::Startup)
        }
        code => Err(BadStartup {
            code: sqlstate::FEATURE_NOT_SUPPORTED,
            message: format!(
                "unsupported frontend protocol {}.{}: server supports 3.0 to 3.2",
                (code >> 16) & 0xffff,
                code & 0xffff
            ),
            hint: String::new(),
        }),
    }
}

fn startup(minor: u16, mut reader: Reader<'_>) -> Result<Startup, BadStartup> {
    let layout = |_| bad("invalid startup packet layout: expected terminator as last byte");
    let mut pairs: Vec<(String, String)> = Vec::new();
    loop {
        let name = reader.string().map_err(layout)?;
        if name.is_empty() {
            break;
        }
        let value = reader.string().map_err(layout)?;
        let [name, value] = [name, value].map(|b| String::from_utf8(b.to_vec()));
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(bad("startup parameters must be UTF-8"));
        };
        if pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(bad(format!("startup parameter \"{}\" is given twice", shown(&name))));
        }
        pairs.push((name, value));
    }
    reader.end().map_err(layout)?;
    sort_out(minor, pairs)
}

fn sort_out(minor: u16, pairs: Vec<(String, String)>) -> Result<Startup, BadStartup> {
    let mut result = Startup {
        minor,
        user: String::new(),
        database: String::new(),
        application: String::new(),
        replication: None,
        settings: Vec::new(),
        protocol_options: Vec::new(),
    };
    let mut options = String::new();
    for (name, value) in pairs {
        match name.as_str() {
            "user" => result.user = value,
            "database" => result.database = value,
            "options" => options = value,
            "replication" => result.replication = replication(value)?,
            name if name.starts_with("_pq_.") => result.protocol_options.push(name.to_owned()),
            _ => result.settings.push((name, value)),
        }
    }
    // Settings of the packet itself beat those in `options`, as in the server.
    for (name, value) in settings_in(&options)? {
        if !result.settings.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            result.settings.push((name, value));
        }
    }
    if result.user.is_empty() {
        return Err(BadStartup {
            code: sqlstate::INVALID_AUTHORIZATION,
            message: "no PostgreSQL user name specified in startup packet".into(),
            hint: String::new(),
        });
    }
    if result.database.is_empty() {
        result.database.clone_from(&result.user);
    }
    let application = result.settings.iter().find(|(name, _)| name == "application_name");
    result.application = application.map(|(_, value)| value.clone()).unwrap_or_default();
    Ok(result)
}

/// `false` and its spellings ask for an ordinary session.
fn replication(value: String) -> Result<Option<String>, BadStartup> {
    match value.to_ascii_lowercase().as_str() {
        "false" | "off" | "no" | "0" | "f" | "n" => Ok(None),
        "true" | "on" | "yes" | "1" | "t" | "y" | "database" => Ok(Some(value)),
        _ => Err(BadStartup {
            code: sqlstate::INVALID_PARAMETER_VALUE,
            message: format!("invalid value for parameter \"replication\": \"{}\"", shown(&value)),
            hint: "Valid values are: \"false\", 0, \"true\", 1, \"database\".".into(),
        }),
    }
}

/// The settings in a command-line string: `-c name=value` and `--name=value`
/// (PostgreSQL docs, 20.1.4 and the libpq parameter `options`). A backslash escapes the next character.
fn settings_in(options: &str) -> Result<Vec<(String, String)>, BadStartup> {
    let mut settings = Vec::new();
    let mut words = split(options).into_iter();
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next().ok_or_else(|| bad("option -c requires a value"))?,
            Some(glued) => glued.to_owned(),
            None => match word.strip_prefix("--") {
                Some(long) => long.to_owned(),
                None => {
                    return Err(BadStartup {
                        code: sqlstate::FEATURE_NOT_SUPPORTED,
                        message: format!(
                            "command-line option \"{}\" is not supported through the gateway",
                            shown(&word)
                        ),
                        hint: "Use -c name=value in options.".into(),
                    });
                }
            },
        };
        let Some((name, value)) = setting.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(bad(format!("option \"{}\" is not of the form name=value", shown(&setting))));
        };
        // A later -c wins, as in the server.
        let name = name.replace('-', "_");
        settings.retain(|(known, _): &(String, String)| !known.eq_ignore_ascii_case(&name));
        settings.push((name, value.to_owned()));
    }
    Ok(settings)
}

fn split(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut escaped = false;
    for c in options.chars() {
        if escaped {
            word.get_or_insert_default().push(c);
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c.is_ascii_whitespace() {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    words.extend(word);
    words
}

/// Settings anybody may set for their own session at its start without changing what a statement means
/// to the gateway or weakening a guard of the database.
const ALLOWED: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "lock_timeout",
    "search_path",
    "standard_conforming_strings",
    "statement_timeout",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "timezone",
    "transaction_timeout",
    "work_mem",
    "maintenance_work_mem",
    "xmloption",
];

/// Families of planner and statistics settings: cost and speed, never meaning.
const ALLOWED_PREFIXES: &[&str] =
    &["enable_", "geqo_", "jit_", "max_parallel_", "parallel_", "random_page", "seq_page", "track_"];

impl Startup {
    /// Checks each setting against the allow-list and the configured additions.
    ///
    /// # Errors
    /// Names the first setting that is not allowed, and what to do.
    pub fn check(&self, also: &[String]) -> Result<(), BadStartup> {
        for (name, value) in &self.settings {
            let lower = name.to_ascii_lowercase();
            // Custom settings (`app.tenant`) mean nothing to the server itself.
            let allowed = ALLOWED.contains(&lower.as_str())
                || ALLOWED_PREFIXES.iter().any(|p| lower.starts_with(p))
                || (lower.contains('.') && !lower.starts_with("lockkeeper."))
                || also.iter().any(|a| a.eq_ignore_ascii_case(&lower));
            if !allowed {
                return Err(BadStartup {
                    code: sqlstate::FEATURE_NOT_SUPPORTED,
                    message: format!("startup parameter \"{}\" is not allowed through the gateway", shown(name)),
                    hint: "Set it in the session, or add it to startup_parameters of this target.".into(),
                });
            }
            if lower == "standard_conforming_strings" && !is_on(value) {
                return Err(BadStartup {
                    code: sqlstate::INVALID_PARAMETER_VALUE,
                    message: "standard_conforming_strings must be on".into(),
                    hint: "With it off, the gateway could read a statement differently from the server.".into(),
                });
            }
        }
        Ok(())
    }

    /// The packet for the server, built anew.
    #[must_use]
    pub fn rebuild(&self, user: &str, database: &str) -> BytesMut {
        let mut out = BytesMut::new();
        out.put_i32(0);
        out.put_i32((3 << 16) | i32::from(self.minor.min(2)));
        let mut put = |name: &str, value: &str| {
            out.put_slice(name.as_bytes());
            out.put_u8(0);
            out.put_slice(value.as_bytes());
            out.put_u8(0);
        };
        put("user", user);
        put("database", database);
        if let Some(replication) = &self.replication {
            put("replication", replication);
        }
        for (name, value) in &self.settings {
            put(name, value);
        }
        out.put_u8(0);
        let length = u32::try_from(out.len()).unwrap_or(u32::MAX);
        out[..4].copy_from_slice(&length.to_be_bytes());
        out
    }

    /// NegotiateProtocolVersion, when it asks for more than 3.2 or for options we do not know.
    pub fn negotiate(&self, minor: u16, out: &mut BytesMut) -> bool {
        (self.minor > minor || !self.protocol_options.is_empty()) && self.negotiate_always(minor, out)
    }

    /// NegotiateProtocolVersion, because the server sent one.
    pub fn negotiate_always(&self, minor: u16, out: &mut BytesMut) -> bool {
        let mut body = BytesMut::new();
        body.put_i32((3 << 16) | i32::from(minor.min(self.minor)));
        body.put_i32(i32::try_from(self.protocol_options.len()).unwrap_or(i32::MAX));
        for option in &self.protocol_options {
            body.put_slice(option.as_bytes());
            body.put_u8(0);
        }
        out.put_u8(super::frame::server::NEGOTIATE_VERSION);
        out.put_i32(i32::try_from(body.len() + 4).unwrap_or(i32::MAX));
        out.put_slice(&body);
        true
    }
}

/// Whether a boolean setting's value means on (unambiguous prefixes count, as in the server).
#[must_use]
pub fn is_on(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    !lower.is_empty() && (lower == "on" || lower == "1" || "true".starts_with(&lower) || "yes".starts_with(&lower))
}

/// Attacker's text, fit for a message.
fn shown(text: &str) -> String {
    text.chars().take(63).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A CancelRequest packet.
#[must_use]
pub fn cancel_packet(process: i32, key: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i32(i32::try_from(key.len() + 12).unwrap_or(i32::MAX));
    out.put_i32(CANCEL_REQUEST);
    out.put_i32(process);
    out.put_slice(key);
    out
}

/// An SSLRequest packet.
#[must_use]
pub fn ssl_packet() -> [u8; 8] {
    let mut out = [0, 0, 0, 8, 0, 0, 0, 0];
    out[4..].copy_from_slice(&SSL_REQUEST.to_be_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(minor: i32, pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut out = ((3 << 16) | minor).to_be_bytes().to_vec();
        for (name, value) in pairs {
            out.extend(name.as_bytes());
            out.push(0);
            out.extend(value.as_bytes());
            out.push(0);
        }
        out.push(0);
        out
    }

    fn read(pairs: &[(&str, &str)]) -> Result<Startup, String> {
        match first(&packet(0, pairs)) {
            Ok(First::Startup(startup)) => startup.check(&[]).map(|()| startup).map_err(|e| e.message),
            Ok(other) => Err(format!("{other:?}")),
            Err(e) => Err(e.message),
        }
    }

    #[test]
    fn a_parameter_twice_is_refused() {
        assert_eq!(
            read(&[("user", "alice"), ("user", "postgres")]).unwrap_err(),
            "startup parameter \"user\" is given twice"
        );
    }

    #[test]
    fn options_are_taken_apart() {
        let startup =
            read(&[("user", "a"), ("options", "-c search_path=x\\ y --statement-timeout=5 -cwork_mem=1MB")]).unwrap();
        let expected = [("search_path", "x y"), ("statement_timeout", "5"), ("work_mem", "1MB")];
        assert_eq!(startup.settings, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn what_could_weaken_a_guard_is_refused() {
        for bad in [
            "-c session_replication_role=replica",
            "-c role=dba",
            "-c standard_conforming_strings=off",
            "-c=",
            "-c",
            "-f",
        ] {
            assert!(read(&[("user", "a"), ("options", bad)]).is_err(), "{bad}");
        }
        assert!(read(&[("user", "a"), ("role", "dba")]).is_err());
        assert!(read(&[]).is_err());
    }

    #[test]
    fn rebuilt_packets_read_back() {
        let startup = read(&[("user", "a"), ("application_name", "x"), ("options", "-c app.tenant=7")]).unwrap();
        let rebuilt = startup.rebuild("a", "a");
        let Ok(First::Startup(again)) = first(&rebuilt[4..]) else { panic!() };
        assert_eq!(again, startup);
    }

    #[test]
    fn negotiation() {
        let Ok(First::Startup(startup)) = first(&packet(9999, &[("user", "a"), ("_pq_.x", "1")])) else { panic!() };
        let mut out = BytesMut::new();
        assert!(startup.negotiate(2, &mut out));
        assert_eq!(&out[..], b"v\0\0\0\x13\0\x03\0\x02\0\0\0\x01_pq_.x\0");
    }

    #[test]
    fn cancel_keys_of_both_lengths() {
        for length in [4, 32] {
            let packet = cancel_packet(7, &vec![9; length]);
            assert_eq!(first(&packet[4..]), Ok(First::Cancel { process: 7, key: vec![9; length] }));
        }
    }
}
