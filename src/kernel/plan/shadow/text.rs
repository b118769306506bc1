//! Definitions as the server writes them, with one column's name exchanged. Reads tokens, not meaning: what it
//! gets wrong does not parse, and never becomes another object.

use crate::kernel::plan::quote;

/// Words that the server writes unquoted in definitions and that are no keywords a column's name is quoted for:
/// of a column with such a name nobody can tell where it stands.
const AMBIGUOUS: &[&str] = &[
    "first",
    "last",
    "nulls",
    "include",
    "time",
    "zone",
    "varying",
    "precision",
    "without",
    "with",
    "unknown",
    "no",
    "inherit",
    "valid",
    "enforced",
    "at",
    "by",
    "escape",
    "document",
    "content",
    "local",
    "deferred",
    "btree",
    "hash",
    "double",
    "on",
    "delete",
    "update",
    "action",
    "cascade",
    "restrict",
    "match",
    "key",
    "normalized",
];

/// One piece of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Literal,
    Space,
    Sign,
}

/// `definition` with the column `old` named `new` wherever it stands; nothing where that cannot be told.
#[must_use]
pub(super) fn renamed(definition: &str, old: &str, new: &str) -> Option<String> {
    if AMBIGUOUS.contains(&old) {
        return None;
    }
    let tokens = tokens(definition);
    let solid: Vec<usize> =
        (0..tokens.len()).filter(|at| tokens.get(*at).is_some_and(|t| t.kind != Kind::Space)).collect();
    let mut text = String::with_capacity(definition.len() + 32);
    let at_solid =
        |place: Option<usize>| place.and_then(|p| solid.get(p)).and_then(|at| tokens.get(*at)).map(|t| t.text);
    for (at, token) in tokens.iter().enumerate() {
        let place = solid.binary_search(&at).ok();
        let before = at_solid(place.and_then(|p| p.checked_sub(1)));
        let after = at_solid(place.map(|p| p + 1));
        let elsewhere = matches!(before, Some("::" | "." | "COLLATE")) || matches!(after, Some("(" | "."));
        if place.is_some() && names(*token, old) && !elsewhere {
            text.push_str(&quote::identifier(new));
        } else {
            text.push_str(token.text);
        }
    }
    Some(text)
}

/// What follows the table's name in an index's definition: `USING btree (a)`, with its tablespace.
#[must_use]
pub(in crate::kernel::plan) fn index_body(definition: &str, tablespace: Option<&str>) -> Option<String> {
    let body = definition.get(top_level(definition, "USING")?..)?;
    let Some(space) = tablespace else { return Some(body.to_owned()) };
    let (before, condition) = body.split_at(top_level(body, "WHERE").unwrap_or(body.len()));
    let whole = format!("{} TABLESPACE {} {condition}", before.trim_end(), quote::identifier(space));
    Some(whole.trim_end().to_owned())
}

/// What follows the referenced columns of a foreign key's definition: `ON DELETE CASCADE`.
#[must_use]
pub(super) fn foreign_key_tail(definition: &str) -> Option<&str> {
    let (mut depth, mut closed, mut at) = (0_u32, 0_u32, 0_usize);
    for token in tokens(definition) {
        at += token.text.len();
        match token.text {
            "(" => depth += 1,
            ")" => {
                depth = depth.saturating_sub(1);
                closed += u32::from(depth == 0);
                if closed == 2 {
                    return definition.get(at..).map(str::trim);
                }
            }
            _ => {}
        }
    }
    None
}

/// The table that a foreign key's definition references, as it is written, and what follows that and its columns.
#[must_use]
pub(super) fn references(definition: &str) -> Option<(&str, &str)> {
    const WORD: &str = "REFERENCES";
    let rest = definition.get(top_level(definition, WORD)? + WORD.len()..)?.trim_start();
    let (mut depth, mut named, mut at) = (0_u32, None, 0_usize);
    for token in tokens(rest) {
        if token.kind == Kind::Space || token.text == "(" {
            named.get_or_insert(at);
        }
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ if depth == 0 && named.is_some() && token.kind != Kind::Space => break,
            _ => {}
        }
        at += token.text.len();
    }
    let name = rest.get(..named.unwrap_or(rest.len()))?;
    Some((name, rest.get(at..)?.trim_start()))
}

/// Where a word of the grammar first stands outside parentheses.
fn top_level(text: &str, word: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_u32, 0_usize);
    for token in tokens(text) {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            found if found == word && token.kind == Kind::Word && depth == 0 => return Some(at),
            _ => {}
        }
        at += token.text.len();
    }
    None
}

