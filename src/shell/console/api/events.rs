//! What happens to tickets, as server-sent events: each with its position, from which a client goes on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::stream::{Stream, unfold};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;

use super::doors::{About, Doors, asked, gives};
use super::{ApiState, Asked, Identity, Problem, Shared, tickets};
use crate::kernel::review::Power;
use crate::shell::store::{Changed, Recorded};

pub(super) fn doors(doors: Doors) -> Doors {
    let about = asked::<EventsQuery>(gives::<Recorded>("What happens to tickets, as server-sent events"));
    let (_, shape) = about.gives;
    let header = Some(("Last-Event-ID", "position to go on from, as `after`"));
    let about = About { gives: ("text/event-stream", shape), header, ..about };
    doors.get("/v1/events", Power::Read, about, stream)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    /// Position to go on from; absent: from now on.
    after: Option<i64>,
}

/// One listener.
struct Listener {
    api: Arc<ApiState>,
    who: Identity,
    position: i64,
    queue: VecDeque<Recorded>,
    changes: Receiver<Changed>,
}

async fn stream(
    State(api): Shared,
    who: Identity,
    headers: HeaderMap,
    query: Asked<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let Query(query) = query?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    // Watching starts before the position is read, so that nothing falls between.
    let changes = api.tickets.store.watch();
    let position = match last.or(query.after) {
        Some(position) => position,
        None => api.tickets.store.position().await?,
    };
    let listener = Listener { api, who, position, queue: VecDeque::new(), changes };
    let events = unfold(listener, async |mut listener| {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Listener {
    /// Ends when the store cannot be read: the client comes again from where it was.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(recorded) = self.queue.pop_front() {
                let event = Event::default().event(recorded.event.what.name()).id(recorded.seq.to_string());
                return event.json_data(&recorded).ok();
            }
            let (events, last) = tickets::news(&self.api, &self.who, self.position).await.ok()?;
            match last {
                Some(last) => {
                    self.position = last;
                    self.queue.extend(events);
                }
                // A receiver that lags has missed something, which is looked for again.
                None => {
                    let _ = self.changes.recv().await;
                }
            }
        }
    }
}
