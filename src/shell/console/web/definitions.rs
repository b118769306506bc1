//! What has changed about the definitions of tables: before and after, line by line.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::problem::Problem;
use super::super::text::{encoded, line, short};
use super::super::view::SchemaPage;
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, parts, sql};
use crate::kernel::notice::{Difference, SchemaEvent, differences};

/// Changes on a page.
const PAGE: usize = 30;
const TEXT_WIDTH: usize = 160;

/// A search, as the form sends it: what is not filled in is empty.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    table: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    before: String,
}

pub(super) async fn list(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    let search: String = [("table", &asked.table), ("target", &asked.target)]
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| format!("&{name}={}", encoded(value.trim())))
        .collect();
    let mut path = format!("/v1/schema-changes?limit={PAGE}{search}");
    if !asked.before.is_empty() {
        path.push_str(&format!("&before={}", encoded(&asked.before)));
    }
    match web.api.get::<SchemaPage>(viewer.who(), &path).await {
        Ok(page) => render(&viewer, &asked, &page, &search).into_response(),
        Err(problem) => layout::wrong(&problem, "/schema-changes"),
    }
}

fn render(viewer: &Viewer, asked: &Asked, page: &SchemaPage, search: &str) -> Markup {
    let field = |name: &str, label: &str, value: &str| {
        html! { div { label for=(name) { (label) } input id=(name) type="search" name=(name) value=(value) maxlength="200"; } }
    };
    layout::page(
        viewer,
        &Page { title: "Definitions", part: Part::Changes, live: String::new() },
        html! {
            h1 { "Definitions" }
            p.quiet { "What has changed about tables and views by what went through the gateway, newest first. " a href="/changes" { "All changes" } }
            form.card method="get" action="/schema-changes" role="search" {
                div.fields {
                    (field("table", "Table, or a pattern such as billing.*", &asked.table))
                    (field("target", "Target", &asked.target))
                    button.primary type="submit" { "Search" }
                }
            }
            @if page.changes.is_empty() { div.card.empty { p { "No changes of definitions." } } }
            @for event in &page.changes { section.card { (shown(event)) } }
            @if let Some(next) = page.next {
                p.buttons { a.button href={ "/schema-changes?before=" (next) (search) } { "Older" } }
            }
        },
    )
}

/// One, where messages link to.
pub(super) async fn one(State(web): State<Web>, viewer: Viewer, Path(position): Path<i64>) -> Response {
    let path = format!("/v1/schema-changes?limit=1&after={}", position.saturating_sub(1));
    let found = match web.api.get::<SchemaPage>(viewer.who(), &path).await {
        Ok(page) => page.changes.into_iter().find(|event| event.position == position),
        Err(problem) => return layout::wrong(&problem, "/schema-changes"),
    };
    let Some(event) = found else {
        let problem = Problem::new(StatusCode::NOT_FOUND, "there is no such change of a definition");
        return layout::wrong(&problem, "/schema-changes");
    };
    let page = Page { title: "Definition", part: Part::Changes, live: String::new() };
    let body = html! {
        h1 { "A definition" }
        section.card { (shown(&event)) }
        p { a href="/schema-changes" { "All of them" } }
    };
    layout::page(&viewer, &page, body).into_response()
}

/// What a ticket or a job has changed, as a part of its page. What cannot be read is not shown there.
pub(super) async fn of(web: &Web, viewer: &Viewer, what: &str, id: i64) -> Markup {
    let path = format!("/v1/schema-changes?{what}={id}");
    let events = web.api.get::<SchemaPage>(viewer.who(), &path).await.map(|page| page.changes).unwrap_or_default();
    html! {
        @if !events.is_empty() {
            section.card aria-labelledby="definitions" {
                h2 #definitions { "What it has changed" }
                @for event in events.iter().rev() { (shown(event)) }
            }
        }
    }
}

fn shown(event: &SchemaEvent) -> Markup {
    let change = &event.change;
    html! {
        p {
            strong { (line(&change.relation)) } " " (change.effect.words()) ", "
            a href={ "/schema-changes/" (event.position) } { (parts::ago(event.at)) }
        }
        (difference(event))
        @for statement in &change.statements { (sql::inline(&short(statement, TEXT_WIDTH))) }
        p.quiet {
            (line(change.person.as_deref().unwrap_or(&change.requester))) " on " (line(&change.target)) "/" (line(&change.database))
            @if let Some(ticket) = change.ticket { ", " a href={ "/tickets/" (ticket) } { "ticket " (ticket) } }
            @if let Some(job) = change.job { ", " a href={ "/jobs/" (job) } { "job " (job) } }
        }
    }
}

/// Not by colour alone: each line has its sign.
fn difference(event: &SchemaEvent) -> Markup {
    let lines = differences(event.change.before.as_ref(), event.change.after.as_ref());
    html! {
        @if lines.is_empty() {
            p.warn { "What became of it could not be seen: look at the relation itself." }
        } @else {
            pre.difference tabindex="0" {
                @for one in &lines {
                    @match one {
                        Difference::Gone(_) => del { (line(&one.text())) "\n" },
                        Difference::New(_) => ins { (line(&one.text())) "\n" },
                    }
                }
            }
        }
    }
}
