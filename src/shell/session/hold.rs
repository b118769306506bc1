//! Held statements: a ticket, the wait for a decision or the answer at once. The run is in `approved`.

use std::time::Instant;

use super::record::{Decided, Own};
use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::assess::{self, Assessment};
use crate::kernel::plan::Plan;
use crate::kernel::policy::{Draft, Verdict};
use crate::kernel::review::{Command, Rejection, Request, State, Ticket, TicketId, objects_hash};
use crate::kernel::rules;
use crate::kernel::sql::statement::Reading;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::audit::{Decision as Recorded, EndReason};
use crate::shell::clock::now;
use crate::shell::config::HoldMode;
use crate::shell::console::ask::{Claimed, Decision};
use crate::shell::store::{Opened, StoreError, Trouble};

/// How a wait ended without a run.
enum Waited {
    Decided(Decision),
    /// The client sent a CancelRequest.
    Cancelled,
    ClientGone,
    ServerGone,
    Draining,
}

/// What a reviewer is asked, and what runs if it is allowed: the same plan, but the secrets in its
/// statements are never kept.
pub(super) struct Asked {
    pub request: Request,
    pub plan: Plan,
}

impl Session {
    pub(super) async fn hold(
        &mut self,
        taken: &Taken,
        reading: &Reading,
        assessment: Assessment,
        draft: Draft,
    ) -> Result<(), Ended> {
        let mut decided = Decided::new(Recorded::Hold, &draft.findings).locking(&assessment);
        let mut asked = self.ask(taken, &assessment, draft);
        if let Some(state) = self.state().await? {
            asked.request.settings = state.settings;
        }
        let findings = asked.request.findings.clone();
        let (ticket, opened) = match self.shared.tickets.request(asked.request.clone()).await {
            Ok(found) => found,
            Err(error) => return self.answer_held_with(taken, no_ticket(&error), decided).await,
        };
        decided.ticket = Some(ticket.id);
        self.record_decision(taken, &decided, &findings, Some(&asked.plan.recipe));
        let at_once = self.relay.in_transaction() || self.identity.target.hold == HoldMode::Answer;
        let now = now();
        let may_run = at_once || ticket.runs_from(now).is_none_or(|from| from <= now);
        if may_run && matches!(ticket.state, State::Approved { .. }) {
            let waits = asked.plan.later().is_some();
            if let (false, Some(reply)) =
                (waits, self.between(taken, reading, (&asked.request.facts, &asked.plan.steps)).await?)
            {
                return self.answer_held_with(taken, not_used(reply), decided).await;
            }
            return self.run_approved(taken, ticket, asked, decided).await;
        }
        if at_once {
            return self.answer_held(taken, &ticket, opened, decided).await;
        }
        self.tell_held(&ticket, opened);
        self.wait(taken, reading, ticket, decided).await
    }

    fn ask(&self, taken: &Taken, assessment: &Assessment, draft: Draft) -> Asked {
        let facts = assessment.facts.clone();
        let Draft { mut findings, plan, conditions } = draft;
        let shown = self.shown_whole(taken);
        let hides = *shown != *taken.known.shown;
        let plan_shown = |plan: &Plan| if hides { plan.shown_as(&shown) } else { plan.shown() };
        for finding in &mut findings {
            finding.plan = finding.plan.as_ref().map(plan_shown);
        }
        let request = Request {
            shown: shown.clone(),
            text_hash: self.text_hash(taken),
            target: self.identity.target.name.clone(),
            database: self.identity.database.clone(),
            requester: self.identity.user.clone(),
            role: facts.current_role.clone(),
            person: self.person(),
            search_path: facts.search_path.clone(),
            application: self.identity.application.clone(),
            client: self.identity.client.clone(),
            settings: Vec::new(),
            findings,
            objects_hash: objects_hash(&facts),
            facts,
            plan: plan_shown(&plan),
            conditions,
        };
        Asked { request, plan }
    }

