//! The life of a ticket: `decide` turns a command into an event, `evolve` applies it. Nothing else moves a ticket.
//!
//! No storage and no clock here: the store appends what `decide` answers at the version it was decided for.

mod binding;
mod command;
mod conditions;
mod decide;
mod door;
mod event;
mod people;
mod person;
mod state;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod walk;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::plan::Plan;
use super::rules::Finding;

pub use binding::{Mismatch, objects_hash, text_hash};
pub use command::{Command, Rejection};
pub use conditions::{Conditions, Need, Vote, Window};
pub use decide::{decide, open};
pub use door::Door;
pub use event::{Event, Happening, begin, evolve};
pub use people::{Grant, Granted, Kind, People, Power, Profile, Role, Stranger, Voter, Vouched};
pub use person::{check_name, is_invisible, pattern_matches, same_person};
pub use state::{Approval, State, StateName, approvers};

/// Longest note, reason or comment, in bytes.
pub const NOTE_MAX: usize = 4_096;

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// This many milliseconds later.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000)))
    }

    #[must_use]
    pub fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000)))
    }

    /// For people, to the minute: `2026-03-01 14:05 UTC`.
    #[must_use]
    pub fn utc(self) -> String {
        let minutes = self.0.div_euclid(60_000_000);
        let (mut day, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
        let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let mut year = 1970;
        // Times are of our days: within some hundred years of the epoch.
        while day < 0 {
            year -= 1;
            day += if leap(year) { 366 } else { 365 };
        }
        while day >= if leap(year) { 366 } else { 365 } {
            day -= if leap(year) { 366 } else { 365 };
            year += 1;
        }
        let mut month = 1;
        for length in [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if day < length {
                break;
            }
            day -= length;
            month += 1;
        }
        format!("{year:04}-{month:02}-{:02} {:02}:{:02} UTC", day + 1, minute / 60, minute % 60)
    }

    /// Milliseconds since `earlier`; nothing when that is in the future.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1_000).unwrap_or(0)
    }
}

/// A ticket's number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TicketId(pub i64);

impl std::fmt::Display for TicketId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a ticket is about. It changes only when the ticket returns to review with new facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// The exact text (secrets redacted in `shown`, exact in `text_hash`).
    pub shown: String,
    /// SHA-256 of the exact text, hex; where something is hidden or bound, a hash with a key of the gateway's.
    pub text_hash: String,
    pub target: String,
    pub database: String,
    /// Role the session logged in as (the requester), and acts as.
    pub requester: String,
    pub role: String,
    /// Who is behind that login, where the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
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
    /// What the policy asks of those who approve it.
    #[serde(default)]
    pub conditions: Conditions,
}

/// How long a ticket waits for a decision, how long an approval can be used, and how much may change meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub pending_ms: u64,
    pub approved_ms: u64,
    /// A table that is more than this many times as large as it was approved at has to be looked at again.
    pub growth_factor: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { pending_ms: 24 * 3_600_000, approved_ms: 3_600_000, growth_factor: 2 }
    }
}

/// Who runs an approved change, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum RunMode {
    /// The requester's session: the one that waits, or the next that sends the statement again.
    /// When the client leaves, the ticket stays and nothing runs without it.
    #[default]
    Session,
    /// A job of the gateway's, as soon as it is approved: it needs no client.
    Job,
    /// The same, not before a time.
    At { at: Instant },
}

/// A change that was let through without its quorum: somebody else has to look at it afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Debt {
    pub by: String,
    pub reason: String,
    pub at: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed: Option<Reviewed>,
}

/// Who paid a debt, and what they found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reviewed {
    pub by: String,
    pub at: Instant,
    pub note: String,
}

/// One held change. `version` counts its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ticket {
    pub id: TicketId,
    pub version: u32,
    pub opened: Instant,
    pub request: Request,
    pub state: State,
    /// In the requester's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<String>,
    #[serde(default)]
    pub run: RunMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debt: Option<Debt>,
}

impl Ticket {
    /// Hash over everything a reviewer decides on. A decision that carries another one was made
    /// about something else.
    #[must_use]
    pub fn review_hash(&self) -> String {
        binding::hash(&(self.request.review_hash(), &self.justification, &self.run))
    }

    /// Let through without a quorum, and nobody else has looked at it yet: the debt.
    #[must_use]
    pub fn owed(&self) -> Option<&Debt> {
        self.debt.as_ref().filter(|debt| debt.reviewed.is_none())
    }

    /// The votes that count so far.
    #[must_use]
    pub fn votes(&self) -> &[Vote] {
        match &self.state {
            State::Pending { votes, .. } => votes,
            State::ChangesRequested { .. }
            | State::Approved { .. }
            | State::Claimed { .. }
            | State::Running { .. }
            | State::Done { .. }
            | State::Failed { .. }
            | State::Undone { .. }
            | State::Unknown { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. }
            | State::Expired { .. } => &[],
        }
    }

    /// Whether this voter's approval would bring it further: who did not ask, has not voted, and fills an open place.
    #[must_use]
    pub fn waits_for(&self, voter: &Voter) -> bool {
        voter.kind == Kind::Person
            && matches!(self.state, State::Pending { .. })
            && !self.is_asked_by(voter)
            && !self.votes().iter().any(|vote| voter.is_called(&vote.by))
            && self.request.conditions.is_helped_by(self.votes(), &voter.groups)
    }

    /// When an approved change can be claimed, at or after `now`; `None` where no window ever opens.
    #[must_use]
    pub fn runs_from(&self, now: Instant) -> Option<Instant> {
        let asked = match self.run {
            RunMode::At { at } => at.max(now),
            RunMode::Session | RunMode::Job => now,
        };
        match &self.state {
            State::Approved { glass: true, .. } => Some(asked),
            State::Approved { from, .. } => self.request.conditions.opens(from.map_or(asked, |from| from.max(asked))),
            State::Pending { .. }
            | State::ChangesRequested { .. }
            | State::Claimed { .. }
            | State::Running { .. }
            | State::Done { .. }
            | State::Failed { .. }
            | State::Undone { .. }
            | State::Unknown { .. }
            | State::Rejected { .. }
            | State::Cancelled { .. }
            | State::Expired { .. } => self.request.conditions.opens(asked),
        }
    }

    /// Whether a voter is who asked for this, under any of the names they have.
    #[must_use]
    pub fn is_asked_by(&self, voter: &Voter) -> bool {
        let request = &self.request;
        let asking = [Some(&request.requester), Some(&request.role), request.person.as_ref()];
        asking.into_iter().flatten().any(|name| voter.is_called(name))
    }
}
