//! A change that waits for its lock is judged again before each try: what it may run for, an empty table or a small one,
//! need not be so any more. Then it has another verdict.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::assess::{self, Assessment};
use crate::kernel::facts::Facts;
use crate::kernel::plan::{Action, Plan};
use crate::kernel::policy::{self, Place, Policy, Verdict, Who};
use crate::kernel::sql::statement::Reading;
use crate::kernel::wire::reply::Reply;
use crate::shell::config::Settings;

/// What a statement is judged by, and what may run of it.
#[derive(Debug)]
pub(super) struct Judgement {
    reading: Reading,
    text: String,
    who: Who,
    place: Place,
    settings: Arc<Settings>,
    policy: Arc<Policy>,
    plan: Plan,
}

impl Judgement {
    /// Whether the same would run by other facts.
    fn is_same_by(&self, mut facts: Facts) -> bool {
        facts.naming.clone_from(&self.settings.naming);
        let assessment = assess::assess(&self.text, &self.reading, facts);
        let verdict = policy::judge(&self.policy, &self.who, self.place, &assessment);
        let acts = |plan: &Plan| -> Vec<Action> { plan.steps.iter().map(|step| step.action.clone()).collect() };
        runs(&verdict, &assessment).is_some_and(|plan| acts(plan) == acts(&self.plan))
    }

    /// For the executor.
    pub(super) fn holds(&self) -> impl Fn(Facts) -> bool + Send + Sync {
        |facts| self.is_same_by(facts)
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }
}

/// What runs in the place of the statement without being asked about.
fn runs<'v>(verdict: &'v Verdict, assessment: &'v Assessment) -> Option<&'v Plan> {
    match verdict {
        Verdict::Rewrite { plan, .. } => Some(plan),
        Verdict::Bounded { .. } => assessment.changes.first()?.guarded.as_ref().map(|(_, plan)| plan),
        Verdict::Pass { .. }
        | Verdict::Defer { .. }
        | Verdict::Observed { .. }
        | Verdict::Hold(_)
        | Verdict::Refuse(_) => None,
    }
}

impl Session {
    /// What a plan that is about to run was chosen by. Not of one of several steps: the first changes what the next is
    /// about.
    pub(super) fn judgement(&self, taken: &Taken, reading: &Reading, plan: &Plan) -> Option<Judgement> {
        let [_] = plan.steps.as_slice() else { return None };
        let settings = self.settings();
        let policy = settings.judging(&self.identity.target);
        Some(Judgement {
            reading: reading.clone(),
            text: taken.known.text.to_string(),
            who: self.who(),
            place: self.place(reading, taken.values.is_some()),
            settings,
            policy,
            plan: plan.clone(),
        })
    }

    /// It has waited, and what it was judged by has changed: it begins again.
    pub(super) fn judge_anew<'s>(
        &'s mut self,
        taken: &'s Taken,
    ) -> Pin<Box<dyn Future<Output = Result<(), Ended>> + Send + 's>> {
        Box::pin(async move {
            Reply::notice("what it was judged by has changed while it waited for its lock: it is judged again")
                .put(&mut self.client.out);
            match self.assessed(taken).await? {
                Some((reading, assessment)) => self.act(taken, &reading, assessment).await,
                None => Ok(()),
            }
        })
    }
}
