//! DETACH PARTITION as DETACH PARTITION … CONCURRENTLY, which only ever takes a weak lock on the parent.

use super::names::{Names, joined};
use super::{Mode, Plan, Step, attach_partition, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{AlterKind, Change, LockMode, Statement};

/// The safe form.
///
/// # Errors
/// A clause for people that says why there is none.
pub fn plan(parent: &RelationFacts, partition: &RelationFacts, names: &mut Names<'_>) -> Result<Plan, String> {
    if parent.has_default_partition {
        return Err("beside a default partition none can be detached concurrently".to_owned());
    }
    let place = partition.partition_of.as_ref().ok_or("it is not a partition")?;
    let bound = place.bound.as_ref().ok_or("its bounds could not be read")?;
    let constraint = place.constraint.as_ref().ok_or("its bounds could not be read")?;
    let columns = mentioned(constraint).ok_or("its bounds could not be read")?;
    let middle = match columns.as_slice() {
        [only] => joined(std::iter::once(only.as_str())),
        _ => String::new(),
    };
    // What the server leaves behind, so that to attach it again is cheap; a plain DETACH leaves nothing.
    let left = names.constraint(partition, &middle, "check");
    let (above, below) = (quote::table(parent), quote::table(partition));
    let attached = |more: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) {} AND \
             i.inhparent OPERATOR(pg_catalog.=) {}{more})",
            quote::oid(partition),
            quote::oid(parent)
        )
    };
    let detached = |more: &str| format!("SELECT NOT {}", attached(more));
    let alter = |words: &str| format!("ALTER TABLE {above} DETACH PARTITION {below} {words}");
    // Where a crash of the server cut it off half way: what is neither attached nor detached cannot be attached.
    let finish = format!("BEGIN IF {} THEN {}; END IF; END", attached(" AND i.inhdetachpending"), alter("FINALIZE"));
    let weak = LockMode::ShareUpdateExclusive;
    let steps = vec![
        Step::sql("detach", alter("CONCURRENTLY"), Mode::NoTransaction, weak)
            .probed(detached(" AND NOT i.inhdetachpending"))
            .undone_by(format!("DO LANGUAGE plpgsql {}", quote::literal(&finish)))
            .undone_by(format!("ALTER TABLE {above} ATTACH PARTITION {below} {bound}"))
            .undone_by(attach_partition::drop(partition, &left)),
        // Only where the one before was cut off half way: then it cannot be said again.
        Step::sql("finish", alter("FINALIZE"), Mode::NoTransaction, weak).probed(detached("")),
        Step {
            on: Some(partition.qualified()),
            ..Step::brief("tidy", attach_partition::drop(partition, &left), LockMode::AccessExclusive)
        }
        .probed(quote::no_constraint_probe(partition, &left)),
    ];
    Ok(Plan {
        recipe: "detach-partition".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: format!(
            "{}.{} is detached with DETACH PARTITION … CONCURRENTLY, because DETACH PARTITION waits for every query \
             on {}.{} and makes all later ones wait behind it.",
            partition.schema, partition.name, parent.schema, parent.name
        ),
        relation: Some(parent.qualified()),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    })
}

/// The columns of a condition as the catalog prints it.
fn mentioned(condition: &str) -> Option<Vec<String>> {
    let reading = read(&format!("ALTER TABLE t ADD CHECK ({condition})")).ok()?;
    match reading.statements.into_iter().next()?.statement {
        Statement::Change(Change::AlterTable(alter)) => match alter.actions.into_iter().next()?.kind {
            AlterKind::AddConstraint(constraint) => Some(constraint.columns),
            _ => None,
        },
        _ => None,
    }
}
