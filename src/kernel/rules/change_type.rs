//! A change of type that rewrites the table, or checks or rebuilds what hangs on the column.

use super::subject::{Hazard, Subject};
use super::{Doc, Response, Rule};
use crate::kernel::facts::{ColumnFacts, Facts, RelationFacts};
use crate::kernel::plan::quote;
use crate::kernel::sql::statement::{AlterKind, LockMode, TypeName};

/// The rule.
pub const RULE: Rule = Rule {
    id: "change-type",
    hazard: "A change of a column's type rewrites the table, or checks or rebuilds what hangs on the column.",
    lock: Some(LockMode::AccessExclusive),
    default: Response::Hold,
    doc: Doc {
        what: "ALTER COLUMN … TYPE, unless the stored values stay as they are and nothing must be checked or rebuilt.",
        why: "The table and its indexes are written anew, or read, under ACCESS EXCLUSIVE: nobody can even read it.",
        instead: "A new column of the new type, kept in step by a trigger, filled in batches, and then put in the \
                  old one's place.",
        versions: "All supported versions. Widening varchar, numeric and times costs nothing.",
    },
    check,
};

fn check(subject: &Subject<'_>) -> Vec<Hazard> {
    let Some((alter, AlterKind::AlterType { column, type_name, using_sql, collation })) = subject.alter() else {
        return Vec::new();
    };
    let Some(target) = subject.shared(&alter.relation).filter(|target| !target.is_empty()) else { return Vec::new() };
    let why = match target.facts {
        None => Some("the table could not be looked up reliably"),
        Some(table) => {
            // A column that is missing is the server's to answer.
            let Some(found) = table.column(column) else { return Vec::new() };
            rewritten(found, (type_name, using_sql.as_deref(), collation.is_some()), subject.facts)
                .or_else(|| hangs_on(table, column))
        }
    };
    let Some(why) = why else { return Vec::new() };
    let message =
        format!("the type of {column} changes: {why}, for all of {}, while nobody may use it", target.described());
    vec![Hazard::lock(&target, LockMode::AccessExclusive, message)]
}

fn rewritten(column: &ColumnFacts, to: (&TypeName, Option<&str>, bool), facts: &Facts) -> Option<&'static str> {
    let (type_name, using, collated) = to;
    if collated {
        return Some("its indexes are rebuilt for the collation");
    }
    let Some(of) = facts.type_facts(type_name) else {
        return Some("its new type could not be looked up");
    };
    if of.constrained_domain {
        return Some("every row is checked against the domain");
    }
    if using.is_some_and(|using| !same_column(using, &column.name, type_name)) {
        return Some("every row is computed anew");
    }
    if of.is_domain || !keeps_rows(&column.type_sql, &of.type_sql) {
        return Some("every row is written anew");
    }
    None
}

/// `USING col` and `USING col::same_type`.
fn same_column(using: &str, column: &str, type_name: &TypeName) -> bool {
    let bare = using.trim().trim_start_matches('(').trim_end_matches(')').trim();
    let plain = |text: &str| text == column || text == quote::identifier(column);
    plain(bare) || bare.split_once("::").is_some_and(|(left, right)| plain(left.trim()) && right == type_name.sql)
}

/// Whether the server keeps the stored rows and plain indexes: measured for 12 to 18. All else counts as a rewrite.
fn keeps_rows(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    if from.ends_with("[]") || to.ends_with("[]") {
        return false;
    }
    let ((old, old_bounds), (new, new_bounds)) = (parts(from), parts(to));
    match (old.as_str(), new.as_str()) {
        ("character varying", "character varying") => widened(&old_bounds, &new_bounds),
        ("character varying", "text") => true,
        ("text", "character varying") => new_bounds.is_empty(),
        ("bit varying", "bit varying") => widened(&old_bounds, &new_bounds),
        ("numeric", "numeric") => match (old_bounds.as_slice(), new_bounds.as_slice()) {
            (_, []) => true,
            ([old_precision, old_scale], [new_precision, new_scale]) => {
                old_scale == new_scale && new_precision >= old_precision
            }
            _ => false,
        },
        ("timestamp without time zone", "timestamp without time zone")
        | ("timestamp with time zone", "timestamp with time zone")
        | ("time without time zone", "time without time zone")
        | ("time with time zone", "time with time zone")
        | ("interval", "interval") => widened(&old_bounds, &new_bounds),
        ("cidr", "inet") => true,
        _ => false,
    }
}

fn widened(old: &[i64], new: &[i64]) -> bool {
    match (old, new) {
        (_, []) => true,
        ([old], [new]) => new >= old,
        _ => false,
    }
}

/// `timestamp(3) without time zone` is `timestamp without time zone` and `[3]`.
fn parts(type_sql: &str) -> (String, Vec<i64>) {
    let Some((before, rest)) = type_sql.split_once('(') else { return (type_sql.to_owned(), Vec::new()) };
    let Some((inside, after)) = rest.split_once(')') else { return (type_sql.to_owned(), Vec::new()) };
    let bounds = inside.split(',').map(|bound| bound.trim().parse().unwrap_or(i64::MIN)).collect();
    (format!("{}{after}", before.trim_end()), bounds)
}

fn hangs_on(table: &RelationFacts, column: &str) -> Option<&'static str> {
    // Which columns an expression uses is not in the facts: an index with one counts when the text names the column.
    if table.constraints.iter().any(|c| c.kind == 'c' && c.columns.iter().any(|name| name == column)) {
        return Some("a CHECK is verified");
    }
    let uses = |definition: &str| definition.is_empty() || definition.contains(column);
    if table.indexes.iter().any(|index| index.expression_or_partial && uses(&index.definition)) {
        return Some("an index over an expression or with a condition is rebuilt");
    }
    if table.constraints.iter().any(|c| c.kind == 'x' && c.columns.iter().any(|name| name == column)) {
        return Some("an exclusion constraint is rebuilt");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_rows() {
        for (from, to) in [
            ("character varying(20)", "character varying(50)"),
            ("character varying(20)", "text"),
            ("text", "character varying"),
            ("numeric(10,2)", "numeric(12,2)"),
            ("numeric(10,2)", "numeric"),
            ("timestamp(3) without time zone", "timestamp without time zone"),
            ("cidr", "inet"),
            ("integer", "integer"),
        ] {
            assert!(keeps_rows(from, to), "{from} to {to}");
        }
    }

    #[test]
    fn all_else_rewrites() {
        for (from, to) in [
            ("integer", "bigint"),
            ("character varying(50)", "character varying(20)"),
            ("text", "character varying(20)"),
            ("numeric(10,2)", "numeric(12,3)"),
            ("numeric", "numeric(10,2)"),
            ("character(10)", "text"),
            ("character varying(10)[]", "character varying(20)[]"),
            ("timestamp without time zone", "timestamp with time zone"),
            ("interval(3)", "interval(2)"),
        ] {
            assert!(!keeps_rows(from, to), "{from} to {to}");
        }
    }
}
