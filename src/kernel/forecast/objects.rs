//! What is no relation: of it is only known whether the run may have made or dropped one of a name.

use super::Forecast;
use crate::kernel::facts::{Facts, Wanted, WantedObject};
use crate::kernel::sql::statement::{Change, Drop, DropKind, Reading, Statement};
use crate::kernel::sql::write::NAME_BYTES;

/// What hangs on one table, by a name that is its own there.
const OF_TABLES: [&str; 3] = ["TRIGGER", "POLICY", "RULE"];

impl Forecast {
    /// Keeps in mind what a statement of the run says.
    pub(super) fn remember(&mut self, change: &Change, text: &str) {
        // With a schema or an extension goes what nobody has named.
        if let Change::Drop(Drop { kind: DropKind::Schema | DropKind::Other(_), cascade: true, .. }) = change {
            self.now.unread = true;
        }
        if !matches!(change, Change::MassWrite { .. } | Change::Truncate { .. }) {
            self.now.said.push(text.to_lowercase().into());
        }
    }

    /// Whether the run may have made or dropped something of this name. A name may be written in numbers, with quotes
    /// doubled, or too long.
    pub(super) fn may_have_changed(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.now.unread
            || name.contains('"')
            || name.len() >= NAME_BYTES
            || self.now.said.iter().any(|text| text.contains("u&\"") || says(text, &name))
    }

    /// Whether the run has made a schema of this name.
    pub(super) fn makes_schema(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.now.said.iter().any(|text| text.trim_start().starts_with("create schema") && says(text, &name))
    }

    /// Without a server: what is not there because the run has made its table, and has said nothing of it.
    pub(super) fn put_objects(&self, reading: &Reading, wanted: &Wanted, facts: &mut Facts) {
        let missing: Vec<&WantedObject> = wanted.objects.iter().filter(|one| self.lacks(one, reading, facts)).collect();
        missing.into_iter().for_each(|one| facts.put_object(one, false));
    }

    fn lacks(&self, asked: &WantedObject, reading: &Reading, facts: &Facts) -> bool {
        if !OF_TABLES.contains(&asked.kind) || self.may_have_changed(&asked.name) {
            return false;
        }
        let drops = reading.statements.iter().filter_map(|parsed| match &parsed.statement {
            Statement::Change(Change::Drop(drop)) => Some(drop),
            _ => None,
        });
        let mut tables = drops
            .flat_map(|drop| drop.named().zip(&drop.relations))
            .filter_map(|((kind, name), table)| (kind == asked.kind && name.name == asked.name).then_some(table));
        tables.all(|table| {
            let known = self.now.relations.get(&self.key(table, facts));
            known.is_some_and(|known| known.as_ref().is_none_or(|standing| standing.complete))
        })
    }
}

/// Whether a name stands in a text, and not as a part of another.
fn says(text: &str, name: &str) -> bool {
    let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '$');
    text.match_indices(name).any(|(at, _)| {
        let (before, behind) = (text.get(..at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
        !before.ends_with(is_word) && !behind.starts_with(is_word)
    })
}
