//! What one statement changes in the model.

use std::collections::BTreeMap;

use super::{Forecast, Standing, TEMPORARY, bare, holds_rows, sized};
use crate::kernel::facts::{Facts, IndexFacts, Persistence, RelationKind, Trigger};
use crate::kernel::plan::names::{index_middle, object_name};
use crate::kernel::plan::quote;
use crate::kernel::sql::read::outline::{self, End, Outline, TriggerOutline};
use crate::kernel::sql::statement::{
    Change, CreateIndex, CreateTable, Drop, DropKind, RelationName, Rename, Statement, TransactionControl,
};

/// What is known of a statement besides its reading.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its own text.
    pub text: &'a str,
    /// What it was judged by.
    pub facts: &'a Facts,
    /// Rows of the COPY data that follow it.
    pub copied: Option<u64>,
}

/// Under what a temporary relation is kept.
fn temporary(name: &RelationName) -> RelationName {
    RelationName { schema: Some(TEMPORARY.to_owned()), name: name.name.clone() }
}

impl Forecast {
    /// The statement will have run.
    pub fn learn(&mut self, statement: &Statement, seen: Seen<'_>) {
        let outline = outline::outline(seen.text);
        match statement {
            Statement::Transaction(control) => self.learn_control(*control, outline.end),
            Statement::Change(change) => {
                self.remember(change, seen.text);
                self.learn_outline(&outline, seen);
                self.learn_change(change, seen.facts);
            }
            Statement::Ordinary | Statement::MovesNames | Statement::Execute { .. } | Statement::Deallocate { .. } => {
                self.learn_outline(&outline, seen);
            }
            Statement::Prepare { .. } => {}
        }
        for name in outline.dropped_on_commit {
            self.now.ends_with_transaction.insert(temporary(&name));
        }
        if self.before.is_none() {
            self.end_transaction();
        }
    }

    fn learn_control(&mut self, control: TransactionControl, end: Option<End>) {
        match control {
            TransactionControl::Begin => self.begin(),
            TransactionControl::Commit => self.commit(),
            TransactionControl::Rollback => self.rollback(),
            // As long as nobody commits it, nothing of it is there.
            TransactionControl::TwoPhase if end == Some(End::Prepare) => self.rollback(),
            TransactionControl::Savepoint | TransactionControl::TwoPhase => {}
        }
        if end == Some(End::Chain) {
            self.begin();
        }
    }

    /// What its text says and its reading does not.
    fn learn_outline(&mut self, outline: &Outline, seen: Seen<'_>) {
        for domain in &outline.domains {
            self.now.domains.insert(domain.name.name.clone(), domain.clone());
        }
        for function in &outline.functions {
            // Of several of one name, the one that may do most is meant.
            *self.now.functions.entry(function.name.name.clone()).or_default() |= function.volatile;
        }
        self.learn_settings(outline, seen.text);
        for trigger in &outline.triggers {
            self.create_trigger(trigger, seen.facts);
        }
        for name in &outline.filled {
            let assumed = self.assumed.rows;
            let Some(standing) = self.touch(name, seen.facts) else { continue };
            if !holds_rows(standing.facts.kind) {
                // Through a view: into whatever is below it.
                self.fill();
                continue;
            }
            let rows = standing.facts.rows.unwrap_or(assumed);
            sized(&mut standing.facts, seen.copied.map_or(assumed.max(rows), |copied| rows.saturating_add(copied)));
        }
        for (child, parent) in &outline.joined {
            let Some(rows) = self.touch(child, seen.facts).map(|child| child.facts.rows.unwrap_or_default()) else {
                continue;
            };
            let Some(parent) = self.touch(parent, seen.facts) else { continue };
            parent.facts.has_children = true;
            let own = parent.facts.rows.unwrap_or_default();
            sized(&mut parent.facts, own.saturating_add(rows));
        }
        if outline.runs_code || outline.calls.iter().any(|function| self.may_fill(function)) {
            self.fill();
        }
        if outline.discards_temporary {
            self.end_temporary();
        }
    }

