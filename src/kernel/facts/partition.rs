//! What is known of partitioned tables and indexes, and of what is below them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RelationKind;
use crate::kernel::sql::statement::RelationName;

/// So many members of a tree are looked up; a larger one is not changed member by member.
pub const MEMBERS_MAX: usize = 1_000;

/// How a table is partitioned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Partitioned {
    /// `pg_partitioned_table.partstrat`: r, l or h.
    pub strategy: char,
    /// The columns of its key; nothing where one is an expression.
    pub key: Vec<Option<String>>,
    /// It has a tablespace or access method that new partitions take over.
    pub own_storage: bool,
}

/// A member of a tree of partitions (or of a partitioned index's indexes), by `pg_inherits`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    pub oid: u32,
    /// What it is attached to: another member, or the relation that was asked for.
    pub parent: u32,
    pub schema: String,
    pub name: String,
    pub kind: RelationKind,
    /// `FOR VALUES …` or `DEFAULT`; absent for indexes, and where it could not be read without waiting.
    pub bound: Option<String>,
    /// A DETACH … CONCURRENTLY of it was begun and not ended.
    pub detach_pending: bool,
}

impl Member {
    /// Qualified, as a name for statements.
    #[must_use]
    pub fn qualified(&self) -> RelationName {
        RelationName { schema: Some(self.schema.clone()), name: self.name.clone() }
    }

    /// Takes what no other partition does.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.bound.as_deref() == Some("DEFAULT")
    }
}

/// A partition's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartitionOf {
    pub parent: RelationName,
    pub bound: Option<String>,
    /// `pg_get_partition_constraintdef`: what its rows obey, with the bounds of its ancestors.
    pub constraint: Option<String>,
    pub detach_pending: bool,
}
