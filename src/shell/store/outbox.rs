//! The outbox of notifications: what has to be told, to whom, and whether it was. An event of a ticket, job or definition
//! gets its deliveries in the same transaction in which the position moves past it, so none is lost or made twice.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tickets::{position_of, set_position_of};
use super::{Store, StoreError, query};
use crate::kernel::notice::Notice;
use crate::kernel::review::Instant;

/// Up to where the events of tickets, of jobs and of definitions have their deliveries.
const POSITIONS: [&str; 3] = ["notified", "notified_jobs", SCHEMA_TOLD];
/// The last of them.
pub(super) const SCHEMA_TOLD: &str = "notified_schema";
/// What makes ids of events differ from those of another gateway.
const INSTANCE: &str = "instance";
/// Most deliveries in one answer.
const PAGE_MAX: u32 = 200;

/// A message to be sent on a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Name of the route.
    pub route: String,
    /// Whom on that route; empty where it has one receiver.
    pub recipient: String,
    pub notice: Notice,
}

/// What has become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Given up.
    Dead,
}

/// A delivery and its story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    pub id: i64,
    pub route: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient: String,
    pub state: DeliveryState,
    pub tries: u32,
    pub created: Instant,
    /// Of one that waits: when it is tried next.
    pub due: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Instant>,
    /// Why the last try failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub notice: Notice,
}

/// How many deliveries of a route are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryCounts {
    pub waiting: u64,
    pub delivered: u64,
    pub dead: u64,
}

/// How a try went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// `reference`: by what the receiver knows the message, if it can be changed later.
    Delivered {
        reference: Option<String>,
    },
    Again {
        at: Instant,
        why: String,
    },
    Dead {
        why: String,
    },
}

/// Which deliveries a list shows, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    pub state: Option<DeliveryState>,
    pub route: Option<String>,
    /// Only those with a smaller number: the next page.
    pub before: Option<i64>,
    /// At most this many, and never more than 200; 0 means 200.
    pub limit: u32,
}

impl DeliveryState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Delivered, Self::Dead].into_iter().find(|state| state.as_str() == word)
    }
}

const COLUMNS: &str = "id, route, recipient, state, tries, created, due, ended, problem, notice";

