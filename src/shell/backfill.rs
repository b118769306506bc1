//! Fills a column in small batches while the application goes on: each batch in a transaction of its own
//! that lasts about as long as it should, with a pause after it.
//!
//! It walks the table by a key, or by pages where there is no usable one, and bounds itself to the keys
//! present when it began: rows written later have the column's default. It must never wait long for a
//! row while holding others: a batch that meets a locked row is done again without the locked ones, and
//! those get their turn in a later pass. It is complete when a last look finds nothing to do. A value the
//! application sets to NULL while it runs, in a row that was there before, is filled as well.

mod keys;
mod pace;
mod pages;

use std::time::Duration;

use tokio::time::Instant;

use self::keys::Keys;
use self::pace::{Most, Pace};
use self::pages::Pages;
use super::database::{Database, DatabaseError, Row};
use super::executor::{Control, Progress, begin, cancelled, end, error, is_contention};
use crate::kernel::plan::{Backfill, Limits};

/// Passes that may find rows the one before did not, before the rest is left to the next step to judge.
const PASSES_MAX: u32 = 6;
const BATCH_STATEMENT_MS: u64 = 30_000;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a backfill may take.
#[derive(Clone, Debug)]
pub struct Bounds<'a> {
    pub limits: &'a Limits,
    /// A batch waits this long for a row or the table: so long others wait for its rows at worst.
    pub lock_timeout_ms: u64,
    /// The query that sets the timeouts of a long read.
    pub long_read: String,
}

/// Fills the column and tells how many rows it wrote. Not cancel safe; stops between batches when
/// `control` is cancelled, and can be run again then.
///
/// # Errors
/// The server's error, also SQLSTATE 57014 when cancelled.
pub async fn fill<D: Database>(
    db: &mut D,
    job: &Backfill,
    bounds: &Bounds<'_>,
    control: &Control,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<u64, DatabaseError> {
    let walk = match Keys::look_up(db, job).await? {
        Some(keys) => match keys.last(db).await? {
            Some(last) => Walk::Keys(keys, last),
            None => return Ok(0),
        },
        None => Walk::Pages(Pages::look_up(db, job).await?),
    };
    let now = Instant::now();
    let (units_estimate, most) = match &walk {
        Walk::Keys(..) => (job.rows_estimate, Most::Rows(bounds.limits.batch_rows_max)),
        Walk::Pages(pages) => (pages.total(), Most::Pages),
    };
    let mut filler = Filler {
        db,
        job,
        bounds,
        control,
        tell,
        pace: Pace::new(bounds.limits.batch, most),
        rows: 0,
        units: 0,
        units_estimate,
        began: now,
        told: now,
    };
    filler.run(walk).await?;
    Ok(filler.rows)
}

enum Walk {
    /// Up to the greatest key there was at the start.
    Keys(Keys, Vec<String>),
    Pages(Pages),
}

/// Whether a batch waits for locked rows or leaves them out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Locked {
    Wait,
    Skip,
}

/// One batch: its statement and parameters.
struct Batch {
    sql: String,
    parameters: Vec<String>,
}

struct Filler<'a, D> {
    db: &'a mut D,
    job: &'a Backfill,
    bounds: &'a Bounds<'a>,
    control: &'a Control,
    tell: &'a mut (dyn FnMut(Progress) + Send),
    pace: Pace,
    /// Rows written.
    rows: u64,
    /// Rows or pages walked over, and how many there are in all.
    units: u64,
    units_estimate: u64,
    began: Instant,
    told: Instant,
}

