//! A step that writes rows in batches: a column that is filled, or the client's own write.

use super::ledger::Entry;
use super::{Runner, ms};
use crate::kernel::plan::{Backfill, RowWrite, Step};
use crate::shell::backfill;
use crate::shell::database::{Database, DatabaseError};

/// The first transaction that had not begun.
const NEXT_TRANSACTION: &str = "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text";

impl<D: Database> Runner<'_, D> {
    pub(super) async fn fill(&mut self, job: &Backfill) -> Result<u32, DatabaseError> {
        let bounds = backfill::Bounds {
            limits: self.limits,
            lock_timeout_ms: self.session.lock_ms(self.limits.lock_timeout),
            long_read: self.session.local(ms(self.limits.scan_lock_timeout), 0),
            from: self.book.past.places.get(&self.at).map(String::as_str),
            crew: self.crew,
        };
        let bounded = match &job.write {
            Some(RowWrite::Delete) => Some(self.of_old_rows(job).await?),
            Some(RowWrite::Update { .. } | RowWrite::Move | RowWrite::Copy(_)) | None => None,
        };
        let mut written = 0;
        let job = bounded.as_ref().unwrap_or(job);
        // VACUUM is no part of a transaction with timeouts of its own.
        if job.moves() {
            self.session.lift(self.db).await?;
        }
        let filled = backfill::fill((self.db, job), &bounds, self.control, self.tell, &mut written).await;
        if job.moves() && !matches!(filled, Err(DatabaseError::Lost(_))) {
            self.session.put_back(self.db).await?;
        }
        self.report.rows += written;
        if job.is_clients_own() {
            self.report.tag = Some(format!("{} {written}", self.plan.tag));
        }
        filled.map(|()| 1)
    }

    /// The same for rows that no transaction wrote that began later, also where an earlier run began.
    async fn of_old_rows(&mut self, job: &Backfill) -> Result<Backfill, DatabaseError> {
        let since = match self.book.past.since.get(&self.at) {
            Some(since) => since.clone(),
            None => {
                let rows = self.db.query(NEXT_TRANSACTION, &[]).await?;
                rows.concat().into_iter().next().flatten().unwrap_or_default()
            }
        };
        self.book.write(self.at, Entry::Transaction(&since)).await?;
        // Of a number with its epoch the part that rows hold.
        let short = since.parse::<u64>().unwrap_or_default() % (1 << 32);
        // A number that seems to lie far ahead is so old that it has come round; one slightly ahead is newer than
        // the batch itself.
        let pending_sql = format!(
            "({}) AND (pg_catalog.age(xmin) OPERATOR(pg_catalog.<) '-1000000'::pg_catalog.int4 OR pg_catalog.age(xmin) \
             OPERATOR(pg_catalog.>) pg_catalog.age('{short}'::pg_catalog.xid))",
            job.pending_sql
        );
        Ok(Backfill { pending_sql, ..job.clone() })
    }

    /// Rows of the client's own write that are done, if the step at work is one.
    pub(super) fn written_rows(&self) -> Option<u64> {
        let is_write = |step: &Step| matches!(&step.action, super::Action::Backfill(job) if job.is_clients_own());
        self.plan.steps.get(self.at).filter(|step| is_write(step)).map(|_| self.report.rows).filter(|rows| *rows > 0)
    }
}
