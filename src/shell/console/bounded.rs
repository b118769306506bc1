//! The admin door's listener with bounds: whoever finds the door can at most keep reviewers waiting,
//! never take the sockets that sessions need.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

/// Connections at a time; more of them wait to be accepted.
const CONNECTIONS_MAX: usize = 128;
/// A connection that sends nothing for this long is closed. Longer than the longest poll.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// A TCP listener that accepts no more than it can hold.
pub(super) struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
}

/// A connection and its slot.
pub(super) struct Held {
    stream: TcpStream,
    silent_until: Pin<Box<Sleep>>,
    _slot: Option<OwnedSemaphorePermit>,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

impl Bounded {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }
}

impl Listener for Bounded {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        // The semaphore is never closed; if it were, the bound would be gone and the door still open.
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        // Errors of accepting are waited out there.
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        let silent_until = Box::pin(sleep_until(Instant::now() + IDLE_MAX));
        (Held { stream, silent_until, _slot: slot }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, buffer) {
            self.silent_until.as_mut().reset(Instant::now() + IDLE_MAX);
            return Poll::Ready(read);
        }
        self.silent_until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn bounded_for_test(slots: usize) -> (Bounded, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has one");
        (Bounded { listener, slots: Arc::new(Semaphore::new(slots)) }, address)
    }

    #[tokio::test]
    async fn a_connection_is_accepted_when_another_has_gone() {
        let (mut bounded, address) = bounded_for_test(1).await;
        let _clients = [TcpStream::connect(address).await, TcpStream::connect(address).await];
        let first = Listener::accept(&mut bounded).await;
        let waited = tokio::time::timeout(Duration::ZERO, Listener::accept(&mut bounded)).await;
        assert!(waited.is_err());
        drop(first);
        Listener::accept(&mut bounded).await;
    }

    #[tokio::test]
    async fn silence_ends() {
        let (mut bounded, address) = bounded_for_test(1).await;
        let _client = TcpStream::connect(address).await.expect("connects");
        let (mut held, _) = Listener::accept(&mut bounded).await;
        tokio::time::pause();
        let before = Instant::now();
        let error = held.read_u8().await.expect_err("ends");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(before.elapsed() <= IDLE_MAX + Duration::from_secs(1));
    }
}
