//! One run of a job: connect, see what is done, go on from there, and say how it ended.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc;

use super::super::audit::{EndedIdle, Event, VerifiedEvent, WhoseChange};
use super::super::backstage::Backstage;
use super::super::clock::now;
use super::super::config::{Settings, Target, UpstreamLogin};
use super::super::executor::{self, Ahead, Control, Outcome, Past, Progress, Stopped};
use super::super::store::{Backend, ChangeOf, JobSeen, NewRun, Queue, Run, RunOutcome, StepOutcome, StoreError};
use super::colleagues::Colleagues;
use super::connect::{self, Connection, NotConnected};
use super::deferred;
use super::ledger::{self, Journal};
use super::past::{self, PastError};
use super::progress::Tracker;
use super::{Jobs, Live, definitions, steer, ticket};
use crate::kernel::job::{Command, Job, JobId, State, StateName};
use crate::kernel::review::Door;
use crate::kernel::wire::reply::sqlstate;

/// Where a run stopped short of its plan.
#[derive(Debug)]
pub(super) enum Short {
    /// Try again later.
    Lose(String),
    /// It cannot be done.
    Fail { code: String, message: String },
    /// Somebody paused or aborted it meanwhile: there is nothing to say.
    Leave,
}

impl From<StoreError> for Short {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::JobRejected(_) => Self::Leave,
            error => Self::Lose(error.to_string()),
        }
    }
}

impl From<NotConnected> for Short {
    fn from(error: NotConnected) -> Self {
        match error {
            NotConnected::Later(why) => Self::Lose(why),
            NotConnected::Refused { code, message } => Self::Fail { code, message },
        }
    }
}

impl From<PastError> for Short {
    fn from(error: PastError) -> Self {
        match error {
            PastError::Unknown(_) => {
                Self::Fail { code: sqlstate::RESOLUTION_UNKNOWN.to_owned(), message: error.to_string() }
            }
            PastError::Database(_) | PastError::Store(_) | PastError::Open => Self::Lose(error.to_string()),
        }
    }
}

/// Runs the job until it is over, lost or left. What it is then, if it is over, and how its plan ended.
pub(super) async fn run(jobs: &Jobs, id: JobId, live: &Live) -> Option<(Job, Option<Outcome>)> {
    let job = match jobs.store().job(id).await {
        Ok(JobSeen { job, .. }) => job,
        Err(error) => {
            tracing::error!(job = id.0, %error, "a job cannot be read");
            return None;
        }
    };
    // Commands are written down before they are told to a run: what came before now is read here.
    steer(&live.control, &job);
    if job.state.name() == StateName::Paused {
        return None;
    }
    if deferred::is_open(&job) {
        return match deferred::ask(jobs, &job).await {
            Ok(()) | Err(Short::Leave) => None,
            Err(Short::Lose(why)) => lose(jobs, id, why).await,
            Err(Short::Fail { code, message }) => over(jobs, id, Command::Fail { code, message }, None).await,
        };
    }
    let tracker = Tracker::new(jobs.store().clone(), id, &job.order.plan);
    let ended = attempt(jobs, &job, live, &tracker).await;
    tracker.end().await;
    match ended {
        Ok((command, outcome)) => over(jobs, id, command, Some(outcome)).await,
        Err(Short::Leave) => None,
        Err(Short::Lose(why)) => lose(jobs, id, why).await,
        // A job that has done something and cannot log in any more has its state to come back to.
        Err(Short::Fail { message, code }) if job.started.is_some() && code != sqlstate::RESOLUTION_UNKNOWN => {
            lose(jobs, id, message).await
        }
        Err(Short::Fail { code, message }) => over(jobs, id, Command::Fail { code, message }, None).await,
    }
}

/// Writes down that there is no connection, for the next run.
pub(super) async fn lose(jobs: &Jobs, id: JobId, why: String) -> Option<(Job, Option<Outcome>)> {
    tracing::warn!(job = id.0, why, "a job has no connection");
    jobs.tell(id, Progress::Note(format!("job {id} waits: {why}")));
    let lost = jobs.store().job_act(Door::Gateway, id, Command::Lose { why }, now()).await;
    // Aborted before it began: the abort has told everybody.
    if let Err(error) = lost
        && !matches!(error, StoreError::JobRejected(_))
    {
        tracing::error!(job = id.0, %error, "a job's state cannot be written");
    }
    None
}

