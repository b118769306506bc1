//! Names that nobody can write without quotes.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::made::names;

/// The rule.
pub const RULE: Rule = Rule {
    id: "quoted-name",
    hazard: "A name with capitals or odd characters must be quoted wherever it is used.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A table, column, index, constraint, view or sequence whose new name has capitals, blanks or other characters that need quotes.",
        why: "Without quotes the server reads capitals as small letters, and does not find it. Every query by hand, every view and every tool must quote it. Where all names come from a program that always quotes (Prisma, TypeORM), answer pass.",
        instead: "Small letters, digits and underscores: created_at.",
        versions: "All supported versions.",
        undo: "RENAME, as brief as any: what uses the name must change in the same moment.",
    },
    check,
};

/// Whether the server takes it for something else without quotes. Letters beyond ASCII do without.
fn needs_quotes(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c == '_' || !c.is_ascii();
    !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '$')
}

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let odd = names(subject).into_iter().filter(|made| made.written && needs_quotes(&made.name));
    odd.map(|made| {
        let shown = format!("\"{}\"", made.name.replace('"', "\"\""));
        let message = format!("{} must be written in quotes everywhere", made.described(&shown));
        Hazard::defined(made.table, made.at, message)
    })
    .collect()
}
