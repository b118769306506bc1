//! An approved statement runs: its approval is spent, its plan or its own message runs, and its ticket says
//! how far it came and what became of it.

use std::time::Instant;

use bytes::BytesMut;

use super::hold::Asked;
use super::journal::Journal;
use super::outcome::{LOCK_NOT_AVAILABLE, log_unreported, may_be_there};
use super::record::Decided;
use super::run::{Permit, Ran, ms};
use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::facts::Facts;
use crate::kernel::job;
use crate::kernel::plan::{Plan, Step, as_is};
use crate::kernel::policy::Clearance;
use crate::kernel::relay::ledger::Path;
use crate::kernel::review::{Ticket, TicketId};
use crate::kernel::sql::statement::{LockMode, RelationName};
use crate::kernel::wire::frame::client;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::console::ask::{Claim, Claimed};
use crate::shell::executor::{Past, Progress, Retry};
use crate::shell::store::RunOutcome;

/// What a client is told whose change did not get its lock.
pub(super) fn still_approved(id: TicketId) -> String {
    format!("Ticket {id} stays approved.")
}

impl Session {
    pub(super) async fn run_approved(
        &mut self,
        taken: &Taken,
        ticket: Ticket,
        asked: Asked,
        decided: Decided,
    ) -> Result<(), Ended> {
        // Before the approval is spent on a run that would be refused.
        if let Some(error) = self.log.audit().failure() {
            return self.unrecorded(taken, &error).await;
        }
        if asked.plan.later().is_some() {
            return self.run_ticket_as_job(taken, &ticket, &asked.plan, decided).await;
        }
        match self.claim(&ticket, asked.request).await {
            Ok(Claimed::Run(claim)) => self.run_claimed(taken, claim, asked.plan, decided).await,
            Ok(Claimed::BackToReview { ticket, why }) => {
                let reply = Reply::error(sqlstate::HELD, format!("ticket {} is back in review: {why}", ticket.id))
                    .hint("Send the statement again when it has been approved again.");
                self.answer_held_with(taken, reply, decided).await
            }
            Err(error) => self.claim_failed(taken, &ticket, error, decided).await,
        }
    }

    /// The approval is spent: run it, and say on the ticket what became of it.
    pub(super) async fn run_claimed(
        &mut self,
        taken: &Taken,
        mut claim: Claim,
        plan: Plan,
        decided: Decided,
    ) -> Result<(), Ended> {
        if let Err(error) = self.intend(taken, &plan, Some(claim.ticket())).await {
            let outcome = claim.fail(sqlstate::NO_RECORD, &error.to_string()).await;
            log_unreported(outcome.map(drop));
            return self.unrecorded(taken, &error).await;
        }
        if let Err(error) = claim.start().await {
            let reply = Reply::error(
                sqlstate::NO_RECORD,
                format!("the start of ticket {id} cannot be recorded: {error}", id = claim.ticket().id),
            )
            .detail("The change was not run; its approval is spent.")
            .hint("Send the same statement again when the gateway's data directory is in order: it asks anew.");
            return self.answer_held_with(taken, reply, decided).await;
        }
        let journal = self.journal(&claim, &plan).await;
        let permit =
            Permit { clearance: Clearance::of_plan(&plan), decided, journal, past: Past::default(), judgement: None };
        let id = claim.ticket().id;
        let forwarded = plan.forwards_message() && !self.may_be_tried_again(taken, &claim.ticket().request.facts);
        let ran = if forwarded {
            self.run_as_it_is(taken, &plan, permit).await?
        } else {
            self.run_plan(taken, &plan, permit).await?
        };
        self.report(taken, claim, &ran).await;
        if forwarded && matches!(&ran, Ran::Failed { code, .. } if code == LOCK_NOT_AVAILABLE) {
            // Beside the server's own error.
            let told = if may_be_there(taken) {
                Reply::notice(format!("The approval of ticket {id} is spent, and the call is not tried again."))
                    .hint("What it had committed before it failed is there: look at that before you ask for it again.")
            } else {
                let hint = match taken.path {
                    Path::Execute => {
                        "When those who hold the lock are done, send the same statement again; by itself, as a simple query or \
                         with Sync right behind its Execute, it is tried until it has its lock."
                    }
                    Path::Simple | Path::Parse | Path::FunctionCall => {
                        "When those who hold the lock are done, send the same statement again."
                    }
                };
                Reply::notice(still_approved(id)).hint(hint)
            };
            told.put(&mut self.client.out);
        }
        let ready = std::mem::take(&mut self.ready);
        self.client.out.extend_from_slice(&ready);
        self.client.drain().await.map_err(|_| Ended::Client)?;
        self.go_on_after(ran)
    }

