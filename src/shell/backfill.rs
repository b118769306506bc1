//! Fills a column in small batches while the application goes on: each batch in a transaction of its own
//! that lasts about as long as it should, with a pause after it.
//!
//! It walks the table in the order of its pages, up to the last one there was when it began: rows written
//! later have the column's default. It must never wait long for a row while holding others: a batch that
//! meets a locked row is done again without the locked ones, and those get their turn in a later pass. It is
//! complete when a last look finds nothing to do. A value the application sets to NULL while it runs is
//! filled as well.
//!
//! How far the first walk has come is told every few seconds, once that is durable on the server; a later run goes
//! on from there.

mod compact;
mod copy;
mod crew;
mod load;
mod pace;
mod pages;
mod slicing;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use self::crew::Did;
pub use self::crew::{Crew, Hand, Session, Wrote};
use self::pace::Pace;
use self::pages::{Left, Pages, Part, Place, Slice};
use self::slicing::Slicing;
use super::database::{Database, DatabaseError, Row};
use super::executor::{
    Control, Progress, at_one_moment, begin, cancelled, end, error, is_contention, is_lost, query_within, transaction,
};
use crate::kernel::plan::throttle::Pressure;
use crate::kernel::plan::{Backfill, Limits, RowWrite};

/// Passes that may find rows the one before did not, before the rest is left to the next step to judge.
const PASSES_MAX: u32 = 12;
const BATCH_STATEMENT_MS: u64 = 30_000;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// For fewer pages nobody else is asked to help.
const PAGES_WORTH_HELP: u64 = 4_000;
/// Between two places that are told.
const MARK_EVERY: Duration = Duration::from_secs(2);
/// Makes everything durable that was committed before: a commit with something in it, which waits for the disk.
const FLUSH: &str = "SELECT pg_catalog.set_config('synchronous_commit', 'local', true), \
    pg_catalog.pg_logical_emit_message(true, 'lockkeeper', 'backfill')";

/// What a backfill may take.
#[derive(Clone)]
pub struct Bounds<'a> {
    pub limits: &'a Limits,
    /// A batch waits this long for a row or the table: so long others wait for its rows at worst.
    pub lock_timeout_ms: u64,
    /// The query that sets the timeouts of a long read.
    pub long_read: String,
    /// The place that an earlier run has told last.
    pub from: Option<&'a str>,
    /// Who may help.
    pub crew: Option<&'a dyn Crew>,
}

/// Fills the column and adds to `written` how many it wrote, also where it fails. Not cancel safe; stops between batches when
/// `control` is cancelled, and can be run again then.
///
/// # Errors
/// The server's error, also SQLSTATE 57014 when cancelled.
pub async fn fill<D: Database>(
    (db, job): (&mut D, &Backfill),
    bounds: &Bounds<'_>,
    control: &Control,
    tell: &mut (dyn FnMut(Progress) + Send),
    written: &mut u64,
) -> Result<(), DatabaseError> {
    let mut pages = Pages::look_up(db, job).await?;
    let into = match job.copies() {
        Some(copy) => copy::file(db, copy).await?,
        None => None,
    };
    if let Some(place) = bounds.from.and_then(Place::read).filter(|place| place.into == into) {
        pages.skip_to(place);
        let (before, all) = (pages.skipped(), pages.total());
        tell(Progress::Note(format!("an earlier run has walked {before} of {all} pages: this one goes on after them")));
        // Also for the run after this one.
        tell(Progress::Walked(place.to_string()));
    }
    let now = Instant::now();
    let mut filler = Filler {
        db,
        hands: Vec::new(),
        job,
        bounds,
        control,
        tell,
        pace: Pace::new(bounds.limits.batch),
        slicing: Slicing::new(pages.indexes()),
        rows: 0,
        pages: pages.skipped(),
        pages_before: pages.skipped(),
        pages_in_all: pages.total(),
        began: now,
        told: now,
        looked: None,
        wal: None,
        marked: None,
        is_first: true,
        into,
        copied_again: None,
    };
    let ended = match &job.write {
        Some(RowWrite::Move) => filler.compact().await,
        Some(RowWrite::Copy(copy)) => filler.copy(copy, &pages).await,
        Some(RowWrite::Update { .. } | RowWrite::Delete) => filler.run(pages).await,
        None => {
            filler.ask_for_help(&pages).await;
            filler.run(pages).await
        }
    };
    *written += filler.rows;
    ended
}

