//! The life of a ticket: `decide` turns a command into an event, `evolve` applies it. Nothing else moves a ticket.
//!
//! No storage and no clock here: the store appends what `decide` answers at the version it was decided for.

mod binding;
mod door;
mod person;
mod state;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod walk;

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::plan::Plan;
use super::rules::Finding;

pub use binding::{Mismatch, objects_hash};
pub use door::Door;
pub use person::{check_name, is_invisible, same_person};
pub use state::{State, StateName};

/// Longest note, reason or comment, in bytes.
pub const NOTE_MAX: usize = 4_096;

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// This many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000)))
    }

    /// Milliseconds since `earlier`; nothing when that is in the future.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000).unwrap_or(0)
    }
}

/// A ticket's number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(pub i64);

impl std::fmt::Display for TicketId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a ticket is about. It changes only when the ticket returns to review with new facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The exact text (secrets redacted in `shown`, exact in `text_hash`).
    pub shown: String,
    /// SHA-256 of the exact bytes, hex.
    pub text_hash: String,
    pub target: String,
    pub database: String,
    /// Role the session logged in as (the requester), and acts as.
    pub requester: String,
    pub role: String,
    pub search_path: String,
    pub application: String,
    pub client: String,
    /// Settings of the session that are not its login's own: for a run without the session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<(String, String)>,
    pub findings: Vec<Finding>,
    pub facts: Facts,
    pub plan: Plan,
    /// Hash over the objects touched (oid, columns, …): differs at run time, back to review.
    pub objects_hash: String,
}

/// How long a ticket waits for a decision, and how long an approval can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub pending_ms: u64,
    pub approved_ms: u64,
}

impl Default for Terms {
    fn default() -> Self {
        Self { pending_ms: 24 * 3_600_000, approved_ms: 3_600_000 }
    }
}

/// One held change. `version` counts its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub id: TicketId,
    pub version: u32,
    pub opened: Instant,
    pub request: Request,
    pub state: State,
}

/// What somebody wants to do with a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `seen_hash` is [`Request::review_hash`] of what the reviewer looked at.
    Approve {
        by: String,
        note: Option<String>,
        seen_hash: Option<String>,
    },
    Reject {
        by: String,
        reason: String,
    },
    Cancel {
        by: String,
        reason: Option<String>,
    },
    Comment {
        by: String,
        text: String,
    },
    /// The clock says so.
    Expire,
    /// A session wants to run it now. `request` is the statement as it was judged just now:
    /// where it no longer is what was approved, the answer is a return to review.
    Claim {
        claim: String,
        session: String,
        request: Box<Request>,
    },
    Finish {
        claim: String,
        ms: u64,
        tag: String,
    },
    Fail {
        claim: String,
        code: String,
        message: String,
    },
    /// The outcome cannot be known; without a claim: the process that ran it is gone.
    LoseOutcome {
        claim: Option<String>,
        why: String,
    },
    /// The same statement came again and means something else now.
    ReturnToReview {
        why: String,
        request: Box<Request>,
    },
}

/// What happened to a ticket, when, and through which door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub at: Instant,
    pub door: Door,
    #[serde(flatten)]
    pub what: Happening,
}

/// The closed list of what can happen to a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    Opened { request: Box<Request>, expires: Instant },
    Approved { by: String, note: Option<String>, seen_hash: Option<String>, expires: Instant },
    Rejected { by: String, reason: String },
    Cancelled { by: String, reason: Option<String> },
    Commented { by: String, text: String },
    Expired,
    Claimed { claim: String, session: String },
    Finished { ms: u64, tag: String },
    Failed { code: String, message: String },
    OutcomeLost { why: String },
    Returned { why: String, request: Box<Request>, expires: Instant },
}

impl Happening {
    /// The word used in histories.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Approved { .. } => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Cancelled { .. } => "cancelled",
            Self::Commented { .. } => "commented",
            Self::Expired => "expired",
            Self::Claimed { .. } => "claimed",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
            Self::OutcomeLost { .. } => "outcome lost",
            Self::Returned { .. } => "returned to review",
        }
    }
}

