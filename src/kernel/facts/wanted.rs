//! What is asked of the catalog.

use super::WantedUse;
use crate::kernel::sql::statement::{Callee, Named, RelationName, TypeName};

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
    pub objects: Vec<WantedObject>,
    /// What an approval is bound to beside the relations.
    pub touched: Vec<Named>,
}

/// Something that is no relation. That one of its kind and name is there anywhere says little; that none is says all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedObject {
    /// One of [`WantedObject::KINDS`].
    pub kind: &'static str,
    /// Without its schema, or the table it is on.
    pub name: String,
}

impl WantedObject {
    /// What can be looked up, as DROP calls it.
    pub const KINDS: &[&str] = &[
        "SCHEMA",
        "EXTENSION",
        "TYPE",
        "DOMAIN",
        "FUNCTION",
        "PROCEDURE",
        "ROUTINE",
        "AGGREGATE",
        "TRIGGER",
        "POLICY",
        "RULE",
        "PUBLICATION",
        "SUBSCRIPTION",
        "STATISTICS",
        "COLLATION",
        "SERVER",
        "USER MAPPING",
        "FOREIGN DATA WRAPPER",
        "EVENT TRIGGER",
        "LANGUAGE",
        "ROLE",
        "DATABASE",
        "CONVERSION",
        "ACCESS METHOD",
        "TABLESPACE",
        "OPERATOR CLASS",
        "OPERATOR FAMILY",
        "TEXT SEARCH CONFIGURATION",
        "TEXT SEARCH DICTIONARY",
        "TEXT SEARCH PARSER",
        "TEXT SEARCH TEMPLATE",
    ];
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
            && self.objects.is_empty()
            && self.touched.is_empty()
    }
}
