//! What a definition lacks, and a later statement may still give it.

use super::shape::Shape;
use crate::kernel::sql::statement::{AlterKind, Change, ConstraintKind, RelationName};

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    PrimaryKey {
        table: RelationName,
    },
    /// An index that begins with these columns, in whatever order.
    Index {
        table: RelationName,
        columns: Vec<String>,
    },
}

impl Need {
    /// Whether a later statement gives it, or takes the table away.
    #[must_use]
    pub fn met_by(&self, change: &Change) -> bool {
        let (Self::PrimaryKey { table } | Self::Index { table, .. }) = self;
        match change {
            Change::CreateIndex(index) => {
                let shape = Shape::of_body(index.unique, &index.body_sql).filter(Shape::finds_single_rows);
                same(&index.relation, table)
                    && shape.is_some_and(|shape| self.is_led_by(&borrowed(&shape.plain_keys())))
            }
            Change::AlterTable(alter) => {
                alter.actions.iter().any(|action| self.met_by_action(&action.kind, same(&alter.relation, table), table))
            }
            Change::Drop(drop) => drop.relations.iter().any(|gone| same(gone, table)),
            _ => false,
        }
    }

    fn met_by_action(&self, kind: &AlterKind, of_table: bool, table: &RelationName) -> bool {
        let key = matches!(self, Self::PrimaryKey { .. });
        match kind {
            AlterKind::AddConstraint(constraint) if of_table => match constraint.kind {
                ConstraintKind::PrimaryKey { .. } => key || self.is_led_by(&borrowed(&constraint.columns)),
                ConstraintKind::Unique { .. } => self.is_led_by(&borrowed(&constraint.columns)),
                _ => false,
            },
            AlterKind::AddColumn(column) if of_table => {
                let makes_key = |kind: &ConstraintKind| matches!(kind, ConstraintKind::PrimaryKey { .. });
                key && column.constraints.iter().any(|constraint| makes_key(&constraint.kind))
            }
            AlterKind::AddConstraintUsingIndex { primary_key, .. } => key && of_table && *primary_key,
            // Its parent gives it what it has.
            AlterKind::AttachPartition { partition, .. } => key && same(partition, table),
            _ => false,
        }
    }

    /// Whether an index on these columns has the wanted ones in front.
    #[must_use]
    pub fn is_led_by(&self, keys: &[&str]) -> bool {
        let Self::Index { columns, .. } = self else { return false };
        let led = keys.get(..columns.len());
        led.is_some_and(|led| columns.iter().all(|column| led.contains(&column.as_str())))
    }
}

/// One name of the two may have no schema.
fn same(written: &RelationName, table: &RelationName) -> bool {
    written.name == table.name && (written.schema.is_none() || table.schema.is_none() || written.schema == table.schema)
}

pub(super) fn borrowed(columns: &[String]) -> Vec<&str> {
    columns.iter().map(String::as_str).collect()
}
