//! CREATE TABLE … PARTITION OF as a table like its parent that is then attached: the parent is locked weakly, and
//! the default partition is proven not to hold the new one's rows before it is locked.

use super::names::Names;
use super::{Plan, Step, attach_partition, quote};
use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::sql::statement::{LockMode, PartitionBound, RelationName};

/// The recipe's name.
pub const RECIPE: &str = "create-partition";

/// The safe form.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(
    parent: &RelationFacts,
    new: &RelationName,
    bound: &PartitionBound,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<Plan, String> {
    if parent.partitioned.as_ref().is_none_or(|how| how.own_storage) {
        return Err("its partitions take over a tablespace or access method".to_owned());
    }
    let table = match &new.schema {
        Some(schema) => quote::qualified(schema, &new.name),
        None => quote::identifier(&new.name),
    };
    let above = quote::table(parent);
    let attached = attach_partition::attached_probe(&above, &table);
    // Identities are inherited by attaching, where they are.
    let mut last = vec![
        format!(
            "CREATE TABLE {table} (LIKE {above} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING \
             COMPRESSION INCLUDING CONSTRAINTS)"
        ),
        format!("ALTER TABLE {above} ATTACH PARTITION {table} {}", bound.sql()),
    ];
    let mut steps = Vec::new();
    let default = attach_partition::default_of(parent, facts)?.filter(|_| *bound != PartitionBound::Default);
    if let Some(default) = default {
        let (helper, more) = attach_partition::default_proved(parent, default, bound, &attached, names)?;
        steps.extend(more);
        last.push(attach_partition::drop(default, &helper));
    }
    let lock = if default.is_some() { LockMode::AccessExclusive } else { LockMode::ShareUpdateExclusive };
    let create =
        Step::together("create", last, lock).probed(attached).undone_by(format!("DROP TABLE IF EXISTS {table}"));
    steps.push(Step { on: default.map(RelationFacts::qualified), ..create });
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: "CREATE TABLE".to_owned(),
        summary: format!(
            "{} is made like {}.{} and then attached to it, because CREATE TABLE … PARTITION OF waits for every query \
             on the parent and makes all later ones wait behind it.",
            new.name, parent.schema, parent.name
        ),
        relation: Some(parent.qualified()),
        steps,
        undo_loses: Some(format!("every row of {}", new.name)),
        verify: Vec::new(),
    })
}
