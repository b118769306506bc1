//! Plays a script against an address and returns everything that came back.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Client, Session, Target};
use crate::gateway::Gateway;
use crate::process::wait_until;
use crate::script::{self, Kind, Script};
use crate::server::Server;
use crate::wire::Message;

/// How the bytes of a script are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Each message in one write.
    ByMessage,
    /// Each byte in a write of its own.
    ByByte,
    /// As many messages as possible in one write, before their replies are read.
    AtOnce,
}

/// Where a script is played.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// What the clients connect to: the gateway or the server itself.
    pub address: SocketAddr,
    /// The server, for questions asked behind the gateway's back.
    pub server: &'a Server,
    /// The gateway, for approvals.
    pub gateway: Option<&'a Gateway>,
    /// The role that connects.
    pub user: &'a str,
    /// The database.
    pub database: &'a str,
    /// How bytes are written.
    pub delivery: Delivery,
}

/// Something that came back on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A message.
    Message(Message),
    /// A single byte.
    Byte(u8),
    /// The end of the connection.
    Closed,
}

/// Everything that came back, with the name of its connection.
pub type Transcript = Vec<(String, Reply)>;

struct Player<'a> {
    stage: Stage<'a>,
    clients: BTreeMap<String, Client>,
    current: String,
    ticket: String,
    sent_up_to: usize,
    transcript: Transcript,
    /// Connections whose statement is held: nothing more comes until somebody decides.
    held: BTreeSet<String>,
    /// Connections whose last error was looked for: the ReadyForQuery behind it ends that statement, not the next.
    stopped: BTreeSet<String>,
    /// Nobody decides in this script.
    undecided: bool,
}

/// Plays the script; an error says which line was not met and what came instead.
pub fn play(script: &Script, stage: Stage<'_>) -> Result<Transcript, String> {
    let mut player = Player {
        stage,
        clients: BTreeMap::new(),
        current: "a".into(),
        ticket: String::new(),
        sent_up_to: 0,
        transcript: Vec::new(),
        held: BTreeSet::new(),
        stopped: BTreeSet::new(),
        undecided: !script.steps.iter().any(|step| matches!(&step.kind, Kind::Act(text) if decides(text))),
    };
    for index in 0..script.steps.len() {
        let step = &script.steps[index];
        player.step(script, index).map_err(|why| {
            let last: Vec<_> = player.transcript.iter().rev().take(6).rev().collect();
            format!("{}.wire:{}: {why}; last seen: {last:?}", script.name, step.line)
        })?;
    }
    Ok(player.transcript)
}

