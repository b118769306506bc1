//! Constraints of a table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RelationFacts;

/// `pg_constraint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConstraintFacts {
    pub name: String,
    /// `contype`: c, f, p, u, x, n, t.
    pub kind: char,
    pub validated: bool,
    pub columns: Vec<String>,
    /// `pg_get_constraintdef`.
    pub definition: String,
    /// It comes from a parent.
    #[serde(default)]
    pub inherited: bool,
    #[serde(default)]
    pub comment: Option<String>,
}

impl RelationFacts {
    /// A CHECK or NOT NULL that old rows may break: whoever updates such a row fails, whatever column is set.
    #[must_use]
    pub fn unproven(&self) -> Option<&ConstraintFacts> {
        let is_checked =
            |one: &ConstraintFacts| matches!(one.kind, 'c' | 'n') && !one.definition.ends_with("NOT ENFORCED");
        self.constraints.iter().find(|one| !one.validated && is_checked(one))
    }
}
