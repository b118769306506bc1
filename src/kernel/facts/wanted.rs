//! What is asked of the catalog.

use super::WantedUse;
use crate::kernel::sql::statement::{BareName, Callee, Named, RelationName, TypeName};

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
    /// Relations that are dropped, or parts of them: what goes along, where they are the transaction's own.
    pub taken: Vec<RelationName>,
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
    /// What tells it from others of its name, where that is known.
    pub arguments: Option<Vec<String>>,
}

impl WantedObject {
    /// A type or domain that a column of a table has, or an array, a range, a row type or a domain over it.
    pub const USED_TYPE: &str = "USED TYPE";

    #[must_use]
    pub fn new(kind: &'static str, named: &BareName) -> Self {
        Self { kind, name: named.name.clone(), arguments: named.arguments.clone() }
    }

    pub(super) fn key(&self) -> String {
        let arguments = self.arguments.iter().flatten().map(|argument| format!("\0{argument}"));
        let marked = if self.arguments.is_some() { "\0\0" } else { "" };
        format!("{}\0{}{marked}{}", self.kind, self.name, arguments.collect::<String>())
    }

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
        "OPERATOR",
        "CAST",
        "TRANSFORM",
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
            && self.taken.is_empty()
            && self.touched.is_empty()
    }
}
