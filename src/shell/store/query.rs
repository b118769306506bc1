//! A query that grows condition by condition, its values beside it. Only words of ours get into the text.

use rusqlite::types::Value;

/// The text so far, which ends within its WHERE, and a value for each of its question marks.
pub(super) struct Query {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

impl Query {
    /// `from` ends with a condition.
    pub(super) fn new(from: &str) -> Self {
        Self { text: from.to_owned(), values: Vec::new() }
    }

    /// One more condition, with the value of each of its question marks.
    pub(super) fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
        self.values.extend(values);
    }

    /// The column is one of these words of ours; all, if there are none.
    pub(super) fn one_of(&mut self, column: &str, words: &[&'static str]) {
        if !words.is_empty() {
            self.and(&format!("{column} IN ('{}')", words.join("', '")), []);
        }
    }

    /// One of the columns matches one of the patterns; all, if there are none. `*` and `?` are as in the configuration.
    pub(super) fn matches(&mut self, columns: &[&str], patterns: &[String]) {
        if patterns.is_empty() {
            return;
        }
        let any: Vec<_> = columns.iter().flat_map(|one| vec![format!("{one} GLOB ?"); patterns.len()]).collect();
        let values = columns.iter().flat_map(|_| patterns).map(|pattern| pattern.replace('[', "[[]").into());
        self.and(&format!("({})", any.join(" OR ")), values);
    }
}

/// Rows of a page: what is asked for, and never more than `most`; 0 means `most`.
pub(super) fn page(limit: u32, most: u32) -> u32 {
    if limit == 0 { most } else { limit.min(most) }
}
