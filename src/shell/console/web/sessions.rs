//! Sessions: who is connected and who was, and what one did, statement by statement.

use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::api::EndBody;
use super::super::render::{grouped, words_of};
use super::super::text::{encoded, line, short};
use super::super::view::{SessionFull, SessionPage};
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, forms, parts, sql};
use crate::shell::audit::event::{DecisionRecord, Event, Line, SessionTerminated, Statement, Step};
use crate::shell::audit::past::SessionSeen;
use crate::shell::audit::{Decision, duration};

const TEXT_WIDTH: usize = 2_000;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    live: bool,
    #[serde(default)]
    user: String,
}

pub(super) async fn list(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    let mut path = format!("/v1/sessions?live={}", asked.live);
    if !asked.user.is_empty() {
        path.push_str(&format!("&user={}", encoded(&asked.user)));
    }
    match web.api.get::<SessionPage>(viewer.who(), &path).await {
        Ok(page) => render_list(&viewer, &asked, &page.sessions).into_response(),
        Err(problem) => layout::wrong(&problem, "/"),
    }
}

fn render_list(viewer: &Viewer, asked: &Asked, sessions: &[SessionSeen]) -> Markup {
    let tab = |live: bool, name: &str| {
        html! { a href={ "/sessions?live=" (live) "&user=" (encoded(&asked.user)) } aria-current=[(asked.live == live).then_some("true")] { (name) } }
    };
    layout::page(
        viewer,
        &Page { title: "Sessions", part: Part::Sessions, live: String::new() },
        html! {
            h1 { "Sessions" }
            div.tools {
                nav.tabs aria-label="Which sessions" { (tab(false, "All")) (tab(true, "Connected now")) }
                form.search method="get" action="/sessions" role="search" {
                    input type="hidden" name="live" value=(asked.live);
                    label.unseen for="user" { "Logged in as" }
                    input #user type="search" name="user" value=(asked.user) placeholder="Logged in as";
                    button type="submit" { "Filter" }
                }
            }
            @if sessions.is_empty() { div.card.empty { p { "No sessions." } } } @else {
                div.card.wide tabindex="0" { table {
                    thead { tr {
                        th scope="col" { "Session" } th scope="col" { "Who" } th scope="col" { "Application" } th scope="col" { "From" }
                        th scope="col" { "To" } th scope="col" { "Since" } th scope="col" { "Until" }
                        th.number scope="col" { "Statements" } th.number scope="col" { "Changes" } th.number scope="col" { "Held" }
                        th.number scope="col" { "Refused" } th.number scope="col" { "Errors" }
                    } }
                    tbody { @for session in sessions { (row(session)) } }
                } }
            }
        },
    )
}

fn row(session: &SessionSeen) -> Markup {
    let info = &session.info;
    let until = match (&session.ended, session.live) {
        (_, true) => html! { span.pill.is-running { "connected" } },
        (Some(at), _) => html! { (moment(at)) },
        (None, false) => html! { span.quiet { "lost" } },
    };
    html! {
        tr {
            th.name scope="row" { a href={ "/sessions/" (session.id) } { (session.id) } }
            td { (line(&info.user)) }
            td { (line(&info.application)) }
            td { (line(&info.client)) }
            td { (line(&info.target)) "/" (line(&info.database)) }
            td.name { (moment(&session.started)) }
            td.name { (until) }
            @for count in [session.statements, session.changes, session.held, session.refused, session.errors] {
                td.number { (grouped(count)) }
            }
        }
    }
}

/// `2026-11-22 02:41:07`.
fn moment(at: &str) -> String {
    let at = at.split_once('.').map_or(at, |(seconds, _)| seconds);
    line(&at.replace('T', " "))
}

/// `02:41:07.123`.
fn clock(at: &str) -> String {
    line(at.get(11..23).unwrap_or(at))
}

pub(super) async fn page(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(told): Query<parts::Told>,
) -> Response {
    match web.api.get::<SessionFull>(viewer.who(), &format!("/v1/sessions/{}", encoded(&id))).await {
        Ok(full) => render(&viewer, &full, &told.done).into_response(),
        Err(problem) => layout::wrong(&problem, "/sessions"),
    }
}

fn render(viewer: &Viewer, full: &SessionFull, done: &str) -> Markup {
    let info = &full.info;
    let about = [
        ("from", format!("{} ({}, {})", info.client, info.transport, info.tls.as_deref().unwrap_or("no TLS"))),
        ("to", format!("{} database {}", info.target, info.database)),
        ("application", info.application.clone()),
        ("login", info.auth.clone()),
        ("server process", info.backend_pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())),
    ];
    layout::page(
        viewer,
        &Page { title: "Session", part: Part::Sessions, live: String::new() },
        html! {
            h1 { "Session " (full.id) " " @if full.live { span.pill.is-running { "connected" } } @else { span.pill { "over" } } }
            p.lead { (line(&info.user)) " with " (line(if info.application.is_empty() { "an unnamed application" } else { &info.application })) }
            @if !done.is_empty() { p.flash.good role="status" { "It is being ended." } }
            section.card aria-label="About" { div.wide tabindex="0" { table { tbody {
                @for (what, text) in &about { tr { th scope="row" { (what) } td { (line(text)) } } }
            } } } }
            @if full.live {
                form.card method="post" action={ "/sessions/" (full.id) "/terminate" } {
                    input type="hidden" name="seal" value=(viewer.seal);
                    label for="reason" { "Reason" }
                    input #reason type="text" name="reason" maxlength="500";
                    div.buttons { button.danger type="submit" { "End this session" } }
                }
            }
            section.card aria-labelledby="did" {
                h2 #did { "What it did" }
                @if full.left_out > 0 { p.warn { (grouped(full.left_out)) " lines before these are left out: the record has them all." } }
                div.wide tabindex="0" { table.story {
                    thead { tr {
                        th scope="col" { "At" } th scope="col" { "What" } th.number scope="col" { "Took" } th.number scope="col" { "Rows" } th scope="col" { "Statement" }
                    } }
                    tbody { @for one in &full.lines { (told(one)) } }
                } }
            }
        },
    )
}

