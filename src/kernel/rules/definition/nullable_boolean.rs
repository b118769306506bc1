//! Yes, no, and null.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::At;
use super::implicit_null::open_to_nulls;

/// The rule.
pub const RULE: Rule = Rule {
    id: "nullable-boolean",
    hazard: "A boolean column without NOT NULL and without a default has three values.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A new boolean column with neither NOT NULL, NULL nor a default.",
        why: "Rows that say nothing get null, which WHERE x and WHERE NOT x both leave out.",
        instead: "NOT NULL DEFAULT false (or true); where unknown is a value, write NULL to say so.",
        versions: "All supported versions.",
        undo: "UPDATE the nulls in batches, SET DEFAULT, and SET NOT NULL, which the gateway does by way of a validated CHECK.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let open = open_to_nulls(subject).into_iter().filter(|(_, column)| {
        column.type_name.name == "bool" && !column.type_name.sql.ends_with(']') && column.default.is_none()
    });
    open.map(|(table, column)| {
        let message =
            format!("{} of {} is a boolean that can be null, and is by default", column.name, table.written());
        Hazard::defined(table, At::Byte(column.at), message)
    })
    .collect()
}
