//! What is told to people and programs outside: which event it was, of what, and whom it concerns.
//!
//! A notice is made from the ticket as it was after its event, so that it says the same however late it is sent.

mod audience;
mod schema;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audience::{Audience, audience, reviewers};
pub use schema::{
    Concern, DefinedColumn, DefinedConstraint, DefinedIndex, Definition, Difference, Hidden, Look, SCHEMA_VERSION,
    SchemaChange, SchemaEffect, SchemaEvent, SchemaOrigin, SchemaRun, afterwards, differences, schema_changes,
};

use super::job::{self, Job, JobId};
use super::plan::Plan;
use super::policy::pattern_matches;
use super::review::{Happening, Instant, State, Ticket, TicketId};
use super::sql::read;

/// The event of a notice that somebody asked for to see whether it arrives.
pub const TEST: &str = "test";
/// Lines that tell what is different about a definition.
const DIFFERENCES_MAX: usize = 40;

/// One thing that happened, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The same on every route and at every try: by it a receiver knows what it has already.
    pub id: String,
    /// `ticket.opened`, `job.failed`, …
    pub event: String,
    pub at: Instant,
    /// What it belongs to: notices of one thread arrive in their order.
    pub thread: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// A reason, a comment, an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its page.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaEvent>,
}

/// A ticket as a notice has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TicketLine {
    pub id: TicketId,
    pub version: u32,
    pub state: String,
    pub opened: Instant,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Instant>,
    pub target: String,
    pub database: String,
    pub requester: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    pub role: String,
    pub application: String,
    pub client: String,
    pub statement: String,
    /// Literals of the statement are hidden here: nobody can decide on what is shown.
    pub concealed: bool,
    pub tables: Vec<String>,
    pub findings: Vec<FindingLine>,
    pub steps: Vec<StepLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    pub labels: Vec<String>,
    pub approved_by: Vec<String>,
    /// Who has to approve it yet, in words.
    pub missing: Vec<String>,
    /// What an approval of exactly this carries.
    pub review_hash: String,
}

/// Why it is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingLine {
    pub rule: String,
    pub message: String,
}

/// What would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepLine {
    pub name: String,
    pub lock: String,
}

/// A job as a notice has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobLine {
    pub id: JobId,
    pub state: String,
    pub target: String,
    pub database: String,
    pub requester: String,
    pub application: String,
    pub statement: String,
    pub concealed: bool,
    pub tables: Vec<String>,
    pub steps: Vec<StepLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
}

/// Which notices go where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Patterns with `*` and `?`, as the others.
    pub events: Vec<String>,
    pub targets: Vec<String>,
    /// Any of these on the ticket; empty: all.
    pub labels: Vec<String>,
    /// Patterns of the tables it must be about, with their schemas; empty: all.
    pub tables: Vec<String>,
}

impl Subscription {
    /// Whether a notice is for it.
    #[must_use]
    pub fn hears(&self, notice: &Notice) -> bool {
        let fits = |patterns: &[String], name: &str| patterns.iter().any(|pattern| pattern_matches(pattern, name));
        let labels = notice.ticket.as_ref().map_or(&[][..], |ticket| ticket.labels.as_slice());
        fits(&self.events, &notice.event)
            && notice.target().is_none_or(|target| fits(&self.targets, target))
            && (self.labels.is_empty() || self.labels.iter().any(|label| labels.contains(label)))
            && (self.tables.is_empty() || notice.tables().iter().any(|table| fits(&self.tables, table)))
    }
}

