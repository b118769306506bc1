//! A change as others felt it: a part of the pages of tickets and jobs, and a page of its own.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::super::render::{grouped, span};
use super::super::text::line;
use super::super::view::ChangeFull;
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, changes, parts, plot};
use crate::kernel::traffic::{Course, Figures, Sample, Traffic, took};

/// Rows of the table of figures.
const ROWS: usize = 40;

/// A part of a page, and where the page hears that there is more of it.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) part: Markup,
    pub(super) live: String,
}

/// What others felt of a ticket's change or of a job. What cannot be read is not shown there.
pub(super) async fn of(web: &Web, viewer: &Viewer, what: &str, id: i64) -> Seen {
    let found = web.api.get::<ChangeFull>(viewer.who(), &format!("/v1/{what}/{id}/traffic")).await;
    found.map(|full| seen(&full)).unwrap_or_default()
}

fn seen(full: &ChangeFull) -> Seen {
    let live = full.change.as_ref().filter(|_| full.more).map(|change| format!("/live/changes/{}", change.id));
    Seen { part: full.traffic.as_ref().map(section).unwrap_or_default(), live: live.unwrap_or_default() }
}

pub(super) async fn page(State(web): State<Web>, viewer: Viewer, Path(id): Path<i64>) -> Response {
    let full = match web.api.get::<ChangeFull>(viewer.who(), &format!("/v1/changes/{id}")).await {
        Ok(full) => full,
        Err(problem) => return layout::wrong(&problem, "/changes"),
    };
    let Seen { part, live } = seen(&full);
    layout::page(
        &viewer,
        &Page { title: &format!("Change {id}"), part: Part::Changes, live },
        html! {
            div #head data-part="" {
                h1 { "Change " (id) @if let Some(change) = &full.change { " " (parts::pill(change.outcome.as_str())) } }
                @if let Some(change) = &full.change { (changes::whole(&viewer, change)) }
            }
            div #felt-part data-part="" {
                (part)
                @if full.traffic.is_none() { div.card.empty { p { "What others felt of it was not recorded: it has not run, or ran before there was a record of that." } } }
            }
            p { a href="/changes" { "All changes" } }
        },
    )
    .into_response()
}

fn section(traffic: &Traffic) -> Markup {
    let words = traffic.felt.words();
    let mut shown = words.clone();
    if let Some(first) = shown.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    html! {
        section.card aria-labelledby="felt" {
            h2 #felt { "What others felt" }
            p { (shown) "." }
            (plot::waits(traffic, &words))
            (figures(traffic))
        }
        @if let Some(words) = course_words(&traffic.course) {
            section.card aria-labelledby="course" {
                h2 #course { "How it went on" }
                p { (words) }
                (plot::progress(&traffic.course, &words))
                (course(&traffic.course))
            }
        }
    }
}

fn figures(traffic: &Traffic) -> Markup {
    let felt = &traffic.felt;
    let parts =
        [("In the minute before", felt.before), ("While it ran", felt.during), ("In the minute after", felt.after)];
    let points = plot::samples(traffic);
    let rows: Vec<(i64, Sample)> = points
        .chunks(points.len().div_ceil(ROWS).max(1))
        .filter_map(|some| {
            let (at, first) = some.first()?;
            Some((*at, some.iter().skip(1).fold(**first, |sum, (_, one)| sum.and(**one))))
        })
        .collect();
    html! {
        details {
            summary { "In figures" }
            div.wide tabindex="0" { table {
                caption { "Other statements" }
                thead { tr { th scope="col" { "When" } th.number scope="col" { "Statements" } th.number scope="col" { "Median" } th.number scope="col" { "99 of 100 within" } th.number scope="col" { "Longest" } } }
                tbody {
                    @for (when, part) in parts {
                        @let Figures { statements, median_us, p99_us, longest_us } = part.unwrap_or_default();
                        tr {
                            th scope="row" { (when) }
                            td.number { (grouped(statements)) }
                            @for us in [median_us, p99_us, longest_us] { td.number { @if part.is_some() { (took(us)) } @else { "–" } } }
                        }
                    }
                }
            } }
            @if !rows.is_empty() {
                div.wide tabindex="0" { table {
                    caption { "From when, after it began" }
                    thead { tr { th scope="col" { "From" } th.number scope="col" { "Statements" } th.number scope="col" { "Under way" } th.number scope="col" { "Median" } th.number scope="col" { "99 of 100 within" } th.number scope="col" { "Longest" } } }
                    tbody {
                        @for (at, one) in &rows {
                            tr {
                                th scope="row" { (plot::after(*at)) }
                                td.number { (grouped(one.statements)) }
                                td.number { (grouped(one.waiting)) }
                                @for us in [one.median_us, one.p99_us, one.longest_us] { td.number { (took(us)) } }
                            }
                        }
                    }
                } }
            }
            @if !traffic.marks.is_empty() {
                div.wide tabindex="0" { table {
                    caption { "Steps" }
                    thead { tr { th scope="col" { "Step" } th scope="col" { "Began" } } }
                    tbody {
                        @for mark in &traffic.marks {
                            tr { th scope="row" { (mark.step) " " (line(&mark.name)) } td { (span(mark.at.ms_since(traffic.began))) " after it began" } }
                        }
                    }
                } }
            }
        }
    }
}

fn course_words(course: &Course) -> Option<String> {
    let last = course.points.last()?;
    let mut words = format!(
        "Step {}: {} of about {} rows after {}, {} rows a second",
        last.step,
        grouped(last.done),
        grouped(last.estimate.max(last.done)),
        span(last.ms),
        grouped(last.per_second)
    );
    if let Some(left) = last.left_ms.filter(|left| *left > 0) {
        words += &format!(", about {} left then", span(left));
    }
    Some(words + ".")
}

fn course(course: &Course) -> Markup {
    let every = course.points.len().div_ceil(ROWS).max(1);
    html! {
        details {
            summary { "In figures" }
            div.wide tabindex="0" { table {
                thead { tr { th scope="col" { "After" } th.number scope="col" { "Step" } th.number scope="col" { "Rows" } th.number scope="col" { "Of about" } th.number scope="col" { "Rows a second" } } }
                tbody {
                    @for point in course.points.iter().step_by(every) {
                        tr {
                            th scope="row" { (span(point.ms)) }
                            td.number { (point.step) }
                            td.number { (grouped(point.done)) }
                            td.number { (grouped(point.estimate)) }
                            td.number { (grouped(point.per_second)) }
                        }
                    }
                }
            } }
        }
    }
}
