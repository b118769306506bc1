//! The handle without which no session exists. Dropping it writes the end of the session.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::event::{
    Counts, Decision, DecisionRecord, EndReason, EndedIdle, Event, Intent, LogGap, SessionEnded, SessionNumber,
    StatementRecord, Step, VerifiedEvent, WhoseChange,
};
use super::format::{self, cut, timestamp};
use super::queue::Fill;
use super::{Audit, OnFailure, RecordError};
use crate::kernel::plan::queue::Blocker;
use crate::kernel::plan::verify::Checked;
use crate::kernel::review::Instant;
use crate::shell::clock::now;

/// A session's number together with the run of the gateway: names it for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId {
    pub boot: Arc<str>,
    pub number: SessionNumber,
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.boot, self.number.0)
    }
}

/// Statements that got no line, until the gap itself is recorded.
#[derive(Clone, Copy)]
struct Missed {
    first_n: u64,
    records: u64,
    from: Instant,
    to: Instant,
}

/// One session's way into the record.
pub struct SessionLog {
    audit: Audit,
    number: SessionNumber,
    n: u64,
    fill: Fill,
    counts: Counts,
    reason: EndReason,
    missed: Option<Missed>,
}

impl SessionLog {
    pub(super) fn new(audit: Audit, number: SessionNumber) -> Self {
        Self {
            audit,
            number,
            n: 0,
            fill: Fill::Room,
            counts: Counts::default(),
            reason: EndReason::Dropped,
            missed: None,
        }
    }

    #[must_use]
    pub fn id(&self) -> SessionId {
        SessionId { boot: Arc::clone(&self.audit.shared.boot), number: self.number }
    }

    /// The record this session writes to.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// The ordinal the next [`Self::statement`] will get: for intents, decisions and steps that belong to it.
    #[must_use]
    pub fn next_n(&self) -> u64 {
        self.n + 1
    }