    async fn answer_held(
        &mut self,
        taken: &Taken,
        ticket: &Ticket,
        opened: Opened,
        decided: Decided,
    ) -> Result<(), Ended> {
        let attached = match (opened, &ticket.state) {
            (Opened::New, _) => "waits for approval".to_owned(),
            (Opened::Attached, State::Pending { returned: Some(why), .. }) => format!("is back in review: {why}"),
            (Opened::Attached, _) => "still waits for approval".to_owned(),
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

    pub(super) async fn answer_held_with(
        &mut self,
        taken: &Taken,
        reply: Reply,
        decided: Decided,
    ) -> Result<(), Ended> {
        let own = Own { code: Some(reply.code.to_owned()), ..Own::default() };
        let told = self.answer_error(reply, taken.path).await;
        self.record_own(&taken.known, (taken.path, taken.started), own, Some(decided));
        told
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
        let page = self.shared.settings.borrow().notifications.url.clone();
        let page = page.map(|url| format!(", or at {url}/tickets/{}", ticket.id)).unwrap_or_default();
        Reply::notice(format!("{how} ticket {}{returned}: {}", ticket.id, reason(ticket)))
            .hint(format!(
                "This session waits. A second person decides with: lockkeeper approve {0} (or reject {0}){page}. Ctrl-C stops waiting; the ticket stays.",
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
                Ok(Waited::ServerGone) => {
                    self.record_own(&taken.known, (taken.path, taken.started), Own::default(), Some(decided));
                    return Err(self.server_left());
                }
                Ok(Waited::Draining) => {
                    self.record_own(&taken.known, (taken.path, taken.started), Own::default(), Some(decided));
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
            let asked = match self.judged_again(taken, reading, &ticket).await? {
                Ok(asked) => asked,
                Err(reply) => return self.answer_held_with(taken, reply, decided).await,
            };
            let waits = asked.plan.later().is_some();
            if let (false, Some(reply)) =
                (waits, self.between(taken, reading, (&asked.request.facts, &asked.plan.steps)).await?)
            {
                return self.answer_held_with(taken, not_used(reply), decided).await;
            }
            if let Some(error) = self.log.audit().failure() {
                return self.unrecorded(taken, &error).await;
            }
            if asked.plan.later().is_some() {
                return self.run_ticket_as_job(taken, &ticket, &asked.plan, decided).await;
            }
            match self.claim(&ticket, asked.request).await {
                Ok(Claimed::Run(claim)) => return self.run_claimed(taken, claim, asked.plan, decided).await,
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
        let mut cancels = self.cancel.listen();
        let mut draining = self.shared.draining.clone();
        let tickets = self.shared.tickets.clone();
        let mut decision = std::pin::pin!(tickets.await_decision(ticket.id, Some(deadline)));
        loop {
            tokio::select! {
                biased;
                decision = &mut decision => return decision.map(Waited::Decided),
                _ = cancels.next() => return Ok(Waited::Cancelled),
                Ok(_) = draining.wait_for(|on| *on) => return Ok(Waited::Draining),
                _ = reminder.tick() => {
                    Reply::notice(format!("still waiting for approval of ticket {} ({} s)", ticket.id, since.elapsed().as_secs()))
                        .put(&mut self.client.out);
                }
                () = self.client.watch() => return Ok(Waited::ClientGone),
                () = self.server.watch() => return Ok(Waited::ServerGone),
            }
        }
    }

    /// The same statement with the facts of now. An answer instead where it can no longer be held.
    async fn judged_again(
        &mut self,
        taken: &Taken,
        reading: &Reading,
        ticket: &Ticket,
    ) -> Result<Result<Asked, Reply>, Ended> {
        let end = self.exchange_end();
        let facts = match self.facts(end, reading).await? {
            Ok(facts) => facts,
            Err(error) => {
                let reply =
                    Reply::error(sqlstate::UNREAD, "what this statement touches cannot be looked up, so it is not run");
                return Ok(Err(reply.detail(error.to_string())));
            }
        };
        let assessment = assess::assess(&taken.known.text, reading, facts);
        match self.verdict(reading, &assessment, taken.values.is_some()) {
            Verdict::Hold(draft) => Ok(Ok(self.ask(taken, &assessment, *draft))),
            // It asks for less than before; what was approved is still bound to what it was.
            Verdict::Pass { .. }
            | Verdict::Bounded { .. }
            | Verdict::Rewrite { .. }
            | Verdict::Defer { .. }
            | Verdict::Observed { .. }
            | Verdict::Refuse(_) => Ok(Err(self.held_no_longer(ticket, &assessment).await)),
        }
    }

    /// The approval was for another state of things: it is taken back.
    async fn held_no_longer(&self, ticket: &Ticket, assessment: &Assessment) -> Reply {
        let facts = assessment.facts.clone();
        let request = Request { objects_hash: objects_hash(&facts), facts, ..ticket.request.clone() };
        let why = "the objects or the policy have changed since this was held".to_owned();
        let reply = Reply::error(sqlstate::HELD, why.clone()).hint("Send the statement again: it is judged anew.");
        let tickets = &self.shared.tickets;
        let command = Command::ReturnToReview { why, request: Box::new(request) };
        match tickets.store.act(ticket.id, command, now(), tickets.settings().terms).await {
            Ok(_) => reply.detail(format!("The change was not run; ticket {} is back in review.", ticket.id)),
            // Somebody else was first; what they did is on the ticket.
            Err(error) => {
                tracing::info!(%error, ticket = ticket.id.0, "a ticket was not returned to review");
                reply.detail("The change was not run.")
            }
        }
    }

    pub(super) async fn claim(&self, ticket: &Ticket, request: Request) -> Result<Claimed, StoreError> {
        self.shared.tickets.claim(ticket.id, &self.log.id().to_string(), request).await
    }

    /// An approval that could not be spent: mostly because the ticket has moved on, and then it says how.
    pub(super) async fn claim_failed(
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
        if let StoreError::Rejected(early @ Rejection::TooEarly { .. }) = &error {
            let reply = Reply::error(sqlstate::HELD, format!("ticket {} is approved, but {early}", ticket.id))
                .detail("The change was not run; the approval was not used.")
                .hint("Send the same statement again then.");
            return self.answer_held_with(taken, reply, decided).await;
        }
        let overdue = error == StoreError::Rejected(Rejection::Overdue);
        let moved_on = if overdue { Some(Decision::Expired { was_approved: true }) } else { moved_on };
        let reply = match moved_on {
            Some(decision) => undecided(ticket, decision),
            None => not_claimed(ticket.id, &error),
        };
        self.answer_held_with(taken, reply, decided).await
    }
}

/// An approval that has to wait for a job.
fn not_used(reply: Reply) -> Reply {
    let hint = reply.hint.clone().unwrap_or_default();
    reply.hint(format!("{hint} The approval was not used."))
}

fn reason(ticket: &Ticket) -> String {
    let messages: Vec<&str> = rules::apart(&ticket.request.findings).0.iter().map(|f| f.message.as_str()).collect();
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
        Decision::ChangesRequested { by, what } => {
            Reply::error(sqlstate::HELD, format!("{by} asks for changes to ticket {id}: {what}"))
                .detail("The change was not run.")
                .hint("Send it changed, as a new ticket; or as it is, to ask once more.")
        }
        Decision::StillPending(now) if matches!(now.state, State::Approved { .. }) => {
            Reply::error(sqlstate::WAIT_OVER, format!("ticket {id} is approved, but may not run yet"))
                .detail("This session does not wait any more; the approval was not used.")
                .hint(format!("When it may run is shown by: lockkeeper tickets show {id}"))
        }
        Decision::StillPending(_) | Decision::Approved(_) => {
            Reply::error(sqlstate::WAIT_OVER, format!("nobody has decided on ticket {id} yet"))
                .detail("The ticket still waits for approval; this session does not any more.")
                .hint("Send the same statement again to wait on, or after it has been approved.")
        }
    }
}
