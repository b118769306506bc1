//! What all pages have around them.

use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::super::problem::Problem;
use super::login::Viewer;
use crate::kernel::review::Power;

/// Which part of the site a page belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Inbox,
    Jobs,
    Changes,
    Sessions,
    Notifications,
    Targets,
    Settings,
}

/// A page: its title, where it belongs, where it hears of changes, and what is on it.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) part: Part,
    /// Address of its stream of changes; empty where nothing on it changes any more.
    pub(super) live: String,
}

pub(super) fn page(viewer: &Viewer, page: &Page<'_>, body: Markup) -> Markup {
    let link = |part: Part, to: &str, name: &str| {
        html! { a href=(to) aria-current=[(page.part == part).then_some("page")] { (name) } }
    };
    document(
        page.title,
        html! {
            a.skip href="#main" { "Skip to the content" }
            header.bar {
                a.home href="/" { img src="/assets/icon.svg" alt="" width="24" height="24"; "Lockkeeper" }
                nav aria-label="Parts" {
                    (link(Part::Inbox, "/", "Tickets"))
                    (link(Part::Jobs, "/jobs", "Jobs"))
                    (link(Part::Changes, "/changes", "Changes"))
                    @if viewer.can(Power::Audit) { (link(Part::Sessions, "/sessions", "Sessions")) }
                    @if viewer.can(Power::Audit) { (link(Part::Notifications, "/notifications", "Notifications")) }
                    (link(Part::Targets, "/targets", "Targets"))
                    (link(Part::Settings, "/settings", "Settings"))
                }
                form.who method="post" action="/logout" {
                    span { (super::super::text::line(&viewer.name)) }
                    button.plain type="submit" { "Sign out" }
                }
            }
            main #main data-live=[(!page.live.is_empty()).then_some(&page.live)] { (body) }
            footer {
                p.quiet {
                    kbd { "j" } " " kbd { "k" } " move  " kbd { "Enter" } " open  " kbd { "/" } " search  " kbd { "g" } " tickets  "
                    kbd { "a" } " decide  "
                    span #live role="status" {}
                }
            }
        },
    )
}

/// A page for somebody who is nobody yet.
pub(super) fn bare(title: &str, body: Markup) -> Markup {
    document(title, html! { main #main.bare { (body) } })
}

fn document(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " · Lockkeeper" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/page.css";
                script src="/assets/page.js" defer {}
            }
            body { (body) }
        }
    }
}

/// What went wrong, with the way back.
pub(super) fn wrong(problem: &Problem, back: &str) -> Response {
    if problem.status == 401 {
        return axum::response::Redirect::to("/login").into_response();
    }
    let body = bare(
        &problem.title,
        html! {
            div.card {
                h1 { (problem.title) }
                p.flash.bad role="alert" { (problem.detail) }
                p { a href=(back) { "Back" } }
            }
        },
    );
    (problem.code(), body).into_response()
}
