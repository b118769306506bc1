//! What a verdict says is done: forwarded, forwarded under a lock timeout, run as a plan, held, refused.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::backstage::{Aside, Backstage, End};
use super::intercept::Taken;
use super::record::{Decided, Own};
use super::{Ended, Session};
use crate::kernel::assess::Assessment;
use crate::kernel::plan::{Action, Plan};
use crate::kernel::policy::{Clearance, Refusal, Verdict};
use crate::kernel::relay::Status;
use crate::kernel::review::{Ticket, approver};
use crate::kernel::rules::Finding;
use crate::kernel::sql::agree::{self, Agreement};
use crate::kernel::sql::statement::{Parsed, Reading, Statement};
use crate::kernel::wire::message;
use crate::kernel::wire::reply::{Reply, Severity, sqlstate};
use crate::shell::audit::{Decision, Intent, RecordError, Step, StepOutcome};
use crate::shell::config::Settings;
use crate::shell::database::{Database, DatabaseError};
use crate::shell::executor::{self, Control, Outcome, Progress, Stopped};

/// How a change that ran came out, for its ticket.
#[derive(Clone, Debug)]
pub(super) enum Ran {
    Done { tag: String, ms: u64 },
    Failed { code: String, message: String },
    Unknown { why: String },
}

impl Session {
    pub(super) async fn act(&mut self, taken: &Taken, reading: &Reading, assessment: Assessment) -> Result<(), Ended> {
        let verdict = self.verdict(reading, &assessment, taken.values.is_some());
        match self.second_reader(taken, reading, verdict) {
            Verdict::Pass { clearance, warnings } => self.pass(taken, clearance, warnings).await,
            Verdict::Observed { clearance, would } => self.observe(taken, clearance, &would).await,
            Verdict::Bounded { clearance, warnings } => self.bounded(taken, &assessment, clearance, warnings).await,
            Verdict::Rewrite { plan, clearance, findings } => {
                let decided = Decided::new(Decision::Rewrite, &findings);
                self.record_decision(&taken.known, &decided, &findings, Some(&plan.recipe));
                self.rewrite(taken, *plan, clearance, decided).await
            }
            Verdict::Hold(draft) => self.hold(taken, reading, assessment, *draft).await,
            Verdict::Refuse(refusal) => {
                let Refusal { findings, message, detail, hint } = *refusal;
                let reply = Reply::error(sqlstate::REFUSED, message).detail(detail).hint(hint);
                self.refuse(taken, reply, &findings).await
            }
        }
    }

    /// What is rewritten is read a second time: where the two readings differ, a person looks.
    fn second_reader(&self, taken: &Taken, reading: &Reading, verdict: Verdict) -> Verdict {
        let Verdict::Rewrite { plan, findings, clearance } = verdict else { return verdict };
        let [Parsed { statement: Statement::Change(change), .. }] = reading.statements.as_slice() else {
            return Verdict::Rewrite { plan, findings, clearance };
        };
        match agree::agreement(&taken.known.text, change) {
            Agreement::Agrees | Agreement::CannotRead => Verdict::Rewrite { plan, findings, clearance },
            Agreement::Disagrees(why) => {
                let draft = crate::kernel::policy::Draft { findings, plan: *plan };
                tracing::warn!(why, "two readings of a statement differ: held");
                Verdict::Hold(Box::new(draft))
            }
        }
    }

    async fn pass(&mut self, taken: &Taken, clearance: Clearance, warnings: Vec<Finding>) -> Result<(), Ended> {
        let decision = if warnings.is_empty() { Decision::Pass } else { Decision::Warn };
        let decided = Decided::new(decision, &warnings);
        if !warnings.is_empty() {
            self.record_decision(&taken.known, &decided, &warnings, None);
        }
        for warning in &warnings {
            Reply::warning(warning.message.clone()).hint(warning.instead.clone()).put(&mut self.client.out);
        }
        if let Err(error) = self.intend(taken, &passing("pass", taken), None).await {
            return self.unrecorded(taken, &error).await;
        }
        self.decided = Some(decided);
        self.forward(taken, clearance);
        Ok(())
    }

    async fn observe(&mut self, taken: &Taken, clearance: Clearance, would: &Verdict) -> Result<(), Ended> {
        let findings = would.findings();
        let decided = Decided::new(Decision::Observe, findings);
        self.record_decision(&taken.known, &decided, findings, Some(would.name()));
        // Observing changes nothing, not even what happens when the record fails.
        if let Err(error) = self.intend(taken, &passing("observe", taken), None).await {
            tracing::error!(%error, "an observed change runs without its record");
        }
        self.decided = Some(decided);
        self.forward(taken, clearance);
        Ok(())
    }

