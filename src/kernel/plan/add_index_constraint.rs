//! UNIQUE and PRIMARY KEY: the index is built concurrently under the constraint's final name and then
//! becomes the constraint.

use super::names::{Names, included, index_middle};
use super::partitioned_index::{self, Asked, Constraint, Made};
use super::tree::Tree;
use super::{Plan, Step, create_index, quote, set_not_null};
use crate::kernel::facts::{ConstraintFacts, Facts, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{ConstraintKind, LockMode, TableConstraint};

/// The safe form of adding a UNIQUE or PRIMARY KEY.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(
    table: &RelationFacts,
    constraint: &TableConstraint,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<Plan, String> {
    let recipe = match &constraint.kind {
        ConstraintKind::Unique { .. } => "add-unique",
        ConstraintKind::PrimaryKey { .. } => "add-primary-key",
        ConstraintKind::Check { .. }
        | ConstraintKind::ForeignKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return Err("it has no index".to_owned()),
    };
    let (name, Made { steps, taken_in }) = steps(table, constraint, facts, names)?;
    Ok(Plan {
        recipe: recipe.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "The index of constraint {name} is built concurrently and then becomes the constraint, because \
             otherwise nobody may use the table while it is built.{}",
            kept_not_null(table, constraint, facts)
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: partitioned_index::lost(&taken_in),
        verify: Vec::new(),
    })
}

/// PRIMARY KEY USING INDEX on a partition makes its inherited NOT NULLs its own besides, and nothing but attaching it
/// again makes them inherited only.
fn kept_not_null(table: &RelationFacts, constraint: &TableConstraint, facts: &Facts) -> &'static str {
    let is_primary = matches!(constraint.kind, ConstraintKind::PrimaryKey { .. });
    let is_of_it = |column: &String| constraint.columns.contains(column);
    let from_parent = |own: &ConstraintFacts| own.kind == 'n' && own.inherited && own.columns.iter().all(is_of_it);
    if !is_primary || facts.major() < set_not_null::NAMED_FROM {
        ""
    } else if table.constraints.iter().any(from_parent) {
        " Its columns that are NOT NULL by its parent are then so by themselves too: where the parent's NOT NULL is dropped \
         some day, that is to be dropped here as well."
    } else if table.kind == RelationKind::PartitionedTable {
        " Its columns are then NOT NULL in each partition by itself too: where the key is dropped some day, and NOT NULL \
         with it, that is to be dropped of the partitions as well."
    } else {
        ""
    }
}

/// The constraint's final name and the steps: NOT NULL where a primary key needs it, build, attach.
///
/// # Errors
/// A clause for people that says why there are none.
pub fn steps(
    table: &RelationFacts,
    constraint: &TableConstraint,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<(String, Made), String> {
    let (index_sql, tail_sql, primary) = match &constraint.kind {
        ConstraintKind::Unique { index_sql, tail_sql } => (index_sql, tail_sql, false),
        ConstraintKind::PrimaryKey { index_sql, tail_sql } => (index_sql, tail_sql, true),
        ConstraintKind::Check { .. }
        | ConstraintKind::ForeignKey { .. }
        | ConstraintKind::Exclude
        | ConstraintKind::NotNull => return Err("it has no index".to_owned()),
    };
    let mut steps = Vec::new();
    if primary {
        for column in &constraint.columns {
            // A column that this statement adds is not in the catalog; its own recipe makes it NOT NULL.
            if table.column(column).is_some_and(|c| !c.not_null) {
                steps.extend(set_not_null::steps(table, column, None, (facts.major(), names))?);
            }
        }
    }
    let name = name_of(table, constraint, (index_sql, primary), names);
    if table.kind == RelationKind::PartitionedTable {
        let tree = Tree::of(table, facts)?;
        let included = included(index_sql);
        let middle = index_middle(constraint.columns.iter().chain(&included).map(String::as_str));
        let asked = Asked {
            name: &name,
            unique: true,
            body_sql: index_sql,
            middle: if primary { "" } else { &middle },
            label: if primary { "pkey" } else { "key" },
            constraint: Some(Constraint { primary, definition_sql: &constraint.definition_sql, tail_sql }),
        };
        let made = partitioned_index::steps(&tree, &asked, names)?;
        steps.extend(made.steps);
        return Ok((name, Made { steps, taken_in: made.taken_in }));
    }
    steps.push(create_index::build(table, &name, true, index_sql));
    steps.push(attach(table, &name, primary, tail_sql));
    Ok((name, Made { steps, taken_in: Vec::new() }))
}

/// The name as written, or as PostgreSQL would choose it. `of` is the index's text, and whether it is the primary key's.
pub fn name_of(table: &RelationFacts, constraint: &TableConstraint, of: (&str, bool), names: &mut Names<'_>) -> String {
    if let Some(name) = &constraint.name {
        return name.clone();
    }
    let (index_sql, primary) = of;
    names.once((table, constraint.at, &constraint.definition_sql), |names| {
        if primary {
            return names.index_constraint(table, "", "pkey");
        }
        let included = included(index_sql);
        let middle = index_middle(constraint.columns.iter().chain(&included).map(String::as_str));
        names.index_constraint(table, &middle, "key")
    })
}

/// A PRIMARY KEY made of an index that is there.
#[derive(Debug)]
pub struct Used<'a> {
    /// The constraint's name, which the index gets too.
    pub name: &'a str,
    pub index: &'a str,
    /// The subcommand as it stands after the table's name.
    pub action: &'a str,
    /// Columns that may be null.
    pub open: &'a [&'a str],
}

/// The safe form of PRIMARY KEY USING INDEX: its columns are proven to hold no nulls first.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn using(table: &RelationFacts, of: &Used<'_>, by: (u32, &mut Names<'_>)) -> Result<Plan, &'static str> {
    let (major, names) = by;
    let mut steps = Vec::new();
    for column in of.open {
        steps.extend(set_not_null::steps(table, column, None, (major, &mut *names))?);
    }
    let relation = quote::table(table);
    let attach = Step::brief("attach", format!("ALTER TABLE {relation} {}", of.action), LockMode::AccessExclusive)
        .probed(quote::constraint_probe(table, of.name, 'p', ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {}", quote::identifier(of.name)));
    // Its NOTICE tells that the index is renamed.
    steps.push(Step { heard: true, ..attach });
    Ok(Plan {
        recipe: "add-primary-key".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "{} of {}.{} are proven to hold no nulls while readers and writers go on, and only then index {} becomes the \
             primary key, because otherwise all rows are read while nobody may use the table.",
            of.open.join(", "),
            table.schema,
            table.name,
            of.index
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: Some(format!("index {}, which goes with the constraint", of.index)),
        verify: Vec::new(),
    })
}

/// Makes an index into the constraint of its name.
#[must_use]
pub fn attach(table: &RelationFacts, name: &str, primary: bool, tail_sql: &str) -> Step {
    let relation = quote::table(table);
    let quoted = quote::identifier(name);
    let (words, kind) = if primary { ("PRIMARY KEY", 'p') } else { ("UNIQUE", 'u') };
    let sql = format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {words} USING INDEX {quoted} {tail_sql}");
    Step::brief("attach", sql.trim_end().to_owned(), LockMode::AccessExclusive)
        .probed(quote::constraint_probe(table, name, kind, ""))
        .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}"))
}
