//! `money` means what the session's locale says.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::of_type;

/// The rule.
pub const RULE: Rule = Rule {
    id: "money-column",
    hazard: "A money column means what lc_monetary says.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A column of type money, new or by a change of type; so where CREATE TABLE AS or SELECT INTO casts it to that, and a domain of it.",
        why: "Fractional digits and the sign that is printed come from lc_monetary, not from the value: a dump restored under another locale holds other amounts. No currency is stored, and division rounds.",
        instead: "numeric(p, s), or bigint in the smallest unit; and the currency in a column of its own.",
        versions: "All supported versions.",
        undo: "ALTER COLUMN … TYPE numeric, which writes the table anew: cheap only while it is new and empty.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    of_type(subject, "money", |typed| {
        format!("{} is money: what it amounts to depends on lc_monetary", typed.described())
    })
}
