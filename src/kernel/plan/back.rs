//! The way back of a subcommand that only changes the catalog: what was there before it is written down as subcommands.

use super::quote;
use crate::kernel::facts::{ColumnUse, Facts, RelationFacts};
use crate::kernel::sql::statement::{AlterAction, AlterKind, AlterTable};

/// Options of columns (`attribute_reloptions` in reloptions.c).
const OPTIONS: &str = "n_distinct, n_distinct_inherited";

/// What brings back what this subcommand changes, in order. Nothing where that is not known.
#[must_use]
pub fn of(alter: &AlterTable, action: &AlterAction, table: &RelationFacts, facts: &Facts) -> Option<Vec<String>> {
    match &action.kind {
        AlterKind::SetDefault { column } | AlterKind::DropDefault { column } => {
            let hangs = facts.column_use(&alter.relation, column)?;
            Some(vec![default(table, column, hangs)?])
        }
        AlterKind::SetNotNull { column } if table.column(column).is_some_and(|found| !found.not_null) => {
            Some(vec![altered(column, "DROP NOT NULL")])
        }
        // One that is there already is left as it is.
        AlterKind::AddConstraint(constraint) if constraint.not_valid || constraint.not_enforced => {
            let name = constraint.name.as_ref().filter(|name| table.constraint(name).is_none())?;
            Some(vec![format!("DROP CONSTRAINT IF EXISTS {}", quote::identifier(name))])
        }
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } => {
            if matches!(*command, "CLUSTER ON" | "SET WITHOUT CLUSTER") {
                let marked = table.indexes.iter().find(|index| index.marks.clustered);
                return Some(vec![marked.map_or_else(
                    || "SET WITHOUT CLUSTER".to_owned(),
                    |index| format!("CLUSTER ON {}", quote::identifier(&index.name)),
                )]);
            }
            let column = action.column.as_ref()?;
            setting(command, column, facts.column_use(&alter.relation, column)?)
        }
        _ => None,
    }
}

/// The columns of which has to be known what they are, for the way back.
#[must_use]
pub fn wanted(action: &AlterAction) -> Option<&String> {
    match &action.kind {
        AlterKind::SetDefault { column } | AlterKind::DropDefault { column } => Some(column),
        AlterKind::WeakLock { command } | AlterKind::BriefLock { command, .. } if is_setting(command) => {
            action.column.as_ref()
        }
        _ => None,
    }
}

fn is_setting(command: &str) -> bool {
    matches!(
        command,
        "SET STATISTICS" | "SET (column options)" | "RESET (column options)" | "SET STORAGE" | "SET COMPRESSION"
    )
}

fn default(table: &RelationFacts, column: &str, hangs: &ColumnUse) -> Option<String> {
    let found = table.column(column)?;
    if found.generated || found.identity || found.has_default != hangs.default_sql.is_some() {
        return None;
    }
    Some(match &hangs.default_sql {
        Some(default) => altered(column, &format!("SET DEFAULT {default}")),
        None => altered(column, "DROP DEFAULT"),
    })
}

fn setting(command: &str, column: &str, hangs: &ColumnUse) -> Option<Vec<String>> {
    Some(match command {
        "SET STATISTICS" => {
            vec![altered(column, &format!("SET STATISTICS {}", hangs.statistics.unwrap_or(-1)))]
        }
        "SET (column options)" | "RESET (column options)" => {
            let mut all = vec![altered(column, &format!("RESET ({OPTIONS})"))];
            if !hangs.options.is_empty() {
                all.push(altered(column, &format!("SET ({})", hangs.options.join(", "))));
            }
            all
        }
        "SET STORAGE" => vec![altered(column, &format!("SET STORAGE {}", hangs.storage.as_ref()?))],
        "SET COMPRESSION" => {
            let method = hangs.compression.as_deref().unwrap_or("default");
            vec![altered(column, &format!("SET COMPRESSION {method}"))]
        }
        _ => return None,
    })
}

fn altered(column: &str, what: &str) -> String {
    format!("ALTER COLUMN {} {what}", quote::identifier(column))
}
