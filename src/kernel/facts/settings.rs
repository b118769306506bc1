//! What of a table can be switched and set, as it is: for the way back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Its parameters and switches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableSettings {
    /// `reloptions`: `fillfactor=70`; those of its TOAST table as `toast.autovacuum_enabled=false`.
    pub options: Vec<String>,
    /// `relreplident`.
    pub replica_identity: char,
    /// Its triggers and rules. Triggers that belong to constraints are not among them.
    pub switches: Vec<Switch>,
}

/// A trigger or a rule, and when it fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Switch {
    /// It is a trigger, and no rule.
    pub trigger: bool,
    pub name: String,
    /// `tgenabled`, `ev_enabled`.
    pub fires: char,
}
