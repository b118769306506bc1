//! One client and its one server connection, from ReadyForQuery to the end.
//!
//! The plain path is in `pump`; this file is the loop around it. What has to be decided is in `intercept`,
//! what a verdict says is done in `act`, plans are run in `run`, held statements wait in `hold`.

mod act;
mod anew;
mod answer;
mod approved;
mod between;
mod bound;
mod copy;
mod defer;
mod definitions;
mod hold;
mod intercept;
mod job;
mod journal;
mod lock_timeout;
mod outcome;
mod prepared;
mod pump;
mod recall;
mod record;
mod resume;
mod run;
mod taken;
mod words;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use ring::hmac;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

use self::pump::Stop;
use self::recall::ThreadRecall;
use super::audit::{EndReason, SessionLog};
use super::cancel::Registration;
use super::config::{Settings, Target};
use super::console::ask::Tickets;
use super::jobs::Jobs;
use super::traffic::Pulse;
use super::upstream::Upstream;
use crate::kernel::policy::Who;
use crate::kernel::relay::Relay;
use crate::kernel::relay::from_client::Question;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::side::{LINGER, Side};

pub use crate::shell::side::farewell;

/// What all sessions of a process share.
#[derive(Clone)]
pub struct Shared {
    pub settings: watch::Receiver<Arc<Settings>>,
    pub tickets: Tickets,
    pub jobs: Jobs,
    /// What hashes of hidden texts are made with.
    pub text_key: Arc<hmac::Key>,
    /// Turns true when the process drains.
    pub draining: watch::Receiver<bool>,
    /// Turns true when the time for that is over.
    pub out_of_time: watch::Receiver<bool>,
}

/// Who the client is and where it talks to.
#[derive(Clone, Debug)]
pub struct Identity {
    /// As which role the client logged in.
    pub user: String,
    pub database: String,
    pub application: String,
    pub client: String,
    pub target: Arc<Target>,
    pub upstream: Arc<Upstream>,
}

pub struct Session {
    client: Side,
    server: Side,
    relay: Relay,
    recall: ThreadRecall,
    log: SessionLog,
    cancel: Registration,
    identity: Identity,
    shared: Shared,
    started: Instant,
    /// What its ordinary statements feel.
    pulse: Pulse,
    /// The same moment on the wall clock.
    began: crate::kernel::review::Instant,
    /// Bytes of the client's held message that must be there before it is told again.
    need: usize,
    /// The held bytes wait for what becomes of a COPY.
    parked: bool,
    /// The held bytes are to be told before anything is read.
    offer_held: bool,
    /// The server was told that the client says nothing more.
    hung_up: bool,
    /// The session's own `lock_timeout`, to be put back when the statement that ran under ours is done.
    lock_timeout: Option<lock_timeout::Own>,
    /// What was decided about the statement that runs now.
    decided: Option<record::Decided>,
    /// Jobs that follow the session's transaction.
    deferred: Vec<defer::Deferred>,
    /// Approved changes of the transaction that is open.
    unsettled: Vec<outcome::Unsettled>,
    /// Which definitions the change that is judged now may change.
    touching: Option<definitions::Touching>,
    /// What the transaction may have changed, until it is over.
    altered: Option<Box<definitions::Altered>>,
    /// The ReadyForQuery that ends such a transaction, kept until the client is told what becomes of them.
    ready: Vec<u8>,
    /// It is kept in any case: there may be something to say before it.
    holds_ready: bool,
    /// What the server answers, while the message may be sent once more: absent once that is too much to keep.
    answers: Option<bytes::BytesMut>,
    /// SQLSTATE and tag of the change that was finished last.
    last_error: Option<String>,
    /// A Sync of ours has destroyed the portals of the statement that is judged.
    portals_gone: bool,
    last_tag: compact_str::CompactString,
    bytes_in: u64,
    /// Sent to the client before the session began.
    sent_before: u64,
}

/// Why a session ends.
#[derive(Debug)]
pub enum Ended {
    Client,
    Server,
    /// The process drains, and its time for that is over.
    OutOfTime,
    /// The client is told.
    Told(Reply, EndReason),
}

impl Session {
    #[must_use]
    pub fn new(
        sides: (Side, Side),
        relay: Relay,
        context: (SessionLog, Registration),
        identity: Identity,
        shared: Shared,
    ) -> Self {
        let (client, server) = sides;
        let (log, cancel) = context;
        let started = Instant::now();
        Self {
            pulse: shared.jobs.traffic().join(&identity.target.name, started),
            sent_before: client.sent,
            client,
            server,
            relay,
            recall: ThreadRecall::default(),
            log,
            cancel,
            identity,
            shared,
            started,
            began: super::clock::now(),
            need: 0,
            parked: false,
            offer_held: true,
            hung_up: false,
            lock_timeout: None,
            decided: None,
            deferred: Vec::new(),
            unsettled: Vec::new(),
            touching: None,
            altered: None,
            ready: Vec::new(),
            holds_ready: false,
            answers: None,
            last_error: None,
            portals_gone: false,
            last_tag: compact_str::CompactString::default(),
            bytes_in: 0,
        }
    }

