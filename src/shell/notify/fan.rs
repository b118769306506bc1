//! From the store's events to the outbox: a notice of each event, and a delivery for each route and receiver it is for.

use std::time::Duration;

use tokio::sync::watch;

use super::Notifier;
use crate::kernel::job;
use crate::kernel::notice::{
    Audience, JobLine, Notice, SchemaEvent, TicketLine, audience, job_event, job_thread, schema_event, ticket_event,
    ticket_thread,
};
use crate::kernel::review::{self, People, Ticket, TicketId};
use crate::shell::clock::now;
use crate::shell::config::{Notifications, Route, Settings, Way};
use crate::shell::store::{JobRecorded, NewDelivery, Recorded, SchemaFilter, StoreError};

/// Events that are read at a time.
const PAGE: u32 = 100;
/// Between two looks while the store fails.
const PAUSE: Duration = Duration::from_secs(5);

impl Notifier {
    /// Follows until `stop` turns true, and catches up once more then.
    pub(super) async fn fan_out(self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.store.watch();
        let mut job_changes = self.store.watch_jobs();
        let mut schema_changes = self.store.watch_schema();
        loop {
            let stopping = *stop.borrow();
            let failed = match self.catch_up().await {
                Ok(()) => false,
                Err(error) => {
                    tracing::error!(%error, "what happened cannot be notified yet");
                    true
                }
            };
            if stopping {
                return;
            }
            tokio::select! {
                _ = changes.recv(), if !failed => {}
                _ = job_changes.recv(), if !failed => {}
                _ = schema_changes.recv(), if !failed => {}
                _ = stop.wait_for(|on| *on) => {}
                () = tokio::time::sleep(PAUSE), if failed => {}
            }
        }
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            let [mut upto, mut upto_jobs, mut upto_schema] = self.store.notified().await?;
            let events = self.store.events_after(upto, PAGE).await?;
            let jobs = self.store.job_events_after(upto_jobs, PAGE).await?;
            let filter = SchemaFilter { after: Some(upto_schema), limit: PAGE, ..SchemaFilter::default() };
            let (schema, _) = self.store.schema_events(filter).await?;
            if events.is_empty() && jobs.is_empty() && schema.is_empty() {
                return Ok(());
            }
            upto = events.last().map_or(upto, |last| last.seq);
            upto_jobs = jobs.last().map_or(upto_jobs, |last| last.seq);
            upto_schema = schema.last().map_or(upto_schema, |last| last.position);
            let settings = self.settings();
            let mut found = Vec::new();
            if !settings.notifications.routes.is_empty() {
                for event in &events {
                    found.push(self.of_ticket(event).await?);
                }
                for event in &jobs {
                    found.push(self.of_job(event).await?);
                }
                found.extend(schema.into_iter().map(|event| (self.of_schema(event), None)));
                // Both kinds are of one thread where a job is a ticket's.
                found.sort_by_key(|(notice, _)| notice.at);
            }
            let new: Vec<NewDelivery> =
                found.iter().flat_map(|(notice, ticket)| self.deliveries(&settings, notice, ticket.as_ref())).collect();
            let is_any = !new.is_empty();
            self.store.notify(new, [upto, upto_jobs, upto_schema], now()).await?;
            if is_any {
                self.wake();
            }
        }
    }

    /// What an event says of its ticket, as it was then.
    async fn of_ticket(&self, recorded: &Recorded) -> Result<(Notice, Option<Ticket>), StoreError> {
        let ticket = self.ticket_at(recorded.ticket, recorded.version).await?;
        let (event, by, note) = ticket_event(&recorded.event.what);
        let notice = Notice {
            id: self.id(&format!("t{}", recorded.seq)),
            event: event.to_owned(),
            at: recorded.event.at,
            thread: ticket_thread(recorded.ticket),
            by: by.map(str::to_owned),
            note,
            url: format!("{}/tickets/{}", self.base(), recorded.ticket),
            ticket: ticket.as_ref().map(TicketLine::of),
            job: None,
            schema: None,
        };
        Ok((notice, ticket))
    }

    async fn ticket_at(&self, id: TicketId, version: u32) -> Result<Option<Ticket>, StoreError> {
        let events = self.store.events(id).await?;
        let mut events = events.iter().take_while(|event| event.version <= version);
        let first = events.next().and_then(|first| review::begin(id, &first.event));
        Ok(first.map(|first| events.fold(first, |ticket, event| review::evolve(ticket, &event.event))))
    }

    async fn of_job(&self, recorded: &JobRecorded) -> Result<(Notice, Option<Ticket>), StoreError> {
        let now_is = self.store.job(recorded.job).await?.job;
        let events = self.store.job_events(recorded.job).await?;
        // Its order never changes; its state is what the events up to this one made of it.
        let (fresh, _) = job::order(
            now_is.id,
            now_is.order.clone(),
            events.first().map_or(recorded.event.door, |one| one.event.door),
            now_is.created,
        );
        let past = events.iter().skip(1).take_while(|event| event.version <= recorded.version);
        let then = past.fold(fresh, |job, event| job::evolve(job, &event.event));
        let (event, by, note) = job_event(&recorded.event.what);
        let notice = Notice {
            id: self.id(&format!("j{}", recorded.seq)),
            event: event.to_owned(),
            at: recorded.event.at,
            thread: job_thread(&then),
            by: by.map(str::to_owned),
            note,
            url: format!("{}/jobs/{}", self.base(), recorded.job),
            ticket: None,
            job: Some(JobLine::of(&then)),
            schema: None,
        };
        Ok((notice, None))
    }

    fn of_schema(&self, event: SchemaEvent) -> Notice {
        let (name, by, note) = schema_event(&event.change);
        Notice {
            id: self.id(&format!("s{}", event.position)),
            event: name.to_owned(),
            at: event.at,
            thread: event.change.thread(),
            by: by.map(str::to_owned),
            note,
            url: format!("{}/schema-changes/{}", self.base(), event.position),
            ticket: None,
            job: None,
            schema: Some(event),
        }
    }

    /// One for each route and receiver.
    pub(super) fn deliveries(&self, settings: &Settings, notice: &Notice, ticket: Option<&Ticket>) -> Vec<NewDelivery> {
        let Notifications { routes, .. } = &settings.notifications;
        let mut new = Vec::new();
        for route in routes.iter().filter(|route| route.subscription.hears(notice)) {
            let told = if route.literals { notice.clone() } else { notice.clone().concealed() };
            for recipient in recipients(route, notice, ticket, &settings.people) {
                new.push(NewDelivery { route: route.name.clone(), recipient, notice: told.clone() });
            }
        }
        new
    }
}

/// Whom a route tells: its one receiver, and the people it knows by name.
fn recipients(route: &Route, notice: &Notice, ticket: Option<&Ticket>, people: &People) -> Vec<String> {
    let Audience { reviewers, requester } = audience(notice, ticket, people);
    let mut found: Vec<String> = match &route.way {
        Way::Webhook(_) | Way::Teams(_) => vec![String::new()],
        Way::Slack(slack) => {
            let direct = requester.filter(|_| slack.direct).and_then(|profile| profile.slack.clone());
            std::iter::once(String::new()).chain(direct).collect()
        }
        Way::Email(email) => {
            let concerned = reviewers.into_iter().chain(requester).filter_map(|profile| profile.email.clone());
            concerned.chain(email.to.iter().cloned()).collect()
        }
    };
    found.sort();
    found.dedup();
    found
}
