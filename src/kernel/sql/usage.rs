//! Statements as people tell who uses what: their shape without values, and which columns a change is about.

use std::collections::BTreeSet;

use super::agree::{Mark, marked};
use super::read::read;
use super::statement::{AlterKind, Change, Statement};

/// A text without its values, its comments and its layout. Two statements of one shape differ in values only.
#[must_use]
pub fn shape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (mark, piece) in marked(text) {
        match mark {
            Mark::Text => out.push('?'),
            // A placeholder says which of the values it is.
            Mark::Number if !piece.starts_with('$') => out.push('?'),
            Mark::Number | Mark::Keyword | Mark::Name | Mark::Plain => out.push_str(piece),
            Mark::Comment => out.push(' '),
        }
    }
    let mut shape = out.split_whitespace().collect::<Vec<_>>().join(" ");
    // Lists of values are of any length.
    while shape.contains("?, ?") || shape.contains("?,?") {
        shape = shape.replace("?, ?", "?").replace("?,?", "?");
    }
    shape.trim_end_matches([';', ' ']).to_owned()
}

/// The columns that a change takes away or alters; none where it is about the table as a whole.
#[must_use]
pub fn columns_changed(text: &str) -> BTreeSet<String> {
    let Ok(reading) = read(text) else { return BTreeSet::new() };
    let mut columns = BTreeSet::new();
    for parsed in &reading.statements {
        match &parsed.statement {
            Statement::Change(Change::AlterTable(alter)) => {
                columns.extend(alter.actions.iter().filter_map(|action| altered(&action.kind)).map(str::to_owned));
            }
            Statement::Change(Change::Rename(rename)) if rename.what == "column" => {
                columns.insert(rename.from.clone());
            }
            _ => {}
        }
    }
    columns
}

fn altered(kind: &AlterKind) -> Option<&str> {
    match kind {
        AlterKind::DropColumn { column, .. }
        | AlterKind::SetNotNull { column }
        | AlterKind::DropNotNull { column }
        | AlterKind::SetDefault { column }
        | AlterKind::DropDefault { column }
        | AlterKind::AlterType { column, .. }
        | AlterKind::RestartIdentity { column, .. } => Some(column),
        AlterKind::AddColumn(_)
        | AlterKind::AddConstraint(_)
        | AlterKind::ValidateConstraint { .. }
        | AlterKind::DropConstraint { .. }
        | AlterKind::AddConstraintUsingIndex { .. }
        | AlterKind::AttachPartition { .. }
        | AlterKind::DetachPartition { .. }
        | AlterKind::WeakLock { .. }
        | AlterKind::BriefLock { .. }
        | AlterKind::Rewrites { .. }
        | AlterKind::Security { .. }
        | AlterKind::Weakens { .. }
        | AlterKind::ReplicaIdentityDefault
        | AlterKind::Enforce { .. }
        | AlterKind::Inherit { .. }
        | AlterKind::RowType(_)
        | AlterKind::Other { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_layout_are_no_part_of_a_shape() {
        for text in
            ["SELECT a FROM t WHERE b = 'x' AND c IN (1, 2,3)", "SELECT a\n FROM t -- x\nWHERE b = $$y$$ AND c IN (4);"]
        {
            assert_eq!(shape(text), "SELECT a FROM t WHERE b = ? AND c IN (?)", "{text}");
        }
        assert_eq!(shape("SELECT $1, \"1\" FROM t2"), "SELECT $1, \"1\" FROM t2");
    }

    #[test]
    fn columns_of_changes() {
        let columns = |text: &str| columns_changed(text).into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(columns("ALTER TABLE t DROP COLUMN a, ALTER b TYPE bigint"), "a b");
        assert_eq!(columns("ALTER TABLE t RENAME COLUMN a TO b"), "a");
        assert_eq!(columns("ALTER TABLE t ADD COLUMN a int"), "");
        assert_eq!(columns("DROP TABLE t"), "");
    }
}
