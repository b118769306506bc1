//! Scripts: `>` we send, `<` we expect, `!` somebody acts, `?` we ask the server itself, `@` which connection.
//!
//! ```text
//! # words: what this file is allowed to differ in, see the tests that play it
//! @b startup 3.2 application_name=x      open another connection, or go back to it; the first is `a`
//! @c raw                                 open a socket and say nothing
//! > Query select 1                       the rest of the line, or "a string with \n \t \" \\ \x95 \{70000*x}"
//! > Parse s1 "select $1::int" 23         also Bind Describe Execute Close Flush Sync CopyData CopyDone CopyFail
//! > Bind p1 s1 t:42 b:0000002a null      FunctionCall Password Startup SSLRequest GSSENCRequest Terminate
//! > raw 51 00000004                      bytes
//! < CommandComplete SELECT 1             the next message; `*` stands for anything, `$ticket` catches a word
//! <~ ReadyForQuery I                     reads on up to this message; `<~ judged`, `<~ stopped`, `< closed`, `< byte N`
//! ! approve $ticket as bob
//! ? select count(*) from victim => 3
//! ```

use crate::wire::{self, Value};

/// One line of a script.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its line number, for reports.
    pub line: usize,
    /// What it does.
    pub kind: Kind,
}

/// What a line does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Send a message.
    Send(String),
    /// The next message must match.
    Expect(String),
    /// Read on until a message matches.
    Seek(String),
    /// Somebody acts.
    Act(String),
    /// Ask the server: SQL, and its answer.
    Ask(String, String),
    /// Use this connection from now on.
    Use(String),
}

/// A parsed script.
#[derive(Clone, Debug)]
pub struct Script {
    /// The file's name without its ending.
    pub name: String,
    /// The words after `# words:`.
    pub words: Vec<String>,
    /// The lines.
    pub steps: Vec<Step>,
}

impl Script {
    /// Whether the script's header carries this word.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }
}

/// Reads every `.wire` file of a folder below `scripts/`, in order of name. `LOCKKEEPER_SCRIPT` picks by part of a name.
#[must_use]
pub fn all(folder: &str) -> Vec<Script> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(folder);
    let only = std::env::var("LOCKKEEPER_SCRIPT").unwrap_or_default();
    let mut scripts: Vec<Script> = std::fs::read_dir(&path)
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|e| e == "wire"))
        .map(|file| {
            let name = file.file_stem().unwrap().to_string_lossy().into_owned();
            parse(&name, &std::fs::read_to_string(&file).unwrap())
        })
        .filter(|script| script.name.contains(&only))
        .collect();
    scripts.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!scripts.is_empty(), "no scripts in {}", path.display());
    scripts
}

/// Reads a script's text.
#[must_use]
pub fn parse(name: &str, text: &str) -> Script {
    let mut script = Script { name: name.into(), words: Vec::new(), steps: Vec::new() };
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if let Some(words) = line.strip_prefix("# words:") {
            script.words = words.split_whitespace().map(String::from).collect();
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.to_owned();
        let kind = match mark {
            ">" => Kind::Send(rest),
            "<" => Kind::Expect(rest),
            "<~" => Kind::Seek(rest),
            "!" => Kind::Act(rest),
            "?" => {
                let (sql, answer) = rest.rsplit_once(" => ").expect("? SQL => ANSWER");
                Kind::Ask(sql.into(), answer.into())
            }
            other if other.starts_with('@') => Kind::Use(line[1..].to_owned()),
            other => panic!("{name}.wire:{}: what is {other:?}?", number + 1),
        };
        script.steps.push(Step { line: number + 1, kind });
    }
    script
}

/// Turns the text after `>` into the bytes of a message.
#[must_use]
pub fn encode(text: &str) -> Vec<u8> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    if matches!(verb, "Query" | "CopyData" | "CopyFail" | "Password") {
        let content = if rest.starts_with('"') { words(rest).remove(0) } else { rest.as_bytes().to_vec() };
        return match verb {
            "Query" => wire::query(&content),
            "CopyData" => wire::framed(b'd', &content),
            "CopyFail" => wire::text_message(b'f', &content),
            _ => wire::text_message(b'p', &content),
        };
    }
    let words = words(rest);
    let word = |n: usize| words.get(n).map_or(&b""[..], Vec::as_slice);
    let text = |n: usize| String::from_utf8_lossy(word(n)).into_owned();
    match verb {
        "Parse" => {
            let types: Vec<u32> = (2..words.len()).map(|n| text(n).parse().expect("a type's number")).collect();
            wire::parse(word(0), word(1), &types)
        }
        "Bind" => bind(&words),
        "Describe" => wire::named(b'D', word(0)[0], word(1)),
        "Close" => wire::named(b'C', word(0)[0], word(1)),
        "Execute" => wire::execute(word(0), text(1).parse().unwrap_or(0)),
        "Sync" => wire::framed(b'S', b""),
        "Flush" => wire::framed(b'H', b""),
        "Terminate" => wire::framed(b'X', b""),
        "CopyDone" => wire::framed(b'c', b""),
        "FunctionCall" => {
            let arguments: Vec<&[u8]> = words[1..].iter().map(Vec::as_slice).collect();
            wire::function_call(text(0).parse().expect("a function's number"), &arguments)
        }
        "SSLRequest" => wire::ssl_request(),
        "GSSENCRequest" => wire::gssenc_request(),
        "Startup" => startup(rest),
        "raw" => hex(&rest.replace(' ', "")),
        other => panic!("what is {other:?}?"),
    }
}

