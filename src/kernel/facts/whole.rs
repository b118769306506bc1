//! All that a table is made of, beside what [`super::RelationFacts`] and [`super::Face`] say: what another table must
//! have to take its place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HelperName, IndexUse, Persistence, SequenceUse, StatisticsUse};

/// What belongs to a table, and what keeps another one from taking its place. Names in definitions are written out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one table")]
pub struct Whole {
    /// What [`super::shape`] gives for it.
    pub shape: String,
    pub access_method: String,
    /// Its own or the database's.
    pub tablespace: String,
    /// `fillfactor=70`, those of its TOAST with `toast.` before them.
    pub options: Vec<String>,
    /// `pg_class.relreplident`.
    pub replica_identity: char,
    pub columns: Vec<WholeColumn>,
    pub indexes: Vec<WholeIndex>,
    pub constraints: Vec<WholeConstraint>,
    pub triggers: Vec<WholeTrigger>,
    pub policies: Vec<WholePolicy>,
    pub statistics_objects: Vec<StatisticsUse>,
    pub sequences: Vec<WholeSequence>,
    /// Views over it.
    #[serde(default)]
    pub views: Vec<WholeView>,
    /// Foreign keys that refer to it, in the order in which they were made.
    #[serde(default)]
    pub incoming: Vec<IncomingKey>,
    /// A trigger of one of its constraints, here or at the other table, does not fire as it is made to.
    #[serde(default)]
    pub disabled_keys: bool,
    /// An unlogged table that a foreign key of its own refers to.
    #[serde(default)]
    pub refers_to_unlogged: Option<String>,
    /// Publications that name it, in the order in which they were given it.
    #[serde(default)]
    pub publications: Vec<WholePublication>,
    /// A publication of all tables, or of those of its schema.
    #[serde(default)]
    pub published_by_place: Option<String>,
    /// A subscription that writes to it.
    #[serde(default)]
    pub subscription: Option<String>,
    /// Whatever else depends on it: `view v`.
    pub others: Vec<String>,
    pub row_security: bool,
    pub forced_row_security: bool,
    /// Row security hides rows of it from the role that asked.
    pub hides_rows: bool,
    pub typed_table: bool,
    /// It is a child of another table.
    pub inherits: bool,
    /// It belongs to an extension, or goes with one.
    pub of_extension: bool,
    pub labelled: bool,
    /// Its row type has privileges or a comment of its own.
    #[serde(default)]
    pub type_marked: bool,
    /// The role may make tables and functions in its schema.
    pub may_create: bool,
    /// The role has the rights of its owner.
    pub is_owner: bool,
    /// What is called as helpers are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<HelperName>,
}

/// What a column has beside its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeColumn {
    pub name: String,
    /// `attnum`.
    #[serde(default)]
    pub number: i16,
    pub type_sql: String,
    pub not_null: bool,
    /// Of PostgreSQL's own types or an enum: its operators are PostgreSQL's own too.
    pub plain: bool,
    /// `attgenerated`.
    #[serde(default)]
    pub generated: Option<char>,
    pub statistics: Option<i32>,
    /// `attoptions`: `n_distinct=5`.
    pub options: Vec<String>,
}

/// An index, and how it sorts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeIndex {
    #[serde(flatten)]
    pub index: IndexUse,
    pub btree: bool,
    /// It checks at once.
    pub immediate: bool,
    pub keys: Vec<SortKey>,
    /// Statistics targets of its columns, by their numbers.
    pub statistics: Vec<(i16, i32)>,
}

/// One column of an index's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SortKey {
    /// Absent: an expression.
    pub column: Option<String>,
    pub descending: bool,
    pub nulls_first: bool,
    /// In the order of the column's own type and collation.
    pub usual: bool,
}

/// A constraint of the table's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeConstraint {
    pub name: String,
    /// `contype`.
    pub kind: char,
    pub definition: String,
    pub validated: bool,
    pub deferrable: bool,
    pub deferred: bool,
    pub comment: Option<String>,
}

/// A foreign key that refers to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::struct_excessive_bools, reason = "what the catalog says of one constraint")]
pub struct IncomingKey {
    pub schema: String,
    pub table: String,
    pub name: String,
    pub definition: String,
    pub validated: bool,
    pub comment: Option<String>,
    /// The columns it refers to.
    pub columns: Vec<String>,
    /// The unique index by which rows are looked up.
    pub index: Option<String>,
    /// Of the table itself.
    pub own: bool,
    /// Its table is an ordinary one, and no partition.
    pub plain: bool,
    pub persistence: Persistence,
    /// The role has the rights of that table's owner, may use its schema, and may lock it.
    pub may_alter: bool,
}

/// A trigger of the application's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeTrigger {
    pub name: String,
    pub definition: String,
    /// `tgenabled`.
    pub enabled: char,
    pub comment: Option<String>,
}

/// A policy of row security.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholePolicy {
    pub name: String,
    pub permissive: bool,
    /// `polcmd`.
    pub command: char,
    /// Absent: PUBLIC.
    pub roles: Vec<Option<String>>,
    pub using_sql: Option<String>,
    pub check_sql: Option<String>,
    pub comment: Option<String>,
}

/// A view, not a materialized one, whose query names the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeView {
    pub schema: String,
    pub name: String,
    pub owner: String,
    /// Its query.
    pub definition: String,
    /// `security_barrier=true`.
    pub options: Vec<String>,
    /// It is a session's own.
    pub temporary: bool,
    /// The role has the rights of its owner, and may make views in its schema.
    pub may_replace: bool,
}

/// How a publication sends it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholePublication {
    pub name: String,
    /// Absent: all of its columns, also those to come.
    pub columns: Option<Vec<String>>,
    /// Which rows.
    pub filter: Option<String>,
    /// The role has the rights of the publication's owner.
    pub may_alter: bool,
}

/// A sequence that a column owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WholeSequence {
    pub column: String,
    /// `attidentity`.
    pub identity: Option<char>,
    #[serde(flatten)]
    pub sequence: SequenceUse,
}
