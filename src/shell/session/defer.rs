//! A change inside the client's transaction block that is split: what only changes the catalog runs here, and the
//! rest is ordered as a job which begins when the server has committed the transaction, and not otherwise.
//!
//! The order is bound to the number of the very subtransaction it was given in. Only what the server says about
//! that number counts, so neither COMMIT nor ROLLBACK TO nor a lost connection has to be understood here.

use super::outcome::ITS_NUMBER;
use super::record::{Decided, Own};
use super::taken::Taken;
use super::{Ended, Session, between, words};
use crate::kernel::assess::Assessment;
use crate::kernel::job::{After, JobId, Order, State};
use crate::kernel::plan::Plan;
use crate::kernel::plan::claims::{Claim, How, Touch};
use crate::kernel::policy::Clearance;
use crate::kernel::rules::Finding;
use crate::kernel::sql::statement::Reading;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::audit::Decision;
use crate::shell::backstage::{Backstage, End};
use crate::shell::database::{Database, DatabaseError};
use crate::shell::executor::{Outcome, Past};
use crate::shell::jobs::{Fate, Held};

/// Gives the subtransaction a number, even where nothing has been written in it.
const NUMBER_IT: &str = "SELECT pg_catalog.pg_logical_emit_message(true, 'lockkeeper', 'deferred')";

/// A job that follows the session's transaction.
pub(super) struct Deferred {
    id: JobId,
    xid: String,
    /// What it is to do, on which table: that is not there yet, but spoken for.
    order: Order,
    /// What all of its statement does.
    touches: Vec<Touch>,
    /// While the session can ask, nobody else need.
    _held: Held,
}

impl Deferred {
    pub(super) fn id(&self) -> JobId {
        self.id
    }

    pub(super) fn order(&self) -> &Order {
        &self.order
    }

    fn head(&self) -> usize {
        self.order.after.as_ref().map_or(0, |after| after.head)
    }
}

impl Session {
    pub(super) async fn defer(
        &mut self,
        taken: &Taken,
        assessment: &Assessment,
        (plan, head): (Plan, usize),
        (_clearance, findings): (Clearance, Vec<Finding>),
    ) -> Result<(), Ended> {
        let order = match self.job_for(taken, &plan, &assessment.facts).await? {
            Ok(order) => order,
            Err(why) => return self.cannot_defer(taken, &plan, &findings, why).await,
        };
        let makes = |plan: &Plan, head: usize| -> Vec<String> {
            plan.steps.iter().skip(head).filter_map(|step| step.probe.clone()).collect()
        };
        let probes = makes(&plan, head);
        let makes_it = |one: &Deferred| makes(&one.order.plan, one.head()).iter().any(|p| probes.contains(p));
        if self.deferred.iter().any(makes_it) {
            self.drop_rolled_back().await?;
            if self.deferred.iter().any(makes_it) {
                return self.cannot_defer(taken, &plan, &findings, TWICE).await;
            }
        }
        if self.finds_another(&order, assessment).await? {
            return self.cannot_defer(taken, &plan, &findings, NOT_YET).await;
        }
        if let Err(error) = self.intend(taken, &plan, None).await {
            return self.unrecorded(taken, &error).await;
        }
        let decided = Decided::new(Decision::Defer, &findings).locking(assessment);
        Reply::notice(plan.summary.clone()).detail(words::split(&plan, head)).put(&mut self.client.out);
        if head > 0 {
            let first = plan.first(head);
            let (outcome, status) = self.execute((&first, &Past::default()), None, None).await?;
            self.relay.status = status;
            if !matches!(outcome, Outcome::Done(_)) {
                self.record_decision(taken, &decided, &findings, Some(&plan.recipe));
                let ran = self.conclude(taken, &first, outcome, decided).await?;
                return self.go_on_after(ran);
            }
        }
        let xid = match self.try_backstage(End::Sync, async |stage| number(stage, &plan.tag).await).await? {
            Ok(xid) => xid,
            Err(DatabaseError::Lost(why)) => return Err(self.server_lost(&why)),
            Err(DatabaseError::Server(error)) => {
                self.answer_server_error(&error, taken.path).await?;
                let own = Own { code: Some(error.code.clone()), ..Own::default() };
                self.record_own(&taken.known, (taken.path, taken.started), own, Some(decided));
                return Ok(());
            }
        };
        let order = Order { after: Some(After { xid: xid.clone(), head }), ..order };
        let touches = between::touches(taken, &taken.known.statements(), &assessment.facts);
        match self.shared.jobs.defer(order.clone()).await {
            Ok((id, held)) => {
                let decided = Decided { job: Some(id), ..decided };
                self.record_decision(taken, &decided, &findings, Some(&plan.recipe));
                self.deferred.push(Deferred { id, xid, order, touches, _held: held });
                Reply::notice(format!("job {id} does the rest when this transaction is committed"))
                    .detail("Until it is done, nothing can rely on it. A rollback drops it.")
                    .hint(format!("Follow it with: lockkeeper jobs watch {id}"))
                    .put(&mut self.client.out);
                self.answer_done(&plan.tag, taken.path, self.relay.status).await?;
                let own = Own { tag: plan.tag.clone(), ..Own::default() };
                self.record_own(&taken.known, (taken.path, taken.started), own, Some(decided));
                Ok(())
            }
            Err(error) => {
                let reply = Reply::error(sqlstate::NO_RECORD, format!("the job cannot be recorded: {error}"))
                    .detail("The transaction is aborted.")
                    .hint("Roll back, and try again when the gateway's data directory is in order.");
                self.refuse(taken, reply, &findings).await
            }
        }
    }