/// `3.2 name=value …` as a StartupMessage.
#[must_use]
pub fn startup(text: &str) -> Vec<u8> {
    let words: Vec<String> = words(text).iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    let (major, minor) = words[0].split_once('.').expect("major.minor");
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').expect("name=value");
        (name.to_owned(), value.to_owned())
    };
    let parameters: Vec<_> = words[1..].iter().map(pair).collect();
    wire::startup((major.parse().unwrap(), minor.parse().unwrap()), &parameters)
}

fn bind(words: &[Vec<u8>]) -> Vec<u8> {
    let mut values = Vec::new();
    let mut binary = false;
    for word in &words[2..] {
        match word.split_at(word.len().min(2)) {
            (b"t:", text) => values.push(Value::Text(text.to_vec())),
            (b"b:", digits) => values.push(Value::Binary(hex(std::str::from_utf8(digits).unwrap()))),
            _ if word == b"null" => values.push(Value::Null),
            _ if word == b"binary" => binary = true,
            _ => panic!("Bind: what is {:?}?", String::from_utf8_lossy(word)),
        }
    }
    wire::bind(&words[0], &words[1], &values, binary)
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).expect("hexadecimal digits");
    digits.as_bytes().chunks(2).map(byte).collect()
}

/// Words apart by spaces; a word may be, or end in, a quoted string with escapes.
fn words(text: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            let mut chars = rest.chars();
            match chars.next() {
                None | Some(' ') => break,
                Some('"') => rest = quoted(chars.as_str(), &mut word),
                Some(other) => {
                    word.extend_from_slice(other.to_string().as_bytes());
                    rest = chars.as_str();
                }
            }
        }
        words.push(word);
        rest = rest.trim_start();
    }
    words
}

/// Reads up to the closing quote and returns what follows it.
fn quoted<'a>(text: &'a str, word: &mut Vec<u8>) -> &'a str {
    let mut chars = text.chars();
    loop {
        match chars.next().expect("a closing quote") {
            '"' => return chars.as_str(),
            '\\' => match chars.next().expect("an escape") {
                'n' => word.push(b'\n'),
                't' => word.push(b'\t'),
                'r' => word.push(b'\r'),
                'v' => word.push(0x0b),
                '0' => word.push(0),
                'x' => {
                    word.extend(hex(&chars.as_str()[..2]));
                    chars = chars.as_str()[2..].chars();
                }
                '{' => {
                    let (count, tail) = chars.as_str().split_once('*').expect("\\{COUNT*TEXT}");
                    let (part, tail) = tail.split_once('}').expect("\\{COUNT*TEXT}");
                    word.extend(part.as_bytes().repeat(count.parse().unwrap()));
                    chars = tail.chars();
                }
                other => word.extend_from_slice(other.to_string().as_bytes()),
            },
            other => word.extend_from_slice(other.to_string().as_bytes()),
        }
    }
}

/// Whether `text` is as `pattern` says: `*` stands for anything, `$ticket` for a word of letters and digits,
/// which is returned.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> Option<Option<String>> {
    let Some((before, after)) = pattern.split_once("$ticket") else {
        return glob(pattern.as_bytes(), text.as_bytes()).then_some(None);
    };
    let starts = (0..text.len()).filter(|n| text.is_char_boundary(*n));
    for start in starts {
        let word: String = text[start..].chars().take_while(char::is_ascii_digit).collect();
        let fresh = start == 0 || !text.as_bytes()[start - 1].is_ascii_digit();
        let rest = &text[start + word.len()..];
        if fresh
            && !word.is_empty()
            && glob(before.as_bytes(), &text.as_bytes()[..start])
            && glob(after.as_bytes(), rest.as_bytes())
        {
            return Some(Some(word));
        }
    }
    None
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_and_catch_the_ticket() {
        assert_eq!(matches("Ready*", "ReadyForQuery I"), Some(None));
        assert_eq!(matches("Ready", "ReadyForQuery I"), None);
        let caught = matches("Notice*ticket $ticket*", "NoticeResponse NOTICE held as ticket 12, wait");
        assert_eq!(caught, Some(Some("12".into())));
    }

    #[test]
    fn strings_have_escapes_and_repetition() {
        assert_eq!(words(r#"a "b c\n\x95" """#), vec![b"a".to_vec(), b"b c\n\x95".to_vec(), b"".to_vec()]);
        assert_eq!(words(r#""\{3*ab}""#), vec![b"ababab".to_vec()]);
    }
}
