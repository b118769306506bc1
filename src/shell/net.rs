//! Streams and addresses: TCP and Unix sockets, in clear or under TLS, as one type for each side.

use std::io::{self, Read};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A dead peer is noticed after about 45 + 3 × 10 seconds of silence on an idle connection.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(45);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 3;

/// A connection, before any encryption.
#[derive(Debug)]
pub enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection as a session uses it.
#[derive(Debug)]
pub enum Stream {
    Plain(Raw),
    /// Accepted by us.
    Server(Box<tokio_rustls::server::TlsStream<Raw>>),
    /// Opened by us.
    Client(Box<tokio_rustls::client::TlsStream<Raw>>),
}

/// Sends small messages at once, and notices peers that are gone.
///
/// # Errors
/// When the socket is gone already.
pub fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(KEEPALIVE_TRIES);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Where a server listens: a host and port, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Opens a connection.
    ///
    /// # Errors
    /// When the name cannot be resolved or nobody answers.
    pub async fn connect(&self) -> io::Result<Raw> {
        match self {
            Self::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                tune(&stream)?;
                Ok(Raw::Tcp(stream))
            }
            Self::Unix(path) => Ok(Raw::Unix(UnixStream::connect(path).await?)),
        }
    }
}

impl Raw {
    /// Reads once if there was news since the last read; else nothing, without a system call. A read that
    /// does not fill the buffer has emptied the socket.
    pub fn try_read(&self, into: &mut [u8]) -> Option<io::Result<usize>> {
        let mut result = None;
        let mut read = |mut socket: &socket2::Socket| {
            let count = result.insert(socket.read(into));
            // What is said to have nothing left is not ready before it has news.
            match count {
                Ok(count) if *count == into.len() => Ok(()),
                Ok(_) | Err(_) => Err(io::ErrorKind::WouldBlock.into()),
            }
        };
        let _: io::Result<()> = match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || read(&SockRef::from(stream))),
            Self::Unix(stream) => stream.try_io(Interest::READABLE, || read(&SockRef::from(stream))),
        };
        result
    }

    /// Writes once if there is room; else `WouldBlock`.
    ///
    /// # Errors
    /// `WouldBlock`, or the connection is gone.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        }
    }

    /// Ready when there may be something to read.
    ///
    /// # Errors
    /// When the runtime is going down.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }
}

impl Stream {
    /// The socket, where its bytes are the session's own.
    #[must_use]
    pub fn plain(&self) -> Option<&Raw> {
        match self {
            Self::Plain(raw) => Some(raw),
            Self::Server(_) | Self::Client(_) => None,
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Server(_) | Self::Client(_) => true,
        }
    }
}

macro_rules! delegate {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain(Raw::Tcp($stream)) => $call,
            Stream::Plain(Raw::Unix($stream)) => $call,
            Stream::Server($stream) => $call,
            Stream::Client($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(raw) => Pin::new(raw).poll_read(cx, buf),
            Self::Server(stream) => Pin::new(stream).poll_read(cx, buf).map_err(cut_off),
            Self::Client(stream) => Pin::new(stream).poll_read(cx, buf).map_err(cut_off),
        }
    }
}

/// The TLS library's own words on a connection that ends without its goodbye speak to programmers.
fn cut_off(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the connection was closed without a word"),
        _ => error,
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl AsyncRead for Raw {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Raw {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
