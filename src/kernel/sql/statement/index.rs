//! `CREATE INDEX`.

use super::RelationName;

/// `CREATE INDEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateIndex {
    pub relation: RelationName,
    /// `ON ONLY`.
    pub only: bool,
    /// Absent: PostgreSQL chooses (see [`IndexElement::name_part`]).
    pub name: Option<String>,
    pub unique: bool,
    pub concurrently: bool,
    pub if_not_exists: bool,
    /// Key columns and then INCLUDE columns, in order.
    pub elements: Vec<IndexElement>,
    /// All after the table's name: `USING btree (a, lower(b)) INCLUDE (c) WITH (…) WHERE …`.
    pub body_sql: String,
}

/// One element of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexElement {
    /// A plain column.
    pub column: Option<String>,
    /// What PostgreSQL uses of it when it makes up the index's name (column, function name or `expr`).
    pub name_part: String,
}
