//! Secrets that are told in what is no code of the statement: in comments, and inside of literals, where people write
//! statements, documents and connection strings.

use super::super::literals::Literal;
use super::SECRET_NAMES;

/// What a password is called. Behind such a name, other than behind those of other secrets, a bare word is one.
const PASSWORDS: [&str; 4] = ["password", "passwd", "passphrase", "pwd"];

/// Names are not longer: what goes on for longer is not read to its end from everywhere in it.
const NAME_MAX: usize = 64;

/// In small letters.
pub(super) const BEARER: &str = "bearer";
pub(super) const AUTHORIZATION: &str = "authorization";

/// How a header of that name may say who it is, other than as a bearer.
const SCHEMES: [&str; 4] = ["basic", "token", "apikey", "negotiate"];

/// Whether any is told in it.
pub(super) fn is_told(content: &str) -> bool {
    is_connection(content) || is_named(content) || is_header(content)
}

/// `Bearer eyJhbGciOi…`, `Authorization: Basic dXNlcjpwYXNz`.
fn is_header(content: &str) -> bool {
    let lower = content.to_ascii_lowercase();
    let follows = |at: usize| {
        let rest = content.get(at..).unwrap_or_default();
        rest.starts_with(char::is_whitespace) && is_credential(rest.trim_start())
    };
    let begins = |at: usize| !lower.get(..at).is_some_and(|before| before.ends_with(char::is_alphanumeric));
    let bearer = |(at, word): (usize, &str)| begins(at) && follows(at + word.len());
    let header = |(at, word): (usize, &str)| {
        let rest = lower.get(at + word.len()..).unwrap_or_default();
        let value = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ':' | '='));
        let scheme = SCHEMES.iter().find(|scheme| value.starts_with(**scheme));
        value.len() < rest.len() && scheme.is_some_and(|scheme| follows(content.len() - value.len() + scheme.len()))
    };
    lower.match_indices(BEARER).any(bearer) || lower.match_indices(AUTHORIZATION).any(header)
}

/// Long, and with more than small letters, as no word is.
fn is_credential(text: &str) -> bool {
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~' | '+' | '/' | '=');
    let value: String = text.chars().take_while(is_part).take(NAME_MAX).collect();
    let value = value.trim_end_matches(['.', '-']);
    let odd = |c: char| c.is_ascii_digit() || c == '=';
    let inner = || value.chars().skip(1);
    let mixed = inner().any(|c| c.is_ascii_uppercase()) && inner().any(|c| c.is_ascii_lowercase());
    value.len() >= 8 && (value.contains(odd) || mixed)
}

/// A connection string with a password: `password=…`, `postgres://user:pw@host`.
pub(super) fn is_connection(content: &str) -> bool {
    let content = content.to_ascii_lowercase();
    let key = content
        .match_indices("password")
        .any(|(at, word)| content.get(at + word.len()..).is_some_and(|rest| rest.trim_start().starts_with('=')));
    let url = content.match_indices("://").any(|(at, mark)| {
        let rest = content.get(at + mark.len()..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '\'');
        let authority = rest.split(ends).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    key || url
}

/// A secret's name with a value behind it: `password 'x'`, `password: x`, `"api_key": "x"`.
pub(super) fn is_named(content: &str) -> bool {
    let content = content.to_ascii_lowercase();
    SECRET_NAMES.iter().flat_map(|part| content.match_indices(part)).any(|(at, _)| {
        let rest = content.get(at..).unwrap_or_default();
        let is_end = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-'));
        let Some((end, _)) = rest.char_indices().take(NAME_MAX).find(|(_, c)| is_end(*c)) else { return false };
        let (name, behind) = rest.split_at(end);
        has_value(PASSWORDS.iter().any(|word| name.ends_with(word)), behind)
            || is_element(content.get(..at).unwrap_or_default(), name, behind)
    })
}

/// `<password>x</password>`, `<ns:client_secret kind="a">x</ns:client_secret>`: something stands in it. Nothing is read past
/// the next angle bracket.
fn is_element(before: &str, name: &str, behind: &str) -> bool {
    let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
    let length = before.chars().rev().take(NAME_MAX).take_while(is_part).map(char::len_utf8).sum::<usize>();
    let (head, prefix) = before.split_at(before.len() - length);
    if !head.ends_with('<') {
        return false;
    }
    let Some((attributes, inside)) = behind.split_once(['<', '>']) else { return false };
    if attributes.ends_with('/') || !behind.get(attributes.len()..).is_some_and(|rest| rest.starts_with('>')) {
        return false;
    }
    let Some((value, end)) = inside.split_once('<') else { return false };
    let closes =
        || end.strip_prefix('/').and_then(|end| end.strip_prefix(prefix)).is_some_and(|end| end.starts_with(name));
    end.starts_with("![cdata[") || !value.trim().is_empty() && closes()
}

fn has_value(is_password: bool, behind: &str) -> bool {
    let next = behind.trim_start_matches(['"', '\'', '\\', '`']);
    let apart = next.starts_with(char::is_whitespace);
    let next = next.trim_start();
    let value = [":=", "=>", "="].iter().find_map(|sign| next.strip_prefix(sign));
    // A cast is none.
    let value = value.or_else(|| next.strip_prefix(':').filter(|rest| !rest.starts_with(':'))).map(str::trim_start);
    match value {
        Some(value) => is_quoted(value) || is_password && !value.trim_start_matches(['"', '\'', '\\']).is_empty(),
        None => is_password && apart && is_quoted(next),
    }
}

/// Whether a quote opens something, and `$1` is none.
fn is_quoted(text: &str) -> bool {
    let text = text.strip_prefix("u&").or_else(|| text.strip_prefix(['e', 'n'])).unwrap_or(text);
    let within = text.trim_start_matches(['"', '\'', '\\']);
    match text.strip_prefix('$') {
        Some(tag) => !tag.starts_with(|c: char| c.is_ascii_digit()) && tag.contains('$'),
        None => within.len() < text.len() && !within.is_empty(),
    }
}

/// What stands in a comment.
pub(super) fn of_comment(comment: &str) -> &str {
    match comment.strip_prefix("/*") {
        Some(inside) => inside.strip_suffix("*/").unwrap_or(inside),
        None => comment.trim_start_matches('-'),
    }
}

/// What stands in a literal as it is written.
pub(super) fn of_literal<'t>(text: &'t str, literal: &Literal) -> &'t str {
    match &literal.body {
        Some(body) => text.get(body.clone()).unwrap_or_default(),
        None => {
            let written = text.get(literal.span.clone()).unwrap_or_default();
            let inside = written.split_once('\'').map_or(written, |(_, inside)| inside);
            inside.strip_suffix('\'').unwrap_or(inside)
        }
    }
}
