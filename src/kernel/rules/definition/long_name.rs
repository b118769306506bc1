//! Names that are cut short.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::At;
use super::made::{Made, names};
use crate::kernel::facts::Facts;
use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::words::words;
use crate::kernel::sql::write::NAME_BYTES;

/// The rule.
pub const RULE: Rule = Rule {
    id: "long-name",
    hazard: "A name longer than 63 bytes is cut short.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A new name of more than 63 bytes in the server's encoding.",
        why: "The server cuts it with a NOTICE that few see. Two long names with the same beginning are then one: the second fails, or with IF NOT EXISTS is not made at all. Programs that compare names do not find theirs.",
        instead: "A name of at most 63 bytes; for an index or a constraint, the name left out, so that the server makes one that fits.",
        versions: "All supported versions, as far as nobody has compiled the server with another NAMEDATALEN.",
        undo: "RENAME, as brief as any.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let mut found: Vec<(String, Hazard)> = Vec::new();
    let made: Vec<Made<'_>> = names(subject).into_iter().filter(|made| made.written).collect();
    for word in words(subject.text) {
        let bytes = length(&word.name, subject.facts);
        // What the grammar cuts is the same beginning.
        let of = made.iter().find(|made| word.name != made.name && word.name.starts_with(&made.name));
        let Some(of) = of.filter(|_| bytes > NAME_BYTES && !found.iter().any(|(name, _)| *name == word.name)) else {
            continue;
        };
        let others = found.iter().filter(|(name, _)| name.starts_with(&of.name)).count();
        let taken = if others > 0 || stands(subject, of) { "; that name is taken already" } else { "" };
        let message = format!("{} has {bytes} bytes, and is cut to {}{taken}", word.name, of.name);
        found.push((word.name, Hazard::defined(of.table.clone(), At::Byte(subject.at + word.at.start), message)));
    }
    found.into_iter().map(|(_, hazard)| hazard).collect()
}

/// Bytes in the server's encoding.
fn length(name: &str, facts: &Facts) -> usize {
    let single = ["LATIN", "WIN", "ISO_", "KOI8"].iter().any(|family| facts.encoding.starts_with(family));
    let double = facts.encoding.starts_with("EUC_");
    name.chars()
        .map(|c| {
            if c.is_ascii() || single {
                1
            } else if double {
                2
            } else {
                c.len_utf8()
            }
        })
        .sum()
}

/// Whether the name as it is cut stands for something.
fn stands(subject: &Subject<'_>, made: &Made<'_>) -> bool {
    let relation = |schema: Option<String>| {
        let name = RelationName { schema, name: made.name.clone() };
        matches!(subject.facts.relation(&name), Some(Some(_)))
    };
    let table = subject.facts.relation(&made.table).flatten();
    let within =
        table.is_some_and(|table| table.column(&made.name).is_some() || table.constraint(&made.name).is_some());
    within || relation(None) || relation(made.table.schema.clone())
}
