//! What a session tells the record: finished statements, decisions, intents, steps.

use std::borrow::Cow;
use std::sync::Arc;

use super::taken::Taken;
use super::{Session, prepared, words};
use crate::kernel::assess::Assessment;
use crate::kernel::job::JobId;
use crate::kernel::plan::Plan;
use crate::kernel::relay::ledger::{Path, Values};
use crate::kernel::relay::{Finished, Status};
use crate::kernel::review::{Instant, TicketId};
use crate::kernel::rules::locks::Locked;
use crate::kernel::rules::{Finding, RuleId};
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::{RelationName, Statement};
use crate::kernel::wire::frame::{self, HEADER, client};
use crate::kernel::wire::message;
use crate::shell::audit::event::Arrival;
use crate::shell::audit::{
    Decision, DecisionRecord, FindingLine, LockLine, SessionLog, SqlState, StatementRecord, Step, StepOutcome,
    Transaction,
};
use crate::shell::executor::{Outcome, Progress};

/// Instead of a statement that hands secrets to a prepared one.
const SECRET_VALUES: &str = "<EXECUTE with secret values>";

/// What was decided about a statement.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    pub decision: Decision,
    pub rules: Arc<[RuleId]>,
    pub ticket: Option<TicketId>,
    pub job: Option<JobId>,
    /// What the statement itself locks.
    pub locks: Vec<Locked>,
}

impl Decided {
    #[must_use]
    pub(super) fn new(decision: Decision, findings: &[Finding]) -> Self {
        let mut rules: Vec<RuleId> = findings.iter().map(|f| f.rule.clone()).collect();
        rules.dedup();
        Self { decision, rules: rules.into(), ticket: None, job: None, locks: Vec::new() }
    }

    #[must_use]
    pub(super) fn locking(self, assessment: &Assessment) -> Self {
        Self { locks: assessment.changes.iter().flat_map(|change| change.locks.clone()).collect(), ..self }
    }
}

/// How a statement that the gateway answered itself came out.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub tag: String,
    pub code: Option<String>,
    pub rows: u64,
}

impl Session {
    /// Hands over what the relay saw finished.
    pub(super) fn record_finished(&mut self) {
        let mut finished = std::mem::take(&mut self.relay.finished);
        for one in &finished {
            self.record_one(one);
        }
        // Keeps its memory for the next one.
        finished.clear();
        self.relay.finished = finished;
    }

    fn record_one(&mut self, one: &Finished) {
        let known = one.known.as_deref();
        let change = known.is_some_and(|known| !known.ordinary);
        let mut decided = None;
        if change {
            self.last_error = one.error.map(|code| String::from_utf8_lossy(&code).into_owned());
            self.last_tag.clone_from(&one.tag);
            decided = self.decided.take();
        } else if !one.tag.starts_with("COPY") {
            // A copy takes as long as its client.
            self.pulse.ended(one.started, one.ended);
        }
        let secret = known.is_some_and(|known| known.values_are_secret);
        let text = known.map_or(Cow::Borrowed(""), |known| self.shown(known));
        let record = StatementRecord {
            duration_us: one.ended.saturating_sub(one.started),
            text_bytes: known.map_or(0, |known| full_bytes(known, &text)),
            path: audit_path(one.path),
            change,
            transaction: transaction(one.status),
            rows: one.rows,
            bytes: one.bytes,
            tag: &one.tag,
            sqlstate: one.error.and_then(|code| SqlState::new(std::str::from_utf8(&code).unwrap_or_default())),
            bound: one.values.as_ref().filter(|_| !secret).map(Values::raw),
            ..StatementRecord::new(self.wall(one.started), &text)
        };
        self.log.statement(&decided.as_ref().map_or(record, |decided| decide(record, decided)));
    }

    /// A statement that was answered here.
    pub(super) fn record_own(&mut self, known: &Known, came: (Path, u64), own: Own, decided: Option<Decided>) {
        let (path, started) = came;
        let text = self.shown(known);
        let record = StatementRecord {
            duration_us: self.now().saturating_sub(started),
            text_bytes: full_bytes(known, &text),
            path: audit_path(path),
            rows: own.rows,
            tag: &own.tag,
            sqlstate: own.code.as_deref().and_then(SqlState::new),
            transaction: transaction(self.relay.status),
            change: true,
            ..StatementRecord::new(self.wall(started), &text)
        };
        self.log.statement(&decided.as_ref().map_or(record, |decided| decide(record, decided)));
    }

    /// A statement that the session ended before.
    pub(super) fn record_not_run(&mut self, known: &Known, came: (Path, u64)) {
        self.record_own(known, came, Own::default(), Some(Decided::new(Decision::NotRun, &[])));
    }

    /// What the client has sent and nobody has decided. True: it ends with the client's goodbye.
    pub(super) fn record_unjudged(&mut self) -> bool {
        let held = std::mem::take(&mut self.client.held);
        let (mut rest, now) = (held.as_ref(), self.now());
        while let Ok(Some(header)) = frame::header(rest, frame::client_length_max) {
            let Some((message, after)) = rest.split_at_checked(header.total()) else { break };
            let body = message.get(HEADER..).unwrap_or_default();
            let (text, path) = match header.tag {
                client::TERMINATE => return true,
                client::QUERY => (message::query(body).ok(), Path::Simple),
                client::PARSE => (message::parse(body).ok().map(|(_, text)| text), Path::Parse),
                _ => (None, Path::Simple),
            };
            if let Some(text) = text {
                self.record_not_run(&Known::read(text, self.relay.encoding), (path, now));
            }
            rest = after;
        }
        false
    }

