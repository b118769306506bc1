//! Held statements: a ticket, the wait for a decision or the answer at once, and the run after approval.

use std::time::Instant;

use super::act::{Ran, ms};
use super::intercept::Taken;
use super::record::{Decided, Own};
use super::{Ended, Session};
use crate::kernel::assess::{self, Assessment};
use crate::kernel::plan::{Action, Mode, Plan};
use crate::kernel::policy::{Clearance, Draft, Verdict};
use crate::kernel::review::{Rejection, Request, State, Ticket, TicketId, objects_hash};
use crate::kernel::sql::statement::Reading;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::audit::{Decision as Recorded, EndReason};
use crate::shell::catalog;
use crate::shell::config::HoldMode;
use crate::shell::console::ask::{Claim, Claimed, Decision};
use crate::shell::store::{Opened, StoreError, Trouble};

/// How a wait ended without a run.
enum Waited {
    Decided(Decision),
    /// The client sent a CancelRequest.
    Cancelled,
    ClientGone,
    Draining,
}

impl Session {
    pub(super) async fn hold(
        &mut self,
        taken: &Taken,
        reading: &Reading,
        assessment: Assessment,
        draft: Draft,
    ) -> Result<(), Ended> {
        let mut decided = Decided::new(Recorded::Hold, &draft.findings);
        // What runs is this, with whatever secrets it has; what is stored and shown has none.
        let plan = draft.plan.clone();
        let request = self.request(taken, &assessment, draft);
        let findings = request.findings.clone();
        let (ticket, opened) = match self.shared.tickets.request(request.clone()).await {
            Ok(found) => found,
            Err(error) => return self.answer_held_with(taken, no_ticket(&error), decided).await,
        };
        decided.ticket = Some(ticket.id);
        self.record_decision(&taken.known, &decided, &findings, Some(&request.plan.recipe));
        if let State::Approved { .. } = ticket.state {
            return self.run_approved(taken, ticket, (request, plan), decided).await;
        }
        let at_once = self.relay.in_transaction() || self.identity.target.hold == HoldMode::Answer;
        if at_once {
            return self.answer_held(taken, &ticket, opened, decided).await;
        }
        self.tell_held(&ticket, opened);
        self.wait(taken, reading, ticket, decided).await
    }

    fn request(&self, taken: &Taken, assessment: &Assessment, draft: Draft) -> Request {
        let facts = assessment.facts.clone();
        Request {
            shown: self.shown(&taken.known).to_string(),
            text_hash: taken.hash(),
            target: self.identity.target.name.clone(),
            database: self.identity.database.clone(),
            requester: self.identity.user.clone(),
            role: facts.current_role.clone(),
            search_path: facts.search_path.clone(),
            application: self.identity.application.clone(),
            client: self.identity.client.clone(),
            findings: draft.findings,
            objects_hash: objects_hash(&facts),
            facts,
            plan: draft.plan.shown(),
        }
    }

    async fn answer_held(
        &mut self,
        taken: &Taken,
        ticket: &Ticket,
        opened: Opened,
        decided: Decided,
    ) -> Result<(), Ended> {
        let attached = match opened {
            Opened::New => "waits for approval",
            Opened::Attached => "still waits for approval",
        };
        let why = reason(ticket);
        let reply = Reply::error(sqlstate::HELD, format!("this change needs approval: {why}"))
            .detail(format!("It was not run. It is ticket {}, which {attached}.", ticket.id))
            .hint(format!(
                "A second person decides with: lockkeeper approve {0} (or reject {0}). Then send the same statement again.",
                ticket.id
            ));
        self.answer_held_with(taken, reply, decided).await
    }

    async fn answer_held_with(&mut self, taken: &Taken, reply: Reply, decided: Decided) -> Result<(), Ended> {
        let own = Own { code: Some(reply.code.to_owned()), ..Own::default() };
        self.answer_error(reply, taken.path).await?;
        self.record_own(&taken.known, (taken.path, taken.started), own, Some(decided));
        Ok(())
    }

    fn tell_held(&mut self, ticket: &Ticket, opened: Opened) {
        let how = match opened {
            Opened::New => "held for approval as",
            Opened::Attached => "attached to",
        };
        let mut returned = String::new();
        if let State::Pending { returned: Some(why), .. } = &ticket.state {
            returned = format!(" (back in review: {why})");
        }
        Reply::notice(format!("{how} ticket {}{returned}: {}", ticket.id, reason(ticket)))
            .hint(format!(
                "This session waits. A second person decides with: lockkeeper approve {0} (or reject {0}). Ctrl-C stops waiting; the ticket stays.",
                ticket.id
            ))
            .put(&mut self.client.out);
    }

