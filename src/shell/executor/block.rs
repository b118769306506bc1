//! A brief step inside the client's own transaction: under a savepoint, so that a lock that is not to be
//! had can be tried again, and briefly in all, because the client's transaction holds locks meanwhile.

use super::retry::Retry;
use super::settings::Settings;
use super::{Progress, Runner, StepReport, error, is_contention, ms, yes};
use crate::kernel::plan::{Action, Mode, Step};
use crate::shell::database::{Database, DatabaseError, Done};
use tokio::time::Instant;

/// Not like any name an application would choose.
const SAVEPOINT: &str = "lockkeeper_step";

/// The transaction holds a lock already that keeps others from a table it has not made itself. A table's
/// row type is made with it and not touched by later changes: its `xmin` tells the age.
const KEEPS_OTHERS_OUT: &str = "\
SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
  LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) c.reltype
  WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted
    AND l.locktype OPERATOR(pg_catalog.=) 'relation'
    AND l.mode OPERATOR(pg_catalog.=) ANY (
      '{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[])
    AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,m,f}'::pg_catalog.\"char\"[])
    AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\"
    AND (t.xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.>=) pg_catalog.mod(
      pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8, 4294967296)) IS NOT TRUE)";

impl<D: Database> Runner<'_, D> {
    pub(super) async fn run_in_block(&mut self) -> Result<(), DatabaseError> {
        let plan = self.plan;
        if !plan.steps.iter().all(may_be_in_block) {
            return Err(error("25001", "this plan cannot run inside a transaction block"));
        }
        for (at, step) in plan.steps.iter().enumerate() {
            self.at = at;
            (self.tell)(Progress::StepStarted { step: at, name: step.name.clone() });
            let started = Instant::now();
            let attempts = match &step.action {
                Action::Sql { sql, mode: Mode::AsIs } => {
                    let done = self.db.execute(sql).await?;
                    self.keep(done);
                    1
                }
                Action::Sql { sql, .. } => self.brief_in_block(step, std::slice::from_ref(sql)).await?,
                Action::Together { statements } => self.brief_in_block(step, statements).await?,
                Action::BuildIndex { .. } | Action::Reindex { .. } | Action::Backfill(_) | Action::Later { .. } => 0,
            };
            let ms = ms(started.elapsed());
            let name = step.name.clone();
            self.report.steps.push(StepReport { name: name.clone(), ms, already_done: false, attempts });
            (self.tell)(Progress::StepDone { step: at, name, ms });
        }
        Ok(())
    }

    /// Every way out with an error leaves the client's transaction failed, as the server's own error would.
    async fn brief_in_block(&mut self, step: &Step, sql: &[String]) -> Result<u32, DatabaseError> {
        self.session = Settings::read(self.db).await?;
        let lock_ms = self.session.lock_ms(self.limits.lock_timeout);
        let statement_ms = self.session.statement_ms(self.limits.tripwire);
        let settings = self.session.in_block(lock_ms, statement_ms);
        // As long as this is tried, those whom it keeps out already wait.
        let budget = if yes(self.db, KEEPS_OTHERS_OUT).await? {
            self.limits.transaction_lock_timeout
        } else {
            self.limits.transaction_budget
        };
        let mut retry = Retry::new(self.limits, budget);
        loop {
            self.db.execute(&format!("SAVEPOINT {SAVEPOINT}")).await?;
            self.db.query(&settings, &[]).await?;
            let failure = match self.all(sql).await {
                Ok(done) => {
                    self.db.query(&self.session.local_back(), &[]).await?;
                    self.db.execute(&format!("RELEASE SAVEPOINT {SAVEPOINT}")).await?;
                    self.keep(done);
                    return Ok(retry.attempt);
                }
                Err(failure) if is_contention(&failure) && !retry.is_over() => failure,
                Err(failure) => return Err(failure),
            };
            self.db.execute(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}")).await?;
            let again = match self.again(step, &mut retry, failure).await {
                Ok(()) => self.look_again().await,
                stopped => stopped,
            };
            if again.is_err() && !self.report.overtaken {
                // No such savepoint: the transaction fails, as the client will be told it did.
                let _fails = self.db.execute("ROLLBACK TO SAVEPOINT lockkeeper_stopped").await;
                return again.map(|()| retry.attempt);
            }
            self.db.execute(&format!("RELEASE SAVEPOINT {SAVEPOINT}")).await?;
            // The transaction is as it was.
            again?;
        }
    }

    /// Runs statements one after the other; what the last of them did.
    async fn all(&mut self, statements: &[String]) -> Result<Done, DatabaseError> {
        let mut done = Done::default();
        for sql in statements {
            done = self.db.execute(sql).await?;
        }
        Ok(done)
    }
}

fn may_be_in_block(step: &Step) -> bool {
    match &step.action {
        Action::Sql { mode, .. } => matches!(mode, Mode::Brief | Mode::AsIs),
        Action::Together { .. } => true,
        Action::BuildIndex { .. } | Action::Reindex { .. } | Action::Backfill(_) | Action::Later { .. } => false,
    }
}
