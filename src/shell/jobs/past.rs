//! What earlier runs of a job did. A server goes on with what a dead gateway asked it for: first its process
//! must be gone, then the journal and the numbers of transactions tell what is done; probes tell the rest.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::clock::now;
use super::super::database::{Database, DatabaseError};
use super::super::executor::{Control, Past};
use super::super::store::{Backend, Run, RunOutcome, StepOutcome, StepRecord, Store, StoreError, places};
use super::ledger::NO_TRANSACTION;
use crate::kernel::plan::undo::Left;
use crate::kernel::plan::{Action, Mode, Plan};

/// SQLSTATE of a transaction's number that the server has not given out yet.
const IN_THE_FUTURE: &str = "22023";

const POLL: Duration = Duration::from_millis(250);

/// $1 its id, $2 its start in microseconds. Whose start we may not see may be it.
const STILL_THERE: &str = "\
SELECT a.state OPERATOR(pg_catalog.=) 'active'
FROM pg_catalog.pg_stat_activity AS a WHERE a.pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4
  AND (a.backend_start IS NULL OR pg_catalog.int8(pg_catalog.date_part('epoch', a.backend_start)
    OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8) OPERATOR(pg_catalog.=) $2::pg_catalog.int8)";

/// Why the past does not let a job go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum PastError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A step without a probe that ran outside a transaction was cut off.
    #[error("whether step \"{0}\" took effect is not known: it ran outside a transaction, and the connection was lost")]
    Unknown(String),
    #[error("a transaction of an earlier run is still open")]
    Open,
}

