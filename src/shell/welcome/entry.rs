//! The first bytes of a connection: TLS or not, then the startup packet or a cancel request.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::super::net::{Raw, Stream};
use super::super::session::farewell;
use super::super::side::Side;
use super::super::tls::{self, ListenerMode};
use super::{Gate, Turned};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::kernel::wire::startup::{self, First, Startup};

/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

impl Gate {
    /// TLS or not, and the startup packet.
    pub(super) async fn identify(&self, raw: Raw, bytes_max: usize) -> Result<(Side, Startup), Turned> {
        let mut stream = Stream::Plain(raw);
        if let Stream::Plain(Raw::Tcp(tcp)) = &stream {
            let mut first = [0];
            if tcp.peek(&mut first).await? == 1 && first == [TLS_HANDSHAKE] {
                stream = self.accept_tls(stream, true).await?;
            }
        }
        let (mut asked_ssl, mut asked_gss) = (stream.is_tls(), false);
        loop {
            let packet = read_packet(&mut stream, bytes_max).await?;
            match startup::first(&packet) {
                Ok(First::Ssl) if !asked_ssl => {
                    asked_ssl = true;
                    if self.tls.is_some()
                        && self.mode != ListenerMode::Disable
                        && matches!(stream, Stream::Plain(Raw::Tcp(_)))
                    {
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
                Err(bad) if is_older(&packet) => {
                    // In the words that protocols before 3.0 have for an error.
                    let _ = stream.write_all(format!("EFATAL:  {}\n\0", bad.message).as_bytes()).await;
                    farewell(&mut Side::new(stream)).await;
                    return Err(bad.into());
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

/// Whether it asks for a protocol before 3.0.
fn is_older(packet: &[u8]) -> bool {
    packet.first_chunk().is_some_and(|major| u16::from_be_bytes(*major) < 3)
}

/// What has come already is taken: closed over it, the connection would be reset, and not just end.
async fn forget_rest(stream: &mut Stream) {
    let mut ignored = vec![0; startup::STARTUP_MAX];
    tokio::select! {
        biased;
        _ = stream.read(&mut ignored) => {}
        () = std::future::ready(()) => {}
    }
}

/// A first packet: its length word, then exactly its bytes.
async fn read_packet(stream: &mut Stream, bytes_max: usize) -> Result<Vec<u8>, Turned> {
    let length = usize::try_from(stream.read_i32().await?).unwrap_or_default();
    if !(8..=bytes_max.min(startup::STARTUP_MAX) + 4).contains(&length) {
        forget_rest(stream).await;
        return Err(Turned::Away(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid length of startup packet")));
    }
    let mut packet = vec![0; length - 4];
    stream.read_exact(&mut packet).await?;
    Ok(packet)
}
