//! What a client has written CONCURRENTLY itself: the same statement, watched. What a failed try leaves is cleared
//! away, and the try repeated; a name that an INVALID index has is not taken.

use super::names::Names;
use super::{Plan, Step, create_index, detach_partition, drop_index, reindex};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{CreateIndex, Reindex, RelationName};

/// The recipe's name.
pub const RECIPE: &str = "concurrently";

/// Servers from 14.0 to 14.3 leave rows out of an index built concurrently while others write, and say nothing.
const BROKEN: std::ops::Range<u32> = 140_000..140_004;

/// Why this server is not to build indexes concurrently, if it is not.
#[must_use]
pub fn forbidden(server_version: u32) -> Option<String> {
    BROKEN.contains(&server_version).then(|| {
        format!(
            "PostgreSQL 14.{} may leave rows out of an index that is built concurrently; upgrade the server to 14.4 or later",
            server_version % 10_000
        )
    })
}

fn plan(tag: &str, relation: Option<RelationName>, step: Step) -> Plan {
    Plan {
        recipe: RECIPE.to_owned(),
        tag: tag.to_owned(),
        summary: String::new(),
        relation,
        steps: vec![step],
        undo_loses: None,
        verify: Vec::new(),
    }
}

/// `CREATE INDEX CONCURRENTLY` under this name.
#[must_use]
pub fn create(index: &CreateIndex, table: &RelationFacts, name: &str) -> Plan {
    let step = create_index::build(table, name, index.unique, &index.body_sql);
    plan("CREATE INDEX", Some(table.qualified()), step)
}

/// `DROP INDEX CONCURRENTLY`.
#[must_use]
pub fn drop(index: &RelationFacts) -> Plan {
    plan("DROP INDEX", index.index_of.clone(), drop_index::step(index))
}

/// `REINDEX … CONCURRENTLY`; nothing where the server finds what to rebuild by itself, or answers at once.
#[must_use]
pub fn rebuild(reindex: &Reindex, target: Option<&RelationFacts>) -> Option<Plan> {
    let relation = target.map(|found| found.index_of.clone().unwrap_or_else(|| found.qualified()));
    Some(plan("REINDEX", relation, reindex::as_written(reindex, target)?))
}

/// `DETACH PARTITION … CONCURRENTLY`; nothing where the server answers at once. The CHECK that it leaves stays.
#[must_use]
pub fn detach(parent: &RelationFacts, partition: &RelationFacts, names: &mut Names<'_>) -> Option<Plan> {
    let mut whole = detach_partition::plan(parent, partition, names).ok()?;
    whole.steps.truncate(2);
    Some(Plan { recipe: RECIPE.to_owned(), summary: String::new(), ..whole })
}

#[cfg(test)]
mod tests {
    use super::forbidden;

    #[test]
    fn only_the_first_releases_of_14_are_forbidden() {
        for version in [140_000, 140_003] {
            assert!(forbidden(version).is_some_and(|why| why.contains("14.4")), "{version}");
        }
        for version in [130_007, 140_004, 140_019, 150_000, 180_000] {
            assert_eq!(forbidden(version), None, "{version}");
        }
    }
}
