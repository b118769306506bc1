//! The admin door: tickets and jobs over HTTP with JSON. It records decisions and runs nothing itself.

mod about;
mod changes;
mod definitions;
mod doors;
mod events;
mod impact;
mod jobs;
mod notify;
mod openapi;
mod queue;
mod rules;
mod sessions;
mod sign_in;
mod slack;
mod tickets;
mod tokens;
mod traffic;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path, Query, Request as HttpRequest, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::ask::Tickets;
use super::bounded::{Bounded, Peer};
use super::identity::{self, Identity, Known, Reviewer};
use super::inside::LetIn;
use super::limits::Limits;
use super::problem::Problem;
use super::sign_in::SignIns;
use super::view::Me;
use crate::kernel::review::Power;
use crate::shell::audit::Audit;
use crate::shell::cancel::Cancels;
use crate::shell::jobs::Jobs;
use crate::shell::notify::Notifier;
use crate::shell::notify::slack::interaction::Seen;
use doors::{Doors, gives};

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
    pub notifier: Notifier,
    /// Empty: there is none.
    pub admin_token: String,
    pub reviewers: Vec<Reviewer>,
    pub sign_ins: SignIns,
    pub audit: Audit,
    pub sessions: Arc<Cancels>,
    /// How many may read the record's files at a time.
    pub reading: Arc<Semaphore>,
    /// Calls of Slack that have been here.
    pub slack_seen: Arc<Seen>,
    pub limits: Limits,
}

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(
        "the admin address {0} can be reached from other machines, but nobody has a token or can sign in: \
         configure people or [oidc], or listen on 127.0.0.1"
    )]
    Exposed(SocketAddr),
    #[error("the admin address cannot be served: {0}")]
    Io(#[from] std::io::Error),
}

pub(super) use doors::Row;
pub(super) use jobs::JobBody;
pub(super) use sessions::EndBody;
pub(super) use sign_in::DeviceWait;
pub(super) use tickets::{Body, LabelBody, Proposal, RunBody, RunHow, SettleBody};
pub(super) use tokens::TokenBody;

type Shared = State<Arc<ApiState>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Every route there is.
fn doors() -> Doors {
    let doors = Doors::default()
        .get("/v1/me", Power::Read, gives::<Me>("Whose token this is, and what it can do"), me)
        .get("/v1/openapi.json", Power::Read, gives::<openapi::OpenApi>("This document"), openapi::serve);
    let doors = rules::doors(about::doors(tokens::doors(events::doors(jobs::doors(tickets::doors(doors))))));
    let doors = slack::doors(notify::doors(sessions::doors(sign_in::doors(doors))));
    traffic::doors(impact::doors(definitions::doors(changes::doors(doors))))
}

/// The table of routes, for what walks over all of them.
pub(super) fn rows() -> Vec<Row> {
    doors().into_parts().2
}

/// Whether an address may be listened on: beyond this machine only where somebody can come in.
///
/// # Errors
/// It may not.
pub fn check_exposure(address: SocketAddr, reviewers: &[Reviewer], sign_ins: &SignIns) -> Result<(), ApiError> {
    if address.ip().to_canonical().is_loopback() || !reviewers.is_empty() || sign_ins.provider().is_some() {
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
    state: Arc<ApiState>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ApiError> {
    check_exposure(listener.local_addr()?, &state.reviewers, &state.sign_ins)?;
    let all = super::web::explained(router(Arc::clone(&state)).merge(super::web::router(state)));
    let service = all.into_make_service_with_connect_info::<Peer>();
    tokio::select! {
        served = IntoFuture::into_future(axum::serve(Bounded::new(listener), service)) => Ok(served?),
        () = stop => Ok(()),
    }
}

pub(super) fn router(state: Arc<ApiState>) -> Router {
    let (behind, open, _) = doors().into_parts();
    behind
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not answer to this method")
        })
        .layer(from_fn_with_state(Arc::clone(&state), authenticate))
        .merge(open)
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
    // Nothing that comes from outside can carry one: extensions are not part of a request's bytes.
    if let Some(LetIn(name)) = request.extensions().get() {
        let identity = identity::somebody(name, &state.jobs.people())?;
        state.limits.call(name)?;
        request.extensions_mut().insert(identity);
        return Ok(next.run(request).await);
    }
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.split_once(' '));
    let Some(("Bearer" | "bearer", token)) = token else { return Err(Problem::unauthorized()) };
    let people = state.jobs.people();
    let token = token.trim();
    let known = Known { admin_token: &state.admin_token, reviewers: &state.reviewers, people: &people };
    let mut checked = identity::check(token, &known, peer.ip());
    if unknown(&checked) {
        checked = identity::look_up(token, &state.tickets.store, &people).await;
    }
    if unknown(&checked) {
        state.limits.stranger(peer.ip())?;
        state.turned_away("token", None, peer, "no such token, or it has expired or was revoked");
    }
    let identity = checked?;
    state.limits.call(identity.name().unwrap_or_default())?;
    request.extensions_mut().insert(identity);
    Ok(next.run(request).await)
}

fn unknown(checked: &Result<Identity, Problem>) -> bool {
    matches!(checked, Err(problem) if problem.status == StatusCode::UNAUTHORIZED.as_u16())
}

impl<S: Send + Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(Problem::unauthorized)
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    /// The version that is known.
    version: u32,
    /// At most 60, which is also what holds without it.
    timeout_s: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WatchQuery {
    /// Absent: answers at once with the present position.
    after: Option<i64>,
    /// At most 60, which is also what holds without it.
    timeout_s: Option<u64>,
}

type Id = Result<Path<i64>, PathRejection>;

/// A name in the path.
type Name = Result<Path<String>, PathRejection>;
type Asked<T> = Result<Query<T>, QueryRejection>;

async fn me(identity: Identity) -> Json<Me> {
    Json(Me { reviewer: identity.name().map(str::to_owned), powers: identity.powers() })
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
