//! CREATE INDEX as CREATE INDEX CONCURRENTLY: left-over away, build, verify.

use super::names::{Names, index_middle};
use super::partitioned_index::{self, Asked, Made};
use super::tree::Tree;
use super::{Action, Plan, Step, quote};
use crate::kernel::facts::{Facts, RelationFacts};
use crate::kernel::sql::statement::{CreateIndex, LockMode};

/// The index's name: as written, or as PostgreSQL would choose it.
#[must_use]
pub fn name_of(index: &CreateIndex, table: &RelationFacts, names: &mut Names<'_>) -> String {
    if let Some(name) = &index.name {
        return name.clone();
    }
    let middle = index_middle(index.elements.iter().map(|e| e.name_part.as_str()));
    names.relation(table, &middle, "idx")
}

/// The safe form of one index on one plain table or materialized view.
#[must_use]
pub fn plan(index: &CreateIndex, table: &RelationFacts, names: &mut Names<'_>) -> Plan {
    let name = name_of(index, table, names);
    Plan {
        recipe: "create-index".to_owned(),
        tag: "CREATE INDEX".to_owned(),
        summary: format!(
            "Index {name} is built with CREATE INDEX CONCURRENTLY, because CREATE INDEX blocks every write to \
             {}.{} until it is built.",
            table.schema, table.name
        ),
        relation: Some(table.qualified()),
        steps: vec![build(table, &name, index.unique, &index.body_sql)],
        undo_loses: None,
        verify: Vec::new(),
    }
}

/// The safe form of an index on a partitioned table.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn on_partitioned(
    index: &CreateIndex,
    table: &RelationFacts,
    facts: &Facts,
    names: &mut Names<'_>,
) -> Result<Plan, String> {
    let tree = Tree::of(table, facts)?;
    let name = name_of(index, table, names);
    let middle = index_middle(index.elements.iter().map(|e| e.name_part.as_str()));
    let asked = Asked {
        name: &name,
        unique: index.unique,
        body_sql: &index.body_sql,
        middle: &middle,
        label: "idx",
        constraint: None,
    };
    let Made { steps, taken_in } = partitioned_index::steps(&tree, &asked, names)?;
    Ok(Plan {
        recipe: "create-index".to_owned(),
        tag: "CREATE INDEX".to_owned(),
        summary: format!(
            "Index {name} is made of one for each partition, built with CREATE INDEX CONCURRENTLY and then attached, \
             because CREATE INDEX blocks every write to {}.{} until all are built.",
            table.schema, table.name
        ),
        relation: Some(table.qualified()),
        steps,
        undo_loses: partitioned_index::lost(&taken_in),
        verify: Vec::new(),
    })
}

/// The step that builds one index without blocking writers, whatever an earlier try has left.
#[must_use]
pub fn build(table: &RelationFacts, name: &str, unique: bool, body_sql: &str) -> Step {
    let unique = if unique { "UNIQUE " } else { "" };
    let qualified = quote::qualified(&table.schema, name);
    let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {qualified}");
    Step {
        name: "build index".to_owned(),
        action: Action::BuildIndex {
            sql: format!(
                "CREATE {unique}INDEX CONCURRENTLY {} ON {} {body_sql}",
                quote::identifier(name),
                quote::table(table)
            ),
            leftover: quote::index_probe(table, name, "NOT i.indisvalid"),
            cleanup: drop.clone(),
        },
        lock: LockMode::ShareUpdateExclusive,
        scans: true,
        probe: Some(quote::index_probe(table, name, "i.indisvalid AND i.indisready")),
        past: None,
        undo: vec![drop],
        reworded: None,
        heard: false,
        ahead: Vec::new(),
        stands_for: Vec::new(),
        stands_in: None,
        expects: Vec::new(),
        also: Vec::new(),
        loses: Vec::new(),
        estimate: None,
        on: None,
    }
}
