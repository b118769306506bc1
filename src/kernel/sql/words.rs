//! The words of a text: names and keywords with their places, past comments and strings. The grammar says where
//! columns and constraints stand, but of other names only what they are, and of those cut short not even that.

use std::ops::Range;

use super::read::comment_length;

/// A name or keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// With its quotes.
    pub at: Range<usize>,
    /// As the server reads it, but never cut short.
    pub name: String,
    pub quoted: bool,
}

/// All of them, in order.
pub fn words(text: &str) -> impl Iterator<Item = Word> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.as_bytes().get(at..)?;
            let (length, word) = match rest {
                [] => return None,
                [b'-', b'-', ..] => (memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len()), false),
                [b'/', b'*', ..] => (comment_length(rest), false),
                [b'E' | b'e', b'\'', ..] => (1 + string(rest.get(1..)?, true), false),
                [b'\'', ..] => (string(rest, false), false),
                [b'$', ..] => (dollars(rest), false),
                [b'"', ..] => (quoted(rest), true),
                [first, ..] if starts(*first) => (rest.iter().take_while(|b| goes_on(**b)).count(), true),
                // Digits stick to what follows them: `1e5` is no word.
                [first, ..] if first.is_ascii_digit() => (rest.iter().take_while(|b| goes_on(**b)).count(), false),
                _ => (1, false),
            };
            let range = at..at + length.max(1);
            at = range.end;
            if word && let Some(written) = text.get(range.clone()) {
                return Some(read(written, range));
            }
        }
    })
}

/// The word that begins here.
#[must_use]
pub fn word_at(text: &str, at: usize) -> Option<Word> {
    let word = words(text.get(at..)?).next().filter(|word| word.at.start == 0)?;
    Some(Word { at: at..at + word.at.end, ..word })
}

fn read(written: &str, at: Range<usize>) -> Word {
    match written.strip_prefix('"') {
        Some(inner) => {
            let name = inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"");
            Word { at, name, quoted: true }
        }
        None => Word { at, name: written.to_ascii_lowercase(), quoted: false },
    }
}

fn starts(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn goes_on(byte: u8) -> bool {
    starts(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// With its quotes; a doubled one does not end it.
fn string(rest: &[u8], escapes: bool) -> usize {
    let mut at = 1;
    loop {
        match rest.get(at..).unwrap_or_default() {
            [] => return rest.len(),
            [b'\\', _, ..] if escapes => at += 2,
            [b'\'', b'\'', ..] => at += 2,
            [b'\'', ..] => return at + 1,
            _ => at += 1,
        }
    }
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    loop {
        match rest.get(at..).unwrap_or_default() {
            [] => return rest.len(),
            [b'"', b'"', ..] => at += 2,
            [b'"', ..] => return at + 1,
            _ => at += 1,
        }
    }
}

/// `$tag$ … $tag$`, or one character where it is none.
fn dollars(rest: &[u8]) -> usize {
    let tag = 1 + rest.iter().skip(1).take_while(|b| goes_on(**b) && **b != b'$').count();
    let Some(open) = rest.get(..=tag).filter(|open| open.last() == Some(&b'$')) else { return 1 };
    let body = rest.get(open.len()..).unwrap_or_default();
    memchr::memmem::find(body, open).map_or(rest.len(), |found| open.len() + found + open.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_are_words() {
        let text =
            "ALTER /* a */ TABLE \"B\"\"c\" -- d\n ADD é$1 text DEFAULT 'e''f' || E'\\'g' || $h$i$h$ || $1 || 1e5";
        let all: Vec<Word> = words(text).collect();
        let names: Vec<&str> = all.iter().map(|word| word.name.as_str()).collect();
        assert_eq!(names, ["alter", "table", "B\"c", "add", "é$1", "text", "default"]);
        assert!(all[2].quoted && text.get(all[2].at.clone()) == Some("\"B\"\"c\""));
        assert_eq!(word_at(text, 14).map(|word| (word.at, word.name)), Some((14..19, "table".to_owned())));
        assert_eq!(word_at(text, 5), None);
        for unfinished in ["'a", "\"a", "$a$ b", "/* a", "e'\\"] {
            assert!(words(unfinished).count() <= 1, "{unfinished}");
        }
    }
}
