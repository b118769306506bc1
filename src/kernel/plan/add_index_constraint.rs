//! UNIQUE and PRIMARY KEY: the index is built concurrently under the constraint's final name and then
//! becomes the constraint.

use super::names::{Names, included, index_middle};
use super::{Plan, Step, create_index, quote, set_not_null};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{ConstraintKind, LockMode, TableConstraint};

/// The safe form of adding a UNIQUE or PRIMARY KEY; nothing for other kinds.
#[must_use]
pub fn plan(table: &RelationFacts, constraint: &TableConstraint, major: u32, names: &mut Names<'_>) -> Option<Plan> {
    let recipe = match &constraint.kind {
        ConstraintKind::Unique { .. } => "add-unique",
        ConstraintKind::PrimaryKey { .. } => "add-primary-key",
        ConstraintKind::Check { .. }
        | ConstraintKind::ForeignKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return None,
    };
    let (name, steps) = steps(table, constraint, major, names)?;
    Some(Plan {
        recipe: recipe.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "The index of constraint {name} is built concurrently and then becomes the constraint, because \
             otherwise nobody may use the table while it is built."
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
    })
}

/// The constraint's final name and the steps: NOT NULL where a primary key needs it, build, attach.
#[must_use]
pub fn steps(
    table: &RelationFacts,
    constraint: &TableConstraint,
    major: u32,
    names: &mut Names<'_>,
) -> Option<(String, Vec<Step>)> {
    let (index_sql, tail_sql, primary) = match &constraint.kind {
        ConstraintKind::Unique { index_sql, tail_sql } => (index_sql, tail_sql, false),
        ConstraintKind::PrimaryKey { index_sql, tail_sql } => (index_sql, tail_sql, true),
        ConstraintKind::Check { .. }
        | ConstraintKind::ForeignKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return None,
    };
    let mut steps = Vec::new();
    if primary {
        for column in &constraint.columns {
            // A column that this statement adds is not in the catalog; its own recipe makes it NOT NULL.
            if table.column(column).is_some_and(|c| !c.not_null) {
                steps.extend(set_not_null::steps(table, column, None, (major, names)));
            }
        }
    }
    let name = match &constraint.name {
        Some(name) => name.clone(),
        None if primary => names.index_constraint(table, "", "pkey"),
        None => {
            let included = included(index_sql);
            let middle = index_middle(constraint.columns.iter().chain(&included).map(String::as_str));
            names.index_constraint(table, &middle, "key")
        }
    };
    steps.push(create_index::build(table, &name, true, index_sql));
    steps.push(attach(table, &name, primary, tail_sql));
    Some((name, steps))
}

fn attach(table: &RelationFacts, name: &str, primary: bool, tail_sql: &str) -> Step {
    let relation = quote::table(table);
    let quoted = quote::identifier(name);
    let (words, kind) = if primary { ("PRIMARY KEY", 'p') } else { ("UNIQUE", 'u') };
    let sql = format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {words} USING INDEX {quoted} {tail_sql}");
    Step::brief("attach", sql.trim_end().to_owned(), LockMode::AccessExclusive)
        .probed(quote::constraint_probe(table, name, kind, ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}"))
}