impl Store {
    /// Where notifications go on: after which event of tickets, of jobs and of definitions. A store that never notified anybody
    /// begins with what comes next.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn notified(&self) -> Result<[i64; 3], StoreError> {
        self.write(|tx| {
            let newest = [
                "SELECT coalesce(max(seq), 0) FROM ticket_events",
                "SELECT coalesce(max(seq), 0) FROM job_events",
                "SELECT coalesce(max(seq), 0) FROM schema_events",
            ];
            for (key, sql) in POSITIONS.into_iter().zip(newest) {
                let known = tx.query_row("SELECT 1 FROM meta WHERE key = ?1", [key], |_| Ok(())).optional()?;
                if known.is_none() {
                    set_position_of(tx, key, tx.query_row(sql, [], |row| row.get(0))?)?;
                }
            }
            let [tickets, jobs, schema] = POSITIONS.map(|key| position_of(tx, key));
            Ok([tickets?, jobs?, schema?])
        })
        .await
    }

    /// The word that tells this store's events from those of any other; `fresh` is it from now on if there was none.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn instance(&self, fresh: String) -> Result<String, StoreError> {
        self.write(move |tx| {
            tx.execute("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING", [INSTANCE, &fresh])?;
            Ok(tx.query_row("SELECT value FROM meta WHERE key = ?1", [INSTANCE], |row| row.get(0))?)
        })
        .await
    }

    /// Takes deliveries in and remembers up to where the events have theirs.
    ///
    /// # Errors
    /// The store cannot be written: nothing was taken in.
    pub async fn notify(&self, new: Vec<NewDelivery>, upto: [i64; 3], now: Instant) -> Result<(), StoreError> {
        self.write(move |tx| {
            insert(tx, &new, now)?;
            POSITIONS.into_iter().zip(upto).try_for_each(|(key, at)| set_position_of(tx, key, at))
        })
        .await
    }

    /// The oldest that waits of every thread and receiver of a route, as far as it is due, at most `limit`; and when the
    /// next is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn deliveries_due(
        &self,
        route: String,
        now: Instant,
        limit: u32,
    ) -> Result<(Vec<Delivery>, Option<Instant>), StoreError> {
        self.run(move |connection| {
            let heads = format!(
                "SELECT {COLUMNS} FROM deliveries WHERE id IN (SELECT min(id) FROM deliveries \
                 WHERE state = 'waiting' AND route = ?1 GROUP BY thread, recipient) ORDER BY due, id LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&heads)?;
            let rows = statement.query_map(params![route, limit.saturating_add(1)], read)?;
            let mut heads = rows.map(|row| row?).collect::<Result<Vec<_>, StoreError>>()?;
            let due = heads.iter().take_while(|head| head.due <= now).count();
            let next = heads.get(due).map(|head| head.due);
            heads.truncate(due);
            Ok((heads, next))
        })
        .await
    }

    /// Writes down how a try went.
    ///
    /// # Errors
    /// The store cannot be written: it will be tried again.
    pub async fn delivery_tried(&self, delivery: Delivery, tried: Tried, now: Instant) -> Result<(), StoreError> {
        self.write(move |tx| {
            let (state, due, ended, problem) = match &tried {
                Tried::Delivered { .. } => (DeliveryState::Delivered, delivery.due, Some(now.0), None),
                Tried::Again { at, why } => (DeliveryState::Waiting, *at, None, Some(why)),
                Tried::Dead { why } => (DeliveryState::Dead, delivery.due, Some(now.0), Some(why)),
            };
            let sql = "UPDATE deliveries SET state = ?2, tries = tries + 1, due = ?3, ended = ?4, problem = ?5 \
                       WHERE id = ?1";
            tx.prepare_cached(sql)?.execute(params![delivery.id, state.as_str(), due.0, ended, problem])?;
            if let Tried::Delivered { reference: Some(reference) } = &tried {
                let sql = "INSERT INTO messages (route, recipient, thread, reference) VALUES (?1, ?2, ?3, ?4) \
                           ON CONFLICT (route, recipient, thread) DO UPDATE SET reference = ?4";
                let thread = &delivery.notice.thread;
                tx.execute(sql, params![delivery.route, delivery.recipient, thread, reference])?;
            }
            Ok(())
        })
        .await
    }

    /// By what a receiver knows the message of a thread, if it has one.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn message_of(&self, delivery: &Delivery) -> Result<Option<String>, StoreError> {
        let key = [delivery.route.clone(), delivery.recipient.clone(), delivery.notice.thread.clone()];
        self.run(move |connection| {
            let sql = "SELECT reference FROM messages WHERE route = ?1 AND recipient = ?2 AND thread = ?3";
            Ok(connection.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let limit = query::page(filter.limit, PAGE_MAX);
        self.run(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM deliveries WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR route = ?2) \
                 AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4"
            );
            let state = filter.state.map(DeliveryState::as_str);
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![state, filter.route, filter.before, limit], read)?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// How many there are of each route that has any.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn deliveries_counted(&self) -> Result<BTreeMap<String, DeliveryCounts>, StoreError> {
        self.run(|connection| {
            let sql = "SELECT route, state, count(*) FROM deliveries GROUP BY route, state";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
            let mut counted: BTreeMap<String, DeliveryCounts> = BTreeMap::new();
            for row in rows {
                let (route, state, count) = row?;
                let counts = counted.entry(route).or_default();
                match DeliveryState::parse(&state) {
                    Some(DeliveryState::Waiting) => counts.waiting = count,
                    Some(DeliveryState::Delivered) => counts.delivered = count,
                    Some(DeliveryState::Dead) | None => counts.dead = count,
                }
            }
            Ok(counted)
        })
        .await
    }

    /// Tries one now: one that was given up as if it were new, one that waits for its next try before its time.
    ///
    /// # Errors
    /// There is no such delivery that has not arrived, or the store cannot be written.
    pub async fn delivery_retry(&self, id: i64, now: Instant) -> Result<(), StoreError> {
        let sql = "UPDATE deliveries SET tries = iif(state = 'dead', 0, tries), created = iif(state = 'dead', ?2, created), \
                   state = 'waiting', due = ?2, ended = NULL WHERE id = ?1 AND state IN ('dead', 'waiting')";
        let rows = self.write(move |tx| Ok(tx.execute(sql, params![id, now.0])?)).await?;
        if rows == 0 { Err(StoreError::NoDelivery(id)) } else { Ok(()) }
    }

    /// Gives up what waits for routes that are not among these.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn deliveries_drop_routes(&self, names: Vec<String>, now: Instant) -> Result<(), StoreError> {
        self.write(move |tx| {
            let names = serde_json::to_string(&names)?;
            let sql = "UPDATE deliveries SET state = 'dead', ended = ?2, problem = 'the route is not configured any more' \
                       WHERE state = 'waiting' AND route NOT IN (SELECT value FROM json_each(?1))";
            tx.execute(sql, params![names, now.0])?;
            Ok(())
        })
        .await
    }

    /// Forgets what was delivered or given up before a time, and the messages of threads nothing is left of.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn deliveries_forget(&self, before: Instant) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("DELETE FROM deliveries WHERE ended < ?1", [before.0])?;
            tx.execute(
                "DELETE FROM messages WHERE NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.route = messages.route \
                 AND d.recipient = messages.recipient AND d.thread = messages.thread)",
                [],
            )?;
            Ok(())
        })
        .await
    }
}

pub(super) fn insert(tx: &Transaction<'_>, new: &[NewDelivery], now: Instant) -> Result<(), StoreError> {
    // The same event again is no news.
    let sql = "INSERT INTO deliveries (route, recipient, thread, event, state, tries, created, due, notice) \
               VALUES (?1, ?2, ?3, ?4, 'waiting', 0, ?5, ?5, ?6) ON CONFLICT (event, route, recipient) DO NOTHING";
    let mut statement = tx.prepare_cached(sql)?;
    for NewDelivery { route, recipient, notice } in new {
        let body = serde_json::to_string(notice)?;
        statement.execute(params![route, recipient, notice.thread, notice.id, now.0, body])?;
    }
    Ok(())
}

/// The outer error is SQLite's, the inner one the record's.
fn read(row: &Row<'_>) -> rusqlite::Result<Result<Delivery, StoreError>> {
    let (state, body): (String, String) = (row.get(3)?, row.get(9)?);
    let notice = match serde_json::from_str(&body) {
        Ok(notice) => notice,
        Err(error) => return Ok(Err(error.into())),
    };
    Ok(Ok(Delivery {
        id: row.get(0)?,
        route: row.get(1)?,
        recipient: row.get(2)?,
        state: DeliveryState::parse(&state).unwrap_or(DeliveryState::Dead),
        tries: row.get(4)?,
        created: Instant(row.get(5)?),
        due: Instant(row.get(6)?),
        ended: row.get::<_, Option<i64>>(7)?.map(Instant),
        problem: row.get(8)?,
        notice,
    }))
}
