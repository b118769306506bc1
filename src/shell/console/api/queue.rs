//! The queue, page by page: what somebody looks for, and of that what waits for them.

use axum::Json;
use axum::extract::{Query, State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, Asked, Identity, Problem, Shared};
use crate::kernel::review::{StateName, Ticket, TicketId};
use crate::shell::console::view::{Page, Summary};
use crate::shell::store::{Filter, PAGE_MAX};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "TicketQuery")]
pub(super) struct Wanted {
    /// Names of states, with commas.
    state: Option<String>,
    /// Login, or person behind it.
    requester: Option<String>,
    /// Name of the target.
    target: Option<String>,
    /// One label.
    label: Option<String>,
    /// Words to find in statements, tables, names, comments: all of them, each as a beginning.
    q: Option<String>,
    /// True: only those somebody has to look at afterwards.
    owed: Option<bool>,
    /// True: only those that the caller can still approve.
    waiting_for_me: Option<bool>,
    /// Only tickets with a smaller number: `next` of the page before.
    before: Option<i64>,
    /// At most 200.
    limit: Option<u32>,
}

pub(super) async fn list(State(api): Shared, who: Identity, query: Asked<Wanted>) -> Answer<Page> {
    let Query(query) = query?;
    let mut states = Vec::new();
    for word in query.state.iter().flat_map(|words| words.split(',')) {
        let unknown = || Problem::bad_request(&format!("there is no state {word:?}"));
        states.push(StateName::parse(word).ok_or_else(unknown)?);
    }
    let waiting = query.waiting_for_me.unwrap_or(false);
    let limit = query.limit.filter(|limit| *limit > 0).unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let room = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut filter = Filter {
        states: if waiting { vec![StateName::Pending] } else { states },
        requester: query.requester,
        target: query.target,
        label: query.label,
        text: query.q,
        owed: query.owed.unwrap_or(false),
        visible: who.visible(),
        before: query.before.map(TicketId),
        limit,
    };
    let mut tickets: Vec<Ticket> = Vec::new();
    // What waits for somebody else takes no room on the page.
    let mut next = loop {
        let found = api.tickets.store.list(filter.clone()).await?;
        let last = found.last().map(|ticket| ticket.id).filter(|_| found.len() >= room);
        tickets.extend(found.into_iter().filter(|ticket| !waiting || who.can_approve(ticket)));
        if last.is_none() || tickets.len() >= room {
            break last;
        }
        filter.before = last;
    };
    if tickets.len() > room {
        tickets.truncate(room);
        next = tickets.last().map(|ticket| ticket.id);
    }
    Ok(Json(Page { tickets: tickets.iter().map(Summary::of).collect(), next }))
}
