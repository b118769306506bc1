//! One ticket: what was asked beside what will run, why it waits, and the decision.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::super::render::{grouped, happening, hash_name, headline, span, time};
use super::super::text::line;
use super::super::view::Full;
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, definitions, now, parts, sql, traffic};
use crate::kernel::review::{Request, RunMode, StateName, Ticket};
use crate::kernel::sql::agree::format_for_people;
use crate::shell::clock;

pub(super) async fn page(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Query(told): Query<parts::Told>,
) -> Response {
    match web.api.get::<Full>(viewer.who(), &format!("/v1/tickets/{id}")).await {
        Ok(full) => {
            let changed = definitions::of(&web, &viewer, "ticket", id).await;
            let felt = traffic::of(&web, &viewer, "tickets", id).await;
            render(&viewer, &full, (&changed, &felt), (&told.done, None)).into_response()
        }
        Err(problem) => layout::wrong(&problem, "/"),
    }
}

/// The ticket and what it has changed, with what was done just now and what is wrong with what was asked of it.
pub(super) fn render(
    viewer: &Viewer,
    full: &Full,
    (changed, felt): (&Markup, &traffic::Seen),
    (done, wrong): (&str, Option<&str>),
) -> Markup {
    let ticket = &full.ticket;
    let request = &ticket.request;
    let state = ticket.state.name();
    let title = format!("Ticket {}", ticket.id);
    let live = match state.is_over() {
        true => felt.live.clone(),
        false => format!("/live/tickets/{}?version={}", ticket.id, ticket.version),
    };
    layout::page(
        viewer,
        &Page { title: &title, part: Part::Inbox, live },
        html! {
            div #head data-part="" {
                h1 { "Ticket " (ticket.id) " " (parts::pill(state.as_str())) @for label in &ticket.labels { " " span.pill { (line(label)) } } }
                p.lead { (headline(ticket, clock::now())) }
                @if let Some(why) = &ticket.justification { p { "Wanted because: " (line(why)) } }
                p.quiet {
                    "Asked by " strong { (line(&request.requester)) }
                    @if request.role != request.requester { ", acting as " strong { (line(&request.role)) } }
                    " with " (line(or(&request.application, "an unnamed application"))) " from " (line(&request.client)) ", "
                    (parts::ago(ticket.opened)) ". Goes to " strong { (line(&request.target)) "/" (line(&request.database)) } ". "
                    @if !state.is_over() { (way_to_run(ticket)) }
                }
            }
            @if let Some(wrong) = wrong { p.flash.bad role="alert" { (wrong) } }
            @if let Some(said) = said(done).filter(|_| done != "approve" || !state.is_over()) { p.flash.good role="status" { (said) } }
            div #queue data-part="" { (parts::queue(full.runs.last())) }
            div.sides {
                div {
                    (asked(request))
                    section.card aria-labelledby="why" {
                        h2 #why { @if state.is_over() { "Why it was held" } @else { "Why it waits" } }
                        ul.findings { @for finding in &request.findings { (parts::finding(finding)) } }
                    }
                }
                div {
                    section.card aria-labelledby="will-run" {
                        h2 #will-run { @if state.is_over() { "The plan" } @else { "What will run" } }
                        div #plan data-part="" { (parts::plan(&request.plan, full.runs.last())) }
                    }
                    div #decide-part data-part=[(state.is_over() && full.ticket.owed().is_none()).then_some("")] {
                        @if !state.is_over() || full.ticket.owed().is_some() { (decide(viewer, full)) }
                    }
                }
                div {
                    (objects(ticket))
                    (uses(ticket))
                    (kin(full))
                }
            }
            div #felt-part data-part="" { (felt.part) }
            div #changed data-part="" { (changed) }
            (history(full))
            p.quiet { (hash_name(request)) " of the statement " code.hash { (request.text_hash) } }
        },
    )
}

/// Laid out for reading where it came in one line; as it came one click away.
fn asked(request: &Request) -> Markup {
    let laid_out = format_for_people(&request.shown);
    let whole = if request.shown.contains('\n') { &request.shown } else { &laid_out };
    html! {
        section.card aria-labelledby="asked" {
            h2 #asked { "What was asked" }
            (sql::block(whole))
            @if *whole != request.shown { details { summary { "As it was sent" } (sql::block(&request.shown)) } }
            @if !request.shown.is_ascii() {
                p.warn { "It contains characters outside ASCII: letters may not be what they look like." }
            }
        }
    }
}

fn history(full: &Full) -> Markup {
    html! {
        section.card aria-labelledby="history" {
            h2 #history { "History" }
            div #events data-part="" {
                (parts::timeline(full.events.iter().map(|one| (one.event.what.name(), happening(&one.event), one.event.at))))
                (parts::runs(&full.runs))
            }
        }
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn said(done: &str) -> Option<&'static str> {
    match done {
        "approve" => Some("Approved. It runs as soon as whoever asked for it is there, or run it here."),
        "reject" => Some("Rejected. Whoever asked for it is told your reason."),
        "cancel" => Some("Cancelled."),
        "request-changes" => Some("Sent back. Whoever asked for it is told what you want instead."),
        "break-glass" => Some("Let through. Somebody else has to look at it afterwards."),
        "justify" => Some("Your reason is in the history."),
        "review-debt" => Some("Looked at. The glass is whole again."),
        "comment" => Some("Your comment is in the history."),
        _ => None,
    }
}

