//! DROP CONSTRAINT of a plain table: brief as it is; what it takes to have it back is written down before.

use super::drops::{Named, unlink};
use super::{Plan, Step, drop_index, quote};
use crate::kernel::facts::{ConstraintFacts, IndexFacts, RelationFacts, RelationKind};
use crate::kernel::sql::statement::LockMode;

/// The recipe's name.
pub const RECIPE: &str = "drop-constraint";

/// The drop with its way back. Nothing where there is none that lets others go on, or where that cannot be told.
#[must_use]
pub fn plan(table: &RelationFacts, name: &str) -> Option<Plan> {
    let plain = table.kind == RelationKind::Table && !table.is_partition && !table.has_children;
    let constraint =
        table.constraint(name).filter(|found| plain && !found.inherited && !found.definition.is_empty())?;
    let (step, way) = match constraint.kind {
        'c' | 'n' | 'f' => {
            let named = Named { name, definition: &constraint.definition, comment: constraint.comment.as_deref() };
            let step = Step { name: "drop".to_owned(), past: None, ..unlink(table, &named, "") };
            (step, "added again NOT VALID, and then proven while readers and writers go on")
        }
        'p' | 'u' => (with_index(table, constraint)?, "made again of an index that is built concurrently"),
        _ => return None,
    };
    let relation = quote::table(table);
    let locks =
        if constraint.kind == 'f' { " The table that it references is locked with it, for a moment." } else { "" };
    Some(Plan {
        recipe: RECIPE.to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "Constraint {name} of {relation} is dropped under a short lock timeout, tried again until the lock is \
             had.{locks} Undone, it is {way}; rows that came in meanwhile must allow it."
        ),
        relation: Some(table.qualified()),
        steps: vec![step],
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// Of a key: its index goes with it.
fn with_index(table: &RelationFacts, constraint: &ConstraintFacts) -> Option<Step> {
    let owned = |index: &&IndexFacts| index.constraint.as_ref() == Some(&constraint.name) && index.valid;
    let index = table.indexes.iter().find(owned)?;
    if constraint.definition.contains("WITHOUT OVERLAPS") {
        return None;
    }
    let (relation, name) = (quote::table(table), quote::identifier(&constraint.name));
    let qualified = quote::qualified(&table.schema, &index.name);
    let words = if constraint.kind == 'p' { "PRIMARY KEY" } else { "UNIQUE" };
    let tail = constraint.definition.rsplit(')').next().unwrap_or_default();
    let again = format!(
        "ALTER TABLE {relation} ADD CONSTRAINT {name} {words} USING INDEX {}{tail}",
        quote::identifier(&index.name)
    );
    let there = quote::index_probe(table, &index.name, "i.indisvalid");
    let step = Step::brief("drop", format!("ALTER TABLE {relation} DROP CONSTRAINT {name}"), LockMode::AccessExclusive)
        .probed(there.replacen("SELECT EXISTS", "SELECT NOT EXISTS", 1))
        .undone_by(drop_index::again(index)?)
        .undone_by(again);
    let comment = constraint.comment.iter();
    let said = comment.map(|text| format!("COMMENT ON CONSTRAINT {name} ON {relation} IS {}", quote::literal(text)));
    let marks = drop_index::put_back(&index.marks, &qualified, (Some(relation.clone()), &index.name));
    Some(said.chain(marks).fold(step, Step::undone_by))
}
