//! Runs a plan in the client's place: its steps on the client's own server connection, their progress as
//! notices, its end as the client's answer, and all of it in the record.

use std::fmt::Write as _;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc;

use super::anew::Judgement;
use super::answer::server_lost;
use super::approved::still_approved;
use super::journal::Journal;
use super::outcome::LOCK_NOT_AVAILABLE;
use super::record::{Decided, Own};
use super::taken::Taken;
use super::{Ended, Session, record, words};
use crate::kernel::plan::Plan;
use crate::kernel::policy::Clearance;
use crate::kernel::relay::Status;
use crate::kernel::relay::ledger::Path;
use crate::kernel::wire::message;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::audit::EndReason;
use crate::shell::backstage::{Aside, Backstage, End};
use crate::shell::database::DatabaseError;
use crate::shell::executor::{self, Control, Outcome, Past, Premise, Progress, Stopped};
use crate::shell::store::RunOutcome;

/// How a change that ran came out, for its ticket.
#[derive(Clone, Debug)]
pub(super) enum Ran {
    Done {
        tag: String,
        ms: u64,
    },
    Failed {
        code: String,
        message: String,
    },
    Unknown {
        why: String,
        told: Box<Reply>,
    },
    /// What it was judged by has changed while it waited: it did not run, and nobody was answered.
    Overtaken,
}

impl Ran {
    /// The server was lost meanwhile: in what state that is, and how to go on.
    pub(super) fn lost(why: String, state: &str, way_on: &str) -> Self {
        let told = server_lost(format!("{why}. {state}")).hint(way_on);
        Self::Unknown { why, told: Box::new(told) }
    }
}

/// What a plan runs with.
#[derive(Debug)]
pub(super) struct Permit {
    /// That it may run.
    pub clearance: Clearance,
    pub decided: Decided,
    /// Where its steps are written down, if a ticket is for it.
    pub journal: Option<Journal>,
    /// What is known of an earlier run that was cut off.
    pub past: Past,
    /// What it was chosen by, to be looked at again when it has waited.
    pub judgement: Option<Judgement>,
}

impl Session {
    /// Runs a plan in the client's place and gives the client its result.
    pub(super) async fn run_plan(&mut self, taken: &Taken, plan: &Plan, permit: Permit) -> Result<Ran, Ended> {
        let Permit { clearance: _, decided, journal, past, judgement } = permit;
        if plan.rewrites() {
            Reply::notice(plan.summary.clone()).detail(words::steps(plan)).put(&mut self.client.out);
        }
        let (mut outcome, status) = self.execute((plan, &past), journal.as_ref(), judgement.as_ref()).await?;
        if let (Some(id), Outcome::Failed(_, stopped)) = (decided.ticket, &mut outcome)
            && stopped.error.code() == Some(LOCK_NOT_AVAILABLE)
        {
            stopped.state = format!("{} {}", stopped.state, still_approved(id));
        }
        if let Some(journal) = journal {
            let (how, mut stopped) = ended(&outcome);
            if let (Some((_, why)), true) = (&mut stopped, taken.known.hides()) {
                words::SECRET.clone_into(why);
            }
            journal.checked(&outcome.report().checks);
            journal.end(how, stopped).await;
        }
        let checks = &outcome.report().checks;
        if !checks.is_empty() {
            self.log.verified(self.log.next_n(), checks.clone());
        }
        self.relay.status = status;
        if outcome.report().overtaken {
            return Ok(Ran::Overtaken);
        }
        self.conclude(taken, plan, outcome, decided).await
    }

    /// Tells the record and the client how a plan ended.
    pub(super) async fn conclude(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        outcome: Outcome,
        decided: Decided,
    ) -> Result<Ran, Ended> {
        let ran = self.ran(plan, &outcome);
        self.record_stop(plan, &outcome, taken.known.hides());
        let (tag, code) = match &ran {
            Ran::Done { tag, .. } => (tag.clone(), None),
            Ran::Failed { code, .. } => (String::new(), Some(code.clone())),
            Ran::Unknown { .. } => (String::new(), Some(sqlstate::CONNECTION_FAILURE.to_owned())),
            Ran::Overtaken => (String::new(), None),
        };
        let rows = outcome.report().rows;
        if taken.path == Path::Execute {
            self.relay.portal_done(taken.portal());
        }
        let answered = self.answer_outcome(taken, plan, outcome).await;
        self.record_own(&taken.known, (taken.path, taken.started), Own { tag, code, rows }, Some(decided));
        match answered {
            // What became of the change is known even if the client does not hear it.
            Err(Ended::Client) | Ok(()) => Ok(ran),
            Err(ended) => Err(ended),
        }
    }

    /// The session goes on, unless the server was lost while the change ran: then the client is told in what state that
    /// is, and the session is over.
    pub(super) fn go_on_after(&mut self, ran: Ran) -> Result<(), Ended> {
        match ran {
            Ran::Done { .. } | Ran::Failed { .. } | Ran::Overtaken => Ok(()),
            Ran::Unknown { why, told } => {
                tracing::warn!(why, "lost the server while a change ran");
                Err(Ended::Told(*told, EndReason::ServerGone))
            }
        }
    }

