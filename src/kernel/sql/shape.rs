//! Queries that differ in whole numbers only: the hundred thousandth `SELECT … WHERE id = 100000` need not
//! be read again. Only for texts whose bytes leave no doubt, without knowing the grammar, that a run of
//! digits is one integer constant, and only for queries that were found ordinary: nothing makes a query
//! dangerous by the value of a number alone.

use std::collections::HashMap;
use std::sync::Arc;

use super::remember::Known;
use super::statement::{Parsed, Reading, Statement};

/// Longest text that has a shape, bytes.
const TEXT_MAX: usize = 1024;
/// Longest run of digits that is an integer constant for certain.
const DIGITS_MAX: usize = 9;
/// Shapes kept; beyond that all are forgotten.
const SHAPES_MAX: usize = 4096;
/// Words that make a write of it; their verdicts may depend on constants (`WHERE 1 = 1`).
const WRITES: [&str; 3] = ["delete", "update", "merge"];

/// Shapes of queries known to be ordinary.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    known: HashMap<Box<[u8]>, bool, foldhash::fast::RandomState>,
    /// The shape that was taken last.
    last: Vec<u8>,
}

impl Shapes {
    /// Takes the shape of a text. False: it has none.
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        self.last.clear();
        text.len() <= TEXT_MAX && shape(text, &mut self.last)
    }

    /// What is known of a text by its shape, which was taken last.
    pub(super) fn known(&self, text: &[u8]) -> Option<Known> {
        let invariant = *self.known.get(self.last.as_slice())?;
        let text: Arc<str> = std::str::from_utf8(text).ok()?.into();
        let statement = Parsed { span: 0..text.len(), statement: Statement::Ordinary, named: Vec::new() };
        let reading = Ok(Reading { statements: vec![statement], exact_names: true });
        Some(Known {
            shown: Arc::clone(&text),
            text,
            reading,
            ordinary: true,
            invariant,
            copies_in: false,
            values_are_secret: false,
        })
    }

    /// Keeps the shape that was taken last.
    pub(super) fn keep(&mut self, known: &Known) {
        if self.known.len() >= SHAPES_MAX {
            self.known.clear();
        }
        self.known.insert(self.last.as_slice().into(), known.invariant);
    }
}

/// Whether the same text with other numbers is certain to be as ordinary.
pub(super) fn speaks_for_its_kind(known: &Known) -> bool {
    let text = known.text.to_ascii_lowercase();
    let one = known.reading.as_ref().is_ok_and(|reading| reading.exact_names && reading.statements.len() == 1);
    let query = text.starts_with("select ") && !WRITES.iter().any(|word| text.contains(word));
    known.ordinary && one && query && !known.hides() && !known.values_are_secret
}

/// Bytes at which [`shape`] has to look twice.
const SPECIAL: [bool; 256] = special();

const fn special() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = byte == 0 || byte >= 0x80 || byte >= b'0' as usize && byte <= b'9' as usize;
        byte += 1;
    }
    let mut others = b"'\"$\\-/;".as_slice();
    while let [byte, rest @ ..] = others {
        table[*byte as usize] = true;
        others = rest;
    }
    table
}

/// The first special byte. Blocks of letters, the most common signs and spaces are passed at once.
fn position(text: &[u8]) -> Option<usize> {
    let plain = |b: &u8| (matches!(*b, b'<'..=0x7f) & (*b != b'\\')) | matches!(*b, b'('..=b',') | (*b == b' ');
    let (blocks, _) = text.as_chunks::<16>();
    let passed = blocks.iter().take_while(|block| block.iter().fold(true, |all, b| all & plain(b))).count() * 16;
    let rest = text.get(passed..)?;
    rest.iter().position(|b| SPECIAL[usize::from(*b)]).map(|at| passed + at)
}

