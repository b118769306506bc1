//! `CREATE INDEX CONCURRENTLY` and `REINDEX … CONCURRENTLY`: what it leaves when it fails is an INVALID index, which costs every write
//! and, if unique, refuses rows for an index nobody knows. It is dropped on every way out, or named.

use std::time::Duration;

use tokio::time::Instant;

use super::holders::quoted;
use super::retry::Retry;
use super::settings::Settings;
use super::{CANCELED, Progress, Runner, error, is_contention, is_lost, is_true, yes};
use crate::kernel::plan::Step;
use crate::shell::database::{Database, DatabaseError};

/// SQLSTATE `insufficient_privilege`: the owner of a table is not let into pg_toast.
const FORBIDDEN: &str = "42501";
const POLL: Duration = Duration::from_millis(500);
/// How long one attempt to drop a leftover waits for its locks when the client awaits its answer.
const CLEANUP_LOCK_MS: u64 = 5_000;

/// Somebody builds an index on this table. Of others' builds an ordinary role sees only the database.
const BUILDING: &str = "\
SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') p
  WHERE p.relid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
    AND p.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())";

/// $1 an index by its quoted name.
const INVALID: &str = "\
SELECT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE NOT i.indisvalid
  AND i.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid)";

pub(super) struct Build<'a> {
    pub(super) sql: &'a str,
    pub(super) leftover: &'a str,
    pub(super) cleanup: &'a str,
}

