//! One test's gateway and database, checked for health at the end.

use std::time::{Duration, Instant};

use crate::client::{Client, Session};
use crate::gateway::{Gateway, GatewayOptions};
use crate::server::{Server, majors};
use crate::wire::Message;

/// A server with a database `fixture`: a small table and one large enough for rewrites.
#[must_use]
pub fn prepared() -> Server {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.sql("postgres", "create database fixture owner alice");
    server.sql("fixture", "alter schema public owner to alice");
    server.connect("alice", "fixture").rows(
        "create table ledger(id int primary key, note text);
         create table orders(id int primary key, amount int);
         insert into orders select g, g from generate_series(1, 300000) g; analyze orders",
    );
    server
}

/// More than any message that is judged, far less than what a client may claim.
const MEMORY_KIB_MAX: u64 = 700 * 1024;

/// A gateway before a database of its own, checked for health at the end.
pub struct Case<'a> {
    /// The gateway.
    pub gateway: Gateway,
    /// The database's name.
    pub database: String,
    server: &'a Server,
}

impl<'a> Case<'a> {
    /// A gateway before a fresh copy of the fixture.
    #[must_use]
    pub fn new(server: &'a Server, name: &str) -> Self {
        Self::with(server, name, &GatewayOptions::default())
    }

    /// The same with options for the gateway.
    #[must_use]
    pub fn with(server: &'a Server, name: &str, options: &GatewayOptions) -> Self {
        Self { gateway: Gateway::with(server, options), database: server.database(name, "fixture"), server }
    }

    /// A session of alice that is not opened yet.
    #[must_use]
    pub fn session(&self) -> Session {
        self.gateway.session("alice", &self.database)
    }

    /// A session of alice.
    #[must_use]
    pub fn connect(&self) -> Client {
        self.gateway.connect("alice", &self.database)
    }

    /// The next session works, the process lives, memory is bounded and nothing is left at the server.
    pub fn assert_well(&self) {
        assert_eq!(self.connect().rows("select 1"), ["1"]);
        self.gateway.assert_healthy();
        if let Some(kib) = self.gateway.memory_kib() {
            assert!(kib < MEMORY_KIB_MAX, "the gateway uses {kib} KiB");
        }
        assert_left(self.server, &self.database);
    }
}

/// Waits until nobody is connected to a database any more, and says who still is.
pub fn assert_left(server: &Server, database: &str) {
    let sql =
        format!("select pid, state, wait_event, left(query, 200) from pg_stat_activity where datname = '{database}'");
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let left = server.sql("postgres", &sql);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "sessions in {database} that outlive their clients: {left:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads whatever comes to the end; a session that neither answers nor ends is a hang.
pub fn drain(client: &mut Client, what: &str) -> Vec<Message> {
    client.patience(Duration::from_secs(15));
    client.half_close();
    let mut seen = Vec::new();
    loop {
        match client.recv() {
            Ok(Some(message)) => seen.push(message),
            Ok(None) => return seen,
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return seen,
            Err(e) => panic!("{what}: neither an answer nor an end: {e}; seen {seen:?}"),
        }
    }
}