/// Why a command does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("the ticket is {is}, and would have to be {needed} for that")]
    WrongState { is: StateName, needed: &'static str },
    #[error("{by} asked for this change and cannot approve it: a second person has to")]
    OwnRequest { by: String },
    #[error("the ticket has changed since it was looked at: look at it again")]
    StaleView,
    #[error("the time for it has run out")]
    Overdue,
    #[error("its time has not run out yet")]
    NotDue,
    #[error("the ticket is claimed by another session")]
    OtherClaim,
    #[error("this is another change than the ticket's: {0}")]
    OtherChange(Mismatch),
    #[error("that is not a name of a person: {0}")]
    BadName(&'static str),
    #[error("a reason has to be given")]
    NoReason,
    #[error("the text is longer than {NOTE_MAX} bytes")]
    TooLong,
}

/// The first event of a ticket.
#[must_use]
pub fn open(request: Request, now: Instant, terms: Terms) -> Event {
    let expires = now.plus_ms(terms.pending_ms);
    Event { at: now, door: Door::Session, what: Happening::Opened { request: Box::new(request), expires } }
}

/// The ticket its first event makes; `None` when it is not a first event.
#[must_use]
pub fn begin(id: TicketId, event: &Event) -> Option<Ticket> {
    let Happening::Opened { request, expires } = &event.what else { return None };
    let state = State::Pending { since: event.at, expires: *expires, returned: None };
    Some(Ticket { id, version: 1, opened: event.at, request: (**request).clone(), state })
}

/// What a command does to a ticket, if it counts. The door is the one such a command usually comes through.
///
/// # Errors
/// Why the command does not count.
pub fn decide(ticket: &Ticket, command: Command, now: Instant, terms: Terms) -> Result<Event, Rejection> {
    let door = Door::of(&command);
    let what = match command {
        Command::Approve { by, note, seen_hash } => approve(ticket, Approval { by, note, seen_hash }, now, terms)?,
        Command::Reject { by, reason } => {
            let by = check_name(&by).map_err(Rejection::BadName)?;
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
        Command::Expire => {
            let expires = needs_live(ticket)?;
            if now < expires {
                return Err(Rejection::NotDue);
            }
            Happening::Expired
        }
        Command::Claim { claim, session, request } => claimed(ticket, (claim, session), *request, (now, terms))?,
        Command::Finish { claim, ms, tag } => {
            needs_claim(ticket, Some(&claim))?;
            Happening::Finished { ms, tag }
        }
        Command::Fail { claim, code, message } => {
            needs_claim(ticket, Some(&claim))?;
            Happening::Failed { code, message }
        }
        Command::LoseOutcome { claim, why } => {
            needs_claim(ticket, claim.as_deref())?;
            Happening::OutcomeLost { why }
        }
        Command::ReturnToReview { why, request } => {
            needs_live(ticket)?;
            match ticket.request.matches(&request) {
                Err(mismatch) if !mismatch.returns_to_review() => return Err(Rejection::OtherChange(mismatch)),
                Ok(()) | Err(_) => {}
            }
            Happening::Returned { why, request, expires: now.plus_ms(terms.pending_ms) }
        }
    };
    Ok(Event { at: now, door, what })
}

/// The ticket after an event. Total: an event that was recorded counts.
#[must_use]
pub fn evolve(mut ticket: Ticket, event: &Event) -> Ticket {
    ticket.version = ticket.version.saturating_add(1);
    let at = event.at;
    let approved_by = approver(&ticket.state);
    ticket.state = match &event.what {
        Happening::Commented { .. } => return ticket,
        Happening::Opened { request, expires } => {
            ticket.request = (**request).clone();
            State::Pending { since: at, expires: *expires, returned: None }
        }
        Happening::Returned { why, request, expires } => {
            ticket.request = (**request).clone();
            State::Pending { since: at, expires: *expires, returned: Some(why.clone()) }
        }
        Happening::Approved { by, note, expires, seen_hash: _ } => {
            State::Approved { by: by.clone(), at, note: note.clone(), expires: *expires }
        }
        Happening::Rejected { by, reason } => State::Rejected { by: by.clone(), at, reason: reason.clone() },
        Happening::Cancelled { by, reason } => State::Cancelled { by: by.clone(), at, reason: reason.clone() },
        Happening::Expired => State::Expired { at, was_approved: ticket.state.name() == StateName::Approved },
        Happening::Claimed { claim, session } => {
            State::Running { claim: claim.clone(), since: at, by_session: session.clone(), approved_by }
        }
        Happening::Finished { ms, tag } => State::Done { at, ms: *ms, tag: tag.clone(), approved_by },
        Happening::Failed { code, message } => {
            State::Failed { at, code: code.clone(), message: message.clone(), approved_by }
        }
        Happening::OutcomeLost { why } => State::Unknown { at, why: why.clone(), approved_by },
    };
    ticket
}

struct Approval {
    by: String,
    note: Option<String>,
    seen_hash: Option<String>,
}

fn approve(ticket: &Ticket, approval: Approval, now: Instant, terms: Terms) -> Result<Happening, Rejection> {
    let by = check_name(&approval.by).map_err(Rejection::BadName)?;
    let State::Pending { expires, .. } = &ticket.state else {
        return Err(Rejection::WrongState { is: ticket.state.name(), needed: "pending" });
    };
    if *expires <= now {
        return Err(Rejection::Overdue);
    }
    let request = &ticket.request;
    if same_person(&by, &request.requester) || same_person(&by, &request.role) {
        return Err(Rejection::OwnRequest { by });
    }
    if approval.seen_hash.as_ref().is_some_and(|seen| *seen != request.review_hash()) {
        return Err(Rejection::StaleView);
    }
    let note = optional(approval.note)?;
    Ok(Happening::Approved { by, note, seen_hash: approval.seen_hash, expires: now.plus_ms(terms.approved_ms) })
}

fn claimed(
    ticket: &Ticket,
    (claim, session): (String, String),
    request: Request,
    (now, terms): (Instant, Terms),
) -> Result<Happening, Rejection> {
    let State::Approved { expires, .. } = &ticket.state else {
        return Err(Rejection::WrongState { is: ticket.state.name(), needed: "approved" });
    };
    if *expires <= now {
        return Err(Rejection::Overdue);
    }
    match ticket.request.matches(&request) {
        Ok(()) => Ok(Happening::Claimed { claim, session }),
        Err(mismatch) if mismatch.returns_to_review() => Ok(Happening::Returned {
            why: mismatch.to_string(),
            request: Box::new(request),
            expires: now.plus_ms(terms.pending_ms),
        }),
        Err(mismatch) => Err(Rejection::OtherChange(mismatch)),
    }
}

fn needs_live(ticket: &Ticket) -> Result<Instant, Rejection> {
    let needed = "pending or approved";
    ticket.state.expires().ok_or(Rejection::WrongState { is: ticket.state.name(), needed })
}

/// `None` is whoever cleans up after a dead process.
fn needs_claim(ticket: &Ticket, claim: Option<&str>) -> Result<(), Rejection> {
    let State::Running { claim: held, .. } = &ticket.state else {
        return Err(Rejection::WrongState { is: ticket.state.name(), needed: "running" });
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

/// Who approved it, if somebody has.
#[must_use]
pub fn approver(state: &State) -> String {
    match state {
        State::Approved { by, .. } => by.clone(),
        State::Running { approved_by, .. }
        | State::Done { approved_by, .. }
        | State::Failed { approved_by, .. }
        | State::Unknown { approved_by, .. } => approved_by.clone(),
        State::Pending { .. } | State::Rejected { .. } | State::Cancelled { .. } | State::Expired { .. } => {
            String::new()
        }
    }
}
