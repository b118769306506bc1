//! The ways to run one statement of a plan.

use tokio::time::Instant;

use super::ledger::Entry;
use super::retry::Retry;
use super::{CANCELED, Runner, as_is, error, is_contention, is_lost, is_true, ms, yes};
use crate::kernel::plan::Step;
use crate::kernel::sql::statement::LockMode;
use crate::shell::database::{Database, DatabaseError, Done, Row, TransactionStatus};
use crate::shell::executor::Progress;

/// Before an attempt: what is left of so many rows takes no time, and so often it is tried to come to that.
const FEW: u64 = 50;
const ROUNDS_MAX: u32 = 60;
/// SQLSTATE `active_sql_transaction`: it cannot run inside a transaction block.
const NOT_IN_TRANSACTION: &str = "25001";

/// Read committed whatever the session's default: a retry must see what others have committed.
pub(crate) async fn begin<D: Database>(db: &mut D) -> Result<(), DatabaseError> {
    db.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await.map(|_| ())
}

impl<D: Database> Runner<'_, D> {
    /// A strong lock, but brief: a short wait for it, many times.
    pub(super) async fn brief(&mut self, step: &Step, sql: &[String]) -> Result<u32, DatabaseError> {
        let lock_ms = self.session.lock_ms(self.limits.lock_timeout);
        let statement_ms = self.session.statement_ms(self.limits.tripwire);
        self.retried(step, sql, (lock_ms, statement_ms)).await
    }

    /// A weak lock, but a long scan.
    pub(super) async fn scan(&mut self, step: &Step, sql: &[String]) -> Result<u32, DatabaseError> {
        self.retried(step, sql, (ms(self.limits.scan_lock_timeout), 0)).await
    }

    /// Under these timeouts, for a lock and for each statement.
    async fn retried(&mut self, step: &Step, sql: &[String], timeouts: (u64, u64)) -> Result<u32, DatabaseError> {
        let mut retry = Retry::new(self.limits, self.limits.budget);
        let settings = self.session.local(timeouts.0, timeouts.1);
        let mut outside = None;
        loop {
            self.wait_for_long_holders(step, &retry).await?;
            self.look_again().await?;
            let began = Instant::now();
            let attempt = match (self.catch_up(step).await, outside) {
                (Ok(()), Some(sql)) => self.bounded(sql, timeouts).await,
                (Ok(()), None) => self.transact(step, &settings, sql).await,
                (Err(error), _) => Err(error),
            };
            match attempt {
                Ok(done) => {
                    self.keep(done);
                    return Ok(retry.attempt);
                }
                Err(error) if error.code() == Some(NOT_IN_TRANSACTION) && outside.is_none() && sql.len() == 1 => {
                    self.book.write(self.at, Entry::Untold).await?;
                    outside = sql.first().map(String::as_str);
                }
                Err(error) if is_contention(&error) && (outside.is_none() || self.has_done_nothing(began)) => {
                    self.again(step, &mut retry, error).await?;
                }
                Err(error) if self.is_stray(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether a statement outside a transaction that did not get its lock may be sent again: VACUUM FULL and CLUSTER of
    /// several tables, or of one with partitions, are several transactions. What took long has written some of them anew.
    fn has_done_nothing(&self, began: Instant) -> bool {
        matches!(self.plan.tag.as_str(), "VACUUM" | "CLUSTER") && began.elapsed() < self.limits.tripwire
    }

    /// What refuses a transaction block, under timeouts of the session, which are put back whatever happens.
    async fn bounded(&mut self, sql: &str, timeouts: (u64, u64)) -> Result<Done, DatabaseError> {
        self.session.bound(self.db, timeouts).await?;
        let result = self.db.execute(sql).await;
        if matches!(result, Err(DatabaseError::Lost(_))) {
            return result;
        }
        let back = self.session.unbound(self.db).await;
        let done = result?;
        back.map(|()| done)
    }

    /// A cancel request that was on its way when nobody was heard any more: there is one at most.
    fn is_stray(&mut self, error: &DatabaseError) -> bool {
        let stray = error.code() == Some(CANCELED) && self.control.was_asked() && self.control.is_closed();
        stray && !std::mem::replace(&mut self.strayed, true)
    }

    /// What can be done before anybody has to wait for it, until little is left.
    async fn catch_up(&mut self, step: &Step) -> Result<(), DatabaseError> {
        if step.ahead.is_empty() {
            return Ok(());
        }
        let settings = self.session.local(ms(self.limits.scan_lock_timeout), 0);
        for _ in 0..ROUNDS_MAX {
            self.check_cancelled()?;
            let began = Instant::now();
            let rows = at_one_moment(self.db, &settings, &step.ahead).await?;
            if rows <= FEW || began.elapsed() < self.limits.lock_timeout {
                return Ok(());
            }
        }
        let text =
            "rows are written faster than what was written can be copied: try again when there are fewer writers";
        Err(error("53400", text))
    }

    /// One attempt, in a transaction of its own. Where no probe could tell afterwards whether it was committed,
    /// the transaction's number is written down before it takes its first lock.
    async fn transact(&mut self, step: &Step, settings: &str, sql: &[String]) -> Result<Done, DatabaseError> {
        if step.probe.is_some() || !self.book.is_kept() {
            return transaction(self.db, settings, sql).await;
        }
        begin(self.db).await?;
        let rows = self.db.query("SELECT pg_catalog.pg_current_xact_id()", &[]).await;
        let result = match rows {
            Ok(rows) => {
                let xid = rows.concat().into_iter().next().flatten().unwrap_or_default();
                self.book.write(self.at, Entry::Transaction(&xid)).await?;
                statements(self.db, settings, sql).await
            }
            Err(error) => Err(error),
        };
        end(self.db, result).await
    }

    /// Pauses before the next attempt, or gives up with the error.
    pub(super) async fn again(
        &mut self,
        step: &Step,
        retry: &mut Retry,
        error: DatabaseError,
    ) -> Result<(), DatabaseError> {
        self.look_for_blockers(step).await?;
        let Some(pause) = retry.next() else { return Err(error) };
        let blockers = self.blockers.clone();
        let queue = self.queue(step, blockers.clone());
        (self.tell)(Progress::Retrying { attempt: retry.attempt, wait_ms: Some(ms(pause)), queue });
        self.end_idle(&blockers).await?;
        self.pause(pause).await
    }

    /// CONCURRENTLY and the like. Tried again only if a probe can tell what the failure left.
    pub(super) async fn outside_transaction(&mut self, step: &Step, sql: &str) -> Result<u32, DatabaseError> {
        let mut retry = Retry::new(self.limits, self.limits.budget);
        if step.probe.is_none() {
            self.book.write(self.at, Entry::Untold).await?;
        }
        loop {
            match self.unbounded(sql).await {
                Ok(done) => {
                    self.keep(done);
                    return Ok(retry.attempt);
                }
                Err(error) if is_contention(&error) && step.probe.is_some() => {
                    self.again(step, &mut retry, error).await?;
                    if self.is_done(step).await? {
                        return Ok(retry.attempt);
                    }
                }
                Err(error) => {
                    self.name_half_dropped(sql, &error).await?;
                    // Stopped in its second transaction: what the first one did is there, and is taken back.
                    if let Some(probe) = step.probe.as_ref().filter(|_| !step.undo.is_empty() && !is_lost(&error))
                        && yes(self.db, probe).await?
                    {
                        self.applied.push(self.at);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Runs a statement outside a transaction without timeouts, which are put back whatever happens.
    pub(super) async fn unbounded(&mut self, sql: &str) -> Result<Done, DatabaseError> {
        self.session.lift(self.db).await?;
        let result = self.watched(sql).await;
        if matches!(result, Err(DatabaseError::Lost(_))) {
            return result;
        }
        let back = self.session.put_back(self.db).await;
        let done = result?;
        back.map(|()| done)
    }

    /// A statement as it is: in a transaction, where it is written down with a number, so that it runs once whatever
    /// happens; unless it is one that refuses to be in one. It does not wait long for a table.
    pub(super) async fn as_is(&mut self, step: &Step, sql: &str) -> Result<u32, DatabaseError> {
        // Who waits for a row makes nobody queue for the table.
        let rows_only = matches!(step.lock, LockMode::RowShare | LockMode::RowExclusive);
        let lock = if rows_only { self.limits.scan_lock_timeout } else { self.limits.lock_timeout };
        let timeouts = (self.session.lock_ms(lock), self.session.get("statement_timeout"));
        self.retried(step, &[sql.to_owned()], timeouts).await
    }

    /// A probe that may read a whole table.
    pub(super) async fn long_probe(&mut self, probe: &str) -> Result<bool, DatabaseError> {
        let settings = self.session.local(ms(self.limits.scan_lock_timeout), 0);
        Ok(is_true(&query_within(self.db, &settings, probe).await?))
    }

    /// Whether the error is our own tripwire: a step thought brief was not.
    pub(super) fn is_tripwire(&self, error: &DatabaseError) -> bool {
        let step = self.plan.steps.get(self.at);
        error.code() == Some(CANCELED) && !self.control.was_asked() && !step.is_some_and(as_is)
    }
}

/// Statements in a transaction of their own with local settings; what the last of them did.
pub(crate) async fn transaction<D: Database>(
    db: &mut D,
    settings: &str,
    statements: &[String],
) -> Result<Done, DatabaseError> {
    begin(db).await?;
    let result = self::statements(db, settings, statements).await;
    end(db, result).await
}

async fn statements<D: Database>(db: &mut D, settings: &str, list: &[String]) -> Result<Done, DatabaseError> {
    let mut result = db.query(settings, &[]).await.map(|_| Done::default());
    for sql in list {
        if result.is_ok() {
            result = db.execute(sql).await;
        }
    }
    result
}

/// Statements in a transaction of their own, all as of the same moment; how many rows the last one was about.
pub(crate) async fn at_one_moment<D: Database>(
    db: &mut D,
    settings: &str,
    list: &[String],
) -> Result<u64, DatabaseError> {
    db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let result = statements(db, settings, list).await;
    let done = end(db, result).await?;
    Ok(done.tag.rsplit(' ').next().and_then(|rows| rows.parse().ok()).unwrap_or(0))
}

/// One query in a transaction of its own with local settings.
pub(crate) async fn query_within<D: Database>(
    db: &mut D,
    settings: &str,
    sql: &str,
) -> Result<Vec<Row>, DatabaseError> {
    begin(db).await?;
    let mut result = db.query(settings, &[]).await;
    if result.is_ok() {
        result = db.query(sql, &[]).await;
    }
    end(db, result).await
}

/// Ends the transaction: commits what succeeded, rolls back what did not.
pub(crate) async fn end<D: Database, T>(db: &mut D, result: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
    match result {
        Ok(value) => match db.execute("COMMIT").await {
            Ok(_) => Ok(value),
            Err(error) => {
                roll_back(db, &error).await?;
                Err(error)
            }
        },
        Err(error) => {
            roll_back(db, &error).await?;
            Err(error)
        }
    }
}

async fn roll_back<D: Database>(db: &mut D, because: &DatabaseError) -> Result<(), DatabaseError> {
    if matches!(because, DatabaseError::Lost(_)) {
        return Ok(());
    }
    for _ in 0..3 {
        if db.transaction_status() == TransactionStatus::Idle {
            return Ok(());
        }
        match db.execute("ROLLBACK").await {
            Ok(_) => return Ok(()),
            // A second cancel that came late.
            Err(error) if error.code() == Some(CANCELED) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