async fn over(jobs: &Jobs, id: JobId, command: Command, outcome: Option<Outcome>) -> Option<(Job, Option<Outcome>)> {
    if let Command::Lose { why } = command {
        return lose(jobs, id, why).await;
    }
    match jobs.store().job_act(Door::Gateway, id, command, now()).await {
        Ok(job) => {
            if let (Some(of), StateName::Done) = (job.order.undo_of, job.state.name()) {
                let undone = Command::Undone { by: id };
                if let Err(error) = jobs.store().job_act(Door::Gateway, of, undone, now()).await {
                    tracing::error!(job = of.0, %error, "that a job was undone cannot be written");
                }
                ticket::undone(jobs, of, id).await;
            }
            ticket::report(jobs, &job, outcome.as_ref()).await;
            Some((job, outcome))
        }
        // Aborted before it began: the one who did that has told everybody.
        Err(StoreError::JobRejected(_)) => None,
        Err(error) => {
            tracing::error!(job = id.0, %error, "how a job ended cannot be written");
            None
        }
    }
}

async fn attempt(jobs: &Jobs, job: &Job, live: &Live, tracker: &Tracker) -> Result<(Command, Outcome), Short> {
    let settings = jobs.settings();
    let (target, login) = way_in(&settings, job)?;
    let order = &job.order;
    let mut connection = Connection::of_job((target, &login), job).await?;
    let canceller = connection.canceller();
    let mut stage = connection.stage();
    let backend = connect::assume(&mut stage, order).await?;
    let runs = jobs.store().journal_of_job(job.id).await?;
    let mut tell_why = |why: String| {
        tracker.why(why.clone());
        jobs.tell(job.id, Progress::Note(format!("job {} {why}", job.id)));
    };
    let known = (jobs.store(), &order.plan);
    let mut past = past::of(&mut stage, known, &runs, &live.control, &mut tell_why).await?;
    if let Some(after) = &order.after {
        past.ahead = Some(Ahead { steps: after.head, job: job.id.to_string(), spent: order.ticket.is_some() });
        if runs.is_empty() {
            deferred::stands(&mut stage, order).await?;
        }
        past.done
            .extend((0..after.head).filter(|at| order.plan.steps.get(*at).is_some_and(|step| step.probe.is_none())));
    }
    if order.ticket.is_some() {
        ticket::claim(jobs, (&mut stage, target), (job, past::has_begun(&runs))).await?;
    }
    live.connected.store(true, Ordering::SeqCst);
    let stopping = jobs.store().job(job.id).await?.job.state.name() == StateName::Stopping;
    if !stopping {
        let started = jobs.store().job_act(Door::Gateway, job.id, Command::Start, now()).await?;
        steer(&live.control, &started);
    }
    let name = begin_run(jobs, job, &runs, backend).await?;
    let limits = settings.limits_of(target);
    let crew = Colleagues { target, login: &login, job };
    let work = Work { jobs, job, control: &live.control, tracker, limits: &limits, crew };
    let cancelled = async {
        // What stops from the beginning only cleans up.
        if stopping {
            return std::future::pending::<()>().await;
        }
        live.control.cancelled().await;
        let (upstream, process, key) = canceller;
        if let Err(error) = upstream.cancel(process, &key).await {
            tracing::warn!(job = job.id.0, %error, "a cancel request did not reach the server");
        }
        std::future::pending::<()>().await;
    };
    let started = Instant::now();
    let mut outcome = tokio::select! {
        outcome = work.go_on(&mut stage, &past, &name) => outcome,
        () = cancelled => return Err(Short::Leave),
    };
    let begun = past::has_begun(&jobs.store().journal_of_job(job.id).await?);
    ticket::still_approved(job, begun, &mut outcome);
    if matches!(outcome, Outcome::Done(_)) {
        jobs.order_later(job).await?;
    }
    keep_checks(jobs, job.id, &name, &outcome).await?;
    end_run(jobs, &name, &outcome).await?;
    Ok((conclusion(jobs, job, &outcome, started).await?, outcome))
}

/// Where the job goes and how it gets in.
pub(super) fn way_in<'a>(settings: &'a Settings, job: &Job) -> Result<(&'a Target, UpstreamLogin), Short> {
    let order = &job.order;
    let refused = |message: String| Short::Fail { code: sqlstate::INVALID_AUTHORIZATION.to_owned(), message };
    let Some(target) = settings.targets.iter().find(|target| target.name == order.target) else {
        return Err(refused(format!("target {} is not configured any more", order.target)));
    };
    match target.job_login(&order.requester) {
        Some(login) => Ok((target, login)),
        None => Err(refused(format!("target {} has no login for jobs of {}", target.name, order.requester))),
    }
}

async fn begin_run(jobs: &Jobs, job: &Job, runs: &[Run], backend: Backend) -> Result<String, Short> {
    let sameness = job.order.sameness.clone().unwrap_or_else(|| "job".to_owned());
    let run = format!("{sameness}:job-{}-{}", job.id, runs.len() + 1);
    let new = NewRun {
        run: run.clone(),
        ticket: job.order.ticket,
        job: Some(job.id),
        session: format!("job {}", job.id),
        plan: job.order.plan.clone(),
        of: None,
    };
    jobs.store().journal_begin(new, now()).await?;
    jobs.store().journal_backend(&run, backend).await?;
    Ok(run)
}

