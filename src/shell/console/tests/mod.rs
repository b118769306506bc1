//! The doors from outside: sessions against reviewers, real HTTP over loopback, and what the terminal shows.

mod asking;
mod definitions;
mod http;
mod live;
mod notifications;
mod roles;
mod terminal;
mod web;

use super::ask::{Settings, Tickets};
use crate::kernel::review::tests::request_for_test;
use crate::kernel::review::{Command, Terms, TicketId};
use crate::shell::clock::now;
use crate::shell::store::{FILE, Store};

async fn tickets_for_test(terms: Terms) -> (tempfile::TempDir, Tickets) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(&directory.path().join(FILE)).await.expect("opens");
    let tickets = Tickets::new(store, Settings { terms, ..Settings::default() });
    (directory, tickets)
}

async fn act(tickets: &Tickets, id: TicketId, command: Command) {
    tickets.store.act(id, command, now(), tickets.settings().terms).await.expect("counts");
}

fn approve(by: &str) -> Command {
    Command::Approve { by: by.into(), note: None, seen_hash: None }
}

async fn opened(tickets: &Tickets) -> TicketId {
    tickets.request(request_for_test()).await.expect("opens").0.id
}