    fn learn_change(&mut self, change: &Change, facts: &Facts) {
        match change {
            Change::CreateIndex(index) => self.create_index(index, facts),
            Change::AlterTable(alter) => self.alter_table(alter, facts),
            Change::Drop(drop) => self.drop(drop, facts),
            Change::Rename(rename) => self.rename(rename, facts),
            Change::Truncate { relations, .. } => {
                for name in relations {
                    if let Some(standing) = self.touch(name, facts) {
                        sized(&mut standing.facts, 0);
                    }
                }
            }
            Change::Brief { command: "CREATE VIEW", relation: Some(name) } => {
                self.create_plain(name, RelationKind::View, facts);
            }
            Change::Brief { command: "CREATE SEQUENCE", relation: Some(name) } => {
                self.create_plain(name, RelationKind::Sequence, facts);
            }
            Change::CreateTable(table) => self.create_table(table, facts),
            Change::Brief { .. }
            | Change::MassWrite { .. }
            | Change::Privilege(_)
            | Change::Setting(_)
            | Change::Opaque(_)
            | Change::Reindex(_)
            | Change::RewriteTable { .. }
            | Change::RefreshMatview { .. }
            | Change::CreateDomain(_)
            | Change::CheckDomain { .. }
            | Change::CreateRule { .. }
            | Change::Publication(_)
            | Change::RestartSequence { .. }
            | Change::LockTable { .. }
            | Change::AlterDatabase { .. }
            | Change::Other { .. }
            | Change::Unreadable { .. } => {}
        }
    }

    /// The relation as the run has left it, or as it was found. `None` when it is not there.
    pub(super) fn touch(&mut self, name: &RelationName, facts: &Facts) -> Option<&mut Standing> {
        let key = self.key(name, facts);
        if !self.now.relations.contains_key(&key) {
            let found = facts.relation(name).flatten()?.clone();
            self.now.relations.insert(key.clone(), Some(Standing { facts: found, complete: self.live }));
        }
        self.now.relations.get_mut(&key).and_then(Option::as_mut)
    }

    /// Whether a relation of this name stands there, as far as is known.
    fn stands(&self, key: &RelationName, name: &RelationName, facts: &Facts) -> bool {
        match self.now.relations.get(key) {
            Some(known) => known.is_some(),
            None => facts.relation(name).flatten().is_some_and(|found| key.schema.as_ref() == Some(&found.schema)),
        }
    }

    fn create_plain(&mut self, name: &RelationName, kind: RelationKind, facts: &Facts) {
        let key = self.place(name);
        if !self.stands(&key, name, facts) {
            self.put(key, kind, false);
        }
    }

    /// Makes it: empty, and its transaction's own while that is open.
    fn put(&mut self, key: RelationName, kind: RelationKind, complete: bool) -> &mut Standing {
        let mut made = bare(&key, kind, &self.assumed.role);
        made.new_in_transaction = self.before.is_some();
        let place = self.now.relations.entry(key).or_insert(None);
        place.insert(Standing { facts: made, complete })
    }

    fn create_table(&mut self, create: &CreateTable, facts: &Facts) {
        let outline = &create.outline;
        let temporary = create.temporary.then(|| temporary(&create.relation));
        let key = temporary.clone().unwrap_or_else(|| self.place(&create.relation));
        // With IF NOT EXISTS nothing changes, and without it nothing does either.
        if temporary.is_none() && self.stands(&key, &create.relation, facts) {
            return;
        }
        let kind = if outline.partitioned { RelationKind::PartitionedTable } else { RelationKind::Table };
        let rows = self.assumed.rows;
        let made = self.put(key.clone(), kind, outline.complete);
        if temporary.is_some() {
            made.facts.persistence = Persistence::Temporary;
        }
        if create.from_query {
            sized(&mut made.facts, rows);
        }
        made.facts.is_partition = create.partition_of.is_some();
        if let Some(parent) = outline.parent.as_ref().and_then(|parent| self.touch(parent, facts)) {
            parent.facts.has_children = true;
            parent.facts.has_default_partition |= outline.default_partition;
        }
        for column in &outline.columns {
            self.add_column(&key, column);
        }
        for constraint in &outline.constraints {
            self.add_constraint(&key, constraint);
        }
    }

