//! The plain path: one task, one poll over both sockets, bytes sent straight out of the buffer they were
//! read into. Stops at the first message that has to be decided.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncWrite;

use super::Session;
use crate::kernel::relay::Status;
use crate::kernel::relay::from_client::{Question, Then};
use crate::kernel::wire::frame;
use crate::kernel::wire::message;
use crate::kernel::wire::reply::Reply;
use crate::shell::side::with_scratch;

/// Why the plain path stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// A whole message is at the start of the client's held bytes and must be decided.
    Ask {
        bytes: usize,
        question: Question,
    },
    /// The client broke the protocol, or a bound.
    Fatal(Reply),
    ClientGone,
    ServerGone,
    BadServer(String),
    /// A setting the reading depends on was changed.
    LostPin,
    /// Everything is answered, and the session's lock timeout can be put back.
    Quiet,
    /// The transaction has ended that jobs of the session follow.
    TransactionOver,
    /// The transaction has ended in which definitions may have changed.
    Altered,
    /// The record has no room.
    NoRoom,
}

/// A ReadyForQuery outside a transaction.
const READY_IDLE: [u8; 6] = [frame::server::READY, 0, 0, 0, 5, b'I'];

/// Bytes of answers that are kept while their message may be sent once more.
const ANSWERS_MAX: usize = 64 * 1024;

/// Reads in a row before other sessions of the thread have their turn.
const TURNS: usize = 32;

/// Small, since it is handed on for every read.
type Moved = Result<(), Box<Stop>>;

fn stopped(why: Stop) -> Poll<Moved> {
    Poll::Ready(Err(Box::new(why)))
}

