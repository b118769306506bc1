//! What a verdict says is done: forwarded, forwarded under a lock timeout, run as a plan, held, refused.

use super::record::Decided;
use super::run::{Permit, Ran};
use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::assess::Assessment;
use crate::kernel::plan::{Plan, Step};
use crate::kernel::policy::{Clearance, Refusal, Verdict};
use crate::kernel::relay::Status;
use crate::kernel::review::{Ticket, approvers};
use crate::kernel::rules::{Finding, apart, is_definition};
use crate::kernel::sql::statement::Reading;
use crate::kernel::wire::reply::{Reply, Severity, sqlstate};
use crate::shell::audit::{Decision, Intent, RecordError};
use crate::shell::executor::Past;
use crate::shell::store::RunOutcome;

impl Session {
    pub(super) async fn act(&mut self, taken: &Taken, reading: &Reading, assessment: Assessment) -> Result<(), Ended> {
        if let Some(reply) = self.contradicts(taken, reading, &assessment).await? {
            return self.refuse(taken, reply, &[]).await;
        }
        self.touches(reading, &assessment);
        let verdict = self.verdict(reading, &assessment, taken.values.is_some());
        if let Some(steps) = at_once(&verdict)
            && let Some(reply) = self.between(taken, reading, (&assessment.facts, steps)).await?
        {
            return self.refuse(taken, reply, &[]).await;
        }
        match verdict {
            Verdict::Pass { clearance, warnings } => self.pass(taken, clearance, warnings).await,
            Verdict::Observed { clearance, would } => self.observe(taken, &assessment, clearance, &would).await,
            Verdict::Bounded { clearance, warnings } => {
                self.bounded(taken, (reading, &assessment), clearance, warnings).await
            }
            Verdict::Rewrite { plan, clearance, findings } => {
                self.warn(findings.iter().filter(|finding| is_definition(&finding.rule)));
                let sameness = self.sameness(taken, &assessment.facts);
                if let Some(attached) = self.at_work(&sameness).await {
                    let decided = Decided::new(Decision::Rewrite, &findings);
                    return self.join_job(taken, &plan, attached, decided).await;
                }
                let (plan, past) = match self.cut_off(taken, &plan, &sameness).await {
                    Some(cut_off) => {
                        Reply::notice("an earlier run of this statement stopped before its end: it goes on from there")
                            .put(&mut self.client.out);
                        cut_off
                    }
                    None => (*plan, Past::default()),
                };
                let decided = Decided::new(Decision::Rewrite, &findings).locking(&assessment);
                self.record_decision(taken, &decided, &findings, Some(&plan.recipe));
                if let Some(order) = self.as_job(taken, &plan, &assessment.facts, &sameness).await? {
                    return self.run_as_job(taken, &plan, order, decided).await;
                }
                if plan.later().is_some() {
                    return self.no_job_for_later(taken, decided).await;
                }
                if let Some(reply) = self.between(taken, reading, (&assessment.facts, &plan.steps)).await? {
                    return self.answer_held_with(taken, reply, decided).await;
                }
                let journal = self.keep_run(taken, (&plan, &assessment.facts, &decided), &sameness).await;
                let judgement = if past == Past::default() { self.judgement(taken, reading, &plan) } else { None };
                self.rewrite(taken, plan, Permit { clearance, decided, journal, past, judgement }).await
            }
            Verdict::Defer { plan, head, clearance, findings } => {
                self.defer(taken, &assessment, (*plan, head), (clearance, findings)).await
            }
            Verdict::Hold(draft) => {
                self.warn(apart(&draft.findings).1.into_iter());
                self.hold(taken, reading, assessment, *draft).await
            }
            Verdict::Refuse(refusal) => {
                let Refusal { findings, message, detail, hint, elsewhere: _ } = *refusal;
                self.warn(apart(&findings).1.into_iter());
                let reply = Reply::error(sqlstate::REFUSED, message).detail(detail).hint(hint);
                self.refuse(taken, reply, &findings).await
            }
        }
    }

