//! What is known of an index.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `pg_index`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexFacts {
    pub oid: u32,
    pub name: String,
    pub valid: bool,
    pub ready: bool,
    pub unique: bool,
    pub primary: bool,
    pub columns: Vec<String>,
    /// `pg_get_indexdef`.
    pub definition: String,
    /// Has expressions or a predicate.
    pub expression_or_partial: bool,
    /// Owned by this constraint.
    pub constraint: Option<String>,
    pub bytes: u64,
    /// Names of its own columns, which a partition's index is named after.
    #[serde(default)]
    pub parts: Vec<String>,
    /// The partitioned index it is attached to.
    #[serde(default)]
    pub parent: Option<u32>,
    #[serde(default)]
    pub marks: IndexMarks,
}

/// What is said of an index beside its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IndexMarks {
    pub replica_identity: bool,
    pub clustered: bool,
    /// Where a new index would come elsewhere.
    #[serde(default)]
    pub tablespace: Option<String>,
    pub comment: Option<String>,
    /// Statistics targets of its columns, by their numbers.
    pub statistics: Vec<(i16, i32)>,
}