    /// Why the next statement is not simply passed.
    pub(super) fn record_decision(
        &mut self,
        taken: &Taken,
        decided: &Decided,
        findings: &[Finding],
        recipe: Option<&str>,
    ) {
        let finding = |found: &Finding| FindingLine {
            rule: found.rule.clone(),
            relation: found.relation.as_ref().map(RelationName::written),
            lock: found.lock,
            message: found.message.clone(),
        };
        let lock = |locked: &Locked| LockLine { relation: locked.relation.written(), mode: locked.mode };
        self.log.decision(DecisionRecord {
            session: None,
            n: self.log.next_n(),
            decision: decided.decision,
            text: self.shown_whole(taken),
            findings: findings.iter().map(finding).collect(),
            locks: decided.locks.iter().map(lock).collect(),
            ticket: decided.ticket,
            job: decided.job.map(|job| job.0),
            recipe: recipe.map(str::to_owned),
        });
    }

    /// The step at which a plan stopped, if it did.
    pub(super) fn record_stop(&mut self, plan: &Plan, outcome: &Outcome, hides: bool) {
        let (stopped, how) = match outcome {
            Outcome::Done(_) => return,
            Outcome::Failed(_, stopped) => (stopped, StepOutcome::Failed),
            Outcome::Cancelled(_, stopped) => (stopped, StepOutcome::Cancelled),
            Outcome::Unknown(_, stopped) => (stopped, StepOutcome::Unknown),
        };
        let n = self.log.next_n();
        let error = if hides { words::SECRET.to_owned() } else { stopped.error.to_string() };
        self.log.step(Step {
            error: Some(format!("{error}. {}", stopped.state)),
            sqlstate: stopped.error.code().map(str::to_owned),
            ..step_line((n, plan), stopped.step, how)
        });
    }

    /// The text as it may be kept: also without what is handed to a prepared statement as a secret.
    pub(super) fn shown<'a>(&self, known: &'a Known) -> Cow<'a, str> {
        let statements = known.reading.iter().filter(|_| !known.ordinary).flat_map(|reading| &reading.statements);
        let secret = statements.filter_map(|parsed| match &parsed.statement {
            Statement::Execute { name } => self.relay.names.statement(name).filter(|of| of.values_are_secret),
            Statement::Ordinary
            | Statement::MovesNames
            | Statement::Transaction(_)
            | Statement::Prepare { .. }
            | Statement::Deallocate { .. }
            | Statement::Change(_) => None,
        });
        match secret.count() {
            0 => Cow::Borrowed(&known.shown),
            _ => Cow::Borrowed(SECRET_VALUES),
        }
    }

    /// The same of a statement that is judged, below what the names stand for that it executes.
    pub(super) fn shown_whole(&self, taken: &Taken) -> String {
        let hides = taken.prepared.iter().filter_map(|of| of.known.as_deref()).any(|known| known.values_are_secret);
        let own = if hides { SECRET_VALUES.into() } else { self.shown(&taken.known) };
        prepared::shown(&taken.prepared) + &own
    }

    /// What an approval of the statement is for.
    pub(super) fn text_hash(&self, taken: &Taken) -> String {
        let whole = *self.shown_whole(taken) == *taken.known.text;
        taken.hash(&self.shared.text_key, whole)
    }

    fn wall(&self, at: u64) -> Instant {
        Instant(self.began.0.saturating_add(i64::try_from(at).unwrap_or(i64::MAX)))
    }
}

/// A step of a plan that has been done.
pub(super) fn step(log: &mut SessionLog, (n, plan): (u64, &Plan), progress: &Progress) {
    let (at, ms, outcome) = match progress {
        Progress::StepDone { step, ms, .. } => (*step, *ms, StepOutcome::Done),
        Progress::AlreadyDone { step, .. } => (*step, 0, StepOutcome::AlreadyDone),
        Progress::StepStarted { .. }
        | Progress::Retrying { .. }
        | Progress::Backfill { .. }
        | Progress::Walked(_)
        | Progress::Throttled { .. }
        | Progress::WaitingForSnapshots { .. }
        | Progress::GoesOn
        | Progress::EndedIdle { .. }
        | Progress::Note(_) => return,
    };
    log.step(Step { duration_us: ms.saturating_mul(1_000), ..step_line((n, plan), at, outcome) });
}

fn step_line((n, plan): (u64, &Plan), at: usize, outcome: StepOutcome) -> Step {
    Step {
        session: None,
        n,
        step: at as u64 + 1,
        name: plan.steps.get(at).map(|step| step.name.clone()).unwrap_or_default(),
        outcome,
        duration_us: 0,
        error: None,
        sqlstate: None,
    }
}

fn decide<'a>(record: StatementRecord<'a>, decided: &'a Decided) -> StatementRecord<'a> {
    StatementRecord { decision: decided.decision, rules: &decided.rules, ticket: decided.ticket, ..record }
}

/// The exact length, unless something is hidden: it would tell how long that is.
fn full_bytes(known: &Known, shown: &str) -> u64 {
    if *shown == *known.text { shown.len() as u64 } else { 0 }
}

fn audit_path(path: Path) -> Arrival {
    match path {
        Path::Simple => Arrival::Simple,
        Path::Parse | Path::Execute => Arrival::Execute,
        Path::FunctionCall => Arrival::Function,
    }
}

fn transaction(status: Status) -> Transaction {
    match status {
        Status::Idle => Transaction::Idle,
        Status::Block => Transaction::Block,
        Status::Failed => Transaction::Failed,
    }
}
