//! What a ticket means for others: who uses what it changes, by the record; and what is true of that now.

use axum::Json;
use axum::extract::State;

use super::doors::{Doors, gives};
use super::{Answer, Id, Identity, Shared, sessions, tickets};
use crate::kernel::review::Power;
use crate::kernel::sql::usage::columns_changed;
use crate::shell::audit::usage::{self, Impact, Wanted};
use crate::shell::jobs::FactsNow;

/// Of a longer record only the newest so many bytes are read.
const RECORD_BYTES: u64 = 64 << 20;

pub(super) fn doors(doors: Doors) -> Doors {
    let about = gives::<Impact>("Which applications and roles have used its tables and columns lately");
    let then_and_now = gives::<FactsNow>("What it is about, when it was made and now: its server is asked");
    doors.get("/v1/tickets/{id}/impact", Power::Read, about, show).get(
        "/v1/tickets/{id}/now",
        Power::Read,
        then_and_now,
        now,
    )
}

async fn show(State(api): Shared, who: Identity, id: Id) -> Answer<Impact> {
    let request = tickets::seen(&api, &who, id, Power::Read).await?.request;
    let wanted = Wanted {
        tables: request.facts.relations().map(|one| (one.schema.clone(), one.name.clone())).collect(),
        columns: columns_changed(&request.shown),
        target: request.target,
        database: request.database,
    };
    let connected = api.sessions.connected().into_iter().map(|one| (one.id.to_string(), one.info)).collect();
    let read = sessions::read(&api, move |directory| usage::scan(&directory, &wanted, connected, RECORD_BYTES));
    Ok(Json(read.await?))
}

async fn now(State(api): Shared, who: Identity, id: Id) -> Answer<FactsNow> {
    let ticket = tickets::seen(&api, &who, id, Power::Read).await?;
    Ok(Json(api.jobs.facts_now(&ticket.request).await))
}
