//! How far a job has come.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a job has come: shown, never decided upon.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The step at work, counted from 1, of how many, and its name.
    pub step: u32,
    pub steps: u32,
    pub name: String,
    /// Of a backfill.
    pub rows: Option<Rows>,
    /// Why nothing moves just now.
    pub why: Option<String>,
}

impl Progress {
    /// In a few words.
    #[must_use]
    pub fn words(&self) -> String {
        if self.step == 0 {
            return "before its first step".to_owned();
        }
        let percent = |rows: &Rows| rows.done.saturating_mul(100).checked_div(rows.estimate).unwrap_or(100).min(100);
        let rows = self.rows.iter().map(|rows| format!(", {}% of its rows", percent(rows))).collect::<String>();
        format!("at step {} of {}, {}{rows}", self.step, self.steps, self.name)
    }
}

/// Rows of a backfill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rows {
    pub done: u64,
    pub estimate: u64,
    pub per_second: u64,
    pub left_ms: Option<u64>,
}
