//! Runs a plan on the client's own session, step by step, so that nobody is blocked for long and any
//! step may fail, be cancelled or lose its connection without leaving the application worse off.
//!
//! It decides nothing about what should run: the plan says that. A step whose probe is true is done
//! already and is skipped, so running a plan twice equals running it once; that is also how a plan goes
//! on after a crash. It must never take a strong lock without a short `lock_timeout`, never leave a
//! setting of the session changed, and never leave a failed change half done without saying so.

mod block;
mod control;
mod fill;
mod holders;
mod idle;
mod index;
mod ledger;
mod premise;
mod report;
mod retry;
mod settings;
mod steps;
mod stop;
#[cfg(test)]
mod tests;
mod verify;
mod watch;
mod words;

use std::time::Duration;

use tokio::time::Instant;

pub use self::control::Control;
pub(super) use self::holders::{quoted, who_holds};
use self::ledger::Book;
pub use self::ledger::{Ahead, Entry, Ledger, Past, Written};
pub use self::premise::Premise;
pub use self::report::{Outcome, Progress, Report, StepReport, Stopped};
pub(super) use self::retry::Retry;
use self::settings::Settings;
pub(super) use self::steps::{at_one_moment, begin, end, query_within, transaction};
pub use super::backfill::{Crew, Hand, Session, Wrote};
use super::database::{Database, DatabaseError, Row, ServerMessage, TransactionStatus};
pub use crate::kernel::plan::Limits;
use crate::kernel::plan::queue::Blocker;
use crate::kernel::plan::subjects::{self, Seen};
use crate::kernel::plan::{Action, Mode, Plan, Step, undo};

pub(super) const CANCELED: &str = "57014";

