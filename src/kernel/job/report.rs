//! What becomes of a ticket whose change a job runs: the job's own end, told once it is over.

use super::super::review::Command;
use super::{Job, JobId, State, is_for_a_lock};

/// SQLSTATE `transaction_resolution_unknown`.
const RESOLUTION_UNKNOWN: &str = "08007";
/// SQLSTATE `query_canceled`.
const QUERY_CANCELED: &str = "57014";

/// The name a job claims its ticket under. Unique: a ticket is claimed once.
#[must_use]
pub fn claim_of(id: JobId) -> String {
    format!("job-{id}")
}

/// What the ticket of a job is told; nothing while the job is not over. `tag` is what its plan answered, if that is known.
#[must_use]
pub fn report(job: &Job, tag: Option<String>) -> Option<Command> {
    let claim = claim_of(job.id);
    match &job.state {
        State::Done { ms, .. } => {
            Some(Command::Finish { claim, ms: *ms, tag: tag.unwrap_or_else(|| job.order.plan.tag.clone()) })
        }
        State::Failed { code, message, .. } if code == RESOLUTION_UNKNOWN => {
            Some(Command::LoseOutcome { claim: Some(claim), why: message.clone() })
        }
        State::Failed { code, .. } if is_for_a_lock(code) => {
            Some(Command::GiveBack { claim, why: format!("job {} did not get its lock", job.id) })
        }
        State::Failed { code, message, .. } => {
            Some(Command::Fail { claim, code: code.clone(), message: message.clone() })
        }
        State::Aborted { by, left, .. } => {
            let message = format!("aborted by {by}: {left}");
            Some(Command::Fail { claim, code: QUERY_CANCELED.to_owned(), message })
        }
        State::Deferred
        | State::Queued
        | State::Running { .. }
        | State::Paused { .. }
        | State::Waiting
        | State::Stopping { .. }
        | State::Undone { .. } => None,
    }
}