    async fn wait(
        &mut self,
        taken: &Taken,
        reading: &Reading,
        mut ticket: Ticket,
        decided: Decided,
    ) -> Result<(), Ended> {
        loop {
            let decision = match self.await_decision(&ticket).await {
                Ok(Waited::Decided(decision)) => decision,
                Ok(Waited::Cancelled) => {
                    let reply = Reply::error(sqlstate::QUERY_CANCELED, "canceling statement due to user request")
                        .detail(format!("Ticket {} still waits for approval.", ticket.id))
                        .hint(format!(
                            "Send the statement again to wait on, or withdraw it with: lockkeeper cancel {}",
                            ticket.id
                        ));
                    return self.answer_held_with(taken, reply, decided).await;
                }
                Ok(Waited::ClientGone) => {
                    self.record_own(&taken.known, (taken.path, taken.started), Own::default(), Some(decided));
                    return Err(Ended::Client);
                }
                Ok(Waited::Draining) => {
                    let reply =
                        Reply::fatal(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
                            .detail(format!("The gateway is stopping. Ticket {} stays as it is.", ticket.id))
                            .hint("Connect again and send the statement again.");
                    return Err(Ended::Told(reply, EndReason::GatewayStopping));
                }
                Err(error) => return self.answer_held_with(taken, lost_sight(ticket.id, &error), decided).await,
            };
            if !matches!(decision, Decision::Approved(_)) {
                let reply = undecided(&ticket, decision);
                return self.answer_held_with(taken, reply, decided).await;
            }
            // The world may have changed while people were thinking: judge it as it is now.
            let (request, plan) = match self.judged_again(taken, reading).await? {
                Ok(again) => again,
                Err(reply) => return self.answer_held_with(taken, reply, decided).await,
            };
            if let Some(error) = self.log.audit().failure() {
                return self.unrecorded(taken, &error).await;
            }
            match self.claim(&ticket, request).await {
                Ok(Claimed::Run(claim)) => return self.run_claimed(taken, claim, plan, decided).await,
                Ok(Claimed::BackToReview { ticket: again, why }) => {
                    Reply::notice(format!("ticket {} is back in review: {why}", again.id)).put(&mut self.client.out);
                    ticket = *again;
                }
                Err(error) => return self.claim_failed(taken, &ticket, error, decided).await,
            }
        }
    }

    async fn await_decision(&mut self, ticket: &Ticket) -> Result<Waited, StoreError> {
        let settings = self.settings();
        let since = Instant::now();
        let deadline = tokio::time::Instant::now() + settings.hold.wait_limit;
        let mut reminder =
            tokio::time::interval_at(tokio::time::Instant::now() + settings.hold.reminder, settings.hold.reminder);
        let mut cancels = self.cancel.requests();
        cancels.mark_unchanged();
        let mut draining = self.shared.draining.clone();
        let tickets = self.shared.tickets.clone();
        let mut decision = std::pin::pin!(tickets.await_decision(ticket.id, Some(deadline)));
        loop {
            tokio::select! {
                biased;
                decision = &mut decision => return decision.map(Waited::Decided),
                Ok(()) = cancels.changed() => return Ok(Waited::Cancelled),
                Ok(_) = draining.wait_for(|on| *on) => return Ok(Waited::Draining),
                _ = reminder.tick() => {
                    Reply::notice(format!("still waiting for approval of ticket {} ({} s)", ticket.id, since.elapsed().as_secs()))
                        .put(&mut self.client.out);
                }
                () = self.client.watch() => return Ok(Waited::ClientGone),
            }
        }
    }

    /// The same statement with the facts of now. An answer instead where it can no longer be held.
    async fn judged_again(
        &mut self,
        taken: &Taken,
        reading: &Reading,
    ) -> Result<Result<(Request, Plan), Reply>, Ended> {
        let wanted = assess::wanted(reading);
        let end = self.exchange_end();
        let facts = match self.try_backstage(end, async |stage| catalog::look_up(stage, &wanted).await).await? {
            Ok(facts) => facts,
            Err(error) => {
                let reply =
                    Reply::error(sqlstate::UNREAD, "what this statement touches cannot be looked up, so it is not run");
                return Ok(Err(reply.detail(error.to_string())));
            }
        };
        let assessment = assess::assess(&taken.known.text, reading, facts);
        match self.verdict(reading, &assessment, taken.values.is_some()) {
            Verdict::Hold(draft) => {
                let plan = draft.plan.clone();
                Ok(Ok((self.request(taken, &assessment, *draft), plan)))
            }
            // It asks for less than before; what was approved is still bound to what it was.
            Verdict::Pass { .. }
            | Verdict::Bounded { .. }
            | Verdict::Rewrite { .. }
            | Verdict::Observed { .. }
            | Verdict::Refuse(_) => {
                let reply = Reply::error(sqlstate::HELD, "the objects or the policy have changed since this was held")
                    .hint("Send the statement again: it is judged anew.");
                Ok(Err(reply))
            }
        }
    }

    async fn claim(&self, ticket: &Ticket, request: Request) -> Result<Claimed, StoreError> {
        self.shared.tickets.claim(ticket.id, &self.log.id().to_string(), request).await
    }

    async fn run_approved(
        &mut self,
        taken: &Taken,
        ticket: Ticket,
        (request, plan): (Request, Plan),
        decided: Decided,
    ) -> Result<(), Ended> {
        // Before the approval is spent on a run that would be refused.
        if let Some(error) = self.log.audit().failure() {
            return self.unrecorded(taken, &error).await;
        }
        match self.claim(&ticket, request).await {
            Ok(Claimed::Run(claim)) => self.run_claimed(taken, claim, plan, decided).await,
            Ok(Claimed::BackToReview { ticket, why }) => {
                let reply = Reply::error(sqlstate::HELD, format!("ticket {} is back in review: {why}", ticket.id))
                    .hint("Send the statement again when it has been approved again.");
                self.answer_held_with(taken, reply, decided).await
            }
            Err(error) => self.claim_failed(taken, &ticket, error, decided).await,
        }
    }

    /// An approval that could not be spent: mostly because the ticket has moved on, and then it says how.
    async fn claim_failed(
        &mut self,
        taken: &Taken,
        ticket: &Ticket,
        error: StoreError,
        decided: Decided,
    ) -> Result<(), Ended> {
        let moved_on = match error.trouble() {
            Trouble::Moved => {
                let now = self.shared.tickets.await_decision(ticket.id, Some(tokio::time::Instant::now())).await;
                now.ok().filter(|now| !matches!(now, Decision::Approved(_)))
            }
            Trouble::Limit | Trouble::TooLarge | Trouble::Outage => None,
        };
        let overdue = error == StoreError::Rejected(Rejection::Overdue);
        let moved_on = if overdue { Some(Decision::Expired { was_approved: true }) } else { moved_on };
        let reply = match moved_on {
            Some(decision) => undecided(ticket, decision),
            None => not_claimed(ticket.id, &error),
        };
        self.answer_held_with(taken, reply, decided).await
    }

    /// The approval is spent: run it, and say on the ticket what became of it.
    async fn run_claimed(
        &mut self,
        taken: &Taken,
        mut claim: Claim,
        plan: Plan,
        decided: Decided,
    ) -> Result<(), Ended> {
        if let Err(error) = self.intend(taken, &plan, Some(claim.ticket())).await {
            let outcome = claim.fail(sqlstate::NO_RECORD, &error.to_string()).await;
            log_unreported(outcome);
            return self.unrecorded(taken, &error).await;
        }
        claim.sending();
        let clearance = Clearance::of_plan(&plan);
        let ran = if is_forwarded(&plan) {
            self.run_as_it_is(taken, clearance, decided).await?
        } else {
            self.run_plan(taken, &plan, clearance, decided).await?
        };
        let outcome = match &ran {
            Ran::Done { tag, ms } => claim.finish(*ms, tag).await,
            // The server's words may repeat it.
            Ran::Failed { code, .. } if taken.known.hides() => {
                claim.fail(code, "its statement holds a secret, so the server's words are not kept").await
            }
            Ran::Failed { code, message } => claim.fail(code, message).await,
            Ran::Unknown { why } => claim.lose(why).await,
        };
        log_unreported(outcome);
        match ran {
            Ran::Unknown { why } => Err(self.server_lost(&why)),
            Ran::Done { .. } | Ran::Failed { .. } => Ok(()),
        }
    }

    /// The client's own message, with its parameters and its result set, under a bounded lock timeout.
    async fn run_as_it_is(&mut self, taken: &Taken, clearance: Clearance, decided: Decided) -> Result<Ran, Ended> {
        self.bound_lock_timeout().await?;
        let started = Instant::now();
        self.decided = Some(decided);
        self.last_error = None;
        self.forward(taken, clearance);
        self.settle().await?;
        let ms = ms(started.elapsed());
        Ok(match self.last_error.take() {
            Some(code) => Ran::Failed { code, message: "the server refused it".to_owned() },
            None => Ran::Done { tag: self.last_tag.to_string(), ms },
        })
    }
}

/// Whether the client's own message is what runs.
fn is_forwarded(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| matches!(step.action, Action::Sql { mode: Mode::AsIs, .. }))
}

