//! The start of a connection: TLS, startup packet, authentication, up to the server's first ReadyForQuery.
//!
//! Each phase reads exactly the bytes of its message, so nothing said before the TLS handshake or before
//! AuthenticationOk can be taken for something said after it (PostgreSQL docs, 55.2.1 and 55.2.10).

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::audit::event::{Event, LoginFailed, SessionInfo};
use super::audit::Audit;
use super::cancel::Cancels;
use super::config::{Auth, FunctionCalls, ListenerTls, Parameters, Settings, Target};
use super::net::{Raw, Stream};
use super::session::farewell;
use super::session::wire::Side;
use super::session::{Identity, Session, Shared};
use super::tls::{self, ListenerMode, ServerSide};
use super::upstream::Upstream;
use crate::kernel::relay::{self, Relay};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::wire::frame::{self, HEADER, client, server};
use crate::kernel::wire::message::{self, Reader};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::startup::{self, First, Startup, is_on};

mod login;

/// Longest message before ReadyForQuery.
const GREETING_MAX: usize = 64 * 1024;

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// One listener, as its connections see it.
#[derive(Clone)]
pub struct Gate {
    pub shared: Shared,
    pub audit: Audit,
    pub cancels: Arc<Cancels>,
    pub tls: Option<ServerSide>,
    pub mode: ListenerMode,
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

/// What the server said when it let the client in.
#[derive(Debug, Default)]
struct Greeting {
    process: i32,
    key: Vec<u8>,
    encoding: String,
    conforming: String,
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
    pub fn new(tls: &ListenerTls, shared: Shared, audit: Audit, cancels: Arc<Cancels>) -> Result<Self, tls::TlsError> {
        let side = tls.identity.as_ref().map(tls::server_side).transpose()?;
        Ok(Self { shared, audit, cancels, tls: side, mode: tls.mode })
    }

    /// A connection from its first byte to the session it becomes, if it does.
    pub async fn welcome(&self, raw: Raw, peer: String) -> Option<Session> {
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
        tracing::info!(peer, reason, code, "connection refused");
        let Knock { user, database } = knock;
        self.audit.event(Event::LoginFailed(LoginFailed { client: peer, user, database, reason, sqlstate: Some(code) }));
        None
    }

