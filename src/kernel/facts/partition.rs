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

/// A part below a table, at any depth, of which this role may not do what it may of the table itself: the server asks for
/// the rights on the table that a statement names, and a plan names each part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Withheld {
    /// One that belongs to another role; below an index, the table it is of.
    pub owned: Option<String>,
    /// One whose rows it may not read and update.
    pub update: Option<String>,
    /// One whose rows it may not read and delete.
    pub delete: Option<String>,
}

impl Withheld {
    /// # Errors
    /// A clause for people, where a plan could not change every part.
    pub fn owns_all(&self) -> Result<(), String> {
        self.owned.as_ref().map_or(Ok(()), |part| {
            Err(format!(
                "{part} below it belongs to another role: that one, or a superuser, could change it part by part"
            ))
        })
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
