//! What has happened to a ticket, and what its events add up to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::state::{Approval, approvers};
use super::{Debt, Door, Instant, Request, Reviewed, RunMode, State, StateName, Ticket, TicketId, Vote};

/// What happened to a ticket, when, and through which door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    pub at: Instant,
    pub door: Door,
    #[serde(flatten)]
    pub what: Happening,
}

/// The closed list of what can happen to a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happening {
    Opened {
        request: Box<Request>,
        expires: Instant,
    },
    /// Somebody approved, and others have to as well.
    Voted {
        by: String,
        #[serde(default)]
        groups: Vec<String>,
        note: Option<String>,
        seen_hash: Option<String>,
    },
    /// The approval that made the quorum.
    Approved {
        by: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        groups: Vec<String>,
        note: Option<String>,
        seen_hash: Option<String>,
        expires: Instant,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Instant>,
    },
    GlassBroken {
        by: String,
        reason: String,
        expires: Instant,
    },
    DebtReviewed {
        by: String,
        note: String,
    },
    ChangesRequested {
        by: String,
        what: String,
        expires: Instant,
    },
    Rejected {
        by: String,
        reason: String,
    },
    Cancelled {
        by: String,
        reason: Option<String>,
    },
    Commented {
        by: String,
        text: String,
    },
    Justified {
        by: String,
        text: String,
        expires: Instant,
    },
    Labelled {
        by: String,
        add: Vec<String>,
        remove: Vec<String>,
    },
    RunChosen {
        by: String,
        run: RunMode,
        expires: Instant,
    },
    Expired,
    Claimed {
        claim: String,
        session: String,
    },
    Started,
    Finished {
        ms: u64,
        tag: String,
    },
    Failed {
        code: String,
        message: String,
    },
    OutcomeLost {
        why: String,
    },
    /// The run has done nothing: the approval may be used again.
    GivenBack {
        why: String,
    },
    Settled {
        by: String,
        applied: bool,
        found: String,
    },
    Undone {
        job: i64,
    },
    Returned {
        why: String,
        request: Box<Request>,
        expires: Instant,
    },
}

impl Happening {
    /// The word used in histories.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Voted { .. } => "approved in part",
            Self::Approved { .. } => "approved",
            Self::GlassBroken { .. } => "glass broken",
            Self::DebtReviewed { .. } => "reviewed afterwards",
            Self::ChangesRequested { .. } => "changes requested",
            Self::Rejected { .. } => "rejected",
            Self::Cancelled { .. } => "cancelled",
            Self::Commented { .. } => "commented",
            Self::Justified { .. } => "justified",
            Self::Labelled { .. } => "labelled",
            Self::RunChosen { .. } => "run chosen",
            Self::Expired => "expired",
            Self::Claimed { .. } => "claimed",
            Self::Started => "started",
            Self::Finished { .. } => "finished",
            Self::Failed { .. } => "failed",
            Self::OutcomeLost { .. } => "outcome lost",
            Self::GivenBack { .. } => "approval given back",
            Self::Settled { .. } => "settled",
            Self::Undone { .. } => "undone",
            Self::Returned { .. } => "returned to review",
        }
    }
}

/// The ticket its first event makes; `None` when it is not a first event.
#[must_use]
pub fn begin(id: TicketId, event: &Event) -> Option<Ticket> {
    let Happening::Opened { request, expires } = &event.what else { return None };
    Some(Ticket {
        id,
        version: 1,
        opened: event.at,
        request: (**request).clone(),
        state: pending(event.at, *expires, None),
        justification: None,
        labels: std::collections::BTreeSet::new(),
        run: RunMode::default(),
        debt: None,
    })
}

fn pending(since: Instant, expires: Instant, returned: Option<String>) -> State {
    State::Pending { since, expires, returned, votes: Vec::new() }
}

/// The ticket after an event. Total: an event that was recorded counts.
#[must_use]
pub fn evolve(mut ticket: Ticket, event: &Event) -> Ticket {
    ticket.version = ticket.version.saturating_add(1);
    let at = event.at;
    match &event.what {
        Happening::Opened { request, expires } => {
            ticket.request = (**request).clone();
            ticket.state = pending(at, *expires, None);
        }
        Happening::Returned { why, request, expires } => {
            ticket.request = (**request).clone();
            ticket.state = pending(at, *expires, Some(why.clone()));
        }
        Happening::Commented { .. } => {}
        Happening::Labelled { by: _, add, remove } => {
            ticket.labels.extend(add.iter().cloned());
            ticket.labels.retain(|label| !remove.contains(label));
        }
        Happening::Justified { by, text, expires } => {
            ticket.justification = Some(text.clone());
            ticket.state = changed(&ticket.state, at, *expires, format!("{by} has said why anew"));
        }
        Happening::RunChosen { by, run, expires } => {
            ticket.run = *run;
            if ticket.state.name() != StateName::Approved {
                let why = format!("{by} has changed how or when it runs");
                ticket.state = changed(&ticket.state, at, *expires, why);
            }
        }
        Happening::GlassBroken { by, reason, .. } => {
            ticket.debt = Some(Debt { by: by.clone(), reason: reason.clone(), at, reviewed: None });
            ticket.state = moved(&ticket.state, event);
        }
        Happening::DebtReviewed { by, note } => {
            let reviewed = Reviewed { by: by.clone(), at, note: note.clone() };
            ticket.debt = ticket.debt.map(|debt| Debt { reviewed: Some(reviewed), ..debt });
        }
        // It has tried by itself, and does not again.
        Happening::GivenBack { .. } => {
            ticket.run = RunMode::Session;
            ticket.state = moved(&ticket.state, event);
        }
        Happening::Voted { .. }
        | Happening::Approved { .. }
        | Happening::ChangesRequested { .. }
        | Happening::Rejected { .. }
        | Happening::Cancelled { .. }
        | Happening::Expired
        | Happening::Claimed { .. }
        | Happening::Started
        | Happening::Finished { .. }
        | Happening::Failed { .. }
        | Happening::OutcomeLost { .. }
        | Happening::Settled { .. }
        | Happening::Undone { .. } => ticket.state = moved(&ticket.state, event),
    }
    ticket
}

