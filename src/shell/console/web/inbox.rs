//! The list of tickets: what waits first.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::text::encoded;
use super::super::text::{line, short};
use super::super::view::{Page as Tickets, Summary};
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, parts, sql};

/// Tickets on a page.
const PAGE: usize = 50;
const TEXT_WIDTH: usize = 160;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Show {
    #[default]
    Waiting,
    ForMe,
    Mine,
    Live,
    Owed,
    All,
}

impl Show {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Waiting, "waiting", "Waiting"),
        (Self::ForMe, "for_me", "Waiting for me"),
        (Self::Mine, "mine", "Asked by me"),
        (Self::Live, "live", "Approved and running"),
        (Self::Owed, "owed", "To be looked at afterwards"),
        (Self::All, "all", "All"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(show, ..)| *show == self).map_or("all", |(_, word, _)| word)
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    show: Show,
    #[serde(default)]
    requester: String,
    /// Words.
    #[serde(default)]
    q: String,
    before: Option<i64>,
}

pub(super) async fn page(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    let mut path = format!("/v1/tickets?limit={}", PAGE + 1);
    match asked.show {
        Show::Waiting => path.push_str("&state=pending"),
        Show::ForMe => path.push_str("&state=pending&waiting_for_me=true"),
        Show::Live => path.push_str("&state=approved,claimed,running"),
        Show::Owed => path.push_str("&owed=true"),
        Show::Mine | Show::All => {}
    }
    let requester = if asked.show == Show::Mine { &viewer.name } else { &asked.requester };
    if !requester.is_empty() {
        path.push_str(&format!("&requester={}", encoded(requester)));
    }
    if !asked.q.is_empty() {
        path.push_str(&format!("&q={}", encoded(&asked.q)));
    }
    if let Some(before) = asked.before {
        path.push_str(&format!("&before={before}"));
    }
    match web.api.get::<Tickets>(viewer.who(), &path).await {
        Ok(tickets) => render(&viewer, &asked, &tickets.tickets).into_response(),
        Err(problem) => layout::wrong(&problem, "/"),
    }
}

fn render(viewer: &Viewer, asked: &Asked, tickets: &[Summary]) -> Markup {
    let (shown, rest) = tickets.split_at(tickets.len().min(PAGE));
    let more = shown.last().filter(|_| !rest.is_empty());
    let page = Page { title: "Tickets", part: Part::Inbox, live: "/live/tickets".to_owned() };
    layout::page(
        viewer,
        &page,
        html! {
            h1 { "Tickets" }
            div.tools {
                nav.tabs aria-label="Which tickets" {
                    @for (show, word, name) in Show::ALL {
                        a href={ "/?show=" (word) } aria-current=[(asked.show == show).then_some("true")] { (name) }
                    }
                }
                form.search method="get" action="/" role="search" {
                    input type="hidden" name="show" value=(if asked.show == Show::Mine { "all" } else { asked.show.word() });
                    label.unseen for="q" { "Words" }
                input #q type="search" name="q" value=(asked.q) placeholder="Words, names, comments";
                label.unseen for="requester" { "Asked by" }
                    input #requester type="search" name="requester" value=(asked.requester) placeholder="Asked by role";
                    button type="submit" { "Filter" }
                }
            }
            div #list data-part="" {
                @if shown.is_empty() {
                    div.card.empty {
                        p { @if asked.show == Show::Waiting { "Nothing waits for a decision." } @else { "No tickets." } }
                    }
                } @else {
                    ul.rows { @for ticket in shown { (row(ticket)) } }
                }
                @if let Some(last) = more {
                    p { a.button href={
                        "/?show=" (asked.show.word()) "&requester=" (encoded(&asked.requester)) "&q=" (encoded(&asked.q)) "&before=" (last.id)
                    } { "Older" } }
                }
            }
        },
    )
}

fn row(ticket: &Summary) -> Markup {
    html! {
        li.card {
            a.row href={ "/tickets/" (ticket.id) } {
                span.head {
                    span.id { "#" (ticket.id) } " " (parts::pill(ticket.state.name().as_str())) " "
                    span.quiet { (line(&ticket.rules.join(", "))) }
                }
                (sql::inline(&short(&ticket.text, TEXT_WIDTH)))
                span.quiet {
                    (line(&ticket.requester)) " on " (line(&ticket.target)) "/" (line(&ticket.database)) ", " (parts::ago(ticket.opened))
                }
            }
        }
    }
}