    fn create_index(&mut self, create: &CreateIndex, facts: &Facts) {
        let Some(table) = self.touch(&create.relation, facts) else { return };
        let table = table.facts.qualified();
        let name = create.name.clone().unwrap_or_else(|| {
            let middle = index_middle(create.elements.iter().map(|element| element.name_part.as_str()));
            self.free_name(&table, &middle, "idx")
        });
        let columns: Vec<String> = create.elements.iter().filter_map(|element| element.column.clone()).collect();
        self.put_index(
            &table,
            IndexFacts {
                marks: crate::kernel::facts::IndexMarks::default(),
                unique: create.unique,
                expression_or_partial: columns.len() < create.elements.len() || create.body_sql.contains(" WHERE "),
                columns,
                definition: quote::index_definition(&name, &table, (create.unique, &create.body_sql)),
                ..super::assume::index(&name)
            },
        );
    }

    /// The name the server would choose for something that belongs to a table.
    pub(super) fn free_name(&self, table: &RelationName, middle: &str, label: &str) -> String {
        let taken = |name: &str| {
            let key = RelationName { schema: table.schema.clone(), name: name.to_owned() };
            matches!(self.now.relations.get(&key), Some(Some(_)))
        };
        let numbered = |number: usize| match number {
            0 => object_name(&table.name, middle, label),
            number => object_name(&table.name, middle, &format!("{label}{number}")),
        };
        // There are no more names taken than there are relations.
        let names = (0..=self.now.relations.len()).map(numbered);
        names.into_iter().find(|name| !taken(name)).unwrap_or_else(|| numbered(0))
    }

    /// An index, on its table's list and as a relation of its own.
    pub(super) fn put_index(&mut self, table: &RelationName, index: IndexFacts) {
        let Some(Some(of)) = self.now.relations.get_mut(table) else { return };
        if of.facts.index(&index.name).is_some() {
            return;
        }
        of.facts.indexes.push(index.clone());
        let (rows, temporary) = (of.facts.rows, of.facts.persistence);
        let key = RelationName { schema: table.schema.clone(), name: index.name.clone() };
        let made = self.put(key, RelationKind::Index, true);
        made.facts.index_of = Some(table.clone());
        made.facts.persistence = temporary;
        sized(&mut made.facts, rows.unwrap_or_default());
        made.facts.indexes.push(index);
    }

    fn drop(&mut self, drop: &Drop, facts: &Facts) {
        match drop.kind {
            DropKind::Table
            | DropKind::Index
            | DropKind::View
            | DropKind::MaterializedView
            | DropKind::Sequence
            | DropKind::ForeignTable => drop.relations.iter().for_each(|name| self.drop_relation(name, facts)),
            DropKind::Schema => {
                for (key, known) in &mut self.now.relations {
                    if key.schema.as_ref().is_some_and(|schema| drop.objects.contains(schema)) {
                        *known = None;
                    }
                }
            }
            DropKind::Other("TRIGGER") => {
                for (table, (_, name)) in drop.relations.iter().zip(drop.named()) {
                    if let Some(standing) = self.touch(table, facts) {
                        standing.facts.reacts.triggers.retain(|trigger| trigger.name != name.name);
                    }
                }
            }
            DropKind::Database | DropKind::Other(_) => {}
        }
    }

    fn create_trigger(&mut self, made: &TriggerOutline, facts: &Facts) {
        let Some(standing) = self.touch(&made.table, facts) else { return };
        let triggers = &mut standing.facts.reacts.triggers;
        triggers.retain(|trigger| trigger.name != made.name);
        let [on_insert, on_update, on_delete] = made.events;
        triggers.push(Trigger {
            name: made.name.clone(),
            for_each_row: made.for_each_row,
            transition_tables: made.transition_tables,
            on_insert,
            on_update,
            on_delete,
            columns: made.columns.clone(),
        });
    }

