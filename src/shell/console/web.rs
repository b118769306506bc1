//! The review page: the API of the admin door, called from inside and shown as HTML. What a person can see
//! and do here is what the API lets their token see and do. Everything reads without scripts.

mod about;
mod changes;
mod definitions;
mod forms;
mod impact;
mod inbox;
mod jobs;
mod layout;
mod live;
mod login;
mod notifications;
mod now;
mod oidc;
mod parts;
mod plot;
mod sessions;
mod sql;
mod ticket;
mod traffic;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use self::login::Sessions;
use super::api::ApiState;
use super::inside::Inside;
use super::problem::Problem;

/// What every page works with.
#[derive(Clone)]
struct Web {
    api: Inside,
    sessions: Sessions,
    /// For those who sign in: they have no token to call the API with yet.
    state: Arc<ApiState>,
}

/// The pages, beside the API they are made of.
pub(super) fn router(state: Arc<ApiState>) -> Router {
    let web = Web { api: Inside::new(Arc::clone(&state)), sessions: Sessions::default(), state };
    Router::new()
        .route("/", get(inbox::page))
        .route("/tickets/{id}", get(ticket::page))
        .route("/tickets/{id}/{verb}", post(forms::ticket))
        .route("/tickets/{id}/impact", get(impact::page))
        .route("/tickets/{id}/now", get(now::page))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::page))
        .route("/jobs/{id}/{verb}", post(forms::job))
        .route("/changes", get(changes::page))
        .route("/changes/export", get(changes::export))
        .route("/changes/{id}", get(traffic::page))
        .route("/schema-changes", get(definitions::list))
        .route("/schema-changes/{position}", get(definitions::one))
        .route("/notifications", get(notifications::page))
        .route("/notifications/{id}/retry", post(notifications::retry))
        .route("/notifications/routes/{name}/test", post(notifications::test))
        .route("/sessions", get(sessions::list))
        .route("/sessions/{id}", get(sessions::page))
        .route("/sessions/{id}/terminate", post(sessions::terminate))
        .route("/targets", get(about::targets))
        .route("/settings", get(about::settings).post(about::explain))
        .route("/live/tickets", get(live::tickets))
        .route("/live/tickets/{id}", get(live::ticket))
        .route("/live/changes/{id}", get(live::change))
        .route("/live/notifications", get(live::notifications))
        .route("/live/jobs", get(live::jobs))
        .route("/live/jobs/{id}", get(live::job))
        .route("/login", get(login::form).post(login::enter))
        .route("/oidc/login", get(oidc::begin))
        .route("/oidc/callback", get(oidc::end))
        .route("/logout", post(login::leave))
        .route("/assets/page.css", get(async || asset("text/css; charset=utf-8", include_str!("web/page.css"))))
        .route("/assets/page.js", get(async || asset("text/javascript; charset=utf-8", include_str!("web/page.js"))))
        .route("/assets/icon.svg", get(async || asset("image/svg+xml", include_str!("web/icon.svg"))))
        .layer(from_fn(guarded))
        .with_state(web)
}

/// Beside the API and the streams, what goes wrong is told to a browser on a page.
pub(super) fn explained(all: Router) -> Router {
    all.layer(from_fn(async |request: Request, next: Next| {
        let path = request.uri().path();
        let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !accepts.contains("text/html") || ["/v1/", "/live/", "/assets/"].iter().any(|start| path.starts_with(start))
        {
            return next.run(request).await;
        }
        let response = next.run(request).await;
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !(status.is_client_error() || status.is_server_error()) || kind.is_some_and(|kind| kind.contains("html")) {
            return response;
        }
        let mut page = layout::wrong(&mistake(status), "/");
        guard(page.headers_mut());
        page
    }))
}

/// What the router says of an address, for people.
fn mistake(status: StatusCode) -> Problem {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => {
            Problem::new(StatusCode::NOT_FOUND, "There is no page at this address.")
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            Problem::new(status, "There is a mistake in this address or in what was sent: go back and try again.")
        }
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(status, "This address is only for forms: go back to its page."),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "What was sent is too long."),
        _ => Problem::new(status, "This did not work: go back and try again."),
    }
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

/// Nothing from elsewhere runs, is shown or frames a page, whatever gets into it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

async fn guarded(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    guard(response.headers_mut());
    response
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
