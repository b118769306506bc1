//! Whether a command counts, and what event it is then. Nothing is looked up here: all that matters is on the
//! ticket, in the command, or in what the door knows of who sends it.

use super::person::{check_name, is_invisible};
use super::{
    Command, Door, Event, Happening, Instant, Kind, NOTE_MAX, Rejection, Request, RunMode, State, StateName, Terms,
    Ticket, Vote, Voter,
};

/// Labels a ticket can have.
const LABELS_MAX: usize = 32;
/// Characters of a label.
const LABEL_MAX: usize = 64;

/// The first event of a ticket.
#[must_use]
pub fn open(request: Request, now: Instant, terms: Terms) -> Event {
    let expires = now.plus_ms(terms.pending_ms);
    Event { at: now, door: Door::Session, what: Happening::Opened { request: Box::new(request), expires } }
}

/// What a command does to a ticket, if it counts. The door is the one such a command usually comes through.
///
/// # Errors
/// Why the command does not count.
pub fn decide(ticket: &Ticket, command: Command, now: Instant, terms: Terms) -> Result<Event, Rejection> {
    let door = Door::of(&command);
    let what = match command {
        Command::Approve { by, note, seen_hash } => approve(ticket, by, (note, seen_hash), (now, terms))?,
        Command::BreakGlass { by, reason } => break_glass(ticket, by, reason, (now, terms))?,
        Command::ReviewDebt { by, note } => review_debt(ticket, by, note)?,
        Command::RequestChanges { by, what } => {
            let by = person(by)?.name;
            needs_undecided(ticket, now)?;
            Happening::ChangesRequested { by, what: required(what)?, expires: now.plus_ms(terms.pending_ms) }
        }
        Command::Reject { by, reason } => {
            let by = person(by)?.name;
            needs_live(ticket)?;
            Happening::Rejected { by, reason: required(reason)? }
        }
        Command::Cancel { by, reason } => {
            let by = check_name(&by).map_err(Rejection::BadName)?;
            needs_live(ticket)?;
            Happening::Cancelled { by, reason: optional(reason)? }
        }
        Command::Comment { by, text } => {
            let by = check_name(&by).map_err(Rejection::BadName)?;
            Happening::Commented { by, text: required(text)? }
        }
        Command::Justify { by, text } => {
            let by = check_name(&by).map_err(Rejection::BadName)?;
            needs_undecided(ticket, now)?;
            Happening::Justified { by, text: required(text)?, expires: now.plus_ms(terms.pending_ms) }
        }
        Command::Label { by, add, remove } => label(ticket, &by, add, remove)?,
        Command::ChooseRun { by, run } => choose_run(ticket, &by, run, (now, terms))?,
        Command::Expire if now < needs_live(ticket)? => return Err(Rejection::NotDue),
        Command::Expire => Happening::Expired,
        Command::Claim { claim, session, request } => claimed(ticket, (claim, session), *request, (now, terms))?,
        Command::ReturnToReview { why, request } => returned(ticket, why, request, (now, terms))?,
        Command::Start { claim } => {
            needs_claim(ticket, Some(&claim), Held::Claimed)?;
            Happening::Started
        }
        Command::Finish { claim, ms, tag } => {
            needs_claim(ticket, Some(&claim), Held::Running)?;
            Happening::Finished { ms, tag }
        }
        Command::Fail { claim, code, message } => {
            needs_claim(ticket, Some(&claim), Held::Either)?;
            Happening::Failed { code, message }
        }
        Command::LoseOutcome { claim, why } => {
            needs_claim(ticket, claim.as_deref(), Held::Running)?;
            Happening::OutcomeLost { why }
        }
        Command::GiveBack { claim, why } => give_back(ticket, &claim, why)?,
        Command::Settle { by, applied, found } => {
            let by = check_name(&by).map_err(Rejection::BadName)?;
            needs(ticket, StateName::Unknown, "unknown")?;
            Happening::Settled { by, applied, found: required(found)? }
        }
        Command::Undo { job } => {
            if !matches!(ticket.state.name(), StateName::Done | StateName::Failed) {
                return Err(wrong(ticket, "done or failed"));
            }
            Happening::Undone { job }
        }
    };
    Ok(Event { at: now, door, what })
}

