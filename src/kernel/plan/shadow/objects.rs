//! Indexes and constraints for the new column, made beside the old one's under names of their own.

use super::Shadow;
use super::text::{foreign_key_tail, index_body};
use crate::kernel::facts::{ColumnUse, ConstraintUse, IndexUse, StatisticsUse};
use crate::kernel::plan::{Step, create_index, helper, quote, set_not_null};
use crate::kernel::sql::statement::{LockMode, RelationName};

/// Helpers of a plan like this are no part of what must be there in the end.
pub(super) fn is_helper(name: &str) -> bool {
    name.starts_with("lockkeeper_")
}

/// All that must be there before the cut-over.
pub(super) fn steps(shadow: &Shadow<'_>) -> Result<Vec<Step>, String> {
    if let Some(why) = StatisticsUse::kept_from_us(&shadow.hangs.statistics_objects) {
        return Err(why);
    }
    let mut steps = Vec::new();
    for index in indexes(shadow) {
        steps.push(build(shadow, index)?);
    }
    for constraint in constraints(shadow) {
        match constraint.kind {
            'c' | 'n' => steps.extend(check(shadow, constraint)?),
            'f' => steps.extend(foreign_key(shadow, constraint)?),
            'p' | 'u' if !constraint.definition.contains("WITHOUT OVERLAPS") => {}
            _ => return Err(format!("constraint {} cannot be made without blocking writers", constraint.name)),
        }
    }
    Ok(steps)
}

/// The indexes that hang on the column.
pub(super) fn indexes<'a>(shadow: &'a Shadow<'_>) -> impl Iterator<Item = &'a IndexUse> {
    shadow.hangs.indexes.iter().filter(|index| !is_helper(&index.name))
}

/// The constraints that hang on the column.
pub(super) fn constraints<'a>(shadow: &'a Shadow<'_>) -> impl Iterator<Item = &'a ConstraintUse> {
    shadow.hangs.constraints.iter().filter(|constraint| !is_helper(&constraint.name))
}

/// Both tables of a foreign key.
pub(super) fn tables_of(key: &ConstraintUse) -> impl Iterator<Item = RelationName> {
    std::iter::once(key.belongs_to()).chain(key.refers_to())
}

/// Name of an index until the cut-over.
pub(super) fn aside(index: &str) -> String {
    helper("idx", index)
}

/// Name of a constraint until the cut-over.
pub(super) fn constraint_aside(constraint: &ConstraintUse) -> String {
    helper("con", &constraint.name)
}

/// Names until the cut-over, and those afterwards.
pub(super) fn stands_for(shadow: &Shadow<'_>) -> Vec<(String, String)> {
    let column = (shadow.name.clone(), shadow.change.column.to_owned());
    let indexes = indexes(shadow).map(|index| (aside(&index.name), index.name.clone()));
    let constraints = constraints(shadow).map(|constraint| (constraint_aside(constraint), constraint.name.clone()));
    std::iter::once(column).chain(indexes).chain(constraints).collect()
}

fn unclear(what: &str) -> String {
    format!("where {what} names the column cannot be told for certain")
}

fn build(shadow: &Shadow<'_>, index: &IndexUse) -> Result<Step, String> {
    if !index.valid {
        return Err(format!("index {} is not valid: drop it or build it anew first", index.name));
    }
    let is_asked = |owner: &ConstraintUse| index.constraint.as_ref() == Some(&owner.name) && shadow.asked.has(owner);
    let body = index_body(&index.definition, index.tablespace.as_deref());
    let body = if constraints(shadow).any(is_asked) {
        body
    } else {
        let hangs_on = |other: &ColumnUse| other.index(&index.name).is_some();
        body.and_then(|body| shadow.renamed(&body, hangs_on))
    };
    let body = body.ok_or_else(|| unclear(&format!("index {}", index.name)))?;
    Ok(create_index::build(shadow.table, &aside(&index.name), index.unique, &body))
}

