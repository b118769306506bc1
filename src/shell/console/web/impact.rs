//! Who uses what a ticket changes: looked up on demand, for the record is read for it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::super::render::grouped;
use super::super::render::impact::{left_out, looked};
use super::super::text::{line, short};
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, sql};
use crate::shell::audit::usage::{Impact, User};

const SHAPE_WIDTH: usize = 400;

pub(super) async fn page(State(web): State<Web>, viewer: Viewer, Path(id): Path<i64>) -> Response {
    let back = format!("/tickets/{id}");
    let impact = match web.api.get::<Impact>(viewer.who(), &format!("/v1/tickets/{id}/impact")).await {
        Ok(impact) => impact,
        Err(problem) => return layout::wrong(&problem, &back),
    };
    layout::page(
        &viewer,
        &Page { title: "Who uses it", part: Part::Inbox, live: String::new() },
        html! {
            h1 { "Who uses what ticket " (id) " changes" }
            p { a href=(back) { "Back to the ticket" } }
            section.card aria-label="Who uses it" { div #found { (found(&impact)) } }
        },
    )
    .into_response()
}

fn found(impact: &Impact) -> Markup {
    html! {
        p { (looked(impact)) }
        @if impact.users.is_empty() && impact.since.is_some() { p { strong { "Nobody." } } }
        @if !impact.users.is_empty() {
            div.wide tabindex="0" { table {
                thead { tr {
                    th scope="col" { "Application" } th scope="col" { "Role" } th.number scope="col" { "Reads" } th.number scope="col" { "Writes" }
                    @if !impact.columns.is_empty() { th.number scope="col" { "Of " (line(&impact.columns.join(", "))) } }
                    th scope="col" { "Last" }
                } }
                tbody { @for user in &impact.users { (row(user, !impact.columns.is_empty())) } }
            } }
            @for user in &impact.users {
                details {
                    summary { (name(user)) " as " (line(&user.role)) ": " (grouped(user.reads + user.writes)) " statements" }
                    @for used in &user.shapes {
                        p.quiet {
                            (grouped(used.count)) " times"
                            @if used.of_columns { " " span.pill.is-failed { "names " (line(&impact.columns.join(", "))) } }
                            @if used.writes { " " span.pill { "writes" } }
                        }
                        (sql::block(&short(&used.text, SHAPE_WIDTH)))
                    }
                    @if user.more > 0 { p.quiet { "And " (grouped(user.more)) " other statements." } }
                }
            }
        }
        @for said in left_out(impact) { p.quiet { (said) } }
    }
}

fn name(user: &User) -> String {
    if user.application.is_empty() { "unnamed".to_owned() } else { line(&user.application) }
}

fn row(user: &User, with_columns: bool) -> Markup {
    html! {
        tr {
            th scope="row" { (name(user)) }
            td { (line(&user.role)) }
            td.number { (grouped(user.reads)) }
            td.number { (grouped(user.writes)) }
            @if with_columns { td.number { (grouped(user.of_columns)) } }
            td { (line(user.last.split('.').next().unwrap_or_default()).replace('T', " ")) }
        }
    }
}
