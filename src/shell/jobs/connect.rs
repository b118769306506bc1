//! The connection of a run: logged in under the requester's own name, with the settings of the requester's
//! session and its role. What a plan calls can therefore do what the requester can do, and no more, whichever
//! way it turns: `RESET ROLE` and `RESET SESSION AUTHORIZATION` lead back to the requester.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::auth::{AuthError, UpstreamAuth, UpstreamReply, channel};
use super::super::backstage::{Backstage, End, server_message};
use super::super::config::{Target, UpstreamLogin};
use super::super::database::{Database, DatabaseError};
use super::super::side::Side;
use super::super::store::Backend;
use super::super::upstream::Upstream;
use crate::kernel::job::{Job, Order};
use crate::kernel::relay::Status;
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::wire::frame::{self, HEADER, server};
use crate::kernel::wire::message::{self, Reader};
use crate::kernel::wire::startup::Startup;

/// Longest message before ReadyForQuery.
const GREETING_MAX: usize = 64 * 1024;

/// Who this connection is, on the server.
const SELF: &str = "\
SELECT a.pid, pg_catalog.int8(pg_catalog.date_part('epoch', a.backend_start) OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)
FROM pg_catalog.pg_stat_activity AS a WHERE a.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()";

/// A session of the gateway's own.
pub(super) struct Connection {
    side: Side,
    process: i32,
    key: Vec<u8>,
    upstream: Arc<Upstream>,
}

/// Why there is none.
#[derive(Debug)]
pub(super) enum NotConnected {
    /// Another time may do.
    Later(String),
    /// The server says that it may not be.
    Refused { code: String, message: String },
}

impl From<AuthError> for NotConnected {
    fn from(error: AuthError) -> Self {
        Self::Refused { code: error.sqlstate().to_owned(), message: error.to_string() }
    }
}

impl From<DatabaseError> for NotConnected {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Lost(why) => Self::Later(why),
            DatabaseError::Server(message) => Self::Refused { code: message.code, message: message.message },
        }
    }
}

impl Connection {
    /// Connects and logs in.
    pub(super) async fn open(
        target: &Target,
        login: &UpstreamLogin,
        (requester, database, application): (&str, &str, String),
    ) -> Result<Self, NotConnected> {
        let later = |why: String| NotConnected::Later(why);
        let upstream = Upstream::new(target).map_err(|error| later(error.to_string()))?;
        let upstream = Arc::new(upstream);
        let stream = upstream.connect().await.map_err(|error| later(error.to_string()))?;
        let mut connection = Self { side: Side::new(stream), process: 0, key: Vec::new(), upstream };
        let user = login.user.as_deref().unwrap_or(requester);
        let settings = [
            ("application_name", application.as_str()),
            ("client_encoding", "UTF8"),
            ("standard_conforming_strings", "on"),
        ];
        let startup = Startup {
            minor: 0,
            user: user.to_owned(),
            database: database.to_owned(),
            application: String::new(),
            replication: None,
            settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            protocol_options: Vec::new(),
        };
        connection.side.out.extend_from_slice(&startup.rebuild(user, database));
        connection.greet(UpstreamAuth::new(user, login, channel(&connection.side.stream))).await?;
        Ok(connection)
    }

    /// For a run of a job.
    pub(super) async fn of_job((target, login): (&Target, &UpstreamLogin), job: &Job) -> Result<Self, NotConnected> {
        let order = &job.order;
        let who = (order.requester.as_str(), order.database.as_str(), format!("lockkeeper job {}", job.id));
        Self::open(target, login, who).await
    }

    async fn greet(&mut self, mut auth: UpstreamAuth) -> Result<(), NotConnected> {
        let lost = |error: std::io::Error| NotConnected::Later(error.to_string());
        let mut is_in = false;
        loop {
            self.side.drain().await.map_err(lost)?;
            let header = frame::header(&self.side.held, |_| GREETING_MAX)
                .map_err(|_| NotConnected::Later("the server sent a malformed message".to_owned()))?;
            let Some(header) = header.filter(|header| self.side.held.len() >= header.total()) else {
                if self.side.receive().await.map_err(lost)? == 0 {
                    return Err(NotConnected::Later("the server closed the connection".to_owned()));
                }
                continue;
            };
            let frame = self.side.held.split_to(header.total()).freeze();
            let body = frame.get(HEADER..).unwrap_or_default();
            match header.tag {
                server::AUTHENTICATION => match auth.answer(body)? {
                    UpstreamReply::Send(data) => message::put_password(&mut self.side.out, &data),
                    UpstreamReply::Wait => {}
                    UpstreamReply::Done => is_in = true,
                },
                server::BACKEND_KEY_DATA => {
                    let mut reader = Reader::new(body);
                    self.process = reader.int32().unwrap_or_default();
                    self.key = reader.rest().to_vec();
                }
                server::ERROR => {
                    let said = server_message(body);
                    return Err(if is_final(&said.code) {
                        NotConnected::Refused { code: said.code, message: said.message }
                    } else {
                        NotConnected::Later(said.message)
                    });
                }
                server::READY if is_in => return Ok(()),
                _ => {}
            }
        }
    }

    /// For statements.
    pub(super) fn stage(&mut self) -> Backstage<'_> {
        // What the server says on its own concerns nobody here.
        let (aside, _) = mpsc::unbounded_channel();
        Backstage::new(&mut self.side, (Status::Idle, TextEncoding::Utf8), End::Sync, aside)
    }

    /// How it can be cancelled while it is at work.
    pub(super) fn canceller(&self) -> (Arc<Upstream>, i32, Vec<u8>) {
        (self.upstream.clone(), self.process, self.key.clone())
    }
}

/// Takes over the session of whoever ordered the job, and tells which server process this is.
pub(super) async fn assume<D: Database>(db: &mut D, order: &Order) -> Result<Backend, NotConnected> {
    let rows = db.query(SELF, &[]).await?;
    let row = rows.concat();
    let [Some(pid), Some(start)] = row.as_slice() else {
        return Err(NotConnected::Later("the server does not know its own session".to_owned()));
    };
    let pid = pid.parse().map_err(|_| NotConnected::Later("the server's process id is not a number".to_owned()))?;
    let backend = Backend { pid, start: start.clone() };
    // The last: what the server says of a definition is compared with ours.
    let own =
        [("idle_session_timeout", "0"), ("idle_in_transaction_session_timeout", "0"), ("quote_all_identifiers", "off")];
    let theirs = order.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let theirs = theirs.filter(|(name, _)| *name != "quote_all_identifiers");
    let role = order.role.iter().map(|role| ("role", role.as_str()));
    for (name, value) in own.into_iter().chain(theirs).chain(role) {
        db.query("SELECT pg_catalog.set_config($1, $2, false)", &[Some(name), Some(value)]).await?;
    }
    Ok(backend)
}

/// Login not allowed, no such database, no such role: another time is no better.
fn is_final(code: &str) -> bool {
    code.starts_with("28") || matches!(code, "3D000" | "42501" | "42704" | "22023")
}
