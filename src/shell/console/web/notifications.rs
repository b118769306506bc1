//! Notifications: which routes there are and what for, what is on its way, what arrived and what was given up.

use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::super::api::Body;
use super::super::problem::Problem;
use super::super::render::{grouped, span};
use super::super::text::{encoded, line};
use super::super::view::{DeliveryPage, NotifyPage, NotifyRoute, Tested};
use super::layout::{self, Page, Part};
use super::login::Viewer;
use super::{Web, forms, parts};
use crate::kernel::review::Power;
use crate::shell::clock::now;
use crate::shell::store::{Delivery, DeliveryState};

/// Deliveries on a page.
const PAGE: usize = 50;

/// What is looked for, and what was done just now.
#[derive(Default, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    state: String,
    #[serde(default)]
    route: String,
    #[serde(default)]
    before: String,
    #[serde(default)]
    done: String,
}

impl Asked {
    /// Where the list is asked for.
    pub(super) fn path(&self) -> String {
        format!("/v1/deliveries?limit={PAGE}{}", self.query(&self.state, &self.before, "&"))
    }

    /// Where the page hears that it is out of date.
    fn live(&self) -> String {
        format!("/live/notifications?{}", self.query(&self.state, &self.before, ""))
    }

    fn query(&self, state: &str, before: &str, first: &str) -> String {
        let pairs = [("state", state), ("route", self.route.as_str()), ("before", before)];
        let given = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<String> = given.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        if query.is_empty() { String::new() } else { format!("{first}{}", query.join("&")) }
    }

    /// The address of the same list with another state or from elsewhere on.
    fn to(&self, state: &str, before: &str) -> String {
        format!("/notifications?{}", self.query(state, before, ""))
    }
}

#[derive(Deserialize)]
pub(super) struct Sent {
    #[serde(default)]
    seal: String,
}

pub(super) async fn page(State(web): State<Web>, viewer: Viewer, Query(asked): Query<Asked>) -> Response {
    show(&web, &viewer, &asked, None).await
}

async fn show(web: &Web, viewer: &Viewer, asked: &Asked, wrong: Option<&Problem>) -> Response {
    let found = async {
        let routes = web.api.get::<NotifyPage>(viewer.who(), "/v1/notify").await?;
        Ok((routes, web.api.get::<DeliveryPage>(viewer.who(), &asked.path()).await?))
    };
    match found.await {
        Ok((routes, page)) => {
            let body = render(viewer, asked, (&routes.routes, &page), wrong.map(|problem| problem.detail.as_str()));
            (wrong.map(Problem::code).unwrap_or_default(), body).into_response()
        }
        Err(problem) => layout::wrong(&problem, "/"),
    }
}

fn render(
    viewer: &Viewer,
    asked: &Asked,
    (routes, page): (&[NotifyRoute], &DeliveryPage),
    wrong: Option<&str>,
) -> Markup {
    let tab = |state: &str, name: &str| {
        html! { a href=(asked.to(state, "")) aria-current=[(asked.state == state).then_some("true")] { (name) } }
    };
    layout::page(
        viewer,
        &Page { title: "Notifications", part: Part::Notifications, live: asked.live() },
        html! {
            h1 { "Notifications" }
            p.quiet { "Who is told outside of what happens here, and whether it arrived." }
            @if let Some(wrong) = wrong { p.flash.bad role="alert" { (line(wrong)) } }
            @match asked.done.as_str() {
                "test" => p.flash.good role="status" { "The message was taken." },
                "retry" => p.flash.good role="status" { "It is tried again now." },
                _ => {},
            }
            div #routes-part data-part="" { (list_routes(viewer, routes)) }
            div.tools {
                nav.tabs aria-label="Which notifications" {
                    (tab("", "All")) (tab("waiting", "Waiting")) (tab("delivered", "Delivered")) (tab("dead", "Given up"))
                }
                form.search method="get" action="/notifications" role="search" {
                    input type="hidden" name="state" value=(asked.state);
                    label.unseen for="route" { "Route" }
                    select #route name="route" {
                        option value="" { "every route" }
                        @for route in routes { option value=(route.name) selected[route.name == asked.route] { (line(&route.name)) } }
                    }
                    button type="submit" { "Filter" }
                }
            }
            div #list data-part="" {
            @if page.deliveries.is_empty() { div.card.empty { p { "No notifications." } } }
            ul.rows { @for delivery in &page.deliveries { (row(viewer, delivery)) } }
            @if let Some(next) = page.next { p.buttons { a.button href=(asked.to(&asked.state, &next.to_string())) { "Older" } } }
            }
        },
    )
}

fn list_routes(viewer: &Viewer, routes: &[NotifyRoute]) -> Markup {
    html! {
        section.card aria-labelledby="routes" {
            h2 #routes { "Routes" }
            @if routes.is_empty() {
                p { "There are none: nobody is told anything. Add " code { "[[notify]]" } " to the configuration." }
            } @else {
                div.wide tabindex="0" { table {
                    thead { tr {
                        th scope="col" { "Route" } th scope="col" { "What for" } th.number scope="col" { "Waiting" } th.number scope="col" { "Delivered" }
                        th.number scope="col" { "Given up" } @if viewer.can(Power::Operate) { th scope="col" { "Try it" } }
                    } }
                    tbody { @for route in routes { (route_row(viewer, route)) } }
                } }
            }
        }
    }
}

