//! Text in, compact words out.

use super::super::statement::{Change, Statement};
use super::read;

/// All statements of a text, one short line each.
fn compact(text: &str) -> String {
    match read(text) {
        Ok(reading) => reading.statements.iter().map(|parsed| word(&parsed.statement)).collect::<Vec<_>>().join("; "),
        Err(error) => format!("unreadable: {}", error.why),
    }
}

fn word(statement: &Statement) -> String {
    match statement {
        Statement::Change(change) => format!("{change:?}").replace("RelationName ", ""),
        other => format!("{other:?}"),
    }
}

#[test]
fn show() {
    for text in std::fs::read_to_string("/tmp/show.sql").unwrap_or_default().lines() {
        eprintln!("{text}\n    {}", compact(text));
    }
    let _ = Change::Other { command: "x" };
}
