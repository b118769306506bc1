//! `char(n)` pads with blanks.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::of_type;

/// The rule.
pub const RULE: Rule = Rule {
    id: "char-column",
    hazard: "A char(n) column is padded with blanks.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A column of type char, char(n), character(n) or bpchar, new or by a change of type; so where CREATE TABLE AS or SELECT INTO casts it to that, and a domain of it.",
        why: "Every value is filled up to n with blanks, which are stored and sent, ignored by = and not by LIKE, and lost in a cast to text. bpchar without a length fills nothing up, and does the same with the blanks that are there. Neither is shorter or faster than text.",
        instead: "text, or varchar(n); where the length is fixed, text with CHECK (length(x) = n).",
        versions: "All supported versions.",
        undo: "ALTER COLUMN … TYPE text, which writes the table anew: cheap only while it is new and empty.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    of_type(subject, "bpchar", |typed| {
        let type_sql = &typed.type_name.sql;
        let what = if type_sql.contains("bpchar") && !type_sql.contains('(') {
            "blanks at the end of its values do not count"
        } else {
            "its values are padded with blanks"
        };
        format!("{} is {type_sql}: {what}", typed.described())
    })
}