fn route_row(viewer: &Viewer, route: &NotifyRoute) -> Markup {
    let counts = &route.counts;
    let limits = [("on", &route.targets), ("labelled", &route.labels), ("of tables", &route.tables)];
    html! {
        tr {
            th.name scope="row" { (line(&route.name)) }
            td {
                (way(&route.kind)) " of " code { (line(&route.events.join(", "))) }
                @for (word, patterns) in limits {
                    @if !patterns.is_empty() && patterns.iter().any(|pattern| pattern != "*") { ", " (word) " " (line(&patterns.join(", "))) }
                }
            }
            td.number { (grouped(counts.waiting)) }
            td.number { (grouped(counts.delivered)) }
            td.number { @if counts.dead > 0 { strong { (grouped(counts.dead)) } } @else { "0" } }
            @if viewer.can(Power::Operate) {
                td {
                    form method="post" action={ "/notifications/routes/" (encoded(&route.name)) "/test" } {
                        input type="hidden" name="seal" value=(viewer.seal);
                        button type="submit" aria-label={ "Send a test on " (line(&route.name)) } { "Send a test" }
                    }
                }
            }
        }
    }
}

/// To whom a route of this kind leads.
fn way(kind: &str) -> &'static str {
    match kind {
        "webhook" => "tells a program, by signed calls,",
        "slack" => "tells a channel in Slack, and people directly,",
        "teams" => "tells a channel in Teams",
        "email" => "tells by mail those it concerns",
        _ => "tells",
    }
}

fn row(viewer: &Viewer, delivery: &Delivery) -> Markup {
    let Delivery { id, route, recipient, state, tries, created, due, ended, problem, notice } = delivery;
    let about = match (&notice.ticket, &notice.job) {
        (Some(ticket), _) => html! { a href={ "/tickets/" (ticket.id) } { "ticket " (ticket.id) } },
        (None, Some(job)) => html! { a href={ "/jobs/" (job.id) } { "job " (job.id) } },
        (None, None) => match &notice.schema {
            Some(schema) => {
                html! { a href={ "/schema-changes/" (schema.position) } { (line(&schema.change.relation)) } }
            }
            None => html! { (line(&notice.thread)) },
        },
    };
    html! {
        li.card {
            div.row {
                span.head {
                    span.id { "#" (id) } " " (pill(*state)) " "
                    span { code { (line(&notice.event)) } " of " (about) " by " strong { (line(route)) } @if !recipient.is_empty() { " to " (line(recipient)) } }
                }
                span.quiet {
                    "written down " (parts::ago(*created))
                    @match (ended, state) {
                        (Some(ended), DeliveryState::Delivered) => { ", taken " (parts::ago(*ended)) },
                        (Some(ended), DeliveryState::Waiting | DeliveryState::Dead) => { ", given up " (parts::ago(*ended)) },
                        (None, _) if *tries == 0 => { ", not tried yet: what belongs together goes in its order" },
                        (None, _) => { ", next try " (next_try(due.ms_since(now()))) },
                    }
                    @if *tries > 0 { ", tries: " (tries) }
                }
                @if let Some(problem) = problem { span { "Why: " (line(problem)) } }
                @if *state != DeliveryState::Delivered && *tries > 0 && viewer.can(Power::Operate) {
                    form method="post" action={ "/notifications/" (id) "/retry" } {
                        input type="hidden" name="seal" value=(viewer.seal);
                        button type="submit" aria-label={ "Try again now: " (id) } { "Try again now" }
                    }
                }
            }
        }
    }
}

fn pill(state: DeliveryState) -> Markup {
    match state {
        DeliveryState::Waiting => html! { span.pill.is-waiting { "waiting" } },
        DeliveryState::Delivered => html! { span.pill.is-done { "delivered" } },
        DeliveryState::Dead => html! { span.pill.is-failed { "given up" } },
    }
}

fn next_try(ms: u64) -> String {
    if ms == 0 { "now".to_owned() } else { format!("in {}", span(ms)) }
}

pub(super) async fn retry(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Form(sent): Form<Sent>,
) -> Response {
    let path = format!("/v1/deliveries/{id}/retry");
    let done = async {
        forms::ours(&viewer, &sent.seal)?;
        web.api.post::<DeliveryPage>(viewer.who(), &path, &Body::default()).await
    };
    ended(&web, &viewer, done.await.map(|_| "retry")).await
}

pub(super) async fn test(
    State(web): State<Web>,
    viewer: Viewer,
    Path(name): Path<String>,
    Form(sent): Form<Sent>,
) -> Response {
    let path = format!("/v1/notify/{}/test", encoded(&name));
    let done = async {
        forms::ours(&viewer, &sent.seal)?;
        web.api.post::<Tested>(viewer.who(), &path, &Body::default()).await
    };
    ended(&web, &viewer, done.await.map(|_| "test")).await
}

async fn ended(web: &Web, viewer: &Viewer, done: Result<&'static str, Problem>) -> Response {
    match done {
        Ok(done) => Redirect::to(&format!("/notifications?done={done}")).into_response(),
        Err(problem) => show(web, viewer, &Asked::default(), Some(&problem)).await,
    }
}
