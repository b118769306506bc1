//! The form of a rewrite that lets others go on: a copy that takes the table's place, run where that is asked for.

use super::subject::{Hazard, Subject, Target};
use crate::kernel::plan::copy::{self, Altered, Anew};
use crate::kernel::plan::{Plan, tag};
use crate::kernel::sql::statement::RelationName;

/// With the form that is run where its comment asks for it.
pub(super) fn asked(mut hazard: Hazard, comment: &str, how: &str, plan: Plan) -> Hazard {
    hazard.message.push_str(&format!("; with the comment /* {comment} */ it is {how}"));
    Hazard { plan: Some(plan), ..hazard }
}

/// With the copy, or why there is none. Where no server was asked nothing is known of that.
pub(super) fn beside(
    hazard: Hazard,
    subject: &Subject<'_>,
    (target, name): (&Target<'_>, &RelationName),
    anew: Anew<'_>,
) -> Hazard {
    let Some(table) = target.facts.filter(|_| subject.facts.whole(name).is_some()) else { return hazard };
    told(hazard, copy::plan((table, name), anew, subject.facts, tag::of(subject.change)))
}

/// The same of an ALTER TABLE whose subcommands the copy is given while it is empty: all of them, or it is no form of it.
pub(super) fn altered(hazard: Hazard, subject: &Subject<'_>, target: &Target<'_>) -> Hazard {
    let Some((alter, _)) = subject.alter() else { return hazard };
    let Some(table) = target.facts.filter(|_| subject.facts.whole(&alter.relation).is_some()) else { return hazard };
    match Altered::of(alter, table, subject.facts) {
        Ok(altered) => beside(hazard, subject, (target, &alter.relation), Anew::Altered(&altered)),
        Err(why) => told(hazard, Err(why)),
    }
}

fn told(mut hazard: Hazard, plan: Result<Plan, String>) -> Hazard {
    match plan {
        Ok(plan) => asked(hazard, copy::REQUEST, "copied while others go on, and the copy takes its place", plan),
        Err(why) => {
            hazard.message.push_str("; a copy cannot take its place: ");
            hazard.message.push_str(&why);
            hazard
        }
    }
}
