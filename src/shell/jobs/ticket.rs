//! An approved change that runs without the one who asked for it: judged again on the job's own connection,
//! as the waiting session would, claimed, and reported.

use super::super::audit::{Event, Intent};
use super::super::backstage::Backstage;
use super::super::catalog;
use super::super::clock::now;
use super::super::config::Target;
use super::super::database::DatabaseError;
use super::super::executor::Outcome;
use super::super::store::StoreError;
use super::run::Short;
use super::{Jobs, explain};
use crate::kernel::job::{self, Job, JobId, claim_of};
use crate::kernel::policy::{self, Place, Verdict, Who};
use crate::kernel::review::{self, Command, Request, Ticket, TicketId, approvers, objects_hash};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::Statement;
use crate::kernel::wire::reply::sqlstate;

fn refused(message: String) -> Short {
    Short::Fail { code: sqlstate::HELD.to_owned(), message }
}

/// Spends the approval, unless this job has done that before. One that has `begun` was judged then: what is different
/// now, it has made so.
pub(super) async fn claim(
    jobs: &Jobs,
    (stage, target): (&mut Backstage<'_>, &Target),
    (job, begun): (&Job, bool),
) -> Result<(), Short> {
    let Some(id) = job.order.ticket else { return Ok(()) };
    let store = jobs.store();
    let ticket = store.load(id).await?;
    match &ticket.state {
        review::State::Running { claim, .. } if *claim == claim_of(job.id) => return Ok(()),
        review::State::Claimed { claim, .. } if *claim == claim_of(job.id) => return start(jobs, id, job).await,
        _ => {}
    }
    let request = if begun { ticket.request.clone() } else { judged(jobs, stage, target, &ticket).await? };
    let intent = Intent {
        n: 0,
        text: ticket.request.shown.clone(),
        text_hash: ticket.request.text_hash.clone(),
        plan: job.order.plan.clone(),
        ticket: Some(id),
        approvers: approvers(&ticket.state),
        session: None,
    };
    // Before the approval is spent on a run that would not be recorded.
    let unrecorded = |error: super::super::audit::RecordError| Short::Fail {
        code: sqlstate::NO_RECORD.to_owned(),
        message: error.to_string(),
    };
    jobs.shared.audit.event_durable(Event::Intent(intent)).await.map_err(unrecorded)?;
    let command =
        Command::Claim { claim: claim_of(job.id), session: format!("job {}", job.id), request: Box::new(request) };
    let terms = jobs.shared.tickets.settings().terms;
    match store.act(id, command, now(), terms).await {
        Ok(ticket) => match ticket.state {
            review::State::Claimed { .. } => start(jobs, id, job).await,
            _ => Err(refused(format!("ticket {id} is back in review: what it is about has changed"))),
        },
        Err(error @ (StoreError::Rejected(_) | StoreError::Conflict { .. })) => {
            Err(refused(format!("the approval of ticket {id} cannot be used: {error}")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Nothing goes to the database before this is written down.
async fn start(jobs: &Jobs, id: TicketId, job: &Job) -> Result<(), Short> {
    let terms = jobs.shared.tickets.settings().terms;
    jobs.store().act(id, Command::Start { claim: claim_of(job.id) }, now(), terms).await?;
    Ok(())
}

/// The same statement with the facts of now, as this connection sees them.
async fn judged(jobs: &Jobs, stage: &mut Backstage<'_>, target: &Target, ticket: &Ticket) -> Result<Request, Short> {
    let asked = &ticket.request;
    let Some(text) = asked.whole_text() else { return Err(refused(NOT_WHOLE.to_owned())) };
    let known = Known::read(text.as_bytes(), TextEncoding::Utf8);
    let reading = known.statements();
    if reading.statements.iter().any(|parsed| matches!(parsed.statement, Statement::Execute { .. })) {
        return Err(refused(
            "what a prepared statement stands for, only the session knows that prepared it".to_owned(),
        ));
    }
    let not_known = |error: DatabaseError| Short::Lose(format!("what it touches cannot be looked up: {error}"));
    let facts = catalog::facts_of(stage, &reading).await.map_err(not_known)?;
    let settings = jobs.settings();
    let assessment = explain::assessed(&settings, &known, &reading, facts);
    let several = reading.statements.len() > 1;
    let place = Place { in_transaction: false, in_block: false, several, parameters: false };
    let who =
        Who { target: target.name.clone(), role: asked.requester.clone(), application: asked.application.clone() };
    let verdict = policy::judge(&settings.judging(target), &who, place, &assessment);
    let Verdict::Hold(draft) = verdict else {
        return Err(refused(
            "the objects or the policy have changed since it was held: send the statement again".to_owned(),
        ));
    };
    let facts = assessment.facts;
    Ok(Request {
        role: facts.current_role.clone(),
        search_path: facts.search_path.clone(),
        objects_hash: objects_hash(&facts),
        findings: draft.findings,
        facts,
        plan: draft.plan.shown(),
        conditions: draft.conditions,
        ..asked.clone()
    })
}

pub(super) const NOT_WHOLE: &str = "it has bound values, secrets or prepared statements, which are not kept: send the statement again from a session instead";

/// A job that did not get its lock has used nothing of the approval up: the one who reads why is told so.
pub(super) fn still_approved(job: &Job, begun: bool, outcome: &mut Outcome) {
    let (Some(id), Outcome::Failed(_, stopped)) = (job.order.ticket, outcome) else { return };
    if !stopped.error.code().is_some_and(job::is_for_a_lock) {
        return;
    }
    stopped.state = format!("{} Ticket {id} stays approved.", stopped.state);
    stopped.way_on = if begun {
        format!("When those who hold the lock are done: lockkeeper jobs resume {}.", job.id)
    } else {
        format!("When those who hold the lock are done: lockkeeper run {id}, or send the same statement again.")
    };
}

/// Says on the ticket what became of it.
pub(super) async fn report(jobs: &Jobs, job: &Job, outcome: Option<&Outcome>) {
    let Some(id) = job.order.ticket else { return };
    let ran = match outcome {
        Some(Outcome::Done(report)) => report.tag.clone(),
        _ => None,
    };
    let Some(command) = job::report(job, ran) else { return };
    tell(jobs, id, command).await;
}

/// A job has taken back what another did: the ticket of that one says so.
pub(super) async fn undone(jobs: &Jobs, of: JobId, by: JobId) {
    match jobs.store().job(of).await {
        Ok(seen) => {
            if let Some(id) = seen.job.order.ticket {
                tell(jobs, id, Command::Undo { job: by.0 }).await;
            }
        }
        Err(error) => tracing::error!(job = of.0, %error, "whose ticket was undone cannot be read"),
    }
}

async fn tell(jobs: &Jobs, id: TicketId, command: Command) {
    let terms = jobs.shared.tickets.settings().terms;
    match jobs.store().act(id, command, now(), terms).await {
        // Rejected: it was never claimed, and stays as it is.
        Ok(_) | Err(StoreError::Rejected(_)) => {}
        Err(error) => tracing::error!(ticket = id.0, %error, "what became of a ticket could not be recorded"),
    }
}
