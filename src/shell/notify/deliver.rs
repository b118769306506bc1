//! From the outbox to the receivers: a task for each route, several threads at a time, each thread in its order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::{Failure, Notifier, Sent, email, slack, teams, texts, webhook};
use crate::kernel::review::Instant;
use crate::shell::clock::now;
use crate::shell::config::{Route, Way};
use crate::shell::store::{Delivery, NewDelivery, Tried};

/// Messages that are under way on one route.
const AT_ONCE: u32 = 8;
/// The first pause after a failure, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// Between two looks while the store fails.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// The longest timer: a clock that was set is noticed after it.
const TIMER_MAX: Duration = Duration::from_secs(60);
/// Between two times of forgetting what is long over.
const FORGET: Duration = Duration::from_secs(3_600);

impl Notifier {
    /// Keeps a task for each route there is, until `stop` turns true.
    pub(super) async fn deliver(&self, mut stop: watch::Receiver<bool>) {
        let mut settings = self.settings.clone();
        let mut tasks: HashMap<String, JoinHandle<()>> = HashMap::new();
        loop {
            settings.mark_unchanged();
            for route in self.routes() {
                let gone = tasks.get(&route.name).is_none_or(JoinHandle::is_finished);
                if gone {
                    let task = tokio::spawn(self.clone().deliver_on(route.name.clone(), stop.clone()));
                    tasks.insert(route.name.clone(), task);
                }
            }
            self.forget().await;
            tokio::select! {
                _ = stop.wait_for(|on| *on) => break,
                changed = settings.changed() => if changed.is_err() { break },
                () = tokio::time::sleep(FORGET) => {}
            }
        }
        for task in tasks.into_values() {
            let _ = task.await;
        }
    }

    /// What is long over, and what waits for a route that is gone.
    async fn forget(&self) {
        let keep = i64::try_from(self.settings().notifications.keep.as_micros()).unwrap_or(i64::MAX);
        let names = self.routes().iter().map(|route| route.name.clone()).collect();
        let forgotten = async {
            self.store.deliveries_forget(Instant(now().0.saturating_sub(keep))).await?;
            if let Some(keep) = self.settings().notifications.keep_definitions {
                let ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
                self.store.schema_forget(now().minus_ms(ms)).await?;
            }
            self.store.deliveries_drop_routes(names, now()).await
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "old notifications cannot be forgotten");
        }
    }

    async fn deliver_on(self, name: String, mut stop: watch::Receiver<bool>) {
        let mut news = self.news.subscribe();
        let mut settings = self.settings.clone();
        loop {
            news.mark_unchanged();
            settings.mark_unchanged();
            let Some(route) = self.settings().notifications.route(&name).cloned() else { return };
            let wait = match self.deliver_due(&route).await {
                Ok(None) => TIMER_MAX,
                Ok(Some(next)) => Duration::from_millis(next.ms_since(now())).min(TIMER_MAX),
                Err(error) => {
                    tracing::error!(route = name, %error, "notifications cannot be read or written down");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|on| *on) => return,
                _ = news.changed() => {}
                _ = settings.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Tries what is due, and says when the next is.
    async fn deliver_due(&self, route: &Arc<Route>) -> Result<Option<Instant>, crate::shell::store::StoreError> {
        let (due, next) = self.store.deliveries_due(route.name.clone(), now(), AT_ONCE).await?;
        let is_none = due.is_empty();
        let mut tries = JoinSet::new();
        for delivery in due {
            let (notifier, route) = (self.clone(), route.clone());
            tries.spawn(async move { notifier.try_one(route, delivery).await });
        }
        while let Some(tried) = tries.join_next().await {
            if let Ok(tried) = tried {
                tried?;
            }
        }
        // Behind each of them another may have waited.
        Ok(if is_none { next } else { Some(now()) })
    }

    async fn try_one(&self, route: Arc<Route>, delivery: Delivery) -> Result<(), crate::shell::store::StoreError> {
        let reference = self.store.message_of(&delivery).await?;
        let Delivery { route: name, recipient, notice, .. } = delivery.clone();
        let sent = self.send(route, NewDelivery { route: name, recipient, notice }, reference).await;
        let give_up = self.settings().notifications.give_up;
        let tried = match sent {
            Ok(Sent { reference }) => Tried::Delivered { reference },
            Err(failure) => after(&delivery, failure, now(), give_up),
        };
        match &tried {
            Tried::Delivered { .. } => {}
            Tried::Again { why, .. } => {
                tracing::warn!(delivery = delivery.id, route = delivery.route, why, "a notification is tried again");
            }
            Tried::Dead { why } => {
                tracing::error!(delivery = delivery.id, route = delivery.route, why, "a notification is given up");
            }
        }
        self.store.delivery_tried(delivery, tried, now()).await
    }

    /// One try, off the runtime's thread.
    pub(super) async fn send(
        &self,
        route: Arc<Route>,
        new: NewDelivery,
        reference: Option<String>,
    ) -> Result<Sent, Failure> {
        let settings = self.settings();
        let task = tokio::task::spawn_blocking(move || {
            let NewDelivery { recipient, notice, .. } = &new;
            let notifications = &settings.notifications;
            let timeout = notifications.timeout;
            if let Way::Webhook(webhook) = &route.way {
                return webhook::send(webhook, notice, now(), timeout);
            }
            let notice = &texts::printable_notice(notice);
            let texts = texts::render(notice, &notifications.templates).map_err(Failure::again)?;
            match &route.way {
                Way::Webhook(_) => Ok(Sent::default()),
                Way::Slack(one) => slack::send(one, notice, &texts, (recipient, reference.as_deref()), timeout),
                Way::Teams(endpoint) => teams::send(endpoint, notice, &texts, timeout),
                Way::Email(one) => email::send(one, notice, &texts, (recipient, reference.is_some()), timeout),
            }
        });
        task.await.unwrap_or_else(|error| Err(Failure::again(format!("the try ended early: {error}"))))
    }
}

/// What follows from a failure: another try after a growing pause, until its time is over.
fn after(delivery: &Delivery, failure: Failure, now: Instant, give_up: Duration) -> Tried {
    let Failure { why, after, fatal } = failure;
    let waited = Duration::from_millis(now.ms_since(delivery.created));
    if fatal || waited >= give_up {
        return Tried::Dead { why };
    }
    let pauses = ExponentialBuilder::default()
        .with_min_delay(PAUSE_MIN)
        .with_max_delay(PAUSE_MAX)
        .with_jitter()
        .without_max_times()
        .build();
    let tries = usize::try_from(delivery.tries.min(32)).unwrap_or(32);
    let pause = pauses.into_iter().nth(tries).unwrap_or(PAUSE_MAX);
    let pause = after.map_or(pause, |after| after.max(pause)).min(give_up.saturating_sub(waited));
    Tried::Again { at: now.plus_ms(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)), why }
}
