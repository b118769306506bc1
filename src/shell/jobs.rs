//! Durable jobs: plans that run on a connection of the gateway's own, logged in as the requester, and go on
//! when the client has left, the connection broke or the process died.
//!
//! What a job is and what may become of it, `kernel::job` says; the store has it. Here are the queue, the runs
//! and the door through which every command about a job goes. A run holds no truth: it can be lost at any
//! moment, and the next one finds out from journal, probes and transaction numbers what is done.

mod colleagues;
mod connect;
mod deferred;
mod definitions;
mod explain;
mod ledger;
mod now;
mod order;
mod past;
mod progress;
mod propose;
mod run;
mod schedule;
mod targets;
mod ticket;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast, watch};

use super::audit::Audit;
use super::clock::now;
use super::config::Settings;
use super::console::ask::Tickets;
use super::executor::{Control, Outcome, Progress};
use super::store::{Store, StoreError};
use super::traffic::Traffic;
use crate::kernel::job::{self, Command, Job, JobId, Order, State, StateName};
use crate::kernel::review::{Door, People};
use crate::kernel::wire::reply::sqlstate;

pub use deferred::{Fate, Held};
pub use explain::{ExplainError, Explained, Question};
pub use now::{FactsNow, Measured, TableNow, tables_then};
pub use order::OrderError;
pub use propose::{Asking, ProposeError};
pub use targets::TargetSeen;

/// Runs at a time: each has a connection.
const RUNS_MAX: usize = 8;
/// News a session may be behind before it misses some.
const NEWS: usize = 1_024;
/// The store is asked again after this when it failed, and anyway for what is due.
const LOOK: Duration = Duration::from_secs(5);

/// The jobs of this process. Clones share them.
#[derive(Clone)]
pub struct Jobs {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    tickets: Tickets,
    audit: Audit,
    traffic: Traffic,
    settings: watch::Receiver<Arc<Settings>>,
    runtime: Handle,
    rooms: Mutex<HashMap<JobId, Room>>,
    runs: Mutex<HashMap<JobId, Live>>,
    /// Why jobs wait that are not at work, as it was last told.
    reasons: Mutex<HashMap<JobId, String>>,
    /// Who asks for the end of the transactions that jobs follow.
    asking: Mutex<HashMap<JobId, deferred::Asking>>,
    /// How many sessions are about to hold a job that follows their transaction.
    ordering: AtomicUsize,
    wake: Notify,
}

/// Where a job can be heard.
#[derive(Clone)]
struct Room {
    told: broadcast::Sender<Progress>,
    ended: watch::Sender<Option<Arc<Ended>>>,
}

/// A run at work.
#[derive(Clone, Default)]
struct Live {
    control: Control,
    /// Turns true when its connection stands.
    connected: Arc<AtomicBool>,
}

/// How a job ended, for whoever waits for it.
#[derive(Clone, Debug)]
pub enum Ended {
    Ran(Outcome),
    /// Without a run, or before its first step.
    Not {
        code: String,
        message: String,
    },
}

/// Somebody's ear at a job.
pub struct Attached {
    pub id: JobId,
    pub told: broadcast::Receiver<Progress>,
    pub ended: watch::Receiver<Option<Arc<Ended>>>,
}