    /// Whether it may run here in the place of its message, as often as it takes to get its lock. What else is in a
    /// pipeline shares its transaction: up to the next Sync.
    fn may_be_tried_again(&self, taken: &Taken, facts: &Facts) -> bool {
        let reading = taken.known.statements();
        let is_last = taken.path == Path::Simple || self.client.held.first() == Some(&client::SYNC);
        let alone = is_last && !self.relay.in_transaction() && taken.values.is_none();
        let kind_of = |name: &RelationName| facts.relation(name).flatten().map(|found| found.kind);
        alone && reading.exact_names && as_is::may_be_tried_again(&taken.known.text, &reading.statements, kind_of)
    }

    /// Sends the message as it is, and where nothing of it is there when it has failed for want of a lock, once more: the
    /// client hears of the last time only. What came of it is for the caller to look at.
    async fn send_until_it_has_its_locks(
        &mut self,
        taken: &Taken,
        (clearance, decided): (Clearance, Decided),
    ) -> Result<Result<(), Ended>, Ended> {
        let limits = self.settings().limits_of(&self.identity.target);
        let mut retry = Retry::new(&limits, limits.budget);
        let reading = taken.known.statements();
        let whole = taken.path == Path::Simple && !self.relay.in_transaction();
        let again = whole && as_is::may_be_sent_again(&taken.known.text, &reading.statements);
        let mut cancels = self.cancel.listen();
        loop {
            let began = Instant::now();
            self.decided = Some(decided.clone());
            self.last_error = None;
            self.holds_ready = true;
            self.answers = again.then(BytesMut::new);
            let sent = self.forward(taken, clearance).await;
            let seen = if sent.is_ok() { self.see_through().await } else { Ok(()) };
            self.holds_ready = false;
            let answers = self.answers.take();
            sent?;
            let had_no_lock = self.last_error.as_deref().is_some_and(job::is_for_a_lock);
            let pause = if had_no_lock && seen.is_ok() && answers.is_some() && began.elapsed() < limits.tripwire {
                retry.next()
            } else {
                None
            };
            if let Some(pause) = pause {
                let words = format!("its lock was not to be had: tried again in {} ms", pause.as_millis());
                Reply::notice(words).put(&mut self.client.out);
                self.client.drain().await.map_err(|_| Ended::Client)?;
                let goes_on = tokio::select! {
                    () = tokio::time::sleep(pause) => true,
                    _asked = cancels.next() => false,
                    () = self.client.watch() => false,
                };
                if goes_on {
                    self.ready.clear();
                    continue;
                }
            }
            self.client.out.extend_from_slice(&answers.unwrap_or_default());
            return Ok(seen);
        }
    }

    /// The ticket itself says already that the change is running: without its steps it runs all the same.
    async fn journal(&self, claim: &Claim, plan: &Plan) -> Option<Journal> {
        let begun = self.begin_journal(claim.name(), (Some(claim.ticket().id), None), plan).await;
        begun.inspect_err(|error| tracing::error!(%error, "the steps of a change are not written on its ticket")).ok()
    }

    /// The client's own message, with its parameters and its result set, under a bounded lock timeout.
    async fn run_as_it_is(&mut self, taken: &Taken, plan: &Plan, permit: Permit) -> Result<Ran, Ended> {
        let Permit { clearance, decided, journal, past: _, judgement: _ } = permit;
        // Who waits for a row makes nobody queue for the table.
        let rows_only = |step: &Step| matches!(step.lock, LockMode::RowShare | LockMode::RowExclusive);
        if !plan.steps.iter().all(rows_only) {
            self.bound_lock_timeout(&taken.known.statements()).await?;
        }
        let name = plan.steps.first().map(|step| step.name.clone()).unwrap_or_default();
        if let Some(journal) = &journal {
            journal.tell(&Progress::StepStarted { step: 0, name: name.clone() });
        }
        let started = Instant::now();
        let seen = self.send_until_it_has_its_locks(taken, (clearance, decided)).await?;
        let ms = ms(started.elapsed());
        let ran = match (seen, self.last_error.take()) {
            (Err(Ended::Server), _) => Ran::lost(
                "the server closed the connection".to_owned(),
                "Whether it took effect is not known.",
                "Look at what is there before you send it again.",
            ),
            (Err(ended), _) => return Err(ended),
            (Ok(()), Some(code)) => Ran::Failed { code, message: "the server refused it".to_owned() },
            (Ok(()), None) => Ran::Done { tag: self.last_tag.to_string(), ms },
        };
        if let Some(journal) = journal {
            match &ran {
                Ran::Failed { code, .. } => {
                    journal.end(RunOutcome::Failed, Some((0, format!("SQLSTATE {code}")))).await
                }
                Ran::Unknown { why, .. } => journal.end(RunOutcome::Unknown, Some((0, why.clone()))).await,
                Ran::Overtaken => journal.end(RunOutcome::Failed, None).await,
                Ran::Done { .. } => {
                    journal.tell(&Progress::StepDone { step: 0, name, ms });
                    journal.end(RunOutcome::Done, None).await;
                }
            }
        }
        Ok(ran)
    }
}
