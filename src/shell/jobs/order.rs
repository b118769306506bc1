//! Jobs that are ordered through the admin door: an approved ticket, and the way back from a job.

use super::super::audit::{Event, Intent};
use super::super::clock::now;
use super::super::executor::Progress;
use super::super::store::{StepOutcome, StoreError};
use super::{Attached, Jobs, past, ticket};
use crate::kernel::job::{Command, Job, JobId, Later, Order, StateName, Table};
use crate::kernel::plan::undo::{self, Bounds};
use crate::kernel::review::{Door, Rejection, RunMode, StateName as TicketState, Ticket, TicketId};

/// Why there is no job.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Refused(String),
    /// Data would be lost, and nobody has said that it may.
    #[error("undoing job {id} loses {what}: say that you mean it (--yes)")]
    Loses { id: JobId, what: String },
    #[error("the record cannot be written, and nothing runs unrecorded: {0}")]
    Unrecorded(String),
}

fn refused(why: impl Into<String>) -> OrderError {
    OrderError::Refused(why.into())
}

impl Jobs {
    /// Runs an approved change without the one who asked for it.
    ///
    /// # Errors
    /// It is not approved, cannot run without its session, or the store cannot be written.
    pub async fn run_ticket(&self, id: TicketId, door: Door) -> Result<Job, OrderError> {
        let attached = self.order_ticket(id, door).await?;
        Ok(self.store().job(attached.id).await?.job)
    }

    /// The same, with an ear at the job.
    ///
    /// # Errors
    /// As there.
    pub async fn order_ticket(&self, id: TicketId, door: Door) -> Result<Attached, OrderError> {
        let ticket = self.store().load(id).await?;
        let request = &ticket.request;
        let state = ticket.state.name();
        if state != TicketState::Approved {
            return Err(refused(format!("ticket {id} is {}, and would have to be approved for that", state.as_str())));
        }
        let now = now();
        let from = ticket.runs_from(now);
        if from.is_none_or(|from| from > now) {
            let early = Rejection::TooEarly { from };
            return Err(refused(format!("ticket {id} is approved, but {early}")));
        }
        let last = self.store().job_of_ticket(id).await?;
        if let Some(job) = last.as_ref().filter(|job| job.state.name().is_live()) {
            return Err(refused(format!("job {} is for ticket {id} already", job.id)));
        }
        self.can_run(&ticket, RunMode::Job)?;
        // What one has begun that did not get a lock, the same one ends.
        if let Some(job) = last.filter(Job::had_no_lock)
            && past::has_begun(&self.store().journal_of_job(job.id).await?)
        {
            let attached = self.listen(job.id);
            self.act(door, job.id, Command::Resume { by: format!("ticket {id}") }).await?;
            return Ok(attached);
        }
        let facts = &request.facts;
        let tables = facts.worked_on().into_iter().map(|(oid, name)| Table { oid, name });
        let mut order = Order {
            target: request.target.clone(),
            database: request.database.clone(),
            tables: tables.collect(),
            requester: request.requester.clone(),
            role: (facts.current_role != facts.session_role).then(|| facts.current_role.clone()),
            settings: request.settings.clone(),
            application: request.application.clone(),
            shown: request.shown.clone(),
            plan: request.plan.clone(),
            sameness: None,
            ticket: Some(id),
            undo_of: None,
            after: None,
            later: None,
        };
        if !order.settings.iter().any(|(name, _)| name == "search_path") {
            order.settings.push(("search_path".to_owned(), request.search_path.clone()));
        }
        Ok(self.order(order, door).await?)
    }

    /// Whether a ticket can run this way at all.
    ///
    /// # Errors
    /// Why it needs its session.
    pub fn can_run(&self, ticket: &Ticket, run: RunMode) -> Result<(), OrderError> {
        let request = &ticket.request;
        if run == RunMode::Session {
            return Ok(());
        }
        if request.whole_text().is_none() {
            return Err(refused(ticket::NOT_WHOLE));
        }
        if request.plan.reads_back().is_err() {
            return Err(refused("it holds several statements: send them again from a session instead"));
        }
        let settings = self.settings();
        let target = settings.targets.iter().find(|target| target.name == request.target);
        if target.and_then(|target| target.job_login(&request.requester)).is_none() {
            return Err(refused(format!(
                "target {} has no login for jobs of {}: see [targets.jobs] in the configuration",
                request.target, request.requester
            )));
        }
        Ok(())
    }