impl Jobs {
    /// Runs happen on the runtime this is called on.
    #[must_use]
    pub fn new(tickets: Tickets, audit: Audit, settings: watch::Receiver<Arc<Settings>>) -> Self {
        let shared = Shared {
            store: tickets.store.clone(),
            traffic: Traffic::new(tickets.store.clone()),
            tickets,
            audit,
            settings,
            runtime: Handle::current(),
            rooms: Mutex::default(),
            runs: Mutex::default(),
            reasons: Mutex::default(),
            asking: Mutex::default(),
            ordering: AtomicUsize::new(0),
            wake: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What others feel of jobs, and of all other changes.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.shared.traffic
    }

    /// Writes a job down and takes it up when its turn comes. From then on it needs nobody.
    ///
    /// # Errors
    /// The store cannot be written: nothing runs.
    pub async fn order(&self, order: Order, door: Door) -> Result<Attached, StoreError> {
        let job = self.shared.store.job_order(order, door, now()).await?;
        let attached = self.listen(job.id);
        self.shared.wake.notify_one();
        Ok(attached)
    }

    /// The job of the same statement, if one is not over.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn same(&self, sameness: &str) -> Result<Option<Attached>, StoreError> {
        let Some(job) = self.shared.store.job_same(sameness).await? else { return Ok(None) };
        let attached = self.listen(job.id);
        // It may have ended between the two.
        let still = self.shared.store.job(job.id).await?.job;
        Ok(still.state.name().is_live().then_some(attached))
    }

    fn listen(&self, id: JobId) -> Attached {
        let room = self.room(id);
        Attached { id, told: room.told.subscribe(), ended: room.ended.subscribe() }
    }

    /// The door for every command about a job: it is decided on and written down, and a run at work hears of it.
    ///
    /// # Errors
    /// It does not count, or the store cannot be written.
    pub async fn act(&self, door: Door, id: JobId, command: Command) -> Result<Job, StoreError> {
        let mut job = self.shared.store.job_act(door, id, command, now()).await?;
        let live = self.runs().get(&id).cloned();
        if let Some(live) = &live {
            if job.state == State::Queued && live.connected.load(Ordering::SeqCst) {
                // Resumed: its run was only waiting for that, unless it has just ended.
                job = match self.shared.store.job_act(Door::Gateway, id, Command::Start, now()).await {
                    Err(StoreError::JobRejected(_)) => self.shared.store.job(id).await?.job,
                    started => started?,
                };
            }
            steer(&live.control, &job);
        }
        if !job.state.name().is_live() {
            ticket::report(self, &job, None).await;
            self.close(&job, None);
        }
        self.shared.wake.notify_one();
        Ok(job)
    }

