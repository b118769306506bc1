//! How a text is shown and kept: secrets replaced by `***`, found by where the grammar has them.
//! What cannot be read is not shown at all: nobody knows what is in it.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use pg_raw_parse::{Node, StmtList, nodes};

use super::literals::{Literal, Piece, pieces};
use super::{bounds, located, parse};

mod query;
#[cfg(test)]
mod tests;
mod told;
mod words;

/// What replaces a secret.
pub const HIDDEN: &str = "'***'";
/// What replaces a comment that tells a secret, or stands beside one, which people like to repeat there.
const HIDDEN_COMMENT: &str = "/* *** */";
/// What stands for a text that is not shown at all. No length and no hash: a short secret is found by trying.
const UNREADABLE: &str = "<unreadable statement>";

/// Parts of names of columns, settings and functions that hold secrets.
const SECRET_NAMES: [&str; 10] =
    ["passw", "pwd", "secret", "token", "api_key", "apikey", "private_key", "encryption_key", "conninfo", "credential"];

/// Parts of names of functions whose literals are secrets.
const SECRET_FUNCTIONS: [&str; 5] = ["crypt", "hmac", "digest", "dblink", "pgp_"];

/// Other words beside which secrets stand. The last one hides names from a search in the text.
const SECRET_WORDS: [&str; 2] = ["connection", "u&\""];

/// What else is looked for before a text is taken apart.
const OTHER_HINTS: [&str; 9] =
    ["://", "options", "program", COMMAND, told::BEARER, told::AUTHORIZATION, "akia", "asia", query::S3];

/// The end of the names of settings whose values are commands.
const COMMAND: &str = "_command";

/// A text for people and records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    /// A value that is bound to it is a secret.
    pub values_are_secret: bool,
}

/// The text for people and records.
#[must_use]
pub fn shown(text: &str) -> String {
    shown_with_values(text).text
}

/// The text of a part that is a statement behind `before`.
#[must_use]
pub fn shown_behind(before: &str, part: &str) -> String {
    let whole = format!("{before}{part}");
    if !may_hold_secrets(&whole) {
        return part.to_owned();
    }
    shown(&whole).strip_prefix(before).unwrap_or(HIDDEN).to_owned()
}

/// The same, and what is known of the values bound to it.
#[must_use]
pub fn shown_with_values(text: &str) -> Shown {
    match parse(text, bounds::TEXT_BYTES_MAX) {
        Err(_) => Shown { text: unreadable(), values_are_secret: true },
        Ok(tree) if may_hold_secrets(text) => hide(text, &tree, true),
        Ok(_) => Shown { text: text.to_owned(), values_are_secret: false },
    }
}

/// Whether a text that can be read needs a closer look before it is shown.
#[must_use]
pub fn may_hold_secrets(text: &str) -> bool {
    // A secret is a string literal, or told in a comment.
    if memchr::memchr2(b'\'', b'$', text.as_bytes()).is_none() {
        return has_comment(text.as_bytes()) && told::is_told(text);
    }
    static FINDERS: LazyLock<Vec<Finder<'static>>> =
        LazyLock::new(|| words_of_secrets().chain(OTHER_HINTS).map(Finder::new).collect());
    let lower = text.to_ascii_lowercase();
    FINDERS.iter().any(|hint| hint.find(lower.as_bytes()).is_some())
}

fn has_comment(text: &[u8]) -> bool {
    static FINDERS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| ["--", "/*"].map(Finder::new));
    FINDERS.iter().any(|mark| mark.find(text).is_some())
}

/// What is kept of a text that cannot be read.
#[must_use]
pub fn unreadable() -> String {
    UNREADABLE.to_owned()
}

