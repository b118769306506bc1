//! How tickets are found: by what they are, by words, by their likes. All of it is made from their bodies and
//! their events, and could be made again.

use rusqlite::{Connection, Row, Transaction, params, params_from_iter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::query::{Query, page};
use crate::kernel::review::{Event, Happening, Instant, RunMode, State, StateName, Ticket, TicketId};

/// Most tickets in one page.
pub const PAGE_MAX: u32 = 200;
/// Bytes of a statement that can be searched.
const TEXT_MAX: usize = 64 << 10;
/// Words of a search that count.
const WORDS_MAX: usize = 16;
/// Earlier changes that are told.
const KIN_MAX: u32 = 10;

/// Which tickets a list shows. Nothing set: the newest of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these; empty means all.
    pub states: Vec<StateName>,
    /// Login, or person behind it.
    pub requester: Option<String>,
    pub target: Option<String>,
    /// Only targets whose names match one of these patterns; empty means all.
    pub visible: Vec<String>,
    pub label: Option<String>,
    /// Words of the statement, the tables, the people, the comments; all of them, each as a beginning.
    pub text: Option<String>,
    /// Only those somebody has to look at afterwards.
    pub owed: bool,
    /// Only tickets with a smaller number: the next page.
    pub before: Option<TicketId>,
    /// At most this many, and never more than 200; 0 means 200.
    pub limit: u32,
}

/// An earlier ticket that is like another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SimilarChange")]
pub struct Kin {
    pub id: TicketId,
    pub target: String,
    pub database: String,
    pub state: StateName,
    pub opened: Instant,
    /// How long it took, if it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Rows of the largest table it touched, then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The very same text, on another target or database: a rehearsal.
    pub same_elsewhere: bool,
}

pub(super) fn list(connection: &Connection, filter: &Filter) -> Result<Vec<Ticket>, StoreError> {
    let words = filter.text.as_deref().map(phrase).filter(|words| !words.is_empty());
    // The index is named: it has all that is asked for, and the rows themselves are long.
    let (id, mut query) = match words {
        // From the words to the tickets: the index of words is in the order of the numbers as well.
        Some(words) => {
            let from = "SELECT t.id FROM tickets_text AS w \
                        CROSS JOIN tickets AS t INDEXED BY tickets_brief ON t.id = w.rowid WHERE true";
            let mut query = Query::new(from);
            query.and("tickets_text MATCH ?", [words.into()]);
            ("w.rowid", query)
        }
        None => ("t.id", Query::new("SELECT t.id FROM tickets AS t INDEXED BY tickets_brief WHERE true")),
    };
    if let Some(before) = filter.before {
        query.and(&format!("{id} < ?"), [before.0.into()]);
    }
    let states: Vec<_> = filter.states.iter().map(|state| state.as_str()).collect();
    query.one_of("t.state", &states);
    if let Some(requester) = &filter.requester {
        query.and("(t.requester = ? OR t.person = ?)", [requester.clone().into(), requester.clone().into()]);
    }
    if let Some(target) = &filter.target {
        query.and("t.target = ?", [target.clone().into()]);
    }
    query.matches(&["t.target"], &filter.visible);
    if let Some(label) = &filter.label {
        let labelled = "EXISTS (SELECT 1 FROM ticket_labels AS l WHERE l.label = ? AND l.ticket = t.id)";
        query.and(labelled, [label.clone().into()]);
    }
    if filter.owed {
        query.and("t.owed = 1", []);
    }
    let (inner, limit) = (&query.text, page(filter.limit, PAGE_MAX));
    let sql = format!(
        "SELECT b.body FROM ({inner} ORDER BY {id} DESC LIMIT {limit}) AS f \
         CROSS JOIN tickets AS b ON b.id = f.id ORDER BY f.id DESC"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(query.values), body)?;
    rows.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
}

/// Words as the index of words reads them: each in quotes, so that nothing in them is an operator.
pub(super) fn phrase(text: &str) -> String {
    let has_letters = |word: &&str| word.chars().any(char::is_alphanumeric);
    let words = text.split_whitespace().filter(has_letters).take(WORDS_MAX);
    words.map(|word| format!("\"{}\"*", word.replace('"', "\"\""))).collect::<Vec<_>>().join(" ")
}

pub(super) fn kin(connection: &Connection, ticket: &Ticket) -> Result<Vec<Kin>, StoreError> {
    let request = &ticket.request;
    let sql = "SELECT body FROM tickets WHERE kin = ?1 AND id < ?2 \
               AND state IN ('done', 'failed', 'undone', 'unknown') ORDER BY id DESC LIMIT ?3";
    let alike = tickets(connection, sql, params![request.kin(), ticket.id.0, KIN_MAX])?;
    let sql = "SELECT body FROM tickets WHERE text_hash = ?1 AND id <> ?2 AND kin <> '' \
               AND state IN ('done', 'failed', 'undone') ORDER BY id DESC LIMIT ?3";
    let same = tickets(connection, sql, params![request.text_hash, ticket.id.0, KIN_MAX])?;
    let mut found: Vec<Kin> = Vec::new();
    for other in same.iter().chain(&alike) {
        let elsewhere = other.request.target != request.target || other.request.database != request.database;
        let same_elsewhere = elsewhere && other.request.text_hash == request.text_hash;
        // What another target's table took says something only if it was this very change.
        if (same_elsewhere || !elsewhere) && !found.iter().any(|one| one.id == other.id) {
            found.push(of(other, same_elsewhere));
        }
    }
    found.sort_by_key(|one| std::cmp::Reverse(one.id));
    Ok(found)
}