async fn keep_checks(jobs: &Jobs, id: JobId, run: &str, outcome: &Outcome) -> Result<(), Short> {
    let checks = &outcome.report().checks;
    if checks.is_empty() {
        return Ok(());
    }
    let event = VerifiedEvent { of: WhoseChange::job(id), checks: checks.clone() };
    jobs.shared.audit.event(Event::Verified(event));
    Ok(jobs.store().journal_checks(run, checks.clone()).await?)
}

async fn end_run(jobs: &Jobs, run: &str, outcome: &Outcome) -> Result<(), Short> {
    let (how, stopped) = match outcome {
        Outcome::Done(_) => (RunOutcome::Done, None),
        Outcome::Failed(_, stopped) => (RunOutcome::Failed, Some((stopped, StepOutcome::Failed))),
        Outcome::Cancelled(_, stopped) => (RunOutcome::Cancelled, Some((stopped, StepOutcome::Cancelled))),
        // Its journal stays open: the next run finds out.
        Outcome::Unknown(..) => return Ok(()),
    };
    if let Some((stopped, step)) = stopped {
        let at = u32::try_from(stopped.step).unwrap_or(u32::MAX);
        let why = format!("{}. {}", stopped.error, stopped.state);
        jobs.store().journal_finished(run, at, (step, Some(why)), now()).await?;
    }
    Ok(jobs.store().journal_end(run, how, now()).await?)
}

/// What the outcome of a run means for its job.
async fn conclusion(jobs: &Jobs, job: &Job, outcome: &Outcome, started: Instant) -> Result<Command, Short> {
    let in_words = |stopped: &Stopped| format!("{} {}", stopped.state, stopped.way_on);
    Ok(match outcome {
        Outcome::Done(report) => {
            let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            Command::Finish { ms, rows: report.rows }
        }
        Outcome::Failed(_, stopped) | Outcome::Cancelled(_, stopped) => {
            let now_is = jobs.store().job(job.id).await?.job.state;
            if matches!(now_is, State::Stopping { .. }) {
                Command::Stopped { left: in_words(stopped) }
            } else {
                let code = stopped.error.code().unwrap_or("XX000").to_owned();
                Command::Fail { code, message: format!("{}: {}. {}", stopped.name, stopped.error, in_words(stopped)) }
            }
        }
        Outcome::Unknown(_, stopped) => Command::Lose { why: stopped.error.to_string() },
    })
}

/// What a run works with.
struct Work<'a> {
    jobs: &'a Jobs,
    job: &'a Job,
    control: &'a Control,
    tracker: &'a Tracker,
    limits: &'a executor::Limits,
    crew: Colleagues<'a>,
}

impl Work<'_> {
    async fn go_on(&self, stage: &mut Backstage<'_>, past: &Past, run: &str) -> Outcome {
        let id = self.job.id;
        definitions::before(self.jobs, stage, self.job).await;
        let order = &self.job.order;
        let recording = self.jobs.traffic().begin(ChangeOf::job(id, order.ticket), &order.target).await;
        let mut journal = Journal { store: self.jobs.store().clone(), run: run.to_owned() };
        let queue = Queue::of(self.jobs.store().clone(), run.to_owned());
        let (walked, places) = mpsc::unbounded_channel();
        let mut tell = |told: Progress| {
            self.tracker.take(&told);
            recording.tell(&told);
            match &told {
                Progress::Retrying { queue: at, .. } | Progress::WaitingForSnapshots { queue: at } => {
                    queue.waits(at, now());
                }
                Progress::StepDone { .. }
                | Progress::AlreadyDone { .. }
                | Progress::Backfill { .. }
                | Progress::GoesOn => queue.goes_on(),
                Progress::EndedIdle { blocker } => {
                    let ended = EndedIdle { of: WhoseChange::job(id), ended: blocker.clone() };
                    self.jobs.shared.audit.event(Event::EndedIdle(ended));
                }
                // The receiver lives as long as this function.
                Progress::Walked(place) => drop(walked.send(place.clone())),
                Progress::StepStarted { .. } | Progress::Throttled { .. } | Progress::Note(_) => {}
            }
            self.jobs.tell(id, told);
        };
        let what = (&self.job.order.plan, self.limits);
        let outcome = tokio::select! {
            outcome = executor::go_on((&mut *stage, Some(&self.crew)), what, self.control, &mut tell, (past, &mut journal)) => outcome,
            never = ledger::follow(self.jobs.store(), run, places) => match never {},
        };
        drop(recording);
        queue.end().await;
        definitions::after(self.jobs, stage, self.job, &outcome).await;
        outcome
    }
}