    /// Takes back what a job has done, in a job of its own.
    ///
    /// # Errors
    /// There is nothing to take back, data would be lost without `may_lose`, or it cannot be recorded.
    pub async fn undo(&self, id: JobId, by: &str, may_lose: bool, door: Door) -> Result<Job, OrderError> {
        let job = self.store().job(id).await?.job;
        let state = job.state.name();
        if !matches!(state, StateName::Done | StateName::Failed) {
            return Err(refused(format!(
                "job {id} is {}, and would have to be done or failed for that",
                state.as_str()
            )));
        }
        let running = self.store().jobs_live().await?;
        if let Some(other) = running.iter().find(|other| other.order.undo_of == Some(id)) {
            return Err(refused(format!("job {} undoes job {id} already", other.id)));
        }
        let runs = self.store().journal_of_job(id).await?;
        // What its transaction did is of the same change.
        let head = job.order.after.as_ref().filter(|_| job.started.is_some()).map_or(0, |after| after.head);
        let done: Vec<usize> = (0..head).chain(past::did(&runs)).collect();
        let relations: Vec<_> = job.order.tables.iter().map(|table| (table.oid, table.name.as_str())).collect();
        let in_part = state == StateName::Failed || self.was_undone_in_part(id).await?;
        let bounds = Bounds { relations: &relations, left: &past::left(&runs), in_part };
        let Some(plan) = undo::bound_to(&job.order.plan, &done, bounds) else {
            return Err(refused(format!("nothing that job {id} has done can be undone by a plan")));
        };
        if let (Some(what), false) = (&job.order.plan.undo_loses, may_lose) {
            return Err(OrderError::Loses { id, what: what.clone() });
        }
        let intent = Intent {
            n: 0,
            text: format!("undo of job {id}, asked for by {by}"),
            text_hash: String::new(),
            plan: plan.clone(),
            ticket: None,
            approvers: Vec::new(),
            session: None,
        };
        let recorded = self.shared.audit.event_durable(Event::Intent(intent)).await;
        recorded.map_err(|error| OrderError::Unrecorded(error.to_string()))?;
        let order = Order {
            shown: format!("undo of job {id}: {}", job.order.shown),
            plan,
            sameness: None,
            ticket: None,
            undo_of: Some(id),
            after: None,
            later: None,
            ..job.order
        };
        // What it has left for later must not come.
        for other in running.iter().filter(|other| other.order.later.is_some_and(|later| later.job == id)) {
            let reason = Some(format!("job {id} is undone"));
            self.act(door, other.id, Command::Abort { by: by.to_owned(), reason }).await?;
        }
        let attached = self.order(order, door).await?;
        Ok(self.store().job(attached.id).await?.job)
    }

    async fn was_undone_in_part(&self, id: JobId) -> Result<bool, StoreError> {
        for undo in self.store().undos_of_job(id).await? {
            let runs = self.store().journal_of_job(undo.id).await?;
            if runs.iter().flat_map(|run| &run.steps).any(|step| matches!(step.ended, Some((_, StepOutcome::Done)))) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Orders what a job has left for later. Said twice it runs twice, and the second time finds nothing to do.
    pub(super) async fn order_later(&self, job: &Job) -> Result<(), StoreError> {
        let Some((ms, plan)) = job.order.plan.later() else { return Ok(()) };
        let order = Order {
            shown: job.order.shown.clone(),
            plan: plan.clone(),
            sameness: None,
            ticket: None,
            undo_of: None,
            after: None,
            later: Some(Later { job: job.id, at: now().plus_ms(ms) }),
            ..job.order.clone()
        };
        let later = self.order(order, Door::Gateway).await?;
        self.tell(
            job.id,
            Progress::Note(format!(
                "job {} ends it at its time; to take it back before: lockkeeper jobs undo {}",
                later.id, job.id
            )),
        );
        Ok(())
    }
}