    /// Runs a plan on the client's server connection.
    pub(super) async fn execute(
        &mut self,
        (plan, past): (&Plan, &Past),
        journal: Option<&Journal>,
        judgement: Option<&Judgement>,
    ) -> Result<(Outcome, Status), Ended> {
        let limits = self.settings().limits_of(&self.identity.target);
        let control = Control::default();
        let mut cancels = self.cancel.listen();
        let target = self.cancel.target();
        let n = self.log.next_n();
        let (aside, mut heard) = mpsc::unbounded_channel();
        let progress = aside.clone();
        let mut stage = Backstage::new(&mut self.server, (self.relay.status, self.relay.encoding), End::Sync, aside);
        let outcome = {
            let log = &mut self.log;
            let mut tell = |one: Progress| {
                record::step(log, (n, plan), &one);
                if let Progress::EndedIdle { blocker } = &one {
                    log.ended_idle(n, blocker.clone());
                }
                if let Some(journal) = journal {
                    journal.tell(&one);
                }
                // The receiver lives as long as this function.
                let _ = progress.send(Aside::Progress(one));
            };
            let holds = judgement.map(Judgement::holds);
            let premise = judgement.zip(holds.as_ref()).map(|(one, holds)| Premise { reading: one.reading(), holds });
            let run = executor::run_while(&mut stage, (plan, past, premise.as_ref()), &limits, &control, &mut tell);
            let mut run = pin!(run);
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
                        Aside::Progress(progress) => words::progress(&progress, &mut self.client.out),
                    },
                    () = self.client.watch(), if !gone => {
                        // A client that left cannot stop it either: the running step ends, no new one begins.
                        gone = true;
                        control.cancel();
                    }
                    _asked = cancels.next() => {
                        control.cancel();
                        target.send_upstream().await;
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
                Aside::Progress(progress) => words::progress(&progress, &mut self.client.out),
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
                message: format!("{}: {}", stopped.name, said(&stopped.error)),
            },
            Outcome::Unknown(_, stopped) => {
                let why = match &stopped.error {
                    DatabaseError::Server(message) => &message.message,
                    DatabaseError::Lost(why) => why,
                };
                Ran::lost(format!("{}: {why}", stopped.name), &stopped.state, &stopped.way_on)
            }
        }
    }

    async fn answer_outcome(&mut self, taken: &Taken, plan: &Plan, outcome: Outcome) -> Result<(), Ended> {
        match outcome {
            Outcome::Done(report) => {
                if plan.rewrites() {
                    Reply::notice(words::summary(plan, &report)).put(&mut self.client.out);
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
                let reply = Reply::error(sqlstate::QUERY_CANCELED, said(&stopped.error))
                    .detail(stopped.state)
                    .hint(stopped.way_on);
                self.answer_error(reply, taken.path).await
            }
            // The session ends with it.
            Outcome::Unknown(..) => Ok(()),
        }
    }
}

/// The error in words, without the SQLSTATE that stands beside it.
fn said(error: &DatabaseError) -> String {
    match error {
        DatabaseError::Server(message) => message.message.clone(),
        DatabaseError::Lost(_) => error.to_string(),
    }
}

/// How a run ended, for its ticket, and at which step and why if it ended early.
fn ended(outcome: &Outcome) -> (RunOutcome, Option<(usize, String)>) {
    let why = |stopped: &Stopped| Some((stopped.step, format!("{}. {}", stopped.error, stopped.state)));
    match outcome {
        Outcome::Done(_) => (RunOutcome::Done, None),
        Outcome::Failed(_, stopped) => (RunOutcome::Failed, why(stopped)),
        Outcome::Cancelled(_, stopped) => (RunOutcome::Cancelled, why(stopped)),
        Outcome::Unknown(_, stopped) => (RunOutcome::Unknown, why(stopped)),
    }
}

/// Adds a sentence to a field of the server's error, or the field.
fn append(fields: &mut Vec<(u8, String)>, code: u8, text: &str) {
    if text.is_empty() {
        return;
    }
    match fields.iter_mut().find(|(known, _)| *known == code) {
        Some((_, value)) => {
            // The server's own words need not be a sentence.
            let stop = if value.ends_with(['.', '?', '!', ':', ';']) { "" } else { "." };
            let _ = write!(value, "{stop} {text}");
        }
        None => fields.push((code, text.to_owned())),
    }
}

/// Milliseconds, saturating.
#[must_use]
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_do_not_run_into_one_another() {
        for (known, want) in [("view v depends on it", "view v depends on it. And."), ("It does.", "It does. And.")] {
            let mut fields = vec![(b'D', known.to_owned())];
            append(&mut fields, b'D', "And.");
            append(&mut fields, b'H', "Do.");
            assert_eq!(fields, [(b'D', want.to_owned()), (b'H', "Do.".to_owned())]);
        }
    }
}
