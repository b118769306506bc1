//! How a text is shown and kept: secrets replaced by `***`, found by where the grammar has them.
//! What cannot be read is not shown at all: nobody knows what is in it.

use std::ops::Range;
use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use memchr::memmem::Finder;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::{Node, StmtList, nodes};
use sha2::{Digest, Sha256};

use super::literals::{Literal, Piece, literals, pieces};
use super::{bounds, located, objects, parse, walk};

#[cfg(test)]
mod tests;

/// What replaces a secret.
const HIDDEN: &str = "'***'";
/// What replaces a comment beside a secret, which people like to repeat there.
const HIDDEN_COMMENT: &str = "/* *** */";

/// A text without any of these holds no secret we know.
const HINTS: [&str; 13] = [
    "passw",
    "pwd",
    "secret",
    "token",
    "key",
    "dblink",
    "://",
    "connection",
    "conninfo",
    "crypt",
    "options",
    "pgp_",
    "hmac",
];

/// Parts of names of columns and settings that hold secrets.
const SECRET_NAMES: [&str; 10] =
    ["passw", "pwd", "secret", "token", "api_key", "apikey", "private_key", "encryption_key", "conninfo", "credential"];

/// Functions whose literals are secrets.
const SECRET_FUNCTIONS: &[&str] = &["crypt", "hmac", "digest", "encrypt", "decrypt", "encrypt_iv", "decrypt_iv"];

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

/// The same, and what is known of the values bound to it.
#[must_use]
pub fn shown_with_values(text: &str) -> Shown {
    match parse(text, bounds::TEXT_BYTES_MAX) {
        Err(_) => Shown { text: unreadable(text), values_are_secret: true },
        Ok(tree) if may_hold_secrets(text) => hide(text, &tree),
        Ok(_) => Shown { text: text.to_owned(), values_are_secret: false },
    }
}

/// Whether a text that can be read needs a closer look before it is shown.
#[must_use]
pub fn may_hold_secrets(text: &str) -> bool {
    // A secret is a string literal.
    if memchr::memchr2(b'\'', b'$', text.as_bytes()).is_none() {
        return false;
    }
    static FINDERS: LazyLock<Vec<Finder<'static>>> = LazyLock::new(|| HINTS.iter().map(Finder::new).collect());
    let lower = text.to_ascii_lowercase();
    FINDERS.iter().any(|hint| hint.find(lower.as_bytes()).is_some())
}

/// What is kept of a text that cannot be read.
#[must_use]
pub fn unreadable(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let digest = HEXLOWER.encode(digest.get(..16).unwrap_or_default());
    format!("<unreadable statement, {} bytes, sha256 {digest}…>", text.len())
}