fn names(token: Token<'_>, column: &str) -> bool {
    match token.kind {
        Kind::Word => token.text == column,
        Kind::Quoted => token.text == format!("\"{}\"", column.replace('"', "\"\"")),
        Kind::Literal | Kind::Space | Kind::Sign => false,
    }
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, kind) = match first {
            '\'' => (quoted(rest, '\'', false), Kind::Literal),
            'E' if rest.get(1..).is_some_and(|more| more.starts_with('\'')) => {
                (1 + quoted(rest.get(1..).unwrap_or_default(), '\'', true), Kind::Literal)
            }
            '"' => (quoted(rest, '"', false), Kind::Quoted),
            c if c.is_whitespace() => (while_of(rest, char::is_whitespace), Kind::Space),
            c if is_word(c) => (while_of(rest, |c| is_word(c) || c == '$'), Kind::Word),
            ':' if rest.starts_with("::") => (2, Kind::Sign),
            other => (other.len_utf8(), Kind::Sign),
        };
        let (token, more) = rest.split_at(length.clamp(1, rest.len()));
        found.push(Token { text: token, kind });
        rest = more;
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

fn while_of(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|c| !of(c)).unwrap_or(text.len())
}

/// Length of what stands between two marks, the mark itself doubled or escaped in it.
fn quoted(text: &str, mark: char, escapes: bool) -> usize {
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if escapes && character == '\\' {
            characters.next();
        } else if character == mark {
            if characters.peek().is_some_and(|(_, next)| *next == mark) {
                characters.next();
            } else {
                return at + mark.len_utf8();
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_column_is_exchanged() {
        for (definition, old, want) in [
            ("CHECK ((v > 0))", "v", "CHECK ((\"N\" > 0))"),
            ("CHECK ((length((v)::text) > 3))", "v", "CHECK ((length((\"N\")::text) > 3))"),
            ("CHECK ((text(text) = ('text'::text)::text))", "text", "CHECK ((text(\"N\") = ('text'::text)::text))"),
            ("USING btree (v, vv, \"v\" DESC)", "v", "USING btree (\"N\", vv, \"N\" DESC)"),
            ("USING btree (lower(s.v(v)) COLLATE v)", "v", "USING btree (lower(s.v(\"N\")) COLLATE v)"),
            (
                "CHECK ((v <> E'it\\'s v' AND \"V v\" = 'v''v'))",
                "v",
                "CHECK ((\"N\" <> E'it\\'s v' AND \"V v\" = 'v''v'))",
            ),
            ("CHECK ((\"V \"\"v\" IS NULL))", "V \"v", "CHECK ((\"N\" IS NULL))"),
            ("CHECK ((ä > 1) AND (äv > 2))", "ä", "CHECK ((\"N\" > 1) AND (äv > 2))"),
        ] {
            assert_eq!(renamed(definition, old, "N").as_deref(), Some(want), "{definition}");
        }
        assert_eq!(renamed("USING btree (a NULLS LAST)", "last", "n"), None);
    }

    #[test]
    fn parts_of_definitions() {
        let index = "CREATE UNIQUE INDEX \"a USING\" ON public.\"t USING\" USING btree (a) INCLUDE (b) WHERE (a > 0)";
        assert_eq!(index_body(index, None).as_deref(), Some("USING btree (a) INCLUDE (b) WHERE (a > 0)"));
        assert_eq!(
            index_body(index, Some("fast")).as_deref(),
            Some("USING btree (a) INCLUDE (b) TABLESPACE fast WHERE (a > 0)")
        );
        assert_eq!(
            index_body("CREATE INDEX i ON s.t USING btree (a)", Some("Fast")).as_deref(),
            Some("USING btree (a) TABLESPACE \"Fast\"")
        );
        let key = "FOREIGN KEY (a, b) REFERENCES public.\"p(\"(x, y) ON DELETE SET NULL (a) NOT VALID";
        for (definition, want) in [
            (key, ("public.\"p(\"", "ON DELETE SET NULL (a) NOT VALID")),
            ("FOREIGN KEY (a) REFERENCES p ON DELETE SET NULL (a)", ("p", "ON DELETE SET NULL (a)")),
            ("FOREIGN KEY (a) REFERENCES s.\"p q\" (x)", ("s.\"p q\"", "")),
            ("FOREIGN KEY (\"REFERENCES\") REFERENCES p", ("p", "")),
        ] {
            assert_eq!(references(definition), Some(want), "{definition}");
        }
        assert_eq!(foreign_key_tail(key), Some("ON DELETE SET NULL (a) NOT VALID"));
    }
}
