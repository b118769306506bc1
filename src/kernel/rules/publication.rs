//! What subscribers get changes, or a table that is published refuses its writers.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::RelationKind;
use crate::kernel::sql::statement::{Change, LockMode, PublicationEffect};

/// The rule.
pub const RULE: Rule = Rule {
    id: "publication",
    hazard: "What subscribers get changes, or a table that is published refuses its writers.",
    lock: Some(LockMode::ShareUpdateExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "Publishing a table without a primary key, all tables, or those of a schema; taking something out of a publication.",
        why: "UPDATE and DELETE of a published table fail when no key tells its rows apart, and what is no longer sent is missing at the subscribers.",
        instead: "Give the table a primary key, or REPLICA IDENTITY FULL, and name the tables one by one.",
        versions: "All supported versions; schemas from 15.",
        undo: "ALTER PUBLICATION with the opposite, and ALTER SUBSCRIPTION … REFRESH PUBLICATION at the subscribers: changes of the time between were not sent, so a table must be copied again.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Publication(publication) = subject.change else { return Vec::new() };
    let command = publication.command;
    match publication.effect {
        PublicationEffect::Removes => {
            vec![Hazard::plain(format!("{command}: subscribers may no longer get what they got so far"))]
        }
        PublicationEffect::AddsMore => {
            vec![Hazard::plain(format!("{command}: tables without a primary key will refuse UPDATE and DELETE"))]
        }
        PublicationEffect::Adds => publication
            .relations
            .iter()
            .filter_map(|name| subject.shared(name))
            .filter(|target| !target.facts.is_some_and(|facts| keyed(facts.kind, facts.indexes.iter().any(|i| i.primary))))
            .map(|target| {
                let message = format!(
                    "{} has no primary key: once published it refuses UPDATE and DELETE, unless its replica identity is set",
                    target.described()
                );
                Hazard::loss(&target, LockMode::ShareUpdateExclusive, message)
            })
            .collect(),
    }
}

fn keyed(kind: RelationKind, has_key: bool) -> bool {
    has_key || !matches!(kind, RelationKind::Table | RelationKind::PartitionedTable)
}
