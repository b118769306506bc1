//! Tickets at the admin door: what there is, what becomes of it, and the commands.

use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, extract::rejection::JsonRejection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doors::{About, Doors, asked, gives, takes};
use super::{Answer, ApiState, Asked, Id, Identity, NEWS_MAX, Problem, Shared, WaitQuery, WatchQuery, deadline, queue};
use crate::kernel::notice::reviewers;
use crate::kernel::review::{Command, Instant, Power, RunMode, StateName, Ticket, TicketId};
use crate::shell::clock::now;
use crate::shell::console::bounded::Peer;
use crate::shell::console::view::{Full, News, Page};
use crate::shell::jobs::{Asking, ExplainError, ProposeError, Question};
use crate::shell::store::{Recorded, StoreError};

pub(super) fn doors(doors: Doors) -> Doors {
    let if_match = Some(("If-Match", "the ETag of what was looked at: it counts only if nothing has changed since"));
    let full = |summary| About { header: if_match, ..takes::<Body, Full>(summary) };
    doors
        .get(
            "/v1/tickets",
            Power::Read,
            asked::<queue::Wanted>(gives::<Page>("List tickets, newest first")),
            queue::list,
        )
        .post(
            "/v1/tickets",
            Power::Request,
            takes::<Proposal, Full>("Ask for a change that runs as a job once it is approved"),
            propose,
        )
        .get(
            "/v1/tickets/watch",
            Power::Read,
            asked::<WatchQuery>(gives::<News>("Wait for what happens to any ticket")),
            watch,
        )
        .get("/v1/tickets/{id}", Power::Read, gives::<Full>("One ticket with all that is known of it"), show)
        .get(
            "/v1/tickets/{id}/wait",
            Power::Read,
            asked::<WaitQuery>(gives::<Full>("Wait until a ticket has another version")),
            wait,
        )
        .post("/v1/tickets/{id}/approve", Power::Decide, full("Approve what was seen"), approve)
        .post("/v1/tickets/{id}/reject", Power::Decide, full("Reject, or take an approval back"), reject)
        .post("/v1/tickets/{id}/request-changes", Power::Decide, full("Ask for something else first"), request_changes)
        .post("/v1/tickets/{id}/break-glass", Power::Request, full("Let it through alone, now"), break_glass)
        .post("/v1/tickets/{id}/review-debt", Power::Decide, full("Look at broken glass afterwards"), review_debt)
        .post("/v1/tickets/{id}/cancel", Power::Request, full("Withdraw it"), cancel)
        .post("/v1/tickets/{id}/comment", Power::Request, full("Say something"), comment)
        .post("/v1/tickets/{id}/justify", Power::Request, full("Say why it is wanted"), justify)
        .post("/v1/tickets/{id}/label", Power::Request, takes::<LabelBody, Full>("Put labels on or off"), label)
        .post("/v1/tickets/{id}/schedule", Power::Request, takes::<RunBody, Full>("Who runs it, and when"), schedule)
        .post("/v1/tickets/{id}/settle", Power::Operate, takes::<SettleBody, Full>("Say what became of it"), settle)
}

/// What a decision carries. `note` belongs to approvals and comments, `reason` to the others; either is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TicketDecision")]
pub(in crate::shell::console) struct Body {
    /// Only with the local token: in whose name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    #[serde(default, alias = "reason", skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) note: Option<String>,
    /// Of an approval: `review_hash` of what was looked at, unless `If-Match` says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) seen_hash: Option<String>,
}

/// Labels to put on and to take off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct LabelBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    #[serde(default)]
    pub(in crate::shell::console) add: Vec<String>,
    #[serde(default)]
    pub(in crate::shell::console) remove: Vec<String>,
}

/// How an approved change runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct RunBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    /// `session`: by the requester's; `job`: by itself, once it is approved.
    pub(in crate::shell::console) how: RunHow,
    /// Of a job: microseconds since 1970, UTC; not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) at: Option<i64>,
}

/// Who runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::shell::console) enum RunHow {
    Session,
    Job,
}

/// What an unknown outcome turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct SettleBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    pub(in crate::shell::console) applied: bool,
    pub(in crate::shell::console) found: String,
}

/// A change that somebody wants, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct Proposal {
    /// Only with the local token: in whose name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    pub(in crate::shell::console) database: String,
    /// Whose login it runs under: one of the caller's own.
    pub(in crate::shell::console) role: String,
    pub(in crate::shell::console) sql: String,
    pub(in crate::shell::console) justification: String,
}

pub(super) type Sent<T> = Result<Json<T>, JsonRejection>;

/// A ticket with its `ETag`.
pub(super) struct Tagged(Full);

impl IntoResponse for Tagged {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0.ticket.version));
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

