//! What the gateway guards and how: targets, settings in words, and what would become of a statement.

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::render::{span, verdict};
use super::super::text::line;
use super::super::view::{SettingsSeen, TargetPage};
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, forms, parts};
use crate::shell::jobs::{Explained, Question, TargetSeen};

pub(super) async fn targets(State(web): State<Web>, viewer: Viewer) -> Response {
    let page = match web.api.get::<TargetPage>(viewer.who(), "/v1/targets").await {
        Ok(page) => page,
        Err(problem) => return layout::wrong(&problem, "/"),
    };
    layout::page(
        &viewer,
        &Page { title: "Targets", part: Part::Targets, live: String::new() },
        html! {
            h1 { "Targets" }
            p.quiet { "The servers behind the gateway, each asked for a connection just now." }
            @for one in &page.targets { (target(one)) }
        },
    )
    .into_response()
}

fn target(seen: &TargetSeen) -> Markup {
    html! {
        section.card {
            h2 {
                (line(&seen.name)) " "
                @if seen.unreachable.is_some() { span.pill.is-failed { "not reachable" } } @else { span.pill.is-done { "reachable" } } " "
                @if seen.observes { span.pill.is-pending { "observes only" } } @else { span.pill.is-approved { "protects" } }
            }
            @if let Some(why) = &seen.unreachable { p.warn { (line(why)) } }
            @if let Some(ms) = seen.answers_ms { p.quiet { "Took a connection after " (span(ms)) "." } }
            div.wide tabindex="0" { table { tbody {
                @for (what, text) in &seen.about { tr { th scope="row" { (what) } td { (line(text)) } } }
            } } }
        }
    }
}

/// A statement to be explained, as the form sends it.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    seal: String,
    #[serde(default)]
    database: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    application: String,
    #[serde(default)]
    in_transaction: bool,
    #[serde(default)]
    sql: String,
}

pub(super) async fn settings(State(web): State<Web>, viewer: Viewer) -> Response {
    render(&web, &viewer, &Asked::default(), None).await
}

pub(super) async fn explain(State(web): State<Web>, viewer: Viewer, Form(asked): Form<Asked>) -> Response {
    if let Err(problem) = forms::ours(&viewer, &asked.seal) {
        return layout::wrong(&problem, "/settings");
    }
    let question = Question {
        database: asked.database.trim().to_owned(),
        sql: asked.sql.clone(),
        role: asked.role.trim().to_owned(),
        application: asked.application.trim().to_owned(),
        in_transaction: asked.in_transaction,
    };
    let answer = match web.api.post::<Explained>(viewer.who(), "/v1/explain", &question).await {
        Ok(explained) => Ok(explained),
        Err(problem) if problem.status == 401 => return layout::wrong(&problem, "/settings"),
        Err(problem) => Err(problem.detail),
    };
    render(&web, &viewer, &asked, Some(answer)).await
}

async fn render(web: &Web, viewer: &Viewer, asked: &Asked, answer: Option<Result<Explained, String>>) -> Response {
    let settings = match web.api.get::<SettingsSeen>(viewer.who(), "/v1/settings").await {
        Ok(settings) => Ok(settings.lines),
        Err(problem) if problem.status == 401 => return layout::wrong(&problem, "/"),
        Err(problem) => Err(problem.detail),
    };
    layout::page(
        viewer,
        &Page { title: "Settings", part: Part::Settings, live: String::new() },
        html! {
            h1 { "Settings" }
            (form(viewer, asked))
            @match &answer {
                None => {},
                Some(Err(why)) => p.flash.bad role="alert" { (line(why)) },
                Some(Ok(explained)) => (explanation(explained)),
            }
            section.card aria-labelledby="means" {
                h2 #means { "What the configuration means" }
                @match &settings {
                    Ok(lines) => pre.said tabindex="0" { (lines.join("\n")) },
                    Err(why) => p.quiet { (line(why)) },
                }
            }
        },
    )
    .into_response()
}

fn form(viewer: &Viewer, asked: &Asked) -> Markup {
    html! {
        section.card aria-labelledby="would" {
            h2 #would { "What would happen to this statement?" }
            form method="post" action="/settings" {
                input type="hidden" name="seal" value=(viewer.seal);
                label for="sql" { "Statement" }
                textarea #sql name="sql" rows="4" required maxlength="60000" spellcheck="false" { (asked.sql) }
                div.fields {
                    div { label for="database" { "Database" } input #database type="text" name="database" value=(asked.database) required; }
                    div { label for="role" { "Logged in as" } input #role type="text" name="role" value=(asked.role) required; }
                    div { label for="application" { "Application" } input #application type="text" name="application" value=(asked.application); }
                    label.check { input type="checkbox" name="in_transaction" value="true" checked[asked.in_transaction]; "Inside a transaction" }
                    button.primary type="submit" { "Explain" }
                }
                p.quiet { "Nothing is run: what it touches is looked up, and it is judged." }
            }
        }
    }
}

fn explanation(explained: &Explained) -> Markup {
    html! {
        section.card aria-labelledby="verdict" role="status" {
            h2 #verdict { (parts::pill(&explained.verdict)) " " (verdict(explained)) }
            @if let Some(why) = &explained.assumed { p.warn { "Every table counts as a large one: " (line(why)) "." } }
            @if let Some([message, detail, hint]) = &explained.refusal {
                p { (line(message)) }
                p.quiet { (line(detail)) " " (line(hint)) }
            }
            @if !explained.findings.is_empty() {
                ul.findings { @for finding in &explained.findings { (parts::finding(finding)) } }
            }
            @if let Some(plan) = &explained.plan { (parts::plan(plan, None)) }
        }
    }
}
