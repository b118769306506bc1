//! CHECK and FOREIGN KEY as NOT VALID and then VALIDATE CONSTRAINT.

use super::names::{Names, joined};
use super::{Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{AlterAction, AlterKind, ConstraintKind, LockMode, RelationName, TableConstraint};

/// The safe form of adding a CHECK or a FOREIGN KEY; nothing for other kinds.
#[must_use]
pub fn plan(table: &RelationFacts, constraint: &TableConstraint, names: &mut Names<'_>) -> Option<Plan> {
    let (recipe, what) = match &constraint.kind {
        ConstraintKind::Check { .. } => ("add-check", "every row is read while nobody else may use the table"),
        ConstraintKind::ForeignKey { .. } => {
            ("add-foreign-key", "every row is looked up while nobody may write to either table")
        }
        ConstraintKind::Unique { .. }
        | ConstraintKind::PrimaryKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return None,
    };
    let (name, steps) = steps(table, constraint, names)?;
    Some(Plan {
        recipe: recipe.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "Constraint {name} is added NOT VALID and validated in a second step under a lock that lets readers \
             and writers go on, because otherwise {what}."
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// The constraint's final name and the two steps.
#[must_use]
pub fn steps(
    table: &RelationFacts,
    constraint: &TableConstraint,
    names: &mut Names<'_>,
) -> Option<(String, Vec<Step>)> {
    let (kind, lock) = match &constraint.kind {
        ConstraintKind::Check { .. } => ('c', LockMode::AccessExclusive),
        ConstraintKind::ForeignKey { .. } => ('f', LockMode::ShareRowExclusive),
        ConstraintKind::Unique { .. }
        | ConstraintKind::PrimaryKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return None,
    };
    let name = name_of(table, constraint, names)?;
    let relation = quote::table(table);
    let quoted = quote::identifier(&name);
    let steps = vec![
        Step::brief(
            "expand",
            format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {} NOT VALID", constraint.definition_sql),
            lock,
        )
        .probed(quote::constraint_probe(table, &name, kind, ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}"))
        .locking(other_table(table, constraint)),
        Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {quoted}"))
            .probed(quote::constraint_probe(table, &name, kind, "c.convalidated")),
    ];
    Some((name, steps))
}

/// What a foreign key references, which is locked with its table.
pub(super) fn other_table(table: &RelationFacts, constraint: &TableConstraint) -> Option<RelationName> {
    let ConstraintKind::ForeignKey { references } = &constraint.kind else { return None };
    let own = table.qualified();
    let is_own = references.name == own.name && (references.schema.is_none() || references.schema == own.schema);
    (!is_own).then(|| references.clone())
}

/// The subcommand with the name that PostgreSQL would choose, where none is written.
#[must_use]
pub fn named(table: &RelationFacts, action: &AlterAction, names: &mut Names<'_>) -> Option<AlterAction> {
    let AlterKind::AddConstraint(constraint) = &action.kind else { return None };
    let definition = action.sql.strip_prefix("ADD ").filter(|_| constraint.name.is_none())?;
    let name = name_of(table, constraint, names)?;
    Some(AlterAction {
        sql: format!("ADD CONSTRAINT {} {definition}", quote::identifier(&name)),
        kind: AlterKind::AddConstraint(TableConstraint { name: Some(name), ..constraint.clone() }),
        ..action.clone()
    })
}

/// The name as written, or as PostgreSQL would choose it.
#[must_use]
pub fn name_of(table: &RelationFacts, constraint: &TableConstraint, names: &mut Names<'_>) -> Option<String> {
    if let Some(name) = &constraint.name {
        return Some(name.clone());
    }
    let middle = match &constraint.kind {
        // With several columns, or none, the server leaves them out.
        ConstraintKind::Check { .. } => match constraint.columns.as_slice() {
            // The table's own name is the whole row.
            [only] if *only != table.name || table.column(only).is_some() => only.clone(),
            _ => String::new(),
        },
        ConstraintKind::ForeignKey { .. } => joined(constraint.columns.iter().map(String::as_str)),
        ConstraintKind::Unique { .. }
        | ConstraintKind::PrimaryKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return None,
    };
    let label = if matches!(constraint.kind, ConstraintKind::Check { .. }) { "check" } else { "fkey" };
    let of = (table, constraint.at, constraint.definition_sql.as_str());
    Some(names.once(of, |names| names.constraint(table, &middle, label)))
}
