//! The users file: one `"name" "verifier"` a line, the verifier as PostgreSQL keeps it in `pg_authid`.
//!
//! It holds no password: a verifier lets the gateway check one, not know it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`, taken apart (RFC 5802, section 3).
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    pub iterations: u32,
    pub salt: Vec<u8>,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// The users a target knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    verifiers: BTreeMap<String, Verifier>,
}

/// What is wrong with a users file, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersMistake {
    pub line: usize,
    pub what: String,
    pub remedy: &'static str,
}

const REMEDY_LINE: &str =
    "Write \"name\" \"SCRAM-SHA-256$…\", both in double quotes; `lockkeeper user NAME` makes such a line.";
const REMEDY_VERIFIER: &str = "Make the line with `lockkeeper user NAME`, or copy rolpassword of pg_authid as it is.";
/// More would let one login attempt cost the client minutes; clients refuse such verifiers.
const ITERATIONS_MAX: u32 = 1_000_000;

impl Users {
    /// The verifier of a user.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Verifier> {
        self.verifiers.get(name)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.verifiers.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.verifiers.is_empty()
    }

    /// Reads a users file's text. Empty lines and those that begin with `#` or `;` are skipped.
    pub fn parse(text: &str) -> Result<Self, Vec<UsersMistake>> {
        let mut users = Self::default();
        let mut mistakes = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Err((what, remedy)) = users.add(line) {
                mistakes.push(UsersMistake { line: index + 1, what, remedy });
            }
        }
        if mistakes.is_empty() { Ok(users) } else { Err(mistakes) }
    }

    fn add(&mut self, line: &str) -> Result<(), (String, &'static str)> {
        let broken = || ("This is not a users file line.".to_owned(), REMEDY_LINE);
        let (name, rest) = quoted(line).ok_or_else(broken)?;
        let (verifier, rest) = quoted(rest.trim_start()).ok_or_else(broken)?;
        if !rest.trim().is_empty() || name.is_empty() {
            return Err(broken());
        }
        let verifier = Verifier::parse(&verifier).map_err(|why| (format!("{name}: {why}"), REMEDY_VERIFIER))?;
        if self.verifiers.insert(name.clone(), verifier).is_some() {
            return Err((format!("{name} is written twice."), "Keep one of the lines."));
        }
        Ok(())
    }
}

/// A double-quoted string with `""` for a quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut value = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        value.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                value.push('"');
                rest = more;
            }
            None => return Some((value, after)),
        }
    }
}

impl Verifier {
    /// Takes PostgreSQL's text form apart.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(rest) = text.strip_prefix("SCRAM-SHA-256$") else {
            return Err(if text.starts_with("md5") {
                "an md5 hash cannot be used for SCRAM."
            } else {
                "this is not a SCRAM-SHA-256 verifier (a plain password does not belong here)."
            });
        };
        let broken = "the verifier is damaged.";
        let (head, keys) = rest.split_once('$').ok_or(broken)?;
        let (iterations, salt) = head.split_once(':').ok_or(broken)?;
        let (stored, server) = keys.split_once(':').ok_or(broken)?;
        let iterations: u32 = iterations.parse().map_err(|_| broken)?;
        if iterations == 0 || iterations > ITERATIONS_MAX {
            return Err("the verifier's iteration count is out of bounds.");
        }
        let salt = STANDARD.decode(salt).map_err(|_| broken)?;
        let key = |text: &str| -> Option<[u8; 32]> { STANDARD.decode(text).ok()?.try_into().ok() };
        if salt.is_empty() {
            return Err(broken);
        }
        Ok(Self { iterations, salt, stored_key: key(stored).ok_or(broken)?, server_key: key(server).ok_or(broken)? })
    }
}

#[cfg(test)]
mod tests {
    use super::Users;

    const GOOD: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn reads_names_with_quotes_and_comments() {
        let text = format!("# users\n\n\"al\"\"ice\"   \"{GOOD}\"\n; end\n\"Bob B\" \"{GOOD}\"\n");
        let users = Users::parse(&text).unwrap();
        assert_eq!(users.len(), 2);
        assert_eq!(users.get("al\"ice").unwrap().iterations, 4096);
        assert!(users.get("bob b").is_none());
    }

    #[test]
    fn tells_every_broken_line() {
        let text = format!(
            "alice {GOOD}\n\"bob\" \"secret\"\n\"carol\" \"md5abc\"\n\"dave\" \"SCRAM-SHA-256$0:AA==$x:y\"\n\
             \"eve\" \"SCRAM-SHA-256$4096:AA==$AA==:AA==\"\n\"fred\" \"{GOOD}\" x\n\"g\" \"{GOOD}\"\n\"g\" \"{GOOD}\"\n\"\" \"{GOOD}\"\n\"open"
        );
        let mistakes = Users::parse(&text).unwrap_err();
        let told: Vec<String> = mistakes.iter().map(|m| format!("{}: {}", m.line, m.what)).collect();
        assert_eq!(
            told,
            [
                "1: This is not a users file line.",
                "2: bob: this is not a SCRAM-SHA-256 verifier (a plain password does not belong here).",
                "3: carol: an md5 hash cannot be used for SCRAM.",
                "4: dave: the verifier's iteration count is out of bounds.",
                "5: eve: the verifier is damaged.",
                "6: This is not a users file line.",
                "8: g is written twice.",
                "9: This is not a users file line.",
                "10: This is not a users file line.",
            ]
        );
    }
}
