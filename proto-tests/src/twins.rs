//! Twin databases: a change through the gateway must leave what the naive statement leaves.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::{error_of, status_of};
use crate::{Client, Gateway, GatewayOptions, Message, Server, catalog, majors};

/// A server of every major, each with a database `shop` of alice's that is made by `setup`.
#[must_use]
pub fn servers(setup: &'static str) -> Vec<Server> {
    let starting: Vec<_> =
        majors().into_iter().map(|major| std::thread::spawn(move || prepared(major, setup))).collect();
    starting.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn prepared(major: u32, setup: &str) -> Server {
    let server = Server::start(major);
    server.sql("postgres", "create database shop owner alice");
    server.sql("shop", "alter schema public owner to alice");
    server.connect("alice", "shop").rows(setup);
    server
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Two equal databases: one to be changed through the gateway, one by the naive statement.
pub struct Twins<'a> {
    /// The server of both.
    pub server: &'a Server,
    /// The gateway to it.
    pub gateway: Gateway,
    /// Changed through the gateway.
    pub safe: String,
    /// Changed by the naive statement.
    pub naive: String,
}

impl<'a> Twins<'a> {
    /// Makes them.
    #[must_use]
    pub fn on(server: &'a Server) -> Self {
        Self::with(server, &GatewayOptions::default())
    }

    /// Makes them, with options for the gateway.
    #[must_use]
    pub fn with(server: &'a Server, options: &GatewayOptions) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = |kind: &str| server.database(&format!("{kind}_{number}"), "shop");
        Self { server, gateway: Gateway::with(server, options), safe: database("safe"), naive: database("naive") }
    }

    /// A client of the gateway's.
    #[must_use]
    pub fn connect(&self) -> Client {
        self.gateway.connect("alice", &self.safe)
    }

    /// What differs after the naive statement ran on the other twin.
    #[must_use]
    pub fn differences(&self, sql: &str, tables: &[&str]) -> Vec<String> {
        self.server.connect("alice", &self.naive).rows(sql);
        let (naive, safe) = (catalog::dump(self.server, &self.naive), catalog::dump(self.server, &self.safe));
        let mut lines = catalog::difference(&naive, &safe);
        for table in tables {
            let sql = format!("select count(*) from {table}");
            if self.server.sql(&self.naive, &sql) != self.server.sql(&self.safe, &sql) {
                lines.push(format!("rows of {table} differ"));
            }
        }
        lines
    }
}

/// The complaint about one statement's replies, if there is one.
#[must_use]
pub fn complaint(sql: &str, tag: &str, replies: &[Message]) -> Option<String> {
    if let Some(error) = error_of(replies) {
        return Some(format!("{sql}: {error:?}"));
    }
    let tags: Vec<_> = replies.iter().filter(|m| m.tag == b'C').map(Message::render).collect();
    if tags != [format!("CommandComplete {tag}")] || status_of(replies) != Some('I') {
        return Some(format!("{sql}: {replies:?}"));
    }
    None
}

/// Runs each statement on twins of its own on every server; the schemas must come out equal, and the rows of `tables`.
/// With `notices` the client must have been told something.
///
/// # Panics
/// Tells all that went wrong.
pub fn run_table(servers: &[Server], table: &[(&str, &str)], tables: &[&str], notices: bool) {
    let mut failures = Vec::new();
    for server in servers {
        for (sql, tag) in table.iter().filter(|(_, tag)| !tag.is_empty()) {
            let twins = Twins::on(server);
            let replies = twins.connect().query(sql);
            let told = replies.iter().any(|m| m.tag == b'N');
            if let Some(text) = complaint(sql, tag, &replies) {
                failures.push(format!("{}: {text}", server.major));
            } else if notices && !told && !crate::gateway::stand_in() {
                failures.push(format!("{}: {sql}: the client was told nothing", server.major));
            } else {
                let lines = twins.differences(sql, tables);
                if !lines.is_empty() {
                    failures.push(format!("{}: {sql}:\n    {}", server.major, lines.join("\n    ")));
                }
            }
            twins.gateway.assert_healthy();
            let (safe, naive) = (&twins.safe, &twins.naive);
            for database in [safe, naive] {
                server.sql("postgres", &format!("drop database \"{database}\" with (force)"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
}
