//! Names that are words of SQL.

use super::super::subject::{Hazard, Subject};
use super::super::{Doc, Response, Rule};
use super::made::names;

/// The rule.
pub const RULE: Rule = Rule {
    id: "reserved-name",
    hazard: "A name that is a reserved word must be quoted wherever it is used.",
    lock: None,
    default: Response::Warn,
    doc: Doc {
        what: "A table, column, index, constraint, view or sequence whose new name is a reserved word of PostgreSQL, such as \"user\" or \"order\".",
        why: "Every statement must quote it. Some of these words mean something else without quotes: SELECT user answers with the role's name, and no error.",
        instead: "Another name: users, orders, position.",
        versions: "The reserved words of 18; system_user is one since 16, current_schema and the like may be used in a few places.",
        undo: "RENAME, as brief as any; a view of the old name can stand in for a table until nobody quotes it any more.",
    },
    check,
};

/// Reserved, and those that can only be functions or types (kwlist.h); sorted.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let reserved = names(subject).into_iter().filter(|made| made.written && is_reserved(&made.name));
    reserved
        .map(|made| {
            let shown = format!("\"{}\"", made.name);
            let message = format!("{} has a reserved word for its name", made.described(&shown));
            Hazard::defined(made.table, made.at, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_are_sorted() {
        assert!(super::RESERVED.is_sorted());
    }
}
