//! Text to statements, by PostgreSQL's own grammar: the parser of record. The only folder that knows
//! `pg_raw_parse`; its node types do not leave it.
//!
//! [`read`] may be called on any thread with at least 1 MiB of stack: parsing keeps its stack on the heap,
//! the tree is walked with a stack of our own, and what recurses (deparsing) runs only on trees that
//! [`bounds`] found shallow. It never panics: what the grammar of record cannot read, or what is
//! beyond the bounds, is [`Unreadable`].

mod alter;
pub mod apart;
mod bare;
mod bound;
mod calls;
mod classify;
mod column;
mod create;
mod database;
mod fragment;
pub mod hung;
mod index;
mod literals;
mod mass;
pub mod mistake;
mod named;
mod objects;
pub mod outline;
mod predicate;
mod publication;
mod queried;
mod redact;
pub mod renamed;
mod rights;
pub mod session;
mod settings;
pub mod unbound;
pub mod uses;
mod using;
mod walk;

#[cfg(test)]
mod bypass_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_raw_parse::{Node, Owned, StmtList};

use super::bounds;
use super::encoding::TextEncoding;
use super::statement::{Change, Parsed, Reading, Statement};

/// Why a text is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unreadable {
    /// For people.
    pub why: String,
    pub kind: UnreadableKind,
}

/// What kind of text is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadableKind {
    /// The grammar of record refuses it; the server most likely does too.
    Syntax,
    /// Larger or deeper than we read.
    Bounds,
    /// Not valid in its encoding (SQLSTATE 22021).
    Encoding,
}

impl Unreadable {
    fn bounds(why: impl Into<String>) -> Self {
        Self { why: why.into(), kind: UnreadableKind::Bounds }
    }
}

/// Reads a text of at most [`bounds::TEXT_BYTES_MAX`] bytes.
pub fn read(text: &str) -> Result<Reading, Unreadable> {
    read_at_most(text, bounds::TEXT_BYTES_MAX)
}

/// Reads a text of at most `bytes_max` bytes.
pub fn read_at_most(text: &str, bytes_max: usize) -> Result<Reading, Unreadable> {
    let tree = parse(text, bytes_max)?;
    // The belt: nothing below is known to panic, but the trees come from foreign code.
    match catch_unwind(AssertUnwindSafe(|| statements_of(text, &tree))) {
        Ok(result) => result.map(|statements| Reading { statements, exact_names: true }),
        Err(_) => Err(Unreadable::bounds("the statement's tree has a shape we do not know")),
    }
}

/// Reads the bytes of a message in the client's encoding. The text is what spans refer to.
pub fn read_bytes(bytes: &[u8], encoding: TextEncoding) -> Result<(Reading, Cow<'_, str>), Unreadable> {
    let (text, exact) = encoding
        .decode(bytes)
        .map_err(|error| Unreadable { why: error.to_string(), kind: UnreadableKind::Encoding })?;
    let mut reading = read(&text)?;
    reading.exact_names = exact;
    Ok((reading, text))
}

/// How the text is shown and kept: secrets replaced by `***`.
pub use redact::{HIDDEN, Shown, may_hold_secrets, shown, shown_behind, shown_name, shown_with_values, unreadable};