impl Player<'_> {
    fn fill_in(&self, text: &str) -> String {
        let text = text.replace("$database", self.stage.database).replace("$user", self.stage.user);
        if self.ticket.is_empty() { text } else { text.replace("$ticket", &self.ticket) }
    }

    fn step(&mut self, script: &Script, index: usize) -> Result<(), String> {
        match &script.steps[index].kind {
            Kind::Use(text) => self.turn_to(&self.fill_in(text)),
            Kind::Send(_) if self.stage.delivery == Delivery::AtOnce => self.send_run(script, index),
            Kind::Send(text) => {
                let bytes = script::encode(&self.fill_in(text));
                self.write(&bytes)
            }
            Kind::Expect(pattern) => self.expect(&self.fill_in(pattern)),
            Kind::Seek(pattern) => self.seek(&self.fill_in(pattern)),
            Kind::Act(text) => self.act(&self.fill_in(text)),
            Kind::Ask(sql, answer) => {
                let rows = self.stage.server.sql(self.stage.database, &self.fill_in(sql)).join(";");
                if rows == *answer { Ok(()) } else { Err(format!("the server answers {rows:?}, not {answer:?}")) }
            }
        }
    }

    /// Sends this message and all that follow up to the next act or change of connection, if not sent already.
    fn send_run(&mut self, script: &Script, index: usize) -> Result<(), String> {
        if index < self.sent_up_to {
            return Ok(());
        }
        let mut bytes = Vec::new();
        self.sent_up_to = script.steps.len();
        for (offset, step) in script.steps[index..].iter().enumerate() {
            match &step.kind {
                Kind::Send(text) => bytes.extend(script::encode(&self.fill_in(text))),
                Kind::Expect(_) | Kind::Seek(_) => {}
                Kind::Act(_) | Kind::Ask(..) | Kind::Use(_) => {
                    self.sent_up_to = index + offset;
                    break;
                }
            }
        }
        self.write(&bytes)
    }

    /// Writing to a connection that the other side has closed is no failure: the next read tells.
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let _ = self.client()?.send(bytes);
        Ok(())
    }

    fn session(&self) -> Session {
        let session = Session::at(Target::Tcp(self.stage.address));
        session.user(self.stage.user).database(self.stage.database)
    }

    fn turn_to(&mut self, text: &str) -> Result<(), String> {
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        self.current = name.to_owned();
        if rest.is_empty() {
            return self.client().map(|_| ());
        }
        let mut client = self.session().open().map_err(|e| e.to_string())?;
        client.byte_at_a_time = self.stage.delivery == Delivery::ByByte;
        if let Some(startup) = rest.strip_prefix("startup ") {
            let (version, parameters) = startup.split_once(' ').unwrap_or((startup, ""));
            let (user, database) = (self.stage.user, self.stage.database);
            let text = format!("{version} user={user} database={database} {parameters}");
            client.send(&script::startup(&text)).map_err(|e| e.to_string())?;
            let _ = client.log_in();
            self.keep(&client.greeting);
        }
        self.held.remove(name);
        self.stopped.remove(name);
        self.clients.insert(name.to_owned(), client);
        Ok(())
    }

    fn keep(&mut self, messages: &[Message]) {
        let name = self.current.clone();
        self.transcript.extend(messages.iter().map(|m| (name.clone(), Reply::Message(m.clone()))));
    }

    fn client(&mut self) -> Result<&mut Client, String> {
        if !self.clients.contains_key(&self.current) {
            let mut client = self.session().connect().map_err(|e| format!("{e:?}"))?;
            client.byte_at_a_time = self.stage.delivery == Delivery::ByByte;
            let greeting = std::mem::take(&mut client.greeting);
            self.keep(&greeting);
            self.clients.insert(self.current.clone(), client);
        }
        Ok(self.clients.get_mut(&self.current).expect("just made"))
    }

    fn recv(&mut self) -> Result<Reply, String> {
        let reply = match self.client()?.recv() {
            Ok(Some(message)) => Reply::Message(message),
            Ok(None) => Reply::Closed,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Reply::Closed,
            Err(error) => return Err(format!("nothing came: {error}")),
        };
        self.transcript.push((self.current.clone(), reply.clone()));
        Ok(reply)
    }

    fn expect(&mut self, pattern: &str) -> Result<(), String> {
        if let Some(letter) = pattern.strip_prefix("byte ") {
            let byte = self.client()?.recv_byte().map_err(|e| e.to_string())?;
            let reply = byte.map_or(Reply::Closed, Reply::Byte);
            self.transcript.push((self.current.clone(), reply));
            return if byte == letter.bytes().next() { Ok(()) } else { Err(format!("the byte is {byte:?}")) };
        }
        match self.recv()? {
            Reply::Closed if pattern == "closed" => Ok(()),
            Reply::Message(message) => match script::matches(pattern, &message.render()) {
                Some(caught) => {
                    self.ticket = caught.unwrap_or_else(|| self.ticket.clone());
                    Ok(())
                }
                None => Err(format!("expected {pattern:?}, got {message:?}")),
            },
            other => Err(format!("expected {pattern:?}, got {other:?}")),
        }
    }

    /// A statement that is held is stopped, and so is everything behind it.
    fn seek(&mut self, pattern: &str) -> Result<(), String> {
        let stops = matches!(pattern, "judged" | "stopped") || pattern.starts_with("ReadyForQuery");
        loop {
            if stops && self.undecided && self.held.contains(&self.current) {
                return Ok(());
            }
            let Reply::Message(message) = self.recv()? else {
                return if matches!(pattern, "closed" | "stopped") {
                    Ok(())
                } else {
                    Err(format!("closed before {pattern:?}"))
                };
            };
            let text = message.render();
            let judged = is_judged(&message);
            if judged && message.tag == b'N' {
                self.held.insert(self.current.clone());
            }
            let met = match pattern {
                "judged" => judged.then_some(None),
                "stopped" => (judged || message.tag == b'E').then_some(None),
                _ => script::matches(pattern, &text),
            };
            let late = message.tag == b'Z' && self.stopped.remove(&self.current);
            if let Some(caught) = met {
                self.ticket = caught.unwrap_or_else(|| self.ticket.clone());
                if message.tag == b'E' {
                    self.stopped.insert(self.current.clone());
                }
                return Ok(());
            }
            if late {
                continue;
            }
            if matches!(pattern, "judged" | "stopped") && message.tag == b'Z' {
                // Straight at the server nobody judges: there the script shows that the harm is real.
                let why = format!("ready without being {pattern}");
                return if self.stage.gateway.is_none() { Ok(()) } else { Err(why) };
            }
        }
    }

    fn act(&mut self, text: &str) -> Result<(), String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let server = self.stage.server;
        match words.as_slice() {
            ["cancel"] => self.client()?.cancel(),
            ["vanish"] => {
                if let Some(client) = self.clients.remove(&self.current) {
                    client.vanish();
                }
            }
            ["half-close"] => self.client()?.half_close(),
            ["wait", "active", ..] => {
                let part = text.trim_start_matches("wait active ").replace('\'', "''");
                let sql = format!(
                    "select 1 from pg_stat_activity where state = 'active' and datname = '{}' \
                     and pid <> pg_backend_pid() and query like '%{part}%'",
                    self.stage.database
                );
                let active = || (!server.sql("postgres", &sql).is_empty()).then_some(());
                wait_until(text, Duration::from_secs(20), active);
            }
            ["server", ..] => {
                server.sql(self.stage.database, text.trim_start_matches("server "));
            }
            ["approve", ticket, "as", who] => self.gateway()?.approve(ticket, who),
            ["reject", ticket, "as", who, "because", ..] => {
                let reason = text.split_once(" because ").expect("a reason").1;
                self.gateway()?.reject(ticket, who, reason);
            }
            ["withdraw", ticket, "as", who] => self.gateway()?.withdraw(ticket, who),
            _ => return Err(format!("what is {text:?}?")),
        }
        Ok(())
    }

    fn gateway(&self) -> Result<&Gateway, String> {
        self.stage.gateway.ok_or_else(|| "only the gateway has tickets".into())
    }
}

/// Whether an act ends somebody's wait.
fn decides(text: &str) -> bool {
    ["approve", "reject", "withdraw", "cancel"].iter().any(|verb| text.starts_with(verb))
}

/// Whether the gateway itself stopped a statement: an error of its class, or a notice that names a ticket.
#[must_use]
pub fn is_judged(message: &Message) -> bool {
    let ours = message.tag == b'E' && message.field('C').is_some_and(|code| code.starts_with("LK"));
    let held = message.tag == b'N' && message.field('M').is_some_and(|text| text.contains("ticket "));
    ours || held
}
