//! Other relations that a change of one locks or reads with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::sql::statement::RelationName;

/// A relation that belongs to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RelationKin")]
pub struct Kin {
    pub relation: RelationName,
    pub how: KinHow,
    /// The foreign key's name, which is its referencing table's.
    pub constraint: Option<String>,
    /// Columns of this relation that the foreign key is about.
    pub columns: Vec<String>,
}

/// How it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KinHow {
    /// A partition or inheritance child, at any depth.
    Below,
    /// The default partition; it is also `Below`.
    Default,
    /// The partitioned table it is a partition of, and that one's default partition.
    Above,
    /// One of its foreign keys points there.
    References,
    /// A foreign key there points here.
    ReferencedBy,
}