impl Session {
    /// Moves bytes until something stops it. Registers for both sockets.
    pub(super) fn poll_pump(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        // A side that is pending has registered, and nothing the other does makes it ready.
        let (mut server, mut client) = (true, true);
        for _ in 0..TURNS {
            if server {
                match self.poll_from_server(cx) {
                    Poll::Ready(Err(stop)) => return Poll::Ready(*stop),
                    polled => server = polled.is_ready(),
                }
            }
            if let Some(stop) = self.check() {
                return Poll::Ready(*stop);
            }
            if client {
                match self.poll_from_client(cx) {
                    Poll::Ready(Err(stop)) => return Poll::Ready(*stop),
                    polled => client = polled.is_ready() || (self.parked && server),
                }
            }
            if !server && !client {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Only what the server says, until everything it owes has arrived or it wants copy data.
    pub(super) fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if self.client.poll_ahead(cx).is_ready() {
            return Poll::Ready(Stop::ClientGone);
        }
        loop {
            if self.relay.ledger.is_empty() || self.relay.ledger.copying() {
                return Poll::Ready(Stop::Quiet);
            }
            if matches!(self.server.poll_drain(cx), Poll::Ready(Err(_))) {
                self.server.out.clear();
            }
            match self.poll_from_server(cx) {
                Poll::Ready(Err(stop)) => return Poll::Ready(*stop),
                Poll::Ready(Ok(())) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn check(&self) -> Option<Box<Stop>> {
        let calm = self.relay.lost_pin.is_none()
            && self.lock_timeout.is_none()
            && self.deferred.is_empty()
            && self.altered.is_none()
            && self.log.has_room();
        if calm { None } else { self.check_closely().map(Box::new) }
    }

    #[cold]
    fn check_closely(&self) -> Option<Stop> {
        if self.has_lost_pin() {
            return Some(Stop::LostPin);
        }
        if !self.log.has_room() {
            return Some(Stop::NoRoom);
        }
        if self.is_transaction_over() {
            return Some(Stop::TransactionOver);
        }
        if self.has_altered() {
            return Some(Stop::Altered);
        }
        let restore = self.lock_timeout.is_some() && self.relay.quiet() && !self.relay.dirty();
        (restore && self.relay.status != Status::Failed).then_some(Stop::Quiet)
    }

    /// Ready: bytes were moved.
    fn poll_from_client(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        match self.server.poll_drain(cx) {
            Poll::Ready(Ok(())) => {}
            // The server's last words may still be on their way to the client.
            Poll::Ready(Err(_)) => return Poll::Pending,
            Poll::Pending => return Poll::Pending,
        }
        if self.parked {
            if self.relay.ledger.awaits_copy() {
                return Poll::Pending;
            }
            self.parked = false;
            self.offer_held = true;
        }
        if self.client.ended && !self.offer_held {
            return self.poll_hang_up(cx);
        }
        if self.offer_held {
            self.offer_held = false;
            let held = std::mem::take(&mut self.client.held);
            return Poll::Ready(self.take_from_client(cx, &held));
        }
        with_scratch(|scratch| match self.client.poll_take(cx, scratch) {
            Poll::Ready(Ok(0)) => {
                self.client.ended = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => stopped(Stop::ClientGone),
            Poll::Ready(Ok(count)) => {
                self.bytes_in += count as u64;
                let received = scratch.get(..count).unwrap_or_default();
                if self.client.held.is_empty() {
                    return Poll::Ready(self.take_from_client(cx, received));
                }
                self.client.held.extend_from_slice(received);
                if self.client.held.len() < self.need {
                    return Poll::Ready(Ok(()));
                }
                let held = std::mem::take(&mut self.client.held);
                Poll::Ready(self.take_from_client(cx, &held))
            }
            Poll::Pending => Poll::Pending,
        })
    }

    /// The client has said its last. What it asked for is still answered, as the server itself would:
    /// it is told of the end, and ends when it has done what came before.
    fn poll_hang_up(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        if self.relay.quiet() && self.client.is_drained() {
            return stopped(Stop::ClientGone);
        }
        if !self.hung_up && Pin::new(&mut self.server.stream).poll_shutdown(cx).is_ready() {
            self.hung_up = true;
        }
        Poll::Pending
    }

    /// Tells the client's bytes message by message; what must wait is kept.
    fn take_from_client(&mut self, cx: &mut Context<'_>, mut bytes: &[u8]) -> Moved {
        let now = self.now();
        self.need = 0;
        loop {
            let step = self.relay.from_client(bytes, &mut self.recall, now);
            let (forward, rest) = bytes.split_at_checked(step.forward).unwrap_or((bytes, &[]));
            if self.server.poll_send(cx, forward).is_err() {
                // The server is gone; what it still said is read before the session ends.
                self.server.out.clear();
                return Ok(());
            }
            match step.then {
                Then::More => return Ok(()),
                Then::Partial { need } => {
                    self.need = need;
                    self.client.held = BytesMut::from(rest);
                    return Ok(());
                }
                Then::Wait => {
                    // What a portal answers is told only when it is asked for.
                    message::put_flush(&mut self.server.out);
                    self.parked = true;
                    self.client.held = BytesMut::from(rest);
                    return Ok(());
                }
                Then::Drop { bytes: count } => bytes = rest.get(count..).unwrap_or_default(),
                Then::Ask { bytes: count, question } => {
                    self.client.held = BytesMut::from(rest);
                    return Err(Box::new(Stop::Ask { bytes: count, question }));
                }
                Then::Fatal(reply) => return Err(Box::new(Stop::Fatal(reply))),
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ready: bytes were moved.
    fn poll_from_server(&mut self, cx: &mut Context<'_>) -> Poll<Moved> {
        match self.client.poll_drain(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return stopped(Stop::ClientGone),
            Poll::Pending => return Poll::Pending,
        }
        with_scratch(|scratch| match self.server.poll_take(cx, scratch) {
            Poll::Ready(Ok(0) | Err(_)) => stopped(if self.client.ended { Stop::ClientGone } else { Stop::ServerGone }),
            Poll::Ready(Ok(count)) => {
                let received = scratch.get(..count).unwrap_or_default();
                if self.server.held.is_empty() {
                    return Poll::Ready(self.take_from_server(cx, received));
                }
                self.server.held.extend_from_slice(received);
                let held = std::mem::take(&mut self.server.held);
                Poll::Ready(self.take_from_server(cx, &held))
            }
            Poll::Pending => Poll::Pending,
        })
    }

    fn take_from_server(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Moved {
        let step = match self.relay.from_server(bytes, self.now()) {
            Ok(step) => step,
            Err(bad) => return Err(Box::new(Stop::BadServer(bad.to_string()))),
        };
        let (forward, rest) = bytes.split_at_checked(step.forward).unwrap_or((bytes, &[]));
        if step.need.is_some() {
            self.server.held = BytesMut::from(rest);
        }
        if !self.relay.finished.is_empty() {
            self.record_finished();
        }
        let over = rest.is_empty() && self.is_transaction_over();
        let (forward, ready) = match forward.split_last_chunk() {
            Some((before, end)) if (over || self.holds_ready) && *end == READY_IDLE => (before, end.as_slice()),
            Some(_) | None => (forward, [].as_slice()),
        };
        self.ready.extend_from_slice(ready);
        if let Some(mut answers) = self.answers.take() {
            answers.extend_from_slice(forward);
            if answers.len() <= ANSWERS_MAX {
                self.answers = Some(answers);
            } else {
                self.client.out.extend_from_slice(&answers);
            }
            return Ok(());
        }
        match self.client.poll_send(cx, forward) {
            Ok(()) if over => Err(Box::new(Stop::TransactionOver)),
            Ok(()) => Ok(()),
            Err(_) => Err(Box::new(Stop::ClientGone)),
        }
    }
}
