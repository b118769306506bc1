//! One statement of a file: where it stands, in whose company, and what is not certain about it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::report::{Place, Problem, Transaction, TransactionKind};
use super::script::{Message, Script};
use crate::kernel::assess::Assessment;
use crate::kernel::policy;
use crate::kernel::sql::read::{mistake, outline};
use crate::kernel::sql::statement::{Reading, RelationName};

/// One statement and where it stands.
pub(super) struct Of<'a> {
    pub(super) script: &'a Script,
    pub(super) message: &'a Message,
    pub(super) reading: &'a Reading,
    pub(super) span: Range<usize>,
    pub(super) transaction: Transaction,
    pub(super) place: policy::Place,
    /// Relations of which nothing is known.
    pub(super) guessed: &'a BTreeSet<RelationName>,
}

impl Of<'_> {
    /// Where it stands; where the mistake is, when it cannot be read.
    pub(super) fn place_of(&self, text: &str) -> Place {
        let mut bytes = self.span.clone();
        if let Err(error) = &self.message.known.reading
            && let Some(at) = mistake::place(text, error)
        {
            bytes.start = (self.span.start + at).min(bytes.end);
        }
        place(self.script, bytes)
    }

    pub(super) fn shown(&self, text: &str) -> String {
        if self.message.known.reading.is_err() {
            return crate::kernel::sql::read::unreadable();
        }
        crate::kernel::sql::read::shown(text)
    }

    pub(super) fn refused_block(&self, text: &str) -> Option<Problem> {
        if self.transaction.kind == TransactionKind::Own {
            return None;
        }
        let what = outline::refuses_block(text)?;
        let way_out = self.script.tool.way_out();
        Some(Problem {
            rule: "transaction-block",
            message: format!(
                "the server does not run {what} inside a transaction block, and this is {}: {way_out}",
                self.transaction.words
            ),
        })
    }

    pub(super) fn notes(&self, text: &str, own: &Assessment) -> Vec<String> {
        let mut notes = Vec::new();
        let within = |range: &Range<usize>| range.start >= self.span.start && range.end <= self.span.end;
        if self.message.known.reading.is_err() {
            if self.script.scan.variables.iter().any(within) {
                notes.push("psql puts a variable's value in here, which is not known: replace it first".to_owned());
            }
            if text.contains("${") {
                notes.push("there is a placeholder in it, whose value is not known: replace it first".to_owned());
            }
        }
        let types_unknown = own.findings.iter().any(|finding| finding.rule.0 == "change-type");
        if types_unknown && self.guessed.iter().any(|name| text.contains(&name.name)) && self.reading.exact_names {
            notes.push(
                "the column's present type is not known; with --schema or a server it would be, and a change that \
                 keeps the rows would pass"
                    .to_owned(),
            );
        }
        notes
    }
}

/// Lines and columns of a range.
pub(super) fn place(script: &Script, bytes: Range<usize>) -> Place {
    let position = |at: usize| {
        let (line, offset) = script.lines.position(at);
        let before = script.text.get(at - offset..at).unwrap_or_default();
        (line, 1 + before.chars().count())
    };
    let ((line, column), (end_line, end_column)) = (position(bytes.start), position(bytes.end));
    Place { line, column, end_line, end_column, bytes }
}
