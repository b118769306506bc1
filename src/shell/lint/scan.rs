//! A script as psql takes it apart: statements by their semicolons, commands of psql's own, COPY data,
//! comments. What a statement is, the parser of record says; this only finds what is none.

use std::ops::Range;

use memchr::memmem;

use crate::kernel::sql::read::comment_length;

/// What stands in a script, as byte ranges in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// From the end of the one before to the semicolon.
    pub(super) chunks: Vec<Range<usize>>,
    /// `\i file`, `\set x 1`: to the end of their line.
    pub(super) commands: Vec<Range<usize>>,
    pub(super) copies: Vec<CopyData>,
    /// `-- …` without the line's end.
    pub(super) comments: Vec<Range<usize>>,
    /// `:name`, `:'name'`, `:"name"`.
    pub(super) variables: Vec<Range<usize>>,
    /// Of each `\;` the backslash.
    pub(super) joints: Vec<usize>,
}

/// The lines after a `COPY … FROM STDIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CopyData {
    /// The chunk it belongs to.
    pub(super) chunk: Range<usize>,
    /// With the line that ends it.
    pub(super) data: Range<usize>,
    pub(super) rows: u64,
}

/// First words of a statement that are looked at.
const WORDS: usize = 4;

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    start: usize,
    parentheses: usize,
    /// Depth of `BEGIN ATOMIC … END` and of CASE within it, in CREATE FUNCTION and PROCEDURE.
    atomic: usize,
    words: Vec<String>,
    /// Something else than white space and comments stands in the chunk.
    begun: bool,
    from_stdin: (bool, bool),
    found: Scan,
}

