//! One primary key in place of another, in one statement: the new one's index is built concurrently first, and both
//! change places in one brief statement.

use super::names::{Names, object_name};
use super::shadow::index_body;
use super::{Plan, Step, create_index, drop_index, helper, quote, set_not_null};
use crate::kernel::facts::{Facts, IndexFacts, Kin, KinHow, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{AlterAction, AlterKind, AlterTable, ConstraintKind, LockMode, TableConstraint};

/// The recipe's name.
pub const RECIPE: &str = "swap-primary-key";

/// The constraint that goes and the primary key that comes, if that is all of the statement.
#[must_use]
pub fn of(alter: &AlterTable) -> Option<(&str, &TableConstraint)> {
    let [first, second] = alter.actions.as_slice() else { return None };
    let is_drop = |action: &AlterAction| matches!(action.kind, AlterKind::DropConstraint { .. });
    let (drop, add) = if is_drop(first) { (first, second) } else { (second, first) };
    match (&drop.kind, &add.kind) {
        (AlterKind::DropConstraint { name, cascade: false, .. }, AlterKind::AddConstraint(constraint))
            if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }) =>
        {
            Some((name, constraint))
        }
        _ => None,
    }
}

/// The plan, or why there is none.
///
/// # Errors
/// A clause for people that says why it cannot be done so.
pub fn plan(table: &RelationFacts, alter: &AlterTable, facts: &Facts) -> Result<Plan, String> {
    // Asked for by both halves, which are all of the statement: both get the same names.
    let names = &mut Names::new(facts);
    let (dropped, constraint) = of(alter).ok_or("it does more than that")?;
    let ConstraintKind::PrimaryKey { index_sql, tail_sql } = &constraint.kind else {
        return Err("it is no primary key".to_owned());
    };
    let owned = |index: &&IndexFacts| index.primary && index.valid && index.constraint.as_deref() == Some(dropped);
    let old = table.indexes.iter().find(owned).ok_or("what it drops is not the primary key")?;
    let old_facts = table.constraint(dropped).ok_or("what it drops is not the primary key")?;
    if table.kind != RelationKind::Table || table.has_children || table.is_partition {
        return Err("the table has partitions or children, or is one".to_owned());
    }
    let keys: Vec<String> = table.kin_by(KinHow::ReferencedBy).filter(|kin| is_key(kin, old)).map(named).collect();
    if !keys.is_empty() {
        return Err(format!(
            "foreign keys reference the old key and must be dropped first: {}; they can be made again of a UNIQUE \
             constraint of its columns, or of the new key",
            keys.join(", ")
        ));
    }
    if old_facts.definition.contains("WITHOUT OVERLAPS") {
        return Err(
            "the index of WITHOUT OVERLAPS, which it would take to go back, is not built concurrently".to_owned()
        );
    }
    if old.columns == constraint.columns {
        return Err("the new key has the columns of the old one".to_owned());
    }
    let taken = |name: &String| table.constraint(name).is_some() || table.index(name).is_some();
    if constraint.name.as_ref().is_some_and(|name| name != dropped && taken(name)) {
        return Err("the new key's name is taken".to_owned());
    }
    let name = match &constraint.name {
        Some(name) => name.clone(),
        None if object_name(&table.name, "", "pkey") == dropped => dropped.to_owned(),
        None => names.index_constraint(table, "", "pkey"),
    };
    let built = helper("idx", &name);
    let is_swapped = probe(table, &name, &constraint.columns);
    let mut steps = Vec::new();
    for column in constraint.columns.iter().filter(|column| table.column(column).is_some_and(|c| !c.not_null)) {
        steps.extend(set_not_null::steps(table, column, None, (facts.major(), &mut *names))?);
    }
    steps.push(Step { past: Some(is_swapped.clone()), ..create_index::build(table, &built, true, index_sql) });
    let relation = quote::table(table);
    let [gone, come, made] = [dropped, &name, &built].map(quote::identifier);
    let swap = format!(
        "ALTER TABLE {relation} DROP CONSTRAINT {gone}, ADD CONSTRAINT {come} PRIMARY KEY USING INDEX {made} {tail_sql}"
    );
    let step = Step::brief("swap", swap.trim_end().to_owned(), LockMode::AccessExclusive).probed(is_swapped);
    steps.push(back(table, old, (dropped, &name), step)?);
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "The index of the new primary key of {relation} is built concurrently; then it takes the place of {dropped} in \
             one brief statement, because otherwise nobody may use the table while it is built."
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// Whether the foreign key is made of this one; one whose columns were not looked up may be.
fn is_key(kin: &Kin, of: &IndexFacts) -> bool {
    let sorted = |columns: &[String]| {
        let mut columns = columns.to_vec();
        columns.sort();
        columns
    };
    kin.columns.is_empty() || sorted(&kin.columns) == sorted(&of.columns)
}

fn named(kin: &Kin) -> String {
    format!("{} of {}", kin.constraint.as_deref().unwrap_or_default(), kin.relation.written())
}

/// The swap with its way back: the old key's index is built again, and both change places once more.
fn back(table: &RelationFacts, old: &IndexFacts, names: (&str, &str), step: Step) -> Result<Step, String> {
    let (dropped, name) = names;
    let relation = quote::table(table);
    let facts = table.constraint(dropped).ok_or("what it drops is not the primary key")?;
    let again = helper("old", dropped);
    let body = index_body(&old.definition, old.marks.tablespace.as_deref());
    let body = body.ok_or("the old key's index could not be looked up")?;
    let tail = facts.definition.rsplit(')').next().unwrap_or_default();
    let [gone, come, made] = [dropped, name, &again].map(quote::identifier);
    let mut step =
        step.undone_by(format!("CREATE UNIQUE INDEX CONCURRENTLY {made} ON {relation} {body}")).undone_by(format!(
            "ALTER TABLE {relation} DROP CONSTRAINT {come}, ADD CONSTRAINT {gone} PRIMARY KEY USING INDEX {made}{tail}"
        ));
    if let Some(text) = &facts.comment {
        step = step.undone_by(format!("COMMENT ON CONSTRAINT {gone} ON {relation} IS {}", quote::literal(text)));
    }
    let index = quote::qualified(&table.schema, dropped);
    let marks = drop_index::put_back(&old.marks, &index, (Some(relation.clone()), dropped));
    Ok(marks.into_iter().fold(step, Step::undone_by))
}

/// The primary key of this name is over these columns.
fn probe(table: &RelationFacts, name: &str, columns: &[String]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| quote::literal(column)).collect();
    quote::constraint_probe(
        table,
        name,
        'p',
        &format!(
            "(SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.place) FROM pg_catalog.unnest(c.conkey) WITH \
             ORDINALITY AS k(attnum, place) JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.conrelid \
             AND a.attnum OPERATOR(pg_catalog.=) k.attnum) OPERATOR(pg_catalog.=) ARRAY[{}]::pg_catalog.text[]",
            columns.join(", ")
        ),
    )
}
