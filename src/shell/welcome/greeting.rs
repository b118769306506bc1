//! From the server's first answer to its first ReadyForQuery: authentication passed through, and what the
//! server says when it lets the client in.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::auth;
use super::super::backstage;
use super::super::net::Stream;
use super::super::side::Side;
use super::Turned;
use crate::kernel::sql::encoding::{TextEncoding, is_unreadable};
use crate::kernel::wire::frame::{self, HEADER, client, server};
use crate::kernel::wire::message::{self, Reader};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::startup::{Startup, is_on};

/// Longest message before ReadyForQuery.
pub(super) const GREETING_MAX: usize = 64 * 1024;

/// What the server said when it let the client in.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    pub(super) process: i32,
    pub(super) key: Vec<u8>,
    pub(super) encoding: String,
    pub(super) conforming: String,
}

/// One whole frame, and not a byte more.
pub(super) async fn read_frame(stream: &mut Stream, bytes_max: usize) -> Result<(u8, Bytes), Turned> {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).await?;
    let header = frame::header(&head, |_| bytes_max)
        .ok()
        .flatten()
        .ok_or_else(|| Turned::Away(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid message length")))?;
    let mut frame = BytesMut::from(&head[..]);
    frame.resize(header.total(), 0);
    stream.read_exact(frame.get_mut(HEADER..).unwrap_or_default()).await?;
    Ok((header.tag, frame.freeze()))
}

/// Relays authentication between client and server, then takes the greeting.
pub(super) async fn relay_login(
    client: &mut Side,
    server: &mut Side,
    startup: &Startup,
    answer_max: usize,
) -> Result<Greeting, Turned> {
    let mut negotiated = false;
    loop {
        let (tag, frame) = read_frame(&mut server.stream, GREETING_MAX).await?;
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
                    return greeting(client, server, by_server).await;
                }
                code => {
                    let binds = relay_request(client, code, &frame);
                    client.drain().await?;
                    // AuthenticationSASLFinal wants no answer; every other request does.
                    if code != 12 {
                        let answer = read_answer(client, answer_max).await?;
                        if binds && auth::could_have_bound(answer.get(HEADER..).unwrap_or_default()) {
                            return Err(Turned::Away(two_channels()));
                        }
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
/// the one the client has. True: the server offered that.
fn relay_request(client: &mut Side, code: i32, frame: &Bytes) -> bool {
    const SASL: i32 = 10;
    if code != SASL {
        client.out.extend_from_slice(frame);
        return false;
    }
    let offered = frame.get(HEADER + 4..).unwrap_or_default();
    let mechanisms = auth::strip_plus(offered);
    message::put_authentication(&mut client.out, SASL, &mechanisms);
    mechanisms.len() < offered.len()
}

/// What the server would take for an attack (RFC 5802, section 6).
fn two_channels() -> Reply {
    Reply::fatal(sqlstate::INVALID_AUTHORIZATION, "SCRAM channel binding cannot be passed through the gateway")
        .detail("The client is on TLS to the gateway and the gateway on TLS to the server: neither can vouch for the other's channel.")
        .hint("Connect with channel_binding=disable. For good: let the gateway check passwords (auth method \"scram\"), or reach the server without TLS.")
}

/// The client's answer to an authentication request: nothing else is legal now.
pub(super) async fn read_answer(client: &mut Side, bytes_max: usize) -> Result<Bytes, Turned> {
    let (tag, frame) = read_frame(&mut client.stream, bytes_max).await?;
    if tag == client::PASSWORD {
        return Ok(frame);
    }
    let reply = Reply::fatal(
        sqlstate::PROTOCOL_VIOLATION,
        format!("expected an authentication response, got message type {tag}"),
    );
    Err(Turned::Away(reply))
}

/// After AuthenticationOk: parameters, key, ReadyForQuery; all of it goes to the client. `refused`: what becomes of an
/// error.
pub(super) async fn greeting(
    client: &mut Side,
    server: &mut Side,
    refused: fn(&mut Side, &Bytes) -> Turned,
) -> Result<Greeting, Turned> {
    let mut greeting = Greeting::default();
    loop {
        let (tag, frame) = read_frame(&mut server.stream, GREETING_MAX).await?;
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
            server::ERROR => return Err(refused(client, &frame)),
            server::NOTICE | server::READY => {}
            tag => return Err(unexpected(tag)),
        }
        client.out.extend_from_slice(&frame);
        if tag == server::READY {
            return Ok(greeting);
        }
    }
}

pub(super) fn by_server(client: &mut Side, frame: &Bytes) -> Turned {
    client.out.extend_from_slice(frame);
    let error = backstage::server_message(frame.get(HEADER..).unwrap_or_default());
    Turned::ByServer { code: error.code, message: error.message }
}

pub(super) fn unexpected(tag: u8) -> Turned {
    tracing::error!(tag, "unexpected message from the server during authentication");
    Turned::Away(Reply::fatal(
        sqlstate::PROTOCOL_VIOLATION,
        "the server does not speak the PostgreSQL protocol as expected",
    ))
}

/// An encoding that is asked for, before anybody logs in.
pub(super) fn check_encoding(startup: &Startup) -> Result<(), Turned> {
    let asked = startup.settings.iter().filter(|(name, _)| name.eq_ignore_ascii_case("client_encoding"));
    match asked.map(|(_, value)| value).find(|value| is_unreadable(value)) {
        Some(value) => Err(unreadable(value)),
        None => Ok(()),
    }
}

fn unreadable(encoding: &str) -> Turned {
    let reply = Reply::fatal(
        sqlstate::FEATURE_NOT_SUPPORTED,
        format!("client encoding \"{}\" is not supported through the gateway", encoding.escape_debug()),
    );
    Turned::Away(
        reply
            .detail("Its characters can contain the bytes of a backslash or a quote, so a statement could be read differently from the server.")
            .hint("Connect with client_encoding=UTF8 (PGCLIENTENCODING=UTF8)."),
    )
}

/// The settings statements are read by must be ones we read by. Who only observes can do without plain strings.
pub(super) fn check_pins(greeting: &Greeting, observes: bool) -> Result<(), Turned> {
    if TextEncoding::of(&greeting.encoding).is_none() {
        return Err(unreadable(&greeting.encoding));
    }
    if !is_on(&greeting.conforming) && !observes {
        let reply = Reply::fatal(
            sqlstate::FEATURE_NOT_SUPPORTED,
            "standard_conforming_strings is off for this role or database",
        );
        return Err(Turned::Away(
            reply.hint("Set it on: with it off, a statement could be read differently from the server."),
        ));
    }
    Ok(())
}