/// Something that is decided on has changed: what was decided before no longer counts.
fn changed(state: &State, at: Instant, expires: Instant, why: String) -> State {
    match state {
        State::Pending { votes, returned, since, .. } if votes.is_empty() => {
            State::Pending { since: *since, expires, returned: returned.clone(), votes: Vec::new() }
        }
        State::Pending { .. }
        | State::ChangesRequested { .. }
        | State::Approved { .. }
        | State::Claimed { .. }
        | State::Running { .. }
        | State::Done { .. }
        | State::Failed { .. }
        | State::Undone { .. }
        | State::Unknown { .. }
        | State::Rejected { .. }
        | State::Cancelled { .. }
        | State::Expired { .. } => pending(at, expires, Some(why)),
    }
}

/// The state after an event that changes nothing else.
fn moved(state: &State, event: &Event) -> State {
    let at = event.at;
    let approved_by = approvers(state);
    match &event.what {
        Happening::Voted { by, groups, note, .. } => voted(state, vote(by, groups, note.clone(), at)),
        Happening::Approved { by, note, expires, from, .. } => {
            let mut names = approved_by;
            names.push(by.clone());
            State::Approved {
                by: names,
                at,
                note: note.clone(),
                expires: *expires,
                from: *from,
                glass: false,
                given_back: None,
            }
        }
        Happening::GlassBroken { by, reason, expires } => State::Approved {
            by: vec![by.clone()],
            at,
            note: Some(format!("glass broken: {reason}")),
            expires: *expires,
            from: None,
            glass: true,
            given_back: None,
        },
        Happening::ChangesRequested { by, what, expires } => {
            State::ChangesRequested { by: by.clone(), at, what: what.clone(), expires: *expires }
        }
        Happening::Rejected { by, reason } => State::Rejected { by: by.clone(), at, reason: reason.clone() },
        Happening::Cancelled { by, reason } => State::Cancelled { by: by.clone(), at, reason: reason.clone() },
        Happening::Expired => State::Expired { at, was_approved: state.name() == StateName::Approved },
        Happening::Claimed { claim, session } => {
            let (claim, by_session, approval) = (claim.clone(), session.clone(), state.approval());
            State::Claimed { claim, since: at, by_session, approved_by, approval }
        }
        Happening::Started => match state {
            State::Claimed { claim, by_session, approval, .. } => {
                let (claim, by_session, approval) = (claim.clone(), by_session.clone(), approval.clone());
                State::Running { claim, since: at, by_session, approved_by, approval }
            }
            _ => state.clone(),
        },
        Happening::Finished { ms, tag } => State::Done { at, ms: *ms, tag: tag.clone(), approved_by },
        Happening::Failed { code, message } => {
            State::Failed { at, code: code.clone(), message: message.clone(), approved_by }
        }
        Happening::OutcomeLost { why } => State::Unknown { at, why: why.clone(), approved_by },
        Happening::GivenBack { why } => match state.approval() {
            Some(Approval { at, note, expires, from, glass }) => {
                State::Approved { by: approved_by, at, note, expires, from, glass, given_back: Some(why.clone()) }
            }
            None => state.clone(),
        },
        Happening::Settled { applied: true, found, .. } => {
            State::Done { at, ms: 0, tag: format!("found in place: {found}"), approved_by }
        }
        Happening::Settled { applied: false, found, .. } => {
            State::Failed { at, code: "08007".to_owned(), message: format!("found not in place: {found}"), approved_by }
        }
        Happening::Undone { job } => State::Undone { at, job: *job, approved_by },
        Happening::Opened { .. }
        | Happening::Returned { .. }
        | Happening::Commented { .. }
        | Happening::Labelled { .. }
        | Happening::Justified { .. }
        | Happening::RunChosen { .. }
        | Happening::DebtReviewed { .. } => state.clone(),
    }
}

fn voted(state: &State, vote: Vote) -> State {
    let mut state = state.clone();
    if let State::Pending { votes, .. } = &mut state {
        votes.push(vote);
    }
    state
}

fn vote(by: &str, groups: &[String], note: Option<String>, at: Instant) -> Vote {
    Vote { by: by.to_owned(), groups: groups.to_vec(), at, note }
}