fn hide(text: &str, tree: &StmtList) -> Shown {
    let mut secrets = Secrets::default();
    for raw in tree.iter() {
        let span = located(text, raw.stmt_location, raw.stmt_len);
        secrets.within = span.clone();
        secrets.statement(raw.stmt());
    }
    let pieces = pieces(text);
    let literals = pieces.iter().filter_map(|piece| match piece {
        Piece::Literal(literal) => Some((literal.span.clone(), secrets.replacement(text, literal)?)),
        Piece::Comment(_) => None,
    });
    let mut hidden: Vec<(Range<usize>, String)> = literals.collect();
    if !hidden.is_empty() {
        hidden.extend(pieces.iter().filter_map(|piece| match piece {
            Piece::Comment(span) => Some((span.clone(), HIDDEN_COMMENT.to_owned())),
            Piece::Literal(_) => None,
        }));
        hidden.sort_by_key(|(span, _)| span.start);
    }
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

/// What of a text is secret.
#[derive(Default)]
struct Secrets {
    /// The statement that is looked at.
    within: Range<usize>,
    /// Every literal that starts here is secret.
    spans: Vec<Range<usize>>,
    /// The literal at this place is secret.
    places: Vec<usize>,
    /// Literals that start here are code: what is quoted in them is hidden if they speak of secrets.
    code: Vec<Range<usize>>,
    /// A bound value is secret.
    values: bool,
}

impl Secrets {
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
            Node::DoStmt(_) | Node::CreateFunctionStmt(_) => self.code.push(self.within.clone()),
            Node::VariableSetStmt(set) => self.setting(Some(set)),
            Node::AlterSystemStmt(set) => self.setting(set.setstmt()),
            Node::AlterRoleSetStmt(set) => self.setting(set.setstmt()),
            Node::AlterDatabaseSetStmt(set) => self.setting(set.setstmt()),
            Node::ExplainStmt(explain) => self.statement(explain.query()),
            Node::PrepareStmt(prepare) => self.statement(prepare.query()),
            Node::DeclareCursorStmt(cursor) => self.statement(cursor.query()),
            Node::CreateTableAsStmt(create) => self.statement(create.query()),
            Node::ViewStmt(view) => self.statement(view.query()),
            Node::CopyStmt(copy) => self.statement(copy.query()),
            Node::CallStmt(call) => {
                if let Some(call) = call.funccall() {
                    self.query(Node::FuncCall(call));
                }
            }
            Node::ExecuteStmt(execute) => self.query(Node::NodeList(execute.params())),
            Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_) => self.query(node),
            _ => {}
        }
    }

    fn all_if(&mut self, secret: bool) {
        if secret {
            self.all();
        }
    }

    fn setting(&mut self, set: Option<&nodes::VariableSetStmt>) {
        self.all_if(set.and_then(|set| set.name()).is_some_and(is_secret));
    }

    fn query(&mut self, root: Node<'_>) {
        let walked = walk::each(root, |node| match node {
            Node::FuncCall(call) => self.call(call),
            Node::A_Expr(expression) => {
                if names_secret(expression.lexpr()) {
                    self.constants(expression.rexpr());
                } else if names_secret(expression.rexpr()) {
                    self.constants(expression.lexpr());
                }
            }
            Node::UpdateStmt(update) => self.targets(update.target_list().iter()),
            Node::OnConflictClause(conflict) => self.targets(conflict.target_list().iter()),
            Node::InsertStmt(insert) => self.inserted(insert),
            _ => {}
        });
        if walked.is_err() {
            self.all();
        }
    }

    fn call(&mut self, call: &nodes::FuncCall) {
        let Some(name) = objects::last_name(call.funcname()) else {
            return;
        };
        let secret = name.starts_with("dblink") || name.starts_with("pgp_") || SECRET_FUNCTIONS.contains(&name);
        let secret_setting =
            name == "set_config" && call.args().first().and_then(objects::literal).is_some_and(|name| is_secret(&name));
        if secret {
            self.constants(Node::NodeList(call.args()));
        } else if secret_setting {
            call.args().iter().skip(1).for_each(|argument| self.constants(argument));
        }
    }

    fn targets<'a>(&mut self, targets: impl Iterator<Item = &'a nodes::ResTarget>) {
        for target in targets {
            if target.name().is_some_and(is_secret) {
                self.constants(target.val());
            }
        }
    }

    /// Values under a column whose name says secret.
    fn inserted(&mut self, insert: &nodes::InsertStmt) {
        let Node::SelectStmt(select) = insert.select_stmt() else {
            return;
        };
        let secret = insert.cols().iter().map(|column| match column {
            Node::ResTarget(column) => column.name().is_some_and(is_secret),
            _ => false,
        });
        for (index, _) in secret.enumerate().filter(|(_, secret)| *secret) {
            for row in select.values_lists() {
                if let Some(value) = row.as_node_list().and_then(|row: &NodeList| row.get(index)) {
                    self.constants(value);
                }
            }
            if let Some(value) = select.target_list().get(index) {
                self.constants(value.val());
            }
        }
    }

    fn constants(&mut self, root: Node<'_>) {
        let walked = walk::each(root, |node| match node {
            Node::A_Const(constant) => self.places.extend(usize::try_from(constant.location)),
            Node::ParamRef(_) => self.values = true,
            _ => {}
        });
        if walked.is_err() {
            self.all();
        }
    }

    /// What stands instead of this literal, if anything does.
    fn replacement(&self, text: &str, literal: &Literal) -> Option<String> {
        let content = text.get(literal.span.clone()).unwrap_or_default();
        let starts_in = |spans: &[Range<usize>]| spans.iter().any(|span| span.contains(&literal.span.start));
        let placed = self.places.iter().any(|place| literal.span.contains(place));
        if placed || starts_in(&self.spans) || is_connection(content) {
            return Some(HIDDEN.to_owned());
        }
        if !starts_in(&self.code) || !speaks_of_secrets(content) {
            return None;
        }
        match &literal.body {
            Some(body) => Some(without_literals(text, literal, body)),
            None => Some(HIDDEN.to_owned()),
        }
    }
}

/// A dollar-quoted body with everything quoted in it hidden.
fn without_literals(text: &str, literal: &Literal, body: &Range<usize>) -> String {
    let code = text.get(body.clone()).unwrap_or_default();
    let mut out = text.get(literal.span.start..body.start).unwrap_or_default().to_owned();
    let mut from = 0;
    for inner in literals(code) {
        out.push_str(code.get(from..inner.span.start).unwrap_or_default());
        out.push_str(HIDDEN);
        from = inner.span.end;
    }
    out.push_str(code.get(from..).unwrap_or_default());
    out.push_str(text.get(body.end..literal.span.end).unwrap_or_default());
    out
}

fn has_password(option: &nodes::DefElem) -> bool {
    option.defname() == Some("password")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

fn names_secret(node: Node<'_>) -> bool {
    matches!(node, Node::ColumnRef(column) if objects::last_name(column.fields()).is_some_and(is_secret))
}

fn speaks_of_secrets(content: &str) -> bool {
    let content = content.to_ascii_lowercase();
    SECRET_NAMES.iter().chain(&["dblink", "crypt", "connection"]).any(|part| content.contains(part))
}

/// A connection string with a password: `password=…`, `postgres://user:pw@host`.
fn is_connection(content: &str) -> bool {
    let content = content.to_ascii_lowercase();
    let key = content
        .match_indices("password")
        .any(|(at, word)| content.get(at + word.len()..).is_some_and(|rest| rest.trim_start().starts_with('=')));
    let url = content.match_indices("://").any(|(at, mark)| {
        let rest = content.get(at + mark.len()..).unwrap_or_default();
        let authority = rest.split(['/', '?', ' ', '\'']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    key || url
}
