//! How large a relation is.

use super::RelationFacts;

impl RelationFacts {
    /// Rows, or an upper estimate from the heap's pages when the table was never analysed
    /// (a page of 8192 bytes holds at most 226 of the smallest rows).
    #[must_use]
    pub fn rows_at_most(&self) -> u64 {
        self.rows.unwrap_or(self.heap_bytes / 8192 * 226)
    }

    /// What a statement that goes through all of it may have to read.
    #[must_use]
    pub fn table_bytes(&self) -> u64 {
        self.heap_bytes.saturating_add(self.toast_bytes)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn is_none(bytes: &u64) -> bool {
    *bytes == 0
}