    /// Whether another statement may run now. If not, ask [`Self::room`].
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.fill == Fill::Room
            || self.audit.shared.queue.fill(self.number.0) == Fill::Room
            || (!self.audit.is_healthy() && self.audit.shared.on_failure == OnFailure::Continue)
    }

    /// Waits until another statement may run. Fails when the record cannot be written, memory is full and
    /// the settings do not allow to go on. Cancel safe.
    pub async fn room(&self) -> Result<(), RecordError> {
        while !self.has_room() {
            if !self.audit.is_healthy() {
                return Err(self.audit.shared.failure());
            }
            self.audit.shared.queue.room_or_health(self.number.0).await;
        }
        Ok(())
    }

    /// Records a statement that has run or was answered, and returns its ordinal. No I/O, no waiting.
    pub fn statement(&mut self, record: &StatementRecord<'_>) -> u64 {
        self.n += 1;
        self.count(record);
        if self.fill == Fill::Room && self.missed.is_none() {
            self.push(record);
        } else {
            self.push_when_full(record);
        }
        self.n
    }

    /// Adds to the bytes the client sent and received.
    pub fn add_bytes(&mut self, from_client: u64, to_client: u64) {
        self.counts.bytes_in += from_client;
        self.counts.bytes_out += to_client;
    }

    /// Why a statement is not simply passed, with what was found.
    pub fn decision(&mut self, mut decision: DecisionRecord) {
        decision.session = Some(self.number);
        decision.text = self.shown(&decision.text);
        self.event(Event::Decision(decision));
    }

    /// What was checked when all steps of a plan had run.
    pub fn verified(&mut self, n: u64, checks: Vec<Checked>) {
        self.event(Event::Verified(VerifiedEvent { of: WhoseChange::statement(self.number, n), checks }));
    }

    /// A session of somebody else that was ended.
    pub fn ended_idle(&mut self, n: u64, ended: Blocker) {
        self.event(Event::EndedIdle(EndedIdle { of: WhoseChange::statement(self.number, n), ended }));
    }

    /// What became of a step of a plan.
    pub fn step(&mut self, mut step: Step) {
        step.session = Some(self.number);
        self.event(Event::Step(step));
    }

    /// Everything of this session before it and the intent itself are on disk when this returns.
    /// The change must not go upstream otherwise. Cancelling it leaves the intent in the record.
    pub async fn intent(&mut self, mut intent: Intent) -> Result<(), RecordError> {
        intent.session = Some(self.number);
        intent.text = self.shown(&intent.text);
        self.audit.durable(self.number.0, Event::Intent(intent)).await
    }

    /// Says why the session ends; call it before dropping the handle.
    pub fn set_end(&mut self, reason: EndReason) {
        self.reason = reason;
    }

    fn shown(&self, text: &str) -> String {
        cut(text, self.audit.shared.text_limit).to_owned()
    }

    fn count(&mut self, record: &StatementRecord<'_>) {
        self.counts.statements += 1;
        self.counts.rows += record.rows;
        self.counts.errors += u64::from(record.sqlstate.is_some());
        self.counts.changes += u64::from(record.change);
        match record.decision {
            Decision::Hold => self.counts.held += 1,
            Decision::Refuse => self.counts.refused += 1,
            Decision::Pass
            | Decision::Warn
            | Decision::Rewrite
            | Decision::Defer
            | Decision::Observe
            | Decision::NotRun => {}
        }
    }

    fn push(&mut self, record: &StatementRecord<'_>) {
        let shared = &self.audit.shared;
        let who = (self.number, self.n);
        self.fill = shared.queue.push(self.number.0, record.at, None, |out| {
            format::statement(out, who, record, (shared.text_limit, &shared.parameters));
        });
    }

    #[cold]
    fn push_when_full(&mut self, record: &StatementRecord<'_>) {
        if self.missed.is_some() {
            if self.audit.shared.queue.fill(self.number.0) == Fill::Full {
                return self.miss(record.at);
            }
            self.tell_missed();
        }
        if self.audit.shared.queue.is_overfull(self.number.0) {
            return self.miss(record.at);
        }
        self.push(record);
    }

    fn miss(&mut self, at: Instant) {
        match &mut self.missed {
            Some(missed) => {
                missed.records += 1;
                missed.to = at;
            }
            None => self.missed = Some(Missed { first_n: self.n, records: 1, from: at, to: at }),
        }
    }

    fn tell_missed(&mut self) {
        let Some(missed) = self.missed.take() else {
            return;
        };
        self.event(Event::LogGap(LogGap {
            session: self.number,
            first_n: missed.first_n,
            last_n: missed.first_n + missed.records - 1,
            records: missed.records,
            from: timestamp(missed.from),
            to: timestamp(missed.to),
        }));
    }

    fn event(&mut self, event: Event) {
        if let Some(fill) = self.audit.push_event(self.number.0, &event) {
            self.fill = fill;
        }
    }
}

impl Drop for SessionLog {
    fn drop(&mut self) {
        self.tell_missed();
        let ended = SessionEnded { session: self.number, reason: self.reason, counts: self.counts };
        self.event(Event::SessionEnded(ended));
    }
}

impl Audit {
    /// Writes an event and waits until it is on disk. Cancelling it leaves the event in the record.
    pub(super) async fn durable(&self, key: u64, event: Event) -> Result<(), RecordError> {
        if !self.is_healthy() {
            return Err(self.shared.failure());
        }
        self.settled(key, event).await
    }

    /// As [`Self::durable`], but the event is in the record sooner or later whatever is answered.
    pub(super) async fn settled(&self, key: u64, event: Event) -> Result<(), RecordError> {
        let (done, written) = oneshot::channel();
        let line = format::event(&event).map_err(|error| RecordError::Failed(error.to_string()))?;
        self.shared.queue.push(key, now(), Some(done), |out| out.extend_from_slice(&line));
        let answer = async {
            tokio::select! {
                biased;
                answer = written => answer.unwrap_or(Err(RecordError::Stopped)),
                () = self.shared.queue.unhealthy() => Err(self.shared.failure()),
            }
        };
        match tokio::time::timeout(self.shared.intent_timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(RecordError::Slow(self.shared.intent_timeout)),
        }
    }
}
