//! A foreign key of a partitioned table up to version 17, where it cannot be NOT VALID: each partition gets and
//! validates its own, and the parent's then adopts them without looking anything up.

use super::names::Names;
use super::tree::Tree;
use super::{Plan, Step, add_constraint, attach_partition, quote};
use crate::kernel::facts::{ConstraintFacts, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{ConstraintKind, LockMode, TableConstraint};

/// The version from which the parent's own can be NOT VALID.
pub const NOT_VALID_FROM: u32 = 18;

/// Whether each partition has it already, validated: then the parent's adopts them and looks nothing up.
#[must_use]
pub fn adopts(tree: &Tree<'_>, constraint: &TableConstraint) -> bool {
    let same = |there: &ConstraintFacts| {
        let written = attach_partition::added(&there.definition);
        there.validated && written.is_some_and(|written| written.definition_sql == constraint.definition_sql)
    };
    let mut leaves = tree.nodes.iter().filter(|node| node.facts.kind != RelationKind::PartitionedTable);
    leaves.all(|node| node.facts.constraints.iter().any(|there| there.kind == 'f' && !there.inherited && same(there)))
}

/// The safe form.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(tree: &Tree<'_>, constraint: &TableConstraint, names: &mut Names<'_>) -> Result<Plan, String> {
    let root = tree.root;
    let name = add_constraint::name_of(root, constraint, names).ok_or("it is no foreign key")?;
    let steps = steps(tree, constraint, &name, names)?;
    Ok(Plan {
        recipe: "add-foreign-key".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "Each partition of {}.{} gets constraint {name} NOT VALID and validates it under a lock that lets readers \
             and writers go on; the parent then adopts them. Otherwise every row is looked up while nobody may \
             write to any of the tables.",
            root.schema, root.name
        ),
        relation: Some(root.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// The steps under the parent's final name.
///
/// # Errors
/// A clause for people that says why there are none.
pub fn steps(
    tree: &Tree<'_>,
    constraint: &TableConstraint,
    name: &str,
    names: &mut Names<'_>,
) -> Result<Vec<Step>, String> {
    let ConstraintKind::ForeignKey { .. } = constraint.kind else { return Err("it is no foreign key".to_owned()) };
    if tree.has_foreign() {
        return Err("a partition is a foreign table".to_owned());
    }
    let mut steps = Vec::new();
    for node in &tree.nodes {
        let table = node.facts;
        // As the server names those it makes itself.
        let own = if table.constraint(name).is_some_and(|there| there.kind != 'f') {
            names.constraint(table, &constraint.columns.join("_"), "fkey")
        } else {
            name.to_owned()
        };
        let other = |there: &&ConstraintFacts| {
            there.kind == 'f' && there.columns == constraint.columns && !there.inherited && there.name != own
        };
        if let Some(other) = table.constraints.iter().find(other) {
            return Err(format!("partition {} has foreign key {} of these columns", table.name, other.name));
        }
        if table.kind == RelationKind::Table {
            steps.extend(leaf(table, &own, constraint));
        }
    }
    let (relation, quoted) = (quote::table(tree.root), quote::identifier(name));
    steps.push(
        Step::brief(
            "adopt",
            format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {}", constraint.definition_sql),
            LockMode::ShareRowExclusive,
        )
        .probed(quote::constraint_probe(tree.root, name, 'f', ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}"))
        .locking(add_constraint::other_table(tree.root, constraint)),
    );
    Ok(steps)
}

fn leaf(table: &RelationFacts, name: &str, constraint: &TableConstraint) -> [Step; 2] {
    let (relation, quoted) = (quote::table(table), quote::identifier(name));
    let definition = &constraint.definition_sql;
    [
        Step::brief(
            "expand",
            format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {definition} NOT VALID"),
            LockMode::ShareRowExclusive,
        )
        .probed(quote::constraint_probe(table, name, 'f', ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}"))
        .locking(add_constraint::other_table(table, constraint)),
        Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {quoted}"))
            .probed(quote::constraint_probe(table, name, 'f', "c.convalidated")),
    ]
    .map(|step| Step { on: Some(table.qualified()), ..step })
}
