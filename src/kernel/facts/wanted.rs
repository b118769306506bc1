//! What is asked of the catalog.

use super::WantedUse;
use crate::kernel::sql::statement::{Callee, RelationName, TypeName};

/// What the rules need to know about the statements of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub relations: Vec<RelationName>,
    pub callees: Vec<Callee>,
    pub types: Vec<TypeName>,
    pub uses: Vec<WantedUse>,
    /// Relations that something else may have to stand in for.
    pub faces: Vec<RelationName>,
    /// Tables whose place a copy may take.
    pub wholes: Vec<RelationName>,
    /// Tables whose switches and parameters may have to be put back.
    pub settings: Vec<RelationName>,
}

impl Wanted {
    /// Nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relations.is_empty()
            && self.callees.is_empty()
            && self.types.is_empty()
            && self.uses.is_empty()
            && self.faces.is_empty()
            && self.wholes.is_empty()
            && self.settings.is_empty()
    }
}
