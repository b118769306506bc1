//! The early end of a plan: what was done is taken back where that is ours to do and safe, and what
//! state the database is in is said in words.

use std::borrow::Cow;

use tokio::time::Instant;

use super::index::dropped_concurrently;
use super::ledger::Ahead;
use super::steps::transaction;
use super::{CANCELED, Outcome, Runner, Stopped, is_contention, is_lost, ms, yes};
use crate::kernel::plan::{Action, CHANGED, Step, subjects, undo};
use crate::shell::database::{Database, DatabaseError, TransactionStatus};

const UNCHANGED: &str = "Nothing was changed.";

impl<D: Database> Runner<'_, D> {
    /// What to do for the plan to be run once more: nobody has typed an undo.
    fn anew(&self) -> Cow<'static, str> {
        match &self.book.past.ahead {
            // The same statement would make a second one of what its transaction has made.
            Some(Ahead { job, spent: false, .. }) => format!("run lockkeeper jobs resume {job}").into(),
            Some(Ahead { job, spent: true, .. }) => {
                format!("run lockkeeper jobs undo {job} and the same statement again").into()
            }
            None if self.plan.recipe == undo::RECIPE => "resume this job".into(),
            None => "run the same statement again".into(),
        }
    }

    fn correct(&self) -> String {
        let undo = match &self.book.past.ahead {
            Some(Ahead { job, spent: false, .. }) => format!("; lockkeeper jobs undo {job} takes all of it back"),
            Some(_) | None => String::new(),
        };
        format!("Correct what the error says, then {}{undo}.", self.anew())
    }

    fn begin_anew(&self) -> String {
        format!("To begin anew, {}.", self.anew())
    }

    pub(super) async fn stop(mut self, error: DatabaseError) -> Outcome {
        if is_lost(&error) {
            return self.unknown(error);
        }
        let cancelled = self.control.was_asked() && error.code() == Some(CANCELED);
        let in_block = self.db.transaction_status() != TransactionStatus::Idle;
        let (state, way_on) = if self.has_moved_rows() {
            (
                "No row has changed: some stand further ahead in the table, and what room was given back stays so."
                    .to_owned(),
                format!("To go on, {}.", self.anew()),
            )
        } else if let Some(rows) = self.written_rows() {
            (
                format!("It was stopped half way: {rows} rows are done and stay so, the others are as they were."),
                format!("To go on, {}.", self.anew()),
            )
        } else if in_block {
            ("The transaction is aborted.".to_owned(), "Roll back and start again.".to_owned())
        } else if self.applied.is_empty() {
            match self.with_ahead(self.nothing_done(&error, cancelled), cancelled).await {
                Ok(words) => words,
                Err(lost) => return self.unknown(lost),
            }
        } else if self.stays() {
            self.leave_rest(&error, cancelled)
        } else if !self.would_lose().is_empty() || (!cancelled && (is_contention(&error) || self.verifying)) {
            self.keep_done()
        } else {
            let kept = if error.code() == Some(CHANGED) { self.filled() } else { 0 };
            let taken = match self.take_back(cancelled, kept).await {
                Ok(words) if kept > 0 => Ok(words),
                Ok(words) => self.with_ahead(words, cancelled).await,
                Err(lost) => Err(lost),
            };
            match taken {
                Ok(words) => words,
                Err(lost) => return self.unknown(lost),
            }
        };
        let (state, way_on) = self.with_leftover((state, way_on));
        if !in_block {
            self.switch_back().await;
        }
        let stopped = self.stopped(error, state, way_on);
        if cancelled { Outcome::Cancelled(self.report, stopped) } else { Outcome::Failed(self.report, stopped) }
    }

    /// The INVALID index that is left is named too, and what to do about it.
    fn with_leftover(&self, (state, way_on): (String, String)) -> (String, String) {
        let Some(cleanup) = &self.leftover else { return (state, way_on) };
        let kept = state.strip_prefix(UNCHANGED).map_or_else(|| format!(" {state}"), str::to_owned);
        let (why, who) = self.why_left();
        let again = match (self.forbidden, &self.book.past.ahead) {
            (true, _) => String::new(),
            (false, Some(_)) => format!("; {} does that too", self.anew()),
            (false, None) => "; the same statement sent again does that too".to_owned(),
        };
        if let Some(index) = self.half_dropped(cleanup) {
            let state = format!(
                "Index {index} was half dropped when this stopped: it is INVALID, no query uses it, and writes may still have \
                 to keep it up.{kept}"
            );
            let back = format!("To have it back as it was, run: REINDEX INDEX CONCURRENTLY {index};");
            return (state, format!("{back} to drop it after all, run: {cleanup}{again}."));
        }
        let state = format!("An INVALID index is left, because {why}.{kept}");
        (state, format!("To drop it, run{who}: {cleanup}{again}."))
    }

    /// The index that the step at work was about to drop, if that is what is left of it.
    fn half_dropped<'a>(&self, cleanup: &'a str) -> Option<&'a str> {
        let step = self.plan.steps.get(self.at)?;
        dropped_concurrently(cleanup).filter(|_| step.action.sql() == cleanup)
    }

    /// Why an INVALID index could not be dropped, and who can.
    pub(super) fn why_left(&self) -> (&'static str, &'static str) {
        if self.forbidden {
            ("this role may not drop it", " as a superuser")
        } else {
            ("its removal has to wait for others", "")
        }
    }

    fn has_moved_rows(&self) -> bool {
        let step = self.plan.steps.get(self.at);
        self.report.rows > 0 && step.is_some_and(|step| matches!(&step.action, Action::Backfill(job) if job.moves()))
    }

    fn unknown(mut self, error: DatabaseError) -> Outcome {
        let name = self.step_name();
        let state = format!("Whether step \"{name}\" took effect is not known. Finished before: {}.", self.names());
        let way_on = format!("To finish, {}: what is done already is found and skipped.", self.anew());
        let stopped = self.stopped(error, state, way_on);
        Outcome::Unknown(self.report, stopped)
    }

    fn stopped(&mut self, error: DatabaseError, state: String, way_on: String) -> Box<Stopped> {
        let blockers = std::mem::take(&mut self.blockers);
        Box::new(Stopped { step: self.at, name: self.step_name(), error, state, way_on, blockers })
    }

    fn step_name(&self) -> String {
        self.plan.steps.get(self.at).map(|step| step.name.clone()).unwrap_or_default()
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.report.steps.iter().map(|step| step.name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }

    fn nothing_done(&self, error: &DatabaseError, cancelled: bool) -> (String, String) {
        let ahead = self.book.past.ahead.as_ref().map_or(0, |ahead| ahead.steps);
        let (found, looked): (Vec<_>, Vec<_>) =
            self.plan.steps.iter().zip(&self.report.steps).partition(|(step, _)| !step.only_looks());
        let earlier: Vec<&str> = found.iter().skip(ahead).map(|(_, done)| done.name.as_str()).collect();
        let mut state = match self.report.rows {
            0 if self.report.steps.len() == looked.len() => UNCHANGED.to_owned(),
            0 => "This run changed nothing.".to_owned(),
            rows => {
                format!("This run changed nothing but rows: {}, and stay so.", self.plan.rows_done(&rows.to_string()))
            }
        };
        if !earlier.is_empty() {
            state.push_str(&format!(" Done by an earlier run and left as found: {}.", earlier.join(", ")));
        }
        let way_on = if is_contention(error) && self.book.past.ahead.is_some() {
            format!("When those who hold the lock are done, {}.", self.anew())
        } else if is_contention(error) {
            "Try again when those who hold the lock are done.".to_owned()
        } else if self.is_tripwire(error) {
            state.push_str(" The step was stopped because it took longer than a brief step may.");
            "Ask for a review of this statement: it does more than change the catalog.".to_owned()
        } else if cancelled {
            self.begin_anew()
        } else {
            self.correct()
        };
        (state, way_on)
    }

    /// What a transaction has made ahead of the job is not the job's to take back when it fails: it is named.
    async fn with_ahead(
        &mut self,
        (mut state, way_on): (String, String),
        cancelled: bool,
    ) -> Result<(String, String), DatabaseError> {
        let Some(ahead) = &self.book.past.ahead else { return Ok((state, way_on)) };
        let steps = self.plan.steps.iter().take(ahead.steps).rev();
        let undo: Vec<String> = steps.flat_map(|step| &step.undo).cloned().collect();
        let Some(sql) = subjects::seen_sql(&undo) else { return Ok((state, way_on)) };
        let rows = match self.db.query(&sql, &[]).await {
            Err(error) if is_lost(&error) => return Err(error),
            other => other.unwrap_or_default(),
        };
        let made: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        if made.is_empty() {
            return Ok((state, way_on));
        }
        state.push_str(&format!(" What its transaction has made stays: {}.", made.join(", ")));
        // A job that was aborted is over.
        Ok((state, if cancelled { format!("To take that away, run: {};", undo.join("; ")) } else { way_on }))
    }

    /// A lock was not to be had, or somebody else's would go with it: what is done is sound, and throwing it away would
    /// waste it.
    fn keep_done(&self) -> (String, String) {
        let undo = once(self.undos().flat_map(|step| &step.undo));
        let mut state = format!("Finished and in effect: {}. The rest is not done.", self.names());
        let mut way_on = format!("To finish, {}: it goes on where it stopped.", self.anew());
        let lost = self.would_lose().join(", ");
        let but = if lost.is_empty() {
            String::new()
        } else {
            let undo: Vec<String> = undo.iter().map(|sql| (*sql).to_owned()).collect();
            let made: Vec<String> = subjects::of(&undo).iter().map(subjects::Subject::what).collect();
            state.push_str(&format!(
                " Nothing is taken back, for what was there before would go with it: {lost}. INVALID until the rest is done: {}.",
                made.join(", ")
            ));
            format!(", which drops {lost} too")
        };
        // Behind a cut-over they would not take back all of that.
        if !undo.is_empty() && self.split().0.is_empty() {
            way_on.push_str(&format!(" To undo instead{but}: {};", undo.join("; ")));
        }
        (state, way_on)
    }

    /// What was there before, and would go with what this run has done.
    fn would_lose(&self) -> Vec<&str> {
        once(self.undos().flat_map(|step| &step.loses))
    }

    /// Behind a cut-over the same statement would begin anew: what is left of it can be run as it stands.
    fn leave_rest(&self, error: &DatabaseError, cancelled: bool) -> (String, String) {
        let left: Vec<_> = self.plan.steps.iter().skip(self.at).map(|step| &step.action).collect();
        if self.verifying || left.iter().any(|action| matches!(action, Action::Backfill(_) | Action::Later { .. })) {
            return self.keep_done();
        }
        let first = if cancelled {
            "To end it,"
        } else if is_contention(error) {
            "When those who hold the lock are done,"
        } else {
            "Correct what the error says, then"
        };
        let left: Vec<_> = left.into_iter().map(Action::sql).collect();
        let state = format!("Finished and in effect: {}. The rest is not done.", self.names());
        (state, format!("{first} run what is left: {};", left.join("; ")))
    }

    /// Nothing was done after a step over which there is no way back.
    fn stays(&self) -> bool {
        !self.split().0.is_empty() && self.undos().next().is_none()
    }

    /// The steps that this run did and that can be taken back, last first.
    fn undos(&self) -> impl Iterator<Item = &Step> {
        self.placed_undos().map(|(_, step)| step)
    }

    fn placed_undos(&self) -> impl Iterator<Item = (usize, &Step)> {
        let steps = self.split().1.iter().rev().filter_map(|at| Some((*at, self.plan.steps.get(*at)?)));
        steps.filter(|(_, step)| !step.undo.is_empty())
    }

    /// What the step has left that is not under its name any more.
    async fn astray(&mut self, at: usize, step: &Step) -> Result<Vec<String>, DatabaseError> {
        let known = self.left.get(&at).map(|seen| subjects::astray(&step.undo, seen)).unwrap_or_default();
        let mut names = Vec::new();
        for (what, sql) in known {
            if yes(self.db, &sql).await? {
                names.push(what);
            }
        }
        Ok(names)
    }

    /// So many steps from the start are worth more than the plan: columns that were filled, and what keeps them in step.
    fn filled(&self) -> usize {
        let fills = |step: &Step| matches!(step.action, Action::Backfill(_));
        self.plan.steps.iter().position(fills).filter(|at| *at < self.at).unwrap_or_default()
    }

    /// Takes back what was done, but for so many steps from the start.
    async fn take_back(&mut self, cancelled: bool, kept: usize) -> Result<(String, String), DatabaseError> {
        let undos = self.placed_undos().filter(|(at, _)| *at >= kept);
        let undos: Vec<(usize, Step)> = undos.map(|(at, step)| (at, step.clone())).collect();
        let mut left = Vec::new();
        let mut undone = Vec::new();
        let mut astray = Vec::new();
        for (at, step) in undos {
            let elsewhere = self.astray(at, &step).await?;
            if !elsewhere.is_empty() {
                astray.extend(elsewhere);
                left.extend(step.undo);
            } else if self.undo(&step.undo).await? {
                undone.push(step.name);
            } else {
                left.extend(step.undo);
            }
        }
        let still = self.still_there().await?;
        let undone = if undone.is_empty() { "nothing".to_owned() } else { undone.join(", ") };
        Ok(if !astray.is_empty() {
            let names = astray.join(", ");
            let state = format!(
                "Taken back: {undone}. Left, because it has another name by now, or something else has its name: {names}."
            );
            (state, format!("To clean up, do by hand, under the names of now: {};", left.join("; ")))
        } else if left.is_empty() && kept > 0 {
            self.keep_filled(kept, &undone)
        } else if left.is_empty() && still.is_empty() {
            let state = format!("Everything this run had done was taken back ({undone}).");
            (state, if cancelled { self.begin_anew() } else { self.correct() })
        } else if left.is_empty() {
            let state =
                format!("Taken back: {undone}. In effect, because it cannot be taken back: {}.", still.join(", "));
            (state, if cancelled { self.begin_anew() } else { self.correct() })
        } else {
            let state = format!("Taken back: {undone}. Left, because its lock was not to be had: {}.", left.join("; "));
            (state, format!("To clean up, run: {};", left.join("; ")))
        })
    }

    fn keep_filled(&self, kept: usize, undone: &str) -> (String, String) {
        let steps = self.plan.steps.iter().take(kept);
        let undo: Vec<&str> = steps.clone().rev().flat_map(|step| &step.undo).map(String::as_str).collect();
        let names: Vec<&str> = steps.filter(|step| !step.only_looks()).map(|step| step.name.as_str()).collect();
        let state = format!("Taken back: {undone}. Kept, with the rows that are filled: {}.", names.join(", "));
        let way_on = format!(
            "Run the same statement again: it is planned anew with what has changed, and goes on with the rows that are \
             filled. To undo instead: {};",
            undo.join("; ")
        );
        (state, way_on)
    }

    /// The steps without an undo whose effect did not go with what was taken back.
    async fn still_there(&mut self) -> Result<Vec<String>, DatabaseError> {
        let (plan, past) = (self.plan, self.book.past);
        let mut names = Vec::new();
        for (at, step) in plan.steps.iter().enumerate() {
            let done = self.applied.contains(&at) || past.done.contains(&at);
            let begun = done || past.begun.contains(&at);
            if !begun
                || step.only_looks()
                || !step.undo.is_empty()
                || matches!(&step.action, Action::Backfill(job) if !job.moves())
            {
                continue;
            }
            let Some(probe) = &step.probe else {
                names.extend(done.then(|| step.name.clone()));
                continue;
            };
            match yes(self.db, probe).await {
                Ok(true) => names.push(step.name.clone()),
                Ok(false) => {}
                Err(error) if is_lost(&error) => return Err(error),
                // What the probe asks about is gone.
                Err(_) => {}
            }
        }
        Ok(names)
    }

    /// Takes one step back within the clean-up budget, also when cancelled. False: it is left.
    async fn undo(&mut self, statements: &[String]) -> Result<bool, DatabaseError> {
        let undo::Parts { concurrent, brief, proof, after } = undo::parts(statements);
        if let Some(only) = concurrent
            && !self.drop_concurrently(only, true).await?
        {
            return Ok(false);
        }
        if !brief.is_empty() && !self.undo_brief(brief).await? {
            return Ok(false);
        }
        let Some(proof) = proof else { return Ok(true) };
        let settings = self.session.local(ms(self.limits.scan_lock_timeout), 0);
        match transaction(self.db, &settings, std::slice::from_ref(proof)).await {
            Err(error) if is_lost(&error) => Err(error),
            Err(_) => Ok(false),
            Ok(_) if after.is_empty() => Ok(true),
            Ok(_) => self.undo_brief(after).await,
        }
    }

    async fn undo_brief(&mut self, statements: &[String]) -> Result<bool, DatabaseError> {
        let until = Instant::now() + self.limits.cleanup_budget;
        let lock_ms = self.session.lock_ms(self.limits.lock_timeout);
        let settings = self.session.local(lock_ms, ms(self.limits.tripwire));
        loop {
            match transaction(self.db, &settings, statements).await {
                Ok(_) => return Ok(true),
                Err(error) if is_lost(&error) => return Err(error),
                Err(error) if error.code() == Some(CANCELED) || is_contention(&error) => {
                    if Instant::now() >= until {
                        return Ok(false);
                    }
                    tokio::time::sleep(self.limits.backoff_min).await;
                }
                Err(_) => return Ok(false),
            }
        }
    }
}

/// Each of them, at its first place.
fn once<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for text in texts {
        if !all.contains(&text.as_str()) {
            all.push(text);
        }
    }
    all
}