/// `outermost`: what stands in its comments and literals may be statements with secrets in turn.
fn hide(text: &str, tree: &StmtList, outermost: bool) -> Shown {
    let pieces = pieces(text);
    let mut secrets = Secrets::of(text, &pieces, outermost);
    for raw in tree.iter() {
        secrets.within = located(text, raw.stmt_location, raw.stmt_len);
        secrets.statement(raw.stmt());
    }
    let literals = pieces.iter().filter_map(|piece| match piece {
        Piece::Literal(literal) => Some((literal.span.clone(), secrets.replacement(text, literal)?)),
        Piece::Comment(_) => None,
    });
    let mut hidden: Vec<(Range<usize>, String)> = literals.collect();
    let is_beside = !hidden.is_empty();
    hidden.extend(pieces.iter().filter_map(|piece| match piece {
        Piece::Comment(span) if is_beside || secrets.are_in_comment(text, span) => {
            Some((span.clone(), HIDDEN_COMMENT.to_owned()))
        }
        Piece::Comment(_) | Piece::Literal(_) => None,
    }));
    hidden.sort_by_key(|(span, _)| span.start);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (span, replacement) in hidden {
        // A literal that goes on over a comment has taken it along.
        if span.start < from {
            continue;
        }
        out.push_str(text.get(from..span.start).unwrap_or_default());
        out.push_str(&replacement);
        from = span.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Shown { text: out, values_are_secret: secrets.values }
}

/// A name that a client gives itself, of a database or an application: a connection string that got there by mistake may
/// tell a password.
#[must_use]
pub fn shown_name(name: &str) -> String {
    if told::is_told(name) { "***".to_owned() } else { name.to_owned() }
}

/// What of a text is secret.
struct Secrets<'t> {
    text: &'t str,
    pieces: &'t [Piece],
    /// The statement that is looked at.
    within: Range<usize>,
    /// Every literal that starts here is secret.
    spans: Vec<Range<usize>>,
    /// The literal at this place is secret.
    places: Vec<usize>,
    /// The literals that start here are code: what is quoted in them is hidden if they speak of secrets.
    code: Vec<usize>,
    /// A bound value is secret.
    values: bool,
    /// Statements of the text to which that applies.
    prepared: Vec<String>,
    outermost: bool,
}

impl<'t> Secrets<'t> {
    fn of(text: &'t str, pieces: &'t [Piece], outermost: bool) -> Self {
        let (spans, places, code, prepared) = Default::default();
        Self { text, pieces, within: 0..0, spans, places, code, values: false, prepared, outermost }
    }

    fn all(&mut self) {
        self.spans.push(self.within.clone());
    }

