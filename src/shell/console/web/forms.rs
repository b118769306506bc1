//! What people send: each form is one call of the API, and leads back to its page.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::super::api::{Body, JobBody};
use super::super::problem::Problem;
use super::super::view::{Full, JobFull};
use super::login::Viewer;
use super::traffic::Seen;
use super::{Web, jobs, layout, ticket as ticket_page};

#[derive(Deserialize)]
pub(super) struct Decision {
    #[serde(default)]
    seal: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    seen_hash: String,
}

#[derive(Deserialize)]
pub(super) struct Steering {
    #[serde(default)]
    seal: String,
    #[serde(default)]
    batch_ms: String,
    #[serde(default)]
    pause_percent: String,
    #[serde(default)]
    yes: bool,
}

pub(super) fn some(text: String) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A form that a page of ours gave to this browser.
pub(super) fn ours(viewer: &Viewer, seal: &str) -> Result<(), Problem> {
    if bool::from(viewer.seal.as_bytes().ct_eq(seal.as_bytes())) {
        return Ok(());
    }
    Err(Problem::forbidden("this form is not of this session: go back, load the page again, and send it again"))
}

pub(super) async fn ticket(
    State(web): State<Web>,
    viewer: Viewer,
    Path((id, verb)): Path<(i64, String)>,
    Form(sent): Form<Decision>,
) -> Response {
    let back = format!("/tickets/{id}");
    if let Err(problem) = ours(&viewer, &sent.seal) {
        return layout::wrong(&problem, &back);
    }
    let by = viewer.said.then(|| viewer.name.clone());
    let seen_hash = some(sent.seen_hash).filter(|_| verb == "approve");
    let body = Body { by, note: some(sent.note), seen_hash };
    let path = format!("/v1/tickets/{id}/{verb}");
    let problem = match verb.as_str() {
        "approve" | "reject" | "cancel" | "comment" | "request-changes" | "justify" | "break-glass" | "review-debt" => {
            match web.api.post::<Full>(viewer.who(), &path, &body).await {
                Ok(_) => return Redirect::to(&format!("{back}?done={verb}")).into_response(),
                Err(problem) => problem,
            }
        }
        "run" => match web.api.post::<JobFull>(viewer.who(), &path, &body).await {
            Ok(full) => return Redirect::to(&format!("/jobs/{}", full.job.job.id)).into_response(),
            Err(problem) => problem,
        },
        _ => Problem::new(StatusCode::NOT_FOUND, "there is no such thing to do with a ticket"),
    };
    match web.api.get::<Full>(viewer.who(), &format!("/v1/tickets/{id}")).await {
        Ok(full) => {
            let nothing = (&Markup::default(), &Seen::default());
            (problem.code(), ticket_page::render(&viewer, &full, nothing, ("", Some(&problem.detail)))).into_response()
        }
        Err(_) => layout::wrong(&problem, &back),
    }
}

pub(super) async fn job(
    State(web): State<Web>,
    viewer: Viewer,
    Path((id, verb)): Path<(i64, String)>,
    Form(sent): Form<Steering>,
) -> Response {
    let back = format!("/jobs/{id}");
    if let Err(problem) = ours(&viewer, &sent.seal) {
        return layout::wrong(&problem, &back);
    }
    let problem = match steer(&web, &viewer, (id, &verb), sent).await {
        Ok(full) if verb == "undo" => return Redirect::to(&format!("/jobs/{}", full.job.job.id)).into_response(),
        Ok(_) => return Redirect::to(&format!("{back}?done={verb}")).into_response(),
        Err(problem) => problem,
    };
    match web.api.get::<JobFull>(viewer.who(), &format!("/v1/jobs/{id}")).await {
        Ok(full) => {
            let nothing = (&Markup::default(), &Seen::default());
            (problem.code(), jobs::render(&viewer, &full, nothing, ("", Some(&problem.detail)))).into_response()
        }
        Err(_) => layout::wrong(&problem, &back),
    }
}

async fn steer(web: &Web, viewer: &Viewer, (id, verb): (i64, &str), sent: Steering) -> Result<JobFull, Problem> {
    if !matches!(verb, "pause" | "resume" | "abort" | "rate" | "undo") {
        return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such thing to do with a job"));
    }
    let number = |text: String| match some(text).map(|text| text.parse()) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(Problem::bad_request("a rate is two whole numbers")),
    };
    let rate = verb == "rate";
    let body = JobBody {
        by: viewer.said.then(|| viewer.name.clone()),
        batch_ms: number(sent.batch_ms)?.filter(|_| rate),
        pause_percent: number(sent.pause_percent)?.filter(|_| rate),
        yes: sent.yes,
        ..JobBody::default()
    };
    web.api.post(viewer.who(), &format!("/v1/jobs/{id}/{verb}"), &body).await
}
