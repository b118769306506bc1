//! A change that would run at once is refused while a job is on its way which would lose what it does, or fail by it: at
//! the job's end nobody could be told any more. Changes that become jobs themselves wait for their turn.

use std::collections::BTreeMap;

use super::defer::Deferred;
use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::facts::Facts;
use crate::kernel::job::{Job, JobId, Order, State};
use crate::kernel::plan::Step;
use crate::kernel::plan::claims::{self, Claim, Touch};
use crate::kernel::sql::read::hung::hung;
use crate::kernel::sql::statement::{Change, Reading, RelationName, Statement};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::database::Database;
use crate::shell::executor::quoted;
use crate::shell::store::{JobSeen, StoreError};

/// What a name means to the session now.
const OID: &str = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";

/// All that a statement says of, or hangs on, tables and columns.
pub(super) fn touches(taken: &Taken, reading: &Reading, facts: &Facts) -> Vec<Touch> {
    let changes = || {
        reading.statements.iter().filter_map(|parsed| match &parsed.statement {
            Statement::Change(change) => Some(change),
            _ => None,
        })
    };
    let mut all: Vec<Touch> = changes().flat_map(|change| claims::touches(change, facts)).collect();
    if changes().any(|change| !matches!(change, Change::AlterTable(_) | Change::Rename(_) | Change::MassWrite { .. })) {
        all.extend(hung(&taken.known.text).iter().flat_map(claims::hung_on));
    }
    all
}

/// Which claim of a job one of these would come between.
pub(super) fn claim(order: &Order, touches: &[Touch], facts: &Facts) -> Option<Claim> {
    let name = order.plan.relation.as_ref()?.written();
    let oid = order.tables.iter().find(|table| table.name == name).map(|table| table.oid);
    let head = order.after.as_ref().map_or(0, |after| after.head);
    order.plan.between((head, oid), touches, facts)
}

/// What was found under names.
type Meant = BTreeMap<RelationName, u32>;

/// What of this may be about the job's own table: not what is known to be another one.
fn still_meant(order: &Order, touches: &[Touch], meant: &Meant) -> Vec<Touch> {
    let name = order.plan.relation.as_ref().map(RelationName::written).unwrap_or_default();
    let own = order.tables.iter().find(|table| table.name == name).map(|table| table.oid);
    let may_be = |touch: &&Touch| meant.get(&touch.relation).is_none_or(|oid| own.is_none_or(|own| own == *oid));
    touches.iter().filter(may_be).cloned().collect()
}

/// Whether its claims count for others: one that follows a transaction has them when that was committed.
fn counts(job: &Job) -> bool {
    job.state.name().is_live() && job.state != State::Deferred
}

impl Session {
    /// Why a change that would run now, with these steps of its plan, may not: a job of this transaction, or one at work.
    pub(super) async fn between(
        &mut self,
        taken: &Taken,
        reading: &Reading,
        (facts, steps): (&Facts, &[Step]),
    ) -> Result<Option<Reply>, Ended> {
        let mut touches = touches(taken, reading, facts);
        touches.extend(claims::unproven(steps, facts));
        if touches.is_empty() {
            return Ok(None);
        }
        if self.deferred_between(&touches, facts).is_some() {
            self.drop_rolled_back().await?;
            if let Some((one, claim)) = self.deferred_between(&touches, facts) {
                return Ok(Some(before_its_end(one.id(), &claim)));
            }
        }
        let live = match self.shared.jobs.store().jobs_seen_live().await {
            Ok(live) => live,
            Err(error) => return Ok(Some(not_known(&error))),
        };
        if self.job_between(&live, &touches, facts).is_none() {
            return Ok(None);
        }
        // A name that nobody has looked up may be another table's: only now is it worth asking.
        let meant = if reading.exact_names && reading.statements.len() == 1 {
            self.meant(&touches, facts).await?
        } else {
            Meant::new()
        };
        Ok(live.iter().find_map(|seen| {
            let left = still_meant(&seen.job.order, &touches, &meant);
            self.job_between(std::slice::from_ref(seen), &left, facts)
        }))
    }