    /// Takes jobs up as their turn comes, until the process drains. Those at work then end with the process, and
    /// go on at the next start.
    pub async fn run_forever(self, mut draining: watch::Receiver<bool>) {
        loop {
            let wait = match self.take_up().await {
                Ok(wait) => wait.min(LOOK),
                Err(error) => {
                    tracing::error!(%error, "jobs cannot be taken up");
                    LOOK
                }
            };
            tokio::select! {
                biased;
                _ = draining.wait_for(|on| *on) => return,
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Begins the runs that can begin, and tells how long until the next may.
    async fn take_up(&self) -> Result<Duration, StoreError> {
        let live = self.shared.store.jobs_live().await?;
        let now = now();
        let mut wait = LOOK;
        for job in &live {
            if self.runs().contains_key(&job.id) {
                continue;
            }
            if let Some(retry) = job.retry.as_ref().filter(|_| job.state.name() != StateName::Paused) {
                wait = wait.min(Duration::from_millis(retry.at.ms_since(now) + 1));
            }
            if !job::is_due(job, now) {
                continue;
            }
            if deferred::is_open(job) {
                if self.runs().len() >= RUNS_MAX {
                    continue;
                }
                match self.asks(job.id) {
                    Ok(()) => self.begin(job.id),
                    Err(later) => wait = wait.min(later),
                }
                continue;
            }
            if let Some(first) = job::behind(job, &live) {
                let words =
                    format!("waits for job {}, which works on {}", first.id, job.order.shared_with(&first.order));
                self.tell_why(job, words).await;
            } else if self.runs().len() >= RUNS_MAX {
                self.tell_why(job, format!("waits: {RUNS_MAX} jobs are at work")).await;
            } else {
                self.reasons().remove(&job.id);
                self.begin(job.id);
            }
        }
        Ok(wait)
    }

    fn begin(&self, id: JobId) {
        let live = Live::default();
        self.runs().insert(id, live.clone());
        let jobs = self.clone();
        self.shared.runtime.spawn(async move {
            let task = {
                let jobs = jobs.clone();
                tokio::spawn(async move { run::run(&jobs, id, &live).await })
            };
            let ended = match task.await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(job = id.0, %error, "a run has broken off");
                    run::lose(&jobs, id, "its run has broken off".to_owned()).await
                }
            };
            jobs.runs().remove(&id);
            match ended {
                Some((job, outcome)) => jobs.close(&job, outcome),
                None => jobs.put_back(id).await,
            }
            jobs.shared.wake.notify_one();
        });
    }

    /// Resumed in the very moment in which its run left: nobody is at it, so it is not running.
    async fn put_back(&self, id: JobId) {
        match self.shared.store.job_act(Door::Gateway, id, Command::Recover, now()).await {
            // Mostly: it is not running.
            Ok(_) | Err(StoreError::JobRejected(_)) => {}
            Err(error) => tracing::error!(job = id.0, %error, "a job's state cannot be written"),
        }
    }

    /// Tells those who wait for a job that it is over.
    fn close(&self, job: &Job, outcome: Option<Outcome>) {
        let ended = match (outcome, &job.state) {
            (Some(outcome), _) => Ended::Ran(outcome),
            (None, State::Failed { code, message, .. }) => Ended::Not { code: code.clone(), message: message.clone() },
            (None, State::Aborted { by, left, .. }) => Ended::Not {
                code: sqlstate::QUERY_CANCELED.to_owned(),
                message: format!("job {} was aborted by {by}: {left}", job.id),
            },
            (None, _) => {
                let message = format!("job {} is {}", job.id, job.state.name().as_str());
                Ended::Not { code: sqlstate::QUERY_CANCELED.to_owned(), message }
            }
        };
        if let Some(room) = self.rooms().remove(&job.id) {
            room.ended.send_replace(Some(Arc::new(ended)));
        }
        self.reasons().remove(&job.id);
        self.asking().remove(&job.id);
    }

    /// Why a job is not at work, once for each reason.
    async fn tell_why(&self, job: &Job, why: String) {
        let known = self.reasons().insert(job.id, why.clone());
        if known.as_ref() == Some(&why) {
            return;
        }
        let seen = progress::waiting(&job.order.plan, why.clone());
        if let Err(error) = self.shared.store.job_progress(job.id, seen).await {
            tracing::warn!(job = job.id.0, %error, "why a job waits is not shown");
        }
        self.tell(job.id, Progress::Note(format!("job {} {why}", job.id)));
    }

    fn tell(&self, id: JobId, progress: Progress) {
        if let Some(room) = self.rooms().get(&id) {
            // An error says that nobody listens.
            let _ = room.told.send(progress);
        }
    }

    fn room(&self, id: JobId) -> Room {
        let new = || Room { told: broadcast::Sender::new(NEWS), ended: watch::Sender::new(None) };
        self.rooms().entry(id).or_insert_with(new).clone()
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<JobId, Room>> {
        self.shared.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<JobId, Live>> {
        self.shared.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reasons(&self) -> MutexGuard<'_, HashMap<JobId, String>> {
        self.shared.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asking(&self) -> MutexGuard<'_, HashMap<JobId, deferred::Asking>> {
        self.shared.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings(&self) -> Arc<Settings> {
        self.shared.settings.borrow().clone()
    }

    /// Everybody the configuration knows now.
    #[must_use]
    pub fn people(&self) -> Arc<People> {
        self.shared.settings.borrow().people.clone()
    }
}

/// A run does what its job's state says.
fn steer(control: &Control, job: &Job) {
    control.set_rate(job.rate.batch_ms, job.rate.pause_percent);
    control.set_limits(job.rate.limits.clone());
    control.pause(job.state.name() == StateName::Paused);
    if matches!(job.state.name(), StateName::Stopping | StateName::Aborted) {
        control.cancel();
    }
}
