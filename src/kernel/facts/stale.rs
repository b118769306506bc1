//! What was looked up before a message, as far as it still holds behind its first statements.

use super::{ColumnFacts, Facts, RelationFacts};
use crate::kernel::sql::statement::{AlterKind, AlterTable, Callee, RelationName};

/// As large as a table of which nothing is known.
const LARGE: u64 = 1 << 30;
/// Types of the server's own have smaller numbers.
const FIRST_OF_OTHERS: u32 = 16_384;

/// What earlier statements of the message have made doubtful.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Stale {
    /// Domains were made, changed or dropped.
    domains: bool,
    /// In small letters: what has to do with functions.
    functions: Option<String>,
}

impl Facts {
    /// Whether a type of this name may be another domain by now than the one that was looked up.
    #[must_use]
    pub fn may_be_new_domain(&self, sql: &str) -> bool {
        self.stale.domains && self.types.get(sql).is_none_or(|of| of.oid >= FIRST_OF_OTHERS)
    }

    /// A statement about domains, or about types that may be some.
    pub fn domains_change(&mut self) {
        self.stale.domains = true;
        self.types.retain(|_, of| of.oid < FIRST_OF_OTHERS);
        self.uses.clear();
    }

    /// A statement about functions or operators: no name in it means what it did.
    pub fn functions_change(&mut self, text: &str) {
        self.stale.functions.get_or_insert_default().push_str(&text.to_lowercase());
    }

    /// An operator's function has a name of its own, and a name may be written in numbers.
    pub(super) fn may_have_changed(&self, callee: &Callee) -> bool {
        let Some(text) = &self.stale.functions else { return false };
        match callee {
            Callee::Operator { .. } => true,
            Callee::Function { name, .. } => {
                name.contains('"') || text.contains("u&") || text.contains(&name.to_lowercase())
            }
        }
    }

    /// A statement that may have set it.
    pub fn time_zone_changes(&mut self) {
        self.time_zone.clear();
    }

    /// A statement that may have filled the tables that it names.
    pub fn rows_come(&mut self, text: &str) {
        let text = text.to_lowercase();
        for table in self.relations.values_mut().flatten().filter(|table| text.contains(&table.name.to_lowercase())) {
            table.rows = None;
            table.heap_bytes = table.heap_bytes.max(LARGE);
            table.total_bytes = table.total_bytes.max(LARGE);
        }
    }

    /// Columns and constraints are not what they were.
    pub fn columns_change(&mut self, alter: &AlterTable) {
        let Some(oid) = self.relation(&alter.relation).flatten().map(|table| table.oid) else { return };
        let same = |table: &&mut RelationFacts| table.oid == oid;
        for table in self.relations.values_mut().flatten().filter(same) {
            alter.actions.iter().for_each(|action| altered(table, &action.kind));
        }
        let columns: Option<Vec<&str>> = alter.actions.iter().map(|action| only_column(&action.kind)).collect();
        self.uses_change(&alter.relation, columns.as_deref());
    }

    /// What hangs on these columns, or on all of the table's, is not what it was.
    pub fn uses_change(&mut self, relation: &RelationName, columns: Option<&[&str]>) {
        let Some(oid) = self.relation(relation).flatten().map(|table| table.oid) else { return };
        let same = |found: &&Option<RelationFacts>| found.as_ref().is_some_and(|table| table.oid == oid);
        let names: Vec<&String> =
            self.relations.iter().filter(|(_, found)| same(found)).map(|(name, _)| name).collect();
        self.uses.retain(|used, _| {
            let of = |name: &&String| used.strip_prefix(name.as_str())?.strip_prefix("\0\0");
            let column = names.iter().find_map(of);
            !column.is_some_and(|column| columns.is_none_or(|columns| columns.contains(&column)))
        });
    }

    /// Whom the transaction keeps waiting from now on, if anybody.
    pub fn hold(&mut self, relation: Option<RelationName>) {
        self.held = relation;
    }
}

/// The column that it is about, if it is about nothing else.
fn only_column(kind: &AlterKind) -> Option<&str> {
    match kind {
        AlterKind::AddColumn(column) if column.constraints.is_empty() => Some(&column.name),
        AlterKind::AlterType { column, .. }
        | AlterKind::SetNotNull { column }
        | AlterKind::DropNotNull { column }
        | AlterKind::SetDefault { column }
        | AlterKind::DropDefault { column } => Some(column),
        _ => None,
    }
}

fn altered(table: &mut RelationFacts, kind: &AlterKind) {
    let unknown = |name: &str| ColumnFacts {
        name: name.to_owned(),
        type_sql: String::new(),
        type_oid: 0,
        type_modifier: -1,
        not_null: false,
        has_default: true,
        generated: false,
        identity: false,
        is_row: false,
    };
    match kind {
        AlterKind::AddColumn(column) if table.column(&column.name).is_none() => {
            table.columns.push(unknown(&column.name))
        }
        AlterKind::AlterType { column, .. } => {
            let generated = table.column(column).is_some_and(|known| known.generated);
            table.columns.retain(|known| known.name != *column);
            table.columns.push(ColumnFacts { generated, ..unknown(column) });
        }
        AlterKind::DropNotNull { column } => {
            table.columns.iter_mut().filter(|known| known.name == *column).for_each(|known| known.not_null = false);
        }
        AlterKind::DropConstraint { name, .. } => table.constraints.retain(|known| known.name != *name),
        AlterKind::DropColumn { column, .. } => {
            table.columns.retain(|known| known.name != *column);
            table.constraints.retain(|known| !known.columns.contains(column));
        }
        _ => {}
    }
}