    /// Safe where it is, as long as it does not wait in a lock queue.
    async fn bounded(
        &mut self,
        taken: &Taken,
        assessment: &Assessment,
        clearance: Clearance,
        warnings: Vec<Finding>,
    ) -> Result<(), Ended> {
        let guarded = match assessment.changes.as_slice() {
            [change] if assessment.statements == 1 && self.relay.status == Status::Block && !self.relay.dirty() => {
                change.guarded.as_ref().map(|(_, plan)| plan.clone())
            }
            _ => None,
        };
        if let (Some(plan), true) = (guarded, taken.values.is_none()) {
            return self.rewrite(taken, plan, clearance, Decided::new(Decision::Rewrite, &warnings)).await;
        }
        self.bound_lock_timeout().await?;
        self.pass(taken, clearance, warnings).await
    }

    /// Sets our lock timeout for the statement that comes next; put back when everything is answered.
    pub(super) async fn bound_lock_timeout(&mut self) -> Result<(), Ended> {
        let ours = self.settings().executor.transaction_lock_timeout.as_millis();
        let end = self.exchange_end();
        let sql =
            "SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout'";
        let rows = self.backstage(end, async |stage| stage.query(sql, &[]).await).await?;
        let own = rows.concat().into_iter().flatten().next().unwrap_or_else(|| "0".to_owned());
        let own_ms: u128 = own.parse().unwrap_or_default();
        if own_ms > 0 && own_ms <= ours {
            return Ok(());
        }
        self.set_lock_timeout(&ours.to_string()).await?;
        self.lock_timeout.get_or_insert(own);
        Ok(())
    }

    async fn set_lock_timeout(&mut self, value: &str) -> Result<(), Ended> {
        let end = self.exchange_end();
        let sql = "SELECT pg_catalog.set_config('lock_timeout', $1, false)";
        self.backstage(end, async |stage| stage.query(sql, &[Some(value)]).await).await.map(drop)
    }

    pub(super) async fn restore_lock_timeout(&mut self) -> Result<(), Ended> {
        match self.lock_timeout.take() {
            Some(value) => self.set_lock_timeout(&value).await,
            None => Ok(()),
        }
    }

    async fn rewrite(
        &mut self,
        taken: &Taken,
        plan: Plan,
        clearance: Clearance,
        decided: Decided,
    ) -> Result<(), Ended> {
        if let Err(error) = self.intend(taken, &plan, None).await {
            return self.unrecorded(taken, &error).await;
        }
        self.run_plan(taken, &plan, clearance, decided).await.map(drop)
    }

    /// The change must not run when this fails.
    pub(super) async fn intend(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        ticket: Option<&Ticket>,
    ) -> Result<(), RecordError> {
        let intent = Intent {
            n: self.log.next_n(),
            text: self.shown(&taken.known).to_string(),
            text_hash: taken.hash(),
            plan: plan.shown(),
            ticket: ticket.map(|t| t.id),
            approvers: ticket.map(|t| approver(&t.state)).filter(|name| !name.is_empty()).into_iter().collect(),
            session: None,
        };
        self.log.intent(intent).await
    }

    pub(super) async fn unrecorded(&mut self, taken: &Taken, error: &RecordError) -> Result<(), Ended> {
        let reply = Reply { severity: Severity::Error, ..super::answer::no_record(error) }.hint(
            "No change runs unrecorded; other statements do. Repair the record directory: the gateway goes on by itself.",
        );
        self.refuse(taken, reply, &[]).await
    }

    /// Runs a plan in the client's place and gives the client its result.
    pub(super) async fn run_plan(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        _proof: Clearance,
        decided: Decided,
    ) -> Result<Ran, Ended> {
        if !plan.summary.is_empty() {
            Reply::notice(plan.summary.clone()).detail(steps(&plan.shown())).put(&mut self.client.out);
        }
        let (outcome, status) = self.execute(plan).await?;
        self.relay.status = status;
        let ran = self.ran(plan, &outcome);
        self.record_steps(&outcome);
        let (tag, code) = match &ran {
            Ran::Done { tag, .. } => (tag.clone(), None),
            Ran::Failed { code, .. } => (String::new(), Some(code.clone())),
            Ran::Unknown { .. } => (String::new(), Some(sqlstate::CONNECTION_FAILURE.to_owned())),
        };
        let answered = self.answer_outcome(taken, plan, outcome).await;
        self.record_own(&taken.known, (taken.path, taken.started), Own { tag, code, rows: 0 }, Some(decided));
        match answered {
            // What became of the change is known even if the client does not hear it.
            Err(Ended::Client) | Ok(()) => Ok(ran),
            Err(ended) => match ran {
                Ran::Unknown { .. } => Ok(ran),
                Ran::Done { .. } | Ran::Failed { .. } => Err(ended),
            },
        }
    }