    /// Which relations the names stand for that the change's facts do not tell of. What is not there is nobody's.
    async fn meant(&mut self, touches: &[Touch], facts: &Facts) -> Result<Meant, Ended> {
        let mut meant = Meant::new();
        for name in touches.iter().map(|touch| &touch.relation).filter(|name| facts.relation(name).is_none()) {
            let (end, written) = (self.exchange_end(), quoted(name));
            let asked = self.try_backstage(end, async |stage| stage.query(OID, &[Some(&written)]).await).await?;
            let oid = asked.ok().and_then(|rows| rows.concat().into_iter().flatten().next()?.parse().ok());
            meant.extend(oid.map(|oid| (name.clone(), oid)));
        }
        Ok(meant)
    }

    pub(super) fn deferred_between(&self, touches: &[Touch], facts: &Facts) -> Option<(&Deferred, Claim)> {
        // Migrations that add a column and a constraint are many.
        let found = |one: &Deferred| claim(one.order(), touches, facts).filter(|claim| *claim != Claim::Written);
        self.deferred.iter().find_map(|one| Some((one, found(one)?)))
    }

    fn job_between(&self, live: &[JobSeen], touches: &[Touch], facts: &Facts) -> Option<Reply> {
        let here =
            |order: &Order| order.target == self.identity.target.name && order.database == self.identity.database;
        let others = live.iter().filter(|seen| counts(&seen.job) && here(&seen.job.order));
        others.into_iter().find_map(|seen| {
            let (id, order) = (seen.job.id, &seen.job.order);
            let claim = claim(order, touches, facts)?;
            let table = order.plan.relation.as_ref().map(|of| of.written()).unwrap_or_default();
            let (what, so) = match claim {
                Claim::Table => (format!("table {table}"), "would make the job fail, or be lost"),
                Claim::Replaced(column) => (format!("column \"{column}\" of {table}"), "would be lost with the old column, or make the job fail"),
                Claim::Settled(column) => (format!("column \"{column}\" of {table}"), "would be undone by the job, or make it fail"),
                Claim::Written => (format!("the rows of {table}"), "would make the job fail if a row breaks the constraint"),
            };
            Some(
                Reply::error(sqlstate::BUSY, format!("job {id} is at work on {what}: what this statement does {so}"))
                    .detail(format!(
                        "Job {id} is {}, {}: {}",
                        seen.job.state.name().as_str(),
                        seen.progress.words(),
                        order.shown
                    ))
                    .hint(format!(
                        "Wait for it (lockkeeper jobs watch {id}) or end it (lockkeeper jobs abort {id}), then send this \
                         again. Nothing was changed."
                    )),
            )
        })
    }
}

fn not_known(error: &StoreError) -> Reply {
    Reply::error(sqlstate::NO_RECORD, format!("which jobs are at work cannot be looked up: {error}"))
        .detail("One of them might lose what this statement does, so it was not run.")
        .hint("Repair the gateway's data directory, then send it again.")
}

/// What one of the transaction's own jobs has yet to do.
pub(super) fn before_its_end(id: JobId, claim: &Claim) -> Reply {
    let (message, hint) = match claim {
        Claim::Replaced(column) => (
            format!("column \"{column}\" is to be replaced by one of another type after this transaction"),
            "Write both as one ALTER TABLE; or put what is only said of the column before the change of type; or put it into \
             a later migration, and run that when the job is done.",
        ),
        Claim::Settled(column) => (
            format!("column \"{column}\" is to be filled or made NOT NULL after this transaction"),
            "Put it into a later migration, and run that when the job is done.",
        ),
        Claim::Table | Claim::Written => (
            "the table is to be filled after this transaction".to_owned(),
            "Put it into a later migration, and run that when the job is done.",
        ),
    };
    Reply::error(sqlstate::REFUSED, message)
        .detail(format!("Job {id} would then undo what this statement does, or fail."))
        .hint(hint)
}