    fn statement(&mut self, node: Node<'_>) {
        match node {
            Node::CreateRoleStmt(role) => self.all_if(role.options().iter().any(has_password)),
            Node::AlterRoleStmt(role) => self.all_if(role.options().iter().any(has_password)),
            Node::CreateSubscriptionStmt(_)
            | Node::AlterSubscriptionStmt(_)
            | Node::CreateUserMappingStmt(_)
            | Node::AlterUserMappingStmt(_)
            | Node::CreateForeignServerStmt(_)
            | Node::AlterForeignServerStmt(_)
            | Node::CreateFdwStmt(_)
            | Node::AlterFdwStmt(_)
            | Node::Invalid(_) => self.all(),
            Node::DoStmt(block) => self.code(block.args().iter()),
            Node::CreateFunctionStmt(function) => {
                self.code(function.options().iter());
                self.spoken(node);
            }
            Node::VariableSetStmt(set) => self.setting(Some(set)),
            Node::AlterSystemStmt(set) => self.setting(set.setstmt()),
            Node::AlterRoleSetStmt(set) => self.setting(set.setstmt()),
            Node::AlterDatabaseSetStmt(set) => self.setting(set.setstmt()),
            Node::ExplainStmt(explain) => self.statement(explain.query()),
            Node::PrepareStmt(prepare) => {
                let before = std::mem::take(&mut self.values);
                self.statement(prepare.query());
                if self.values {
                    self.prepared.extend(prepare.name().map(str::to_owned));
                }
                self.values |= before;
            }
            Node::DeclareCursorStmt(cursor) => self.statement(cursor.query()),
            Node::CreateTableAsStmt(create) => {
                self.query(create.query(), create.into().map(nodes::IntoClause::col_names));
            }
            Node::ViewStmt(view) => self.query(view.query(), Some(view.aliases())),
            // A command line, with whatever it logs in by.
            Node::CopyStmt(copy) if copy.is_program => self.all(),
            Node::CopyStmt(copy) => {
                self.query(copy.query(), None);
                self.query(copy.where_clause(), None);
            }
            Node::CallStmt(call) => {
                if let Some(call) = call.funccall() {
                    self.query(Node::FuncCall(call), None);
                }
            }
            Node::ExecuteStmt(execute) if self.prepared.iter().any(|name| execute.name() == Some(name)) => self.all(),
            Node::ExecuteStmt(execute) => self.query(Node::NodeList(execute.params()), None),
            Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_) => self.query(node, None),
            // Labels are names.
            Node::CreateEnumStmt(_) | Node::AlterEnumStmt(_) => {}
            _ => self.spoken(node),
        }
    }

    fn all_if(&mut self, secret: bool) {
        if secret {
            self.all();
        }
    }

    fn setting(&mut self, set: Option<&nodes::VariableSetStmt>) {
        self.all_if(set.and_then(|set| set.name()).is_some_and(is_secret_setting));
    }

    /// The literal that follows AS is code, and so is what DO is given.
    fn code<'a>(&mut self, options: impl Iterator<Item = &'a nodes::DefElem>) {
        for option in options.filter(|option| option.defname() == Some("as")) {
            let from = usize::try_from(option.location).unwrap_or(self.within.start);
            let after = self.pieces.iter().find_map(|piece| match piece {
                Piece::Literal(literal) if literal.span.start >= from => Some(literal.span.start),
                Piece::Literal(_) | Piece::Comment(_) => None,
            });
            self.code.extend(after);
        }
    }

    /// What stands instead of this literal, if anything does.
    fn replacement(&self, text: &str, literal: &Literal) -> Option<String> {
        let content = told::of_literal(text, literal);
        if told::is_connection(content) {
            return Some(HIDDEN.to_owned());
        }
        if self.code.contains(&literal.span.start) {
            return speaks_of_secrets(content).then(|| match &literal.body {
                Some(body) => self.without_literals(text, literal, body),
                None => HIDDEN.to_owned(),
            });
        }
        let placed = self.places.iter().any(|place| literal.span.contains(place));
        let spanned = self.spans.iter().any(|span| span.contains(&literal.span.start));
        let is_secret = placed || spanned || told::is_told(content) || self.are_in(&unquoted(literal, content));
        is_secret.then(|| HIDDEN.to_owned())
    }

    fn are_in_comment(&self, text: &str, span: &Range<usize>) -> bool {
        let content = told::of_comment(text.get(span.clone()).unwrap_or_default());
        told::is_told(content) || self.are_in(content)
    }

    /// Whether it is a statement with secrets.
    fn are_in(&self, content: &str) -> bool {
        self.outermost
            && may_hold_secrets(content)
            && parse(content, bounds::TEXT_BYTES_MAX).is_ok_and(|tree| hide(content, &tree, false).text != content)
    }

    /// A dollar-quoted body with everything quoted in it hidden, and the comments that tell secrets.
    fn without_literals(&self, text: &str, literal: &Literal, body: &Range<usize>) -> String {
        let code = text.get(body.clone()).unwrap_or_default();
        let mut out = text.get(literal.span.start..body.start).unwrap_or_default().to_owned();
        let mut from = 0;
        for piece in pieces(code) {
            let (span, replacement) = match piece {
                Piece::Literal(Literal { span, .. }) => (span, HIDDEN),
                Piece::Comment(span) if self.are_in_comment(code, &span) => (span, HIDDEN_COMMENT),
                Piece::Comment(_) => continue,
            };
            out.push_str(code.get(from..span.start).unwrap_or_default());
            out.push_str(replacement);
            from = span.end;
        }
        out.push_str(code.get(from..).unwrap_or_default());
        out.push_str(text.get(body.end..literal.span.end).unwrap_or_default());
        out
    }
}

/// What a literal says.
fn unquoted<'t>(literal: &Literal, written: &'t str) -> Cow<'t, str> {
    match &literal.body {
        None => written.replace("''", "'").replace("\\'", "'").into(),
        Some(_) => written.into(),
    }
}

fn has_password(option: &nodes::DefElem) -> bool {
    option.defname() == Some("password")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// A setting whose value is a secret or a command line, which may hold one.
fn is_secret_setting(name: &str) -> bool {
    is_secret(name) || name.to_ascii_lowercase().ends_with(COMMAND)
}

fn is_secret_function(name: &str) -> bool {
    is_secret(name) || SECRET_FUNCTIONS.iter().any(|part| name.contains(part))
}

/// All words of the lists above: what names a secret is found by the same words that have a text looked at.
fn words_of_secrets() -> impl Iterator<Item = &'static str> {
    SECRET_NAMES.into_iter().chain(SECRET_FUNCTIONS).chain(SECRET_WORDS)
}

fn speaks_of_secrets(content: &str) -> bool {
    let content = content.to_ascii_lowercase();
    words_of_secrets().any(|part| content.contains(part))
}
