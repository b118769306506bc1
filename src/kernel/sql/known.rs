//! What the relay and the session ask of a known text.

use std::sync::Arc;

use super::read::UnreadableKind;
use super::remember::Known;
use super::statement::{Change, Parsed, Reading, Statement};

/// How commands of the replication protocol begin (PostgreSQL docs, 55.4). SHOW is SQL too.
const REPLICATION_COMMANDS: [&str; 9] = [
    "ALTER_REPLICATION_SLOT",
    "BASE_BACKUP",
    "CREATE_REPLICATION_SLOT",
    "DROP_REPLICATION_SLOT",
    "IDENTIFY_SYSTEM",
    "READ_REPLICATION_SLOT",
    "START_REPLICATION",
    "TIMELINE_HISTORY",
    "UPLOAD_MANIFEST",
];

impl Known {
    /// What was read; what could not be read is one unreadable change.
    #[must_use]
    pub fn statements(&self) -> Reading {
        match &self.reading {
            Ok(reading) => reading.clone(),
            Err(unreadable) => unreadable_reading(unreadable.why.clone(), self.text.len()),
        }
    }

    /// PREPARE and DEALLOCATE in it, in order: they change what names stand for.
    pub fn naming(&self) -> impl Iterator<Item = &Statement> {
        let statements = self.reading.iter().filter(|_| !self.ordinary).flat_map(|reading| &reading.statements);
        statements
            .map(|parsed| &parsed.statement)
            .filter(|s| matches!(s, Statement::Prepare { .. } | Statement::Deallocate { .. }))
    }

    /// What a name stands for that this text prepares: the statement inside, with the text it came in.
    #[must_use]
    pub fn prepared(&self, name: &str) -> Option<Arc<Self>> {
        let reading = self.reading.as_ref().ok()?;
        let (outer, inner) = reading.statements.iter().rev().find_map(|parsed| match &parsed.statement {
            Statement::Prepare { name: known, inner } if known == name => Some((parsed, inner)),
            _ => None,
        })?;
        Some(Arc::new(Self {
            text: self.text.clone(),
            ordinary: matches!(**inner, Statement::Ordinary | Statement::MovesNames),
            invariant: self.invariant,
            copies_in: false,
            shown: self.shown.clone(),
            values_are_secret: self.values_are_secret,
            reading: Ok(Reading {
                statements: vec![Parsed { statement: (**inner).clone(), ..outer.clone() }],
                exact_names: reading.exact_names,
            }),
        }))
    }

    /// Whether it is a command of the replication protocol: no SQL, and taken for a command by its first
    /// word, as the server does. What follows a command in the same text is an error there, not a statement.
    #[must_use]
    pub fn is_replication_command(&self) -> bool {
        let no_sql = self.reading.as_ref().is_err_and(|unreadable| unreadable.kind == UnreadableKind::Syntax);
        let first = self.text.split(|c: char| !(c.is_ascii_alphabetic() || c == '_')).next().unwrap_or_default();
        no_sql && REPLICATION_COMMANDS.contains(&first.to_ascii_uppercase().as_str())
    }

    /// A text that is longer than anything that is read.
    #[must_use]
    pub fn too_long(bytes: usize) -> Self {
        Self::unread(format!("<a statement of {bytes} bytes, not read>"))
    }

    /// A FunctionCall message, which has no text.
    #[must_use]
    pub fn function_call(oid: u32) -> Self {
        Self::unread(format!("<call of function {oid}>"))
    }

    /// A prepared statement that nobody was seen preparing.
    #[must_use]
    pub fn unseen(name: &str) -> Self {
        Self::unread(format!("<prepared statement \"{name}\", not seen when it was prepared>"))
    }

    fn unread(shown: String) -> Self {
        let text: Arc<str> = shown.into();
        let reading = unreadable_reading("it was not read".to_owned(), text.len());
        Self {
            shown: text.clone(),
            text,
            reading: Ok(reading),
            ordinary: false,
            invariant: true,
            copies_in: true,
            values_are_secret: true,
        }
    }
}

fn unreadable_reading(why: String, length: usize) -> Reading {
    let statement = Statement::Change(Change::Unreadable { why });
    Reading { statements: vec![Parsed { span: 0..length, statement, named: Vec::new() }], exact_names: false }
}

#[cfg(test)]
mod tests {
    use super::super::encoding::TextEncoding;
    use super::*;

    #[test]
    fn replication_commands() {
        for (text, command) in [
            ("IDENTIFY_SYSTEM", true),
            ("start_replication 0/1500000", true),
            ("BASE_BACKUP ( LABEL 'x' )", true),
            ("identify_systems", false),
            ("select identify_system", false),
            ("drop table t", false),
            ("drop tabel t", false),
            ("", false),
        ] {
            let known = Known::read(text.as_bytes(), TextEncoding::Utf8);
            assert_eq!(known.is_replication_command(), command, "{text}");
        }
    }
}
