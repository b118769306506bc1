//! `CREATE INDEX` and `REINDEX`.

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

/// `REINDEX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reindex {
    pub of: ReindexOf,
    pub concurrently: bool,
    /// The other options as they stand in parentheses, VERBOSE and TABLESPACE; none if empty.
    pub options: Vec<String>,
}

/// What is rebuilt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReindexOf {
    Index(RelationName),
    Table(RelationName),
    Schema(String),
    Database,
    /// The system catalogs.
    System,
}

impl Reindex {
    /// The index or table that it names.
    #[must_use]
    pub fn target(&self) -> Option<&RelationName> {
        match &self.of {
            ReindexOf::Index(name) | ReindexOf::Table(name) => Some(name),
            ReindexOf::Schema(_) | ReindexOf::Database | ReindexOf::System => None,
        }
    }
}
