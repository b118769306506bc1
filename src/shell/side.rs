//! The two connections of a session and the bytes between them: reads, writes, nothing else.
//!
//! An idle session owns no buffer: reads go into one scratch buffer per thread, and only what could not
//! be sent or told yet is kept. A side that does not take its bytes stops the reading of the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::task::coop::has_budget_remaining;

use crate::shell::net::Stream;

/// Bytes read at once. Below 8 KiB large results become dear; above, nothing is gained (docs/PERFORMANCE.md).
const SCRATCH: usize = 64 * 1024;
/// An empty buffer larger than this is given back.
const KEEP: usize = 4 * 1024;
/// Bytes a waiting session takes from its client before it stops reading.
const AHEAD_MAX: usize = 64 * 1024;
/// How long a client that was sent its last message may take to read it.
pub const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Lends this thread's read buffer. Must not be nested.
pub fn with_scratch<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|scratch| use_it(scratch))
}

/// Reads once. Ready with 0 at the end of the stream.
pub fn poll_read(stream: &mut Stream, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(into);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}

/// One connection.
#[derive(Debug)]
pub struct Side {
    pub stream: Stream,
    /// Not sent yet.
    pub out: BytesMut,
    /// Received, not told yet.
    pub held: BytesMut,
    /// The peer has said its last; it may still listen.
    pub ended: bool,
    /// Nobody listens any more: what is said to this side is dropped.
    pub gone: bool,
    /// Bytes sent so far.
    pub sent: u64,
    /// TLS: written, but not all of it is on the socket.
    unflushed: bool,
    /// The task is certain to be woken when there is something to read.
    waked: bool,
}

impl Side {
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            out: BytesMut::new(),
            held: BytesMut::new(),
            ended: false,
            gone: false,
            sent: 0,
            unflushed: false,
            waked: false,
        }
    }

    /// Something else than [`Self::poll_take`] may have read.
    pub fn forget_waker(&mut self) {
        self.waked = false;
    }

    /// Reads once, as [`poll_read`] but for less: what is not ready costs next to nothing.
    pub fn poll_take(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(raw) = self.stream.plain() else { return poll_read(&mut self.stream, cx, into) };
        loop {
            match raw.try_read(into) {
                Some(result) => {
                    self.waked = false;
                    match result {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        result => return Poll::Ready(result),
                    }
                }
                None if self.waked => return Poll::Pending,
                None => match raw.poll_read_ready(cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => {
                        // Without budget the task is to come again, and nothing was registered.
                        self.waked = has_budget_remaining();
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    /// Sends what is waiting. Ready when nothing is left.
    #[inline]
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let nothing = self.out.is_empty() && self.out.capacity() <= KEEP && !self.unflushed;
        if nothing { Poll::Ready(Ok(())) } else { self.drain_waiting(cx) }
    }

    fn drain_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gone {
            self.out.clear();
            return Poll::Ready(Ok(()));
        }
        while !self.out.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(sent);
            self.sent += sent as u64;
            self.unflushed = self.stream.is_tls();
        }
        if self.out.capacity() > KEEP {
            self.out = BytesMut::new();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends as much of `bytes` as the socket takes and keeps the rest. Nothing must be waiting.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> io::Result<()> {
        if self.gone {
            return Ok(());
        }
        if let Some(raw) = self.stream.plain().filter(|_| self.out.is_empty() && !bytes.is_empty()) {
            match raw.try_write(bytes) {
                Ok(sent) => {
                    bytes = bytes.get(sent..).unwrap_or_default();
                    self.sent += sent as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        while !bytes.is_empty() && self.out.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, bytes) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(sent)) => {
                    bytes = bytes.get(sent..).unwrap_or_default();
                    self.sent += sent as u64;
                    self.unflushed = self.stream.is_tls();
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        if !bytes.is_empty() {
            self.out.extend_from_slice(bytes);
        }
        match self.poll_drain(cx) {
            Poll::Ready(Err(error)) => Err(error),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Reads once into `held`.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| {
            let count = ready!(poll_read(&mut self.stream, cx, scratch))?;
            self.ended = count == 0;
            self.held.extend_from_slice(scratch.get(..count).unwrap_or_default());
            Poll::Ready(Ok(count))
        })
    }

    /// Everything is on the socket.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.out.is_empty() && !self.unflushed
    }

    /// Reads ahead, up to a bound. Ready when the connection is broken; an orderly end only sets `ended`.
    pub fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while !self.ended && !self.gone && self.held.len() < AHEAD_MAX {
            if let Err(error) = ready!(self.poll_receive(cx)) {
                return Poll::Ready(error);
            }
        }
        Poll::Pending
    }

    /// Sends everything that waits. Not cancel safe for the order of bytes: call it to its end.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn drain(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_drain(cx)).await
    }

    /// Reads once into `held`; 0 at the end of the stream. Cancel safe.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn receive(&mut self) -> io::Result<usize> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Sends what is waiting and takes what comes (up to a bound) until the peer is gone; never ends
    /// otherwise. Cancel safe.
    pub async fn watch(&mut self) {
        poll_fn(|cx| {
            match self.poll_drain(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            while self.held.len() < AHEAD_MAX {
                match self.poll_receive(cx) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                    Poll::Ready(Ok(_)) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Pending
        })
        .await;
    }
}

/// Sends what waits, and reads on for a moment: closing with unread input would reset the connection and
/// take the last message with it.
pub async fn farewell(client: &mut Side) {
    let last = async {
        client.drain().await?;
        client.stream.shutdown().await?;
        let mut ignored = vec![0; 16 * 1024];
        while client.stream.read(&mut ignored).await? > 0 {}
        Ok::<(), io::Error>(())
    };
    let _ = tokio::time::timeout(LINGER, last).await;
}
