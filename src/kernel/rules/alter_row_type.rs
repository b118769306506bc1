//! ALTER TYPE … CASCADE works on every table that is made of the type.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::{AlterKind, LockMode, RowTypeChange};

/// The rule.
pub const RULE: Rule = Rule {
    id: "alter-row-type",
    hazard: "ALTER TYPE … CASCADE locks every table that is made of the type, and may lose data or write all rows anew.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER TYPE … ADD, DROP or ALTER ATTRIBUTE … CASCADE; not ADD where no table uses the type.",
        why: "All tables made of the type (CREATE TABLE … OF) are locked ACCESS EXCLUSIVE together, until all of them are done: a dropped attribute is lost in each, another type writes each row anew.",
        instead: "ALTER TABLE … NOT OF, one table after the other, and then the change on each as on any table.",
        versions: "All supported versions. Without CASCADE the server refuses it where there are such tables.",
        undo: "Before the commit, ROLLBACK. An added attribute: DROP ATTRIBUTE … CASCADE; a changed type: the old one again, which writes all rows once more; dropped values come from a backup only.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::RowType(change))) = subject.alter() else { return Vec::new() };
    let Some(target) = subject.shared(&alter.relation) else { return Vec::new() };
    if matches!(change, RowTypeChange::AddAttribute(_)) && subject.is_unused(&alter.relation.name) {
        return Vec::new();
    }
    let what = match change {
        RowTypeChange::AddAttribute(name) => format!("gets a column {name}"),
        RowTypeChange::DropAttribute(name) => format!("loses all values of column {name}"),
        RowTypeChange::AlterAttribute(name) => format!("is written anew for column {name}"),
    };
    let message =
        format!("every table made of type {} is locked together with the others and {what}", target.name.written());
    // How large they are is not looked up.
    vec![Hazard { rows: None, bytes: None, ..Hazard::loss(&target, LockMode::AccessExclusive, message) }]
}