impl<D: Database> Runner<'_, D> {
    pub(super) async fn build_index(&mut self, step: &Step, build: Build<'_>) -> Result<u32, DatabaseError> {
        let mut retry = Retry::new(self.limits, self.limits.budget);
        loop {
            self.check_cancelled()?;
            if self.clear_leftover(step, &build).await? {
                return Ok(retry.attempt);
            }
            self.tell_who_delays(step).await?;
            let result = self.unbounded(build.sql).await;
            let failure = match result {
                Ok(done) if self.is_built(step, &build).await? => {
                    self.keep(done);
                    return Ok(retry.attempt);
                }
                Ok(_) => error("55P03", "the index was built, but is not valid"),
                Err(failure) if is_lost(&failure) => return Err(failure),
                Err(failure) => failure,
            };
            self.drop_leftover(&build, &failure).await?;
            if !is_contention(&failure) {
                return Err(failure);
            }
            self.again(step, &mut retry, failure).await?;
        }
    }

    async fn is_built(&mut self, step: &Step, build: &Build<'_>) -> Result<bool, DatabaseError> {
        match &step.probe {
            Some(probe) => yes(self.db, probe).await,
            None => Ok(!yes(self.db, build.leftover).await?),
        }
    }

    /// Drops an INVALID index of an earlier try, unless somebody is still building it: a server goes on
    /// building after the gateway that asked for it is gone. True when that build has made the index.
    async fn clear_leftover(&mut self, step: &Step, build: &Build<'_>) -> Result<bool, DatabaseError> {
        let mut told = false;
        while yes(self.db, build.leftover).await? {
            if !self.is_building(step).await? {
                (self.tell)(Progress::Note("an invalid index of an earlier try is dropped first".to_owned()));
                self.unbounded(build.cleanup).await?;
                return Ok(false);
            }
            if !told {
                told = true;
                (self.tell)(Progress::Note("another session is building an index on this table: waiting".to_owned()));
            }
            self.pause(POLL).await?;
        }
        Ok(match &step.probe {
            Some(probe) => yes(self.db, probe).await?,
            None => false,
        })
    }

    async fn is_building(&mut self, step: &Step) -> Result<bool, DatabaseError> {
        let Some(relation) = step.on.as_ref().or(self.plan.relation.as_ref()) else { return Ok(false) };
        let name = quoted(relation);
        let rows = self.db.query(BUILDING, &[Some(name.as_str())]).await?;
        Ok(rows.first().and_then(|row| row.first()).and_then(Option::as_deref) == Some("t"))
    }

    /// After a failure: the client waits for its answer, so this is tried for a while only.
    async fn drop_leftover(&mut self, build: &Build<'_>, failure: &DatabaseError) -> Result<(), DatabaseError> {
        if !yes(self.db, build.leftover).await? {
            return Ok(());
        }
        if !self.drop_concurrently(build.cleanup, failure.code() != Some(CANCELED)).await? {
            self.leftover = Some(build.cleanup.to_owned());
        }
        Ok(())
    }

    /// `REINDEX … CONCURRENTLY`. The index it is of stays in use whatever happens; what is dropped is the new one that
    /// was not finished, or the old one that was not dropped. Where nobody can tell whether it was done, it is done again.
    pub(super) async fn reindex(&mut self, step: &Step, sql: &str, leftovers: &str) -> Result<u32, DatabaseError> {
        let mut retry = Retry::new(self.limits, self.limits.budget);
        self.drop_unfinished(leftovers, false).await?;
        loop {
            self.check_cancelled()?;
            self.tell_who_delays(step).await?;
            let failure = match self.unbounded(sql).await {
                Ok(done) => {
                    self.keep(done);
                    if self.leftover.take().is_some() {
                        self.drop_unfinished(leftovers, false).await?;
                    }
                    return Ok(retry.attempt);
                }
                Err(failure) if is_lost(&failure) => return Err(failure),
                Err(failure) => failure,
            };
            self.drop_unfinished(leftovers, failure.code() != Some(CANCELED)).await?;
            if !is_contention(&failure) {
                return Err(failure);
            }
            self.again(step, &mut retry, failure).await?;
        }
    }

    /// A `DROP INDEX CONCURRENTLY` that was stopped half way leaves the index INVALID: it is named.
    pub(super) async fn name_half_dropped(&mut self, sql: &str, why: &DatabaseError) -> Result<(), DatabaseError> {
        let Some(name) = dropped_concurrently(sql).filter(|_| !is_lost(why)) else { return Ok(()) };
        let rows = match self.db.query(INVALID, &[Some(name)]).await {
            Err(error) if error.code() == Some(CANCELED) => self.db.query(INVALID, &[Some(name)]).await?,
            other => other?,
        };
        if is_true(&rows) {
            self.leftover = Some(sql.to_owned());
        }
        Ok(())
    }

    /// Drops what failed tries of a REINDEX have left. `late`: see [`Self::drop_concurrently`].
    pub(super) async fn drop_unfinished(&mut self, leftovers: &str, late: bool) -> Result<(), DatabaseError> {
        let rows = match self.db.query(leftovers, &[]).await {
            // A cancel that came late: what it stopped is over.
            Err(error) if error.code() == Some(CANCELED) => self.db.query(leftovers, &[]).await?,
            other => other?,
        };
        let mut waits = false;
        for name in rows.into_iter().flatten().flatten() {
            let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {name}");
            (self.tell)(Progress::Note(format!("an invalid index of a failed try is dropped: {name}")));
            if !self.drop_concurrently(&drop, late).await? {
                self.leftover = Some(drop);
                waits |= !self.forbidden;
            }
        }
        self.forbidden &= !waits && self.leftover.is_some();
        Ok(())
    }

    /// Runs a `DROP INDEX CONCURRENTLY` within the clean-up budget, also when cancelled. True: dropped.
    /// `late`: the cancel that stopped the plan may still be on its way; any other is meant for this.
    pub(super) async fn drop_concurrently(&mut self, sql: &str, mut late: bool) -> Result<bool, DatabaseError> {
        let until = Instant::now() + self.limits.cleanup_budget;
        loop {
            self.session.lift(self.db).await?;
            Settings::set_lock(self.db, CLEANUP_LOCK_MS).await?;
            let result = self.db.execute(sql).await;
            if let Err(failure) = &result
                && is_lost(failure)
            {
                return result.map(|_| false);
            }
            Settings::set_lock(self.db, self.session.get("lock_timeout")).await?;
            self.session.put_back(self.db).await?;
            self.forbidden = result.as_ref().is_err_and(|failure| failure.code() == Some(FORBIDDEN));
            match result {
                Ok(_) => return Ok(true),
                Err(failure) if failure.code() == Some(CANCELED) && late => late = false,
                Err(failure) if is_contention(&failure) && Instant::now() < until => {
                    tokio::time::sleep(self.limits.backoff_min).await;
                }
                Err(_) => return Ok(false),
            }
        }
    }
}

/// The index that a statement of ours drops without keeping anybody out.
pub(super) fn dropped_concurrently(sql: &str) -> Option<&str> {
    let name = sql.strip_prefix("DROP INDEX CONCURRENTLY ")?;
    Some(name.strip_prefix("IF EXISTS ").unwrap_or(name))
}
