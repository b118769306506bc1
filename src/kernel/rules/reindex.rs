//! REINDEX blocks writes, and reads by the index, until it is rebuilt.

use super::subject::{Hazard, Subject, Target, UNKNOWN};
use super::{Doc, Response, Rule};
use crate::kernel::plan::concurrently;
use crate::kernel::sql::statement::{Change, LockMode, Reindex, ReindexOf};

/// The rule.
pub const RULE: Rule = Rule {
    id: "reindex",
    hazard: "REINDEX blocks writes, and reads by the index, until it is rebuilt.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Rewrite,
    doc: Doc {
        what: "REINDEX without CONCURRENTLY.",
        why: "The table is locked SHARE and each index ACCESS EXCLUSIVE while it is built.",
        instead: "REINDEX INDEX CONCURRENTLY or REINDEX TABLE CONCURRENTLY, outside a transaction block.",
        versions: "CONCURRENTLY in all supported versions, not for system catalogs and exclusion constraints, and not on 14.0 to 14.3, where the new index may lack rows.",
        undo: "There is nothing to undo: the index is the same, only compact. A CONCURRENTLY that is cut off leaves an INVALID index ending in _ccnew, which is dropped.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Reindex(reindex) = subject.change else { return Vec::new() };
    if reindex.concurrently {
        return broken(subject, reindex);
    }
    let whole = |what: &str, why: &str| {
        let hazard =
            Hazard::plain(format!("REINDEX of {what} blocks writes to every table in it, one after the other"));
        vec![hazard.with(Err(why))]
    };
    let name = match &reindex.of {
        ReindexOf::Index(name) | ReindexOf::Table(name) => name,
        ReindexOf::Schema(schema) => {
            let why = "which of its indexes are of exclusion constraints is not looked up, and REINDEX SCHEMA CONCURRENTLY \
                       leaves those out with a WARNING: send it if that will do";
            return whole(&format!("schema {schema}"), why);
        }
        ReindexOf::Database => return whole("the database", "system catalogs cannot be rebuilt concurrently"),
        ReindexOf::System => return whole("the system catalogs", "they cannot be rebuilt concurrently"),
    };
    let Some(target) = subject.shared(name) else { return Vec::new() };
    let message = format!("REINDEX blocks writes, and reads by the index, of {} until it is done", target.described());
    let plan = target.facts.ok_or_else(|| UNKNOWN.to_owned());
    let plan = plan.and_then(|facts| crate::kernel::plan::reindex::plan(facts, reindex, subject.facts));
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan)]
}

/// What is written CONCURRENTLY is no hazard, but on a server that does it wrongly.
fn broken(subject: &Subject<'_>, reindex: &Reindex) -> Vec<Hazard> {
    let Some(why) = concurrently::forbidden(subject.facts.server_version) else { return Vec::new() };
    let target = reindex.target().and_then(|name| subject.shared(name));
    let what = target.as_ref().map_or_else(|| "every index of it".to_owned(), Target::described);
    let message = format!("REINDEX CONCURRENTLY of {what}: {why}");
    vec![Hazard { relation: target.map(|target| target.name), ..Hazard::plain(message) }]
}
