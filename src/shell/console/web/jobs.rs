//! Jobs: the list, and one with its progress and its brakes.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::render::jobs::{happening, headline, percent};
use super::super::text::{line, short};
use super::super::view::{JobFull, JobPage, JobSummary};
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, definitions, parts, sql, traffic};
use crate::kernel::job::{Progress, StateName};
use crate::shell::clock::now;

const TEXT_WIDTH: usize = 160;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    before: Option<i64>,
}

pub(super) async fn list(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    let before = asked.before.map(|before| format!("?before={before}")).unwrap_or_default();
    match web.api.get::<JobPage>(viewer.who(), &format!("/v1/jobs{before}")).await {
        Ok(page) => render_list(&viewer, &page).into_response(),
        Err(problem) => layout::wrong(&problem, "/"),
    }
}

fn render_list(viewer: &Viewer, listed: &JobPage) -> Markup {
    let JobPage { jobs, next } = listed;
    let page = Page { title: "Jobs", part: Part::Jobs, live: "/live/jobs".to_owned() };
    layout::page(
        viewer,
        &page,
        html! {
            h1 { "Jobs" }
            div #list data-part="" {
                @if jobs.is_empty() {
                    div.card.empty { p { "No jobs. A plan of several steps becomes one where the target has a login for jobs." } }
                }
                ul.rows { @for job in jobs { (row(job)) } }
                @if let Some(next) = next { p.buttons { a.button href={ "/jobs?before=" (next) } { "Older" } } }
            }
        },
    )
}

fn row(job: &JobSummary) -> Markup {
    let state = job.state.name();
    html! {
        li.card {
            a.row href={ "/jobs/" (job.id) } {
                span.head {
                    span.id { "#" (job.id) } " " (parts::pill(state.as_str())) " "
                    span.quiet { (line(&job.tables.join(", "))) }
                }
                (sql::inline(&short(&job.text, TEXT_WIDTH)))
                @if state.is_live() { (bar(&job.progress)) }
                span.quiet {
                    "for " (line(&job.requester)) " on " (line(&job.target)) "/" (line(&job.database)) ", " (parts::ago(job.created))
                }
            }
        }
    }
}

/// Rows where they are counted, else steps.
fn bar(progress: &Progress) -> Markup {
    let (done, of) = match progress.rows {
        Some(rows) => (percent(rows.done, rows.estimate), 100),
        None => (u64::from(progress.step.saturating_sub(1)), u64::from(progress.steps.max(1))),
    };
    html! {
        progress max=(of) value=(done) aria-label={ "step " (progress.step) " of " (progress.steps) } {}
    }
}

pub(super) async fn page(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Query(told): Query<parts::Told>,
) -> Response {
    match web.api.get::<JobFull>(viewer.who(), &format!("/v1/jobs/{id}")).await {
        Ok(full) => {
            let changed = definitions::of(&web, &viewer, "job", id).await;
            let felt = traffic::of(&web, &viewer, "jobs", id).await;
            render(&viewer, &full, (&changed, &felt), (&told.done, None)).into_response()
        }
        Err(problem) => layout::wrong(&problem, "/jobs"),
    }
}

pub(super) fn render(
    viewer: &Viewer,
    full: &JobFull,
    (changed, felt): (&Markup, &traffic::Seen),
    (done, wrong): (&str, Option<&str>),
) -> Markup {
    let job = &full.job.job;
    let order = &job.order;
    let state = job.state.name();
    let title = format!("Job {}", job.id);
    let live = if state.is_live() { format!("/live/jobs/{}", job.id) } else { felt.live.clone() };
    layout::page(
        viewer,
        &Page { title: &title, part: Part::Jobs, live },
        html! {
            div #head data-part="" {
                h1 { "Job " (job.id) " " (parts::pill(state.as_str())) }
                p.lead { (headline(&full.job, now())) }
                @if state.is_live() { (bar(&full.job.progress)) }
                p.quiet {
                    "For " strong { (line(&order.requester)) }
                    @if let Some(role) = &order.role { ", acting as " strong { (line(role)) } }
                    " on " strong { (line(&order.target)) "/" (line(&order.database)) } ", " (parts::ago(job.created))
                    @if let Some(ticket) = order.ticket { ". By " a href={ "/tickets/" (ticket) } { "ticket " (ticket) } }
                    @if let Some(of) = order.undo_of { ". Undoes " a href={ "/jobs/" (of) } { "job " (of) } }
                    "."
                }
            }
            @if let Some(wrong) = wrong { p.flash.bad role="alert" { (wrong) } }
            @if !done.is_empty() { p.flash.good role="status" { "Done: " (line(done)) "." } }
            div #steer data-part="" { (steer(viewer, full)) }
            div #queue data-part="" { (parts::queue(full.runs.last())) }
            section.card aria-labelledby="steps" {
                h2 #steps { "Steps" }
                div #plan data-part="" { (parts::plan(&order.plan, full.runs.last())) }
            }
            div #felt-part data-part="" { (felt.part) }
            div #changed data-part="" { (changed) }
            section.card aria-labelledby="asked" { h2 #asked { "What was asked" } (sql::block(&order.shown)) }
            section.card aria-labelledby="history" {
                h2 #history { "History" }
                div #events data-part="" {
                    (parts::timeline(full.events.iter().map(|one| (one.event.what.name(), happening(&one.event), one.event.at))))
                    (parts::runs(&full.runs))
                }
            }
        },
    )
}

/// The brakes. What can be done depends on where the job stands.
fn steer(viewer: &Viewer, full: &JobFull) -> Markup {
    let job = &full.job.job;
    let state = job.state.name();
    let verbs: &[(&str, &str, &str)] = match state {
        StateName::Deferred => &[("abort", "Abort before it begins", "danger")],
        StateName::Queued | StateName::Running | StateName::Waiting => {
            &[("pause", "Pause", "primary"), ("abort", "Abort and take back", "danger")]
        }
        StateName::Paused => &[("resume", "Resume", "primary"), ("abort", "Abort and take back", "danger")],
        StateName::Failed => &[("resume", "Try again", "primary"), ("undo", "Undo", "danger")],
        StateName::Done | StateName::Aborted => &[("undo", "Undo", "danger")],
        StateName::Stopping | StateName::Undone => &[],
    };
    html! {
        @if !verbs.is_empty() {
            form.card method="post" action={ "/jobs/" (job.id) "/rate" } {
                input type="hidden" name="seal" value=(viewer.seal);
                div.buttons {
                    @for (verb, name, class) in verbs {
                        button class=(class) type="submit" formaction={ "/jobs/" (job.id) "/" (verb) } { (name) }
                    }
                    @if verbs.iter().any(|(verb, ..)| *verb == "undo") && job.order.plan.undo_loses.is_some() {
                        label.check { input type="checkbox" name="yes" value="true"; "Data may be lost by the undo" }
                    }
                }
                @if state.is_live() {
                    details {
                        summary { "Rate of backfills" }
                        div.fields {
                            div { label for="batch" { "Batch, ms" } input #batch type="number" name="batch_ms" min="1" max="10000" value=[job.rate.batch_ms]; }
                            div { label for="pause" { "Pause, percent of a batch" } input #pause type="number" name="pause_percent" min="0" max="10000" value=[job.rate.pause_percent]; }
                            button type="submit" { "Set" }
                        }
                    }
                }
            }
        }
    }
}
