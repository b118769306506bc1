//! A foreign key whose own columns no index leads.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::need::borrowed;
use super::shape::Shape;
use super::{At, Need, altered, constraints, made};
use crate::kernel::sql::statement::ConstraintKind;

/// The rule.
pub const RULE: Rule = Rule {
    id: "foreign-key-index",
    hazard: "Without an index on a foreign key's columns every DELETE of a referenced row reads the whole table.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A foreign key on columns that no index of the table begins with. lint knows indexes that a later statement of the run makes; so does the gateway within one message.",
        why: "The server makes an index for the referenced columns only. Each DELETE, and each UPDATE of the key, in the other table looks for referencing rows by reading this one, holding its locks meanwhile; joins do the same.",
        instead: "CREATE INDEX CONCURRENTLY on the referencing columns.",
        versions: "All supported versions. On a partitioned table an index on the parent counts, and so does one on each partition.",
        undo: "CREATE INDEX CONCURRENTLY at any time later; the constraint stays as it is.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    if made(subject).is_some_and(|(_, create)| create.outline.like_indexes) {
        return Vec::new();
    }
    let all = constraints(subject);
    let keys: Vec<&[String]> = all
        .iter()
        .filter(|(_, of)| matches!(of.kind, ConstraintKind::PrimaryKey { .. } | ConstraintKind::Unique { .. }))
        .map(|(_, of)| of.columns.as_slice())
        .collect();
    let standing: Vec<Shape> = altered(subject)
        .and_then(|(table, _)| table.facts)
        .into_iter()
        .flat_map(|facts| facts.indexes.iter().filter_map(Shape::of_facts))
        .filter(Shape::finds_single_rows)
        .collect();
    let foreign = all.iter().filter(|(_, of)| matches!(of.kind, ConstraintKind::ForeignKey { .. }) && !of.not_enforced);
    foreign
        .filter_map(|(table, of)| {
            let need = Need::Index { table: table.clone(), columns: of.columns.clone() };
            let by_key = keys.iter().any(|columns| need.is_led_by(&borrowed(columns)));
            if by_key || standing.iter().any(|index| need.is_led_by(&borrowed(&index.plain_keys()))) {
                return None;
            }
            let columns = of.columns.join(", ");
            let message = format!(
                "no index of {} begins with {columns}, which the foreign key looks rows up by",
                table.written()
            );
            Some(Hazard { need: Some(need), ..Hazard::defined(table.clone(), At::Byte(of.at), message) })
        })
        .collect()
}
