//! Entries of the history as they are written: from a ticket, from a job, from the run of a session.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::super::{RunOutcome, StoreError};
use super::{Change, ChangeOutcome, RunOf, entry, read};
use crate::kernel::job::{self, Job, JobId};
use crate::kernel::plan::verify::Checked;
use crate::kernel::review::{Instant, State, Ticket, approvers};
use crate::kernel::traffic::Felt;

/// Characters of a statement that are kept with its entry.
const TEXT_MAX: usize = 4_000;

/// Brings the entry of a ticket up to date, once it runs or is over.
pub(in super::super) fn of_ticket(tx: &Transaction<'_>, ticket: &Ticket, now: Instant) -> Result<(), StoreError> {
    let Some((outcome, ended, ms, detail)) = stands(&ticket.state, now) else { return Ok(()) };
    let request = &ticket.request;
    let mut rules: Vec<String> = request.findings.iter().map(|finding| finding.rule.0.clone()).collect();
    rules.sort_unstable();
    rules.dedup();
    let sql = "SELECT max(id) FROM jobs WHERE ticket = ?1";
    let job: Option<i64> = tx.prepare_cached(sql)?.query_row([ticket.id.0], |row| row.get(0))?;
    let ended_by = match &ticket.state {
        State::Rejected { by, .. } | State::Cancelled { by, .. } => Some(by.clone()),
        _ => None,
    };
    let change = Change {
        id: 0,
        ticket: Some(ticket.id),
        job: job.map(JobId),
        session: None,
        undo_of: None,
        outcome,
        began: now,
        ended,
        ms,
        rows: None,
        target: request.target.clone(),
        database: request.database.clone(),
        requester: request.requester.clone(),
        person: request.person.clone(),
        application: request.application.clone(),
        approved_by: approvers(&ticket.state),
        ended_by,
        rules,
        objects: request.facts.relations().map(|one| format!("{}.{}", one.schema, one.name)).collect(),
        recipe: request.plan.recipe.clone(),
        detail,
        checks: Vec::new(),
        traffic: None,
        text: request.shown.clone(),
    };
    put(tx, ("ticket", &ticket.id.to_string()), change)
}

type Stands = (ChangeOutcome, Option<Instant>, Option<u64>, Option<String>);

fn stands(state: &State, now: Instant) -> Option<Stands> {
    use ChangeOutcome as O;
    Some(match state {
        State::Approved { given_back: Some(why), .. } => (O::Failed, Some(now), None, Some(why.clone())),
        State::Pending { .. } | State::ChangesRequested { .. } | State::Approved { .. } | State::Claimed { .. } => {
            return None;
        }
        State::Running { .. } => (O::Running, None, None, None),
        State::Done { at, ms, .. } => (O::Done, Some(*at), Some(*ms), None),
        State::Failed { at, code, message, .. } => (O::Failed, Some(*at), None, Some(format!("{code}: {message}"))),
        State::Undone { at, job, .. } => (O::Undone, Some(*at), None, Some(format!("taken back by job {job}"))),
        State::Unknown { at, why, .. } => (O::Unknown, Some(*at), None, Some(why.clone())),
        State::Rejected { at, reason, .. } => (O::Rejected, Some(*at), None, Some(reason.clone())),
        State::Cancelled { at, reason, .. } => (O::Cancelled, Some(*at), None, reason.clone()),
        State::Expired { at, was_approved } => {
            let what = if *was_approved { "nobody used the approval" } else { "nobody decided" };
            (O::Expired, Some(*at), None, Some(what.to_owned()))
        }
    })
}

/// The same for a job. That of a ticket is in the ticket's entry.
pub(in super::super) fn of_job(tx: &Transaction<'_>, job: &Job, now: Instant) -> Result<(), StoreError> {
    use ChangeOutcome as O;
    let order = &job.order;
    let (outcome, ended, ms, detail) = match &job.state {
        job::State::Done { at, ms, .. } => (O::Done, Some(*at), Some(*ms), None),
        job::State::Failed { at, code, message } => (O::Failed, Some(*at), None, Some(format!("{code}: {message}"))),
        job::State::Aborted { at, left, .. } => (O::Aborted, Some(*at), None, Some(left.clone())),
        job::State::Undone { at, by } => (O::Undone, Some(*at), None, Some(format!("taken back by job {by}"))),
        _ if job.started.is_some() => (O::Running, None, None, None),
        _ => return Ok(()),
    };
    if order.ticket.is_some() {
        return Ok(());
    }
    let change = Change {
        id: 0,
        ticket: None,
        job: Some(job.id),
        session: None,
        undo_of: order.undo_of,
        outcome,
        began: now,
        ended,
        ms,
        rows: match &job.state {
            job::State::Done { rows, .. } => Some(*rows).filter(|rows| *rows > 0),
            _ => None,
        },
        target: order.target.clone(),
        database: order.database.clone(),
        requester: order.requester.clone(),
        person: None,
        application: order.application.clone(),
        approved_by: Vec::new(),
        ended_by: match &job.state {
            job::State::Aborted { by, .. } => Some(by.clone()),
            _ => None,
        },
        rules: Vec::new(),
        objects: order.tables.iter().map(|table| table.name.clone()).collect(),
        recipe: order.plan.recipe.clone(),
        detail,
        checks: Vec::new(),
        traffic: None,
        text: order.shown.clone(),
    };
    put(tx, ("job", &job.id.to_string()), change)
}

