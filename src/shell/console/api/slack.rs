//! Buttons pressed in Slack. The call is signed by Slack and names one of its users; the configuration says who that
//! is. What they wish goes the way of every decision at this door, with what they were shown.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Form, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::doors::{About, Doors, Shape, gives};
use super::tickets::{self, Body};
use super::{ApiState, Identity, Name, Problem, Shared};
use crate::kernel::review::Power;
use crate::shell::clock::now;
use crate::shell::config::Route;
use crate::shell::notify::slack::interaction::{Press, Refused, Wish, check, read};

pub(super) fn doors(doors: Doors) -> Doors {
    let about = gives::<()>("Buttons and forms of Slack messages, signed by Slack");
    let form: (_, Shape) = ("application/x-www-form-urlencoded", |generator| generator.subschema_for::<Call>());
    doors.open("/v1/slack/{name}", About { takes: Some(form), ..about }, pressed)
}

/// What Slack sends.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SlackCall")]
struct Call {
    /// What was pressed, as JSON.
    payload: String,
}

async fn pressed(
    State(api): Shared,
    name: Name,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let unsigned = || Problem::new(StatusCode::UNAUTHORIZED, &Refused::Signature.to_string());
    let Path(name) = name.map_err(|_| unsigned())?;
    // Whoever cannot sign learns nothing about which routes there are.
    let (route, secret) = api.notifier.slack(&name).ok_or_else(unsigned)?;
    let body = body.map_err(|rejected| Problem::new(rejected.status(), &rejected.body_text()))?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed = (text("x-slack-signature"), text("x-slack-request-timestamp"));
    check(&secret, signed, &body, now(), &api.slack_seen).map_err(|refused| problem(&refused))?;
    let mut request = Request::post("/").body(body.into()).map_err(|_| problem(&Refused::Unreadable))?;
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    let Form(Call { payload }) =
        Form::<Call>::from_request(request, &()).await.map_err(|_| problem(&Refused::Unreadable))?;
    let press = read(&payload).map_err(|refused| problem(&refused))?;
    Ok(wished(&api, &route, press).await)
}

fn problem(refused: &Refused) -> Problem {
    let status = match refused {
        Refused::Signature | Refused::Stale | Refused::Replayed => StatusCode::UNAUTHORIZED,
        Refused::Flood => StatusCode::TOO_MANY_REQUESTS,
        Refused::Unreadable => StatusCode::BAD_REQUEST,
    };
    Problem::new(status, &refused.to_string())
}

/// Slack shows nothing of an answer but the mistakes of a form: everything else is whispered.
async fn wished(api: &ApiState, route: &Route, press: Press) -> Response {
    let profile = api.jobs.people().profiles.iter().find(|one| one.slack.as_ref() == Some(&press.user)).cloned();
    let who = profile.map(Identity::chatting).ok_or_else(|| {
        let user = &press.user;
        let what = format!("Lockkeeper does not know you: ask for slack = \"{user}\" in your entry under [[people]]");
        Problem::forbidden(&what)
    });
    let done = async {
        match press.wish.clone() {
            Wish::Nothing => Ok(()),
            Wish::Approve { ticket, seen } => {
                let body = Body { seen_hash: Some(seen), ..Body::default() };
                let (state, id) = (State(api.clone().into()), Ok(Path(ticket)));
                tickets::approve(state, who?, id, HeaderMap::new(), Ok(Json(body))).await.map(drop)
            }
            Wish::AskReason { ticket } => {
                tickets::seen(api, &who?, Ok(Path(ticket)), Power::Decide).await?;
                api.notifier.slack_ask_reason(route, &press, ticket);
                Ok(())
            }
            Wish::Reject { ticket, reason } => {
                let body = Body { note: Some(reason), ..Body::default() };
                let (state, id) = (State(api.clone().into()), Ok(Path(ticket)));
                tickets::reject(state, who?, id, HeaderMap::new(), Ok(Json(body))).await.map(drop)
            }
        }
    };
    match (done.await, &press.wish) {
        (Ok(()), _) => StatusCode::OK.into_response(),
        (Err(problem), Wish::Reject { .. }) => {
            Json(json!({ "response_action": "errors", "errors": { "reason": problem.detail } })).into_response()
        }
        (Err(problem), Wish::Approve { .. } | Wish::AskReason { .. } | Wish::Nothing) => {
            api.notifier.slack_whisper(route, &press, &format!("Not done: {}.", problem.detail));
            StatusCode::OK.into_response()
        }
    }
}
