//! Changes as they happen: a stream of server-sent events says that a page is out of date, and the page
//! fetches itself again. A page without scripts is only older.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::problem::Problem;
use super::super::view::{ChangeFull, DeliveryPage, Full, JobFull, JobPage, News};
use super::Web;
use super::login::Viewer;
use super::notifications::Asked;
use crate::kernel::job;
use crate::kernel::review::StateName;

/// How often a page is made again that shows something at work.
const TICK: Duration = Duration::from_secs(1);
/// Seconds that one call of the API may wait.
const WAIT_S: u64 = 30;

#[derive(Deserialize)]
pub(super) struct Seen {
    #[serde(default)]
    version: u32,
}

type Changes<S> = Sse<S>;

/// A stream of `changed` events (a browser tells of none without data), one whenever `next` says so; it ends when the API says no.
fn stream<T, F, N>(start: T, next: F) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    T: Send + 'static,
    F: Fn(T) -> N + Send + 'static,
    N: Future<Output = Result<T, Problem>> + Send + 'static,
{
    let events = unfold(Some((start, next)), |state| async {
        let (position, next) = state?;
        let event = Event::default().event("changed").data("now");
        next(position).await.ok().map(|position| (Ok(event), Some((position, next))))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// What nothing tells of: asked for again and again. The first event comes at the next look, for the page may be older
/// than the first one.
fn polled<T>(web: Web, viewer: Viewer, path: String) -> Changes<impl Stream<Item = Result<Event, Infallible>>>
where
    T: DeserializeOwned + PartialEq + Send + 'static,
{
    stream(None, move |before: Option<T>| {
        let (api, viewer, path) = (web.api.clone(), viewer.clone(), path.clone());
        async move {
            loop {
                let now: T = api.get(viewer.who(), &path).await?;
                if before.as_ref().is_some_and(|before| *before != now) {
                    return Ok(Some(now));
                }
                tokio::time::sleep(TICK).await;
                if before.is_none() {
                    return Ok(Some(now));
                }
            }
        }
    })
}

pub(super) async fn tickets(
    State(web): State<Web>,
    viewer: Viewer,
) -> Changes<impl Stream<Item = Result<Event, Infallible>>> {
    stream(None, move |position: Option<i64>| {
        let (api, viewer) = (web.api.clone(), viewer.clone());
        async move {
            let mut after = match position {
                Some(after) => after,
                None => api.get::<News>(viewer.who(), "/v1/tickets/watch").await?.next,
            };
            loop {
                let path = format!("/v1/tickets/watch?after={after}&timeout_s={WAIT_S}");
                let news: News = api.get(viewer.who(), &path).await?;
                after = news.next;
                if !news.events.is_empty() {
                    return Ok(Some(after));
                }
            }
        }
    })
}

pub(super) async fn ticket(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<i64>,
    Query(seen): Query<Seen>,
) -> Changes<impl Stream<Item = Result<Event, Infallible>>> {
    stream(seen.version, move |version: u32| {
        let (api, viewer) = (web.api.clone(), viewer.clone());
        async move {
            loop {
                let path = format!("/v1/tickets/{id}/wait?version={version}&timeout_s={WAIT_S}");
                let now: Full = api.get(viewer.who(), &format!("/v1/tickets/{id}")).await?;
                if now.ticket.version <= version && now.ticket.state.name() == StateName::Running {
                    tokio::time::sleep(TICK).await;
                    return Ok(version);
                }
                let full: Full = api.get(viewer.who(), &path).await?;
                if full.ticket.version > version {
                    return Ok(full.ticket.version);
                }
            }
        }
    })
}

pub(super) async fn jobs(
    State(web): State<Web>,
    viewer: Viewer,
) -> Changes<impl Stream<Item = Result<Event, Infallible>>> {
    polled::<JobPage>(web, viewer, "/v1/jobs".to_owned())
}

/// What is on the page of notifications: nothing tells of their tries.
pub(super) async fn notifications(
    State(web): State<Web>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Changes<impl Stream<Item = Result<Event, Infallible>>> {
    polled::<DeliveryPage>(web, viewer, asked.path())
}

pub(super) async fn job(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<i64>,
) -> Changes<impl Stream<Item = Result<Event, Infallible>>> {
    stream(None, move |before: Option<JobFull>| {
        let (api, viewer) = (web.api.clone(), viewer.clone());
        async move {
            loop {
                let full: JobFull = api.get(viewer.who(), &format!("/v1/jobs/{id}")).await?;
                if before.as_ref() != Some(&full) {
                    return Ok(Some(full));
                }
                if !full.job.job.state.name().is_live() {
                    return Err(Problem::new(StatusCode::GONE, "the job is over"));
                }
                // What others feel of it changes although nothing else may.
                if full.job.job.state.name() == job::StateName::Running {
                    tokio::time::sleep(TICK).await;
                    return Ok(Some(full));
                }
                let path = format!("/v1/jobs/{id}/wait?version={}&timeout_s={WAIT_S}", full.job.job.version);
                api.get::<JobFull>(viewer.who(), &path).await?;
            }
        }
    })
}

/// As long as a change is followed; the last event comes when it is not any more.
pub(super) async fn change(
    State(web): State<Web>,
    viewer: Viewer,
    Path(id): Path<i64>,
) -> Changes<impl Stream<Item = Result<Event, Infallible>>> {
    stream(true, move |more: bool| {
        let (api, viewer) = (web.api.clone(), viewer.clone());
        async move {
            if !more {
                return Err(Problem::new(StatusCode::GONE, "nothing comes any more"));
            }
            tokio::time::sleep(TICK).await;
            let full: ChangeFull = api.get(viewer.who(), &format!("/v1/changes/{id}")).await?;
            Ok(full.more)
        }
    })
}
