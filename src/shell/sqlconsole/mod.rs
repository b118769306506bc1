//! A console in SQL: a database that is not there. `psql` or any driver connects to it, selects from views of tickets,
//! jobs and sessions, and decides by calling functions. What somebody sees and may do is what the API lets them: every
//! row comes from it, and every verb is one call of it.
//!
//! A text is accepted by PostgreSQL's grammar, read as a tree, translated (`translate`), and answered by an engine in
//! memory (`engine`) that is filled for each query (`load`) and holds nothing between two.

mod catalog;
mod engine;
mod extended;
mod load;
mod outcome;
mod rows;
mod schema;
mod settings;
mod statement;
mod time;
mod translate;
mod types;
mod verbs;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::types::Value;
use tokio::sync::{Semaphore, watch};

use self::catalog::Asker;
use self::extended::{Portal, Prepared};
use self::load::Door;
use super::audit::{EndReason, SessionLog};
use super::cancel::Registration;
use super::console::view::{Me, Page};
use super::console::{Caller, Inside, Problem};
use super::side::Side;
use crate::kernel::review::Power;
use crate::kernel::wire::frame::{self, HEADER, client as tags};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::{message, served};

/// Longest message, in bytes.
const MESSAGE_MAX: usize = 1 << 20;
/// Bytes of answers that are collected before they are sent.
const OUT_MAX: usize = 256 << 10;
/// Queries that are answered at a time, by all sessions: each takes a thread and memory.
const AT_WORK: usize = 4;

/// What all sessions of the console share.
#[derive(Clone)]
pub struct Shared {
    api: Inside,
    at_work: Arc<Semaphore>,
}

impl Shared {
    #[must_use]
    pub fn new(api: Inside) -> Self {
        Self { api, at_work: Arc::new(Semaphore::new(AT_WORK)) }
    }

    /// Whether the API knows the caller.
    ///
    /// # Errors
    /// What it says if not.
    pub async fn knows(&self, caller: &Caller, address: IpAddr) -> Result<Me, Problem> {
        self.api.get((caller, address), "/v1/me").await
    }
}

/// Somebody who was let in.
pub struct Guest {
    pub caller: Caller,
    pub address: IpAddr,
    pub me: Me,
    /// User name, database and application, as the client gave them.
    pub login: String,
    pub database: String,
    pub settings: Vec<(String, String)>,
    /// How they proved who they are.
    pub method: &'static str,
    /// A session without a statement for so long ends; zero: never.
    pub idle: Duration,
}

/// Whether statements are in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    Open,
    Failed,
}

/// Why a session ends.
struct End {
    reason: EndReason,
    last: Option<Reply>,
}

/// One session.
pub struct Console {
    client: Side,
    log: SessionLog,
    cancel: Registration,
    draining: watch::Receiver<bool>,
    door: Door,
    /// In whose name, where the API has to be told.
    by: Option<String>,
    asker: Asker,
    me: Vec<Value>,
    at_work: Arc<Semaphore>,
    idle: Duration,
    /// Versions of tickets as they were shown last.
    seen: HashMap<i64, u32>,
    block: Block,
    prepared: HashMap<String, Prepared>,
    portals: HashMap<String, Portal>,
    /// After an error, up to the next Sync.
    skipping: bool,
    sent_before: u64,
    taken: u64,
}

impl Console {
    /// After authentication: the greeting, up to the first ReadyForQuery.
    pub async fn open(
        client: Side,
        guest: Guest,
        (log, cancel): (SessionLog, Registration),
        (shared, draining): (&Shared, watch::Receiver<bool>),
    ) -> Self {
        let Guest { caller, address, me, login, database, settings: wanted, method, idle } = guest;
        let name = me.reviewer.clone().unwrap_or_else(|| login.clone());
        let powers = me.powers.iter().map(|power| power.as_str());
        let own = [name.clone(), login.clone(), method.to_owned(), types::array(powers)].map(Value::Text).to_vec();
        let sent_before = client.sent;
        let mut console = Self {
            client,
            log,
            cancel,
            draining,
            door: Door { api: shared.api.clone(), caller, address },
            by: me.reviewer.is_none().then(|| login.clone()),
            asker: Asker { name, login, database, settings: settings::defaults() },
            me: own,
            at_work: Arc::clone(&shared.at_work),
            idle,
            seen: HashMap::new(),
            block: Block::None,
            prepared: HashMap::new(),
            portals: HashMap::new(),
            skipping: false,
            sent_before,
            taken: 0,
        };
        for (name, value) in wanted {
            // What cannot be kept is told when it is set again; a session can begin without it.
            if let Err(reply) = settings::set(&mut console.asker.settings, &name, Some(&value)) {
                console.tell(Reply::warning(reply.message));
            }
        }
        console.greet(&me).await;
        console
    }