fn told(one: &Line) -> Markup {
    let at = clock(&one.at);
    let said = |what: Markup, text: Markup| html! { tr { td { (at) } td { (what) } td {} td {} td { (text) } } };
    match &one.event {
        Event::Statement(statement) => said_of(&at, statement),
        Event::Decision(decision) => said(html! { "judged" }, decided(decision)),
        Event::Intent(intent) => said(
            html! { "about to run" },
            html! { "recipe " (line(&intent.plan.recipe)) ", steps: " (intent.plan.steps.len()) },
        ),
        Event::Step(step) => stepped(&at, step),
        Event::SessionStarted(_) => said(html! { "connected" }, html! {}),
        Event::SessionEnded(ended) => said(html! { "ended" }, html! { (words_of(&format!("{:?}", ended.reason))) }),
        Event::SessionTerminated(SessionTerminated { by, reason, .. }) => {
            said(html! { "ended by " (line(by)) }, html! { (line(reason.as_deref().unwrap_or_default())) })
        }
        Event::EndedIdle(one) => {
            said(html! { "ended another" }, html! { "it idled in the way: " (line(&one.ended.to_string())) })
        }
        Event::Verified(one) => said(
            html! { "checked" },
            html! {
                @for check in &one.checks { (line(&check.name)) " " (check.outcome.words()) br; }
            },
        ),
        Event::LogGap(gap) => {
            said(html! { "not recorded" }, html! { (gap.records) " statements have no line of their own" })
        }
        Event::Ticket(event) => said(
            html! { a href={ "/tickets/" (event.ticket) } { "ticket " (event.ticket) } },
            html! { (line(&event.what)) " by " (line(&event.by)) @if let Some(note) = &event.note { ": " (line(note)) } },
        ),
        Event::GatewayStarted(_)
        | Event::GatewayStopped { .. }
        | Event::GatewayReloaded { .. }
        | Event::RecordResumed { .. }
        | Event::LoginFailed(_)
        | Event::Admission(_)
        | Event::Job(_) => html! {},
    }
}

fn said_of(at: &str, statement: &Statement) -> Markup {
    let class = match statement.decision {
        Decision::Hold | Decision::Refuse => "is-failed",
        Decision::Rewrite | Decision::Defer => "is-approved",
        _ if statement.sqlstate.is_some() => "is-failed",
        _ => "",
    };
    html! {
        tr {
            td { (at) }
            td {
                span class={ "pill " (class) } { (statement.decision.word()) }
                @if let Some(state) = &statement.sqlstate { " ERROR " code { (line(state)) } }
                @if let Some(ticket) = statement.ticket { " " a href={ "/tickets/" (ticket) } { "ticket " (ticket) } }
            }
            td.number { (duration(statement.duration_us)) }
            td.number { (grouped(statement.rows)) }
            td { (sql::inline(&short(&statement.text, TEXT_WIDTH))) @if !statement.rules.is_empty() { " " span.quiet { (line(&statement.rules.iter().map(|rule| rule.0.as_str()).collect::<Vec<_>>().join(", "))) } } }
        }
    }
}

fn decided(decision: &DecisionRecord) -> Markup {
    html! {
        (decision.decision.word())
        @if let Some(recipe) = &decision.recipe { ", recipe " (line(recipe)) }
        @if let Some(ticket) = decision.ticket { ", " a href={ "/tickets/" (ticket) } { "ticket " (ticket) } }
        @if let Some(job) = decision.job { ", " a href={ "/jobs/" (job) } { "job " (job) } }
        @for finding in &decision.findings { br; code { (line(&finding.rule.0)) } " " (line(&finding.message)) }
    }
}

fn stepped(at: &str, step: &Step) -> Markup {
    html! {
        tr {
            td { (at) }
            td { "step " (step.step) }
            td.number { (duration(step.duration_us)) }
            td {}
            td { (line(&step.name)) " " (step.outcome.word()) @if let Some(error) = &step.error { ": " (line(error)) } }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Ending {
    #[serde(default)]
    seal: String,
    #[serde(default)]
    reason: String,
}

pub(super) async fn terminate(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<String>,
    Form(sent): Form<Ending>,
) -> Response {
    let back = format!("/sessions/{}", encoded(&id));
    if let Err(problem) = forms::ours(&viewer, &sent.seal) {
        return layout::wrong(&problem, &back);
    }
    let body = EndBody { by: viewer.said.then(|| viewer.name.clone()), reason: forms::some(sent.reason) };
    match web.api.post::<SessionSeen>(viewer.who(), &format!("/v1{back}/terminate"), &body).await {
        Ok(_) => Redirect::to(&format!("{back}?done=terminate")).into_response(),
        Err(problem) => layout::wrong(&problem, &back),
    }
}
