//! Changes of definitions: a page of them, or what comes after a position, which may be waited for.

use axum::Json;
use axum::extract::{Query, State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::doors::{Doors, asked, gives};
use super::{Answer, Asked, Identity, Problem, Shared, deadline};
use crate::kernel::job::JobId;
use crate::kernel::review::{Power, TicketId};
use crate::shell::console::view::SchemaPage;
use crate::shell::store::SchemaFilter;

/// Changes of a page, unless fewer are asked for.
const LIMIT: u32 = 100;

pub(super) fn doors(doors: Doors) -> Doors {
    let about = gives::<SchemaPage>("Which definitions of tables have changed, with what they were and are");
    doors.get("/v1/schema-changes", Power::Read, asked::<SchemaQuery>(about), list)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SchemaQuery {
    /// Those after this position, oldest first; absent: newest first.
    after: Option<i64>,
    /// Without `after`, only smaller positions: `next` of the page before.
    before: Option<i64>,
    /// With `after`: seconds to wait until there is one, at most 60. Absent: answers at once.
    wait: Option<u64>,
    /// Name of the target.
    target: Option<String>,
    /// Table with its schema, or a pattern such as `billing.*`: by the name it had or has.
    table: Option<String>,
    /// Only those of a ticket.
    ticket: Option<i64>,
    /// Only those of a job.
    job: Option<i64>,
    /// At most 100.
    limit: Option<u32>,
}

async fn list(State(api): Shared, who: Identity, query: Asked<SchemaQuery>) -> Answer<SchemaPage> {
    let Query(query) = query?;
    if query.after.is_some() && query.before.is_some() {
        return Err(Problem::bad_request(
            "`after` and `before` do not go together: the one goes forward, the other back",
        ));
    }
    if query.after.is_none() && query.wait.is_some() {
        return Err(Problem::bad_request("`wait` needs `after`: the position after which to wait"));
    }
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    let full = usize::try_from(limit).unwrap_or(usize::MAX);
    let filter = SchemaFilter {
        after: query.after,
        before: query.before,
        target: query.target,
        table: query.table,
        ticket: query.ticket.map(TicketId),
        job: query.job.map(JobId),
        visible: who.visible(),
        limit,
    };
    let store = &api.tickets.store;
    // Watching starts before the first look, so that nothing falls between.
    let mut news = store.watch_schema();
    let deadline = deadline(Some(query.wait.unwrap_or_default()));
    loop {
        let (changes, newest) = store.schema_events(filter.clone()).await?;
        let last = changes.last().map(|event| event.position).filter(|_| changes.len() >= full);
        let next = match query.after {
            // What is not for the one who asks need not be looked at again.
            Some(after) => Some(last.unwrap_or_else(|| newest.max(after))),
            None => last,
        };
        let over = !changes.is_empty() || query.wait.is_none();
        if over || tokio::time::timeout_at(deadline, news.recv()).await.is_err() {
            return Ok(Json(SchemaPage { changes, next, newest }));
        }
    }
}
