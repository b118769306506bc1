//! Jobs that follow a transaction. Whether that was committed, only the server knows: it is asked for the number
//! of the transaction, by the session that ordered the job, or by the job itself when that session is gone.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use super::super::clock::now;
use super::super::database::{Database, DatabaseError};
use super::super::store::StoreError;
use super::connect::Connection;
use super::run::{Short, way_in};
use super::{Jobs, LOOK};
use crate::kernel::job::{Command, Job, JobId, Order, State};
use crate::kernel::review::Door;
use crate::kernel::sql::statement::RelationName;
use crate::kernel::wire::reply::sqlstate;

/// SQLSTATE `object_not_in_prerequisite_state`.
const GONE: &str = "55000";

const NAME: &str = "\
SELECT pg_catalog.concat(n.nspname, '.', c.relname)
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid";

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Committed,
    RolledBack,
    /// Still open, or prepared.
    Open,
    /// So long ago that the server has forgotten.
    Forgotten,
}

impl Fate {
    /// Asks the server.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn of<D: Database>(db: &mut D, xid: &str) -> Result<Self, DatabaseError> {
        let sql = "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)";
        let rows = db.query(sql, &[Some(xid)]).await?;
        Ok(match rows.concat().into_iter().next().flatten().as_deref() {
            Some("committed") => Self::Committed,
            Some("aborted") => Self::RolledBack,
            Some(_) => Self::Open,
            None => Self::Forgotten,
        })
    }
}

/// A session that can tell what became of a job's transaction. When it is dropped, the job asks by itself.
pub struct Held {
    jobs: Jobs,
    id: JobId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.jobs.asking().remove(&self.id);
        self.jobs.shared.wake.notify_one();
    }
}

/// While a session orders a job, the job is written down and not held yet.
struct Ordering<'a>(&'a Jobs);

impl<'a> Ordering<'a> {
    fn new(jobs: &'a Jobs) -> Self {
        jobs.shared.ordering.fetch_add(1, SeqCst);
        Self(jobs)
    }
}

impl Drop for Ordering<'_> {
    fn drop(&mut self) {
        self.0.shared.ordering.fetch_sub(1, SeqCst);
        self.0.shared.wake.notify_one();
    }
}

/// Who asks for the end of a job's transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asking {
    Session,
    /// The job itself, last at this time.
    Job(Instant),
}

impl Jobs {
    /// Writes a job down that begins when its transaction is committed.
    ///
    /// # Errors
    /// The store cannot be written: there is no job.
    pub async fn defer(&self, order: Order) -> Result<(JobId, Held), StoreError> {
        let ordering = Ordering::new(self);
        let job = self.shared.store.job_order(order, Door::Session, now()).await?;
        self.asking().insert(job.id, Asking::Session);
        drop(ordering);
        Ok((job.id, Held { jobs: self.clone(), id: job.id }))
    }

    /// What the end of its transaction means for a job. False: nothing, it is over already or its end is not known.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn settle(&self, id: JobId, fate: Fate) -> Result<bool, StoreError> {
        let command = match fate {
            Fate::Committed => Command::Release,
            Fate::RolledBack => Command::Vanish,
            Fate::Open => return Ok(false),
            Fate::Forgotten => Command::Fail {
                code: sqlstate::RESOLUTION_UNKNOWN.to_owned(),
                message: "whether its transaction was committed is not known: it ended too long ago".to_owned(),
            },
        };
        match self.act(Door::Gateway, id, command).await {
            Ok(_) => Ok(true),
            Err(StoreError::JobRejected(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether it is the job's own turn to ask for its transaction, and from when on if not.
    pub(super) fn asks(&self, id: JobId) -> Result<(), Duration> {
        let mut asking = self.asking();
        match asking.get(&id) {
            Some(Asking::Session) => Err(LOOK),
            Some(Asking::Job(at)) if at.elapsed() < LOOK => Err(LOOK.saturating_sub(at.elapsed())),
            // It may be the one that a session is about to hold.
            None if self.shared.ordering.load(SeqCst) > 0 => Err(LOOK),
            Some(Asking::Job(_)) | None => {
                asking.insert(id, Asking::Job(Instant::now()));
                Ok(())
            }
        }
    }
}

/// The job asks on a connection of its own.
pub(super) async fn ask(jobs: &Jobs, job: &Job) -> Result<(), Short> {
    let Some(after) = &job.order.after else { return Ok(()) };
    let settings = jobs.settings();
    let (target, login) = way_in(&settings, job)?;
    let mut connection = Connection::of_job((target, &login), job).await?;
    let fate = match Fate::of(&mut connection.stage(), &after.xid).await {
        Ok(fate) => fate,
        Err(DatabaseError::Lost(why)) => return Err(Short::Lose(why)),
        // A number the server has not reached: it is not the server that the transaction was on.
        Err(DatabaseError::Server(error)) => {
            let message = format!("whether its transaction was committed is not known: {}", error.message);
            return Err(Short::Fail { code: sqlstate::RESOLUTION_UNKNOWN.to_owned(), message });
        }
    };
    jobs.settle(job.id, fate).await?;
    if fate == Fate::Open {
        jobs.tell_why(job, format!("waits for the end of transaction {}", after.xid)).await;
    }
    Ok(())
}

/// What its transaction made must be there still when the job begins: a later statement may have taken it away.
pub(super) async fn stands<D: Database>(db: &mut D, order: &Order) -> Result<(), Short> {
    let Some(after) = &order.after else { return Ok(()) };
    let gone = |message: String| Err(Short::Fail { code: GONE.to_owned(), message });
    let dotted = order.plan.relation.as_ref().map(RelationName::written);
    for table in order.tables.iter().filter(|table| dotted.as_ref() == Some(&table.name)) {
        let rows = db.query(NAME, &[Some(&table.oid.to_string())]).await.map_err(lost)?;
        if rows.concat().into_iter().next().flatten().as_ref() != Some(&table.name) {
            return gone(format!(
                "{} was dropped or renamed after the change was deferred: nothing is run",
                table.name
            ));
        }
    }
    for step in order.plan.steps.iter().take(after.head) {
        let Some(probe) = &step.probe else { continue };
        let rows = db.query(probe, &[]).await.map_err(lost)?;
        if rows.concat().into_iter().next().flatten().as_deref() != Some("t") {
            let name = &step.name;
            return gone(format!("what step \"{name}\" did in the transaction is not there any more: nothing is run"));
        }
    }
    Ok(())
}

fn lost(error: DatabaseError) -> Short {
    match error {
        DatabaseError::Lost(why) => Short::Lose(why),
        DatabaseError::Server(error) => Short::Fail { code: error.code, message: error.message },
    }
}

/// Whether a job has to know first what became of its transaction.
pub(super) fn is_open(job: &Job) -> bool {
    job.state == State::Deferred
}
