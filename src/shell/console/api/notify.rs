//! Notifications at the admin door: which routes there are, what was delivered, what was given up.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::doors::{Doors, asked, gives};
use super::{Answer, Asked, Id, Identity, Problem, Shared};
use crate::kernel::review::Power;
use crate::shell::clock::now;
use crate::shell::console::view::{DeliveryPage, NotifyPage, NotifyRoute, Tested};
use crate::shell::store::{DeliveryFilter, DeliveryState};

pub(super) fn doors(doors: Doors) -> Doors {
    let list = asked::<DeliveryQuery>(gives::<DeliveryPage>("List notifications, newest first"));
    doors
        .get("/v1/notify", Power::Audit, gives::<NotifyPage>("List the routes of notifications"), routes)
        .post("/v1/notify/{name}/test", Power::Operate, gives::<Tested>("Send a message on a route, now"), test)
        .get("/v1/deliveries", Power::Audit, list, deliveries)
        .post(
            "/v1/deliveries/{id}/retry",
            Power::Operate,
            gives::<DeliveryPage>("Try a notification again that was given up"),
            retry,
        )
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeliveryQuery {
    /// `waiting`, `delivered` or `dead`.
    state: Option<String>,
    /// Name of one route.
    route: Option<String>,
    /// Only deliveries with a smaller number: `next` of the page before.
    before: Option<i64>,
    /// At most 200.
    limit: Option<u32>,
}

async fn routes(State(api): Shared) -> Json<NotifyPage> {
    let routes = api.notifier.routes();
    Json(NotifyPage { routes: routes.iter().map(|route| NotifyRoute::of(route)).collect() })
}

async fn test(State(api): Shared, who: Identity, Path(name): Path<String>) -> Answer<Tested> {
    let routes = api.notifier.routes();
    let unknown = || Problem::new(StatusCode::NOT_FOUND, &format!("there is no route {name:?} under [[notify]]"));
    let route = routes.iter().find(|route| route.name == name).ok_or_else(unknown)?;
    let people = api.jobs.people();
    let mail = who.name().and_then(|name| people.find(name)).and_then(|profile| profile.email.as_deref());
    match api.notifier.test(route, who.name(), mail).await {
        Ok(()) => Ok(Json(Tested { route: name })),
        Err(why) => Err(Problem::new(StatusCode::BAD_GATEWAY, &why)),
    }
}

async fn deliveries(State(api): Shared, query: Asked<DeliveryQuery>) -> Answer<DeliveryPage> {
    let Query(query) = query?;
    let unknown = |word: &str| Problem::bad_request(&format!("there is no state {word:?} of a delivery"));
    let state = query.state.map(|word| DeliveryState::parse(&word).ok_or_else(|| unknown(&word))).transpose()?;
    let filter =
        DeliveryFilter { state, route: query.route, before: query.before, limit: query.limit.unwrap_or_default() };
    let deliveries = api.tickets.store.deliveries(filter).await?;
    let next = deliveries.last().map(|delivery| delivery.id);
    Ok(Json(DeliveryPage { deliveries, next }))
}

async fn retry(State(api): Shared, id: Id) -> Answer<DeliveryPage> {
    let Path(id) = id?;
    let store = &api.tickets.store;
    store.delivery_retry(id, now()).await?;
    api.notifier.wake();
    let filter = DeliveryFilter { before: Some(id.saturating_add(1)), limit: 1, ..DeliveryFilter::default() };
    Ok(Json(DeliveryPage { deliveries: store.deliveries(filter).await?, next: None }))
}