    async fn execute(&mut self, plan: &Plan) -> Result<(Outcome, Status), Ended> {
        let limits = limits(&self.settings());
        let control = Control::default();
        let mut cancels = self.cancel.requests();
        cancels.mark_unchanged();
        let target = self.cancel.target();
        let (aside, mut heard) = mpsc::unbounded_channel();
        let progress = aside.clone();
        let mut stage = Backstage::new(&mut self.server, self.relay.status, End::Sync, aside);
        let outcome = {
            let mut tell = |one: Progress| drop(progress.send(Aside::Progress(one)));
            let mut run = pin!(executor::run(&mut stage, plan, &limits, &control, &mut tell));
            let mut gone = false;
            loop {
                tokio::select! {
                    biased;
                    outcome = &mut run => break outcome,
                    Some(aside) = heard.recv() => match aside {
                        Aside::Frame(frame) => {
                            if frame.first() == Some(&b'S') {
                                self.relay.parameter(frame.get(5..).unwrap_or_default());
                            }
                            self.client.out.extend_from_slice(&frame);
                        }
                        Aside::Progress(progress) => tell_progress(&progress, &mut self.client.out),
                    },
                    () = self.client.watch(), if !gone => {
                        // A client that left cannot stop it either: the running step ends, no new one begins.
                        gone = true;
                        control.cancel();
                    }
                    changed = cancels.changed() => {
                        if changed.is_ok() {
                            control.cancel();
                            target.send_upstream().await;
                        }
                    }
                }
            }
        };
        let status = stage.status();
        drop(stage);
        drop(progress);
        while let Ok(aside) = heard.try_recv() {
            match aside {
                Aside::Frame(frame) => self.tell_frame(&frame),
                Aside::Progress(progress) => tell_progress(&progress, &mut self.client.out),
            }
        }
        Ok((outcome, status))
    }

    fn ran(&self, plan: &Plan, outcome: &Outcome) -> Ran {
        match outcome {
            Outcome::Done(report) => {
                let tag = report.tag.clone().unwrap_or_else(|| plan.tag.clone());
                Ran::Done { tag, ms: report.steps.iter().map(|step| step.ms).sum() }
            }
            Outcome::Failed(_, stopped) | Outcome::Cancelled(_, stopped) => Ran::Failed {
                code: stopped.error.code().unwrap_or(sqlstate::QUERY_CANCELED).to_owned(),
                message: format!("{}: {}", stopped.name, stopped.error),
            },
            Outcome::Unknown(_, stopped) => Ran::Unknown { why: format!("{}: {}", stopped.name, stopped.error) },
        }
    }

    async fn answer_outcome(&mut self, taken: &Taken, plan: &Plan, outcome: Outcome) -> Result<(), Ended> {
        match outcome {
            Outcome::Done(report) => {
                if !plan.summary.is_empty() {
                    Reply::notice(summary(&report)).put(&mut self.client.out);
                }
                for notice in report.notices {
                    message::put_notice(&mut self.client.out, notice.fields);
                }
                let status = self.relay.status;
                let tag = report.tag.as_deref().unwrap_or(&plan.tag);
                self.answer_done(tag, taken.path, status).await
            }
            Outcome::Failed(_, stopped) => {
                let Stopped { error, state, way_on, blockers, .. } = *stopped;
                let DatabaseError::Server(mut error) = error else { return Err(self.server_lost(&error.to_string())) };
                append(&mut error.fields, b'D', &state);
                for blocker in blockers {
                    append(&mut error.fields, b'D', &format!("In the way: {blocker}."));
                }
                append(&mut error.fields, b'H', &way_on);
                self.answer_server_error(&error, taken.path).await
            }
            Outcome::Cancelled(_, stopped) => {
                let reply = Reply::error(sqlstate::QUERY_CANCELED, "canceling statement due to user request")
                    .detail(stopped.state)
                    .hint(stopped.way_on);
                self.answer_error(reply, taken.path).await
            }
            Outcome::Unknown(_, stopped) => Err(self.server_lost(&stopped.error.to_string())),
        }
    }

    fn record_steps(&mut self, outcome: &Outcome) {
        let n = self.log.next_n();
        let report = match outcome {
            Outcome::Done(report)
            | Outcome::Failed(report, _)
            | Outcome::Cancelled(report, _)
            | Outcome::Unknown(report, _) => report,
        };
        for (at, step) in report.steps.iter().enumerate() {
            self.log.step(Step {
                session: None,
                n,
                step: at as u64 + 1,
                name: step.name.clone(),
                outcome: if step.already_done { StepOutcome::AlreadyDone } else { StepOutcome::Done },
                tries: u64::from(step.attempts),
                rows: 0,
                duration_us: step.ms.saturating_mul(1_000),
                error: None,
                sqlstate: None,
            });
        }
    }
}