fn approve(
    ticket: &Ticket,
    by: Voter,
    (note, seen_hash): (Option<String>, Option<String>),
    (now, terms): (Instant, Terms),
) -> Result<Happening, Rejection> {
    let by = person(by)?;
    let State::Pending { expires, votes, .. } = &ticket.state else { return Err(wrong(ticket, "pending")) };
    if *expires <= now {
        return Err(Rejection::Overdue);
    }
    if ticket.is_asked_by(&by) {
        return Err(Rejection::OwnRequest { by: by.name });
    }
    if votes.iter().any(|vote| by.is_called(&vote.by)) {
        return Err(Rejection::VotedAlready { by: by.name });
    }
    if seen_hash.as_ref().is_some_and(|seen| *seen != ticket.review_hash()) {
        return Err(Rejection::StaleView);
    }
    let note = optional(note)?;
    let Voter { name: by, groups, .. } = by;
    let mut all = votes.clone();
    all.push(Vote { by: by.clone(), groups: groups.clone(), at: now, note: note.clone() });
    let conditions = &ticket.request.conditions;
    if !conditions.missing(&all).is_empty() {
        return Ok(Happening::Voted { by, groups, note, seen_hash });
    }
    let from = ticket.runs_from(now);
    let expires = from.unwrap_or(now).plus_ms(terms.approved_ms);
    Ok(Happening::Approved { by, groups, note, seen_hash, expires, from: from.filter(|from| *from > now) })
}

fn break_glass(
    ticket: &Ticket,
    by: Voter,
    reason: String,
    (now, terms): (Instant, Terms),
) -> Result<Happening, Rejection> {
    let by = person(by)?;
    let expires = needs_undecided(ticket, now)?;
    if expires <= now {
        return Err(Rejection::Overdue);
    }
    let groups = &ticket.request.conditions.break_glass;
    if !by.groups.iter().any(|group| groups.contains(group)) {
        let allowed = match groups.as_slice() {
            [] => "its policy lets nobody".to_owned(),
            groups => format!("its policy lets only members of {}", groups.join(", ")),
        };
        return Err(Rejection::NoGlass { by: by.name, allowed });
    }
    Ok(Happening::GlassBroken { by: by.name, reason: required(reason)?, expires: now.plus_ms(terms.approved_ms) })
}

fn review_debt(ticket: &Ticket, by: Voter, note: String) -> Result<Happening, Rejection> {
    let by = person(by)?;
    let owed = ticket.owed().ok_or(Rejection::NoDebt)?;
    if by.is_called(&owed.by) {
        return Err(Rejection::OwnDebt { by: by.name });
    }
    if ticket.is_asked_by(&by) {
        return Err(Rejection::OwnRequest { by: by.name });
    }
    Ok(Happening::DebtReviewed { by: by.name, note: required(note)? })
}

fn label(ticket: &Ticket, by: &str, add: Vec<String>, remove: Vec<String>) -> Result<Happening, Rejection> {
    let by = check_name(by).map_err(Rejection::BadName)?;
    let good = |label: &String| {
        !label.is_empty()
            && label.chars().count() <= LABEL_MAX
            && !label.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c))
    };
    let fresh = add.iter().filter(|label| !ticket.labels.contains(*label)).count();
    if !add.iter().all(good) || ticket.labels.len() + fresh > LABELS_MAX {
        return Err(Rejection::BadLabel);
    }
    if add.is_empty() && remove.is_empty() {
        return Err(Rejection::NoLabel);
    }
    Ok(Happening::Labelled { by, add, remove })
}

/// Once approved, only within what was approved: as long as the approval lasts.
fn choose_run(ticket: &Ticket, by: &str, run: RunMode, (now, terms): (Instant, Terms)) -> Result<Happening, Rejection> {
    let by = check_name(by).map_err(Rejection::BadName)?;
    let live = needs_live(ticket)?;
    if let RunMode::At { at } = run
        && at <= now
    {
        return Err(Rejection::InThePast);
    }
    let expires = if let State::Approved { expires, .. } = &ticket.state {
        if let RunMode::At { at } = run
            && at >= *expires
        {
            return Err(Rejection::AfterApproval { ends: *expires });
        }
        live
    } else {
        now.plus_ms(terms.pending_ms)
    };
    Ok(Happening::RunChosen { by, run, expires })
}

