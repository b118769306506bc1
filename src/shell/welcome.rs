//! The start of a connection: TLS, startup packet, authentication, up to the server's first ReadyForQuery.
//!
//! Each phase reads exactly the bytes of its message, so nothing said before the TLS handshake or before
//! AuthenticationOk can be taken for something said after it (PostgreSQL docs, 55.2.1 and 55.2.10).

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::audit::Audit;
use super::audit::event::{Event, LoginFailed, SessionInfo};
use super::auth::Mock;
use super::cancel::{Cancels, Connected};
use super::clock::now;
use super::config::{Auth, ListenerTls, Parameters, Settings};
use super::net::{Raw, Stream};
use super::session::farewell;
use super::session::{Identity, Session, Shared};
use super::side::Side;
use super::sqlconsole::{self, Console};
use super::tls::{self, ListenerMode, ServerSide};
use super::upstream::Upstream;
use crate::kernel::relay::{self, Relay};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::read::shown_name;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::startup::{self, Startup};

mod console;
mod entry;
mod greeting;
mod login;

use self::greeting::{GREETING_MAX, Greeting, check_encoding, check_pins, relay_login};

/// One listener, as its connections see it.
#[derive(Clone)]
pub struct Gate {
    pub shared: Shared,
    pub audit: Audit,
    pub cancels: Arc<Cancels>,
    pub tls: Option<ServerSide>,
    pub mode: ListenerMode,
    /// How many sessions there may still be.
    room: Arc<Semaphore>,
    mock: Mock,
    console: sqlconsole::Shared,
}

/// Why a listener cannot work.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

/// Why nobody was let in.
#[derive(Debug)]
enum Turned {
    /// The client is told.
    Away(Reply),
    /// The server's own error went to the client.
    ByServer { code: String, message: String },
    /// It was a cancel request, or the connection broke before anybody said who they were.
    Silently,
}

impl From<io::Error> for Turned {
    fn from(_: io::Error) -> Self {
        Self::Silently
    }
}

impl From<startup::BadStartup> for Turned {
    fn from(bad: startup::BadStartup) -> Self {
        Self::Away(Reply::fatal(bad.code, bad.message).hint(bad.hint))
    }
}

/// Somebody who was let in.
pub enum Guest {
    Session(Box<Session>),
    Console(Box<Console>),
}

impl Guest {
    /// Until either side ends it.
    pub async fn run(self) {
        match self {
            Self::Session(session) => session.run().await,
            // Larger than a session at rest, whose room this is too.
            Self::Console(console) => Box::pin(console.run()).await,
        }
    }
}

/// Who knocked, as far as it is known when they are turned away.
#[derive(Clone, Debug, Default)]
struct Knock {
    user: String,
    database: String,
}

