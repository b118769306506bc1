//! Those who fill a column side by side: the session at hand, and others of the same role where they are to be had. Each
//! has pages of its own, so they do not wait for each other.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{BATCH_STATEMENT_MS, Bounds, Locked, PAUSE_MIN, number, settings};
use crate::kernel::plan::Backfill;
use crate::shell::database::{Database, DatabaseError, Row};
use crate::shell::executor::{Control, cancelled, error, is_contention, query_within};

/// A session that runs batches.
pub trait Hand: Send {
    /// Runs one batch in a transaction of its own, behind the query that makes its settings. Not cancel safe.
    fn run<'a>(&'a mut self, settings: &'a str, batch: &'a str) -> BoxFuture<'a, Result<Wrote, DatabaseError>>;

    /// Runs one query by itself. Not cancel safe: a session dropped meanwhile is lost.
    fn rows<'a>(
        &'a mut self,
        sql: &'a str,
        values: &'a [Option<&'a str>],
    ) -> BoxFuture<'a, Result<Vec<Row>, DatabaseError>>;
}

/// Rows that a batch wrote, and how many of them still have to be.
#[derive(Clone, Copy, Debug)]
pub struct Wrote {
    rows: u64,
    left: u64,
}

/// Where more sessions come from.
pub trait Crew: Sync {
    /// Logs in once more, as the role and with the settings of the session at hand; otherwise why that cannot be.
    fn join(&self) -> BoxFuture<'_, Result<Box<dyn Hand>, String>>;
}

/// A session in general.
pub struct Session<'a, D>(pub &'a mut D);

impl<D: Database> Hand for Session<'_, D> {
    fn run<'a>(&'a mut self, settings: &'a str, batch: &'a str) -> BoxFuture<'a, Result<Wrote, DatabaseError>> {
        Box::pin(async {
            let rows = query_within(self.0, settings, batch).await?;
            Ok(Wrote { rows: number(&rows, 0), left: number(&rows, 1) })
        })
    }

    fn rows<'a>(
        &'a mut self,
        sql: &'a str,
        values: &'a [Option<&'a str>],
    ) -> BoxFuture<'a, Result<Vec<Row>, DatabaseError>> {
        Box::pin(self.0.query(sql, values))
    }
}

/// What a batch has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Did {
    pub(super) rows: u64,
    /// Rows that were locked were left out.
    pub(super) skipped: bool,
}

/// One batch, tried until it is done.
pub(super) async fn done(
    hand: &mut dyn Hand,
    (job, bounds, control): (&Backfill, &Bounds<'_>, &Control),
    batch: impl Fn(Locked) -> String + Send,
) -> Result<Did, DatabaseError> {
    let until = Instant::now() + bounds.limits.budget;
    let settings = settings(bounds.lock_timeout_ms, BATCH_STATEMENT_MS, job.is_clients_own());
    let mut locked = Locked::Wait;
    loop {
        if !control.may_go_on().await {
            return Err(cancelled());
        }
        match hand.run(&settings, &batch(locked)).await {
            Ok(wrote) if wrote.left > 0 => return Err(still_null(&job.column)),
            Ok(wrote) => return Ok(Did { rows: wrote.rows, skipped: locked == Locked::Skip }),
            Err(failure) if is_contention(&failure) && Instant::now() < until => {
                // Not a row but the table is locked.
                if locked == Locked::Skip && !control.sleep(PAUSE_MIN).await {
                    return Err(cancelled());
                }
                locked = Locked::Skip;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// A null that was meant cannot be told from one that is there because the row's turn has not come.
fn still_null(column: &str) -> DatabaseError {
    let text = format!(
        "what column \"{column}\" is to be filled with is null for some rows, and those cannot be told from rows that are \
         not filled yet: add the column without that default, SET DEFAULT in a statement of its own, and fill the rows with an UPDATE"
    );
    error("0A000", &text)
}