    async fn enter(&self, raw: Raw, peer: &str, settings: &Settings, knock: &mut Knock) -> Result<Session, Turned> {
        let (mut client, startup) = self.identify(raw).await?;
        *knock = Knock { user: startup.user.clone(), database: startup.database.clone() };
        match self.admit(&mut client, &startup, peer, settings).await {
            Ok((server, greeting, identity, auth)) => self.session(client, server, (greeting, identity, auth)),
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

    /// TLS or not, and the startup packet.
    async fn identify(&self, raw: Raw) -> Result<(Side, Startup), Turned> {
        let mut stream = Stream::Plain(raw);
        if let Stream::Plain(Raw::Tcp(tcp)) = &stream {
            let mut first = [0];
            if tcp.peek(&mut first).await? == 1 && first == [TLS_HANDSHAKE] {
                stream = self.accept_tls(stream, true).await?;
            }
        }
        let (mut asked_ssl, mut asked_gss) = (stream.is_tls(), false);
        loop {
            let packet = read_packet(&mut stream).await?;
            match startup::first(&packet) {
                Ok(First::Ssl) if !asked_ssl => {
                    asked_ssl = true;
                    if self.tls.is_some() && self.mode != ListenerMode::Disable && matches!(stream, Stream::Plain(Raw::Tcp(_))) {
                        stream.write_all(b"S").await?;
                        stream = self.accept_tls(stream, false).await?;
                    } else {
                        stream.write_all(b"N").await?;
                    }
                }
                Ok(First::GssEnc) if !asked_gss && !stream.is_tls() => {
                    asked_gss = true;
                    stream.write_all(b"N").await?;
                }
                Ok(First::Ssl | First::GssEnc) => return refuse(stream, repeated()).await,
                Ok(First::Cancel { process, key }) => {
                    self.cancels.request(process, key).await;
                    let _ = stream.shutdown().await;
                    return Err(Turned::Silently);
                }
                Ok(First::Startup(startup)) => {
                    if self.mode == ListenerMode::Require && matches!(stream, Stream::Plain(Raw::Tcp(_))) {
                        return refuse(stream, unencrypted()).await;
                    }
                    return Ok((Side::new(stream), startup));
                }
                Err(bad) => return refuse(stream, Reply::fatal(bad.code, bad.message).hint(bad.hint)).await,
            }
        }
    }

    async fn accept_tls(&self, stream: Stream, direct: bool) -> Result<Stream, Turned> {
        let Stream::Plain(raw) = stream else { return Err(Turned::Silently) };
        let Some(side) = self.tls.as_ref().filter(|_| self.mode != ListenerMode::Disable) else {
            return Err(Turned::Silently);
        };
        let stream = TlsAcceptor::from(side.config.clone()).accept(raw).await?;
        if direct && !tls::spoke_alpn(stream.get_ref().1) {
            tracing::info!("direct TLS without ALPN refused");
            return Err(Turned::Silently);
        }
        Ok(Stream::Server(Box::new(stream)))
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
        if startup.replication.is_some() && !target.allow_replication {
            let reply = Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, "replication connections are not allowed through the gateway");
            return Err(Turned::Away(reply.hint("Set allow_replication for this target, or connect to the server directly.")));
        }
        let upstream = Arc::new(Upstream::new(&target).map_err(|e| Turned::Away(Reply::fatal(sqlstate::CONNECTION_FAILURE, e.to_string())))?);
        let auth = match &target.auth {
            Auth::PassThrough => "pass-through",
            Auth::Scram { users, .. } => {
                startup.negotiate(2, &mut client.out);
                login::client(client, startup, users, self.tls.as_ref()).await?
            }
        };
        let mut server = connect(&upstream).await?;
        let greeting = match &target.auth {
            Auth::PassThrough => {
                server.stream.write_all(&startup.rebuild(&startup.user, &startup.database)).await?;
                relay_login(client, &mut server, startup).await?
            }
            Auth::Scram { upstream: account, .. } => {
                let user = account.user.as_deref().unwrap_or(&startup.user);
                server.stream.write_all(&startup.rebuild(user, &startup.database)).await?;
                login::server(&mut server, client, account, user).await?
            }
        };
        check_pins(&greeting)?;
        let identity = Identity {
            user: startup.user.clone(),
            database: startup.database.clone(),
            application: startup.application.clone(),
            client: peer.to_owned(),
            target: Arc::clone(&target),
            upstream,
        };
        Ok((server, greeting, identity, auth))
    }

    fn session(&self, client: Side, server: Side, rest: (Greeting, Identity, &'static str)) -> Result<Session, Turned> {
        let (greeting, identity, auth) = rest;
        let encoding = TextEncoding::of(&greeting.encoding).unwrap_or(TextEncoding::Utf8);
        let settings = self.shared.settings.borrow().clone();
        let limits = relay::Limits {
            function_calls: function_calls(&identity.target),
            values_max: if settings.record.parameters == Parameters::None { 0 } else { GREETING_MAX },
            text_max: settings.limits.statement_bytes_max,
        };
        let log = self.audit.begin(SessionInfo {
            client: identity.client.clone(),
            transport: if matches!(client.stream, Stream::Plain(Raw::Unix(_))) { "unix" } else { "tcp" }.to_owned(),
            tls: tls_name(&client.stream),
            user: identity.user.clone(),
            database: identity.database.clone(),
            target: identity.target.name.clone(),
            application: identity.application.clone(),
            auth: auth.to_owned(),
            backend_pid: Some(greeting.process),
        });
        let cancel = self.cancels.register(identity.upstream.clone(), greeting.process, greeting.key);
        Ok(Session::new((client, server), Relay::new(encoding, limits), (log, cancel), identity, self.shared.clone()))
    }
}

async fn refuse<T>(stream: Stream, reply: Reply) -> Result<T, Turned> {
    let mut side = Side::new(stream);
    reply.clone().put(&mut side.out);
    farewell(&mut side).await;
    Err(Turned::Away(reply))
}

fn repeated() -> Reply {
    Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "encryption was asked for already")
}

fn unencrypted() -> Reply {
    Reply::fatal(sqlstate::INVALID_AUTHORIZATION, "connections to this gateway must be encrypted")
        .hint("Connect with sslmode=require, or sslmode=verify-full and the gateway's root certificate.")
}

/// A first packet: its length word, then exactly its bytes.
async fn read_packet(stream: &mut Stream) -> Result<Vec<u8>, Turned> {
    let length = usize::try_from(stream.read_i32().await?).unwrap_or_default();
    if !(8..=startup::STARTUP_MAX).contains(&length) {
        return Err(Turned::Away(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid length of startup packet")));
    }
    let mut packet = vec![0; length - 4];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}

async fn connect(upstream: &Upstream) -> Result<Side, Turned> {
    match upstream.connect().await {
        Ok(stream) => Ok(Side::new(stream)),
        Err(error) => {
            tracing::warn!(upstream = %upstream.address, %error, "cannot reach the server");
            let reply = Reply::fatal(sqlstate::CONNECTION_FAILURE, format!("the gateway cannot reach the server at {}", upstream.address));
            Err(Turned::Away(reply.detail(error.to_string()).hint("Check that the server runs and that the target's upstream address is right.")))
        }
    }
}

/// One whole frame, and not a byte more.
async fn read_frame(stream: &mut Stream) -> Result<(u8, Bytes), Turned> {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).await?;
    let header = frame::header(&head, |_| GREETING_MAX)
        .ok()
        .flatten()
        .ok_or_else(|| Turned::Away(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid message length")))?;
    let mut frame = BytesMut::from(&head[..]);
    frame.resize(header.total(), 0);
    stream.read_exact(frame.get_mut(HEADER..).unwrap_or_default()).await?;
    Ok((header.tag, frame.freeze()))
}

/// Relays authentication between client and server, then takes the greeting.
async fn relay_login(client: &mut Side, server: &mut Side, startup: &Startup) -> Result<Greeting, Turned> {
    let mut negotiated = false;
    loop {
        let (tag, frame) = read_frame(&mut server.stream).await?;
        let body = frame.get(HEADER..).unwrap_or_default();
        if tag == server::NEGOTIATE_VERSION {
            // Together with what we do not know ourselves.
            let minor = Reader::new(body).int32().unwrap_or_default() & 0xffff;
            negotiated = startup.negotiate_always(u16::try_from(minor).unwrap_or_default(), &mut client.out);
            continue;
        }
        if !negotiated {
            negotiated = true;
            startup.negotiate(2, &mut client.out);
        }
        match tag {
            server::AUTHENTICATION => match Reader::new(body).int32().unwrap_or(-1) {
                0 => {
                    client.out.extend_from_slice(&frame);
                    return greeting(client, server).await;
                }
                code => {
                    relay_request(client, code, &frame);
                    client.drain().await?;
                    // AuthenticationSASLFinal wants no answer; every other request does.
                    if code != 12 {
                        let answer = read_answer(client).await?;
                        server.stream.write_all(&answer).await?;
                        server.stream.flush().await?;
                    }
                }
            },
            server::ERROR => return Err(by_server(client, &frame)),
            server::NOTICE => client.out.extend_from_slice(&frame),
            tag => return Err(unexpected(tag)),
        }
    }
}

/// Passes an authentication request on, without the mechanism that binds to a TLS channel which is not
/// the one the client has.
fn relay_request(client: &mut Side, code: i32, frame: &Bytes) {
    const SASL: i32 = 10;
    if code != SASL {
        client.out.extend_from_slice(frame);
        return;
    }
    let mut mechanisms = Vec::new();
    for name in frame.get(HEADER + 4..).unwrap_or_default().split(|b| *b == 0).filter(|name| !name.is_empty()) {
        if name != b"SCRAM-SHA-256-PLUS" {
            mechanisms.extend_from_slice(name);
            mechanisms.push(0);
        }
    }
    mechanisms.push(0);
    message::put_authentication(&mut client.out, SASL, &mechanisms);
}

/// The client's answer to an authentication request: nothing else is legal now.
async fn read_answer(client: &mut Side) -> Result<Bytes, Turned> {
    let (tag, frame) = read_frame(&mut client.stream).await?;
    if tag == client::PASSWORD {
        return Ok(frame);
    }
    let reply = Reply::fatal(sqlstate::PROTOCOL_VIOLATION, format!("expected an authentication response, got message type {tag}"));
    Err(Turned::Away(reply))
}

/// After AuthenticationOk: parameters, key, ReadyForQuery; all of it goes to the client.
async fn greeting(client: &mut Side, server: &mut Side) -> Result<Greeting, Turned> {
    let mut greeting = Greeting::default();
    loop {
        let (tag, frame) = read_frame(&mut server.stream).await?;
        let body = frame.get(HEADER..).unwrap_or_default();
        match tag {
            server::PARAMETER_STATUS => {
                if let Ok((name, value)) = message::parameter_status(body) {
                    let value = String::from_utf8_lossy(value).into_owned();
                    match name {
                        b"client_encoding" => greeting.encoding = value,
                        b"standard_conforming_strings" => greeting.conforming = value,
                        _ => {}
                    }
                }
            }
            server::BACKEND_KEY_DATA => {
                let mut reader = Reader::new(body);
                greeting.process = reader.int32().unwrap_or_default();
                greeting.key = reader.rest().to_vec();
            }
            server::ERROR => return Err(by_server(client, &frame)),
            server::NOTICE | server::READY => {}
            tag => return Err(unexpected(tag)),
        }
        client.out.extend_from_slice(&frame);
        if tag == server::READY {
            return Ok(greeting);
        }
    }
}

fn by_server(client: &mut Side, frame: &Bytes) -> Turned {
    client.out.extend_from_slice(frame);
    let error = super::session::backstage::server_message(frame.get(HEADER..).unwrap_or_default());
    Turned::ByServer { code: error.code, message: error.message }
}

fn unexpected(tag: u8) -> Turned {
    tracing::error!(tag, "unexpected message from the server during authentication");
    Turned::Away(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "the server does not speak the PostgreSQL protocol as expected"))
}

/// The settings statements are read by must be ones we read by.
fn check_pins(greeting: &Greeting) -> Result<(), Turned> {
    if TextEncoding::of(&greeting.encoding).is_none() {
        let reply = Reply::fatal(
            sqlstate::FEATURE_NOT_SUPPORTED,
            format!("client encoding \"{}\" is not supported through the gateway", greeting.encoding),
        );
        return Err(Turned::Away(
            reply
                .detail("Its characters can contain the bytes of a backslash or a quote, so a statement could be read differently from the server.")
                .hint("Connect with client_encoding=UTF8 (PGCLIENTENCODING=UTF8)."),
        ));
    }
    if !is_on(&greeting.conforming) {
        let reply = Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, "standard_conforming_strings is off for this role or database");
        return Err(Turned::Away(reply.hint("Set it on: with it off, a statement could be read differently from the server.")));
    }
    Ok(())
}

fn function_calls(target: &Target) -> relay::FunctionCalls {
    match target.allow_function_call {
        FunctionCalls::None => relay::FunctionCalls::None,
        FunctionCalls::LargeObjects => relay::FunctionCalls::LargeObjects,
        FunctionCalls::All => relay::FunctionCalls::All,
    }
}

fn tls_name(stream: &Stream) -> Option<String> {
    let Stream::Server(stream) = stream else { return None };
    let connection = stream.get_ref().1;
    let version = connection.protocol_version().and_then(|v| v.as_str().map(str::to_owned))?;
    let suite = connection.negotiated_cipher_suite().and_then(|s| s.suite().as_str().map(str::to_owned));
    Some([version, suite.unwrap_or_default()].join(" ").trim_end().to_owned())
}