    async fn finds_another(&mut self, order: &Order, assessment: &Assessment) -> Result<bool, Ended> {
        if !self.hangs_on_replaced(order, assessment) {
            return Ok(false);
        }
        self.drop_rolled_back().await?;
        Ok(self.hangs_on_replaced(order, assessment))
    }

    /// Whether an earlier job of the transaction has yet to do something with a column whose place another one takes: that
    /// one is made like the column as it is now.
    fn hangs_on_replaced(&self, order: &Order, assessment: &Assessment) -> bool {
        self.deferred.iter().any(|one| {
            let claim = between::claim(order, &one.touches, &assessment.facts);
            matches!(claim, Some(Claim::Replaced(_)))
        })
    }

    async fn cannot_defer(&mut self, taken: &Taken, plan: &Plan, findings: &[Finding], why: &str) -> Result<(), Ended> {
        let refusal = crate::kernel::policy::not_deferred(&plan.tag, why, findings);
        let reply = Reply::error(sqlstate::REFUSED, refusal.message).detail(refusal.detail).hint(refusal.hint);
        self.refuse(taken, reply, findings).await
    }

    /// The transaction has ended in which jobs were deferred or approvals used: what the server says about it decides.
    pub(super) async fn transaction_over(&mut self) -> Result<(), Ended> {
        let deferred = std::mem::take(&mut self.deferred);
        let ready = std::mem::take(&mut self.ready);
        let asked = async {
            for one in deferred {
                let fate = self.try_backstage(End::Sync, async |stage| Fate::of(stage, &one.xid).await).await?;
                // Otherwise the job asks by itself.
                let Ok(fate) = fate else { continue };
                self.settled(one.id, fate).await;
            }
            Ok(())
        };
        let asked = asked.await;
        let asked = match asked {
            Ok(()) => self.settle_tickets().await,
            Err(ended) => Err(ended),
        };
        self.client.out.extend_from_slice(&ready);
        asked
    }

    /// ROLLBACK TO has dropped the jobs of what it took back: they stand in nobody's way any more.
    pub(super) async fn drop_rolled_back(&mut self) -> Result<(), Ended> {
        for one in std::mem::take(&mut self.deferred) {
            let fate = self.try_backstage(End::Sync, async |stage| Fate::of(stage, &one.xid).await).await;
            match fate {
                Ok(Ok(Fate::RolledBack)) => self.settled(one.id, Fate::RolledBack).await,
                Ok(Ok(_) | Err(_)) => self.deferred.push(one),
                Err(ended) => return Err(ended),
            }
        }
        Ok(())
    }

    /// Writes down what became of a job's transaction, and tells it.
    async fn settled(&mut self, id: JobId, fate: Fate) {
        match self.shared.jobs.settle(id, fate).await {
            Ok(true) if fate == Fate::Committed => {
                Reply::notice(format!("committed: job {id} begins"))
                    .hint(format!("Follow it with: lockkeeper jobs watch {id}"))
                    .put(&mut self.client.out);
            }
            Ok(true) => {
                Reply::notice(format!("rolled back: job {id} is dropped")).put(&mut self.client.out);
            }
            Ok(false) if fate == Fate::Committed => self.tell_aborted(id).await,
            // Somebody has aborted it, or nobody knows yet.
            Ok(false) => {}
            Err(error) => tracing::error!(job = id.0, %error, "that its transaction has ended is not written"),
        }
    }

    /// The transaction counts, and what was to follow it does not come.
    async fn tell_aborted(&mut self, id: JobId) {
        match self.shared.jobs.store().job(id).await {
            Ok(seen) => {
                if let State::Aborted { by, left, .. } = seen.job.state {
                    Reply::notice(format!("committed, but job {id} was aborted by {by}: the rest is not done"))
                        .detail(left)
                        .put(&mut self.client.out);
                }
            }
            Err(error) => tracing::error!(job = id.0, %error, "what became of a job cannot be read"),
        }
    }

    /// The deferred job that a change would contradict, if there is one: it would be reversed after COMMIT, or fail.
    pub(super) async fn contradicts(
        &mut self,
        taken: &Taken,
        reading: &Reading,
        assessment: &Assessment,
    ) -> Result<Option<Reply>, Ended> {
        if self.deferred.is_empty() {
            return Ok(None);
        }
        let mut touches = between::touches(taken, reading, &assessment.facts);
        touches.retain(|touch| !matches!(touch.how, How::Attaches | How::Checks));
        if self.deferred_between(&touches, &assessment.facts).is_none() {
            return Ok(None);
        }
        self.drop_rolled_back().await?;
        let found = self.deferred_between(&touches, &assessment.facts);
        Ok(found.map(|(one, claim)| between::before_its_end(one.id, &claim)))
    }

    /// Whether jobs or tickets wait for a transaction that has ended.
    pub(super) fn is_transaction_over(&self) -> bool {
        (!self.deferred.is_empty() || !self.unsettled.is_empty()) && self.relay.at_rest()
    }
}

const NOT_YET: &str = "an earlier change of it has something left to do with the same column after this transaction, and would \
    find another column in its place; where both can be one ALTER TABLE, write them so";
const TWICE: &str = "what it would make is already ordered in this transaction, under the same name";

/// The number of the subtransaction that the statement stands in.
async fn number(stage: &mut Backstage<'_>, tag: &str) -> Result<String, DatabaseError> {
    stage.query(NUMBER_IT, &[]).await?;
    let row = stage.query(ITS_NUMBER, &[]).await?.concat();
    match row.as_slice() {
        [Some(_), Some(read_only)] if read_only == "on" => {
            let text = format!("cannot execute {tag} in a read-only transaction");
            Err(crate::shell::executor::error("25006", &text))
        }
        [Some(xid), _] => Ok(xid.clone()),
        _ => Err(crate::shell::executor::error("XX000", "the transaction has no number")),
    }
}