fn of(ticket: &Ticket, same_elsewhere: bool) -> Kin {
    let ms = match &ticket.state {
        State::Done { ms, .. } => Some(*ms),
        _ => None,
    };
    Kin {
        id: ticket.id,
        target: ticket.request.target.clone(),
        database: ticket.request.database.clone(),
        state: ticket.state.name(),
        opened: ticket.opened,
        ms,
        rows: ticket.request.facts.relations().filter_map(|relation| relation.rows).max(),
        same_elsewhere,
    }
}

pub(super) fn starting(connection: &Connection, now: Instant) -> Result<(Vec<Ticket>, Option<Instant>), StoreError> {
    let due = tickets(connection, "SELECT body FROM tickets WHERE starts <= ?1 ORDER BY starts, id", params![now.0])?;
    let sql = "SELECT min(starts) FROM tickets WHERE starts > ?1";
    let next: Option<i64> = connection.query_row(sql, [now.0], |row| row.get(0))?;
    Ok((due, next.map(Instant)))
}

/// Brings what a ticket is found by up to its present version. `what` happened; nothing: everything is made anew.
pub(super) fn index(tx: &Transaction<'_>, ticket: &Ticket, what: Option<&Happening>) -> Result<(), StoreError> {
    let request = &ticket.request;
    let owed = ticket.owed().is_some();
    let starts = match (&ticket.state, ticket.run) {
        (State::Approved { at, .. }, RunMode::Job | RunMode::At { .. }) => ticket.runs_from(*at),
        _ => None,
    };
    tx.prepare_cached(
        "UPDATE tickets SET target = ?2, text_hash = ?3, kin = ?4, person = ?5, owed = ?6, starts = ?7 WHERE id = ?1",
    )?
    .execute(params![
        ticket.id.0,
        request.target,
        request.text_hash,
        request.kin(),
        request.person,
        owed,
        starts.map(|at| at.0)
    ])?;
    if what.is_none_or(|what| matches!(what, Happening::Labelled { .. })) {
        tx.prepare_cached("DELETE FROM ticket_labels WHERE ticket = ?1")?.execute([ticket.id.0])?;
        let mut insert = tx.prepare_cached("INSERT INTO ticket_labels (label, ticket) VALUES (?1, ?2)")?;
        for label in &ticket.labels {
            insert.execute(params![label, ticket.id.0])?;
        }
    }
    if what.is_none_or(has_words) { index_words(tx, ticket) } else { Ok(()) }
}

/// Whether an event brings words that tickets are searched by.
fn has_words(what: &Happening) -> bool {
    match what {
        Happening::Opened { .. }
        | Happening::Returned { .. }
        | Happening::Commented { .. }
        | Happening::Justified { .. }
        | Happening::Labelled { .. }
        | Happening::ChangesRequested { .. }
        | Happening::Rejected { .. } => true,
        Happening::Voted { .. }
        | Happening::Approved { .. }
        | Happening::GlassBroken { .. }
        | Happening::DebtReviewed { .. }
        | Happening::Cancelled { .. }
        | Happening::RunChosen { .. }
        | Happening::Expired
        | Happening::Claimed { .. }
        | Happening::Started
        | Happening::Finished { .. }
        | Happening::Failed { .. }
        | Happening::OutcomeLost { .. }
        | Happening::GivenBack { .. }
        | Happening::Settled { .. }
        | Happening::Undone { .. } => false,
    }
}

fn index_words(tx: &Transaction<'_>, ticket: &Ticket) -> Result<(), StoreError> {
    let request = &ticket.request;
    let mut words: Vec<String> = vec![
        request.requester.clone(),
        request.role.clone(),
        request.person.clone().unwrap_or_default(),
        request.target.clone(),
        request.database.clone(),
        request.application.clone(),
        ticket.justification.clone().unwrap_or_default(),
    ];
    words.extend(ticket.labels.iter().cloned());
    words.extend(request.findings.iter().map(|finding| finding.rule.0.clone()));
    words.extend(request.facts.relations().map(|relation| format!("{}.{}", relation.schema, relation.name)));
    let mut said = tx.prepare_cached("SELECT body FROM ticket_events WHERE ticket = ?1")?;
    for text in said.query_map([ticket.id.0], body)? {
        let event: Event = serde_json::from_str(&text?)?;
        words.extend(match event.what {
            Happening::Commented { by, text } => Some(format!("{by} {text}")),
            Happening::ChangesRequested { by, what, .. } => Some(format!("{by} {what}")),
            Happening::Rejected { by, reason } => Some(format!("{by} {reason}")),
            _ => None,
        });
    }
    let end = (0..=TEXT_MAX.min(request.shown.len())).rev().find(|at| request.shown.is_char_boundary(*at));
    let statement = request.shown.get(..end.unwrap_or_default()).unwrap_or_default();
    tx.prepare_cached("DELETE FROM tickets_text WHERE rowid = ?1")?.execute([ticket.id.0])?;
    tx.prepare_cached("INSERT INTO tickets_text (rowid, statement, words) VALUES (?1, ?2, ?3)")?.execute(params![
        ticket.id.0,
        statement,
        words.join("\n")
    ])?;
    Ok(())
}

/// For a file of an older version.
pub(super) fn index_all(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let mut statement = tx.prepare("SELECT body FROM tickets ORDER BY id")?;
    for text in statement.query_map([], body)? {
        index(tx, &serde_json::from_str(&text?)?, None)?;
    }
    Ok(())
}

fn tickets(connection: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<Ticket>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, body)?;
    rows.map(|text| Ok(serde_json::from_str(&text?)?)).collect()
}

fn body(row: &Row<'_>) -> rusqlite::Result<String> {
    row.get(0)
}
