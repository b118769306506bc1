//! Neither NULL nor NOT NULL is written.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::{At, columns, constraints};
use crate::kernel::sql::statement::{AddColumn, ConstraintKind, RelationName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "implicit-null",
    hazard: "A column says neither NULL nor NOT NULL.",
    lock: None,
    // A matter of style in most places: who wants it asks for it.
    default: Response::Pass,
    doc: Doc {
        what: "A new column with neither NULL nor NOT NULL, unless it is a key, an identity, a serial or generated.",
        why: "It can be null, and nobody can see whether that is meant. SET NOT NULL later has to read the whole table.",
        instead: "Write NOT NULL, or NULL where a value may be missing.",
        versions: "All supported versions.",
        undo: "SET NOT NULL, which the gateway does by way of a validated CHECK, or nothing where null is meant.",
    },
    check,
};

/// Columns that can be null without saying so.
pub(super) fn open_to_nulls<'a>(subject: &Subject<'a>) -> Vec<(RelationName, &'a AddColumn)> {
    let keys: Vec<&String> = constraints(subject)
        .into_iter()
        .filter(|(_, constraint)| {
            matches!(constraint.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::NotNull)
        })
        .flat_map(|(_, constraint)| &constraint.columns)
        .collect();
    let said = |column: &AddColumn| {
        column.null
            || column.not_null.is_some()
            || column.serial.is_some()
            || column.identity_sql.is_some()
            || column.generated.is_some()
    };
    columns(subject).into_iter().filter(|(_, column)| !said(column) && !keys.contains(&&column.name)).collect()
}

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let open = open_to_nulls(subject).into_iter();
    open.map(|(table, column)| {
        let message = format!("{} of {} says neither NULL nor NOT NULL", column.name, table.written());
        Hazard::defined(table, At::Byte(column.at), message)
    })
    .collect()
}
