//! What the relay and the session ask of a known text.

use std::sync::Arc;

use super::remember::Known;
use super::statement::{Change, Parsed, Reading, Statement};

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
        let (span, inner) = reading.statements.iter().rev().find_map(|parsed| match &parsed.statement {
            Statement::Prepare { name: known, inner } if known == name => Some((parsed.span.clone(), inner)),
            _ => None,
        })?;
        Some(Arc::new(Self {
            text: self.text.clone(),
            ordinary: matches!(**inner, Statement::Ordinary),
            invariant: self.invariant,
            shown: self.shown.clone(),
            values_are_secret: self.values_are_secret,
            reading: Ok(Reading {
                statements: vec![Parsed { span, statement: (**inner).clone() }],
                exact_names: reading.exact_names,
            }),
        }))
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
            values_are_secret: true,
        }
    }
}

fn unreadable_reading(why: String, length: usize) -> Reading {
    let statement = Statement::Change(Change::Unreadable { why });
    Reading { statements: vec![Parsed { span: 0..length, statement }], exact_names: false }
}