fn limits(settings: &Settings) -> executor::Limits {
    let configured = &settings.executor;
    executor::Limits {
        lock_timeout_ms: ms(configured.lock_timeout),
        scan_lock_timeout_ms: ms(configured.scan_lock_timeout),
        budget: configured.retry_budget,
        backoff_min: configured.backoff_min,
        backoff_max: configured.backoff_max,
        batch_ms: ms(configured.batch),
        batch_pause_ratio: f64::from(u32::try_from(configured.batch_pause_percent).unwrap_or_default()) / 100.0,
        ..executor::Limits::default()
    }
}

/// What was done, in a line.
fn summary(report: &executor::Report) -> String {
    let total: u64 = report.steps.iter().map(|step| step.ms).sum();
    let steps: Vec<String> = report
        .steps
        .iter()
        .map(|step| {
            if step.already_done {
                format!("{} (done before)", step.name)
            } else {
                format!("{} {} ms", step.name, step.ms)
            }
        })
        .collect();
    let rows = if report.rows > 0 { format!(", {} rows filled", report.rows) } else { String::new() };
    format!("done in {total} ms{rows}: {}", steps.join(", "))
}

/// The plan of a statement that is forwarded as it is: for its intent record.
fn passing(recipe: &str, taken: &Taken) -> Plan {
    let _ = taken;
    Plan {
        recipe: recipe.to_owned(),
        tag: String::new(),
        summary: String::new(),
        relation: None,
        steps: Vec::new(),
        undo_loses: None,
    }
}

/// Adds a sentence to a field of the server's error, or the field.
fn append(fields: &mut Vec<(u8, String)>, code: u8, text: &str) {
    if text.is_empty() {
        return;
    }
    match fields.iter_mut().find(|(known, _)| *known == code) {
        Some((_, value)) => {
            let _ = write!(value, " {text}");
        }
        None => fields.push((code, text.to_owned())),
    }
}

fn sql_of(action: &Action) -> String {
    match action {
        Action::Sql { sql, .. } | Action::BuildIndex { sql, .. } => sql.clone(),
        Action::Backfill(fill) => {
            format!("UPDATE {} SET {} = {} in batches", fill.relation.name, fill.column, fill.expression_sql)
        }
    }
}

fn steps(plan: &Plan) -> String {
    let lines =
        plan.steps.iter().enumerate().map(|(at, step)| format!("{}. {}: {}", at + 1, step.name, sql_of(&step.action)));
    lines.collect::<Vec<_>>().join("\n")
}

fn tell_progress(progress: &Progress, out: &mut bytes::BytesMut) {
    let text = match progress {
        // The summary at the end has them all.
        Progress::StepStarted { .. } | Progress::StepDone { .. } | Progress::AlreadyDone { .. } => return,
        Progress::Retrying { attempt, wait_ms, blockers } => {
            let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            let who = if who.is_empty() { "somebody".to_owned() } else { who.join("; ") };
            format!("waiting for a lock without blocking others (try {attempt}, next in {wait_ms} ms): held by {who}")
        }
        Progress::Backfill { done, estimate, rows_per_second, left } => {
            let left = left.map(|left| format!(", about {} s left", left.as_secs())).unwrap_or_default();
            format!(
                "filling: {done} of about {estimate} rows ({}%), {rows_per_second} rows/s{left}",
                percent(*done, *estimate)
            )
        }
        Progress::WaitingForSnapshots { blockers } => {
            let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
            format!("the index build waits for older transactions: {}", who.join("; "))
        }
        Progress::Note(text) => text.clone(),
    };
    Reply::notice(text).put(out);
}

fn percent(done: u64, of: u64) -> u64 {
    done.saturating_mul(100).checked_div(of).unwrap_or(100).min(100)
}

impl Taken {
    /// SHA-256 (hex) of the exact text and of the values bound to it: what an approval is for.
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.known.text.as_bytes());
        for (format, value) in self.values.iter().flat_map(|values| values.iter()) {
            hash.update(b"\0");
            hash.update(format.to_be_bytes());
            hash.update(value.as_ref().map_or(-1, |v| i64::try_from(v.len()).unwrap_or(i64::MAX)).to_be_bytes());
            hash.update(value.as_deref().unwrap_or_default());
        }
        hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Milliseconds, saturating.
#[must_use]
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
