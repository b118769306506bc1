//! Copies a table's rows to another table while they change. Batches read what there is when they begin and lock no row:
//! what changes afterwards was noted by then, and is copied again from time to time, and once more at the end.
//!
//! A batch goes by pages, or by the order that the copy is to have: then it ends between two rows that differ in that
//! order, so a crowd of equal ones is one batch.
//!
//! By pages, a later run goes on where an earlier one has told that it had come to. Otherwise the copy begins empty: what
//! a crash of the server has left of unlogged tables cannot be told, and places in an order are not written down, for
//! they would be values of the table.

use std::time::Duration;

use tokio::time::Instant;

use super::super::executor::{is_true, quoted};
use super::{Filler, PAUSE_MIN, at_one_moment, cancelled, error, is_contention, pages, query_within};
use crate::kernel::plan::quote::literal;
use crate::kernel::plan::{RowCopy, SortedBy};
use crate::shell::database::{Database, DatabaseError};
use crate::shell::executor::Progress;

/// Changes that are left to be copied again when the rows are compared: those too are in the comparison.
const FEW: u64 = 1_000;
/// Between two rounds of that while rows are still copied for the first time.
const AGAIN_EVERY: Duration = Duration::from_secs(5);
/// Rounds of that at most: then writers are faster.
const ROUNDS_MAX: u32 = 100;

impl<D: Database> Filler<'_, D> {
    pub(super) async fn copy(&mut self, copy: &RowCopy, pages: &pages::Pages) -> Result<(), DatabaseError> {
        if pages.skipped() == 0 {
            self.all_at_once(&[format!("TRUNCATE ONLY {}", copy.into)]).await?;
            self.into = file(self.db, copy).await?;
        }
        match &copy.order {
            Some(order) => self.copy_in_order(copy, order, pages.total()).await?,
            None => self.copy_by_page(copy, pages).await?,
        }
        for _ in 0..ROUNDS_MAX {
            if self.all_at_once(&copy.again).await? <= FEW {
                return self.compare(copy).await;
            }
        }
        Err(error("53400", "rows are written faster than what was written can be copied"))
    }

    async fn copy_by_page(&mut self, copy: &RowCopy, pages: &pages::Pages) -> Result<(), DatabaseError> {
        for part in pages.parts() {
            let mut from = part.from;
            while from < part.pages {
                let to = (from + self.pace.pages()).min(part.pages);
                let rows = pages::between("ctid", (from, to));
                self.batch_of(copy, &rows, to - from).await?;
                from = to;
                if copy.lasting {
                    self.mark(part, from).await?;
                }
            }
        }
        Ok(())
    }

    async fn copy_in_order(&mut self, copy: &RowCopy, order: &SortedBy, pages: u64) -> Result<(), DatabaseError> {
        let of_page = (self.job.rows_estimate / pages.max(1)).max(1);
        let mut after: Option<String> = None;
        loop {
            let pages = self.pace.pages();
            let to = self.border(order, after.as_deref(), pages.saturating_mul(of_page)).await?;
            self.batch_of(copy, &between(order, after.as_deref(), to.as_deref()), pages).await?;
            if to.is_none() {
                break;
            }
            after = to;
        }
        if order.nulls {
            let nulls: Vec<String> = order.columns.iter().map(|column| format!("{column} IS NULL")).collect();
            self.batch_of(copy, &nulls.join(" OR "), 1).await?;
        }
        Ok(())
    }

    /// The row so many further on, as a row of constants; absent where there are fewer.
    async fn border(
        &mut self,
        order: &SortedBy,
        after: Option<&str>,
        rows: u64,
    ) -> Result<Option<String>, DatabaseError> {
        let columns: Vec<String> = order.columns.iter().map(|column| format!("{column}::pg_catalog.text")).collect();
        let known: Vec<String> = order.columns.iter().map(|column| format!("{column} IS NOT NULL")).collect();
        let sql = format!(
            "SELECT {} FROM ONLY {} WHERE {} AND {} ORDER BY {} OFFSET {rows} LIMIT 1",
            columns.join(", "),
            quoted(&self.job.relation),
            between(order, after, None),
            known.join(" AND "),
            order.sql()
        );
        let found = query_within(self.db, &self.bounds.long_read, &sql).await?;
        Ok(found.first().map(|row| {
            let values = row.iter().zip(&order.types).map(|(value, of)| {
                let value = value.as_deref().map_or_else(|| "NULL".to_owned(), literal);
                format!("{value}::{of}")
            });
            format!("ROW({})", values.collect::<Vec<_>>().join(", "))
        }))
    }

    /// One batch, and now and then what has changed meanwhile.
    async fn batch_of(&mut self, copy: &RowCopy, rows: &str, pages: u64) -> Result<(), DatabaseError> {
        let started = Instant::now();
        let insert = copy.statement(&format!("ONLY {}", quoted(&self.job.relation)), &format!("({rows})"));
        self.rows += self.all_at_once(&[insert]).await?;
        let took = started.elapsed();
        self.pace.took(pages, took);
        self.pages += pages;
        self.after_batch(took).await?;
        if self.copied_again.is_none_or(|at| at.elapsed() >= AGAIN_EVERY) {
            self.all_at_once(&copy.again).await?;
            self.copied_again = Some(Instant::now());
        }
        Ok(())
    }

    /// Statements in one transaction; how many rows the last one was about. Somebody may have one of the tables locked.
    async fn all_at_once(&mut self, statements: &[String]) -> Result<u64, DatabaseError> {
        let until = Instant::now() + self.bounds.limits.budget;
        let settings = self.settings();
        loop {
            if !self.control.may_go_on().await {
                return Err(cancelled());
            }
            match at_one_moment(self.db, &settings, statements).await {
                Err(failure) if is_contention(&failure) && Instant::now() < until => self.sleep(PAUSE_MIN).await?,
                other => return other,
            }
        }
    }

    /// Nobody waits for what is done here, so it may take its time; and it need not be durable before the next step is.
    fn settings(&self) -> String {
        format!(
            "{}, pg_catalog.set_config('synchronous_commit', 'off', true), \
             pg_catalog.set_config('row_security', 'off', true)",
            self.bounds.long_read
        )
    }

    /// Both hold the same, or it ends here.
    async fn compare(&mut self, copy: &RowCopy) -> Result<(), DatabaseError> {
        (self.tell)(Progress::Note("all rows are copied: now they are compared".to_owned()));
        let rows = query_within(self.db, &self.settings(), &copy.same_sql).await?;
        if is_true(&rows) {
            return Ok(());
        }
        Err(error("55000", &self.why_not(copy).await?))
    }

    async fn why_not(&mut self, copy: &RowCopy) -> Result<String, DatabaseError> {
        if let Some(differs) = &copy.differs {
            let rows = query_within(self.db, &self.settings(), &differs.sql).await?;
            if is_true(&rows) {
                return Ok(differs.words.clone());
            }
        }
        let relation = quoted(&self.job.relation);
        Ok(format!("the copy of {relation} does not hold the same rows: it is not put in its place"))
    }
}