impl<D: Database> Filler<'_, D> {
    async fn run(&mut self, mut walk: Walk) -> Result<(), DatabaseError> {
        let mut pause = PAUSE_MIN;
        let mut stuck_until = Instant::now() + self.bounds.limits.budget;
        let mut passes = 0;
        loop {
            let before = self.rows;
            let skipped = match &mut walk {
                Walk::Keys(keys, last) => self.pass_keys(keys, last).await?,
                Walk::Pages(pages) => self.pass_pages(pages).await?,
            };
            let pending = match &walk {
                Walk::Keys(keys, last) => keys.pending_query(self.job, last),
                Walk::Pages(_) => pages::pending_query(self.job),
            };
            if !self.look(&pending).await? {
                return Ok(());
            }
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
            if let Walk::Pages(pages) = &mut walk {
                *pages = Pages::look_up(self.db, self.job).await?;
            }
        }
    }

    /// One walk along the keys. True: rows were left out because they were locked.
    async fn pass_keys(&mut self, keys: &Keys, last: &[String]) -> Result<bool, DatabaseError> {
        let mut from: Option<Vec<String>> = None;
        let mut skipped = false;
        loop {
            let size = self.pace.size();
            let started = Instant::now();
            let to = keys.end_of_batch(self.db, (from.as_deref(), last), size).await?;
            let is_last = to.is_none();
            let to = to.unwrap_or_else(|| last.to_vec());
            let batch = |locked| keys.batch(self.job, (from.as_deref(), &to), locked);
            skipped |= self.do_batch(&batch).await?;
            self.after_batch(size, started).await?;
            if is_last {
                return Ok(skipped);
            }
            from = Some(to);
        }
    }

    /// One walk over all pages of all parts. True: rows were left out because they were locked.
    async fn pass_pages(&mut self, pages: &Pages) -> Result<bool, DatabaseError> {
        let mut skipped = false;
        for part in pages.parts() {
            let mut from = 0;
            while from < part.pages {
                let size = self.pace.size();
                let to = (from + size).min(part.pages);
                let started = Instant::now();
                let batch = |locked| pages::batch(self.job, part, (from, to), locked);
                skipped |= self.do_batch(&batch).await?;
                self.after_batch(size, started).await?;
                from = to;
            }
        }
        Ok(skipped)
    }

    /// One batch, until it is done. True: without the rows that were locked.
    async fn do_batch(&mut self, batch: &(dyn Fn(Locked) -> Batch + Sync)) -> Result<bool, DatabaseError> {
        let until = Instant::now() + self.bounds.limits.budget;
        let mut locked = Locked::Wait;
        loop {
            if self.control.is_cancelled() {
                return Err(cancelled());
            }
            let Batch { sql, parameters } = batch(locked);
            let parameters: Vec<Option<&str>> = parameters.iter().map(|p| Some(p.as_str())).collect();
            match self.in_transaction(&sql, &parameters).await {
                Ok(rows) => {
                    self.rows += number(&rows);
                    return Ok(locked == Locked::Skip);
                }
                Err(failure) if is_contention(&failure) && Instant::now() < until => {
                    if locked == Locked::Skip {
                        // Not a row but the table is locked.
                        self.sleep(PAUSE_MIN).await?;
                    }
                    locked = Locked::Skip;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn in_transaction(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
        let settings = settings(self.bounds.lock_timeout_ms, BATCH_STATEMENT_MS);
        begin(self.db).await?;
        let mut result = self.db.query(&settings, &[]).await;
        if result.is_ok() {
            result = self.db.query(sql, parameters).await;
        }
        end(self.db, result).await
    }

    /// Whether anything is left to do. Reads all of the table if nothing is.
    async fn look(&mut self, pending: &Batch) -> Result<bool, DatabaseError> {
        let parameters: Vec<Option<&str>> = pending.parameters.iter().map(|p| Some(p.as_str())).collect();
        begin(self.db).await?;
        let mut result = self.db.query(&self.bounds.long_read, &[]).await;
        if result.is_ok() {
            result = self.db.query(&pending.sql, &parameters).await;
        }
        let rows = end(self.db, result).await?;
        Ok(rows.first().and_then(|row| row.first()).and_then(Option::as_deref) == Some("t"))
    }

    /// Steers, tells and pauses.
    async fn after_batch(&mut self, size: u64, started: Instant) -> Result<(), DatabaseError> {
        let took = started.elapsed();
        self.pace.took(size, took);
        self.units += size;
        if self.told.elapsed() >= self.bounds.limits.progress {
            self.told = Instant::now();
            let progress = self.progress();
            (self.tell)(progress);
        }
        self.sleep(took.saturating_mul(self.bounds.limits.batch_pause_percent) / 100).await
    }

    fn progress(&self) -> Progress {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let all = self.units_estimate.max(1);
        let walked = self.units.min(all);
        let estimate = self.job.rows_estimate;
        let done = u64::try_from(u128::from(estimate) * u128::from(walked) / u128::from(all)).unwrap_or(estimate);
        let left = (walked > 0).then(|| Duration::from_millis(ms.saturating_mul(all - walked) / walked));
        Progress::Backfill { done, estimate, rows_per_second: done.saturating_mul(1000) / ms, left }
    }

    async fn sleep(&mut self, pause: Duration) -> Result<(), DatabaseError> {
        if self.control.sleep(pause).await { Ok(()) } else { Err(cancelled()) }
    }
}

fn settings(lock_ms: u64, statement_ms: u64) -> String {
    format!(
        "SELECT pg_catalog.set_config('lock_timeout', '{lock_ms}', true), \
         pg_catalog.set_config('statement_timeout', '{statement_ms}', true)"
    )
}

fn number(rows: &[Row]) -> u64 {
    let text = rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
