//! Tickets and their events in SQL. The events are the truth; the row in `tickets` is what they add up to,
//! written in the same transaction.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Changed, StoreError, changed, history, jobs, search};
use crate::kernel::job;
use crate::kernel::review::{self, Command, Door, Event, Instant, Request, State, Terms, Ticket, TicketId};

/// Largest stored request, in bytes of JSON: nobody can review more.
const REQUEST_MAX: usize = 4 << 20;
/// Most events in one answer.
const PAGE_MAX: u32 = 200;

/// How many tickets may be open (pending or approved) at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub per_requester: u32,
    pub total: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_requester: 50, total: 1_000 }
    }
}

/// Whether a request made a ticket or found one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    New,
    Attached,
}

/// An event as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// Position among the events of all tickets.
    pub seq: i64,
    pub ticket: TicketId,
    pub version: u32,
    #[serde(flatten)]
    pub event: Event,
}

pub(super) fn open_or_attach(
    tx: &Transaction<'_>,
    request: Request,
    now: Instant,
    (terms, limits): (Terms, Limits),
) -> Result<(Ticket, Opened, Vec<Changed>), StoreError> {
    let size = serde_json::to_string(&request)?.len();
    if size > REQUEST_MAX {
        return Err(StoreError::TooLarge { size, limit: REQUEST_MAX });
    }
    let mut changes = Vec::new();
    if let Some(live) = live_ticket(tx, &request)? {
        if live.state.expires().is_some_and(|expires| expires <= now) {
            changes.push(changed(&record(tx, (live, Command::Expire), (now, terms))?));
        } else {
            let again = || "it was sent again after changes were asked for".to_owned();
            let why = match live.request.still_covers(&request, terms) {
                Ok(()) => matches!(live.state, State::ChangesRequested { .. }).then(again),
                Err(why) => Some(why.to_string()),
            };
            let ticket = match why {
                None => live,
                Some(why) => {
                    let command = Command::ReturnToReview { why, request: Box::new(request) };
                    let ticket = record(tx, (live, command), (now, terms))?;
                    changes.push(changed(&ticket));
                    ticket
                }
            };
            return Ok((ticket, Opened::Attached, changes));
        }
    }
    check_limits(tx, &request.requester, limits)?;
    let ticket = insert(tx, &review::open(request, now, terms))?;
    changes.push(changed(&ticket));
    Ok((ticket, Opened::New, changes))
}

pub(super) fn load(connection: &Connection, id: TicketId) -> Result<Ticket, StoreError> {
    connection
        .prepare_cached("SELECT body FROM tickets WHERE id = ?1")?
        .query_row([id.0], body)
        .optional()?
        .map_or(Err(StoreError::NotFound(id)), |text| Ok(serde_json::from_str(&text)?))
}

pub(super) fn events(connection: &Connection, id: TicketId) -> Result<Vec<Recorded>, StoreError> {
    let sql = "SELECT seq, ticket, version, body FROM ticket_events WHERE ticket = ?1 ORDER BY version";
    let events = recorded(connection, sql, &[id.0])?;
    if events.is_empty() { Err(StoreError::NotFound(id)) } else { Ok(events) }
}

pub(super) fn events_after(connection: &Connection, position: i64, limit: u32) -> Result<Vec<Recorded>, StoreError> {
    let sql = "SELECT seq, ticket, version, body FROM ticket_events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    recorded(connection, sql, &[position, i64::from(limit.min(PAGE_MAX))])
}

pub(super) fn position(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.query_row("SELECT coalesce(max(seq), 0) FROM ticket_events", [], |row| row.get(0))?)
}

/// Up to where the record has the events of one kind.
pub(super) fn position_of(connection: &Connection, key: &str) -> Result<i64, StoreError> {
    let value: Option<String> =
        connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], body).optional()?;
    let damaged = |_| StoreError::Damaged("the position of the record is not a number".into());
    value.map_or(Ok(0), |value| value.parse().map_err(damaged))
}