/// The file that the copy is in: another one once it was made anew or emptied.
pub(super) async fn file<D: Database>(db: &mut D, copy: &RowCopy) -> Result<Option<u32>, DatabaseError> {
    let sql = format!("SELECT pg_catalog.pg_relation_filenode(pg_catalog.to_regclass({}))", literal(&copy.into));
    let rows = db.query(&sql, &[]).await?;
    Ok(rows.concat().into_iter().flatten().find_map(|file| file.parse().ok()))
}

/// The rows of one batch, by the order.
fn between(order: &SortedBy, after: Option<&str>, to: Option<&str>) -> String {
    let row = format!("ROW({})", order.columns.join(", "));
    let (on, up_to) = if order.descending { ("<", ">=") } else { (">", "<=") };
    let after = after.map(|after| format!("{row} OPERATOR(pg_catalog.{on}) {after}"));
    let to = to.map(|to| format!("{row} OPERATOR(pg_catalog.{up_to}) {to}"));
    let both: Vec<String> = after.into_iter().chain(to).collect();
    if both.is_empty() { "true".to_owned() } else { both.join(" AND ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_go_up_or_down() {
        let order = |descending| SortedBy {
            columns: vec!["a".to_owned(), "\"B\"".to_owned()],
            types: vec!["integer".to_owned(), "text".to_owned()],
            descending,
            nulls: false,
        };
        assert_eq!(between(&order(false), None, None), "true");
        assert_eq!(
            between(&order(false), Some("ROW(1, 'x')"), Some("ROW(2, 'y')")),
            "ROW(a, \"B\") OPERATOR(pg_catalog.>) ROW(1, 'x') AND ROW(a, \"B\") OPERATOR(pg_catalog.<=) ROW(2, 'y')"
        );
        assert_eq!(between(&order(true), Some("ROW(1)"), None), "ROW(a, \"B\") OPERATOR(pg_catalog.<) ROW(1)");
        assert_eq!(order(true).sql(), "a DESC, \"B\" DESC");
    }
}
