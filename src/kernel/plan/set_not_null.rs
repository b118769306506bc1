//! SET NOT NULL without a scan under ACCESS EXCLUSIVE: a CHECK proves it first (12 to 17), or the
//! NOT NULL constraint itself is added NOT VALID and validated (18).

use super::names::Names;
use super::{Plan, Reworded, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{LockMode, NotNull};

/// The version from which NOT NULL is a constraint with a name and can be NOT VALID.
pub const NAMED_FROM: u32 = 18;

/// What is NOT NULL of a composite value is another thing than what `IS NOT NULL` says of it: the server takes no CHECK
/// for it.
const NO_PROOF: &str = "before version 18 no CHECK proves to the server that a column of a composite type is NOT NULL";

/// The safe form of SET NOT NULL on one column, which may be `written` as a constraint.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(
    table: &RelationFacts,
    column: &str,
    written: Option<&NotNull>,
    by: (u32, &mut Names<'_>),
) -> Result<Plan, &'static str> {
    Ok(Plan {
        recipe: "set-not-null".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "Column {column} of {}.{} is proven to hold no nulls while readers and writers go on, and only then \
             set NOT NULL, because SET NOT NULL reads the whole table while nobody else may use it.",
            table.schema, table.name
        ),
        relation: Some(table.qualified()),
        steps: steps(table, column, written, by)?,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// Whether anything proves a column of this kind to be filled.
///
/// # Errors
/// A clause for people that says why not.
pub fn can_prove(is_row: bool, major: u32) -> Result<(), &'static str> {
    if is_row && major < NAMED_FROM { Err(NO_PROOF) } else { Ok(()) }
}

/// Guard, validate, seal, tidy; on 18 only guard and validate. What was `written` keeps its name.
///
/// # Errors
/// A clause for people that says why there are none.
pub fn steps(
    table: &RelationFacts,
    column: &str,
    written: Option<&NotNull>,
    by: (u32, &mut Names<'_>),
) -> Result<Vec<Step>, &'static str> {
    let (major, names) = by;
    can_prove(table.column(column).is_some_and(|found| found.is_row), major)?;
    if major >= NAMED_FROM {
        let name = name_of(table, column, written, names);
        return Ok(named(table, column, &name, tail(written)));
    }
    let name = names.constraint(table, column, "nn");
    Ok(proven(table, column, &name))
}

/// The helper is ours: what the client did wrong is to leave nulls in the column. `code` is what the server says.
#[must_use]
pub(super) fn has_nulls(table: &RelationFacts, column: &str, code: &str) -> Reworded {
    Reworded {
        code: code.to_owned(),
        as_code: "23502".to_owned(),
        message: format!("column \"{column}\" of relation \"{}\" contains null values", table.name),
        column: column.to_owned(),
    }
}

/// Up to 17: proven by a CHECK of this name, which goes away again.
#[must_use]
pub fn proven(table: &RelationFacts, column: &str, name: &str) -> Vec<Step> {
    let quoted = (quote::table(table), quote::identifier(column), quote::identifier(name));
    let (relation, target, helper) = (&quoted.0, &quoted.1, &quoted.2);
    let drop = format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {helper}");
    let sealed = quote::column_probe(table, column, None, "a.attnotnull");
    let unless_sealed = |probe: String| format!("SELECT ({probe}) OR ({sealed})");
    vec![
        Step::brief(
            "guard",
            format!("ALTER TABLE {relation} ADD CONSTRAINT {helper} CHECK ({target} IS NOT NULL) NOT VALID"),
            LockMode::AccessExclusive,
        )
        .probed(unless_sealed(quote::constraint_probe(table, name, 'c', "")))
        .undone_by(drop.clone()),
        Step {
            reworded: Some(has_nulls(table, column, "23514")),
            ..Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {helper}"))
        }
        .probed(unless_sealed(quote::constraint_probe(table, name, 'c', "c.convalidated"))),
        Step::brief(
            "seal",
            format!("ALTER TABLE {relation} ALTER COLUMN {target} SET NOT NULL"),
            LockMode::AccessExclusive,
        )
        .probed(sealed.clone())
        .undone_by(format!("ALTER TABLE {relation} ALTER COLUMN {target} DROP NOT NULL")),
        Step::brief("tidy", drop, LockMode::AccessExclusive).probed(quote::no_constraint_probe(table, name)),
    ]
}

/// The name as written, or as the server would choose it (18).
pub(super) fn name_of(table: &RelationFacts, column: &str, written: Option<&NotNull>, names: &mut Names<'_>) -> String {
    let name = written.and_then(|written| written.name.clone());
    name.unwrap_or_else(|| names.not_null(table, column))
}

/// What follows NOT NULL and its column.
pub(super) fn tail(written: Option<&NotNull>) -> &'static str {
    if written.is_some_and(|written| written.no_inherit) { " NO INHERIT" } else { "" }
}

fn named(table: &RelationFacts, column: &str, name: &str, tail: &str) -> Vec<Step> {
    let relation = quote::table(table);
    let constraint = quote::identifier(name);
    vec![
        Step::brief(
            "guard",
            format!(
                "ALTER TABLE {relation} ADD CONSTRAINT {constraint} NOT NULL {}{tail} NOT VALID",
                quote::identifier(column)
            ),
            LockMode::AccessExclusive,
        )
        .probed(quote::constraint_probe(table, name, 'n', ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {constraint}")),
        Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {constraint}"))
            .probed(quote::constraint_probe(table, name, 'n', "c.convalidated")),
    ]
}