/// NOT VALID, and validated where the old one is.
fn added(relation: &str, constraint: &ConstraintUse, definition: &str, by: (LockMode, String)) -> Vec<Step> {
    let (lock, oid) = by;
    let name = constraint_aside(constraint);
    let quoted = quote::identifier(&name);
    let is_marked = definition.ends_with(" NOT VALID") || definition.ends_with(" NOT ENFORCED");
    let marked = if is_marked { definition.to_owned() } else { format!("{definition} NOT VALID") };
    let probe = |more: &str| quote::constraint_probe_of(&oid, &name, constraint.kind, more);
    let mut steps = vec![
        Step::brief("constraint", format!("ALTER TABLE {relation} ADD CONSTRAINT {quoted} {marked}"), lock)
            .probed(probe(""))
            .undone_by(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {quoted}")),
    ];
    if constraint.validated && !is_marked {
        steps.push(
            Step::scan("validate", format!("ALTER TABLE {relation} VALIDATE CONSTRAINT {quoted}"))
                .probed(probe("c.convalidated")),
        );
    }
    steps
}

fn check(shadow: &Shadow<'_>, constraint: &ConstraintUse) -> Result<Vec<Step>, String> {
    let definition = if shadow.asked.has(constraint) {
        Some(constraint.definition.clone())
    } else {
        shadow.renamed(&constraint.definition, |other| other.constraint(constraint).is_some())
    };
    let definition = definition.ok_or_else(|| unclear(&format!("constraint {}", constraint.name)))?;
    let oid = quote::oid(shadow.table);
    let mut steps = added(&shadow.relation(), constraint, &definition, (LockMode::AccessExclusive, oid));
    for step in steps.iter_mut().filter(|_| constraint.kind == 'n') {
        step.reworded = Some(set_not_null::has_nulls(shadow.table, shadow.change.column, "23502"));
    }
    Ok(steps)
}

fn foreign_key(shadow: &Shadow<'_>, constraint: &ConstraintUse) -> Result<Vec<Step>, String> {
    let table = quote::qualified(&constraint.schema, &constraint.table);
    let oid = format!("pg_catalog.to_regclass({})", quote::literal(&table));
    if shadow.asked.has(constraint) {
        return Ok(added(&table, constraint, &constraint.definition, (LockMode::ShareRowExclusive, oid)));
    }
    let has = |names: &[String]| names.contains(&shadow.change.column.to_owned());
    if !(constraint.local && has(&constraint.columns) || constraint.remote && has(&constraint.referenced)) {
        return Err(format!("foreign key {} refers to an index that has it besides its key", constraint.name));
    }
    if !constraint.plain {
        return Err(format!("foreign key {} belongs to a table with partitions or children", constraint.name));
    }
    if !constraint.may_alter {
        return Err(format!("foreign key {} belongs to {table}, which is somebody else's", constraint.name));
    }
    let columns: Vec<(&str, &String)> = shadow.others.iter().map(|other| (other.column, &other.name)).collect();
    let columns = [columns, vec![(shadow.change.column, &shadow.name)]].concat();
    let swapped = |names: &[String], swap: bool| {
        let new = |name: &String| columns.iter().find(|(old, _)| swap && *old == name).map(|(_, new)| *new);
        let names = names.iter().map(|name| quote::identifier(new(name).unwrap_or(name)));
        names.collect::<Vec<String>>().join(", ")
    };
    let told = || unclear(&format!("foreign key {}", constraint.name));
    let tail = foreign_key_tail(&constraint.definition).ok_or_else(told)?;
    // SET NULL (column) names columns of this side.
    let tail = match tail.contains('(') && constraint.local {
        true => shadow.renamed(tail, |other| other.constraint(constraint).is_some()).ok_or_else(told)?,
        false => tail.to_owned(),
    };
    if constraint.definition.contains(" PERIOD ") {
        return Err(told());
    }
    let (Some(schema), Some(referenced)) = (&constraint.referenced_schema, &constraint.referenced_table) else {
        return Err(told());
    };
    let references = quote::qualified(schema, referenced);
    let definition = format!(
        "FOREIGN KEY ({}) REFERENCES {references} ({}) {tail}",
        swapped(&constraint.columns, constraint.local),
        swapped(&constraint.referenced, constraint.remote)
    );
    let mut steps = added(&table, constraint, definition.trim_end(), (LockMode::ShareRowExclusive, oid));
    if let Some(first) = steps.first_mut() {
        let own = shadow.table.qualified();
        first.also = tables_of(constraint).filter(|table| *table != own).collect();
    }
    Ok(steps)
}