async fn propose(
    State(api): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    who: Identity,
    body: Sent<Proposal>,
) -> Result<Tagged, Problem> {
    let Proposal { by, database, role, sql, justification } = body?.0;
    let target = api.jobs.target_of(&database)?;
    who.needs(Power::Request, &target, ExplainError::NoTarget(database.clone()))?;
    if !who.asks_as(&role) {
        return Err(Problem::forbidden(&format!("{role} is no login of yours: see database_roles of [[people]]")));
    }
    if justification.trim().is_empty() {
        return Err(Problem::bad_request("say why it is wanted: `justification`"));
    }
    let asking = Asking { by: who.person(by)?, door: who.door(), client: peer.to_string(), justification };
    let question = Question { database, sql, role, application: String::new(), in_transaction: false };
    full(&api, api.jobs.propose(question, asking).await?).await
}

impl From<ProposeError> for Problem {
    fn from(error: ProposeError) -> Self {
        let said = error.to_string();
        match error {
            ProposeError::Explain(error) => error.into(),
            ProposeError::Order(error) => error.into(),
            ProposeError::NotHeld(_) | ProposeError::Never(_) | ProposeError::Cannot(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, &said)
            }
        }
    }
}

async fn show(State(api): Shared, who: Identity, id: Id) -> Result<Tagged, Problem> {
    let ticket = seen(&api, &who, id, Power::Read).await?;
    full(&api, ticket).await
}

async fn wait(State(api): Shared, who: Identity, id: Id, query: Asked<WaitQuery>) -> Result<Tagged, Problem> {
    let Query(query) = query?;
    let store = &api.tickets.store;
    let deadline = deadline(query.timeout_s);
    let mut changes = store.watch();
    let mut ticket = seen(&api, &who, id, Power::Read).await?;
    let id = ticket.id;
    while ticket.version <= query.version {
        match tokio::time::timeout_at(deadline, changes.recv()).await {
            Ok(Ok(change)) if change.id != id => continue,
            Ok(_) => ticket = store.load(id).await?,
            Err(_) => break,
        }
    }
    full(&api, ticket).await
}

async fn watch(State(api): Shared, who: Identity, query: Asked<WatchQuery>) -> Answer<News> {
    let Query(query) = query?;
    let store = &api.tickets.store;
    let Some(after) = query.after else {
        return Ok(Json(News { next: store.position().await?, events: Vec::new() }));
    };
    let deadline = deadline(query.timeout_s);
    let mut changes = store.watch();
    loop {
        let (events, last) = news(&api, &who, after).await?;
        if last.is_some() || tokio::time::timeout_at(deadline, changes.recv()).await.is_err() {
            return Ok(Json(News { next: last.unwrap_or(after), events }));
        }
    }
}

/// What happened after a position to tickets that somebody sees, and the position after it.
pub(super) async fn news(api: &ApiState, who: &Identity, after: i64) -> Result<(Vec<Recorded>, Option<i64>), Problem> {
    let store = &api.tickets.store;
    let mut events = store.events_after(after, NEWS_MAX).await?;
    let last = events.last().map(|event| event.seq);
    if !who.visible().is_empty() {
        let mut seen = Vec::with_capacity(events.len());
        for event in events {
            if who.sees(&store.load(event.ticket).await?.request.target) {
                seen.push(event);
            }
        }
        events = seen;
    }
    Ok((events, last))
}

pub(super) async fn approve(
    State(api): Shared,
    who: Identity,
    id: Id,
    headers: HeaderMap,
    body: Sent<Body>,
) -> Result<Tagged, Problem> {
    let body = body?.0;
    let by = who.voter(body.by)?;
    let expected = expected(&headers)?;
    let ticket = seen(&api, &who, id, Power::Decide).await?;
    let seen_hash = match (body.seen_hash, expected) {
        (Some(hash), _) => hash,
        (None, Some(version)) if version == ticket.version => ticket.review_hash(),
        (None, Some(_)) => return Err(moved_on()),
        (None, None) => {
            let needed = "say what was looked at: `seen_hash` (the ticket's `review_hash`), or If-Match with its ETag";
            return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, needed));
        }
    };
    let command = Command::Approve { by, note: body.note, seen_hash: Some(seen_hash) };
    act(&api, &who, (ticket, expected), command).await
}

/// A command with a body of the usual kind: who sends it, and what it says.
macro_rules! verb {
    ($name:ident, $power:expr, |$who:ident, $body:ident, $ticket:ident| $command:expr) => {
        pub(super) async fn $name(
            State(api): Shared,
            $who: Identity,
            id: Id,
            headers: HeaderMap,
            body: Sent<Body>,
        ) -> Result<Tagged, Problem> {
            let $body = body?.0;
            let expected = expected(&headers)?;
            let $ticket = seen(&api, &$who, id, $power).await?;
            let command = $command;
            act(&api, &$who, ($ticket, expected), command).await
        }
    };
}