/// Waits until nothing of the earlier runs is left on the server, and tells what they did.
pub(super) async fn of<D: Database>(
    db: &mut D,
    (store, plan): (&Store, &Plan),
    runs: &[Run],
    control: &Control,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<Past, PastError> {
    for run in runs.iter().filter(|run| run.ended.is_none() || matches!(run.ended, Some((_, RunOutcome::Unknown)))) {
        if let Some(backend) = &run.backend {
            let lets_finish = run.steps.last().is_some_and(|last| is_long(plan, last));
            outlive(db, backend, lets_finish, control, tell).await?;
        }
        if run.ended.is_none() {
            store.journal_end(&run.run, RunOutcome::Unknown, now()).await?;
        }
    }
    let mut past = Past { places: places(runs), left: left(runs), ..Past::default() };
    for record in runs.iter().flat_map(|run| &run.steps) {
        let at = usize::try_from(record.step).unwrap_or(usize::MAX);
        let outcome = record.ended.as_ref().map(|(_, outcome)| *outcome);
        if outcome != Some(StepOutcome::Skipped) {
            past.begun.insert(at);
        }
        let Some(step) = plan.steps.get(at).filter(|step| step.probe.is_none()) else { continue };
        if let (Action::Backfill(_), Some(xid)) = (&step.action, &record.xid) {
            past.since.entry(at).or_insert_with(|| xid.clone());
        }
        let is_done = match (outcome, record.xid.as_deref()) {
            // What is left of it, it finds itself.
            (outcome, _) if matches!(step.action, Action::Backfill(_)) => outcome == Some(StepOutcome::Done),
            (Some(StepOutcome::Done), _) => true,
            // The server said so.
            (Some(StepOutcome::Failed | StepOutcome::Cancelled), _) => false,
            (_, Some(NO_TRANSACTION)) => return Err(PastError::Unknown(step.name.clone())),
            (_, Some(xid)) => committed(db, xid).await?.ok_or_else(|| PastError::Unknown(step.name.clone()))?,
            (_, None) => false,
        };
        if is_done {
            past.done.insert(at);
        }
    }
    Ok(past)
}

/// The steps that a job did itself, by its runs in order. One that a run was cut off in, and the next one found done,
/// is its own too.
pub(super) fn did(runs: &[Run]) -> Vec<usize> {
    let (mut open, mut done) = (BTreeSet::new(), BTreeSet::new());
    for record in runs.iter().flat_map(|run| &run.steps) {
        let at = usize::try_from(record.step).unwrap_or(usize::MAX);
        match record.ended.as_ref().map(|(_, outcome)| *outcome) {
            None | Some(StepOutcome::Unknown) => drop(open.insert(at)),
            Some(StepOutcome::Done) => drop(done.insert(at)),
            Some(StepOutcome::Skipped) if open.contains(&at) => drop(done.insert(at)),
            Some(StepOutcome::Skipped | StepOutcome::Failed | StepOutcome::Cancelled) => {}
        }
    }
    done.into_iter().collect()
}

/// Whether there is something that these runs did.
pub(super) fn has_begun(runs: &[Run]) -> bool {
    !did(runs).is_empty()
}

/// What stood under the names of their undos when they were done: as it was first seen.
pub(super) fn left(runs: &[Run]) -> Left {
    let mut left = Left::new();
    for record in runs.iter().flat_map(|run| &run.steps).filter(|record| !record.left.is_empty()) {
        let at = usize::try_from(record.step).unwrap_or(usize::MAX);
        left.entry(at).or_insert_with(|| record.left.clone());
    }
    left
}

/// Whether the transaction was committed; absent if the server has forgotten.
async fn committed<D: Database>(db: &mut D, xid: &str) -> Result<Option<bool>, PastError> {
    let sql = "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)";
    let rows = match db.query(sql, &[Some(xid)]).await {
        // The server crashed before anything of that transaction was on its disk: nothing of it is there.
        Err(error) if error.code() == Some(IN_THE_FUTURE) => return Ok(Some(false)),
        other => other?,
    };
    match rows.concat().into_iter().next().flatten().as_deref() {
        Some("committed") => Ok(Some(true)),
        Some("aborted") => Ok(Some(false)),
        Some(_) => Err(PastError::Open),
        None => Ok(None),
    }
}

/// Index builds and scans: what they have done so far is worth something.
fn is_long(plan: &Plan, record: &StepRecord) -> bool {
    let step = usize::try_from(record.step).ok().and_then(|at| plan.steps.get(at));
    record.ended.is_none()
        && step.is_some_and(|step| match &step.action {
            Action::BuildIndex { .. } | Action::Reindex { .. } => true,
            Action::Sql { mode: Mode::Scan | Mode::NoTransaction, .. } => true,
            Action::Sql { mode: Mode::Brief | Mode::AsIs, .. }
            | Action::Together { .. }
            | Action::Backfill(_)
            | Action::Later { .. } => false,
        })
}

/// Waits until a server process of ours is gone. One that does nothing of worth is ended.
async fn outlive<D: Database>(
    db: &mut D,
    backend: &Backend,
    lets_finish: bool,
    control: &Control,
    tell: &mut (dyn FnMut(String) + Send),
) -> Result<(), DatabaseError> {
    let pid = backend.pid.to_string();
    let mut told = false;
    loop {
        let rows = db.query(STILL_THERE, &[Some(&pid), Some(&backend.start)]).await?;
        let Some(row) = rows.into_iter().next() else { return Ok(()) };
        let is_active = row.first().and_then(Option::as_deref) == Some("t");
        if !told {
            told = true;
            tell(format!("waits for server process {pid}, which an earlier run has left"));
        }
        if !(lets_finish && is_active) || control.is_cancelled() {
            let ended = db.query("SELECT pg_catalog.pg_terminate_backend($1::pg_catalog.int4)", &[Some(&pid)]).await;
            // What we may not end, we wait for.
            if let Err(error @ DatabaseError::Lost(_)) = ended {
                return Err(error);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::plan::Step;
    use crate::kernel::plan::subjects::Seen;
    use crate::kernel::review::Instant;
    use crate::kernel::sql::statement::LockMode;

    fn run(steps: &[(u32, Option<StepOutcome>, &str)]) -> Run {
        let record = |(step, outcome, id): &(u32, Option<StepOutcome>, &str)| StepRecord {
            step: *step,
            attempt: 1,
            started: Instant(1),
            ended: outcome.map(|outcome| (Instant(2), outcome)),
            detail: None,
            xid: None,
            place: None,
            left: vec![Seen { what: "index public.i".to_owned(), id: (*id).to_owned(), definition: None }]
                .into_iter()
                .filter(|seen| !seen.id.is_empty())
                .collect(),
        };
        let plan = Plan {
            recipe: "r".to_owned(),
            tag: "ALTER TABLE".to_owned(),
            summary: String::new(),
            relation: None,
            steps: vec![Step::brief("a", "ALTER TABLE t ADD a int".to_owned(), LockMode::AccessExclusive)],
            undo_loses: None,
            verify: Vec::new(),
        };
        Run {
            run: "r".to_owned(),
            ticket: None,
            session: "s".to_owned(),
            backend: None,
            plan,
            started: Instant(1),
            ended: None,
            steps: steps.iter().map(record).collect(),
            checks: Vec::new(),
            waiting: None,
        }
    }

    #[test]
    fn what_a_run_was_cut_off_in_and_is_done_is_the_jobs_own() {
        let first = run(&[(0, Some(StepOutcome::Skipped), ""), (1, Some(StepOutcome::Done), "5"), (2, None, "")]);
        let next = run(&[
            (1, Some(StepOutcome::Skipped), "6"),
            (2, Some(StepOutcome::Skipped), "7"),
            (3, Some(StepOutcome::Failed), ""),
        ]);
        let runs = [first, next];
        assert_eq!(did(&runs), [1, 2]);
        assert_eq!(did(&runs[..1]), [1]);
        let left = left(&runs);
        let ids: Vec<_> = left.iter().map(|(at, seen)| (*at, seen.first().map(|one| one.id.as_str()))).collect();
        assert_eq!(ids, [(1, Some("5")), (2, Some("7"))]);
    }
}
