//! `json` keeps a text.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::of_type;

/// The rule.
pub const RULE: Rule = Rule {
    id: "json-column",
    hazard: "A json column keeps the text, and cannot be compared or indexed.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A column of type json, new or by a change of type; so where CREATE TABLE AS or SELECT INTO casts it to that, and a domain of it.",
        why: "The text is parsed again by every function that looks into it, there is no = (so DISTINCT, GROUP BY and UNION of the row fail), and no GIN index.",
        instead: "jsonb; json only where the text must come back byte by byte, with its order of keys and its repeated ones.",
        versions: "All supported versions.",
        undo: "ALTER COLUMN … TYPE jsonb USING x::jsonb, which writes the table anew: cheap only while it is new and empty.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    of_type(subject, "json", |typed| {
        format!("{} is json: it cannot be compared or indexed, and is parsed at every use", typed.described())
    })
}
