//! Where the string literals and comments of a text stand, by the server's rules with `standard_conforming_strings`
//! on. For hiding them, never for judging: that is the grammar's.

use std::ops::Range;

/// One string literal with its quotes, prefix and continuations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) span: Range<usize>,
    /// Dollar-quoted: the body between the tags.
    pub(super) body: Option<Range<usize>>,
}

/// What is not plain code in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Literal),
    Comment(Range<usize>),
}

/// All string literals, in order.
pub(super) fn literals(text: &str) -> impl Iterator<Item = Literal> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Literal(literal) => Some(literal),
        Piece::Comment(_) => None,
    })
}

/// All string literals and comments, in order.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut found = Vec::new();
    each_piece(text.as_bytes(), |piece| found.push(piece));
    found
}

/// What a literal costs a tree besides its own bytes, in bytes of code.
const LITERAL_COST: usize = 8;

/// Bytes of a text that make its tree large: all but the insides of literals and comments.
pub(super) fn code_bytes(text: &str) -> usize {
    let mut code = text.len();
    each_piece(text.as_bytes(), |piece| {
        let (Piece::Literal(Literal { span, .. }) | Piece::Comment(span)) = piece;
        code = code.saturating_sub(span.len()) + LITERAL_COST;
    });
    code
}

fn each_piece(bytes: &[u8], mut found: impl FnMut(Piece)) {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match byte {
            b'-' if rest.starts_with(b"--") => {
                let end = at + line_length(rest);
                found(Piece::Comment(at..end));
                at = end;
            }
            b'/' if rest.starts_with(b"/*") => {
                let end = at + super::comment_length(rest);
                found(Piece::Comment(at..end));
                at = end;
            }
            b'"' => at += quoted_length(rest, b'"', false),
            b'\'' => {
                let start = prefix_start(bytes, at);
                let escapes = matches!(bytes.get(start), Some(b'e' | b'E'));
                at = literal_end(bytes, at, escapes);
                found(Piece::Literal(Literal { span: start..at, body: None }));
            }
            b'$' if !at.checked_sub(1).and_then(|i| bytes.get(i)).is_some_and(|b| is_word(*b)) => {
                match dollar_quoted(rest) {
                    Some((body, length)) => {
                        let body = at + body.start..at + body.end;
                        found(Piece::Literal(Literal { span: at..at + length, body: Some(body) }));
                        at += length;
                    }
                    None => at += 1,
                }
            }
            _ => at += 1,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte > 127
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len())
}

/// `E'`, `B'`, `X'`, `N'`, `U&'`: where the prefix begins, if it is one and not the end of a word.
fn prefix_start(bytes: &[u8], quote: usize) -> usize {
    let before = |back: usize| quote.checked_sub(back).and_then(|i| bytes.get(i)).copied();
    let is_start = |back: usize| !before(back).is_some_and(is_word);
    match (before(2), before(1)) {
        (Some(b'u' | b'U'), Some(b'&')) if is_start(3) => quote - 2,
        (_, Some(b'e' | b'E' | b'b' | b'B' | b'x' | b'X' | b'n' | b'N')) if is_start(2) => quote - 1,
        _ => quote,
    }
}

/// Bytes up to and with the closing quote; a doubled quote does not close.
fn quoted_length(rest: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        if escapes && *byte == b'\\' {
            at += 2;
        } else if *byte == quote {
            if rest.get(at + 1) == Some(&quote) {
                at += 2;
            } else {
                return at + 1;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The end of the literal whose first quote is at `quote`, with the parts that continue it on later lines.
fn literal_end(bytes: &[u8], quote: usize, escapes: bool) -> usize {
    let mut at = quote + quoted_length(bytes.get(quote..).unwrap_or_default(), b'\'', escapes);
    while let Some(next) = continuation(bytes, at) {
        at = next + quoted_length(bytes.get(next..).unwrap_or_default(), b'\'', escapes);
    }
    at.min(bytes.len())
}

/// A quote after white space and line comments with at least one newline among them.
fn continuation(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut newline) = (from, false);
    loop {
        let rest = bytes.get(at..)?;
        match rest.first()? {
            b'\n' | b'\r' => {
                newline = true;
                at += 1;
            }
            b' ' | b'\t' | 0x0b | 0x0c => at += 1,
            b'-' if rest.starts_with(b"--") => at += line_length(rest),
            b'\'' if newline => return Some(at),
            _ => return None,
        }
    }
}

/// The body and the whole length of `$tag$ … $tag$` at the start of `rest`.
fn dollar_quoted(rest: &[u8]) -> Option<(Range<usize>, usize)> {
    let tag_end = rest.iter().skip(1).position(|b| *b == b'$')? + 1;
    let tag = rest.get(..=tag_end)?;
    let inner = rest.get(1..tag_end)?;
    if inner.first().is_some_and(u8::is_ascii_digit) || !inner.iter().all(|b| is_word(*b) && *b != b'$') {
        return None;
    }
    let body = tag.len();
    // Not closed: it goes on to the end, and is not looked for again.
    let Some(length) = memchr::memmem::find(rest.get(body..)?, tag) else {
        return Some((body..rest.len(), rest.len()));
    };
    Some((body..body + length, body + length + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = literals(text).map(|l| &text[l.span]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn all_forms() {
        check(
            "select 'a', E'b\\'c', U&'d', x'0f', \"no'no\", 'it''s'",
            &["'a'", "E'b\\'c'", "U&'d'", "x'0f'", "'it''s'"],
        );
        check("select $$a'b$$, $t$ $$ $t$, $1, a$b$c", &["$$a'b$$", "$t$ $$ $t$"]);
        check("select 'a' -- 'no'\n /* 'no' /* 'no' */ */ , 'b'", &["'a'", "'b'"]);
        check("select E'a'\n'b\\', ' , 'c'", &["E'a'\n'b\\', '", "'c'"]);
        check("select 'open", &["'open"]);
        check("select $a$open $b$", &["$a$open $b$"]);
    }

    #[test]
    fn code_is_what_makes_trees() {
        assert_eq!(code_bytes("select 1"), 8);
        assert_eq!(code_bytes(&format!("select '{}'", "x".repeat(1_000_000))), 15);
        assert!(code_bytes(&"select '','','' /**/;".repeat(10_000)) > 300_000);
        assert_eq!(code_bytes(&format!("select E'\\'{}", "1+".repeat(1_000))), 15);
        assert!(code_bytes(&format!("select E'\\''{}", "1+".repeat(1_000))) > 2_000);
    }
}