verb!(reject, Power::Decide, |who, body, _ticket| {
    Command::Reject { by: who.voter(body.by)?, reason: body.note.unwrap_or_default() }
});
verb!(request_changes, Power::Decide, |who, body, _ticket| {
    Command::RequestChanges { by: who.voter(body.by)?, what: body.note.unwrap_or_default() }
});
verb!(break_glass, Power::Request, |who, body, _ticket| {
    Command::BreakGlass { by: who.voter(body.by)?, reason: body.note.unwrap_or_default() }
});
verb!(review_debt, Power::Decide, |who, body, _ticket| {
    Command::ReviewDebt { by: who.voter(body.by)?, note: body.note.unwrap_or_default() }
});
verb!(cancel, Power::Request, |who, body, ticket| {
    who.needs_own(&ticket, &[Power::Decide, Power::Operate])?;
    Command::Cancel { by: who.person(body.by)?, reason: body.note }
});
verb!(comment, Power::Request, |who, body, _ticket| {
    Command::Comment { by: who.person(body.by)?, text: body.note.unwrap_or_default() }
});
verb!(justify, Power::Request, |who, body, ticket| {
    who.needs_own(&ticket, &[])?;
    Command::Justify { by: who.person(body.by)?, text: body.note.unwrap_or_default() }
});

async fn label(
    State(api): Shared,
    who: Identity,
    id: Id,
    headers: HeaderMap,
    body: Sent<LabelBody>,
) -> Result<Tagged, Problem> {
    let LabelBody { by, add, remove } = body?.0;
    let ticket = seen(&api, &who, id, Power::Request).await?;
    let command = Command::Label { by: who.person(by)?, add, remove };
    act(&api, &who, (ticket, expected(&headers)?), command).await
}

async fn schedule(
    State(api): Shared,
    who: Identity,
    id: Id,
    headers: HeaderMap,
    body: Sent<RunBody>,
) -> Result<Tagged, Problem> {
    let RunBody { by, how, at } = body?.0;
    let run = match (how, at) {
        (RunHow::Session, None) => RunMode::Session,
        (RunHow::Session, Some(_)) => {
            return Err(Problem::bad_request("only a job has a time: a session runs it itself"));
        }
        (RunHow::Job, None) => RunMode::Job,
        (RunHow::Job, Some(at)) => RunMode::At { at: Instant(at) },
    };
    let ticket = seen(&api, &who, id, Power::Request).await?;
    who.needs_own(&ticket, &[Power::Decide, Power::Operate])?;
    api.jobs.can_run(&ticket, run)?;
    let command = Command::ChooseRun { by: who.person(by)?, run };
    act(&api, &who, (ticket, expected(&headers)?), command).await
}

async fn settle(
    State(api): Shared,
    who: Identity,
    id: Id,
    headers: HeaderMap,
    body: Sent<SettleBody>,
) -> Result<Tagged, Problem> {
    let SettleBody { by, applied, found } = body?.0;
    let ticket = seen(&api, &who, id, Power::Operate).await?;
    let command = Command::Settle { by: who.person(by)?, applied, found };
    act(&api, &who, (ticket, expected(&headers)?), command).await
}

/// A ticket that somebody sees and has a power on.
pub(super) async fn seen(api: &ApiState, who: &Identity, id: Id, power: Power) -> Result<Ticket, Problem> {
    let Path(id) = id?;
    let ticket = api.tickets.store.load(TicketId(id)).await?;
    who.needs(power, &ticket.request.target, StoreError::NotFound(ticket.id))?;
    Ok(ticket)
}

async fn act(
    api: &ApiState,
    who: &Identity,
    (ticket, expected): (Ticket, Option<u32>),
    command: Command,
) -> Result<Tagged, Problem> {
    let tickets = &api.tickets;
    let when = (now(), tickets.settings().terms);
    let ticket = match tickets.store.act_through((who.door(), expected), ticket.id, command, when).await {
        Err(StoreError::Conflict { .. }) if expected.is_some() => return Err(moved_on()),
        done => done?,
    };
    full(api, ticket).await
}

fn moved_on() -> Problem {
    let detail = "the ticket has changed since that version: look at it again";
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
}

/// The version that `If-Match` names.
fn expected(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let version = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
    version.map(Some).ok_or_else(|| Problem::bad_request("If-Match takes the ETag of one version"))
}

async fn full(api: &ApiState, ticket: Ticket) -> Result<Tagged, Problem> {
    let store = &api.tickets.store;
    let review_hash = ticket.review_hash();
    let missing = match ticket.state.name() {
        StateName::Pending => ticket.request.conditions.missing(ticket.votes()),
        _ => Vec::new(),
    };
    let people = api.jobs.people();
    let may_approve = reviewers(&ticket, &people).map(|profile| profile.name.clone()).collect();
    let events = store.events(ticket.id).await?;
    let runs = store.journal_of(ticket.id).await?;
    let kin = store.kin(ticket.clone()).await?;
    Ok(Tagged(Full { ticket, review_hash, missing, may_approve, kin, events, runs }))
}
