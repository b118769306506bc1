//! What is true now of what a ticket is about, beside what was when it was made: its server is asked for it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::super::render::{grouped, size, span};
use super::super::text::line;
use super::Web;
use super::layout::{self, Page, Part};
use super::login::Viewer;
use crate::kernel::review::Request;
use crate::shell::jobs::{FactsNow, Measured, TableNow, tables_then};

pub(super) async fn page(State(web): State<Web>, viewer: Viewer, Path(id): Path<i64>) -> Response {
    let back = format!("/tickets/{id}");
    let facts = match web.api.get::<FactsNow>(viewer.who(), &format!("/v1/tickets/{id}/now")).await {
        Ok(facts) => facts,
        Err(problem) => return layout::wrong(&problem, &back),
    };
    layout::page(
        &viewer,
        &Page { title: "Then and now", part: Part::Inbox, live: String::new() },
        html! {
            h1 { "What ticket " (id) " is about, then and now" }
            p { a href=(back) { "Back to the ticket" } }
            section.card aria-label="Then and now" { div #found { (found(&facts)) } }
        },
    )
    .into_response()
}

/// What was true when the change was asked for.
pub(super) fn then(request: &Request) -> Markup {
    html! { @for table in tables_then(request) { (one(&table, false)) } }
}

fn found(facts: &FactsNow) -> Markup {
    html! {
        @if let Some(why) = &facts.not_asked { p.warn { "The server cannot be asked: " (line(why)) ". What it was then is all that is known." } }
        @for table in &facts.tables { (one(table, facts.not_asked.is_none())) }
        @if facts.not_asked.is_none() {
            p.quiet {
                "Oldest transaction: " (facts.oldest_transaction_ms.map_or_else(|| "none that can be seen".to_owned(), span))
                ". Replica furthest behind: " (facts.replica_lag_ms.map_or_else(|| "none, or not to be seen".to_owned(), span)) "."
            }
        }
    }
}

type Row = (&'static str, fn(&Measured) -> String);

const ROWS: [Row; 5] = [
    ("Rows", |one| one.rows.map_or_else(|| "never counted".to_owned(), grouped)),
    ("Size", |one| size(one.bytes)),
    ("Columns", |one| one.columns.to_string()),
    ("Indexes", |one| one.indexes.to_string()),
    ("Constraints", |one| one.constraints.to_string()),
];

fn one(table: &TableNow, asked: bool) -> Markup {
    html! {
        @if asked && table.now.is_none() { p.warn { (line(&table.name)) ": it is not there any more, or cannot be seen under that name." } }
        div.wide tabindex="0" { table {
            caption { (line(&table.name)) }
            thead { tr { th scope="col" { "What" } th.number scope="col" { "Then" } @if asked { th.number scope="col" { "Now" } } } }
            tbody {
                @for (what, told) in ROWS {
                    @let (then, now) = (told(&table.then), table.now.as_ref().map(told));
                    tr {
                        th scope="row" { (what) }
                        td.number { (then) }
                        @if asked { td.number { @match now { Some(now) if now != then => strong { (now) }, Some(now) => (now), None => "–" } } }
                    }
                }
                @if let Some(writes) = table.writes_per_s {
                    tr { th scope="row" { "Rows written a second" } td.number { "–" } td.number { (grouped(writes)) } }
                }
            }
        } }
        @if !table.in_the_way.is_empty() {
            p.warn { "In the way of its lock now:" }
            ul { @for one in &table.in_the_way { li { (line(&one.to_string())) } } }
        } @else if table.now.is_some() { p.quiet { "Nobody holds a lock that is in its way." } }
    }
}
