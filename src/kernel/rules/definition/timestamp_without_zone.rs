//! `timestamp` says what a clock showed, not when.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::of_type;

/// The rule.
pub const RULE: Rule = Rule {
    id: "timestamp-without-zone",
    hazard: "A timestamp without time zone says what a clock showed, not when that was.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A column of type timestamp without time zone, new or by a change of type; so where CREATE TABLE AS or SELECT INTO casts it to that, and a domain of it.",
        why: "now() is cut to the time of the session's TimeZone, whatever that is; two sessions write different values for one moment, and the hour that comes twice in autumn cannot be told apart.",
        instead: "timestamptz: it takes the same eight bytes, and stores the moment. timestamp is right for a time of day on a wall, such as an appointment years ahead.",
        versions: "All supported versions.",
        undo: "ALTER COLUMN … TYPE timestamptz USING x AT TIME ZONE 'UTC', or in whatever zone it was meant; it writes the table anew unless the session's TimeZone is UTC and nothing is written after the type.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    of_type(subject, "timestamp", |typed| {
        format!("{} is timestamp without time zone: it does not say which moment is meant", typed.described())
    })
}