/// Whether a batch waits for locked rows or leaves them out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locked {
    Wait,
    Skip,
}

struct Filler<'a, D> {
    db: &'a mut D,
    /// Those who help.
    hands: Vec<Box<dyn Hand>>,
    job: &'a Backfill,
    bounds: &'a Bounds<'a>,
    control: &'a Control,
    tell: &'a mut (dyn FnMut(Progress) + Send),
    pace: Pace,
    slicing: Slicing,
    /// Rows written.
    rows: u64,
    /// Pages walked over, how many of them by earlier runs, and how many there are in all.
    pages: u64,
    pages_before: u64,
    pages_in_all: u64,
    began: Instant,
    told: Instant,
    /// When the throttle was last asked, and from where WAL is counted.
    looked: Option<Instant>,
    wal: Option<load::Mark>,
    /// When a place was last told: of the first walk, as later ones begin anew.
    marked: Option<Instant>,
    is_first: bool,
    /// The file that rows are copied to, and when those that had changed last were.
    into: Option<u32>,
    copied_again: Option<Instant>,
}

impl<D: Database> Filler<'_, D> {
    async fn run(&mut self, mut pages: Pages) -> Result<(), DatabaseError> {
        let mut pause = PAUSE_MIN;
        let mut stuck_until = Instant::now() + self.bounds.limits.budget;
        let mut passes = 0;
        let mut left = Left::Many;
        loop {
            let before = self.rows;
            // A row that is written while a batch looks for it moves out of the batch's pages, and is missed. Where
            // few are left, batches of one page leave it little time for that, and the last ones are held fast.
            let skipped = match &left {
                Left::Fewest(rows) => self.one_by_one(*rows).await?,
                Left::Few(on) => self.few(on).await?,
                Left::Many => self.pass(&pages).await?,
            };
            self.is_first = false;
            let Some(found) = self.look().await? else { return Ok(()) };
            left = found;
            if self.rows > before {
                stuck_until = Instant::now() + self.bounds.limits.budget;
            }
            if skipped {
                if Instant::now() >= stuck_until {
                    return Err(error("55P03", "rows still to be filled stay locked by another transaction"));
                }
                (self.tell)(Progress::Note("rows locked by others are left: another pass follows".to_owned()));
            } else {
                passes += 1;
                if passes >= PASSES_MAX {
                    let text = "some rows still match after several passes: the application keeps writing them";
                    (self.tell)(Progress::Note(text.to_owned()));
                    return Ok(());
                }
            }
            self.sleep(pause).await?;
            pause = (pause * 2).min(PAUSE_MAX);
            pages = Pages::look_up(self.db, self.job).await?;
        }
    }

    /// More sessions, as many as are wanted and to be had.
    async fn ask_for_help(&mut self, pages: &Pages) {
        let Some(crew) = self.bounds.crew.filter(|_| pages.total() - pages.skipped() >= PAGES_WORTH_HELP) else {
            return;
        };
        while self.hands.len() + 1 < self.bounds.limits.backfill_sessions {
            match crew.join().await {
                Ok(hand) => self.hands.push(hand),
                Err(why) => {
                    (self.tell)(Progress::Note(format!("the backfill goes on with fewer sessions: {why}")));
                    return;
                }
            }
        }
    }

    /// One walk over all pages of all parts. True: rows were left out because they were locked.
    async fn pass(&mut self, pages: &Pages) -> Result<bool, DatabaseError> {
        let mut skipped = false;
        for part in pages.parts() {
            let mut from = part.from;
            while from < part.pages {
                let of = self.slicing.slices();
                let each = self.pace.pages() * of;
                let side_by_side = stretches((from, part.pages), each, 1 + self.hands.len());
                let to = side_by_side.last().map_or(part.pages, |(_, to)| *to);
                let mut all = Duration::ZERO;
                for share in 0..of {
                    let started = Instant::now();
                    skipped |= self.batches(&part.name, &side_by_side, (of, share)).await?;
                    let took = started.elapsed();
                    all += took;
                    self.pace.took(each.min(to - from).div_ceil(of), took);
                    self.after_batch(took).await?;
                }
                self.slicing.took(to - from, all);
                self.pages += to - from;
                from = to;
                self.mark(part, from).await?;
            }
        }
        Ok(skipped)
    }

    /// A batch on each of these stretches at the same time. True: rows were left out.
    async fn batches(
        &mut self,
        part: &str,
        stretches: &[(u64, u64)],
        (of, share): (u64, u64),
    ) -> Result<bool, DatabaseError> {
        let with = (self.job, self.bounds, self.control);
        let mut own = Session(&mut *self.db);
        let own: &mut dyn Hand = &mut own;
        let hands = std::iter::once(own).chain(self.hands.iter_mut().map(|hand| &mut **hand as &mut dyn Hand));
        let batches = hands.zip(stretches).map(|(hand, pages)| {
            let slice = Slice { pages: *pages, of, share };
            crew::done(hand, with, move |locked| pages::batch(with.0, part, slice, locked))
        });
        let mut skipped = false;
        let mut lost = Vec::new();
        let mut failed = None;
        for (at, did) in join_all(batches).await.into_iter().enumerate() {
            match did {
                Ok(Did { rows, skipped: some }) => {
                    self.rows += rows;
                    skipped |= some;
                }
                // The next pass does what it leaves.
                Err(error) if at > 0 && is_lost(&error) => lost.push((at - 1, error)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        for (at, error) in lost.into_iter().rev() {
            drop(self.hands.remove(at));
            (self.tell)(Progress::Note(format!("the backfill goes on with one session less: {error}")));
            skipped = true;
        }
        failed.map_or(Ok(skipped), Err)
    }

    /// Tells now and then where the walk has come to, when what lies before is on the server's disk.
    async fn mark(&mut self, part: &Part, page: u64) -> Result<(), DatabaseError> {
        if !self.is_first || self.marked.is_some_and(|at| at.elapsed() < MARK_EVERY) {
            return Ok(());
        }
        self.marked = Some(Instant::now());
        transaction(self.db, FLUSH, &[]).await?;
        (self.tell)(Progress::Walked(part.place(page, self.into).to_string()));
        Ok(())
    }

    /// The same for single pages.
    async fn few(&mut self, pages: &[(String, u64)]) -> Result<bool, DatabaseError> {
        let mut skipped = false;
        for (part, page) in pages {
            let started = Instant::now();
            skipped |= self.batches(part, &[(*page, *page + 1)], (1, 0)).await?;
            self.after_batch(started.elapsed()).await?;
        }
        Ok(skipped)
    }

    /// Rows that somebody writes all the time: each is locked first, and filled where it is then.
    async fn one_by_one(&mut self, rows: u64) -> Result<bool, DatabaseError> {
        for _ in 0..rows {
            self.wait_while_paused().await?;
            let started = Instant::now();
            begin(self.db).await?;
            let result = self.lock_and_fill().await;
            match end(self.db, result).await {
                Ok(true) => self.rows += 1,
                Ok(false) => return Ok(false),
                Err(failure) if is_contention(&failure) => return Ok(true),
                Err(failure) => return Err(failure),
            }
            self.after_batch(started.elapsed()).await?;
        }
        Ok(false)
    }

    async fn lock_and_fill(&mut self) -> Result<bool, DatabaseError> {
        self.db.query(&self.bounds.long_read, &[]).await?;
        let rows = self.db.query(&pages::lock_one(self.job), &[]).await?;
        let Some([Some(part), Some(place)]) = rows.first().map(Vec::as_slice) else { return Ok(false) };
        self.db.execute(&pages::fill_one(self.job, part, place)).await?;
        Ok(true)
    }

    /// What is left to do. Reads all of the table if nothing is.
    async fn look(&mut self) -> Result<Option<Left>, DatabaseError> {
        let rows = query_within(self.db, &self.bounds.long_read, &pages::pending_query(self.job)).await?;
        Ok(pages::left(&rows))
    }

    /// Steers, tells and pauses.
    async fn after_batch(&mut self, took: Duration) -> Result<(), DatabaseError> {
        let (batch, pause_percent) = self.control.rate(self.bounds.limits);
        self.pace.aim_at(batch);
        if self.told.elapsed() >= self.bounds.limits.progress {
            self.told = Instant::now();
            let progress = self.progress();
            (self.tell)(progress);
        }
        self.sleep(took.saturating_mul(pause_percent) / 100).await?;
        let rests = Instant::now();
        self.wait_while_paused().await?;
        let held_back = self.hold_back().await;
        // The rate is of the time it works.
        self.began += rests.elapsed();
        held_back
    }

    /// Waits while others suffer. What is over its critical limit in two looks ends the backfill.
    async fn hold_back(&mut self) -> Result<(), DatabaseError> {
        if self.looked.is_some_and(|at| at.elapsed() < load::LOOK) {
            return Ok(());
        }
        let (mut told, mut critical) = (None, false);
        loop {
            let throttle = self.control.throttle(self.bounds.limits);
            let (readings, mark) = load::look(self.db, &self.job.relation, (&throttle, self.wal)).await?;
            if self.looked.is_none() {
                self.tell_unseen(&throttle.unseen(&readings));
            }
            self.looked = Some(Instant::now());
            let pressure = throttle.judge(&readings);
            // While there is too much the rate is counted from where it began: so it is an average that sinks.
            if pressure == Pressure::Fine || self.wal.is_none() {
                self.wal = mark;
            }
            let why = match pressure {
                Pressure::Fine => return Ok(()),
                Pressure::Pause(why) => {
                    critical = false;
                    why
                }
                Pressure::Abort(why) if critical => return Err(error("53400", &format!("the backfill ends: {why}"))),
                Pressure::Abort(why) => {
                    critical = true;
                    why
                }
            };
            if told.is_none_or(|at: Instant| at.elapsed() >= self.bounds.limits.progress) {
                told = Some(Instant::now());
                (self.tell)(Progress::Throttled { why });
            }
            self.sleep(load::LOOK).await?;
            self.wait_while_paused().await?;
        }
    }

    fn tell_unseen(&mut self, keys: &[&str]) {
        if !keys.is_empty() {
            let text = format!(
                "this role cannot see {}: the backfill does not hold back for that (pg_monitor lets it see)",
                keys.join(", ")
            );
            (self.tell)(Progress::Note(text));
        }
    }

    fn progress(&self) -> Progress {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let all = self.pages_in_all.max(1);
        let walked = self.pages.min(all);
        let estimate = self.job.rows_estimate;
        let rows =
            |pages: u64| u64::try_from(u128::from(estimate) * u128::from(pages) / u128::from(all)).unwrap_or(estimate);
        let own = walked.saturating_sub(self.pages_before);
        let left = (own > 0).then(|| Duration::from_millis(ms.saturating_mul(all - walked) / own));
        Progress::Backfill { done: rows(walked), estimate, rows_per_second: rows(own).saturating_mul(1000) / ms, left }
    }

    async fn wait_while_paused(&mut self) -> Result<(), DatabaseError> {
        if self.control.may_go_on().await { Ok(()) } else { Err(cancelled()) }
    }

    async fn sleep(&mut self, pause: Duration) -> Result<(), DatabaseError> {
        if self.control.sleep(pause).await { Ok(()) } else { Err(cancelled()) }
    }
}

/// So many stretches of so many pages at most, one after the other.
fn stretches((mut from, end): (u64, u64), each: u64, count: usize) -> Vec<(u64, u64)> {
    let mut all = Vec::with_capacity(count);
    while from < end && all.len() < count {
        let to = (from + each).min(end);
        all.push((from, to));
        from = to;
    }
    all
}

/// A batch does not wait for the disk: the next durable commit, at the latest that of the following step, makes it
/// durable too, and what a crash before that takes back is still to be filled and found so. A write of the client's
/// own has no such step.
fn settings(lock_ms: u64, statement_ms: u64, durable: bool) -> String {
    let commit = if durable { "" } else { ", pg_catalog.set_config('synchronous_commit', 'off', true)" };
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', '{lock_ms}', true), \
         pg_catalog.set_config('statement_timeout', '{statement_ms}', true){commit}"
    )
}

/// What stands in a column of the first row.
fn number(rows: &[Row], column: usize) -> u64 {
    let text = rows.first().and_then(|row| row.get(column)).and_then(Option::as_deref);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
