//! What an approval without a safe form permits: the statement as it was written.

use super::{Mode, Plan, Step};
use crate::kernel::facts::RelationKind;
use crate::kernel::sql::read::apart::one_by_one;
use crate::kernel::sql::statement::{
    AlterKind, Change, DropKind, LockMode, Opaque, OpaqueKind, Parsed, RelationName, Statement,
};

/// The recipe's name.
pub const RECIPE: &str = "as-is";

/// The statement in a transaction of its own. `mode` is [`Mode::Brief`] where a strong but brief lock is
/// taken, [`Mode::AsIs`] where rows may come back or the work is long: the client's own message is then
/// forwarded and not run in its place.
#[must_use]
pub fn plan(text: &str, tag: String, relation: Option<RelationName>, run: (Mode, LockMode)) -> Plan {
    let (mode, lock) = run;
    Plan {
        recipe: RECIPE.to_owned(),
        tag,
        summary: "There is no form of this statement without its hazard: approved, it runs as it was written."
            .to_owned(),
        relation,
        steps: vec![Step::sql("run", text.to_owned(), mode, lock)],
        undo_loses: None,
        verify: Vec::new(),
    }
}

/// The same with a step for each table of a VACUUM.
#[must_use]
pub fn table_by_table(text: &str, whole: Plan) -> Option<Plan> {
    let pieces = one_by_one(text)?.into_iter();
    let steps = pieces.map(|(table, sql)| {
        let step = Step::sql(&format!("run on {}", table.written()), sql, Mode::AsIs, LockMode::AccessExclusive);
        Step { on: Some(table), heard: true, ..step }
    });
    Some(Plan { steps: steps.collect(), ..whole })
}

/// Whether what one statement by itself does may be committed in parts: of what failed, some may be there.
#[must_use]
pub fn may_commit_inside(text: &str, statements: &[Parsed]) -> bool {
    let [Parsed { statement: Statement::Change(Change::Opaque(opaque)), .. }] = statements else { return false };
    let Opaque { what, kind: OpaqueKind::Code, .. } = opaque else { return false };
    what == "CALL" || !is_plain(text)
}

fn is_plain(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    DOUBTFUL.iter().all(|word| !text.contains(word))
}

/// Words of what may end a transaction by itself, run text, or give rows back.
const DOUBTFUL: [&str; 5] = ["commit", "rollback", "call", "execute", "explain"];

/// Whether what a text does is one transaction, or none at all, and gives no rows back: when it does not get its lock it
/// has changed nothing, and may be tried again in its client's place. `kind_of`: what a name stands for.
#[must_use]
pub fn may_be_tried_again(
    text: &str,
    statements: &[Parsed],
    kind_of: impl Fn(&RelationName) -> Option<RelationKind>,
) -> bool {
    let [Parsed { statement: Statement::Change(change), .. }] = statements else { return false };
    has_changed_nothing(change, is_plain(text)) || rebuilds_at_once(change, kind_of)
}

/// The same of the statements of one message, which are one transaction: what has failed is not there. What of it
/// takes long is not for doing twice.
#[must_use]
pub fn may_be_sent_again(text: &str, statements: &[Parsed]) -> bool {
    let plain = is_plain(text);
    let may = |parsed: &Parsed| match &parsed.statement {
        Statement::Ordinary => true,
        Statement::Change(change) => {
            !matches!(change, Change::RewriteTable { .. }) && has_changed_nothing(change, plain)
        }
        Statement::MovesNames
        | Statement::Transaction(_)
        | Statement::Prepare { .. }
        | Statement::Execute { .. }
        | Statement::Deallocate { .. } => false,
    };
    statements.len() > 1 && plain && statements.iter().all(may) && !text.to_ascii_lowercase().contains("copy")
}

/// REINDEX of one table or index in one transaction. Of partitions each has its own, and a schema's tables too.
fn rebuilds_at_once(change: &Change, kind_of: impl Fn(&RelationName) -> Option<RelationKind>) -> bool {
    let Change::Reindex(reindex) = change else { return false };
    let is_whole = |kind| matches!(kind, RelationKind::Table | RelationKind::Index | RelationKind::MaterializedView);
    !reindex.concurrently && reindex.target().and_then(kind_of).is_some_and(is_whole)
}

