//! The only place that quotes names and builds SQL.

/// A name as an identifier, always quoted unless it is plain and no keyword can be meant.
#[must_use]
pub fn quote_ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
