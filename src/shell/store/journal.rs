//! What a running plan has done so far: written before and after every step, so that after a crash
//! it is known where to look. It proves nothing about the database; the step's probe does.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{RunOf, Store, StoreError, Waiting, history};
use crate::kernel::job::JobId;
use crate::kernel::plan::Plan;
use crate::kernel::plan::subjects::Seen;
use crate::kernel::plan::verify::Checked;
use crate::kernel::review::{Instant, TicketId};

/// A plan that is about to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// Unique; the ticket's claim where there is a ticket.
    pub run: String,
    pub ticket: Option<TicketId>,
    pub job: Option<JobId>,
    pub session: String,
    pub plan: Plan,
    /// Of a run with neither ticket nor job that belongs into the history.
    pub of: Option<RunOf>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    Done,
    /// The probe found it done already.
    Skipped,
    Failed,
    Cancelled,
    Unknown,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    Done,
    Failed,
    Cancelled,
    Unknown,
}

/// A run as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub run: String,
    pub ticket: Option<TicketId>,
    pub session: String,
    /// Of a job: id and start of the server process that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    pub plan: Plan,
    pub started: Instant,
    /// Absent: still running, or the process died.
    pub ended: Option<(Instant, RunOutcome)>,
    pub steps: Vec<StepRecord>,
    /// What was checked when all steps had run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Checked>,
    /// Who keeps it waiting, or did when it gave up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

/// A server process: its id alone may come again, with its start it never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Backend {
    pub pid: i32,
    pub start: String,
}

/// One try of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRecord {
    pub step: u32,
    /// Counted from 1.
    pub attempt: u32,
    pub started: Instant,
    pub ended: Option<(Instant, StepOutcome)>,
    pub detail: Option<String>,
    /// The transaction it was last tried in, where its outcome could not be told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<String>,
    /// Where its walk over the table had come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What stood under the names that its way back goes by, when it was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Seen>,
}

impl Store {
    /// # Errors
    /// The run is known already, or the store cannot be written.
    pub async fn journal_begin(&self, run: NewRun, now: Instant) -> Result<(), StoreError> {
        self.write(move |tx| {
            let plan = serde_json::to_string(&run.plan)?;
            let ticket = run.ticket.map(|id| id.0);
            tx.execute(
                "INSERT INTO runs (run, ticket, session, plan, started, job) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![run.run, ticket, run.session, plan, now.0, run.job.map(|id| id.0)],
            )?;
            match run.of {
                Some(of) => history::write::run_began(tx, (&run.run, &run.session, &run.plan.recipe), of, now),
                None => Ok(()),
            }
        })
        .await
    }

    /// Which server process runs it.
    ///
    /// # Errors
    /// The store cannot be written: nothing must be sent.
    pub async fn journal_backend(&self, run: &str, backend: Backend) -> Result<(), StoreError> {
        let run = run.to_owned();
        self.write(move |tx| {
            let text = serde_json::to_string(&backend)?;
            tx.execute("UPDATE runs SET backend = ?2 WHERE run = ?1", params![run, text])?;
            Ok(())
        })
        .await
    }

    /// The transaction in which a step's open attempt is about to run.
    ///
    /// # Errors
    /// The store cannot be written: the step must not be sent.
    pub async fn journal_transaction(&self, run: &str, step: u32, xid: &str) -> Result<(), StoreError> {
        let (run, xid) = (run.to_owned(), xid.to_owned());
        self.write(move |tx| {
            let sql = "UPDATE run_steps SET xid = ?3 WHERE run = ?1 AND step = ?2 AND finished IS NULL";
            match tx.execute(sql, params![run, step, xid])? {
                1 => Ok(()),
                _ => Err(StoreError::Failed(format!("step {step} of run {run} was not begun"))),
            }
        })
        .await
    }