fn has_changed_nothing(change: &Change, plain: bool) -> bool {
    match change {
        Change::AlterTable(alter) => !alter.actions.iter().any(|action| {
            matches!(
                action.kind,
                AlterKind::DetachPartition { concurrently: true, .. }
                    | AlterKind::DetachPartition { finalize: true, .. }
            )
        }),
        Change::CreateIndex(index) => !index.concurrently,
        Change::CreateTable(table) => !table.from_query,
        Change::Drop(drop) => !drop.concurrently && drop.kind != DropKind::Database,
        Change::RewriteTable { relation, .. } => relation.is_some(),
        Change::Opaque(Opaque { what, kind: OpaqueKind::Code, .. }) => what == "DO" && plain,
        Change::RefreshMatview { .. } => plain,
        Change::Truncate { .. }
        | Change::Rename(_)
        | Change::Privilege(_)
        | Change::CreateDomain(_)
        | Change::CheckDomain { .. }
        | Change::CreateRule { .. }
        | Change::Publication(_)
        | Change::RestartSequence { .. }
        | Change::Brief { .. }
        | Change::Other { .. } => true,
        Change::MassWrite { .. }
        | Change::Setting(_)
        | Change::Opaque(_)
        | Change::Reindex(_)
        | Change::LockTable { .. }
        | Change::AlterDatabase { .. }
        | Change::Unreadable { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{may_be_sent_again, may_be_tried_again, may_commit_inside};
    use crate::kernel::facts::RelationKind;
    use crate::kernel::sql::read::read;
    use crate::kernel::sql::statement::RelationName;

    #[test]
    fn only_messages_that_are_one_transaction_are_sent_again() {
        let of = |text: &str| read(text).expect("reads").statements;
        for (text, again, inside) in [
            ("INSERT INTO u VALUES (1); DROP TABLE t", true, false),
            ("CREATE POLICY p ON t USING (true); ALTER TABLE t ADD a int", true, false),
            ("DROP TABLE t", false, false),
            ("BEGIN; DROP TABLE t; COMMIT", false, false),
            ("SET search_path = s; DROP TABLE t", false, false),
            ("DROP TABLE t; CALL p()", false, false),
            ("COPY u FROM STDIN; DROP TABLE t", false, false),
            ("DELETE FROM u; DROP TABLE t", false, false),
            ("CALL p()", false, true),
            ("DO $$ BEGIN DELETE FROM t; COMMIT; END $$", false, true),
            ("DO $$ BEGIN ALTER TABLE t ADD a int; END $$", false, false),
        ] {
            assert_eq!(may_be_sent_again(text, &of(text)), again, "{text}");
            assert_eq!(may_commit_inside(text, &of(text)), inside, "{text}");
        }
    }

    #[test]
    fn only_what_has_changed_nothing_is_tried_again() {
        let kind_of = |name: &RelationName| match name.name.as_str() {
            "t" => Some(RelationKind::Table),
            "i" => Some(RelationKind::Index),
            "p" => Some(RelationKind::PartitionedTable),
            _ => None,
        };
        let is = |text: &str| may_be_tried_again(text, &read(text).expect("reads").statements, kind_of);
        for text in [
            "CREATE POLICY p ON t USING (true)",
            "ALTER TABLE t DETACH PARTITION p",
            "ALTER TABLE t ADD EXCLUDE USING gist (a WITH =)",
            "ALTER TABLE t ALTER a TYPE int USING a::int",
            "ALTER TABLE t SET LOGGED",
            "VACUUM FULL t",
            "REINDEX TABLE t",
            "REINDEX (VERBOSE) INDEX i",
            "REFRESH MATERIALIZED VIEW m",
            "DO $$ BEGIN ALTER TABLE t ADD a int; END $$",
        ] {
            assert!(is(text), "{text}");
        }
        for text in [
            "DELETE FROM t RETURNING a",
            "DO $$ BEGIN DELETE FROM t; COMMIT; ALTER TABLE t ADD a int; END $$",
            "CALL p()",
            "VACUUM FULL t, u",
            "VACUUM FULL",
            "REINDEX TABLE p",
            "REINDEX TABLE unknown",
            "REINDEX TABLE CONCURRENTLY t",
            "REINDEX SCHEMA s",
            "EXPLAIN ANALYZE REFRESH MATERIALIZED VIEW m",
            "CREATE TABLE u AS SELECT 1",
            "ALTER TABLE t SET LOGGED; CREATE POLICY p ON t USING (true)",
            "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
            "SELECT query_to_xml('select 1', true, true, '')",
        ] {
            assert!(!is(text), "{text}");
        }
    }
}