pub(super) fn set_position_of(tx: &Transaction<'_>, key: &str, position: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
    tx.execute(sql, [key, &position.to_string()])?;
    Ok(())
}

pub(super) fn append(tx: &Transaction<'_>, id: TicketId, expected: u32, event: &Event) -> Result<Ticket, StoreError> {
    let ticket = load(tx, id)?;
    if ticket.version != expected {
        return Err(StoreError::Conflict { id, expected, found: ticket.version });
    }
    evolve(tx, ticket, event)
}

pub(super) fn act(
    tx: &Transaction<'_>,
    id: TicketId,
    command: Command,
    when: (Instant, Terms),
) -> Result<Ticket, StoreError> {
    record(tx, (load(tx, id)?, command), when)
}

pub(super) fn act_through(
    tx: &Transaction<'_>,
    (door, expected): (Door, Option<u32>),
    (id, command): (TicketId, Command),
    (now, terms): (Instant, Terms),
) -> Result<Ticket, StoreError> {
    let ticket = load(tx, id)?;
    if let Some(expected) = expected.filter(|expected| *expected != ticket.version) {
        return Err(StoreError::Conflict { id, expected, found: ticket.version });
    }
    let event = Event { door, ..review::decide(&ticket, command, now, terms)? };
    evolve(tx, ticket, &event)
}

pub(super) fn expire_due(tx: &Transaction<'_>, now: Instant) -> Result<Vec<Ticket>, StoreError> {
    let due = select(tx, "SELECT body FROM tickets WHERE expires <= ?1 ORDER BY id", &[now.0])?;
    due.into_iter().map(|ticket| record(tx, (ticket, Command::Expire), (now, Terms::default()))).collect()
}

pub(super) fn next_due(connection: &Connection) -> Result<Option<Instant>, StoreError> {
    let sql = "SELECT min(expires) FROM tickets WHERE expires IS NOT NULL";
    let due: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(due.map(Instant))
}

