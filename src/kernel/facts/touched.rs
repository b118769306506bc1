//! What a change touches beside the relations that rules ask about, as far as it is known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Objects that are told one by one.
pub const TOUCHED_MAX: usize = 50;

/// Found from what the change names, and what depends on that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Touched {
    /// Tables that were counted first, members of extensions last, by kind and name; at most [`TOUCHED_MAX`].
    pub objects: Vec<TouchedObject>,
    /// How many there are.
    pub count: u64,
    /// Rows of all tables among them, as far as they were counted.
    pub rows: u64,
    /// Over all of them: which they are, and their definitions.
    pub fingerprint: String,
}

/// One of them, as the server calls it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TouchedObject {
    /// `table`, `function`, `table column`, …
    pub kind: String,
    pub name: String,
    /// Of a table that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

impl Touched {
    /// How many are not told one by one.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.count.saturating_sub(u64::try_from(self.objects.len()).unwrap_or(u64::MAX))
    }
}