/// Runs `plan` to its end from where earlier runs came to, or says where and why it stopped. Not cancel safe: to stop it, cancel
/// `control` and send the server a CancelRequest, then await the end.
pub async fn run<D: Database>(
    db: &mut D,
    (plan, past): (&Plan, &Past),
    limits: &Limits,
    control: &Control,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Outcome {
    run_while(db, (plan, past, None), limits, control, tell).await
}

/// As [`run`], as long as the premise holds: each time it has waited, that is looked at again before it takes a lock.
pub async fn run_while<D: Database>(
    db: &mut D,
    (plan, past, premise): (&Plan, &Past, Option<&Premise<'_>>),
    limits: &Limits,
    control: &Control,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Outcome {
    run_with((db, None), (plan, limits, premise), control, tell, Book { past, ledger: None }).await
}

/// As [`run`], for a plan that outlives its process: every step is written down before and after it, and what
/// earlier runs did is not done again. Where there is a crew it may ask for more sessions. Not cancel safe, as that.
pub async fn go_on<D: Database>(
    (db, crew): (&mut D, Option<&dyn Crew>),
    (plan, limits): (&Plan, &Limits),
    control: &Control,
    tell: &mut (dyn FnMut(Progress) + Send),
    (past, ledger): (&Past, &mut dyn Ledger),
) -> Outcome {
    run_with((db, crew), (plan, limits, None), control, tell, Book { past, ledger: Some(ledger) }).await
}

async fn run_with<'a, D: Database>(
    (db, crew): (&'a mut D, Option<&'a dyn Crew>),
    (plan, limits, premise): (&'a Plan, &'a Limits, Option<&'a Premise<'a>>),
    control: &'a Control,
    tell: &'a mut (dyn FnMut(Progress) + Send),
    book: Book<'a>,
) -> Outcome {
    let mut runner = Runner {
        db,
        crew,
        plan,
        limits,
        premise,
        looked: Instant::now(),
        control,
        tell,
        left: book.past.left.clone(),
        book,
        session: Settings::default(),
        report: Report::default(),
        applied: Vec::new(),
        leftover: None,
        forbidden: false,
        blockers: Vec::new(),
        waiting: Vec::new(),
        wanted: None,
        unended: Vec::new(),
        at: 0,
        verifying: false,
        strayed: false,
    };
    match runner.run().await {
        Ok(()) => {
            runner.switch_back().await;
            Outcome::Done(runner.report)
        }
        Err(error) => runner.stop(error).await,
    }
}

struct Runner<'a, D> {
    db: &'a mut D,
    crew: Option<&'a dyn Crew>,
    plan: &'a Plan,
    limits: &'a Limits,
    premise: Option<&'a Premise<'a>>,
    /// When what it was judged by was looked at last.
    looked: Instant,
    control: &'a Control,
    tell: &'a mut (dyn FnMut(Progress) + Send),
    book: Book<'a>,
    session: Settings,
    report: Report,
    /// Steps that this run did, and so may take back.
    applied: Vec<usize>,
    /// What steps have left under the names that their ways back go by.
    left: undo::Left,
    /// What drops an INVALID index that could not be dropped.
    leftover: Option<String>,
    /// This role may not drop it: of TOAST, say.
    forbidden: bool,
    /// Who was last seen in the way.
    blockers: Vec<Blocker>,
    /// Who else waited for a lock on the table.
    waiting: Vec<Blocker>,
    /// The step that waits for a lock, and since when.
    wanted: Option<(usize, Instant)>,
    /// Processes of which it was told that they are not ended, and why.
    unended: Vec<i32>,
    /// The step at work.
    at: usize,
    /// All steps have run, and the probes are asked once more.
    verifying: bool,
    /// A cancel request came too late to count.
    strayed: bool,
}

impl<D: Database> Runner<'_, D> {
    async fn run(&mut self) -> Result<(), DatabaseError> {
        let plan = self.plan;
        match self.db.transaction_status() {
            TransactionStatus::Idle => {}
            TransactionStatus::Block => return self.run_in_block().await,
            TransactionStatus::Failed => {
                let text = "current transaction is aborted, commands ignored until end of transaction block";
                return Err(error("25P02", text));
            }
        }
        self.session = Settings::read(self.db).await?;
        self.session.switch(self.db, &plan.tag, false).await?;
        self.find_own().await?;
        self.is_planned_for().await?;
        self.is_as_expected().await?;
        for (at, step) in plan.steps.iter().enumerate() {
            self.at = at;
            self.step(step).await.map_err(|error| words::told(step, error))?;
        }
        self.verify().await
    }

    /// What is done is done, also where the connection is lost now.
    async fn switch_back(&mut self) {
        let _lost = self.session.switch(self.db, &self.plan.tag, true).await;
    }

    /// What earlier runs of this plan left is this run's to take back.
    async fn find_own(&mut self) -> Result<(), DatabaseError> {
        let (plan, past) = (self.plan, self.book.past);
        let begun = past.begun.iter().rev().filter_map(|at| Some((*at, plan.steps.get(*at)?)));
        for (at, step) in begun {
            self.at = at;
            if undo::is_final(plan, at) && self.is_done(step).await? {
                self.applied.push(at);
                break;
            }
            let builds = matches!(step.action, Action::BuildIndex { .. } | Action::Reindex { .. });
            if step.undo.is_empty() && !builds {
                continue;
            }
            if let (Action::Reindex { leftovers, .. }, true) = (&step.action, self.control.is_cancelled()) {
                self.drop_unfinished(leftovers, true).await?;
            }
            // One that is past was done, and is there again when the later step is taken back.
            if self.is_done(step).await? {
                self.applied.push(at);
            } else if let (Action::BuildIndex { leftover, cleanup, .. }, true) =
                (&step.action, self.control.is_cancelled())
                && yes(self.db, leftover).await?
                && !self.drop_concurrently(cleanup, true).await?
            {
                self.leftover = Some(cleanup.clone());
            }
        }
        self.applied.reverse();
        Ok(())
    }

    /// A job may have waited for another one that put a table or a column of its own in the place.
    async fn is_planned_for(&mut self) -> Result<(), DatabaseError> {
        let Some(replaced) = undo::replaced(self.plan) else { return Ok(()) };
        if !self.book.is_kept() || !self.book.past.begun.is_empty() || !yes(self.db, replaced).await? {
            return Ok(());
        }
        let text = "what it changes was replaced by another change since this was planned: send the statement again";
        Err(error("55000", text))
    }

    /// Names may have gone to something else since this was planned, or from what it is about.
    async fn is_as_expected(&mut self) -> Result<(), DatabaseError> {
        if !self.book.past.begun.is_empty() {
            return Ok(());
        }
        for expected in self.plan.steps.iter().flat_map(|step| &step.expects) {
            if !yes(self.db, &expected.sql).await? {
                let steps: Vec<_> = self.plan.steps.iter().map(|step| step.action.sql()).collect();
                let text = format!(
                    "it does not hold that {}: something was renamed, dropped or replaced since. Give it its name again, \
                     or do by hand, under the names of now: {}",
                    expected.name,
                    steps.join("; ")
                );
                return Err(error("55000", &text));
            }
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), DatabaseError> {
        self.control.close(self.is_beyond() && step.action.is_brief());
        if !self.control.may_go_on().await && !self.is_beyond() {
            return Err(cancelled());
        }
        (self.tell)(Progress::StepStarted { step: self.at, name: step.name.clone() });
        let started = Instant::now();
        let already_done = self.is_done(step).await?;
        let attempts = if already_done {
            if let Action::Reindex { leftovers, .. } = &step.action {
                // One that was cut off after the new index was in place.
                self.drop_unfinished(leftovers, false).await?;
            }
            self.book.write(self.at, Entry::Skipped).await?;
            0
        } else {
            self.check_cancelled()?;
            self.book.write(self.at, Entry::Begins).await?;
            let attempts = self.act(step).await?;
            self.book.write(self.at, Entry::Done).await?;
            attempts
        };
        self.note_left(step).await?;
        let ms = ms(started.elapsed());
        let name = step.name.clone();
        self.report.steps.push(StepReport { name: name.clone(), ms, already_done, attempts });
        if already_done {
            // Also what an earlier run did: see `find_own`.
            (self.tell)(Progress::AlreadyDone { step: self.at, name });
        } else {
            self.applied.extend((!step.only_looks()).then_some(self.at));
            (self.tell)(Progress::StepDone { step: self.at, name, ms });
        }
        Ok(())
    }

    /// So that an undo, whenever it comes, takes back that and nothing else.
    async fn note_left(&mut self, step: &Step) -> Result<(), DatabaseError> {
        let Some(sql) = subjects::seen_sql(&step.undo).filter(|_| self.book.is_kept()) else { return Ok(()) };
        let rows = match self.db.query(&sql, &[]).await {
            Err(error) if is_lost(&error) => return Err(error),
            other => other.unwrap_or_default(),
        };
        let seen: Vec<Seen> = rows.into_iter().filter_map(seen).collect();
        if seen.is_empty() {
            return Ok(());
        }
        self.book.write(self.at, Entry::Left(&seen)).await?;
        self.left.entry(self.at).or_insert(seen);
        Ok(())
    }

    /// Whether the last step was done over which there is no way back, and the only way is on.
    fn is_beyond(&self) -> bool {
        let last = (0..self.plan.steps.len()).rev().find(|at| undo::is_final(self.plan, *at));
        last.is_some_and(|at| self.applied.contains(&at))
    }

    /// The steps done up to the last one over which there is no way back, and those after it.
    fn split(&self) -> (&[usize], &[usize]) {
        let last = self.applied.iter().rposition(|at| undo::is_final(self.plan, *at));
        self.applied.split_at(last.map_or(0, |at| at + 1))
    }

    /// Runs the step's action and tells how many attempts it took.
    async fn act(&mut self, step: &Step) -> Result<u32, DatabaseError> {
        match &step.action {
            Action::Sql { sql, mode: Mode::Brief } => self.brief(step, std::slice::from_ref(sql)).await,
            Action::Together { statements } => self.brief(step, statements).await,
            Action::Sql { sql, mode: Mode::Scan } => self.scan(step, std::slice::from_ref(sql)).await,
            Action::Sql { sql, mode: Mode::NoTransaction } => self.outside_transaction(step, sql).await,
            Action::Sql { sql, mode: Mode::AsIs } => self.as_is(step, sql).await,
            Action::BuildIndex { sql, leftover, cleanup } => {
                self.build_index(step, index::Build { sql, leftover, cleanup }).await
            }
            Action::Reindex { sql, leftovers } => self.reindex(step, sql, leftovers).await,
            Action::Backfill(job) => self.fill(job).await,
            // Ordered when all of this is done.
            Action::Later { .. } => Ok(1),
        }
    }

    async fn is_done(&mut self, step: &Step) -> Result<bool, DatabaseError> {
        if self.is_past(step).await? {
            return Ok(true);
        }
        let Some(probe) = &step.probe else { return Ok(self.book.past.done.contains(&self.at)) };
        match &step.action {
            // Reads the whole table if nothing is left to do, so the session's timeouts are not for it.
            // One that was cut off is not, and its probe would read all that was walked.
            Action::Backfill(_) if self.book.past.places.contains_key(&self.at) => Ok(false),
            Action::Backfill(_) => self.long_probe(probe).await,
            Action::Sql { .. }
            | Action::Together { .. }
            | Action::BuildIndex { .. }
            | Action::Reindex { .. }
            | Action::Later { .. } => yes(self.db, probe).await,
        }
    }

    async fn is_past(&mut self, step: &Step) -> Result<bool, DatabaseError> {
        match &step.past {
            Some(past) => yes(self.db, past).await,
            None => Ok(false),
        }
    }

    fn check_cancelled(&self) -> Result<(), DatabaseError> {
        if self.control.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }

    /// Sleeps, or stops with the cancel.
    async fn pause(&mut self, duration: Duration) -> Result<(), DatabaseError> {
        if self.control.sleep(duration).await { Ok(()) } else { Err(cancelled()) }
    }

    /// Keeps the server's words about the client's own statement: those of a plan of one step.
    fn keep(&mut self, done: super::database::Done) {
        let own = |step: &Step| !matches!(step.action, Action::Together { .. });
        if self.plan.steps.get(self.at).is_some_and(|step| step.heard) {
            self.report.notices.extend(done.notices);
        } else if matches!(self.plan.steps.as_slice(), [step] if own(step)) {
            self.report.tag = Some(done.tag);
            self.report.notices.extend(done.notices);
        }
    }
}

fn seen(row: Row) -> Option<Seen> {
    let mut row = row.into_iter();
    Some(Seen { what: row.next()??, id: row.next()??, definition: row.next()? })
}

fn as_is(step: &Step) -> bool {
    matches!(step.action, Action::Sql { mode: Mode::AsIs, .. })
}

/// A query of one boolean. A cancel that comes late and hits it is ignored: what it stopped is over.
async fn yes<D: Database>(db: &mut D, sql: &str) -> Result<bool, DatabaseError> {
    let rows = match db.query(sql, &[]).await {
        Err(error) if error.code() == Some(CANCELED) && db.transaction_status() == TransactionStatus::Idle => {
            db.query(sql, &[]).await?
        }
        other => other?,
    };
    Ok(is_true(&rows))
}

pub(super) fn is_true(rows: &[Row]) -> bool {
    matches!(rows.first().and_then(|row| row.first()).and_then(Option::as_deref), Some("t" | "true"))
}

/// Milliseconds, saturating.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An error of ours in the server's form.
pub(crate) fn error(code: &str, message: &str) -> DatabaseError {
    let fields = [(b'S', "ERROR"), (b'V', "ERROR"), (b'C', code), (b'M', message)];
    DatabaseError::Server(Box::new(ServerMessage {
        severity: "ERROR".to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
        detail: None,
        hint: None,
        fields: fields.into_iter().map(|(key, value)| (key, value.to_owned())).collect(),
    }))
}

pub(super) fn cancelled() -> DatabaseError {
    error(CANCELED, "canceling statement due to user request")
}

/// Whether the server is gone, whatever the last words were.
pub(super) fn is_lost(error: &DatabaseError) -> bool {
    match error {
        DatabaseError::Lost(_) => true,
        DatabaseError::Server(message) => {
            message.code.starts_with("08") || matches!(message.code.as_str(), "57P01" | "57P02" | "57P03")
        }
    }
}

/// Whether the same step may succeed later: a lock was not to be had, or a deadlock was broken.
pub(super) fn is_contention(error: &DatabaseError) -> bool {
    matches!(error.code(), Some("55P03" | "40P01"))
}
