//! Names as the configuration wants them.

use regex_lite::{Regex, escape};

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::made::{Made, names};

/// The rule.
pub const RULE: Rule = Rule {
    id: "naming",
    hazard: "A name is not as the configuration wants names of its kind.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A new name of a table, view, column, index, sequence or constraint that does not fit the pattern for its kind in [naming] of the configuration; also a name that the server makes up. Without patterns it finds nothing.",
        why: "Names by one scheme say what they are of, and can be found again by scripts, error messages and people.",
        instead: "A name that fits the pattern, or another pattern in the configuration.",
        versions: "All supported versions.",
        undo: "RENAME, as brief as any; indexes and constraints are hardly ever named by applications.",
    },
    check,
};

/// The whole name must fit; `{table}` and `{columns}` stand for the table's name and the columns' joined by `_`.
///
/// # Errors
/// Says what is wrong with the pattern.
pub fn pattern(pattern: &str, table: &str, columns: &str) -> Result<Regex, String> {
    let filled = pattern.replace("{table}", &escape(table)).replace("{columns}", &escape(columns));
    Regex::new(&format!("^(?:{filled})$")).map_err(|error| error.to_string())
}

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    if subject.facts.naming.is_empty() {
        return Vec::new();
    }
    names(subject).into_iter().filter_map(|made| misnamed(subject, made)).collect()
}

fn misnamed(subject: &Subject<'_>, made: Made<'_>) -> Option<Hazard> {
    let wanted = subject.facts.naming.get(&made.kind)?;
    if made.columns.is_none() && wanted.contains("{columns}") {
        return None;
    }
    // A pattern that cannot be read was refused when the configuration was.
    let columns = made.columns.as_deref().unwrap_or_default().join("_");
    let fits = pattern(wanted, &made.table.name, &columns).ok()?.is_match(&made.name);
    if fits {
        return None;
    }
    let by_itself = if made.written { "" } else { ", as the server names it," };
    let message = format!("{}{by_itself} does not fit the pattern {wanted}", made.described(&made.name));
    Some(Hazard::defined(made.table, made.at, message))
}
