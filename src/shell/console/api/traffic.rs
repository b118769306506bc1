//! What statements of others felt of a change, second by second, and how it went on.

use axum::Json;
use axum::extract::{Path, State};

use super::doors::{Doors, gives};
use super::{Answer, ApiState, Id, Identity, Problem, Shared, jobs, tickets};
use crate::kernel::review::Power;
use crate::shell::console::view::ChangeFull;
use crate::shell::store::{Change, ChangeOf, StoreError};

pub(super) fn doors(doors: Doors) -> Doors {
    let about = gives::<ChangeFull>;
    doors
        .get("/v1/changes/{id}", Power::Read, about("One change, with what others felt of it over time"), change)
        .get("/v1/tickets/{id}/traffic", Power::Read, about("What others felt of a ticket's change over time"), ticket)
        .get("/v1/jobs/{id}/traffic", Power::Read, about("What others felt of a job over time"), job)
}

async fn change(State(api): Shared, who: Identity, id: Id) -> Answer<ChangeFull> {
    let Path(id) = id?;
    let (of, change) = api.tickets.store.change(id).await?;
    who.needs(Power::Read, &change.target, StoreError::NoChange(id))?;
    full(&api, of, Some(change)).await
}

async fn ticket(State(api): Shared, who: Identity, id: Id) -> Answer<ChangeFull> {
    let of = ChangeOf::Ticket(tickets::seen(&api, &who, id, Power::Read).await?.id);
    let change = api.tickets.store.change_of(of.clone()).await?;
    full(&api, of, change).await
}

async fn job(State(api): Shared, who: Identity, id: Id) -> Answer<ChangeFull> {
    let id = jobs::seen(&api, &who, id, Power::Read).await?;
    let ticket = api.tickets.store.job(id).await?.job.order.ticket;
    let of = ChangeOf::job(id, ticket);
    let change = api.tickets.store.change_of(of.clone()).await?;
    full(&api, of, change).await
}

/// While it is followed from memory, which is ahead of the store.
async fn full(api: &ApiState, of: ChangeOf, change: Option<Change>) -> Result<Json<ChangeFull>, Problem> {
    let live = api.jobs.traffic().live(&of);
    let more = live.is_some();
    let traffic = match live {
        Some(live) => Some(live),
        None => api.tickets.store.chart(of).await?.map(|chart| chart.shown()),
    };
    Ok(Json(ChangeFull { change, more, traffic }))
}
