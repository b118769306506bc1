//! Jobs and their events in SQL. As with tickets, the events are the truth and the row is what they add up to.

use rusqlite::{Connection, Row, Transaction, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use super::{DataDirectory, Store, StoreError, definitions, history, query};
use crate::kernel::job::{self, Command, Event, Job, JobId, Order, Progress, StateName};
use crate::kernel::review::{Door, Instant, TicketId};

/// Most jobs in one page.
const PAGE_MAX: u32 = 200;
const POSITION: &str = "recorded_jobs";

/// Something about a job has changed: its state, or how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobChanged {
    pub id: JobId,
}

/// Which jobs a list shows. Nothing set: the newest of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Any of these; empty means all.
    pub states: Vec<StateName>,
    /// Those that work on a table of this name, with or without its schema.
    pub table: Option<String>,
    /// Only smaller numbers.
    pub before: Option<JobId>,
    /// At most this many, and never more than 200; 0 means 200.
    pub limit: u32,
}

/// A job and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobSeen {
    #[serde(flatten)]
    pub job: Job,
    pub progress: Progress,
}

/// An event as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobRecorded {
    /// Position among the events of all jobs.
    pub seq: i64,
    pub job: JobId,
    pub version: u32,
    #[serde(flatten)]
    pub event: Event,
}

impl Store {
    /// Writes a new job down. From then on it runs whatever becomes of whoever ordered it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn job_order(&self, order: Order, door: Door, now: Instant) -> Result<Job, StoreError> {
        let job = self.write(move |tx| insert(tx, order, (door, now))).await?;
        self.tell_job(job.id);
        Ok(job)
    }

    /// Loads, decides and appends as one.
    ///
    /// # Errors
    /// [`StoreError::JobRejected`] with why the command does not count.
    pub async fn job_act(&self, door: Door, id: JobId, command: Command, now: Instant) -> Result<Job, StoreError> {
        let job = self.write(move |tx| act(tx, id, command, (door, now))).await?;
        self.tell_job(id);
        if !job.state.name().is_live() {
            self.tell_schema();
        }
        Ok(job)
    }

    /// # Errors
    /// No such job, or the store cannot be read.
    pub async fn job(&self, id: JobId) -> Result<JobSeen, StoreError> {
        self.run(move |connection| load(connection, id)).await
    }

    /// Newest first, and whether there are more.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn jobs(&self, filter: JobFilter) -> Result<(Vec<JobSeen>, bool), StoreError> {
        self.run(move |connection| {
            let states = words(&filter.states);
            let limit = query::page(filter.limit, PAGE_MAX);
            let before = filter.before.map_or(i64::MAX, |id| id.0);
            // Which tables a job works on only its body says; none is left out by the limit.
            let most = if filter.table.is_some() { -1 } else { i64::from(limit) + 1 };
            let sql = format!(
                "SELECT body, progress FROM jobs WHERE state IN ({states}) AND id < ?1 ORDER BY id DESC LIMIT ?2"
            );
            let mut found = select(connection, &sql, [before, most])?;
            if let Some(table) = &filter.table {
                found.retain(|seen| seen.job.order.tables.iter().any(|one| one.is_named(table)));
            }
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let more = found.len() > limit;
            found.truncate(limit);
            Ok((found, more))
        })
        .await
    }

    /// All that are not over, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn jobs_live(&self) -> Result<Vec<Job>, StoreError> {
        self.run(|connection| Ok(live(connection)?.into_iter().map(|seen| seen.job).collect())).await
    }

    /// The same, with how far they have come.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn jobs_seen_live(&self) -> Result<Vec<JobSeen>, StoreError> {
        self.run(|connection| live(connection)).await
    }

    /// The job of the same statement that is not over.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn job_same(&self, sameness: &str) -> Result<Option<Job>, StoreError> {
        let sameness = sameness.to_owned();
        self.run(move |connection| {
            Ok(live(connection)?
                .into_iter()
                .map(|seen| seen.job)
                .find(|job| job.order.sameness.as_ref() == Some(&sameness)))
        })
        .await
    }

    /// The jobs that were to take this one back.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn undos_of_job(&self, id: JobId) -> Result<Vec<Job>, StoreError> {
        let sql = "SELECT body, progress FROM jobs WHERE id > ?1 AND body ->> '$.order.undo_of' = ?1 ORDER BY id";
        self.run(move |connection| Ok(select(connection, sql, [id.0])?.into_iter().map(|seen| seen.job).collect()))
            .await
    }

    /// The last job of a ticket.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn job_of_ticket(&self, id: TicketId) -> Result<Option<Job>, StoreError> {
        self.run(move |connection| of_ticket(connection, id)).await
    }

    /// How far it has come: shown to people, and no event.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn job_progress(&self, id: JobId, progress: Progress) -> Result<(), StoreError> {
        self.write(move |tx| {
            let text = serde_json::to_string(&progress)?;
            tx.prepare_cached("UPDATE jobs SET progress = ?2 WHERE id = ?1")?.execute(params![id.0, text])?;
            Ok(())
        })
        .await?;
        self.tell_job(id);
        Ok(())
    }

    /// All events of a job, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn job_events(&self, id: JobId) -> Result<Vec<JobRecorded>, StoreError> {
        self.run(move |connection| {
            let sql = "SELECT seq, job, version, body FROM job_events WHERE job = ?1 ORDER BY version";
            recorded(connection, sql, &[id.0])
        })
        .await
    }

    /// Events of all jobs that the record may not have yet, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn job_events_after(&self, position: i64, limit: u32) -> Result<Vec<JobRecorded>, StoreError> {
        self.run(move |connection| {
            let sql = "SELECT seq, job, version, body FROM job_events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
            recorded(connection, sql, &[position, i64::from(limit.min(PAGE_MAX))])
        })
        .await
    }

    /// Position up to which the record has the events of jobs.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn jobs_recorded(&self) -> Result<i64, StoreError> {
        self.run(|connection| super::tickets::position_of(connection, POSITION)).await
    }

    /// Remembers that the record has every event of jobs up to `position`.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn set_jobs_recorded(&self, position: i64) -> Result<(), StoreError> {
        self.write(move |tx| super::tickets::set_position_of(tx, POSITION, position)).await
    }

    /// After a start: what was running when the last process died goes back into the queue.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn recover_jobs(&self, _alone: &DataDirectory, now: Instant) -> Result<Vec<Job>, StoreError> {
        self.write(move |tx| {
            let running = live(tx)?.into_iter().filter(|seen| seen.job.state.name() == StateName::Running);
            running.map(|seen| act(tx, seen.job.id, Command::Recover, (Door::Gateway, now))).collect()
        })
        .await
    }

    /// Every change of a job from now on. A receiver that lags behind has to load what it waits for.
    #[must_use]
    pub fn watch_jobs(&self) -> broadcast::Receiver<JobChanged> {
        self.job_changes.subscribe()
    }

    pub(super) fn tell_job(&self, id: JobId) {
        // An error says that nobody is watching.
        let _ = self.job_changes.send(JobChanged { id });
    }
}

