//! Other relations that a change of one locks or reads with it.

use std::collections::BTreeMap;

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

impl super::Facts {
    /// The table of an index that was looked up.
    #[must_use]
    pub fn table_of_index(&self, index: &RelationName) -> Option<RelationName> {
        self.relations().find(|found| found.qualified() == *index).and_then(|found| found.index_of.clone())
    }

    /// All that is worked on, by number and name: the relations, and of an index its table.
    #[must_use]
    pub fn worked_on(&self) -> BTreeMap<u32, String> {
        let own = self.relations().map(|one| (one.oid, one.qualified().written()));
        let tables = self.relations().filter_map(|one| Some((one.table_oid?, one.index_of.as_ref()?.written())));
        own.chain(tables).collect()
    }

    /// Takes what is not there for not known where a name is not certain to be the server's own: one that is not ASCII,
    /// read in another encoding than UTF8 (`exact`: it was not), or folded by the server in its own.
    pub fn doubt(&mut self, exact: bool) {
        if !exact || (!self.encoding.is_empty() && self.encoding != "UTF8") {
            self.relations.retain(|name, found| found.is_some() || name.is_ascii());
        }
    }
}
