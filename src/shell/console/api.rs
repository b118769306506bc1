//! The admin door: tickets and jobs over HTTP with JSON. It records decisions and runs nothing itself.

mod jobs;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path, Query, Request as HttpRequest, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::ask::Tickets;
use super::bounded::{Bounded, Peer};
use super::identity::{self, Identity, Reviewer};
use super::problem::Problem;
use super::view::{Full, Me, News, Page, Summary};
use crate::kernel::review::{Command, StateName, Ticket, TicketId, Voter};
use crate::shell::clock::now;
use crate::shell::jobs::Jobs;
use crate::shell::store::Filter;

/// Largest body of a call, in bytes.
const BODY_MAX: usize = 64 << 10;
/// Longest wait of a long poll, in seconds; also what is waited when nothing is said.
const WAIT_MAX_S: u64 = 60;
/// Events in one answer of the watch.
const NEWS_MAX: u32 = 100;

/// What the admin door works with.
#[derive(Clone)]
pub struct ApiState {
    pub tickets: Tickets,
    pub jobs: Jobs,
    /// Empty: there is none.
    pub admin_token: String,
    pub reviewers: Vec<Reviewer>,
}

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(
        "the admin address {0} can be reached from other machines, but no reviewer has a token: \
         configure reviewers, or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    #[error("the admin address cannot be served: {0}")]
    Io(#[from] std::io::Error),
}

pub(super) use jobs::JobBody;

type Shared = State<Arc<ApiState>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Every route there is.
fn routes() -> Router<Arc<ApiState>> {
    Router::new()
        .route("/v1/me", get(me))
        .route("/v1/tickets", get(list))
        .route("/v1/tickets/watch", get(watch))
        .route("/v1/tickets/{id}", get(show))
        .route("/v1/tickets/{id}/wait", get(wait))
        .route("/v1/tickets/{id}/approve", post(approve))
        .route("/v1/tickets/{id}/reject", post(reject))
        .route("/v1/tickets/{id}/cancel", post(cancel))
        .route("/v1/tickets/{id}/comment", post(comment))
        .merge(jobs::routes())
}

/// Whether an address may be listened on: beyond this machine only with reviewers who have tokens.
///
/// # Errors
/// It may not.
pub fn check_exposure(address: SocketAddr, reviewers: &[Reviewer]) -> Result<(), ApiError> {
    if address.ip().to_canonical().is_loopback() || !reviewers.is_empty() {
        Ok(())
    } else {
        Err(ApiError::Exposed(address))
    }
}

/// Serves until `stop` is ready; calls that wait are then cut off.
///
/// # Errors
/// The address is exposed without reviewers, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    state: ApiState,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ApiError> {
    check_exposure(listener.local_addr()?, &state.reviewers)?;
    let api = router(state);
    let service = api.clone().merge(super::web::router(api)).into_make_service_with_connect_info::<Peer>();
    tokio::select! {
        served = IntoFuture::into_future(axum::serve(Bounded::new(listener), service)) => Ok(served?),
        () = stop => Ok(()),
    }
}

fn router(state: ApiState) -> Router {
    let state = Arc::new(state);
    routes()
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not answer to this method")
        })
        .layer(from_fn_with_state(Arc::clone(&state), authenticate))
        .route("/healthz", get(async || "ok\n"))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(state)
}

/// Nothing behind it sees a call without an identity.
async fn authenticate(
    State(state): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    mut request: HttpRequest,
    next: Next,
) -> Result<Response, Problem> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.split_once(' '));
    let Some(("Bearer" | "bearer", token)) = token else { return Err(Problem::unauthorized()) };
    let identity = identity::check(token.trim(), (&state.admin_token, &state.reviewers), peer.ip())?;
    request.extensions_mut().insert(identity);
    Ok(next.run(request).await)
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Names of states with commas; absent: all.
    state: Option<String>,
    requester: Option<String>,
    target: Option<String>,
    label: Option<String>,
    /// Words to find: all of them, each as a beginning.
    q: Option<String>,
    /// Only those somebody has to look at afterwards.
    owed: Option<bool>,
    before: Option<i64>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    version: u32,
    timeout_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchQuery {
    /// Absent: answers at once with the present position.
    after: Option<i64>,
    timeout_s: Option<u64>,
}

/// What a decision carries. `note` belongs to approvals and comments, `reason` to the others; either is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    #[serde(default, alias = "reason", skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seen_hash: Option<String>,
}

type Id = Result<Path<i64>, PathRejection>;
type Asked<T> = Result<Query<T>, QueryRejection>;
type Sent = Result<Json<Body>, JsonRejection>;

