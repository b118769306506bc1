//! Statements and facts make findings.

use super::facts::{Facts, Wanted};
use super::rules::Finding;
use super::sql::statement::Reading;

/// What was found in one message, and what it was found from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    pub text: String,
    pub findings: Vec<Finding>,
    pub facts: Facts,
}

/// What has to be looked up before [`assess`] can answer.
#[must_use]
pub fn wanted(reading: &Reading) -> Wanted {
    let _ = reading;
    Wanted::default()
}

/// All hazards of a message.
#[must_use]
pub fn assess(text: &str, reading: &Reading, facts: Facts) -> Assessment {
    let _ = reading;
    Assessment { text: text.to_owned(), findings: Vec::new(), facts }
}
