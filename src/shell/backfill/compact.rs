//! Makes a table smaller in place. VACUUM finds its free room; batches go backwards from its last page and write each
//! row as it is, so that it lands on an earlier page; VACUUM gives the emptied end back; and so on until that gains
//! nothing more.
//!
//! An UPDATE leaves the new row on its page while there is room, so a batch writes its rows again and again in one
//! transaction: what it leaves behind cannot be cleaned up before its end and fills the page, and then the rows go
//! where the free space map sends them. That begins at the front, because VACUUM sets it back to there.

use tokio::time::Instant;

use super::super::executor::quoted;
use super::{BATCH_STATEMENT_MS, Filler, Locked, PAUSE_MAX, PAUSE_MIN, pages, settings};
use super::{begin, cancelled, end, error, is_contention};
use crate::shell::database::{Database, DatabaseError, Row};
use crate::shell::executor::Progress;

/// Walks over the table at most. Each begins with a VACUUM.
const ROUNDS_MAX: u32 = 12;
/// A walk that empties less than this part of the table is the last.
const WORTH: u64 = 50;
/// Pages of a batch at most: how many rows they hold is not known before. Near the end of the room, when each of its
/// UPDATEs can be taken back by itself, fewer.
const PAGES_MAX: u64 = 64;
const CAREFUL_PAGES: u64 = 4;
/// Rows of a batch at least: pages with few rows are filled by many UPDATEs, whatever these are of.
const ROWS_MIN: u64 = 100;
/// A page holds fewer rows than this (291): more UPDATEs of one batch would fill nothing.
const WRITES_MAX: u32 = 300;
/// Pages of one walk from which some row finds no room further ahead, before it ends.
const STUCK_MAX: u32 = 16;
/// Pages that are looked through for the last row at once, at first and at most.
const LOOK_FIRST: u64 = 64;
const LOOK_MOST: u64 = 16_384;
/// VACUUM gives back no end that is smaller than both of these: so many pages, and such a part of the table.
const TAIL_PAGES: u64 = 1_000;
const TAIL_PART: u64 = 16;

/// $1 the table. Why this role cannot do it here, where it cannot: VACUUM would only warn, and UPDATE pass over rows.
const WHY_NOT: &str = "\
SELECT CASE
  WHEN a.amname OPERATOR(pg_catalog.<>) 'heap'::pg_catalog.name THEN 'its access method is not heap'
  WHEN NOT (pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'))
    THEN 'this role may not read and update it'
  WHEN pg_catalog.row_security_active(c.oid) THEN 'row security hides rows of it from this role'
  WHEN NOT (pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')
    OR CASE WHEN pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) 170000
      THEN pg_catalog.has_table_privilege(c.oid, 'MAINTAIN') ELSE false END) THEN 'this role may not VACUUM it'
END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
JOIN pg_catalog.pg_database d ON d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid";

/// $1 the table. Its pages.
const SIZE: &str = "\
SELECT pg_catalog.pg_relation_size(pg_catalog.to_regclass($1::pg_catalog.text))
  OPERATOR(pg_catalog./) pg_catalog.current_setting('block_size')::pg_catalog.int8";

/// What one walk from the end has brought.
#[derive(Default)]
struct Walk {
    /// Pages that had rows and are empty now.
    emptied: u64,
    /// It ended because a batch was taken back, which takes up room further ahead until the next VACUUM.
    in_haste: bool,
    /// Rows stayed because others had locked them.
    left_out: bool,
}

/// What became of one batch.
enum Batch {
    /// No row is left on its pages, but perhaps locked ones.
    Emptied { left_out: bool },
    /// For some of its rows there is no room further ahead.
    NoRoom,
}