/// A run that a session has begun.
pub(in super::super) fn run_began(
    tx: &Transaction<'_>,
    (run, session, recipe): (&str, &str, &str),
    of: RunOf,
    now: Instant,
) -> Result<(), StoreError> {
    let change = Change {
        id: 0,
        ticket: None,
        job: None,
        session: Some(session.to_owned()),
        undo_of: None,
        outcome: ChangeOutcome::Running,
        began: now,
        ended: None,
        ms: None,
        rows: None,
        target: of.target,
        database: of.database,
        requester: of.requester,
        person: of.person,
        application: of.application,
        approved_by: Vec::new(),
        ended_by: None,
        rules: of.rules,
        objects: of.objects,
        recipe: recipe.to_owned(),
        detail: None,
        checks: Vec::new(),
        traffic: None,
        text: of.text,
    };
    put(tx, ("run", run), change)
}

/// Such a run has ended; of one that is not in the history nothing is written.
pub(in super::super) fn run_ended(
    tx: &Transaction<'_>,
    run: &str,
    outcome: RunOutcome,
    now: Instant,
) -> Result<(), StoreError> {
    let Some(change) = find(tx, ("run", run))? else { return Ok(()) };
    let detail = "SELECT detail FROM run_steps WHERE run = ?1 AND detail IS NOT NULL ORDER BY started DESC LIMIT 1";
    let detail: Option<String> = tx.prepare_cached(detail)?.query_row([run], |row| row.get(0)).optional()?;
    let (outcome, detail) = match outcome {
        RunOutcome::Done => (ChangeOutcome::Done, None),
        RunOutcome::Failed => (ChangeOutcome::Failed, detail),
        RunOutcome::Cancelled => (ChangeOutcome::Aborted, detail),
        RunOutcome::Unknown => (ChangeOutcome::Unknown, detail),
    };
    let ms = (outcome == ChangeOutcome::Done).then(|| now.ms_since(change.began));
    put(tx, ("run", run), Change { outcome, ended: Some(now), ms, detail, ..change })
}

/// After a start: no session of the process before runs anything any more.
pub(in super::super) fn runs_lost(tx: &Transaction<'_>, now: Instant) -> Result<(), StoreError> {
    let sql = "SELECT ref FROM changes WHERE outcome = 'running' AND kind = 'run'";
    let runs: Vec<String> = tx.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    runs.iter().try_for_each(|run| run_ended(tx, run, RunOutcome::Unknown, now))
}

/// What others felt of it. A change that is not in the history gets no entry by it.
pub(in super::super) fn felt(tx: &Transaction<'_>, of: (&str, &str), felt: Felt) -> Result<(), StoreError> {
    let Some(change) = find(tx, of)? else { return Ok(()) };
    let waited = felt.longest.as_ref().map(|longest| i64::try_from(longest.us).unwrap_or(i64::MAX));
    tx.prepare_cached("UPDATE changes SET waited = ?2 WHERE id = ?1")?.execute(params![change.id, waited])?;
    let body = serde_json::to_string(&Change { traffic: Some(felt), ..change })?;
    tx.prepare_cached("UPDATE change_bodies SET body = ?2 WHERE id = ?1")?.execute(params![change.id, body])?;
    Ok(())
}

/// Of its last run that got so far.
fn checks(tx: &Transaction<'_>, (kind, of): (&str, &str)) -> Result<Vec<Checked>, StoreError> {
    // Only our own words get into the text.
    let sql = format!("SELECT checks FROM runs WHERE {kind} = ?1 AND checks IS NOT NULL ORDER BY started DESC LIMIT 1");
    let found: Option<String> = tx.prepare_cached(&sql)?.query_row([of], |row| row.get(0)).optional()?;
    Ok(found.map(|text| serde_json::from_str(&text)).transpose()?.unwrap_or_default())
}

pub(super) fn find(tx: &Connection, (kind, of): (&str, &str)) -> Result<Option<Change>, StoreError> {
    let sql = "SELECT b.id, b.body FROM changes AS c JOIN change_bodies AS b ON b.id = c.id \
               WHERE c.kind = ?1 AND c.ref = ?2";
    tx.prepare_cached(sql)?.query_row([kind, of], entry).optional()?.as_ref().map(read).transpose()
}

