//! A rewrite that was cut off goes on when the same statement is sent again: by then its column or constraint
//! exists, and the server would refuse the statement as it is. Which runs ended early is in the store; what
//! of their plan is done already, their steps' own probes say.

use std::time::Duration;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::Session;
use super::job::is_long;
use super::journal::Journal;
use super::record::Decided;
use super::taken::Taken;
use crate::kernel::facts::Facts;
use crate::kernel::plan::{Plan, guarded};
use crate::shell::executor::Past;
use crate::shell::store::{Run, RunOf, RunOutcome, places};

/// How often, and after how long, is looked whether a run of this process is about to end.
const ENDING_LOOKS: u32 = 10;
const ENDING_LOOK: Duration = Duration::from_millis(50);

/// By what a statement is the same: its text, where it goes, and as whom.
#[derive(Clone, Debug)]
pub(super) struct Sameness(String);

impl Sameness {
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl Session {
    pub(super) fn sameness(&self, taken: &Taken, facts: &Facts) -> Sameness {
        let identity = &self.identity;
        let mut hash = Sha256::new();
        for part in [
            &self.text_hash(taken),
            &identity.target.name,
            &identity.database,
            &identity.user,
            &facts.current_role,
            &facts.search_path,
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Sameness(HEXLOWER.encode(hash.finalize().get(..16).unwrap_or_default()))
    }

    /// The plan of the same statement's last run, if that was cut off. What it left may let the statement be judged
    /// otherwise now, or give it other names. Of a run that ended by itself only what it kept matters: there, nothing
    /// would be rewritten now, and `plan` is the statement as it is. With it, where its walks had come to.
    pub(super) async fn cut_off(&self, taken: &Taken, plan: &Plan, sameness: &Sameness) -> Option<(Plan, Past)> {
        if self.relay.in_transaction() || taken.known.hides() {
            return None;
        }
        let mut last = self.last_run(sameness).await?;
        // The session that lost its server may still be writing that down.
        for _ in 0..ENDING_LOOKS {
            if last.ended.is_some() || was_cut_off(&last, &self.log.id().boot) {
                break;
            }
            tokio::time::sleep(ENDING_LOOK).await;
            last = self.last_run(sameness).await?;
        }
        // It comes from a file: no text of it runs unless it is still one statement to the parser of record.
        let boot = &self.log.id().boot;
        let goes_on = was_cut_off(&last, boot) || plan.recipe == guarded::RECIPE && was_stopped(&last);
        let past = Past { places: places(std::slice::from_ref(&last)), ..Past::default() };
        (goes_on && last.plan.reads_back().is_ok()).then_some((last.plan, past))
    }

    async fn last_run(&self, sameness: &Sameness) -> Option<Run> {
        let last = self.shared.tickets.store.journal_last(&sameness.0).await;
        last.inspect_err(|error| tracing::error!(%error, "runs that were cut off are not known")).ok()?
    }

    /// Where the run of a rewrite is written down. A plan with secrets is not kept whole, and so not gone on with.
    pub(super) async fn keep_run(
        &self,
        taken: &Taken,
        (plan, facts, decided): (&Plan, &Facts, &Decided),
        sameness: &Sameness,
    ) -> Option<Journal> {
        if !is_long(plan) || self.relay.in_transaction() || taken.known.hides() {
            return None;
        }
        let name = format!("{}:{}-{}", sameness.0, self.log.id(), self.log.next_n());
        let identity = &self.identity;
        let of = RunOf {
            target: identity.target.name.clone(),
            database: identity.database.clone(),
            requester: identity.user.clone(),
            person: self.person(),
            application: identity.application.clone(),
            rules: decided.rules.iter().map(|rule| rule.0.clone()).collect(),
            objects: facts.relations().map(|one| format!("{}.{}", one.schema, one.name)).collect(),
            text: self.shown(&taken.known).to_string(),
        };
        let begun = self.begin_journal(&name, (None, Some(of)), plan).await;
        begun.inspect_err(|error| tracing::error!(%error, "this rewrite could not go on if it were cut off")).ok()
    }
}

/// Not one that runs at this moment: those belong to the gateway's present run.
fn was_cut_off(run: &Run, boot: &str) -> bool {
    match &run.ended {
        None => !run.session.strip_prefix(boot).is_some_and(|rest| rest.starts_with('-')),
        Some((_, outcome)) => *outcome == RunOutcome::Unknown,
    }
}

fn was_stopped(run: &Run) -> bool {
    matches!(run.ended, Some((_, RunOutcome::Failed | RunOutcome::Cancelled)))
}
