//! The verbs of notifications on the command line.

use std::io::Write;

use super::super::api::Body;
use super::super::client::Client;
use super::super::text::{encoded, line};
use super::super::view::{DeliveryPage, NotifyPage, Tested};
use super::{CliError, Connection, EXIT_CODES, print_json};
use crate::shell::store::{Delivery, DeliveryCounts, DeliveryState};

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct NotifyArgs {
    #[command(subcommand)]
    pub command: NotifyCommand,
    /// As JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub connection: Connection,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum NotifyCommand {
    /// List the routes: who hears what, by which way
    Routes,
    /// Send a message on a route now, and say whether it arrived
    Test {
        /// Name of the route
        name: String,
    },
    /// List what was to be told, newest first
    List {
        /// Only those that are waiting, delivered or dead (given up)
        #[arg(long, value_name = "STATE", value_parser = ["waiting", "delivered", "dead"])]
        state: Option<String>,
        /// Only those of this route
        #[arg(long, value_name = "NAME")]
        route: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Only smaller numbers: the next page
        #[arg(long, value_name = "N")]
        before: Option<i64>,
    },
    /// Try one now that was given up, or that waits for its next try
    Retry {
        /// Number of the delivery
        #[arg(value_name = "N")]
        id: i64,
    },
}

pub(super) fn notify(client: &Client, args: &NotifyArgs, out: &mut dyn Write) -> Result<(), CliError> {
    match &args.command {
        NotifyCommand::Routes => {
            let page: NotifyPage = client.get("/v1/notify")?;
            if args.json {
                return print_json(&page.routes, out);
            }
            if page.routes.is_empty() {
                writeln!(out, "There are no routes: add [[notify]] to the configuration.")?;
            }
            for route in &page.routes {
                let (kind, events) = (line(&route.kind), line(&route.events.join(", ")));
                let DeliveryCounts { waiting, delivered, dead } = route.counts;
                let counts = format!("{waiting} waiting, {delivered} delivered, {dead} given up");
                writeln!(out, "{} ({kind}): {events}; {counts}", line(&route.name))?;
            }
            Ok(())
        }
        NotifyCommand::Test { name } => {
            let tested: Tested = client.post(&format!("/v1/notify/{}/test", encoded(name)), &Body::default())?;
            if args.json {
                return print_json(&tested, out);
            }
            Ok(writeln!(out, "A message was sent on the route {}.", line(&tested.route))?)
        }
        NotifyCommand::List { state, route, limit, before } => {
            let mut path = format!("/v1/deliveries?limit={limit}");
            for (key, value) in [("state", state), ("route", route)] {
                path.extend(value.iter().map(|value| format!("&{key}={}", encoded(value))));
            }
            path.extend(before.iter().map(|before| format!("&before={before}")));
            list(&client.get(&path)?, args, out)
        }
        NotifyCommand::Retry { id } => {
            let page = client.post(&format!("/v1/deliveries/{id}/retry"), &Body::default())?;
            list(&page, args, out)
        }
    }
}

fn list(page: &DeliveryPage, args: &NotifyArgs, out: &mut dyn Write) -> Result<(), CliError> {
    if args.json {
        return print_json(&page.deliveries, out);
    }
    for delivery in &page.deliveries {
        writeln!(out, "{}", shown(delivery))?;
    }
    if let Some(next) = page.next {
        writeln!(out, "More: --before {next}")?;
    }
    Ok(())
}

fn shown(delivery: &Delivery) -> String {
    let Delivery { id, route, recipient, state, tries, notice, problem, .. } = delivery;
    let to = if recipient.is_empty() { String::new() } else { format!(" to {}", line(recipient)) };
    let state = match state {
        DeliveryState::Waiting if *tries > 0 => format!("waiting, next try {}", delivery.due.utc()),
        DeliveryState::Waiting | DeliveryState::Delivered | DeliveryState::Dead => state.as_str().to_owned(),
    };
    let tries = if *tries > 1 { format!(" after {tries} tries") } else { String::new() };
    let problem = problem.as_ref().map_or_else(String::new, |why| format!(": {}", line(why)));
    format!("{id}  {}{to}  {} ({})  {state}{tries}{problem}", line(route), line(&notice.event), line(&notice.thread))
}
