//! Tickets as the admin door shows them: the same values for programs and for the command line.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::job::{self, JobId, Progress};
use crate::kernel::notice::SchemaEvent;
use crate::kernel::review::{Instant, Power, State, Ticket, TicketId};
use crate::kernel::rules::Response;
use crate::kernel::traffic::Traffic;
use crate::shell::audit::SessionInfo;
use crate::shell::audit::event::Line;
use crate::shell::audit::past::SessionSeen;
use crate::shell::config::{Route, Way};
use crate::shell::jobs::TargetSeen;
use crate::shell::store::{Change, Delivery, DeliveryCounts, JobRecorded, JobSeen, Kin, Recorded, Run, Token};

/// Longest piece of a statement in a list, in characters.
const TEXT_MAX: usize = 200;

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TicketSummary")]
pub struct Summary {
    pub id: TicketId,
    pub version: u32,
    pub opened: Instant,
    pub state: State,
    pub requester: String,
    pub target: String,
    pub database: String,
    /// Ids of the rules that hold it.
    pub rules: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Let through without a quorum, and nobody has looked at it yet.
    #[serde(default)]
    pub owed: bool,
    /// The beginning of the statement, blanks and line ends as one blank each.
    pub text: String,
}

/// A ticket with everything known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TicketFull")]
pub struct Full {
    pub ticket: Ticket,
    /// To be sent along with an approval: it then counts only for what was seen.
    pub review_hash: String,
    /// What is missing before it may run, in words.
    #[serde(default)]
    pub missing: Vec<String>,
    /// People whose approval would bring it further. Empty as well where the configuration names nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_approve: Vec<String>,
    /// Earlier changes like it, and rehearsals of it elsewhere, with what they took.
    #[serde(default)]
    pub kin: Vec<Kin>,
    pub events: Vec<Recorded>,
    /// What its plan has done, step by step, once it was claimed.
    pub runs: Vec<Run>,
}

/// An answer of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TicketPage")]
pub struct Page {
    pub tickets: Vec<Summary>,
    /// `before` of the next page; nothing: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TicketId>,
}

/// An answer of the watch: what happened after a position, and the position to ask from next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct News {
    pub next: i64,
    pub events: Vec<Recorded>,
}

/// Whose token it is: a reviewer's name, or none for the local token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    pub reviewer: Option<String>,
    /// What it can do, somewhere.
    #[serde(default)]
    pub powers: Vec<Power>,
}

/// An answer of the list of routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyPage {
    pub routes: Vec<NotifyRoute>,
}

/// A route of notifications, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotifyRoute {
    pub name: String,
    pub kind: String,
    pub events: Vec<String>,
    pub targets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// What is remembered of it.
    #[serde(default)]
    pub counts: DeliveryCounts,
}

impl NotifyRoute {
    /// What is said of a route.
    #[must_use]
    pub fn of(route: &Route, counts: DeliveryCounts) -> Self {
        let kind = match route.way {
            Way::Webhook(_) => "webhook",
            Way::Slack(_) => "slack",
            Way::Teams(_) => "teams",
            Way::Email(_) => "email",
        };
        let of = &route.subscription;
        Self {
            name: route.name.clone(),
            kind: kind.to_owned(),
            events: of.events.clone(),
            targets: of.targets.clone(),
            labels: of.labels.clone(),
            tables: of.tables.clone(),
            counts,
        }
    }
}

/// A message has arrived on a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tested {
    pub route: String,
}

/// An answer of the list of deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryPage {
    pub deliveries: Vec<Delivery>,
    /// `before` of the next page; nothing: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// An answer of the list of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenPage {
    pub tokens: Vec<Token>,
}

/// A token that was handed out just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenNew {
    pub token: Token,
    /// Told this once: only its hash is kept.
    pub secret: String,
}

/// An answer of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangePage {
    pub changes: Vec<Change>,
    /// `before` of the next page; nothing: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// A change with what others felt of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFull {
    /// Nothing: it has neither run nor been turned down yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// It is still followed: there will be more.
    pub more: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
}

/// Changes of definitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SchemaPage {
    pub changes: Vec<SchemaEvent>,
    /// With `after`: the position to ask after next. Else `before` of the next page; nothing: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// Position of the newest of all: who follows from now on asks after it.
    pub newest: i64,
}

/// An answer of the list of targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TargetPage {
    pub targets: Vec<TargetSeen>,
}

/// An answer of the list of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionPage {
    pub sessions: Vec<SessionSeen>,
}

/// One session with what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionFull {
    pub id: String,
    pub info: SessionInfo,
    pub live: bool,
    /// Lines between the first and the others that are not here: there are too many.
    #[serde(default)]
    pub left_out: u64,
    /// As they stand in the record.
    pub lines: Vec<Line>,
}

/// What the configuration means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsSeen {
    pub lines: Vec<String>,
}

/// A sign-in by device code that was begun just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceCode {
    /// To wait for it with; told this once.
    pub handle: String,
    /// What is entered at `url`.
    pub user_code: String,
    pub url: String,
    /// The address with the code in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url_complete: Option<String>,
    pub expires_s: u64,
}

/// What has become of a sign-in by device code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SignedIn {
    /// Nothing: the code was not entered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_in: Option<TokenNew>,
}

impl Summary {
    #[must_use]
    pub fn of(ticket: &Ticket) -> Self {
        let request = &ticket.request;
        let mut rules: Vec<String> = request.findings.iter().map(|finding| finding.rule.0.clone()).collect();
        rules.sort_unstable();
        rules.dedup();
        // Without the blanks that could push the rest beyond the end.
        let words = request.shown.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            id: ticket.id,
            version: ticket.version,
            opened: ticket.opened,
            state: ticket.state.clone(),
            requester: request.requester.clone(),
            target: request.target.clone(),
            database: request.database.clone(),
            rules,
            labels: ticket.labels.iter().cloned().collect(),
            owed: ticket.owed().is_some(),
            text: words.chars().take(TEXT_MAX).collect(),
        }
    }
}

/// One line of a list of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobSummary {
    pub id: JobId,
    pub version: u32,
    #[serde(flatten)]
    pub state: job::State,
    pub created: Instant,
    pub requester: String,
    pub target: String,
    pub database: String,
    pub tables: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketId>,
    pub progress: Progress,
    /// The beginning of the statement.
    pub text: String,
}

/// A job with everything known about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobFull {
    pub job: JobSeen,
    pub events: Vec<JobRecorded>,
    /// One for each of its connections, step by step.
    pub runs: Vec<Run>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleView {
    pub id: String,
    pub hazard: String,
    /// The strongest lock of the statement itself.
    pub lock: Option<String>,
    /// The answer where a policy says nothing.
    pub response: Response,
    pub instead: String,
}

/// All rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RulePage {
    pub rules: Vec<RuleView>,
}

/// An answer of the list of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobPage {
    pub jobs: Vec<JobSummary>,
    /// `before` of the next page; nothing: this was the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<JobId>,
}

impl JobSummary {
    #[must_use]
    pub fn of(seen: JobSeen) -> Self {
        let JobSeen { job, progress } = seen;
        let order = job.order;
        let words = order.shown.split_whitespace().collect::<Vec<_>>().join(" ");
        Self {
            id: job.id,
            version: job.version,
            state: job.state,
            created: job.created,
            requester: order.requester,
            target: order.target,
            database: order.database,
            tables: order.tables.into_iter().map(|table| table.name).collect(),
            ticket: order.ticket,
            progress,
            text: words.chars().take(TEXT_MAX).collect(),
        }
    }
}