async fn me(identity: Identity) -> Json<Me> {
    Json(match identity {
        Identity::Reviewer(name) => Me { reviewer: Some(name) },
        Identity::Admin => Me { reviewer: None },
    })
}

async fn list(State(api): Shared, query: Asked<ListQuery>) -> Answer<Page> {
    let Query(query) = query?;
    let mut states = Vec::new();
    for word in query.state.iter().flat_map(|words| words.split(',')) {
        let unknown = || Problem::bad_request(&format!("there is no state {word:?}"));
        states.push(StateName::parse(word).ok_or_else(unknown)?);
    }
    let filter = Filter {
        states,
        requester: query.requester,
        target: query.target,
        label: query.label,
        text: query.q,
        owed: query.owed.unwrap_or(false),
        visible: Vec::new(),
        before: query.before.map(TicketId),
        limit: query.limit.unwrap_or(0),
    };
    let tickets = api.tickets.store.list(filter).await?;
    Ok(Json(Page { tickets: tickets.iter().map(Summary::of).collect() }))
}

async fn show(State(api): Shared, id: Id) -> Answer<Full> {
    let Path(id) = id?;
    let ticket = api.tickets.store.load(TicketId(id)).await?;
    full(&api, ticket).await
}

async fn wait(State(api): Shared, id: Id, query: Asked<WaitQuery>) -> Answer<Full> {
    let (Path(id), Query(query)) = (id?, query?);
    let (id, store) = (TicketId(id), &api.tickets.store);
    let deadline = deadline(query.timeout_s);
    let mut changes = store.watch();
    let mut ticket = store.load(id).await?;
    while ticket.version <= query.version {
        match tokio::time::timeout_at(deadline, changes.recv()).await {
            Ok(Ok(change)) if change.id != id => continue,
            Ok(_) => ticket = store.load(id).await?,
            Err(_) => break,
        }
    }
    full(&api, ticket).await
}

async fn watch(State(api): Shared, query: Asked<WatchQuery>) -> Answer<News> {
    let Query(query) = query?;
    let store = &api.tickets.store;
    let Some(after) = query.after else {
        return Ok(Json(News { next: store.position().await?, events: Vec::new() }));
    };
    let deadline = deadline(query.timeout_s);
    let mut changes = store.watch();
    loop {
        let events = store.events_after(after, NEWS_MAX).await?;
        let last = events.last().map(|event| event.seq);
        if last.is_some() || tokio::time::timeout_at(deadline, changes.recv()).await.is_err() {
            return Ok(Json(News { next: last.unwrap_or(after), events }));
        }
    }
}

async fn approve(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<Full> {
    let body = body?.0;
    let command =
        Command::Approve { by: Voter::named(who.person(body.by)?), note: body.note, seen_hash: body.seen_hash };
    act(&api, &who, id, command).await
}

async fn reject(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<Full> {
    let body = body?.0;
    let command = Command::Reject { by: Voter::named(who.person(body.by)?), reason: body.note.unwrap_or_default() };
    act(&api, &who, id, command).await
}

async fn cancel(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<Full> {
    let body = body?.0;
    let command = Command::Cancel { by: who.person(body.by)?, reason: body.note };
    act(&api, &who, id, command).await
}

async fn comment(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<Full> {
    let body = body?.0;
    let command = Command::Comment { by: who.person(body.by)?, text: body.note.unwrap_or_default() };
    act(&api, &who, id, command).await
}

async fn act(api: &ApiState, who: &Identity, id: Id, command: Command) -> Answer<Full> {
    let Path(id) = id?;
    let tickets = &api.tickets;
    let when = (now(), tickets.settings.terms);
    let ticket = tickets.store.act_through(who.door(), TicketId(id), command, when).await?;
    full(api, ticket).await
}

async fn full(api: &ApiState, ticket: Ticket) -> Answer<Full> {
    let review_hash = ticket.review_hash();
    let events = api.tickets.store.events(ticket.id).await?;
    let runs = api.tickets.store.journal_of(ticket.id).await?;
    Ok(Json(Full { ticket, review_hash, events, runs }))
}

fn deadline(timeout_s: Option<u64>) -> tokio::time::Instant {
    let seconds = timeout_s.unwrap_or(WAIT_MAX_S).min(WAIT_MAX_S);
    tokio::time::Instant::now() + Duration::from_secs(seconds)
}

impl From<PathRejection> for Problem {
    fn from(_: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, "that is no number of a ticket or a job")
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), &rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), &rejection.body_text())
    }
}