fn claimed(
    ticket: &Ticket,
    (claim, session): (String, String),
    request: Request,
    (now, terms): (Instant, Terms),
) -> Result<Happening, Rejection> {
    let State::Approved { expires, .. } = &ticket.state else { return Err(wrong(ticket, "approved")) };
    if *expires <= now {
        return Err(Rejection::Overdue);
    }
    match ticket.runs_from(now) {
        Some(from) if from <= now => {}
        from => return Err(Rejection::TooEarly { from }),
    }
    match ticket.request.still_covers(&request, terms) {
        Ok(()) => Ok(Happening::Claimed { claim, session }),
        Err(mismatch) if mismatch.returns_to_review() => Ok(Happening::Returned {
            why: mismatch.to_string(),
            request: Box::new(request),
            expires: now.plus_ms(terms.pending_ms),
        }),
        Err(mismatch) => Err(Rejection::OtherChange(mismatch)),
    }
}

fn give_back(ticket: &Ticket, claim: &str, why: String) -> Result<Happening, Rejection> {
    needs_claim(ticket, Some(claim), Held::Either)?;
    match ticket.state.approval() {
        Some(_) => Ok(Happening::GivenBack { why }),
        None => Err(wrong(ticket, "one whose approval is known")),
    }
}

fn returned(
    ticket: &Ticket,
    why: String,
    request: Box<Request>,
    (now, terms): (Instant, Terms),
) -> Result<Happening, Rejection> {
    needs_live(ticket)?;
    match ticket.request.still_covers(&request, terms) {
        Err(mismatch) if !mismatch.returns_to_review() => Err(Rejection::OtherChange(mismatch)),
        Ok(()) | Err(_) => Ok(Happening::Returned { why, request, expires: now.plus_ms(terms.pending_ms) }),
    }
}

/// A person with a name; agents and services never decide.
fn person(by: Voter) -> Result<Voter, Rejection> {
    let name = check_name(&by.name).map_err(Rejection::BadName)?;
    match by.kind {
        Kind::Person => Ok(Voter { name, ..by }),
        Kind::Agent | Kind::Service => Err(Rejection::NoPerson { by: name }),
    }
}

fn wrong(ticket: &Ticket, needed: &'static str) -> Rejection {
    Rejection::WrongState { is: ticket.state.name(), needed }
}

fn needs(ticket: &Ticket, state: StateName, needed: &'static str) -> Result<(), Rejection> {
    if ticket.state.name() == state { Ok(()) } else { Err(wrong(ticket, needed)) }
}

fn needs_live(ticket: &Ticket) -> Result<Instant, Rejection> {
    ticket.state.expires().ok_or_else(|| wrong(ticket, "pending, approved, or waiting for changes"))
}

/// Nobody has allowed it yet, and there is time.
fn needs_undecided(ticket: &Ticket, now: Instant) -> Result<Instant, Rejection> {
    match &ticket.state {
        State::Pending { expires, .. } | State::ChangesRequested { expires, .. } if *expires <= now => {
            Err(Rejection::Overdue)
        }
        State::Pending { expires, .. } | State::ChangesRequested { expires, .. } => Ok(*expires),
        State::Approved { .. }
        | State::Claimed { .. }
        | State::Running { .. }
        | State::Done { .. }
        | State::Failed { .. }
        | State::Undone { .. }
        | State::Unknown { .. }
        | State::Rejected { .. }
        | State::Cancelled { .. }
        | State::Expired { .. } => Err(wrong(ticket, "pending")),
    }
}

/// How far a claim has to have come.
enum Held {
    Claimed,
    Running,
    Either,
}

/// Without a claim it is whoever cleans up after a dead process.
fn needs_claim(ticket: &Ticket, claim: Option<&str>, how: Held) -> Result<(), Rejection> {
    let held = match (&ticket.state, how) {
        (State::Claimed { claim, .. }, Held::Claimed | Held::Either)
        | (State::Running { claim, .. }, Held::Running | Held::Either) => claim,
        (_, Held::Claimed) => return Err(wrong(ticket, "claimed")),
        (_, Held::Running) => return Err(wrong(ticket, "running")),
        (_, Held::Either) => return Err(wrong(ticket, "claimed or running")),
    };
    if claim.is_some_and(|claim| claim != held) { Err(Rejection::OtherClaim) } else { Ok(()) }
}

fn required(text: String) -> Result<String, Rejection> {
    optional(Some(text))?.ok_or(Rejection::NoReason)
}

fn optional(text: Option<String>) -> Result<Option<String>, Rejection> {
    let Some(text) = text else { return Ok(None) };
    if text.len() > NOTE_MAX {
        return Err(Rejection::TooLong);
    }
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}
