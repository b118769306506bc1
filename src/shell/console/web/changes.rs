//! What was done to the databases: searched, page by page, and as a file.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::render::{grouped, span};
use super::super::text::{encoded, line, short};
use super::super::view::ChangePage;
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, parts, sql};
use crate::kernel::review::Power;
use crate::shell::store::{Change, ChangeOutcome};

/// Changes on a page.
const PAGE: usize = 50;
const TEXT_WIDTH: usize = 160;

/// A search, as the form sends it: what is not filled in is empty.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    object: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    rule: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    waited_ms: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    format: String,
}

impl Asked {
    /// The search itself, each part with an ampersand before it.
    fn query(&self) -> String {
        let pairs = [
            ("q", &self.q),
            ("object", &self.object),
            ("person", &self.person),
            ("rule", &self.rule),
            ("target", &self.target),
            ("outcome", &self.outcome),
            ("from", &self.from),
            ("to", &self.to),
            ("waited_ms", &self.waited_ms),
        ];
        let given = pairs.into_iter().map(|(name, value)| (name, value.trim())).filter(|(_, value)| !value.is_empty());
        given.map(|(name, value)| format!("&{name}={}", encoded(value))).collect()
    }

    fn is_narrow(&self) -> bool {
        [&self.object, &self.person, &self.rule, &self.target, &self.from, &self.to, &self.waited_ms]
            .iter()
            .any(|one| !one.is_empty())
    }
}

pub(super) async fn page(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    let mut path = format!("/v1/changes?limit={PAGE}{}", asked.query());
    if !asked.before.is_empty() {
        path.push_str(&format!("&before={}", encoded(&asked.before)));
    }
    match web.api.get::<ChangePage>(viewer.who(), &path).await {
        Ok(page) => render(&viewer, &asked, Ok(&page)).into_response(),
        // A day that is none is told above the form, where it can be mended.
        Err(problem) if problem.status == 400 => {
            (problem.code(), render(&viewer, &asked, Err(&problem.detail))).into_response()
        }
        Err(problem) => layout::wrong(&problem, "/changes"),
    }
}

/// All that a search finds, as a file.
pub(super) async fn export(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    let path = format!("/v1/changes?format={}{}", encoded(&asked.format), asked.query());
    match web.api.file(viewer.who(), &path).await {
        Ok(file) => file,
        Err(problem) => layout::wrong(&problem, "/changes"),
    }
}

fn render(viewer: &Viewer, asked: &Asked, found: Result<&ChangePage, &str>) -> Markup {
    layout::page(
        viewer,
        &Page { title: "Changes", part: Part::Changes, live: String::new() },
        html! {
            h1 { "Changes" }
            p.quiet {
                "What was done to the databases, and what was turned down, by when it began. "
                a href="/schema-changes" { "What has changed about definitions" }
            }
            (form(asked))
            @match found {
                Err(why) => p.flash.bad role="alert" { (line(why)) },
                Ok(page) => (list(asked, page)),
            }
        },
    )
}

fn form(asked: &Asked) -> Markup {
    let field = |name: &str, label: &str, kind: &str, value: &str| {
        html! { div { label for=(name) { (label) } input id=(name) type=(kind) name=(name) value=(value) maxlength="200"; } }
    };
    html! {
        form.card method="get" action="/changes" role="search" {
            div.fields {
                (field("q", "Words", "search", &asked.q))
                div {
                    label for="outcome" { "Outcome" }
                    select #outcome name="outcome" {
                        option value="" { "any" }
                        @for outcome in ChangeOutcome::ALL {
                            option value=(outcome.as_str()) selected[asked.outcome == outcome.as_str()] { (outcome.as_str()) }
                        }
                    }
                }
                button.primary type="submit" { "Search" }
            }
            details open[asked.is_narrow()] {
                summary { "More" }
                div.fields {
                    (field("object", "Table", "text", &asked.object))
                    (field("person", "Person", "text", &asked.person))
                    (field("rule", "Rule", "text", &asked.rule))
                    (field("target", "Target", "text", &asked.target))
                    (field("from", "From", "date", &asked.from))
                    (field("to", "To", "date", &asked.to))
                    (field("waited_ms", "Others waited, ms or more", "number", &asked.waited_ms))
                }
            }
        }
    }
}