/// Who sends it to the server once it is approved.
fn way_to_run(ticket: &Ticket) -> String {
    match ticket.run {
        RunMode::Session => "Approved, it runs in the session that asked, or when that sends it again.".to_owned(),
        RunMode::Job => "Approved, it runs as a job, without the session that asked.".to_owned(),
        RunMode::At { at } => format!("Approved, it runs as a job at {} or later.", time(at)),
    }
}

/// What was true of its tables when it was asked; a script adds what is true now.
fn objects(ticket: &Ticket) -> Markup {
    let relations: Vec<_> = ticket.request.facts.relations().collect();
    let touched = ticket.request.facts.touched.as_ref().filter(|touched| touched.count > 0);
    if relations.is_empty() && touched.is_none() {
        return html! {};
    }
    html! {
        section.card aria-labelledby="touches" {
            h2 #touches { "What it touches" }
            @for relation in &relations { (parts::object(relation)) }
            @if let Some(touched) = touched { (parts::besides(touched)) }
            @if !relations.is_empty() {
                (on_demand(ticket, "now", "Ask the server what is true of it now", &now::then(&ticket.request)))
            }
        }
    }
}

fn uses(ticket: &Ticket) -> Markup {
    html! {
        section.card aria-labelledby="impact" {
            h2 #impact { "Who uses it" }
            (on_demand(ticket, "impact", "Look in the record", &html! {}))
        }
    }
}

/// What takes a while to find out: the link leads there, and with a script it comes here, by itself while somebody has to decide.
fn on_demand(ticket: &Ticket, what: &str, link: &str, until: &Markup) -> Markup {
    let soon = (ticket.state.name() == StateName::Pending).then_some("");
    html! {
        div data-ask={ "/tickets/" (ticket.id) "/" (what) } data-soon=[soon] {
            (until)
            p { a href={ "/tickets/" (ticket.id) "/" (what) } { (link) } }
        }
    }
}

/// Earlier changes of this shape, and this very one elsewhere: what they took.
fn kin(full: &Full) -> Markup {
    if full.kin.is_empty() {
        return html! {};
    }
    html! {
        section.card aria-labelledby="kin" {
            h2 #kin { "Seen before" }
            ul.findings {
                @for one in &full.kin {
                    li {
                        a href={ "/tickets/" (one.id) } { "Ticket " (one.id) } " " (parts::pill(one.state.as_str()))
                        @if one.same_elsewhere { " the same change, on " } @else { " a similar change, on " }
                        (line(&one.target)) "/" (line(&one.database)) ", " (parts::ago(one.opened))
                        @if let Some(ms) = one.ms { ", took " strong { (span(ms)) } }
                        @if let Some(rows) = one.rows { " for " (grouped(rows)) " rows" }
                    }
                }
            }
        }
    }
}

/// Who has approved, what is missing, and who can fill it.
fn quorum(full: &Full) -> Markup {
    html! {
        @if !full.ticket.votes().is_empty() {
            p {
                "Approved so far by "
                @for (at, vote) in full.ticket.votes().iter().enumerate() {
                    @if at > 0 { ", " }
                    strong { (line(&vote.by)) }
                    @if !vote.groups.is_empty() { " (" (line(&vote.groups.join(", "))) ")" }
                }
                "."
            }
        }
        @if !full.missing.is_empty() {
            p.warn {
                "Still needed: " (line(&full.missing.join(", "))) ". "
                @if !full.may_approve.is_empty() { "May approve: " (line(&full.may_approve.join(", "))) "." }
            }
        }
    }
}

fn decide(viewer: &Viewer, full: &Full) -> Markup {
    let id = full.ticket.id;
    let state = full.ticket.state.name();
    html! {
        section #decide.card.decide aria-labelledby="decision" {
            h2 #decision { "Your decision" }
            form method="post" action={ "/tickets/" (id) "/comment" } {
                input type="hidden" name="seal" value=(viewer.seal);
                input type="hidden" name="seen_hash" value=(full.review_hash);
                @if state == StateName::Pending { (quorum(full)) }
                @if full.ticket.owed().is_some() { p.warn { "The glass was broken for it: somebody else has to look at it." } }
                label for="note" { "Note or reason " span.quiet { "all but an approval need one" } }
                textarea #note name="note" rows="1" maxlength="4096" {}
                div.buttons {
                    @if state == StateName::Pending {
                        button.primary type="submit" formaction={ "/tickets/" (id) "/approve" } { "Approve" }
                    }
                    @if state == StateName::Approved {
                        button.primary type="submit" formaction={ "/tickets/" (id) "/run" } { "Run now, as a job" }
                    }
                    @if state.is_live() {
                        button.danger type="submit" formaction={ "/tickets/" (id) "/reject" } { "Reject" }
                        button type="submit" formaction={ "/tickets/" (id) "/cancel" } { "Cancel it" }
                    }
                    @if state == StateName::Pending {
                        button type="submit" formaction={ "/tickets/" (id) "/request-changes" } { "Ask for changes" }
                    }
                    @if full.ticket.owed().is_some() {
                        button.primary type="submit" formaction={ "/tickets/" (id) "/review-debt" } { "I have looked at it" }
                    }
                    button type="submit" { "Comment" }
                }
                @if state == StateName::Pending {
                    details {
                        summary { "More" }
                        div.buttons {
                            button type="submit" formaction={ "/tickets/" (id) "/justify" } { "Say why it is wanted" }
                            @if !full.ticket.request.conditions.break_glass.is_empty() {
                                button.danger type="submit" formaction={ "/tickets/" (id) "/break-glass" } { "Break the glass: let it through alone" }
                            }
                        }
                    }
                }
            }
        }
    }
}
