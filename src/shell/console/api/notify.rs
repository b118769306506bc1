//! Notifications at the admin door: which routes there are, what was delivered, what was given up.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;

use super::doors::{Doors, asked, gives};
use super::{Answer, Asked, Id, Identity, Name, Problem, Shared};
use crate::kernel::review::Power;
use crate::shell::clock::now;
use crate::shell::console::view::{DeliveryPage, NotifyPage, NotifyRoute, Tested};
use crate::shell::store::{DeliveryFilter, DeliveryState};

/// Deliveries of a page, unless fewer are asked for.
const LIMIT: u32 = 200;

pub(super) fn doors(doors: Doors) -> Doors {
    let list = asked::<DeliveryQuery>(gives::<DeliveryPage>("List notifications, newest first"));
    doors
        .get("/v1/notify", Power::Audit, gives::<NotifyPage>("List the routes of notifications"), routes)
        .post("/v1/notify/{name}/test", Power::Operate, gives::<Tested>("Send a message on a route, now"), test)
        .get("/v1/deliveries", Power::Audit, list, deliveries)
        .post(
            "/v1/deliveries/{id}/retry",
            Power::Operate,
            gives::<DeliveryPage>("Try a notification now that has not arrived"),
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

async fn routes(State(api): Shared) -> Answer<NotifyPage> {
    let counted = api.tickets.store.deliveries_counted().await?;
    let counts = |name: &str| counted.get(name).copied().unwrap_or_default();
    let routes = api.notifier.routes();
    Ok(Json(NotifyPage { routes: routes.iter().map(|route| NotifyRoute::of(route, counts(&route.name))).collect() }))
}

async fn test(State(api): Shared, who: Identity, name: Name) -> Answer<Tested> {
    let Path(name) = name.map_err(|rejected| Problem::bad_request(&rejected.body_text()))?;
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
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    let filter = DeliveryFilter { state, route: query.route, before: query.before, limit };
    let deliveries = api.tickets.store.deliveries(filter).await?;
    let full = usize::try_from(limit).is_ok_and(|limit| deliveries.len() >= limit);
    let next = deliveries.last().filter(|_| full).map(|delivery| delivery.id);
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
