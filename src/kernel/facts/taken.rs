//! What a relation of the transaction's own would take along that is not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Facts, key};
use crate::kernel::sql::statement::RelationName;

/// Something that was there before the transaction, and depends on what the transaction has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// As the server calls it: `sequence public.numbers`.
    pub what: String,
    /// The column that it hangs on; absent where it hangs on all of the relation.
    pub column: Option<String>,
    /// It goes only with CASCADE.
    pub cascade: bool,
}

impl Facts {
    /// What was there before the transaction and would be dropped with a relation of its own.
    #[must_use]
    pub fn taken(&self, relation: &RelationName) -> &[Taken] {
        self.taken.get(&key(relation)).map_or(&[], Vec::as_slice)
    }

    pub fn put_taken(&mut self, relation: &RelationName, found: Vec<Taken>) {
        self.taken.insert(key(relation), found);
    }
}
