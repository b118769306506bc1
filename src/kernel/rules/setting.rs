//! A setting on which the reading of statements or the guard of the database depends.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::sql::statement::Change;

/// The rule.
pub const RULE: Rule = Rule {
    id: "setting",
    hazard: "A setting on which the reading of statements or the guard of the database depends.",
    lock: None,
    default: Response::Refuse,
    doc: Doc {
        what: "SET or ALTER … SET of a setting that changes how SQL is read, what triggers run, or what is kept safe.",
        why: "With another setting the same text means something else than what was judged.",
        instead: "Leave it at its default; as client_encoding, take UTF8, SQL_ASCII, a single-byte or an EUC encoding.",
        versions: "All supported versions.",
        undo: "RESET in the session, ALTER ROLE or DATABASE … RESET; after ALTER SYSTEM, ALTER SYSTEM RESET and a reload.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Change::Setting(setting) = subject.change else { return Vec::new() };
    let value = setting.value.as_deref().unwrap_or("its default");
    vec![Hazard::plain(format!("setting {} becomes {value}", setting.name))]
}