    async fn greet(&mut self, me: &Me) {
        for (name, value) in &self.asker.settings {
            if settings::REPORTED.contains(&name.as_str()) {
                served::put_parameter_status(&mut self.client.out, name, value);
            }
        }
        served::put_parameter_status(&mut self.client.out, "session_authorization", &self.asker.name);
        let (process, key) = self.cancel.key();
        served::put_key(&mut self.client.out, *process, key);
        let mut text = format!("Lockkeeper: you are {}", self.asker.name);
        if me.powers.contains(&Power::Decide) {
            let waiting: Result<Page, Reply> = self.door.get("/v1/tickets?waiting_for_me=true&limit=200").await;
            if let Ok(page) = waiting {
                let count = page.tickets.len();
                let more = if page.next.is_some() && count >= 200 { " or more" } else { "" };
                text += &format!("; {count}{more} changes wait for you");
            }
        }
        self.tell(Reply::notice(text).hint("SELECT * FROM help; \\dv lists the views, \\df the verbs."));
        self.ready();
    }

    /// NOTICEs and errors go where answers go, in order.
    fn tell(&mut self, reply: Reply) {
        reply.put(&mut self.client.out);
    }

    fn ready(&mut self) {
        let status = match self.block {
            Block::None => b'I',
            Block::Open => b'T',
            Block::Failed => b'E',
        };
        served::put_ready(&mut self.client.out, status);
    }

    /// Until either side ends it.
    pub async fn run(mut self) {
        let end = self.serve().await;
        self.log.set_end(end.reason);
        if let Some(reply) = end.last {
            self.tell(reply);
        }
        if end.reason != EndReason::ClientGone {
            super::side::farewell(&mut self.client).await;
        }
        self.log.add_bytes(self.taken, self.client.sent.saturating_sub(self.sent_before));
    }

    async fn serve(&mut self) -> End {
        loop {
            let frame = match self.next().await {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            let tag = frame.first().copied().unwrap_or_default();
            let body = frame.get(HEADER..).unwrap_or_default();
            let done = match tag {
                tags::TERMINATE => return End { reason: EndReason::Terminated, last: None },
                tags::SYNC => {
                    self.skipping = false;
                    self.ready();
                    Ok(())
                }
                tags::FLUSH => Ok(()),
                // Copy data of a COPY that was refused.
                tags::COPY_DATA | tags::COPY_DONE | tags::COPY_FAIL => Ok(()),
                _ if self.skipping => Ok(()),
                tags::QUERY => match message::query(body) {
                    Ok(text) => self.simple(text).await,
                    Err(bad) => Err(violation(bad.0)),
                },
                tags::PARSE | tags::BIND | tags::DESCRIBE | tags::EXECUTE | tags::CLOSE => {
                    self.extended(tag, body).await
                }
                tags::FUNCTION_CALL => {
                    self.tell(Reply::error(sqlstate::FEATURE_NOT_SUPPORTED, "the console has no fast-path functions"));
                    self.ready();
                    Ok(())
                }
                other => Err(violation(&format!("invalid frontend message type {other}"))),
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// The next message. What is owed is sent before anything is waited for.
    async fn next(&mut self) -> Result<Bytes, End> {
        loop {
            let header = frame::header(&self.client.held, |tag| frame::client_length_max(tag).min(MESSAGE_MAX));
            let header = header.map_err(|_| violation("invalid message length, or a message longer than 1 MiB"))?;
            if let Some(header) = header.filter(|header| self.client.held.len() >= header.total()) {
                if self.client.out.len() > OUT_MAX {
                    self.send().await?;
                }
                self.taken += header.total() as u64;
                return Ok(self.client.held.split_to(header.total()).freeze());
            }
            self.send().await?;
            let idle = self.idle;
            let silent =
                async { if idle.is_zero() { std::future::pending().await } else { tokio::time::sleep(idle).await } };
            tokio::select! {
                biased;
                _ = self.draining.wait_for(|on| *on) => return Err(stopping()),
                received = self.client.receive() => match received {
                    Ok(0) | Err(_) => return Err(gone()),
                    Ok(_) => {}
                },
                () = silent => {
                    let last = Reply::fatal("57P05", "terminating connection: it was idle for too long");
                    return Err(End { reason: EndReason::TimedOut, last: Some(last) });
                }
            }
        }
    }

    /// Sends what is owed. A client that does not read is waited for, until the gateway stops.
    async fn send(&mut self) -> Result<(), End> {
        tokio::select! {
            biased;
            sent = self.client.drain() => sent.map_err(|_| gone()),
            _ = self.draining.wait_for(|on| *on) => Err(stopping()),
        }
    }
}

fn violation(what: &str) -> End {
    let last = Reply::fatal(sqlstate::PROTOCOL_VIOLATION, what);
    End { reason: EndReason::ProtocolError, last: Some(last) }
}

fn gone() -> End {
    End { reason: EndReason::ClientGone, last: None }
}

fn stopping() -> End {
    let last = Reply::fatal(sqlstate::ADMIN_SHUTDOWN, "terminating connection: the gateway stops");
    End { reason: EndReason::GatewayStopping, last: Some(last) }
}
