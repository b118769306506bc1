//! Changes of definitions on their way to those who depend on them: what is about to run is written down with what it
//! finds, and told when its end is known; where a process died between the two, it is told as uncertain.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, params, params_from_iter};

use super::query::{Query, page};
use super::{Store, StoreError};
use crate::kernel::job::JobId;
use crate::kernel::notice::{SchemaChange, SchemaEvent, SchemaRun, schema_changes};
use crate::kernel::review::{Instant, TicketId};

/// Most changes in one answer.
const PAGE_MAX: u32 = 200;

/// Which changes of definitions a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchemaFilter {
    /// Those after this position, oldest first; absent: newest first.
    pub after: Option<i64>,
    /// Only smaller positions: the next page of what is newest first.
    pub before: Option<i64>,
    pub target: Option<String>,
    /// A pattern of tables with their schemas, by the name they had or have.
    pub table: Option<String>,
    pub ticket: Option<TicketId>,
    pub job: Option<JobId>,
    /// Only targets whose names match one of these patterns; empty means all.
    pub visible: Vec<String>,
    /// At most this many, and never more than 200; 0 means 200.
    pub limit: u32,
}

/// The key of what a job runs.
fn key_of(job: JobId) -> String {
    format!("job-{job}")
}

impl Store {
    /// Writes down what runs now, as part `n` of its transaction; what is there already stays.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn schema_begin(&self, key: String, n: usize, run: SchemaRun) -> Result<(), StoreError> {
        self.write(move |tx| begin(tx, &key, i64::try_from(n).unwrap_or(i64::MAX), &run)).await
    }

    /// The same of what a job runs: the first of its runs says what was there before.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn schema_begin_job(&self, job: JobId, run: SchemaRun) -> Result<(), StoreError> {
        self.write(move |tx| begin(tx, &key_of(job), 0, &run)).await
    }

    /// What was written down of a job.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn schema_of_job(&self, job: JobId) -> Result<Vec<SchemaRun>, StoreError> {
        self.run(move |connection| runs(connection, &key_of(job))).await
    }

    /// A transaction is over, and this is what it has changed.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn schema_end(&self, key: String, changes: Vec<SchemaChange>, now: Instant) -> Result<(), StoreError> {
        self.write(move |tx| end(tx, &key, &changes, now)).await?;
        self.tell_schema();
        Ok(())
    }

    /// The same of a job.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn schema_end_job(&self, job: JobId, changes: Vec<SchemaChange>, now: Instant) -> Result<(), StoreError> {
        self.schema_end(key_of(job), changes, now).await
    }

    /// Changes of definitions, and the position of the newest of all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn schema_events(&self, filter: SchemaFilter) -> Result<(Vec<SchemaEvent>, i64), StoreError> {
        self.run(move |connection| {
            let newest = "SELECT coalesce(max(seq), 0) FROM schema_events";
            let newest = connection.query_row(newest, [], |row| row.get(0))?;
            Ok((list(connection, &filter)?, newest))
        })
        .await
    }

    /// Forgets what is older than a time and was told to all routes. The newest stays: by it positions go on.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn schema_forget(&self, before: Instant) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let told = super::tickets::position_of(tx, super::outbox::SCHEMA_TOLD)?;
            let sql = "DELETE FROM schema_events WHERE at < ?1 AND seq <= ?2 \
                       AND seq < (SELECT max(seq) FROM schema_events)";
            Ok(tx.execute(sql, params![before.0, told])?)
        })
        .await
    }

    /// Hears of every change of a definition from now on.
    #[must_use]
    pub fn watch_schema(&self) -> tokio::sync::broadcast::Receiver<()> {
        self.schema_changes.subscribe()
    }

    pub(super) fn tell_schema(&self) {
        // An error says that nobody is listening.
        let _ = self.schema_changes.send(());
    }
}

/// After a start: what sessions ran when the last process died may have taken effect. Jobs go on by themselves.
pub(super) fn lost(tx: &Transaction<'_>, now: Instant) -> Result<(), StoreError> {
    let keys: Vec<String> = tx
        .prepare("SELECT DISTINCT key FROM schema_runs WHERE key NOT LIKE 'job-%' ORDER BY key")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    keys.iter().try_for_each(|key| uncertain(tx, key, now))
}

/// A job is over: what is still open of it, nobody has looked at.
pub(super) fn of_job(tx: &Transaction<'_>, job: JobId, now: Instant) -> Result<(), StoreError> {
    uncertain(tx, &key_of(job), now)
}

fn uncertain(tx: &Transaction<'_>, key: &str, now: Instant) -> Result<(), StoreError> {
    let runs = runs(tx, key)?;
    if runs.is_empty() { Ok(()) } else { end(tx, key, &schema_changes(&runs, None), now) }
}

fn begin(tx: &Transaction<'_>, key: &str, n: i64, run: &SchemaRun) -> Result<(), StoreError> {
    let body = serde_json::to_string(run)?;
    tx.prepare_cached("INSERT INTO schema_runs (key, n, body) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![key, n, body])?;
    Ok(())
}

fn runs(connection: &Connection, key: &str) -> Result<Vec<SchemaRun>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT body FROM schema_runs WHERE key = ?1 ORDER BY n")?;
    let bodies = statement.query_map([key], |row| row.get::<_, String>(0))?;
    bodies.map(|body| Ok(serde_json::from_str(&body?)?)).collect()
}

fn end(tx: &Transaction<'_>, key: &str, changes: &[SchemaChange], now: Instant) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM schema_runs WHERE key = ?1")?.execute([key])?;
    let sql =
        "INSERT INTO schema_events (at, target, was, now_is, ticket, job, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut insert = tx.prepare_cached(sql)?;
    for change in changes {
        let was = change.before.as_ref().map(crate::kernel::notice::Definition::qualified);
        let (ticket, job) = (change.ticket.map(|id| id.0), change.job.map(|id| id.0));
        let body = serde_json::to_string(change)?;
        insert.execute(params![now.0, change.target, was, change.relation, ticket, job, body])?;
    }
    Ok(())
}

fn list(connection: &Connection, filter: &SchemaFilter) -> Result<Vec<SchemaEvent>, StoreError> {
    let mut query = Query::new("SELECT seq, at, body FROM schema_events WHERE true");
    let equal = [
        ("seq > ?", filter.after.map(Value::Integer)),
        ("seq < ?", filter.before.map(Value::Integer)),
        ("target = ?", filter.target.clone().map(Value::Text)),
        ("ticket = ?", filter.ticket.map(|id| Value::Integer(id.0))),
        ("job = ?", filter.job.map(|id| Value::Integer(id.0))),
    ];
    for (condition, value) in equal {
        if let Some(value) = value {
            query.and(condition, [value]);
        }
    }
    query.matches(&["was", "now_is"], filter.table.as_slice());
    query.matches(&["target"], &filter.visible);
    let order = if filter.after.is_some() { "ASC" } else { "DESC" };
    let sql = format!("{} ORDER BY seq {order} LIMIT {}", query.text, page(filter.limit, PAGE_MAX));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(query.values), |row: &Row<'_>| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (position, at, body) = row?;
        Ok(SchemaEvent { position, at: Instant(at), change: serde_json::from_str(&body)? })
    })
    .collect()
}