impl Gate {
    /// # Errors
    /// When the certificate or its key cannot be used.
    pub fn new(
        tls: &ListenerTls,
        shared: Shared,
        audit: Audit,
        cancels: Arc<Cancels>,
        (room, console): (Arc<Semaphore>, sqlconsole::Shared),
    ) -> Result<Self, GateError> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(GateError::Random)?;
        let side = tls.identity.as_ref().map(tls::server_side).transpose()?;
        Ok(Self { shared, audit, cancels, tls: side, mode: tls.mode, room, mock: Mock::new(secret), console })
    }

    /// A connection from its first byte to the session it becomes, if it does, and its place among them.
    pub async fn welcome(&self, raw: Raw, peer: String) -> Option<(Guest, OwnedSemaphorePermit)> {
        let settings = self.shared.settings.borrow().clone();
        let mut knock = Knock::default();
        let entering = Box::pin(self.enter(raw, &peer, &settings, &mut knock));
        let turned = match tokio::time::timeout(settings.limits.auth_timeout, entering).await {
            Ok(Ok(session)) => return Some(session),
            Ok(Err(turned)) => turned,
            // Told by closing: whoever is this slow is not reading either.
            Err(_) => Turned::ByServer {
                code: sqlstate::PROTOCOL_VIOLATION.to_owned(),
                message: "authentication took too long".to_owned(),
            },
        };
        let (reason, code) = match turned {
            Turned::Silently => return None,
            Turned::Away(reply) => (reply.message, reply.code.to_owned()),
            Turned::ByServer { code, message } => (message, code),
        };
        // The server repeats the names in it.
        let reason = shown_name(&reason);
        tracing::info!(peer, reason, code, "connection refused");
        self.audit.event(Event::LoginFailed(LoginFailed {
            client: peer,
            user: shown_name(&knock.user),
            database: shown_name(&knock.database),
            reason,
            sqlstate: Some(code),
        }));
        None
    }

    async fn enter(
        &self,
        raw: Raw,
        peer: &str,
        settings: &Settings,
        knock: &mut Knock,
    ) -> Result<(Guest, OwnedSemaphorePermit), Turned> {
        let (mut client, startup) = self.identify(raw, settings.limits.startup_bytes_max).await?;
        *knock = Knock { user: startup.user.clone(), database: startup.database.clone() };
        if settings.sql_console.serves(&startup.database) {
            return self.enter_console(client, &startup, peer, settings).await;
        }
        // Only now: a cancel request needs no place.
        let admitted = match self.room.clone().try_acquire_owned() {
            Ok(place) => self.admit(&mut client, &startup, peer, settings).await.map(|admitted| (admitted, place)),
            Err(_) => Err(Turned::Away(too_many())),
        };
        match admitted {
            Ok(((server, greeting, identity, auth), place)) => {
                let replication = startup.replication.is_some();
                let session = self.session(client, server, (greeting, identity, auth, replication));
                Ok((Guest::Session(Box::new(session)), place))
            }
            Err(Turned::Away(reply)) => {
                reply.clone().put(&mut client.out);
                farewell(&mut client).await;
                Err(Turned::Away(reply))
            }
            Err(turned) => {
                farewell(&mut client).await;
                Err(turned)
            }
        }
    }

    /// Checks what is asked for, authenticates, connects.
    async fn admit(
        &self,
        client: &mut Side,
        startup: &Startup,
        peer: &str,
        settings: &Settings,
    ) -> Result<(Side, Greeting, Identity, &'static str), Turned> {
        let target = settings.target_for(&startup.database).cloned().ok_or_else(|| {
            let reply = Reply::fatal(
                sqlstate::INVALID_CATALOG_NAME,
                format!("no target of the gateway serves database \"{}\"", startup.database),
            );
            Turned::Away(reply.hint("Add the database to a target of the configuration."))
        })?;
        startup.check(&target.startup_parameters)?;
        check_encoding(startup)?;
        if startup.replication.is_some() && !target.allow_replication {
            let reply = Reply::fatal(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "replication connections are not allowed through the gateway",
            );
            return Err(Turned::Away(
                reply.hint("Set allow_replication for this target, or connect to the server directly."),
            ));
        }
        let upstream = Arc::new(
            Upstream::new(&target)
                .map_err(|e| Turned::Away(Reply::fatal(sqlstate::CONNECTION_FAILURE, e.to_string())))?,
        );
        let answer_max = settings.limits.auth_message_bytes_max;
        let auth = match &target.auth {
            Auth::PassThrough => "pass-through",
            Auth::Scram { users, .. } => {
                startup.negotiate(2, &mut client.out);
                let book = login::Book { users, mock: &self.mock, answer_max };
                login::client(client, startup, book, self.tls.as_ref()).await?
            }
        };
        let mut server = connect(&upstream).await?;
        let greeting = match &target.auth {
            Auth::PassThrough => {
                server.stream.write_all(&startup.rebuild(&startup.user, &startup.database)).await?;
                relay_login(client, &mut server, startup, answer_max).await?
            }
            Auth::Scram { upstream: account, .. } => {
                let user = account.user.as_deref().unwrap_or(&startup.user);
                server.stream.write_all(&startup.rebuild(user, &startup.database)).await?;
                login::server(&mut server, client, account, user).await?
            }
        };
        check_pins(&greeting, settings.judging(&target).observe)?;
        let identity = Identity {
            user: startup.user.clone(),
            database: startup.database.clone(),
            application: shown_name(&startup.application),
            client: peer.to_owned(),
            target: Arc::clone(&target),
            upstream,
        };
        Ok((server, greeting, identity, auth))
    }

    fn session(&self, client: Side, server: Side, rest: (Greeting, Identity, &'static str, bool)) -> Session {
        let (greeting, identity, auth, replication) = rest;
        let encoding = TextEncoding::of(&greeting.encoding).unwrap_or(TextEncoding::Utf8);
        let settings = self.shared.settings.borrow().clone();
        let limits = relay::Limits {
            function_calls: identity.target.allow_function_call,
            values_max: if settings.record.parameters == Parameters::None { 0 } else { GREETING_MAX },
            text_max: settings.limits.statement_bytes_max,
            message_max: settings.limits.message_bytes_max,
            replication,
        };
        let info = SessionInfo {
            client: identity.client.clone(),
            transport: if matches!(client.stream, Stream::Plain(Raw::Unix(_))) { "unix" } else { "tcp" }.to_owned(),
            tls: tls_name(&client.stream),
            user: shown_name(&identity.user),
            database: shown_name(&identity.database),
            target: identity.target.name.clone(),
            application: identity.application.clone(),
            auth: auth.to_owned(),
            backend_pid: Some(greeting.process),
        };
        let log = self.audit.begin(info.clone());
        let about = Connected { id: log.id(), info, since: now() };
        let key = (greeting.process, greeting.key);
        let cancel = self.cancels.register(Some(identity.upstream.clone()), key, about);
        let mut relay = Relay::new(encoding, limits);
        relay.parameter(&[b"standard_conforming_strings\0", greeting.conforming.as_bytes(), b"\0"].concat());
        Session::new((client, server), relay, (log, cancel), identity, self.shared.clone())
    }
}

/// What a client hears when there is no place left.
pub fn too_many() -> Reply {
    Reply::fatal(sqlstate::TOO_MANY_CONNECTIONS, "too many connections through the gateway")
        .hint("Raise limits.connections_max, or use fewer connections.")
}

async fn connect(upstream: &Upstream) -> Result<Side, Turned> {
    match upstream.connect().await {
        Ok(stream) => Ok(Side::new(stream)),
        Err(error) => {
            tracing::warn!(upstream = %upstream.address, %error, "cannot reach the server");
            let reply = Reply::fatal(
                sqlstate::CONNECTION_FAILURE,
                format!("the gateway cannot reach the server at {}", upstream.address),
            );
            Err(Turned::Away(
                reply
                    .detail(error.to_string())
                    .hint("Check that the server runs and that the target's upstream address is right."),
            ))
        }
    }
}

fn tls_name(stream: &Stream) -> Option<String> {
    let Stream::Server(stream) = stream else { return None };
    let connection = stream.get_ref().1;
    let version = connection.protocol_version().and_then(|v| v.as_str().map(str::to_owned))?;
    let suite = connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str().map(str::to_owned));
    Some([version, suite.unwrap_or_default()].join(" ").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::Guest;

    #[test]
    fn a_session_at_rest_has_no_room_for_all_it_could_be_at() {
        fn size<F: Future>(_: fn(Guest) -> F) -> usize {
            size_of::<F>()
        }
        // 10 KiB in all, with the session itself and its buffers.
        assert!(size(Guest::run) <= 1_024, "{} bytes", size(Guest::run));
    }
}