impl Notice {
    /// The target it is about.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        let ticket = self.ticket.as_ref().map(|ticket| ticket.target.as_str());
        let job = || self.job.as_ref().map(|job| job.target.as_str());
        let schema = || self.schema.as_ref().map(|event| event.change.target.as_str());
        ticket.or_else(job).or_else(schema)
    }

    /// The tables it is about, with their schemas.
    #[must_use]
    pub fn tables(&self) -> Vec<String> {
        let ticket = self.ticket.iter().flat_map(|ticket| ticket.tables.iter().cloned());
        let job = self.job.iter().flat_map(|job| job.tables.iter().cloned());
        ticket.chain(job).chain(self.schema.iter().flat_map(|event| event.change.names())).collect()
    }

    /// Without what the statement's string literals say. A definition is told as it is.
    #[must_use]
    pub fn concealed(mut self) -> Self {
        let conceal = |statement: &mut String| {
            let hidden = read::without_literals(statement);
            let changed = hidden != *statement;
            *statement = hidden;
            changed
        };
        if let Some(ticket) = &mut self.ticket {
            ticket.concealed = conceal(&mut ticket.statement);
        }
        if let Some(job) = &mut self.job {
            job.concealed = conceal(&mut job.statement);
        }
        if let Some(event) = &mut self.schema {
            event.change.statements.iter_mut().for_each(|statement| {
                conceal(statement);
            });
        }
        self
    }
}

impl TicketLine {
    /// A ticket as it is.
    #[must_use]
    pub fn of(ticket: &Ticket) -> Self {
        let request = &ticket.request;
        let findings = request.findings.iter();
        let missing = match &ticket.state {
            State::Pending { votes, .. } => request.conditions.missing(votes),
            _ => Vec::new(),
        };
        let votes = ticket.votes().iter().map(|vote| vote.by.clone());
        Self {
            id: ticket.id,
            version: ticket.version,
            state: ticket.state.name().as_str().to_owned(),
            opened: ticket.opened,
            expires: ticket.state.expires(),
            target: request.target.clone(),
            database: request.database.clone(),
            requester: request.requester.clone(),
            person: request.person.clone(),
            role: request.role.clone(),
            application: request.application.clone(),
            client: request.client.clone(),
            statement: request.shown.clone(),
            concealed: false,
            tables: request.facts.relations().map(|one| format!("{}.{}", one.schema, one.name)).collect(),
            findings: findings
                .map(|found| FindingLine { rule: found.rule.to_string(), message: found.message.clone() })
                .collect(),
            steps: steps(&request.plan),
            justification: ticket.justification.clone(),
            labels: ticket.labels.iter().cloned().collect(),
            approved_by: votes.chain(super::review::approvers(&ticket.state)).collect(),
            missing,
            review_hash: ticket.review_hash(),
        }
    }

    /// Whether it waits for somebody's decision.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state == super::review::StateName::Pending.as_str()
    }
}

impl JobLine {
    /// A job as it is.
    #[must_use]
    pub fn of(job: &Job) -> Self {
        let order = &job.order;
        Self {
            id: job.id,
            state: job.state.name().as_str().to_owned(),
            target: order.target.clone(),
            database: order.database.clone(),
            requester: order.requester.clone(),
            application: order.application.clone(),
            statement: order.shown.clone(),
            concealed: false,
            tables: order.tables.iter().map(|table| table.name.clone()).collect(),
            steps: steps(&order.plan),
            ticket: order.ticket,
        }
    }
}

fn steps(plan: &Plan) -> Vec<StepLine> {
    plan.steps.iter().map(|step| StepLine { name: step.name.clone(), lock: step.lock_words() }).collect()
}

/// The thread of a ticket.
#[must_use]
pub fn ticket_thread(id: TicketId) -> String {
    format!("ticket-{id}")
}

/// The thread of a job: its ticket's, if it has one.
#[must_use]
pub fn job_thread(job: &Job) -> String {
    job.order.ticket.map_or_else(|| format!("job-{}", job.id), ticket_thread)
}

