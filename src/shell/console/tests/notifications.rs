//! What was told outside, on its page and at the command line.

use super::http::{CAROL, Gateway, TOKEN, gateway_for_test};
use super::web::{ask, field, signed_in};
use crate::kernel::notice::{Notice, TEST};
use crate::kernel::review::Instant;
use crate::shell::clock::now;
use crate::shell::store::{DeliveryFilter, DeliveryState, NewDelivery, Tried};

pub(super) fn notice(id: u32) -> Notice {
    Notice {
        id: format!("x.{id}"),
        event: TEST.to_owned(),
        at: now(),
        thread: format!("thread-{id} <b>"),
        by: None,
        note: None,
        url: "http://x/".into(),
        ticket: None,
        job: None,
        schema: None,
    }
}

/// One that arrived, one that was given up, one that waits an hour.
async fn with_deliveries() -> Gateway {
    let gateway = gateway_for_test().await;
    let store = &gateway.tickets.store;
    let new = |id| NewDelivery { route: "hook".into(), recipient: String::new(), notice: notice(id) };
    store.notify((1..=3).map(new).collect(), [0; 3], now()).await.expect("takes in");
    let all = store.deliveries(DeliveryFilter::default()).await.expect("reads");
    for delivery in all {
        let tried = match delivery.id {
            1 => Tried::Delivered { reference: None },
            2 => Tried::Dead { why: "the receiver says <i>410</i>".into() },
            _ => Tried::Again { at: now().plus_ms(3_600_000), why: "no answer".into() },
        };
        store.delivery_tried(delivery, tried, now()).await.expect("writes");
    }
    gateway
}

async fn states(gateway: &Gateway) -> Vec<(i64, DeliveryState, u32, Instant)> {
    let all = gateway.tickets.store.deliveries(DeliveryFilter::default()).await.expect("reads");
    all.into_iter().map(|one| (one.id, one.state, one.tries, one.due)).rev().collect()
}

#[tokio::test]
async fn the_page_tells_what_became_of_them_and_tries_again() {
    let gateway = with_deliveries().await;
    let cookie = signed_in(&gateway, TOKEN, "dave").await;
    let page = ask(&gateway, &cookie, "/notifications", None).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for part in [
        "given up",
        "the receiver says &lt;i&gt;410&lt;/i&gt;",
        "no answer",
        "next try in 59 min",
        "delivered",
        "thread-1 &lt;b&gt;",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    assert!(page.body.contains("href=\"/notifications\" aria-current=\"page\""));
    assert_eq!(page.body.matches(">Try again now<").count(), 2, "what has arrived is not sent again");
    let dead = ask(&gateway, &cookie, "/notifications?state=dead&route=hook", None).await.body;
    assert!(dead.contains("#2") && !dead.contains("#1<") && !dead.contains("#3<"), "{dead}");
    assert_eq!(ask(&gateway, &cookie, "/notifications?state=lost", None).await.status, 400);
    let seal = field(&page.body, "seal");
    let forged = ask(&gateway, &cookie, "/notifications/2/retry", Some(&[("seal", "x")])).await;
    assert_eq!(forged.status, 403);
    for id in [2, 3] {
        let done = ask(&gateway, &cookie, &format!("/notifications/{id}/retry"), Some(&[("seal", &seal)])).await;
        assert_eq!((done.status, done.to.as_str()), (303, "/notifications?done=retry"));
    }
    let after = states(&gateway).await;
    let [one, two, three] = after.as_slice() else { panic!("{after:?}") };
    assert_eq!(one.1, DeliveryState::Delivered);
    assert_eq!((two.1, two.2), (DeliveryState::Waiting, 0));
    assert_eq!((three.1, three.2), (DeliveryState::Waiting, 1));
    assert!(three.3 <= now(), "it does not wait for its time");
    let arrived = ask(&gateway, &cookie, "/notifications/1/retry", Some(&[("seal", &seal)])).await;
    assert_eq!(arrived.status, 404);
    assert!(arrived.body.contains("there is no delivery 1 that has not arrived"), "{}", arrived.body);
    let none = ask(&gateway, &cookie, "/notifications/routes/nowhere/test", Some(&[("seal", &seal)])).await;
    assert_eq!((none.status, none.body.contains("there is no route")), (404, true));
}

#[tokio::test]
async fn it_is_for_those_who_may_look_into_it() {
    let gateway = with_deliveries().await;
    let cookie = signed_in(&gateway, CAROL, "").await;
    let page = ask(&gateway, &cookie, "/notifications", None).await;
    let nav = ask(&gateway, &cookie, "/", None).await.body;
    // A reviewer of the older kind may.
    assert_eq!((page.status == 200, page.status), (nav.contains("href=\"/notifications\""), page.status));
    let listed = gateway.verb(TOKEN, "notify list --limit 2").await.expect("runs");
    assert!(listed.contains("More: --before 2"), "{listed}");
    let rest = gateway.verb(TOKEN, "notify list --limit 2 --before 2").await.expect("runs");
    assert!(rest.contains("1  hook") && !rest.contains("More"), "{rest}");
}