fn insert(tx: &Transaction<'_>, order: Order, (door, now): (Door, Instant)) -> Result<Job, StoreError> {
    let ticket = order.ticket.map(|id| id.0);
    // The number is known only after the row is there; its body follows at once.
    tx.prepare_cached("INSERT INTO jobs (version, state, sameness, ticket, body) VALUES (0, '', ?1, ?2, '')")?
        .execute(params![order.sameness, ticket])?;
    let (job, event) = job::order(JobId(tx.last_insert_rowid()), order, door, now);
    write(tx, &job, &event)?;
    Ok(job)
}

fn act(tx: &Transaction<'_>, id: JobId, command: Command, (door, now): (Door, Instant)) -> Result<Job, StoreError> {
    let job = load(tx, id)?.job;
    let event = job::decide(&job, command, door, now)?;
    let job = job::evolve(job, &event);
    write(tx, &job, &event)?;
    Ok(job)
}

fn write(tx: &Transaction<'_>, job: &Job, event: &Event) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO job_events (job, version, body) VALUES (?1, ?2, ?3)")?.execute(params![
        job.id.0,
        job.version,
        serde_json::to_string(event)?
    ])?;
    tx.prepare_cached("UPDATE jobs SET version = ?2, state = ?3, body = ?4 WHERE id = ?1")?.execute(params![
        job.id.0,
        job.version,
        job.state.name().as_str(),
        serde_json::to_string(job)?
    ])?;
    if !job.state.name().is_live() {
        definitions::of_job(tx, job.id, event.at)?;
    }
    history::write::of_job(tx, job, event.at)
}

pub(super) fn of_ticket(connection: &Connection, id: TicketId) -> Result<Option<Job>, StoreError> {
    let found =
        select(connection, "SELECT body, progress FROM jobs WHERE ticket = ?1 ORDER BY id DESC LIMIT 1", [id.0])?;
    Ok(found.into_iter().next().map(|seen| seen.job))
}

fn load(connection: &Connection, id: JobId) -> Result<JobSeen, StoreError> {
    let found = select(connection, "SELECT body, progress FROM jobs WHERE id = ?1", [id.0])?;
    found.into_iter().next().ok_or(StoreError::NoJob(id))
}

fn live(connection: &Connection) -> Result<Vec<JobSeen>, StoreError> {
    let states: Vec<StateName> = StateName::ALL.into_iter().filter(|name| name.is_live()).collect();
    let sql = format!("SELECT body, progress FROM jobs WHERE state IN ({}) AND id > ?1 ORDER BY id", words(&states));
    select(connection, &sql, [0])
}

/// Only our own words get into the text.
fn words(states: &[StateName]) -> String {
    let states = if states.is_empty() { &StateName::ALL } else { states };
    let words: Vec<String> = states.iter().map(|state| format!("'{}'", state.as_str())).collect();
    words.join(", ")
}

fn select(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<JobSeen>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (body, progress): (String, Option<String>) = row?;
        let progress = progress.map(|text| serde_json::from_str(&text)).transpose()?;
        Ok(JobSeen { job: serde_json::from_str(&body)?, progress: progress.unwrap_or_default() })
    })
    .collect()
}

fn recorded(connection: &Connection, sql: &str, values: &[i64]) -> Result<Vec<JobRecorded>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        let text: String = row.get(3)?;
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, text))
    })?;
    rows.map(|row| {
        let (seq, job, version, text) = row?;
        Ok(JobRecorded { seq, job: JobId(job), version, event: serde_json::from_str(&text)? })
    })
    .collect()
}
