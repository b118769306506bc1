//! What a relation shows to those who use it by its name: what a view that stands in for it must show too.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Grant;

/// Rights and comments of a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Face {
    /// Of others than its owner.
    pub grants: Vec<Grant>,
    /// The owner has all rights there are, as by default.
    pub owner_has_all: bool,
    pub column_grants: Vec<ColumnGrant>,
    /// To whom the role's default privileges would give rights on a new relation; absent names are PUBLIC.
    pub given_by_default: Vec<Option<String>>,
    pub comment: Option<String>,
    pub column_comments: Vec<ColumnComment>,
    pub row_security: bool,
    /// Functions whose arguments or results are of its row type.
    pub row_type_used: Vec<String>,
}

/// A privilege on one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnGrant {
    pub column: String,
    #[serde(flatten)]
    pub grant: Grant,
}

/// A comment on one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ColumnComment {
    pub column: String,
    pub comment: String,
}