/// Writes the text with `0` for every integer constant. False when there is none, or any doubt: in a text
/// without quotes, dollars, backslashes and comments, digits between these delimiters are a token.
fn shape(text: &[u8], to: &mut Vec<u8>) -> bool {
    let mut replaced = false;
    let (mut at, mut copied) = (0, 0);
    while let Some(plain) = text.get(at..).and_then(position) {
        at += plain;
        let rest = text.get(at..).unwrap_or_default();
        match rest {
            [b'-', b'-', ..] | [b'/', b'*', ..] => return false,
            [b'-' | b'/', ..] => at += 1,
            [b';', rest @ ..] if rest.iter().all(u8::is_ascii_whitespace) => at += 1,
            [b'0'..=b'9', ..] => {
                let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
                let before = text.get(..at).and_then(<[u8]>::last).copied().unwrap_or(b' ');
                let after = rest.get(digits).copied().unwrap_or(b' ');
                let begins = matches!(before, b' ' | b'\t' | b'\n' | b'(' | b',' | b'=' | b'<' | b'>');
                let ends = matches!(after, b' ' | b'\t' | b'\n' | b')' | b',' | b';');
                if begins && ends && digits <= DIGITS_MAX {
                    to.extend_from_slice(text.get(copied..at).unwrap_or_default());
                    to.push(b'0');
                    copied = at + digits;
                    replaced = true;
                }
                at += digits;
            }
            // Quotes, dollars, backslashes, NUL, bytes above 127, and more than one statement.
            _ => return false,
        }
    }
    to.extend_from_slice(text.get(copied..).unwrap_or_default());
    replaced
}

#[cfg(test)]
mod tests {
    use super::super::encoding::TextEncoding;
    use super::super::remember::Memory;
    use super::*;

    fn shape_of(text: &str) -> Option<String> {
        let mut to = Vec::new();
        shape(text.as_bytes(), &mut to).then(|| String::from_utf8(to).unwrap())
    }

    #[test]
    fn numbers_are_left_out() {
        assert_eq!(shape_of("SELECT a FROM t WHERE id = 123;").unwrap(), "SELECT a FROM t WHERE id = 0;");
        assert_eq!(
            shape_of("select f(1,22, 333) where a>4 or b<=5\n").unwrap(),
            "select f(0,0, 0) where a>0 or b<=0\n"
        );
        assert_eq!(
            shape_of("select t1.c2, 1.5, 1e3, 0x1f, 1_000, 2").unwrap(),
            "select t1.c2, 1.5, 1e3, 0x1f, 1_000, 0"
        );
        assert_eq!(shape_of("select 1234567890 where a = 7").unwrap(), "select 1234567890 where a = 0");
    }

    #[test]
    fn doubt_has_no_shape() {
        for text in [
            "select '1', 2",
            "select \"1\", 2",
            "select $1, 2",
            "select $$ 1 $$",
            "select 1 -- 2",
            "select /* 1 */ 2",
            "select 1; drop table t",
            "select 'a\\', 1",
            "select ä, 1",
            "select \0 1",
            "select a",
        ] {
            assert_eq!(shape_of(text), None, "{text}");
        }
    }

    #[test]
    fn doubt_is_found_at_every_place() {
        for before in 0..40 {
            for sign in ["'", "\"", "$", "\\", "--", "/*", ";x", "ä", "\0"] {
                assert_eq!(shape_of(&format!("select 1, {}{sign}", "a".repeat(before))), None, "{before} {sign}");
            }
            let column = "a".repeat(before);
            assert_eq!(shape_of(&format!("select {column}, 7")).unwrap(), format!("select {column}, 0"));
        }
    }

    #[test]
    fn what_a_shape_says_is_what_reading_says() {
        let mut memory: Memory = Memory::new(100, 1 << 20);
        for text in [
            "select a from t where id = 1",
            "SELECT 1 AS u&2",
            "select pg_terminate_backend(1)",
            "select * from t for update limit 1",
            "select * from (with x as (delete from t where 1 = 2 returning 1) select 3) y",
            "update t set a = 1 where 1 = 2",
            "delete from t where 1 = 0",
            "insert into t values (1, 2)",
            "set standard_conforming_strings = 1",
            "select into x from t where a = 1",
            "drop table t1 , t2",
            "vacuum (full 1) t",
            "select float(5)",
        ] {
            for number in ["1", "0", "2", "77"] {
                let other = text.replace('1', number);
                let known = memory.get_or_read(other.as_bytes(), TextEncoding::Utf8);
                let read = Known::read(other.as_bytes(), TextEncoding::Utf8);
                assert_eq!((known.ordinary, known.invariant), (read.ordinary, read.invariant), "{other}");
                assert_eq!(&*known.text, other);
            }
        }
    }

    #[test]
    fn bounded() {
        let mut shapes = Shapes::default();
        for n in 0..SHAPES_MAX + 10 {
            let text = format!("select c{n} from t where a = 1");
            assert!(shapes.take(text.as_bytes()));
            shapes.keep(&Known::read(text.as_bytes(), TextEncoding::Utf8));
        }
        assert!(shapes.known.len() <= SHAPES_MAX);
    }
}