fn put(tx: &Transaction<'_>, (kind, of): (&str, &str), change: Change) -> Result<(), StoreError> {
    let old = find(tx, (kind, of))?;
    let text = change
        .text
        .char_indices()
        .nth(TEXT_MAX)
        .map_or(change.text.as_str(), |(end, _)| change.text.get(..end).unwrap_or_default());
    let mut change = Change { text: text.to_owned(), checks: checks(tx, (kind, of))?, ..change };
    if let Some(old) = &old {
        // What it took is still true of what was taken back later.
        let (ms, rows, traffic) = (change.ms.or(old.ms), change.rows.or(old.rows), old.traffic.clone());
        change = Change { began: old.began, ms, rows, traffic, ..change };
        tx.prepare_cached("UPDATE changes SET outcome = ?2 WHERE id = ?1")?
            .execute(params![old.id, change.outcome.as_str()])?;
        change.id = old.id;
    } else {
        tx.prepare_cached("INSERT INTO changes (kind, ref, at, target, outcome) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![kind, of, change.began.0, change.target, change.outcome.as_str()])?;
        change.id = tx.last_insert_rowid();
    }
    let id = change.id;
    tx.prepare_cached("INSERT OR REPLACE INTO change_bodies (id, body) VALUES (?1, ?2)")?
        .execute(params![id, serde_json::to_string(&change)?])?;
    let mut insert = tx.prepare_cached("INSERT OR IGNORE INTO change_keys (key, change) VALUES (?1, ?2)")?;
    for key in keys(&change) {
        insert.execute(params![key, id])?;
    }
    tx.prepare_cached("DELETE FROM changes_text WHERE rowid = ?1")?.execute([id])?;
    tx.prepare_cached("INSERT INTO changes_text (rowid, words) VALUES (?1, ?2)")?
        .execute(params![id, words(&change)])?;
    Ok(())
}

/// What an entry is found by exactly.
fn keys(change: &Change) -> Vec<String> {
    let people = [Some(&change.requester), change.person.as_ref(), change.ended_by.as_ref()];
    let people = people.into_iter().flatten().chain(&change.approved_by).map(|name| format!("p:{name}"));
    let rules = change.rules.iter().map(|rule| format!("r:{rule}"));
    let whole = change.objects.iter().map(|name| format!("o:{name}"));
    let bare = change.objects.iter().filter_map(|name| name.split_once('.')).map(|(_, name)| format!("o:{name}"));
    people.chain(rules).chain(whole).chain(bare).collect()
}

fn words(change: &Change) -> String {
    let parts = [
        change.text.as_str(),
        &change.target,
        &change.database,
        &change.requester,
        change.person.as_deref().unwrap_or_default(),
        &change.application,
        change.ended_by.as_deref().unwrap_or_default(),
        &change.recipe,
        change.detail.as_deref().unwrap_or_default(),
    ];
    let lists = [&change.approved_by, &change.rules, &change.objects];
    parts.into_iter().chain(lists.into_iter().flatten().map(String::as_str)).collect::<Vec<_>>().join("\n")
}

/// For a file of an older version: what is over already, in the order of its end.
pub(in super::super) fn index_all(tx: &Transaction<'_>) -> Result<(), StoreError> {
    let mut found: Vec<(Instant, bool, i64)> = Vec::new();
    let mut tickets = tx.prepare("SELECT id, body FROM tickets")?;
    for row in tickets.query_map([], entry)? {
        let (id, body) = row?;
        let ticket: Ticket = serde_json::from_str(&body)?;
        found.extend(stands(&ticket.state, ticket.opened).map(|(_, at, ..)| (at.unwrap_or(ticket.opened), true, id)));
    }
    let mut jobs = tx.prepare("SELECT id, body FROM jobs")?;
    for row in jobs.query_map([], entry)? {
        let (id, body) = row?;
        let job: Job = serde_json::from_str(&body)?;
        found.push((job.started.unwrap_or(job.created), false, id));
    }
    found.sort_unstable_by_key(|(at, is_ticket, id)| (at.0, *is_ticket, *id));
    for (at, is_ticket, id) in found {
        let from = if is_ticket { "tickets" } else { "jobs" };
        let body: String =
            tx.prepare_cached(&format!("SELECT body FROM {from} WHERE id = ?1"))?.query_row([id], |row| row.get(0))?;
        if is_ticket {
            of_ticket(tx, &serde_json::from_str(&body)?, at)?;
        } else {
            of_job(tx, &serde_json::from_str(&body)?, at)?;
        }
    }
    Ok(())
}