fn log_unreported(outcome: Result<Ticket, StoreError>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "what became of a ticket could not be recorded");
    }
}

fn reason(ticket: &Ticket) -> String {
    let messages: Vec<&str> = ticket.request.findings.iter().map(|f| f.message.as_str()).collect();
    messages.join("; ")
}

/// Why there is no ticket for a change that needs one.
fn no_ticket(error: &StoreError) -> Reply {
    let (code, message, hint) = match error.trouble() {
        Trouble::Limit => {
            let hint = "See them with: lockkeeper tickets --state pending,approved";
            (sqlstate::REFUSED, format!("this change needs approval, but {error}"), hint)
        }
        Trouble::TooLarge => {
            let message = format!("this change needs approval, but {error}");
            (sqlstate::PROGRAM_LIMIT_EXCEEDED, message, "Split it into smaller changes.")
        }
        Trouble::Moved => {
            let message = format!("this change needs approval, and its ticket changed just now: {error}");
            (sqlstate::HELD, message, "Send the same statement again.")
        }
        Trouble::Outage => {
            let message = format!("this change needs approval, but its ticket cannot be recorded: {error}");
            (sqlstate::NO_RECORD, message, WHEN_IN_ORDER)
        }
    };
    Reply::error(code, message).detail("The change was not run.").hint(hint)
}