pub(super) fn recover(tx: &Transaction<'_>, now: Instant) -> Result<Vec<Ticket>, StoreError> {
    // A job of a ticket goes on, and says in the end what became of it.
    let running = "SELECT body FROM tickets AS t WHERE state IN ('claimed', 'running') AND NOT EXISTS (SELECT 1 FROM jobs AS j \
                   WHERE j.ticket = t.id AND j.state IN ('queued', 'running', 'paused', 'waiting', 'stopping')) \
                   ORDER BY id";
    let running = select(tx, running, &[])?;
    let mut lost = Vec::new();
    for ticket in running {
        // A job that was over when the process went may not have said so yet.
        let over = jobs::of_ticket(tx, ticket.id)?.and_then(|job| job::report(&job, None));
        let told = over.filter(|command| claim(&ticket.state) == told_of(command));
        match told.map(|command| record(tx, (ticket.clone(), command), (now, Terms::default()))) {
            Some(Ok(_)) => {}
            None | Some(Err(StoreError::Rejected(_))) => {
                lost.push(record(tx, cut_off(ticket), (now, Terms::default()))?);
            }
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(lost)
}

/// Under which name a change is at work.
fn claim(state: &State) -> Option<&str> {
    match state {
        State::Claimed { claim, .. } | State::Running { claim, .. } => Some(claim),
        _ => None,
    }
}

/// Of which run a command tells.
fn told_of(command: &Command) -> Option<&str> {
    match command {
        Command::Finish { claim, .. } | Command::Fail { claim, .. } | Command::GiveBack { claim, .. } => Some(claim),
        Command::LoseOutcome { claim, .. } => claim.as_deref(),
        _ => None,
    }
}

/// What a ticket has to be told whose process is gone.
fn cut_off(ticket: Ticket) -> (Ticket, Command) {
    let command = match &ticket.state {
        State::Claimed { claim, .. } => Command::Fail {
            claim: claim.clone(),
            code: "57P01".to_owned(),
            message: "the gateway stopped before it was sent: nothing was run".to_owned(),
        },
        _ => Command::LoseOutcome {
            claim: None,
            why: "the gateway stopped while it was running: look at the database before running it again".into(),
        },
    };
    (ticket, command)
}

fn live_ticket(tx: &Transaction<'_>, request: &Request) -> Result<Option<Ticket>, StoreError> {
    let sql = "SELECT body FROM tickets WHERE identity = ?1 AND state IN ('pending', 'changes_requested', 'approved')";
    let text: Option<String> = tx.query_row(sql, [request.identity_hash()], body).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

fn check_limits(tx: &Transaction<'_>, requester: &str, limits: Limits) -> Result<(), StoreError> {
    let sql = "SELECT count(*), count(*) FILTER (WHERE requester = ?1) FROM tickets \
               WHERE state IN ('pending', 'changes_requested', 'approved')";
    let (total, own): (u32, u32) = tx.query_row(sql, [requester], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if own >= limits.per_requester {
        let requester = requester.to_owned();
        return Err(StoreError::RequesterLimit { requester, limit: limits.per_requester });
    }
    if total >= limits.total {
        return Err(StoreError::TotalLimit { limit: limits.total });
    }
    Ok(())
}

fn insert(tx: &Transaction<'_>, event: &Event) -> Result<Ticket, StoreError> {
    let not_first = || StoreError::Failed("a ticket begins with the event that opens it".into());
    // The number is known only after the row is there; its body follows at once.
    let ticket = review::begin(TicketId(0), event).ok_or_else(not_first)?;
    let request = &ticket.request;
    tx.prepare_cached(
        "INSERT INTO tickets (version, state, identity, requester, body) VALUES (1, 'pending', ?1, ?2, '')",
    )?
    .execute(params![request.identity_hash(), request.requester])?;
    let ticket = Ticket { id: TicketId(tx.last_insert_rowid()), ..ticket };
    write(tx, &ticket, event, 1)?;
    Ok(ticket)
}

fn record(
    tx: &Transaction<'_>,
    (ticket, command): (Ticket, Command),
    (now, terms): (Instant, Terms),
) -> Result<Ticket, StoreError> {
    let event = review::decide(&ticket, command, now, terms)?;
    evolve(tx, ticket, &event)
}

fn evolve(tx: &Transaction<'_>, ticket: Ticket, event: &Event) -> Result<Ticket, StoreError> {
    let expected = ticket.version;
    let ticket = review::evolve(ticket, event);
    write(tx, &ticket, event, expected)?;
    Ok(ticket)
}

fn write(tx: &Transaction<'_>, ticket: &Ticket, event: &Event, expected: u32) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO ticket_events (ticket, version, body) VALUES (?1, ?2, ?3)")?.execute(params![
        ticket.id.0,
        ticket.version,
        serde_json::to_string(event)?
    ])?;
    let rows = tx
        .prepare_cached(
            "UPDATE tickets SET version = ?3, state = ?4, expires = ?5, body = ?6 WHERE id = ?1 AND version = ?2",
        )?
        .execute(params![
            ticket.id.0,
            expected,
            ticket.version,
            ticket.state.name().as_str(),
            ticket.state.expires().map(|at| at.0),
            serde_json::to_string(ticket)?
        ])?;
    if rows != 1 {
        return Err(StoreError::Conflict { id: ticket.id, expected, found: ticket.version });
    }
    search::index(tx, ticket, Some(&event.what))?;
    history::write::of_ticket(tx, ticket, event.at)
}

fn select(tx: &Transaction<'_>, sql: &str, values: &[i64]) -> Result<Vec<Ticket>, StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), body)?;
    rows.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
}

fn recorded(connection: &Connection, sql: &str, values: &[i64]) -> Result<Vec<Recorded>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let text: String = row.get(3)?;
        Ok((row.get(0)?, TicketId(row.get(1)?), row.get(2)?, text))
    })?;
    rows.map(|row| {
        let (seq, ticket, version, text) = row?;
        Ok(Recorded { seq, ticket, version, event: serde_json::from_str(&text)? })
    })
    .collect()
}

fn body(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}
