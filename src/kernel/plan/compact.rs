//! VACUUM FULL in place: the rows of the last pages are moved forward by UPDATEs that change nothing, in batches, and
//! VACUUM gives the emptied end back. The table stays the one it is, so nothing that refers to it notices.

use super::add_column::UPDATES_REFUSED;
use super::{Action, Backfill, Plan, RowWrite, Step, quote, reindex};
use crate::kernel::facts::{ColumnFacts, ConstraintFacts, Facts, MEMBERS_MAX, RelationFacts, RelationKind};
use crate::kernel::sql::statement::{LockMode, Reindex, ReindexOf, Shrinks};

/// The recipe's name.
pub const RECIPE: &str = "compact";

/// What a statement says in a comment to be done so when it is approved.
pub const REQUEST: &str = "lockkeeper: compact";

/// TOAST up to this size is not worth a word.
const LITTLE_TOAST: u64 = 1 << 20;

/// The compaction of a table, or of each partition of one.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(table: &RelationFacts, asked: Shrinks, facts: &Facts) -> Result<Plan, String> {
    let parts = parts(table, facts)?;
    let mut steps = Vec::new();
    for part in &parts {
        steps.extend(one(part, facts)?);
    }
    if asked.analyze {
        steps.push(Step::scan("analyze", format!("ANALYZE {}", quote::table(table))));
    }
    Ok(Plan {
        recipe: RECIPE.to_owned(),
        tag: "VACUUM".to_owned(),
        summary: summary(table, &parts),
        relation: Some(table.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

fn parts<'a>(table: &'a RelationFacts, facts: &'a Facts) -> Result<Vec<&'a RelationFacts>, String> {
    match table.kind {
        RelationKind::Table if reindex::is_of_the_system(table) => {
            return Err("rows of a system catalog cannot be moved".to_owned());
        }
        RelationKind::Table => return Ok(vec![table]),
        RelationKind::PartitionedTable => {}
        RelationKind::MaterializedView => {
            return Err("a materialized view takes no UPDATE, and REFRESH writes it anew anyway".to_owned());
        }
        RelationKind::Toast
        | RelationKind::Index
        | RelationKind::PartitionedIndex
        | RelationKind::View
        | RelationKind::Sequence
        | RelationKind::ForeignTable
        | RelationKind::CompositeType => return Err("it is not a table whose rows can be updated".to_owned()),
    }
    if table.members.len() > MEMBERS_MAX {
        return Err(format!("it has more than {MEMBERS_MAX} partitions"));
    }
    let leaves = table.members.iter().filter(|member| member.kind != RelationKind::PartitionedTable);
    leaves
        .map(|member| {
            if member.kind != RelationKind::Table {
                return Err(format!("partition {} is not a plain table", member.name));
            }
            let leaf = facts.relation(&member.qualified()).flatten().filter(|leaf| leaf.oid == member.oid);
            leaf.ok_or_else(|| format!("partition {} could not be looked up", member.name))
        })
        .collect()
}

/// The steps for one table with rows of its own.
fn one(table: &RelationFacts, facts: &Facts) -> Result<Vec<Step>, String> {
    if table.reacts.hides_rows {
        return Err(format!("row security hides rows of {} from this role, which would not be moved", table.name));
    }
    let column = quiet_column(table)?;
    let toast = toast_bytes(table);
    if toast > table.heap_bytes {
        return Err(format!(
            "most of {} is TOAST ({} MB), which only writing it anew makes smaller",
            table.name,
            toast >> 20
        ));
    }
    let fill = Backfill {
        relation: table.qualified(),
        column: column.name.clone(),
        expression_sql: quote::identifier(&column.name),
        pending_sql: "true".to_owned(),
        rows_estimate: table.rows_at_most(),
        write: Some(RowWrite::Move),
    };
    let on = Some(table.qualified());
    // Whether there is anything left to gain it finds out by itself: done again it does next to nothing.
    let mut steps = vec![Step {
        action: Action::Backfill(fill),
        scans: true,
        on: on.clone(),
        ..Step::brief("compact", String::new(), LockMode::ShareUpdateExclusive)
    }];
    if !table.indexes.is_empty() {
        let of = ReindexOf::Table(table.qualified());
        let rebuilt = reindex::plan(table, &Reindex { of, concurrently: true, options: Vec::new() }, facts)?;
        steps.extend(rebuilt.steps.into_iter().map(|step| Step { on: on.clone(), ..step }));
    }
    Ok(steps)
}

/// A column that can be set to itself with no other effect than that the row may move.
fn quiet_column(table: &RelationFacts) -> Result<&ColumnFacts, String> {
    if table.reacts.rules || !table.reacts.update_rules.is_empty() {
        return Err("rules of the table turn an UPDATE into something else".to_owned());
    }
    if table.columns.iter().any(|column| column.generated) {
        return Err("an UPDATE would compute its generated columns anew".to_owned());
    }
    if let Some(ConstraintFacts { name, .. }) = table.unproven() {
        return Err(format!(
            "{name} is NOT VALID, and an UPDATE fails for every row that breaks it: VALIDATE CONSTRAINT {name} first"
        ));
    }
    if table.reacts.refuses_updates {
        return Err(UPDATES_REFUSED.to_owned());
    }
    let settable = || table.columns.iter().filter(|column| !column.identity);
    let fired = |column: &ColumnFacts| {
        let fires = |trigger: &&crate::kernel::facts::Trigger| trigger.fires_on(std::iter::once(column.name.as_str()));
        table.reacts.triggers.iter().find(fires)
    };
    let indexed = |column: &ColumnFacts| table.indexes.iter().any(|index| index.columns.contains(&column.name));
    match settable().filter(|column| fired(column).is_none()).min_by_key(|column| indexed(column)) {
        Some(column) => Ok(column),
        None => Err(match settable().find_map(fired) {
            Some(trigger) => {
                format!("the application's own trigger {} would fire for every row that is moved", trigger.name)
            }
            None => "it has no column that an UPDATE may set".to_owned(),
        }),
    }
}

fn toast_bytes(table: &RelationFacts) -> u64 {
    let indexes: u64 = table.indexes.iter().map(|index| index.bytes).sum();
    table.total_bytes.saturating_sub(table.heap_bytes).saturating_sub(indexes)
}

fn summary(table: &RelationFacts, parts: &[&RelationFacts]) -> String {
    let what = match table.kind {
        RelationKind::PartitionedTable => format!("each of its {} partitions is", parts.len()),
        _ => "it is".to_owned(),
    };
    let mut summary = format!(
        "{}.{}: {what} compacted in place while others go on: rows of the last pages are moved forward in batches, by \
         UPDATEs that change nothing, VACUUM gives the emptied end back (for that it takes ACCESS EXCLUSIVE only if \
         nobody is in the way, and gives way at once), and the indexes are rebuilt CONCURRENTLY. It may end a little \
         larger than VACUUM FULL would leave it.",
        table.schema, table.name
    );
    let toast: u64 = parts.iter().map(|part| toast_bytes(part)).sum();
    if toast > LITTLE_TOAST {
        summary.push_str(&format!(" Its TOAST ({} MB) stays as large as it is.", toast >> 20));
    }
    if table.published || parts.iter().any(|part| part.published) {
        summary.push_str(" It is published: subscribers get each move as an UPDATE, and several for some rows.");
    }
    summary
}