    /// Where the step at work has come to in its walk over the table.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn journal_walked(&self, run: &str, place: String) -> Result<(), StoreError> {
        let run = run.to_owned();
        self.write(move |tx| {
            tx.execute("UPDATE run_steps SET place = ?2 WHERE run = ?1 AND finished IS NULL", params![run, place])?;
            Ok(())
        })
        .await
    }

    /// What stands under the names that a step's way back goes by, when it is done.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn journal_left(&self, run: &str, step: u32, seen: &[Seen]) -> Result<(), StoreError> {
        let (run, text) = (run.to_owned(), serde_json::to_string(seen)?);
        self.write(move |tx| {
            tx.execute("UPDATE run_steps SET leaves = ?3 WHERE run = ?1 AND step = ?2", params![run, step, text])?;
            Ok(())
        })
        .await
    }

    /// The runs of a job, oldest first: one for each of its connections.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn journal_of_job(&self, id: JobId) -> Result<Vec<Run>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare("SELECT run FROM runs WHERE job = ?1 ORDER BY started, rowid")?;
            let names = statement.query_map([id.0], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            names.iter().filter_map(|name| load(connection, name).transpose()).collect()
        })
        .await
    }

    /// Before a step is sent. Answers which attempt of this step it is, counted from 1.
    ///
    /// # Errors
    /// No such run, or the store cannot be written: the step must not be sent.
    pub async fn journal_started(&self, run: &str, step: u32, now: Instant) -> Result<u32, StoreError> {
        let run = run.to_owned();
        self.write(move |tx| {
            let sql = "SELECT coalesce(max(attempt), 0) + 1 FROM run_steps WHERE run = ?1 AND step = ?2";
            let attempt: u32 = tx.query_row(sql, params![run, step], |row| row.get(0))?;
            tx.execute(
                "INSERT INTO run_steps (run, step, attempt, started) VALUES (?1, ?2, ?3, ?4)",
                params![run, step, attempt, now.0],
            )?;
            Ok(attempt)
        })
        .await
    }

    /// After a step: ends its open attempt. A step that a probe found done without a start is recorded too.
    ///
    /// # Errors
    /// No such run, or the store cannot be written.
    pub async fn journal_finished(
        &self,
        run: &str,
        step: u32,
        (outcome, detail): (StepOutcome, Option<String>),
        now: Instant,
    ) -> Result<(), StoreError> {
        let run = run.to_owned();
        self.write(move |tx| finish_step(tx, (&run, step), (outcome, detail), now)).await
    }

    /// # Errors
    /// No such run, it has ended before, or the store cannot be written.
    pub async fn journal_end(&self, run: &str, outcome: RunOutcome, now: Instant) -> Result<(), StoreError> {
        let run = run.to_owned();
        self.write(move |tx| {
            let sql = "UPDATE runs SET ended = ?2, outcome = ?3 WHERE run = ?1 AND ended IS NULL";
            match tx.execute(sql, params![run, now.0, word(&outcome)?])? {
                1 => history::write::run_ended(tx, &run, outcome, now),
                _ => Err(StoreError::Failed(format!("run {run} is not running"))),
            }
        })
        .await
    }

    /// What was checked at the end of a run, and how that came out.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn journal_checks(&self, run: &str, checks: Vec<Checked>) -> Result<(), StoreError> {
        let run = run.to_owned();
        self.write(move |tx| {
            let text = serde_json::to_string(&checks)?;
            tx.execute("UPDATE runs SET checks = ?2 WHERE run = ?1", params![run, text])?;
            Ok(())
        })
        .await
    }

    /// The last run without a ticket whose name begins with these words and a colon.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn journal_last(&self, words: &str) -> Result<Option<Run>, StoreError> {
        // `;` follows `:` in ASCII: the range holds exactly the names with that beginning.
        let (from, to) = (format!("{words}:"), format!("{words};"));
        self.run(move |connection| {
            let sql = "SELECT run FROM runs WHERE run >= ?1 AND run < ?2 AND ticket IS NULL \
                       ORDER BY started DESC LIMIT 1";
            let name: Option<String> =
                connection.prepare_cached(sql)?.query_row([from, to], |row| row.get(0)).optional()?;
            name.map_or(Ok(None), |name| load(connection, &name))
        })
        .await
    }

    /// Runs without an end, oldest first: running now, or cut off by the death of a process.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn journal_unfinished(&self) -> Result<Vec<Run>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare("SELECT run FROM runs WHERE ended IS NULL ORDER BY started")?;
            let names = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            names.iter().filter_map(|name| load(connection, name).transpose()).collect()
        })
        .await
    }

    /// The runs of a ticket: one, as an approval is spent once.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn journal_of(&self, id: TicketId) -> Result<Vec<Run>, StoreError> {
        self.run(move |connection| {
            let mut statement = connection.prepare("SELECT run FROM runs WHERE ticket = ?1 ORDER BY started")?;
            let names = statement.query_map([id.0], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
            names.iter().filter_map(|name| load(connection, name).transpose()).collect()
        })
        .await
    }
}

