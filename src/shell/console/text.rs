//! Text written by others, made safe to print: nothing in it moves the cursor, hides or changes direction.

use crate::kernel::review::{RunMode, is_invisible};

/// One line: every character that is not plainly visible is written as its code point, line ends too.
#[must_use]
pub fn line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// One line of at most `width` characters.
#[must_use]
pub fn short(text: &str, width: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let safe = line(&words);
    if safe.chars().count() <= width {
        return safe;
    }
    safe.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Blanks in a row that are shown as they are.
const BLANKS_MAX: usize = 40;

/// Several lines. Runs of blanks and of blank lines, which could push the rest out of sight,
/// are counted instead of shown.
#[must_use]
pub fn lines(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut blank = 0_usize;
    for text in text.split('\n') {
        let text = text.strip_suffix('\r').unwrap_or(text).replace('\t', "    ");
        if text.trim().is_empty() {
            blank += 1;
            continue;
        }
        skip(&mut out, blank);
        blank = 0;
        out.push(squeeze(&line(text.trim_end())));
    }
    out
}

/// For a value in a query.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn skip(out: &mut Vec<String>, blank: usize) {
    match blank {
        0 => {}
        1 => out.push(String::new()),
        many => out.push(format!("({many} blank lines)")),
    }
}

fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(' ') {
        let (before, from) = rest.split_at(start);
        let after = from.trim_start_matches(' ');
        let blanks = from.len() - after.len();
        out.push_str(before);
        if blanks > BLANKS_MAX {
            out.push_str(&format!("({blanks} blanks)"));
        } else {
            out.push_str(from.get(..blanks).unwrap_or_default());
        }
        rest = after;
    }
    out + rest
}

/// What was put on and taken off.
#[must_use]
pub fn labels(add: &[String], remove: &[String]) -> String {
    let words = add.iter().map(|label| format!("+{label}")).chain(remove.iter().map(|label| format!("-{label}")));
    line(&words.collect::<Vec<_>>().join(" "))
}

/// Who runs it, and when.
#[must_use]
pub fn how(run: RunMode) -> String {
    match run {
        RunMode::Session => "in the requester's session".to_owned(),
        RunMode::Job => "as a job once it is approved, without the client".to_owned(),
        RunMode::At { at } => format!("as a job at {}, without the client", at.utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hides_and_nothing_moves() {
        for (text, shown) in [
            ("drop table t", vec!["drop table t"]),
            ("größe", vec!["größe"]),
            ("a\u{1b}[2Jb", vec!["a\\u{1b}[2Jb"]),
            ("a\u{202e}b\u{200b}c", vec!["a\\u{202e}b\\u{200b}c"]),
            ("a\u{9b}31m", vec!["a\\u{9b}31m"]),
            ("a\r\n\tb", vec!["a", "    b"]),
            ("a\rb", vec!["a\\u{d}b"]),
            ("a\n\nb", vec!["a", "", "b"]),
            ("a\n\n \n\n\nb\n\n\n", vec!["a", "(4 blank lines)", "b"]),
        ] {
            assert_eq!(lines(text), shown, "{text:?}");
        }
        let wide = format!("select 1;{}drop table t", " ".repeat(5_000));
        assert_eq!(lines(&wide), ["select 1;(5000 blanks)drop table t"]);
        assert_eq!(short("a\n  b\u{7}c", 20), "a b\\u{7}c");
        assert_eq!(short("abcdefgh", 5), "abcd…");
    }
}
