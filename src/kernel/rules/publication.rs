//! What subscribers get changes, or a table that is published refuses its writers.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{IndexFacts, RelationFacts, RelationKind, TableSettings};
use crate::kernel::sql::statement::{Change, LockMode, PublicationEffect, Published};

/// The rule.
pub const RULE: Rule = Rule {
    id: "publication",
    hazard: "What subscribers get changes, or a table that is published refuses its writers.",
    lock: Some(LockMode::ShareUpdateExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "Publishing UPDATEs or DELETEs of a table without a primary key or other replica identity, with a list of columns that leaves some of it out or a filter that reads more than it, of all tables, or of those of a schema; taking something out of a publication.",
        why: "UPDATE and DELETE of a published table fail when what tells its rows apart is not there or not sent, and what is no longer sent is missing at the subscribers.",
        instead: "Give the table a primary key, or REPLICA IDENTITY FULL, and name the tables one by one. Send the columns of the key too, and filter by them, or send inserts only: WITH (publish = 'insert').",
        versions: "All supported versions; schemas, lists of columns and filters from 15.",
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
        PublicationEffect::Adds | PublicationEffect::AddsMore if !publication.old_rows => Vec::new(),
        PublicationEffect::AddsMore => {
            vec![Hazard::plain(format!("{command}: tables without a primary key will refuse UPDATE and DELETE"))]
        }
        PublicationEffect::Adds => publication.tables.iter().filter_map(|one| sent(subject, one)).collect(),
    }
}

fn sent(subject: &Subject<'_>, published: &Published) -> Option<Hazard> {
    let target = subject.shared(&published.relation)?;
    let settings = subject.facts.settings(&published.relation);
    let why = match target.facts {
        None => Some("may have no replica identity".to_owned()),
        Some(table) if matches!(table.kind, RelationKind::Table | RelationKind::PartitionedTable) => {
            Identity::of(table, settings).lacks(published)
        }
        // Nothing else can be published.
        Some(_) => None,
    }?;
    let message = format!("{} {why}: once published it refuses UPDATE and DELETE", target.described());
    Some(Hazard::loss(&target, LockMode::ShareUpdateExclusive, message))
}

/// What tells a table's rows apart for subscribers.
enum Identity<'a> {
    Nothing { set: bool },
    Columns(&'a [String]),
    WholeRow,
}

impl<'a> Identity<'a> {
    fn of(table: &'a RelationFacts, settings: Option<&TableSettings>) -> Self {
        // That of a partitioned table is not its partitions', and they have its primary key.
        let set = settings.filter(|_| table.kind == RelationKind::Table).map_or('d', |found| found.replica_identity);
        let index = |wanted: fn(&IndexFacts) -> bool| {
            let index = table.indexes.iter().find(|index| index.valid && wanted(index));
            index.map_or(Self::Nothing { set: set != 'd' }, |index| Self::Columns(&index.columns))
        };
        match set {
            'f' => Self::WholeRow,
            'n' => Self::Nothing { set: true },
            'i' => index(|index| index.marks.replica_identity),
            _ => index(|index| index.primary),
        }
    }

    /// What is missing for UPDATE and DELETE.
    fn lacks(&self, published: &Published) -> Option<String> {
        match self {
            Self::Nothing { set: true } => Some("has a replica identity of nothing".to_owned()),
            Self::Nothing { set: false } => Some("has no primary key and no other replica identity".to_owned()),
            Self::WholeRow if published.columns.is_empty() => None,
            Self::WholeRow => Some("has REPLICA IDENTITY FULL, with which no list of columns goes".to_owned()),
            Self::Columns(identity) => {
                let listed = &published.columns;
                let unsent = identity.iter().find(|&column| !listed.is_empty() && !listed.contains(column));
                let unsent = unsent.map(|column| format!("does not send {column}, which is in its replica identity"));
                let filter = published.filter.iter().find(|&column| !identity.contains(column));
                unsent.or(filter.map(|column| format!("is filtered by {column}, which is not in its replica identity")))
            }
        }
    }
}