fn finish_step(
    tx: &Transaction<'_>,
    (run, step): (&str, u32),
    (outcome, detail): (StepOutcome, Option<String>),
    now: Instant,
) -> Result<(), StoreError> {
    let outcome = word(&outcome)?;
    let sql = "UPDATE run_steps SET finished = ?3, outcome = ?4, detail = ?5 \
               WHERE run = ?1 AND step = ?2 AND finished IS NULL";
    if tx.execute(sql, params![run, step, now.0, outcome, detail])? == 0 {
        let sql = "INSERT INTO run_steps (run, step, attempt, started, finished, outcome, detail) \
                   SELECT ?1, ?2, coalesce(max(attempt), 0) + 1, ?3, ?3, ?4, ?5 \
                   FROM run_steps WHERE run = ?1 AND step = ?2";
        tx.execute(sql, params![run, step, now.0, outcome, detail])?;
    }
    Ok(())
}

fn load(connection: &Connection, name: &str) -> Result<Option<Run>, StoreError> {
    let sql =
        "SELECT ticket, session, plan, started, ended, outcome, backend, waiting, checks FROM runs WHERE run = ?1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([name], |row| {
            let plan: String = row.get(2)?;
            let ended = (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<String>>(5)?);
            let whose = (row.get::<_, Option<i64>>(0)?, row.get(1)?, row.get::<_, Option<String>>(6)?);
            Ok((whose, plan, (row.get(3)?, row.get::<_, Option<String>>(7)?, row.get::<_, Option<String>>(8)?), ended))
        })
        .optional()?;
    let Some(((ticket, session, backend), plan, (started, waiting, checks), ended)) = found else { return Ok(None) };
    Ok(Some(Run {
        run: name.to_owned(),
        ticket: ticket.map(TicketId),
        session,
        backend: backend.map(|text| serde_json::from_str(&text)).transpose()?,
        plan: serde_json::from_str(&plan)?,
        started: Instant(started),
        ended: end(ended)?,
        steps: steps(connection, name)?,
        checks: checks.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default(),
        waiting: waiting.map(|text| serde_json::from_str(&text)).transpose()?,
    }))
}

fn steps(connection: &Connection, name: &str) -> Result<Vec<StepRecord>, StoreError> {
    let sql = "SELECT step, attempt, started, finished, outcome, detail, xid, place, leaves FROM run_steps \
               WHERE run = ?1 ORDER BY started, step, attempt";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([name], |row| {
        let ended = (row.get::<_, Option<i64>>(3)?, row.get::<_, Option<String>>(4)?);
        Ok((
            (row.get(0)?, row.get(1)?),
            row.get(2)?,
            ended,
            row.get(5)?,
            (row.get(6)?, row.get(7)?, row.get::<_, Option<String>>(8)?),
        ))
    })?;
    rows.map(|row| {
        let ((step, attempt), started, ended, detail, (xid, place, left)) = row?;
        let left = left.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default();
        Ok(StepRecord { step, attempt, started: Instant(started), ended: end(ended)?, detail, xid, place, left })
    })
    .collect()
}

fn end<T: for<'a> Deserialize<'a>>(
    (at, outcome): (Option<i64>, Option<String>),
) -> Result<Option<(Instant, T)>, StoreError> {
    let (Some(at), Some(outcome)) = (at, outcome) else { return Ok(None) };
    Ok(Some((Instant(at), serde_json::from_value(serde_json::Value::String(outcome))?)))
}

/// The outcome's word, as its serialised form has it.
fn word(outcome: &impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(outcome)? {
        serde_json::Value::String(word) => Ok(word),
        other => Err(StoreError::Failed(format!("{other} is no word"))),
    }
}

/// Where the steps had come to that were cut off at a walk, by their runs in order.
#[must_use]
pub fn places(runs: &[Run]) -> BTreeMap<usize, String> {
    let mut places = BTreeMap::new();
    for record in runs.iter().flat_map(|run| &run.steps) {
        let at = usize::try_from(record.step).unwrap_or(usize::MAX);
        match (&record.ended, &record.place) {
            (None | Some((_, StepOutcome::Unknown)), Some(place)) => drop(places.insert(at, place.clone())),
            (None | Some((_, StepOutcome::Unknown)), None) => {}
            // What it had done may have been taken back.
            (Some(_), _) => drop(places.remove(&at)),
        }
    }
    places
}