const WHEN_IN_ORDER: &str = "Send the same statement again when the gateway's data directory is in order.";

/// The ticket exists, but what becomes of it cannot be followed.
fn lost_sight(id: TicketId, error: &StoreError) -> Reply {
    Reply::error(sqlstate::NO_RECORD, format!("ticket {id} cannot be read: {error}"))
        .detail("The change was not run.")
        .hint(WHEN_IN_ORDER)
}

/// The approval is there, and could not be spent.
fn not_claimed(id: TicketId, error: &StoreError) -> Reply {
    let not_run = "The change was not run; the approval was not used.";
    match (error, error.trouble()) {
        (StoreError::Rejected(Rejection::OtherChange(mismatch)), _) => {
            Reply::error(sqlstate::HELD, format!("the approval of ticket {id} does not cover this: {mismatch}"))
                .detail(not_run)
                .hint("Send the statement again to have it looked at as it is now.")
        }
        (_, Trouble::Moved | Trouble::Limit | Trouble::TooLarge) => {
            Reply::error(sqlstate::HELD, format!("the approval of ticket {id} cannot be used: {error}"))
                .detail(not_run)
                .hint(format!("Look at it with: lockkeeper tickets show {id}"))
        }
        (_, Trouble::Outage) => {
            let message = format!("ticket {id} is approved, but its run cannot be recorded: {error}");
            Reply::error(sqlstate::NO_RECORD, message).detail(not_run).hint(WHEN_IN_ORDER)
        }
    }
}

fn undecided(ticket: &Ticket, decision: Decision) -> Reply {
    let id = ticket.id;
    match decision {
        Decision::Rejected { by, reason } => {
            Reply::error(sqlstate::REJECTED, format!("ticket {id} was rejected by {by}: {reason}"))
                .hint("The change was not run.")
        }
        Decision::Cancelled { by, reason } => {
            let why = reason.map(|r| format!(": {r}")).unwrap_or_default();
            Reply::error(sqlstate::CANCELLED, format!("ticket {id} was cancelled by {by}{why}"))
                .hint("The change was not run.")
        }
        Decision::Expired { was_approved } => {
            let what = if was_approved { "its approval was not used in time" } else { "nobody decided in time" };
            Reply::error(sqlstate::EXPIRED, format!("ticket {id} has expired: {what}"))
                .hint("The change was not run. Send the statement again to ask anew.")
        }
        Decision::Taken(state) => Reply::error(
            sqlstate::HELD,
            format!("the approval of ticket {id} was used by another session: it is {state}"),
        )
        .detail("This session did not run the change.")
        .hint(format!("Look at it with: lockkeeper tickets show {id}. Sent again, the statement asks anew.")),
        Decision::StillPending(_) | Decision::Approved(_) => {
            Reply::error(sqlstate::WAIT_OVER, format!("nobody has decided on ticket {id} yet"))
                .detail("The ticket still waits for approval; this session does not any more.")
                .hint("Send the same statement again to wait on, or after it has been approved.")
        }
    }
}