/// Takes a script apart.
pub(super) fn scan(text: &str) -> Scan {
    let mut scanner = Scanner {
        bytes: text.as_bytes(),
        at: 0,
        start: 0,
        parentheses: 0,
        atomic: 0,
        words: Vec::new(),
        begun: false,
        from_stdin: (false, false),
        found: Scan::default(),
    };
    while scanner.at < scanner.bytes.len() {
        scanner.step();
    }
    if scanner.begun {
        scanner.end_chunk(scanner.bytes.len());
    }
    scanner.found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// `\copy t from stdin`, whose data follow as those of COPY do.
fn is_copy_from_stdin(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let mut words = line.split_ascii_whitespace();
    words.next() == Some("\\copy") && words.any(|word| word == "from") && words.next() == Some("stdin")
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn before(&self) -> u8 {
        self.at.checked_sub(1).and_then(|at| self.bytes.get(at)).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// To the end of the line, which is not taken along.
    fn line(&self) -> usize {
        memchr::memchr(b'\n', self.rest()).map_or(self.bytes.len(), |length| self.at + length)
    }

    fn step(&mut self) {
        match self.peek(0) {
            b'-' if self.peek(1) == b'-' => {
                let end = self.line();
                self.found.comments.push(self.at..end);
                self.at = end;
                return;
            }
            b'/' if self.peek(1) == b'*' => {
                let (rest, length) = (self.rest(), comment_length(self.rest()));
                // One that does not end is the server's to refuse, with all that it hides.
                self.begun |= length == rest.len() && !rest.ends_with(b"*/");
                self.at += length;
                return;
            }
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                self.at += 1;
                return;
            }
            b'\\' => {
                self.command();
                return;
            }
            b';' if self.parentheses == 0 && self.atomic == 0 => {
                self.at += 1;
                self.end_chunk(self.at);
                return;
            }
            b'\'' => self.at += self.quoted(b'\'', matches!(self.before(), b'E' | b'e') && !self.inside_word()),
            b'"' => self.at += self.quoted(b'"', false),
            b'$' if !is_word(self.before()) => self.at += self.dollar(),
            b'(' => {
                self.parentheses += 1;
                self.at += 1;
            }
            b')' => {
                self.parentheses = self.parentheses.saturating_sub(1);
                self.at += 1;
            }
            b':' => self.colon(),
            byte if is_word(byte) => self.word(),
            _ => self.at += 1,
        }
        self.begun = true;
    }

    /// Whether the letter before the quote belongs to a longer word.
    fn inside_word(&self) -> bool {
        self.at.checked_sub(2).and_then(|at| self.bytes.get(at)).is_some_and(|byte| is_word(*byte))
    }

    fn quoted(&self, quote: u8, escapes: bool) -> usize {
        let rest = self.rest();
        let mut at = 1;
        while let Some(byte) = rest.get(at) {
            match *byte {
                b'\\' if escapes => at += 2,
                byte if byte == quote && rest.get(at + 1) == Some(&quote) => at += 2,
                byte if byte == quote => return at + 1,
                _ => at += 1,
            }
        }
        rest.len()
    }

    /// A dollar-quoted string, or just the sign.
    fn dollar(&self) -> usize {
        let rest = self.rest();
        let tag = rest.iter().skip(1).take_while(|byte| is_word(**byte)).count();
        let digit_first = rest.get(1).is_some_and(u8::is_ascii_digit);
        if digit_first || rest.get(tag + 1) != Some(&b'$') {
            return 1;
        }
        let (opening, inside) = rest.split_at(tag + 2);
        memmem::find(inside, opening).map_or(rest.len(), |length| opening.len() + length + opening.len())
    }

    /// A cast, a slice, an assignment, or a variable of psql's.
    fn colon(&mut self) {
        let next = self.peek(1);
        if matches!(next, b':' | b'=') {
            self.at += 2;
            return;
        }
        let length = match next {
            b'\'' | b'"' => {
                let start = self.at;
                self.at += 1;
                let length = 1 + self.quoted(next, false);
                self.at = start;
                length
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                1 + self.rest().iter().skip(1).take_while(|byte| is_word(**byte)).count()
            }
            _ => {
                self.at += 1;
                return;
            }
        };
        // In a subscript it is the middle of a slice.
        if !matches!(self.before(), b'[' | b'0'..=b'9') {
            self.found.variables.push(self.at..self.at + length);
        }
        self.at += length;
    }

    fn word(&mut self) {
        let length = self.rest().iter().take_while(|byte| is_word(**byte) || **byte == b'$').count().max(1);
        let word = self.bytes.get(self.at..self.at + length).unwrap_or_default();
        let word = String::from_utf8_lossy(word).to_ascii_lowercase();
        let routine = self.words.iter().any(|word| matches!(word.as_str(), "function" | "procedure"));
        if self.words.first().is_some_and(|word| word == "create") && routine {
            match word.as_str() {
                "begin" => self.atomic += 1,
                "case" if self.atomic > 0 => self.atomic += 1,
                "end" => self.atomic = self.atomic.saturating_sub(1),
                _ => {}
            }
        }
        if self.words.first().is_some_and(|word| word == "copy") && self.parentheses == 0 {
            self.from_stdin = match word.as_str() {
                "from" => (true, false),
                "stdin" if self.from_stdin.0 => (true, true),
                _ => self.from_stdin,
            };
        }
        if self.words.len() < WORDS {
            self.words.push(word);
        }
        self.at += length;
    }

    /// A command of psql's takes the rest of its line; `\;` only parts statements, and `\g` and its kin send what
    /// stands before them.
    fn command(&mut self) {
        if self.peek(1) == b';' {
            self.found.joints.push(self.at);
            self.at += 2;
            return;
        }
        let end = self.line();
        self.found.commands.push(self.at..end);
        let sends = self.peek(1) == b'g' || self.rest().starts_with(b"\\watch");
        if sends && self.begun {
            let start = self.at;
            self.end_chunk(start);
        }
        let copies = !self.begun && self.rest().get(..end - self.at).is_some_and(is_copy_from_stdin);
        let command = self.at..end;
        self.at = end;
        if !self.begun {
            self.start = end;
        }
        if copies {
            self.copy_data(command);
        }
    }

    fn end_chunk(&mut self, end: usize) {
        let chunk = self.start..end;
        let copies = self.from_stdin.1;
        if self.begun {
            self.found.chunks.push(chunk.clone());
        }
        (self.start, self.begun, self.parentheses, self.atomic) = (end, false, 0, 0);
        self.words.clear();
        self.from_stdin = (false, false);
        if copies {
            self.copy_data(chunk);
        }
    }

    /// From the next line up to the line `\.`, or to the end.
    fn copy_data(&mut self, chunk: Range<usize>) {
        let from = (self.line() + 1).min(self.bytes.len());
        let (mut at, mut rows) = (from, 0);
        while at < self.bytes.len() {
            self.at = at;
            let end = self.line();
            let line = self.bytes.get(at..end).unwrap_or_default();
            at = (end + 1).min(self.bytes.len());
            if line.strip_suffix(b"\r").unwrap_or(line) == b"\\." {
                break;
            }
            rows += 1;
        }
        self.at = at;
        self.start = at;
        self.found.copies.push(CopyData { chunk, data: from..at, rows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(text: &str) -> Vec<&str> {
        scan(text).chunks.into_iter().map(|chunk| text[chunk].trim()).collect()
    }

    #[test]
    fn a_comment_that_does_not_end_hides_nothing() {
        assert_eq!(chunks("/* drop table t;"), ["/* drop table t;"]);
        assert!(chunks("/* drop table t; */ -- x").is_empty());
    }

    #[test]
    fn statements_end_at_semicolons_of_their_own() {
        for (text, expected) in [
            ("select 1; select 2", vec!["select 1;", "select 2"]),
            (
                "select ';', \";\", $$;$$, $a$ $$; $a$ /* ; /* ; */ */ -- ;\n;",
                vec!["select ';', \";\", $$;$$, $a$ $$; $a$ /* ; /* ; */ */ -- ;\n;"],
            ),
            (r"select E'\';'; select '\'; select 3", vec![r"select E'\';';", r"select '\';", "select 3"]),
            (
                "create rule r as on insert to t do (select 1; select 2);",
                vec!["create rule r as on insert to t do (select 1; select 2);"],
            ),
            (
                "create function f() returns int begin atomic select case when true then 1 end; end; select 2;",
                vec![
                    "create function f() returns int begin atomic select case when true then 1 end; end;",
                    "select 2;",
                ],
            ),
            ("begin; select a$1 from t; end;", vec!["begin;", "select a$1 from t;", "end;"]),
            ("-- nothing\n/* here */", vec![]),
        ] {
            assert_eq!(chunks(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_psqls_own() {
        let text = "\\set x 1\nselect :x, a::int, b[1:2], :'x', c := 3 \\g out\n\\i other.sql\nselect 2;";
        let found = scan(text);
        let of = |ranges: &[Range<usize>]| ranges.iter().map(|r| text[r.clone()].to_owned()).collect::<Vec<_>>();
        assert_eq!(of(&found.commands), ["\\set x 1", "\\g out", "\\i other.sql"]);
        assert_eq!(of(&found.variables), [":x", ":'x'"]);
        assert_eq!(chunks(text), ["select :x, a::int, b[1:2], :'x', c := 3", "select 2;"]);
    }

    #[test]
    fn copy_data_is_no_statement() {
        let text = "copy t (a) from stdin;\n1;\n'2\n\\.\nselect 1;\ncopy t to stdout;\nselect 2;";
        assert_eq!(chunks(text), ["copy t (a) from stdin;", "select 1;", "copy t to stdout;", "select 2;"]);
        let copies = scan(text).copies;
        assert_eq!((copies.len(), copies[0].rows, &text[copies[0].data.clone()]), (1, 2, "1;\n'2\n\\.\n"));
        assert_eq!(scan("copy t from stdin;\n1\n2").copies[0].rows, 2, "it need not end");
        let text = "\\copy t from stdin csv\n1;drop table x;\n\\.\ndrop table t;";
        assert_eq!((scan(text).copies[0].rows, chunks(text)), (1, vec!["drop table t;"]));
        assert_eq!(scan("copy t from '/file';\nselect 1;").copies, []);
    }
}
