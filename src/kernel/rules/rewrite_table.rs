//! The whole table is written anew while nobody may use it.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{Persistence, RelationKind};
use crate::kernel::plan::{Plan, compact, quote, reindex};
use crate::kernel::sql::statement::{AlterKind, AlterObject, Change, LockMode, Reindex, ReindexOf, Shrinks};

/// The rule.
pub const RULE: Rule = Rule {
    id: "rewrite-table",
    hazard: "The whole table is written anew while nobody may use it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "VACUUM FULL, CLUSTER, SET LOGGED/UNLOGGED, SET TABLESPACE, SET ACCESS METHOD, SET EXPRESSION.",
        why: "Nobody can even read the table until it is done, and it needs its size again on disk.",
        instead: "Plain VACUUM makes room for new rows and stops nobody. VACUUM FULL with the comment /* lockkeeper: compact */, approved, is done in place while others go on, and so it is where the policy answers rewrite: the rows of the last pages are moved forward, VACUUM gives the end back, the indexes are rebuilt CONCURRENTLY. SET TABLESPACE of an index is done with REINDEX CONCURRENTLY. Else a new table that is filled in batches and swapped, or a tool that does that (pg_repack).",
        versions: "All supported versions; SET ACCESS METHOD from 15, SET EXPRESSION from 17.",
        undo: "VACUUM FULL, in place too, and CLUSTER: there is nothing to undo. SET LOGGED, SET TABLESPACE and SET ACCESS METHOD: the opposite, which writes the whole table once more.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (command, name, tablespace) = match (subject.change, subject.alter()) {
        (Change::RewriteTable { command, relation: Some(relation), .. }, _) => (*command, relation, None),
        (Change::RewriteTable { command, relation: None, .. }, _) => {
            return vec![Hazard::plain(format!("{command} writes every table anew while nobody may use it"))];
        }
        // A sequence is one row.
        (_, Some((alter, AlterKind::Rewrites { .. }))) if alter.object == AlterObject::Sequence => return Vec::new(),
        (_, Some((alter, AlterKind::Rewrites { command, tablespace }))) => {
            (*command, &alter.relation, tablespace.as_ref())
        }
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(name).filter(|target| !target.is_empty()) else { return Vec::new() };
    if only_notes(command, &target) {
        return Vec::new();
    }
    let mut message = format!("{command} writes {} anew while nobody may use it", target.described());
    let is_index = target.facts.is_some_and(|found| found.kind == RelationKind::Index);
    if !is_index {
        message.push_str(other_way(command));
    }
    let hazard = Hazard::lock(&target, LockMode::AccessExclusive, message);
    vec![match (subject.change, tablespace) {
        (Change::RewriteTable { command: "VACUUM FULL", shrinks, .. }, _) => {
            in_place(hazard, subject, &target, *shrinks)
        }
        (_, Some(to)) if is_index => hazard.with(elsewhere(subject, &target, to)),
        _ => hazard,
    }]
}

/// What is so already, and what a table without rows of its own only hands on to later partitions.
fn only_notes(command: &str, target: &Target<'_>) -> bool {
    let Some(found) = target.facts else { return false };
    let has_parts = matches!(found.kind, RelationKind::PartitionedTable | RelationKind::PartitionedIndex);
    match command {
        "SET LOGGED" => has_parts || found.persistence == Persistence::Permanent,
        "SET UNLOGGED" => has_parts || found.persistence == Persistence::Unlogged,
        "SET TABLESPACE" | "SET ACCESS METHOD" => has_parts,
        _ => false,
    }
}

/// How to come by the same with less.
fn other_way(command: &str) -> &'static str {
    match command {
        "CLUSTER" => {
            "; later writes undo its order: an index that covers the queries (INCLUDE) keeps it, and to get room back \
             VACUUM FULL can be done in place"
        }
        "SET TABLESPACE" => {
            "; its indexes can go first with REINDEX (TABLESPACE name) TABLE CONCURRENTLY, and of a partitioned table \
             only new partitions need the other tablespace"
        }
        "SET LOGGED" => "; all of it goes through the WAL, to replicas too",
        "SET UNLOGGED" => "; after that a crash empties it, and replicas do not have its rows",
        _ => "",
    }
}

/// An index in another tablespace: built there, and put in the old one's place.
fn elsewhere(subject: &Subject<'_>, target: &Target<'_>, tablespace: &str) -> Result<Plan, String> {
    let index = target.facts.ok_or(UNKNOWN)?;
    let options = vec![format!("TABLESPACE {}", quote::identifier(tablespace))];
    let asked = Reindex { of: ReindexOf::Index(index.qualified()), concurrently: true, options };
    let summary = format!(
        "{}.{} is built anew in tablespace {tablespace} with REINDEX CONCURRENTLY, because SET TABLESPACE keeps out \
         whoever uses the index until it is copied.",
        index.schema, index.name
    );
    Ok(Plan { summary, ..reindex::plan(index, &asked, subject.facts)? })
}

/// With the form that lets others go on, or why there is none.
fn in_place(mut hazard: Hazard, subject: &Subject<'_>, target: &Target<'_>, shrinks: Option<Shrinks>) -> Hazard {
    let plan = match (target.facts, shrinks) {
        (Some(table), Some(asked)) => compact::plan(table, asked, subject.facts),
        (None, _) => Err(UNKNOWN.to_owned()),
        (_, None) => Err("its options ask for more than a smaller table".to_owned()),
    };
    match plan {
        Ok(plan) => {
            hazard.message.push_str(&format!(
                "; with the comment /* {} */ it is compacted in place while others go on",
                compact::REQUEST
            ));
            Hazard { plan: Some(plan), ..hazard }
        }
        Err(why) => {
            hazard.message.push_str("; it cannot be compacted in place: ");
            hazard.message.push_str(&why);
            hazard
        }
    }
}
