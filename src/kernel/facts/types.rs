//! What is known of a type that a statement names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A type named in a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypeFacts {
    pub oid: u32,
    /// `format_type(oid, typmod)` of the type as written.
    pub type_sql: String,
    pub is_domain: bool,
    /// The domain (or one it is based on) has a constraint: ADD COLUMN rewrites whatever the default.
    pub constrained_domain: bool,
    /// The domain has a default of its own.
    pub domain_default: bool,
    pub is_array: bool,
    /// A composite type, or a domain over one.
    #[serde(default)]
    pub is_row: bool,
    #[serde(default)]
    pub volatile_casts: VolatileCasts,
}

/// Which casts to a type may call something volatile: the named ones and those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VolatileCasts {
    #[default]
    None,
    /// Those that are written out.
    Written,
    /// Those of a value that is assigned.
    Assigned,
    /// Those of a number or a boolean that is assigned.
    Number,
    /// Every one, also to the type's own length.
    Length,
}
