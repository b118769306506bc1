//! A change of type that rewrites the table, or checks or rebuilds what hangs on the column.

use super::copied;
use super::subject::{self, Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::plan::retype::{self, Retype, Work};
use crate::kernel::plan::{Plan, shadow};
use crate::kernel::sql::statement::LockMode;

/// The rule.
pub const RULE: Rule = Rule {
    id: "change-type",
    hazard: "A change of a column's type rewrites the table, or checks or rebuilds what hangs on the column.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER COLUMN … TYPE, unless the stored values stay as they are and nothing must be checked or rebuilt.",
        why: "The table and its indexes are written anew, or read, under ACCESS EXCLUSIVE: nobody can even read it.",
        instead: "A new column of the new type, kept in step by a trigger, filled in batches, and then put in the \
                  old one's place. Where that cannot be (a domain with a constraint, a trigger that would fire, a generated \
                  column), the whole table is copied, with the comment /* lockkeeper: copy */ or where the policy answers \
                  rewrite: the copy has the new type from the start. From its first step on, also while it is paused, the \
                  trigger computes the new value of all that is written: an INSERT or UPDATE of what the new type does not take \
                  (100000 as smallint) fails then, even if the change itself never comes to its end. The NOTICE and the ticket \
                  say so where a cast can fail. Writes to a table that is copied do not fail by it: the copy does.",
        versions: "All supported versions. Widening varchar, varbit and numeric, more digits behind the seconds and \
                   more fields of an interval cost nothing, except where a partitioned table has an index on the column: \
                   those of its partitions are built anew. Between timestamp and timestamptz no row is written where the \
                   session's TimeZone is UTC and the new type has no precision or that of 6. After the cut-over the column comes last in \
                   the table. Up to 17 the server’s own rows of a foreign key for the partitions of the table it \
                   references stay marked as not validated (pg_constraint.conparentid); the key itself is validated.",
        undo: "Until the cut-over the new column, its trigger and its function are dropped, and nothing is lost. A rename of the column on the server, past the gateway, makes no write of the application fail meanwhile: the trigger finds it by its number, and the job stops. Afterwards it is another change of type, back: values that the old type cannot hold stop it.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, change)) = subject.alter().and_then(|(alter, kind)| Some((alter, Retype::of(alter, kind)?)))
    else {
        return Vec::new();
    };
    let column = change.column;
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let (why, plan) = match target.facts {
        None => (subject::UNKNOWN.to_owned(), Err(subject::UNKNOWN.to_owned())),
        // A column that is missing is the server's to answer.
        Some(table) if table.column(column).is_none() => return Vec::new(),
        Some(table) => match judged(table, &change, subject.facts) {
            Some(judged) => judged,
            None => return Vec::new(),
        },
    };
    let message =
        format!("the type of {column} changes: {why}, for all of {}, while nobody may use it", target.described());
    let plan = if alter.only { Err("ONLY leaves out what inherits from it".to_owned()) } else { plan };
    let is_aside = plan.is_ok();
    let hazard = Hazard::lock(&target, LockMode::AccessExclusive, message).with(plan);
    vec![if is_aside { hazard } else { copied::altered(hazard, subject, &target) }]
}

/// Why it hurts, and its safe form or why there is none; nothing where it costs nothing.
fn judged(table: &RelationFacts, change: &Retype<'_>, facts: &Facts) -> Option<(String, Result<Plan, String>)> {
    let aside = || shadow::plan(table, change, facts);
    Some(match retype::work(table, change, facts) {
        Work::Nothing => return None,
        Work::Unknown(why) => (why.to_owned(), Err(why.to_owned())),
        // Alone it is the server's to answer at once; beside a DROP it may come to pass.
        Work::Refused(why) => (format!("unless it is refused because {why}, every row is written anew"), Err(why)),
        Work::Checks(names) => {
            let plan = retype::revalidate(table, (change, &names), facts).map_err(str::to_owned);
            ("a CHECK is verified".to_owned(), plan)
        }
        Work::Rebuilds(why) | Work::Rewrites(why) => (why.to_owned(), aside()),
    })
}
