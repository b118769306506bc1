//! What others felt of changes: a chart for each, and its figures in the history.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Store, StoreError, history};
use crate::kernel::job::JobId;
use crate::kernel::review::TicketId;
use crate::kernel::traffic::Chart;

/// A change, as its entry in the history is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChangeOf {
    /// Of a ticket, whoever runs it.
    Ticket(TicketId),
    /// Of a job without a ticket.
    Job(JobId),
    /// Of a session's own run.
    Run(String),
}

impl ChangeOf {
    /// A job's: in the entry of its ticket, where it has one.
    #[must_use]
    pub fn job(id: JobId, ticket: Option<TicketId>) -> Self {
        ticket.map_or(Self::Job(id), Self::Ticket)
    }

    /// Kind and key of the entry.
    pub(super) fn key(&self) -> (&'static str, String) {
        match self {
            Self::Ticket(id) => ("ticket", id.to_string()),
            Self::Job(id) => ("job", id.to_string()),
            Self::Run(run) => ("run", run.clone()),
        }
    }

    pub(super) fn parse(kind: &str, key: String) -> Option<Self> {
        match kind {
            "ticket" => key.parse().ok().map(|id| Self::Ticket(TicketId(id))),
            "job" => key.parse().ok().map(|id| Self::Job(JobId(id))),
            "run" => Some(Self::Run(key)),
            _ => None,
        }
    }
}

impl Store {
    /// The chart of a change, if it has one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn chart(&self, of: ChangeOf) -> Result<Option<Chart>, StoreError> {
        self.run(move |connection| load(connection, &of)).await
    }

    /// Writes charts down, and their figures into the history.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn keep_charts(&self, charts: Vec<(ChangeOf, Chart)>) -> Result<(), StoreError> {
        self.write(move |tx| charts.iter().try_for_each(|(of, chart)| keep(tx, of, chart))).await
    }
}

fn load(connection: &Connection, of: &ChangeOf) -> Result<Option<Chart>, StoreError> {
    let (kind, key) = of.key();
    let sql = "SELECT body FROM change_charts WHERE kind = ?1 AND ref = ?2";
    let body: Option<String> =
        connection.prepare_cached(sql)?.query_row(params![kind, key], |row| row.get(0)).optional()?;
    Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
}

fn keep(tx: &Transaction<'_>, of: &ChangeOf, chart: &Chart) -> Result<(), StoreError> {
    let (kind, key) = of.key();
    let sql = "INSERT INTO change_charts (kind, ref, body) VALUES (?1, ?2, ?3) \
               ON CONFLICT (kind, ref) DO UPDATE SET body = excluded.body";
    tx.prepare_cached(sql)?.execute(params![kind, key, serde_json::to_string(chart)?])?;
    history::write::felt(tx, (kind, &key), chart.shown().felt)
}