fn list(asked: &Asked, page: &ChangePage) -> Markup {
    let query = asked.query();
    html! {
        @if page.changes.is_empty() {
            div.card.empty { p { "No changes." } }
        } @else {
            ul.rows { @for change in &page.changes { (row(change)) } }
            p.buttons {
                @if let Some(next) = page.next {
                    a.button href={ "/changes?before=" (next) (query) } { "Older" }
                }
                span.quiet { "All that is found: " }
                a href={ "/changes/export?format=csv" (query) } { "as a table (CSV)" }
                a href={ "/changes/export?format=jsonl" (query) } { "as JSON lines" }
            }
        }
    }
}

fn row(change: &Change) -> Markup {
    let to = match (change.ticket, change.job) {
        (Some(ticket), _) => format!("/tickets/{ticket}"),
        (None, Some(job)) => format!("/jobs/{job}"),
        (None, None) => format!("/changes/{}", change.id),
    };
    html! { li.card { a.row href=(to) { (about(change)) } } }
}

/// All of it, for a page of its own.
pub(super) fn whole(viewer: &Viewer, change: &Change) -> Markup {
    html! {
        p.quiet {
            @if let Some(ticket) = change.ticket { "By " a href={ "/tickets/" (ticket) } { "ticket " (ticket) } ". " }
            @if let Some(job) = change.job { "By " a href={ "/jobs/" (job) } { "job " (job) } ". " }
            @match &change.session {
                Some(session) if viewer.can(Power::Audit) => { "In " a href={ "/sessions/" (encoded(session)) } { "session " (line(session)) } ". " },
                Some(session) => { "In session " (line(session)) ". " },
                None => {},
            }
        }
        div.stack { (told(change)) }
        section.card aria-labelledby="asked" { h2 #asked { "What was asked" } (sql::block(&change.text)) }
    }
}

fn about(change: &Change) -> Markup {
    let what = match (change.ticket, change.job) {
        (Some(ticket), _) => format!("Ticket {ticket}"),
        (None, Some(job)) => format!("Job {job}"),
        (None, None) => "In a session".to_owned(),
    };
    let tables = change.objects.iter().map(|name| line(name)).collect::<Vec<_>>().join(", ");
    html! {
        span.head {
            span.id { (what) } " " (parts::pill(change.outcome.as_str())) " " span.quiet { (tables) }
            @if let Some(job) = change.undo_of { span.quiet { "takes back job " (job) } }
        }
        (sql::inline(&short(&change.text, TEXT_WIDTH)))
        (told(change))
        @if let Some(felt) = &change.traffic { span.quiet { (felt.words()) } }
    }
}

/// Whose it was, and how it went.
fn told(change: &Change) -> Markup {
    html! {
        span.quiet {
            (line(change.person.as_deref().unwrap_or(&change.requester))) " on " (line(&change.target)) "/" (line(&change.database)) ", "
            (parts::ago(change.began))
            @if let Some(ms) = change.ms { ", took " strong { (span(ms)) } }
            @if let Some(rows) = change.rows { ", " (grouped(rows)) " rows" }
            @if !change.approved_by.is_empty() { ", approved by " (line(&change.approved_by.join(", "))) }
            @if let Some(by) = &change.ended_by { ", by " (line(by)) }
        }
        @if let Some(checked) = change.checked() { span.quiet { (line(&checked)) } }
        @if let Some(detail) = &change.detail { span.quiet { (short(detail, TEXT_WIDTH)) } }
    }
}
