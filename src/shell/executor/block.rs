//! A brief step inside the client's own transaction: under a savepoint, so that a lock that is not to be
//! had can be tried again, and briefly in all, because the client's transaction holds locks meanwhile.

use super::retry::Retry;
use super::settings::Settings;
use super::{Progress, Runner, StepReport, error, is_contention};
use crate::kernel::plan::{Action, Mode, Step};
use crate::shell::database::{Database, DatabaseError};
use tokio::time::Instant;

/// Not like any name an application would choose.
const SAVEPOINT: &str = "lockkeeper_step";

impl<D: Database> Runner<'_, D> {
    pub(super) async fn run_in_block(&mut self) -> Result<(), DatabaseError> {
        let refusal = || Err(error("25001", "this plan cannot run inside a transaction block"));
        let [step] = self.plan.steps.as_slice() else { return refusal() };
        let Action::Sql { sql, mode } = &step.action else { return refusal() };
        (self.tell)(Progress::StepStarted { step: 0, name: step.name.clone() });
        let started = Instant::now();
        let attempts = match mode {
            Mode::Brief => self.brief_in_block(step, sql).await?,
            Mode::AsIs => self.as_is(sql).await?,
            Mode::Scan | Mode::NoTransaction => return refusal(),
        };
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let name = step.name.clone();
        self.report.steps.push(StepReport { name: name.clone(), ms, already_done: false, attempts });
        (self.tell)(Progress::StepDone { step: 0, name, ms });
        Ok(())
    }

    /// Every way out with an error leaves the client's transaction failed, as the server's own error would.
    async fn brief_in_block(&mut self, step: &Step, sql: &str) -> Result<u32, DatabaseError> {
        self.session = Settings::read(self.db).await?;
        let lock_ms = self.session.lock_ms(self.limits.lock_timeout);
        let statement_ms = self.session.statement_ms(self.limits.tripwire);
        let settings = self.session.local(lock_ms, statement_ms);
        let mut retry = Retry::new(self.limits, self.limits.transaction_budget);
        loop {
            self.db.execute(&format!("SAVEPOINT {SAVEPOINT}")).await?;
            self.db.query(&settings, &[]).await?;
            let failure = match self.db.execute(sql).await {
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
            let again = self.again(step, &mut retry, failure).await;
            if let Err(stopped) = again {
                // No such savepoint: the transaction fails, as the client will be told it did.
                let _fails = self.db.execute("ROLLBACK TO SAVEPOINT lockkeeper_stopped").await;
                return Err(stopped);
            }
            self.db.execute(&format!("RELEASE SAVEPOINT {SAVEPOINT}")).await?;
        }
    }
}