    /// What a definition would leave behind does not stop it.
    fn warn<'f>(&mut self, findings: impl Iterator<Item = &'f Finding>) {
        for finding in findings {
            Reply::warning(finding.message.clone()).hint(finding.instead.clone()).put(&mut self.client.out);
        }
    }

    async fn pass(&mut self, taken: &Taken, clearance: Clearance, warnings: Vec<Finding>) -> Result<(), Ended> {
        let decision = if warnings.is_empty() { Decision::Pass } else { Decision::Warn };
        let decided = Decided::new(decision, &warnings);
        if !warnings.is_empty() {
            self.record_decision(taken, &decided, &warnings, None);
        }
        self.warn(warnings.iter());
        if let Err(error) = self.intend(taken, &passing("pass"), None).await {
            return self.unrecorded(taken, &error).await;
        }
        self.decided = Some(decided);
        self.forward(taken, clearance).await
    }

    async fn observe(
        &mut self,
        taken: &Taken,
        assessment: &Assessment,
        clearance: Clearance,
        would: &Verdict,
    ) -> Result<(), Ended> {
        let findings = would.findings();
        let decided = Decided::new(Decision::Observe, findings).locking(assessment);
        self.record_decision(taken, &decided, findings, Some(would.name()));
        // Observing changes nothing, not even what happens when the record fails.
        if let Err(error) = self.intend(taken, &passing("observe"), None).await {
            tracing::error!(%error, "an observed change runs without its record");
        }
        self.decided = Some(decided);
        self.pass_on(taken, clearance).await
    }

    /// Safe where it is, as long as it does not wait in a lock queue.
    async fn bounded(
        &mut self,
        taken: &Taken,
        (reading, assessment): (&Reading, &Assessment),
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
            let decided = Decided::new(Decision::Rewrite, &warnings);
            self.warn(warnings.iter());
            if !warnings.is_empty() {
                self.record_decision(taken, &decided, &warnings, Some(&plan.recipe));
            }
            let judgement = self.judgement(taken, reading, &plan);
            let permit = Permit { clearance, decided, journal: None, past: Past::default(), judgement };
            return self.rewrite(taken, plan, permit).await;
        }
        self.bound_lock_timeout(reading).await?;
        self.pass(taken, clearance, warnings).await
    }

    async fn rewrite(&mut self, taken: &Taken, plan: Plan, permit: Permit) -> Result<(), Ended> {
        if let Err(error) = self.intend(taken, &plan, None).await {
            if let Some(journal) = permit.journal {
                journal.end(RunOutcome::Failed, None).await;
            }
            return self.unrecorded(taken, &error).await;
        }
        match self.run_plan(taken, &plan, permit).await? {
            Ran::Overtaken => self.judge_anew(taken).await,
            ran => self.go_on_after(ran),
        }
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
            text: self.shown_whole(taken),
            text_hash: self.text_hash(taken),
            plan: plan.shown(),
            ticket: ticket.map(|t| t.id),
            approvers: ticket.map(|t| approvers(&t.state)).unwrap_or_default(),
            session: None,
        };
        self.log.intent(intent).await?;
        self.note_definitions(taken, ticket.map(|t| t.id)).await;
        Ok(())
    }

    pub(super) async fn unrecorded(&mut self, taken: &Taken, error: &RecordError) -> Result<(), Ended> {
        let reply = Reply { severity: Severity::Error, ..super::answer::no_record(error) }.hint(
            "No change runs unrecorded; other statements do. Repair the record directory: the gateway goes on by itself.",
        );
        self.refuse(taken, reply, &[]).await
    }
}

/// What of it is done now, if anything is: steps of ours, or none where it is the statement itself. What becomes a job waits
/// for its turn, and what is held for its approval.
fn at_once(verdict: &Verdict) -> Option<&[Step]> {
    match verdict {
        Verdict::Pass { .. } | Verdict::Bounded { .. } => Some(&[]),
        Verdict::Defer { plan, head, .. } => plan.steps.get(..*head).filter(|steps| !steps.is_empty()),
        Verdict::Rewrite { .. } | Verdict::Observed { .. } | Verdict::Hold(_) | Verdict::Refuse(_) => None,
    }
}

/// The plan of a statement that is forwarded as it is: for its intent record.
fn passing(recipe: &str) -> Plan {
    Plan {
        recipe: recipe.to_owned(),
        tag: String::new(),
        summary: String::new(),
        relation: None,
        steps: Vec::new(),
        undo_loses: None,
        verify: Vec::new(),
    }
}
