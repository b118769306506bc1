//! Notifications: what happens to tickets, jobs and definitions is told to people and programs outside.
//!
//! [`fan`] follows the store's events and puts what has to be told into its outbox, in the same transaction in which it
//! moves on; [`deliver`] empties the outbox, route by route. So nothing is lost over a crash, and a message goes out
//! twice only if the process died between sending it and writing that down. No session ever waits for any of it.

mod deliver;
mod email;
mod fan;
mod http;
pub mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod texts;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::clock::now;
use super::config::{Route, Settings, Way};
use super::store::{NewDelivery, Store, StoreError};
use crate::kernel::notice::{Notice, TEST};

/// The notifications of this process. Clones share them.
#[derive(Clone)]
pub struct Notifier {
    store: Store,
    settings: watch::Receiver<Arc<Settings>>,
    /// What tells this gateway's events from another's.
    instance: Arc<str>,
    /// Where the review page is if the configuration does not say.
    admin: SocketAddr,
    /// Changes when there is something to send.
    news: watch::Sender<()>,
}

/// What became of a message that was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sent {
    /// By what the receiver knows it.
    reference: Option<String>,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    why: String,
    /// How long the receiver wants to be left alone.
    after: Option<Duration>,
    /// It never will be.
    fatal: bool,
}

impl Failure {
    fn again(why: String) -> Self {
        Self { why, after: None, fatal: false }
    }
}

impl Notifier {
    /// Goes on where the last run stopped. `fresh`: a random word.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub async fn new(
        store: Store,
        settings: watch::Receiver<Arc<Settings>>,
        admin: SocketAddr,
        fresh: String,
    ) -> Result<Self, StoreError> {
        let instance = store.instance(fresh).await?.into();
        // From here on nothing is missed, even if it happens before anybody follows.
        store.notified().await?;
        Ok(Self { store, settings, instance, admin, news: watch::Sender::new(()) })
    }

    /// Follows and sends until `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let fan = tokio::spawn(self.clone().fan_out(stop.clone()));
        self.deliver(stop).await;
        // It ends by the same word.
        let _ = fan.await;
    }

    /// The routes as configured now.
    #[must_use]
    pub fn routes(&self) -> Vec<Arc<Route>> {
        self.settings.borrow().notifications.routes.clone()
    }

    /// Sends a message on a route at once, and says whether it arrived. `mail`: where mail goes on a route that names
    /// nobody.
    ///
    /// # Errors
    /// Why it did not.
    pub async fn test(&self, route: &Arc<Route>, by: Option<&str>, mail: Option<&str>) -> Result<(), String> {
        let at = now();
        let notice = Notice {
            id: self.id(&format!("test{}", at.0)),
            event: TEST.to_owned(),
            at,
            thread: format!("test-{}", at.0),
            by: by.map(str::to_owned),
            note: Some(format!("This is a test of the route {}.", route.name)),
            url: format!("{}/", self.base()),
            ticket: None,
            job: None,
            schema: None,
        };
        let recipients = match &route.way {
            Way::Email(email) if email.to.is_empty() => vec![mail.map(str::to_owned).ok_or(
                "the route names no receivers: give yourself an `email` under [[people]], or the route a `to`",
            )?],
            Way::Email(email) => email.to.clone(),
            Way::Webhook(_) | Way::Slack(_) | Way::Teams(_) => vec![String::new()],
        };
        for recipient in recipients {
            let new = NewDelivery { route: route.name.clone(), recipient, notice: notice.clone() };
            self.send(route.clone(), new, None).await.map_err(|failure| failure.why)?;
        }
        Ok(())
    }

    /// Something is to be sent.
    pub fn wake(&self) {
        self.news.send_replace(());
    }

    fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// The id of an event outside.
    fn id(&self, event: &str) -> String {
        format!("{}.{event}", self.instance)
    }

    /// Where the review page is.
    fn base(&self) -> String {
        let settings = self.settings.borrow();
        settings.notifications.url.clone().unwrap_or_else(|| format!("http://{}", self.admin))
    }
}
