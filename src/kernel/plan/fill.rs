//! What is done to rows in batches: a column that is filled, the client's own write, rows that move or are copied.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quote;
use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::write;

/// Fills a column in batches steered by time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backfill {
    pub relation: RelationName,
    /// Column and expression: `SET column = expression`.
    pub column: String,
    pub expression_sql: String,
    /// Rows still to do: `column IS NULL`.
    pub pending_sql: String,
    /// Rows at most, for progress.
    pub rows_estimate: u64,
    /// What else it is for: the client's own write, which is done in place of `column = expression`, say.
    #[serde(default)]
    pub write: Option<RowWrite>,
}

/// A write that is done in batches, and fills no column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RowWrite {
    /// `a = 1, b = c`.
    Update { set_sql: String },
    /// Of rows that were there when it began: those written later stay.
    Delete,
    /// Of nobody's: rows of the last pages are written as they are, so that they move to room further ahead.
    Move,
    /// Of nobody's: rows are copied to another table.
    Copy(Box<RowCopy>),
}

/// Rows that are copied to another table while they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RowCopy {
    /// Qualified and quoted.
    pub into: String,
    pub columns_sql: String,
    /// What is copied into them, where it is not they themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values_sql: Option<String>,
    /// The columns by which a row that is there already is known.
    pub key_sql: String,
    /// In which order they are written; absent: as they stand.
    pub order: Option<SortedBy>,
    /// Statements that, in one transaction and as of one moment, copy again what was changed; the last one is about as
    /// many rows as there were changes.
    pub again: Vec<String>,
    /// Whether both hold the same, but for what is still to be copied again.
    pub same_sql: String,
    /// Both tables outlive a crash of the server, so that a later run can go on where this one has come to.
    #[serde(default)]
    pub lasting: bool,
    /// Why they may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub differs: Option<Differs>,
}

/// A reason that can be asked for, and how it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Differs {
    pub sql: String,
    pub words: String,
}

/// An order that batches can go by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SortedBy {
    /// Quoted.
    pub columns: Vec<String>,
    /// Their types.
    pub types: Vec<String>,
    pub descending: bool,
    /// Some may be null: those rows come last.
    pub nulls: bool,
}

impl Backfill {
    /// A write that the client has asked for, row by row.
    #[must_use]
    pub fn is_clients_own(&self) -> bool {
        matches!(self.write, Some(RowWrite::Update { .. } | RowWrite::Delete))
    }

    /// Rows are moved, and nothing in them changes.
    #[must_use]
    pub fn moves(&self) -> bool {
        matches!(self.write, Some(RowWrite::Move))
    }

    /// What becomes of its rows.
    #[must_use]
    pub fn done_word(&self) -> &'static str {
        match &self.write {
            None => "filled",
            Some(RowWrite::Update { .. }) => "updated",
            Some(RowWrite::Delete) => "deleted",
            Some(RowWrite::Move) => "moved",
            Some(RowWrite::Copy(_)) => "copied",
        }
    }

    /// Rows are copied to another table.
    #[must_use]
    pub fn copies(&self) -> Option<&RowCopy> {
        match &self.write {
            Some(RowWrite::Copy(copy)) => Some(copy),
            Some(RowWrite::Update { .. } | RowWrite::Delete | RowWrite::Move) | None => None,
        }
    }

    /// The whole of it in one statement: what the batches do together.
    pub(super) fn update_sql(&self) -> String {
        self.statement(&quote::relation(&self.relation), &self.pending_sql)
    }

    /// The write of those rows of a table.
    #[must_use]
    pub fn statement(&self, table: &str, rows: &str) -> String {
        match &self.write {
            None | Some(RowWrite::Move) => {
                let column = write::quote_ident(&self.column);
                format!("UPDATE {table} SET {column} = {} WHERE {rows}", self.expression_sql)
            }
            Some(RowWrite::Update { set_sql }) => format!("UPDATE {table} SET {set_sql} WHERE {rows}"),
            Some(RowWrite::Delete) => format!("DELETE FROM {table} WHERE {rows}"),
            Some(RowWrite::Copy(copy)) => copy.statement(table, rows),
        }
    }
}

impl RowCopy {
    /// Copies those rows of a table; those that are there already stay.
    #[must_use]
    pub fn statement(&self, table: &str, rows: &str) -> String {
        let Self { into, columns_sql, key_sql, .. } = self;
        let values_sql = self.values_sql.as_ref().unwrap_or(columns_sql);
        let order = self.order.as_ref().map(|order| format!(" ORDER BY {}", order.sql())).unwrap_or_default();
        format!(
            "INSERT INTO {into} ({columns_sql}) SELECT {values_sql} FROM {table} WHERE {rows}{order} \
             ON CONFLICT ({key_sql}) DO NOTHING"
        )
    }
}

impl SortedBy {
    /// What follows ORDER BY.
    #[must_use]
    pub fn sql(&self) -> String {
        let way = if self.descending { " DESC" } else { "" };
        let columns: Vec<String> = self.columns.iter().map(|column| format!("{column}{way}")).collect();
        columns.join(", ")
    }
}