    /// Serves the client until one of the two is gone or the process drains.
    pub async fn run(mut self: Box<Self>) {
        let ended = {
            let over = self.shared.out_of_time.clone();
            let mut waiting = over.clone();
            let mut serving = std::pin::pin!(self.serve());
            let mut out_of_time = std::pin::pin!(waiting.wait_for(|on| *on));
            let mut asked = false;
            poll_fn(|cx| {
                if let Poll::Ready(ended) = serving.as_mut().poll(cx) {
                    return Poll::Ready(ended);
                }
                // As with draining: until the watch changes, asking once is enough.
                if asked && !over.has_changed().unwrap_or(true) {
                    return Poll::Pending;
                }
                asked = true;
                if out_of_time.as_mut().poll(cx).is_ready() { Poll::Ready(Ended::OutOfTime) } else { Poll::Pending }
            })
            .await
        };
        Box::pin(self.end(ended)).await;
    }

    async fn serve(&mut self) -> Ended {
        loop {
            let stop = self.pump().await;
            // A session at rest has no room for all it could be at.
            if let Err(ended) = Box::pin(self.after(stop)).await {
                return ended;
            }
        }
    }

    /// The plain path, until it stops, the session is ended, or the process drains while nothing is owed.
    async fn pump(&mut self) -> Option<Stop> {
        let mut terminated = self.cancel.terminated();
        if terminated.borrow_and_update().is_some() {
            return None;
        }
        let ended = self.cancel.terminated();
        let mut ending = std::pin::pin!(terminated.changed());
        let mut is_listening = false;
        let draining = self.shared.draining.clone();
        let mut waiting = self.shared.draining.clone();
        let drained = async move { waiting.wait_for(|on| *on).await.is_ok() };
        let mut drained = std::pin::pin!(drained);
        // The watch was told of a change when it fires, so until one comes asking it once is enough.
        let mut asked = false;
        self.forget_wakers();
        poll_fn(|cx| {
            let polled = self.poll_pump(cx);
            self.pulse.waits(if polled.is_pending() { self.relay.ledger.since() } else { None });
            if let Poll::Ready(stop) = polled {
                return Poll::Ready(Some(stop));
            }
            if !is_listening || ended.has_changed().unwrap_or(false) {
                is_listening = true;
                if ending.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
            }
            let idle = self.relay.at_rest() && self.client.held.is_empty();
            if !idle || (asked && !draining.has_changed().unwrap_or(true)) {
                return Poll::Pending;
            }
            asked = true;
            if drained.as_mut().poll(cx).is_ready() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    async fn after(&mut self, stop: Option<Stop>) -> Result<(), Ended> {
        let Some(stop) = stop else {
            let by = self.cancel.terminated().borrow().clone();
            if let Some(by) = by {
                self.cancel.target().send_upstream().await;
                // What becomes of it belongs in the record.
                let _ = tokio::time::timeout(LINGER, Box::pin(self.see_through())).await;
                let reply =
                    Reply::fatal(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
                        .detail(format!("The session was ended through the gateway by {by}."));
                return Err(Ended::Told(reply, EndReason::Administrator));
            }
            let reply = Reply::fatal(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
                .hint("The gateway is stopping. Connect again.");
            return Err(Ended::Told(reply, EndReason::GatewayStopping));
        };
        match stop {
            Stop::Ask { bytes, question } => Box::pin(self.decide(bytes, question)).await?,
            Stop::Quiet => Box::pin(self.restore_lock_timeout()).await?,
            Stop::TransactionOver => Box::pin(self.transaction_over()).await?,
            Stop::Altered => Box::pin(self.tell_definitions()).await?,
            Stop::NoRoom => {
                if let Err(error) = self.log.room().await {
                    return Err(Ended::Told(answer::no_record(&error), EndReason::Dropped));
                }
            }
            Stop::Fatal(reply) => return Err(Ended::Told(reply, EndReason::ProtocolError)),
            Stop::ClientGone => return Err(Ended::Client),
            Stop::ServerGone => return Err(Ended::Server),
            Stop::BadServer(what) => {
                tracing::error!(what, "protocol violation by the server");
                let reply = Reply::fatal(sqlstate::PROTOCOL_VIOLATION, what);
                return Err(Ended::Told(reply, EndReason::ProtocolError));
            }
            Stop::LostPin => return Err(self.lost_pin()),
        }
        Ok(())
    }

    /// Whether a setting was lost that statements have to be read by. Who only observes reads on: what is not certain
    /// counts as unreadable, and passes.
    fn has_lost_pin(&self) -> bool {
        let may_go_on = || self.relay.reads_unsure() && self.settings().judging(&self.identity.target).observe;
        self.relay.lost_pin.is_some() && !may_go_on()
    }

    fn lost_pin(&mut self) -> Ended {
        let pin = self.relay.lost_pin.take();
        let (name, value) = pin.map_or(("a setting", String::new()), |pin| (pin.name, pin.value));
        let reply = Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, format!("{name} \"{value}\" is not supported through the gateway"))
            .detail("With it, the gateway could read a statement differently from the server. The session was ended before its next statement.")
            .hint("Use UTF8, SQL_ASCII, a single-byte or an EUC client encoding, and standard_conforming_strings = on.");
        Ended::Told(reply, EndReason::ProtocolError)
    }

    async fn decide(&mut self, bytes: usize, question: Question) -> Result<(), Ended> {
        self.offer_held = true;
        match question {
            Question::Settle => self.settle().await,
            Question::Fence => self.fence().await,
            Question::OutOfPlace { tag } => self.out_of_place(tag).await,
            Question::Withdraw { spared } => self.withdraw(&spared).await,
            Question::Read => self.read_elsewhere(bytes).await,
            Question::Judge { known, path, values } => {
                let message = self.client.held.split_to(bytes.min(self.client.held.len())).freeze();
                self.judge(message, known, path, values).await
            }
            Question::TooLong { tag, bytes, max } => self.too_long(tag, bytes, max).await,
            Question::Function { oid } => {
                let taken = bytes.min(self.client.held.len());
                drop(self.client.held.split_to(taken));
                self.refuse_function(oid).await
            }
        }
    }

    /// Waits until the server has answered everything; whatever it says goes to the client.
    async fn settle(&mut self) -> Result<(), Ended> {
        if !self.relay.ledger.is_empty() {
            crate::kernel::wire::message::put_flush(&mut self.server.out);
        }
        self.answered().await?;
        if self.relay.ledger.unclear() { self.clear_copy(None).await } else { Ok(()) }
    }

    /// Takes what the server answers, until nothing is owed or it wants copy data.
    async fn answered(&mut self) -> Result<(), Ended> {
        self.forget_wakers();
        match poll_fn(|cx| self.poll_settle(cx)).await {
            Stop::Quiet => Ok(()),
            Stop::TransactionOver => Box::pin(self.transaction_over()).await,
            Stop::ClientGone => Err(Ended::Client),
            Stop::BadServer(what) => {
                Err(Ended::Told(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, what), EndReason::ProtocolError))
            }
            Stop::ServerGone | Stop::Ask { .. } | Stop::Fatal(_) | Stop::LostPin | Stop::NoRoom | Stop::Altered => {
                Err(Ended::Server)
            }
        }
    }

    /// Whoever had the connections before may have been woken in the plain path's stead.
    fn forget_wakers(&mut self) {
        self.client.forget_waker();
        self.server.forget_waker();
    }

    /// Microseconds since the session began.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn settings(&self) -> Arc<Settings> {
        self.shared.settings.borrow().clone()
    }

    /// Whom the configuration knows by this login and application.
    fn person(&self) -> Option<String> {
        let settings = self.settings();
        settings.people.of_login(&self.identity.user, &self.identity.application).map(|one| one.name.clone())
    }

    fn who(&self) -> Who {
        Who {
            target: self.identity.target.name.clone(),
            role: self.identity.user.clone(),
            application: self.identity.application.clone(),
        }
    }

    async fn end(mut self: Box<Self>, ended: Ended) {
        // Then nothing more can be asked of the server.
        let cut_off = matches!(ended, Ended::Server | Ended::OutOfTime);
        if !self.unsettled.is_empty() {
            Box::pin(self.leave_tickets(cut_off)).await;
        }
        if self.altered.is_some() {
            Box::pin(self.leave_definitions(cut_off)).await;
        }
        let last = self.last_word(&ended);
        self.relay.abandon(self.now());
        self.record_finished();
        let goodbye = self.record_unjudged() || self.relay.terminated;
        let or_terminated = |gone| if goodbye { EndReason::Terminated } else { gone };
        match ended {
            Ended::Client => self.log.set_end(or_terminated(EndReason::ClientGone)),
            Ended::Server => self.log.set_end(or_terminated(EndReason::ServerGone)),
            Ended::OutOfTime => self.log.set_end(EndReason::GatewayStopping),
            Ended::Told(_, reason) => self.log.set_end(reason),
        }
        if let Some(last) = last {
            if let Some(reply) = last {
                reply.put(&mut self.client.out);
            }
            farewell(&mut self.client).await;
        }
        self.log.add_bytes(self.bytes_in, self.client.sent.saturating_sub(self.sent_before));
        // Terminate lets the server end its side without a message in its log.
        let terminate = async {
            self.server.stream.write_all(&[b'X', 0, 0, 0, 4]).await?;
            self.server.stream.shutdown().await
        };
        let _ = tokio::time::timeout(LINGER, terminate).await;
    }

    /// What the client that listens is told at the end: nothing more in the middle of a reply, or where it has heard
    /// from the server why.
    fn last_word(&self, ended: &Ended) -> Option<Option<Reply>> {
        let reply = match ended {
            Ended::Client => return None,
            Ended::Server if self.relay.terminated => None,
            Ended::Server | Ended::Told(_, EndReason::ServerGone) if self.relay.server_leaves => None,
            Ended::Server => Some(answer::server_silent(&self.relay)),
            Ended::OutOfTime => Some(answer::out_of_time(&self.relay)),
            Ended::Told(reply, _) => Some(reply.clone()),
        };
        Some(reply.filter(|_| !self.relay.in_reply()))
    }
}