/// The text with every string literal replaced by `'***'`.
#[must_use]
pub fn without_literals(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for literals::Literal { span, .. } in literals::literals(text) {
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str("'***'");
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Whether two texts have the same trees: a text laid out anew may be shown instead of the other.
#[must_use]
pub fn same_meaning(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (parse(one, bounds::TEXT_BYTES_MAX), parse(other, bounds::TEXT_BYTES_MAX)) else {
        return false;
    };
    one.len() == other.len() && one.stmts().zip(other.stmts()).all(|(one, other)| fragment::alike(one, other))
}

/// Whether code that recurses over trees may be given this text: its trees are known to be shallow.
#[must_use]
pub fn is_shallow(text: &str) -> bool {
    parse(text, bounds::TEXT_BYTES_MAX).is_ok_and(|tree| {
        tree.stmts().all(|statement| match statement {
            Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) => {
                fragment::shallow(statement).is_ok()
            }
            // Not walked as a whole; but a level of a tree takes two bytes of text at least.
            _ => text.len() <= 4 * bounds::DEPTH_DEPARSED_MAX,
        })
    })
}

fn parse(text: &str, bytes_max: usize) -> Result<Owned<StmtList>, Unreadable> {
    if text.len() > bytes_max {
        return Err(Unreadable::bounds(format!(
            "the text has {} bytes, more than the {bytes_max} that are read",
            text.len()
        )));
    }
    if text.len() > bounds::CODE_BYTES_MAX && literals::code_bytes(text) > bounds::CODE_BYTES_MAX {
        return Err(Unreadable::bounds(format!(
            "the text has more than {} bytes outside of literals",
            bounds::CODE_BYTES_MAX
        )));
    }
    if bounds::comment_depth(text.as_bytes()) > bounds::COMMENT_DEPTH_MAX {
        return Err(Unreadable::bounds("block comments are nested too deeply"));
    }
    if bounds::operator_work(text.as_bytes()) > bounds::OPERATOR_WORK_MAX {
        return Err(Unreadable::bounds("runs of operator characters are too long"));
    }
    match catch_unwind(|| pg_raw_parse::parse(text)) {
        Ok(Ok(result)) => Ok(result.into_inner()),
        Ok(Err(error)) => {
            let said = error.to_string();
            let why = said.strip_prefix("Invalid statement: ").unwrap_or(&said).to_owned();
            // The end of the grammar's stack is a bound, not a mistake of the writer's.
            let kind =
                if why.starts_with("memory exhausted") { UnreadableKind::Bounds } else { UnreadableKind::Syntax };
            Err(Unreadable { why, kind })
        }
        Err(_) => Err(Unreadable::bounds("the grammar gave up")),
    }
}

fn statements_of(text: &str, tree: &StmtList) -> Result<Vec<Parsed>, Unreadable> {
    if tree.len() > bounds::STATEMENTS_MAX {
        return Err(Unreadable::bounds(format!("more than {} statements in one text", bounds::STATEMENTS_MAX)));
    }
    let mut parsed = Vec::with_capacity(tree.len());
    for raw in tree.iter() {
        let span = located(text, raw.stmt_location, raw.stmt_len);
        let mut found = classify::Found::default();
        // One statement that cannot be taken apart does not make the others unknown.
        let mut names = Vec::new();
        let statements = match classify::statement(raw.stmt(), &mut found) {
            Ok(()) => {
                let mut statements = found.into_statements();
                mass::tell_by_row(raw.stmt(), &mut statements);
                let own = text.get(span.clone()).unwrap_or_default();
                classify::by_words(own, &mut statements);
                names = named::named(raw.stmt(), own, &statements);
                statements
            }
            Err(error) => vec![Statement::Change(Change::Unreadable { why: error.why })],
        };
        parsed.extend(statements.into_iter().map(|statement| Parsed {
            span: span.clone(),
            statement,
            named: names.clone(),
        }));
    }
    Ok(parsed)
}

/// Where a statement stands, by what the grammar says of it.
fn located(text: &str, location: i32, length: i32) -> Range<usize> {
    let start = usize::try_from(location).unwrap_or(0).min(text.len());
    let end = match usize::try_from(length) {
        Ok(0) | Err(_) => text.len(),
        Ok(length) => (start + length).min(text.len()),
    };
    within(text, start..end)
}

/// What is left of a text without white space, semicolons and comments before it and white space after it.
#[must_use]
pub fn trimmed(text: &str) -> Range<usize> {
    within(text, 0..text.len())
}

/// White space is the server's own table (scan.l): not Unicode's.
fn within(text: &str, all: Range<usize>) -> Range<usize> {
    let (start, end) = (all.start, all.end);
    let bytes = text.as_bytes();
    let mut from = start;
    loop {
        match bytes.get(from..end) {
            Some([b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b';', ..]) => from += 1,
            Some(rest @ [b'-', b'-', ..]) => {
                from += rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
            }
            Some(rest @ [b'/', b'*', ..]) => from += comment_length(rest),
            _ => break,
        }
    }
    let mut to = end;
    while to > from && matches!(bytes.get(to - 1), Some(b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b';')) {
        to -= 1;
    }
    from..to
}

/// Bytes of the block comment at the start of `rest`, nested ones included.
#[must_use]
pub fn comment_length(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    while at < rest.len() {
        match rest.get(at..at + 2) {
            Some(b"/*") => {
                depth += 1;
                at += 2;
            }
            Some(b"*/") => {
                at += 2;
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    rest.len()
}

/// The one statement of a text that is known to be one, as a node.
fn only<'a>(tree: &'a StmtList) -> Option<Node<'a>> {
    let mut statements = tree.stmts();
    match (statements.next(), statements.next()) {
        (Some(statement), None) => Some(statement),
        _ => None,
    }
}
