//! UPDATE and DELETE of all rows.

use super::Callee;

/// What a write of all rows does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassWriteKind {
    Update,
    Delete,
}

/// A write that looks at no other row, takes no parameter and returns none: it can be done row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByRow {
    /// Empty for DELETE.
    pub set: Vec<Assignment>,
    pub where_sql: Option<String>,
    /// What its expressions call, the condition's included.
    pub callees: Vec<Callee>,
    /// Columns that its expressions name, the condition's included.
    pub reads: Vec<String>,
    /// ONLY before the table.
    pub only: bool,
}

/// `column = expression`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub column: String,
    pub sql: String,
    /// Columns that the expression names.
    pub reads: Vec<String>,
}
