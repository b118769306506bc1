//! The whole table is written anew while nobody may use it.

use super::copied;
use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{Persistence, RelationKind};
use crate::kernel::plan::copy::Anew;
use crate::kernel::plan::{Plan, compact, quote, reindex, tag};
use crate::kernel::sql::statement::{
    AlterKind, AlterObject, Change, LockMode, Reindex, ReindexOf, RelationName, Shrinks,
};

/// The rule.
pub const RULE: Rule = Rule {
    id: "rewrite-table",
    hazard: "The whole table is written anew while nobody may use it.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "VACUUM FULL, CLUSTER, SET LOGGED/UNLOGGED, SET TABLESPACE, SET ACCESS METHOD, SET EXPRESSION.",
        why: "Nobody can even read the table until it is done, and it needs its size again on disk.",
        instead: "Plain VACUUM makes room for new rows and stops nobody. VACUUM FULL with the comment /* lockkeeper: compact */, approved, is done in place while others go on, and so it is where the policy answers rewrite: the rows of the last pages are moved forward, VACUUM gives the end back, the indexes are rebuilt CONCURRENTLY. CLUSTER, SET LOGGED/UNLOGGED, SET TABLESPACE, SET ACCESS METHOD and SET EXPRESSION of a plain table with a primary key, with the comment /* lockkeeper: copy */ or where the policy answers rewrite, are done on a copy that is kept in step and takes the table's place in one short transaction, for which tables whose foreign keys refer to it are locked too; the message says where something that depends on the table stands in the way. SET TABLESPACE of an index is done with REINDEX CONCURRENTLY.",
        versions: "All supported versions; SET ACCESS METHOD from 15, SET EXPRESSION from 17.",
        undo: "VACUUM FULL, in place too, and CLUSTER: there is nothing to undo. A copy can be taken back until it has the table's place. SET LOGGED, SET TABLESPACE, SET ACCESS METHOD and SET EXPRESSION: the opposite, which writes the whole table once more.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let (command, name, to) = match (subject.change, subject.alter()) {
        (Change::RewriteTable { command, relation: Some(relation), .. }, _) => (*command, relation, None),
        (Change::RewriteTable { command, relation: None, .. }, _) => {
            return vec![Hazard::plain(format!("{command} writes every table anew while nobody may use it"))];
        }
        // A sequence is one row.
        (_, Some((alter, AlterKind::Rewrites { .. }))) if alter.object == AlterObject::Sequence => return Vec::new(),
        (_, Some((alter, AlterKind::Rewrites { command, to }))) => (*command, &alter.relation, to.as_deref()),
        _ => return Vec::new(),
    };
    let Some(target) = subject.shared(name).filter(|target| !target.is_empty()) else { return Vec::new() };
    if only_notes(command, to, &target) {
        return Vec::new();
    }
    let mut message = format!("{command} writes {} anew while nobody may use it", target.described());
    let is_index = target.facts.is_some_and(|found| found.kind == RelationKind::Index);
    if !is_index {
        message.push_str(other_way(command));
    }
    let hazard = Hazard::lock(&target, LockMode::AccessExclusive, message);
    vec![match (subject.change, to) {
        (Change::RewriteTable { command: "VACUUM FULL", shrinks, .. }, _) => {
            in_place(hazard, subject, (&target, name), *shrinks)
        }
        (_, Some(to)) if is_index => hazard.with(elsewhere(subject, &target, to)),
        _ if command == "SET EXPRESSION" => copied::altered(hazard, subject, &target),
        _ => match anew(subject, command, to) {
            Some(anew) => copied::beside(hazard, subject, (&target, name), anew),
            None => hazard,
        },
    }]
}

/// What is so already, and what a table without rows of its own only hands on to later partitions.
fn only_notes(command: &str, to: Option<&str>, target: &Target<'_>) -> bool {
    let Some(found) = target.facts else { return false };
    let has_parts = matches!(found.kind, RelationKind::PartitionedTable | RelationKind::PartitionedIndex);
    match command {
        "SET LOGGED" => has_parts || found.persistence == Persistence::Permanent,
        "SET UNLOGGED" => has_parts || found.persistence == Persistence::Unlogged,
        "SET TABLESPACE" => has_parts || to.is_some_and(|to| found.tablespace.as_deref() == Some(to)),
        "SET ACCESS METHOD" => has_parts || to.is_some_and(|to| found.access_method.as_deref() == Some(to)),
        _ => false,
    }
}

/// What a copy would have to be, where it would be all of the statement.
fn anew<'a>(subject: &Subject<'a>, command: &str, to: Option<&'a str>) -> Option<Anew<'a>> {
    if subject.alter().is_some_and(|(alter, _)| alter.actions.len() > 1) {
        return None;
    }
    match (command, subject.change) {
        ("CLUSTER", Change::RewriteTable { by, .. }) => Some(Anew::Ordered(by.as_deref())),
        ("SET LOGGED", _) => Some(Anew::Logged(true)),
        ("SET UNLOGGED", _) => Some(Anew::Logged(false)),
        ("SET TABLESPACE", _) => to.map(Anew::Tablespace),
        ("SET ACCESS METHOD", _) => to.map(Anew::AccessMethod),
        _ => None,
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
    Ok(Plan { summary, tag: tag::of(subject.change), ..reindex::plan(index, &asked, subject.facts)? })
}

/// With the form that lets others go on, or why there is none.
fn in_place(
    mut hazard: Hazard,
    subject: &Subject<'_>,
    (target, name): (&Target<'_>, &RelationName),
    shrinks: Option<Shrinks>,
) -> Hazard {
    let plan = match (target.facts, shrinks) {
        (Some(table), Some(asked)) => compact::plan(table, asked, subject.facts),
        (None, _) => Err(UNKNOWN.to_owned()),
        (_, None) => Err("its options ask for more than a smaller table".to_owned()),
    };
    match plan {
        Ok(plan) => copied::asked(hazard, compact::REQUEST, "compacted in place while others go on", plan),
        Err(why) => {
            hazard.message.push_str("; it cannot be compacted in place: ");
            hazard.message.push_str(&why);
            match shrinks {
                Some(_) => copied::beside(hazard, subject, (target, name), Anew::Smaller),
                None => hazard,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::assess::cases::assessed;

    #[test]
    fn an_index_that_is_moved_answers_what_was_asked() {
        let assessment = assessed("ALTER INDEX orders_a_idx SET TABLESPACE fast");
        let plan = assessment.changes.into_iter().find_map(|change| change.safe).unwrap();
        assert_eq!((plan.recipe.as_str(), plan.tag.as_str()), ("reindex", "ALTER INDEX"));
    }
}