    fn drop_relation(&mut self, name: &RelationName, facts: &Facts) {
        let key = self.key(name, facts);
        let gone = self.touch(name, facts).map(|standing| standing.facts.clone());
        let Some(gone) = gone else { return };
        if let Some(table) = &gone.index_of
            && let Some(Some(table)) = self.now.relations.get_mut(table)
        {
            table.facts.indexes.retain(|index| index.name != gone.name);
        }
        for index in &gone.indexes {
            let index = RelationName { schema: key.schema.clone(), name: index.name.clone() };
            self.now.relations.insert(index, None);
        }
        self.now.relations.insert(key, None);
    }

    fn rename(&mut self, rename: &Rename, facts: &Facts) {
        match (rename.what, &rename.relation) {
            ("column" | "attribute", Some(name)) => self.rename_column(name, rename, facts),
            ("constraint", Some(name)) => {
                if let Some(standing) = self.touch(name, facts) {
                    let renamed = standing.facts.constraints.iter_mut().filter(|c| c.name == rename.from);
                    renamed.for_each(|constraint| constraint.name.clone_from(&rename.to));
                }
            }
            ("trigger", Some(name)) => {
                if let Some(standing) = self.touch(name, facts) {
                    let triggers = &mut standing.facts.reacts.triggers;
                    triggers.iter_mut().filter(|t| t.name == rename.from).for_each(|t| t.name.clone_from(&rename.to));
                }
            }
            // A policy's or a rule's name says nothing here.
            (_, Some(_)) if rename.is_within() => {}
            ("schema", None) => self.rename_schema(&rename.from, &rename.to),
            (_, Some(name)) => self.rename_relation(name, rename, facts),
            (_, None) => {}
        }
    }

    fn rename_column(&mut self, name: &RelationName, rename: &Rename, facts: &Facts) {
        let Some(standing) = self.touch(name, facts) else { return };
        let change = |name: &mut String| {
            if *name == rename.from {
                name.clone_from(&rename.to);
            }
        };
        let of = &mut standing.facts;
        of.columns.iter_mut().for_each(|column| change(&mut column.name));
        of.indexes.iter_mut().flat_map(|index| &mut index.columns).for_each(change);
        of.constraints.iter_mut().flat_map(|constraint| &mut constraint.columns).for_each(change);
        if !standing.complete && of.column(&rename.to).is_none() {
            of.columns.push(super::assume::column(&rename.to, String::new()));
        }
    }

    fn rename_schema(&mut self, from: &str, to: &str) {
        let moved: BTreeMap<_, _> = std::mem::take(&mut self.now.relations)
            .into_iter()
            .map(|(mut key, mut known)| {
                if key.schema.as_deref() == Some(from) {
                    key.schema = Some(to.to_owned());
                    known.iter_mut().for_each(|standing| to.clone_into(&mut standing.facts.schema));
                }
                (key, known)
            })
            .collect();
        self.now.relations = moved;
    }

    /// Another name, or another schema.
    fn rename_relation(&mut self, name: &RelationName, rename: &Rename, facts: &Facts) {
        let old = self.key(name, facts);
        if self.touch(name, facts).is_none() {
            return;
        }
        let Some(Some(mut standing)) = self.now.relations.insert(old.clone(), None) else { return };
        let new = rename.place(old.schema.as_ref(), &old.name);
        standing.facts.name.clone_from(&new.name);
        standing.facts.schema = new.schema.clone().unwrap_or_default();
        if let Some(table) = &standing.facts.index_of
            && let Some(Some(table)) = self.now.relations.get_mut(table)
        {
            let renamed = table.facts.indexes.iter_mut().filter(|index| index.name == old.name);
            renamed.for_each(|index| index.name.clone_from(&new.name));
        }
        for known in self.now.relations.values_mut().flatten() {
            if known.facts.index_of.as_ref() == Some(&old) {
                known.facts.index_of = Some(new.clone());
            }
        }
        self.now.relations.insert(new, Some(standing));
    }
}