/// An event of a ticket: its name outside, who did it, and in what words.
#[must_use]
pub fn ticket_event(what: &Happening) -> (&'static str, Option<&str>, Option<String>) {
    match what {
        Happening::Opened { request, .. } => ("ticket.opened", Some(&request.requester), None),
        Happening::Voted { by, note, .. } => ("ticket.voted", Some(by), note.clone()),
        Happening::Approved { by, note, .. } => ("ticket.approved", Some(by), note.clone()),
        Happening::GlassBroken { by, reason, .. } => ("ticket.glass_broken", Some(by), Some(reason.clone())),
        Happening::DebtReviewed { by, note } => ("ticket.debt_reviewed", Some(by), Some(note.clone())),
        Happening::ChangesRequested { by, what, .. } => ("ticket.changes_requested", Some(by), Some(what.clone())),
        Happening::Rejected { by, reason } => ("ticket.rejected", Some(by), Some(reason.clone())),
        Happening::Cancelled { by, reason } => ("ticket.cancelled", Some(by), reason.clone()),
        Happening::Commented { by, text } => ("ticket.commented", Some(by), Some(text.clone())),
        Happening::Justified { by, text, .. } => ("ticket.justified", Some(by), Some(text.clone())),
        Happening::Labelled { by, .. } => ("ticket.labelled", Some(by), None),
        Happening::RunChosen { by, .. } => ("ticket.run_chosen", Some(by), None),
        Happening::Expired => ("ticket.expired", None, None),
        Happening::Claimed { .. } => ("ticket.claimed", None, None),
        Happening::Started => ("ticket.started", None, None),
        Happening::Finished { ms, tag } => ("ticket.finished", None, Some(format!("{tag} in {ms} ms"))),
        Happening::Failed { code, message } => ("ticket.failed", None, Some(format!("{message} (SQLSTATE {code})"))),
        Happening::OutcomeLost { why } => ("ticket.outcome_lost", None, Some(why.clone())),
        Happening::GivenBack { why } => ("ticket.given_back", None, Some(why.clone())),
        Happening::Settled { by, found, .. } => ("ticket.settled", Some(by), Some(found.clone())),
        Happening::Undone { job } => ("ticket.undone", None, Some(format!("by job {job}"))),
        Happening::Returned { why, .. } => ("ticket.returned", None, Some(why.clone())),
    }
}

/// The same of a job.
#[must_use]
pub fn job_event(what: &job::Happening) -> (&'static str, Option<&str>, Option<String>) {
    match what {
        job::Happening::Ordered { by, .. } => ("job.ordered", Some(by), None),
        job::Happening::Released => ("job.released", None, None),
        job::Happening::Started => ("job.started", None, None),
        job::Happening::Paused { by } => ("job.paused", Some(by), None),
        job::Happening::Resumed { by } => ("job.resumed", Some(by), None),
        job::Happening::RateSet { by, .. } => ("job.rate_set", Some(by), None),
        job::Happening::Interrupted { why, .. } => ("job.interrupted", None, Some(why.clone())),
        job::Happening::Stopping { by, reason } => ("job.stopping", Some(by), reason.clone()),
        job::Happening::Finished { ms, rows } => ("job.finished", None, Some(format!("{rows} rows in {ms} ms"))),
        job::Happening::Failed { code, message } => ("job.failed", None, Some(format!("{message} (SQLSTATE {code})"))),
        job::Happening::Aborted { by, left } => ("job.aborted", Some(by), Some(left.clone())),
        job::Happening::Undone { by } => ("job.undone", None, Some(format!("by job {by}"))),
        job::Happening::Recovered => ("job.recovered", None, None),
    }
}

/// The same of a definition, with what is different about it.
#[must_use]
pub fn schema_event(change: &SchemaChange) -> (&'static str, Option<&str>, Option<String>) {
    let lines = differences(change.before.as_ref(), change.after.as_ref());
    let mut words: Vec<String> = lines.iter().take(DIFFERENCES_MAX).map(Difference::text).collect();
    if lines.len() > DIFFERENCES_MAX {
        words.push(format!("and {} lines more", lines.len() - DIFFERENCES_MAX));
    }
    let note = match change.effect {
        SchemaEffect::Uncertain => Some("What became of it could not be seen: look at the relation itself.".to_owned()),
        _ => Some(words.join("\n")).filter(|words| !words.is_empty()),
    };
    (change.effect.event(), Some(change.person.as_ref().unwrap_or(&change.requester)), note)
}