impl<D: Database> Filler<'_, D> {
    /// Compacts the table. Can be stopped at any time and run again.
    pub(super) async fn compact(&mut self) -> Result<(), DatabaseError> {
        self.may_compact().await?;
        let mut pause = PAUSE_MIN;
        let mut stuck_until = Instant::now() + self.bounds.limits.budget;
        let mut told = false;
        let mut rounds = 0;
        let (mut goes_on, mut careful) = (true, false);
        loop {
            self.vacuum().await?;
            let size = self.number_of(SIZE).await?;
            if goes_on && rounds < ROUNDS_MAX {
                rounds += 1;
                let walk = self.walk(size, careful).await?;
                goes_on = walk.left_out || walk.in_haste || walk.emptied.saturating_mul(WORTH) > size;
                careful |= walk.in_haste;
                if walk.emptied > 0 {
                    stuck_until = Instant::now() + self.bounds.limits.budget;
                    pause = PAUSE_MIN;
                }
                if !walk.left_out {
                    continue;
                }
                (self.tell)(Progress::Note("rows locked by others are left: another walk follows".to_owned()));
            } else {
                let end = self.last_page(size).await?.map_or(0, |page| page + 1);
                if !gives_back(size, end) {
                    return Ok(());
                }
                if Instant::now() >= stuck_until {
                    let text = format!(
                        "the emptied end of {}, {} pages, is not given back: transactions that may still see what stood \
                         there are open, or somebody always has the table locked; a later VACUUM does it",
                        quoted(&self.job.relation),
                        size - end
                    );
                    return Err(error("55P03", &text));
                }
                if !std::mem::replace(&mut told, true) {
                    let text =
                        "its emptied end is given back when older transactions are over, and nobody has it locked";
                    (self.tell)(Progress::Note(text.to_owned()));
                }
            }
            self.sleep(pause).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn may_compact(&mut self) -> Result<(), DatabaseError> {
        let name = quoted(&self.job.relation);
        let rows = self.db.query(WHY_NOT, &[Some(&name)]).await?;
        match rows.into_iter().next().map(|row| row.into_iter().next().flatten()) {
            Some(None) => Ok(()),
            Some(Some(why)) => Err(error("42501", &format!("{name} cannot be compacted in place: {why}"))),
            None => Err(error("42P01", &format!("relation {name} does not exist"))),
        }
    }

    /// All of its indexes too, however few rows are dead: else their pages would not count as empty.
    async fn vacuum(&mut self) -> Result<(), DatabaseError> {
        if !self.control.may_go_on().await {
            return Err(cancelled());
        }
        let sql = format!("VACUUM (INDEX_CLEANUP ON, TRUNCATE ON) {}", quoted(&self.job.relation));
        self.db.execute(&sql).await.map(|_| ())
    }

    async fn number_of(&mut self, sql: &str) -> Result<u64, DatabaseError> {
        let name = quoted(&self.job.relation);
        Ok(super::number(&self.db.query(sql, &[Some(&name)]).await?, 0))
    }

    /// From the last row backwards until there is no more room further ahead.
    async fn walk(&mut self, size: u64, careful: bool) -> Result<Walk, DatabaseError> {
        let mut walk = Walk::default();
        let (mut at, mut front) = (size, 0);
        let (mut least, mut stuck) = (1, 0);
        let mut most = if careful { CAREFUL_PAGES } else { PAGES_MAX };
        self.pages_in_all = self.pages_in_all.max(size);
        while let Some(last) = self.last_page(at).await? {
            let to = last + 1;
            let from = to.saturating_sub(self.pace.pages().max(least).min(most));
            let started = Instant::now();
            let before = self.rows;
            match self.move_forward((from, to), careful, &mut front).await? {
                Batch::Emptied { left_out } => {
                    walk.left_out |= left_out;
                    walk.emptied += to - from;
                    at = from;
                    least = ROWS_MIN * (to - from) / (self.rows - before).max(1);
                    self.pace.took(to - from, started.elapsed());
                }
                Batch::NoRoom if !careful => {
                    walk.in_haste = true;
                    break;
                }
                // The room that is left may do for fewer rows.
                Batch::NoRoom if to - from > 1 => most = 1,
                // One large row finds none: those before it may, and it may when they have left some.
                Batch::NoRoom => {
                    stuck += 1;
                    at = from;
                }
            }
            // What is walked, and what is filled: the two meet.
            self.pages = (self.pages_in_all - at) + front;
            self.after_batch(started.elapsed()).await?;
            if stuck >= STUCK_MAX {
                break;
            }
        }
        Ok(walk)
    }

    /// The last page before this one that has a row.
    async fn last_page(&mut self, before: u64) -> Result<Option<u64>, DatabaseError> {
        let name = quoted(&self.job.relation);
        let mut to = before;
        let mut width = LOOK_FIRST;
        while to > 0 {
            if !self.control.may_go_on().await {
                return Err(cancelled());
            }
            let from = to.saturating_sub(width);
            let sql = format!(
                "SELECT {} FROM ONLY {name} WHERE {}",
                page("pg_catalog.max(ctid)"),
                pages::between("ctid", (from, to))
            );
            if let Some(found) = first(&self.db.query(&sql, &[]).await?, 0) {
                return Ok(Some(found));
            }
            to = from;
            width = (width * 2).min(LOOK_MOST);
        }
        Ok(None)
    }

    /// One batch, until its pages are empty or nothing gets away from them.
    async fn move_forward(
        &mut self,
        range: (u64, u64),
        careful: bool,
        front: &mut u64,
    ) -> Result<Batch, DatabaseError> {
        let until = Instant::now() + self.bounds.limits.budget;
        let mut locked = Locked::Wait;
        loop {
            if !self.control.may_go_on().await {
                return Err(cancelled());
            }
            let mut moved = Moved { careful, ..Moved::default() };
            begin(self.db).await?;
            let result = self.write_until_gone(range, locked, &mut moved).await;
            match end(self.db, result).await {
                Ok(()) => {
                    self.rows += moved.rows;
                    *front = (*front).max(moved.front);
                    if moved.no_room {
                        return Ok(Batch::NoRoom);
                    }
                    return Ok(Batch::Emptied { left_out: locked == Locked::Skip });
                }
                Err(DatabaseError::Server(_)) if moved.no_room => return Ok(Batch::NoRoom),
                Err(failure) if is_contention(&failure) && Instant::now() < until => {
                    if locked == Locked::Skip {
                        // Not a row but the table is locked, or a row that one of ours refers to.
                        self.sleep(PAUSE_MIN).await?;
                    }
                    locked = Locked::Skip;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn write_until_gone(
        &mut self,
        range: (u64, u64),
        locked: Locked,
        moved: &mut Moved,
    ) -> Result<(), DatabaseError> {
        let local = settings(self.bounds.lock_timeout_ms, BATCH_STATEMENT_MS, self.job.is_clients_own());
        self.db.query(&local, &[]).await?;
        let sql = write(&quoted(&self.job.relation), &self.job.column, range, locked);
        for at in 0..WRITES_MAX {
            if moved.careful && at > 0 {
                self.db.execute("RELEASE SAVEPOINT lockkeeper_move").await?;
            }
            if moved.careful {
                self.db.execute("SAVEPOINT lockkeeper_move").await?;
            }
            let rows = self.db.query(&sql, &[]).await?;
            let number = |place: usize| first(&rows, place).unwrap_or(0);
            let (written, stayed, back) = (number(0), number(1), number(2));
            if back > 0 {
                break;
            }
            moved.rows += written - stayed.min(written);
            moved.front = moved.front.max(first(&rows, 3).map_or(0, |page| page + 1));
            if written == 0 {
                return Ok(());
            }
        }
        // What was written last is taken back: it would stand further behind than before.
        moved.no_room = true;
        if moved.careful {
            return self.db.execute("ROLLBACK TO SAVEPOINT lockkeeper_move").await.map(|_| ());
        }
        Err(error("53100", "there is no room further ahead"))
    }
}

/// What the UPDATEs of one batch have done.
#[derive(Default)]
struct Moved {
    rows: u64,
    /// The page after the last one they went to.
    front: u64,
    no_room: bool,
    /// Each UPDATE can be taken back by itself.
    careful: bool,
}

/// Writes the rows of these pages as they are. How many; how many of them stand on these pages or further behind then,
/// and how many further behind; and the last page of those that got away.
fn write(name: &str, column: &str, (from, to): (u64, u64), locked: Locked) -> String {
    let column = crate::kernel::plan::quote::identifier(column);
    let within = pages::between(&format!("{name}.ctid"), (from, to));
    let rows = pages::unlocked(name, &within, locked);
    let (from, to) = (pages::tid(from), pages::tid(to));
    format!(
        "WITH done (place) AS (UPDATE ONLY {name} SET {column} = {column} WHERE {rows} RETURNING {name}.ctid) \
         SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE place OPERATOR(pg_catalog.>=) {from}), \
         pg_catalog.count(*) FILTER (WHERE place OPERATOR(pg_catalog.>=) {to}), {} FROM done",
        page(&format!("(pg_catalog.max(place) FILTER (WHERE place OPERATOR(pg_catalog.<) {from}))"))
    )
}

/// The page of a place.
fn page(place: &str) -> String {
    format!("({place}::pg_catalog.text::pg_catalog.point)[0]::pg_catalog.int8")
}

/// Whether VACUUM would give back what is behind the last row (`should_attempt_truncation` in vacuumlazy.c).
fn gives_back(size: u64, end: u64) -> bool {
    let tail = size.saturating_sub(end);
    tail > 0 && (tail >= TAIL_PAGES || tail >= size / TAIL_PART)
}

fn first(rows: &[Row], place: usize) -> Option<u64> {
    rows.first()?.get(place)?.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::gives_back;

    #[test]
    fn only_an_end_that_is_worth_it_is_waited_for() {
        assert!(gives_back(100, 50) && gives_back(100_000, 99_000) && gives_back(10, 9));
        assert!(!gives_back(100, 100) && !gives_back(160, 155) && !gives_back(100_000, 99_500));
    }
}
