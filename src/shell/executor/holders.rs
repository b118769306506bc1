//! Who is in the way of a lock, and who else waits for it. Only looks: see `idle` for who may be ended.

use std::time::Duration;

use tokio::time::Instant;

use super::retry::Retry;
use super::{Progress, Runner, ms};
use crate::kernel::plan::Step;
use crate::kernel::plan::queue::{Blocker, Ending, LockQueue};
use crate::kernel::sql::read::{may_hold_secrets, shown};
use crate::kernel::sql::statement::{LockMode, RelationName};
use crate::shell::database::{Database, DatabaseError, Row};

/// How often is looked again while waiting without queueing.
const POLL: Duration = Duration::from_millis(100);

/// What [`blocker`] reads behind the first column: of `o.pid`, null for a prepared transaction, with `a` of
/// `pg_stat_activity` and `p` of `pg_prepared_xacts`.
macro_rules! blocker_columns {
    () => {
        "\
o.pid, COALESCE(a.usename, p.owner), a.application_name, a.state, a.backend_type,
  pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    COALESCE(a.xact_start, p.prepared)) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8,
  pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    a.state_change) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8,
  CASE WHEN o.pid IS NULL THEN pg_catalog.quote_literal(p.gid)
    ELSE pg_catalog.left(pg_catalog.regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 100) END"
    };
}
pub(super) use blocker_columns;

/// $1 the relation, $2 the conflicting modes. Who holds one of these comes first, then who waits for any. A
/// prepared transaction has no process; that of its locks which is on its number says which one it is.
const HOLDERS: &str = concat!(
    "\
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
), others AS (
  SELECT l.pid, CASE WHEN l.pid IS NULL THEN l.virtualtransaction END AS prepared,
    pg_catalog.bool_or(l.granted) AS holds
  FROM pg_catalog.pg_locks l
  WHERE l.locktype OPERATOR(pg_catalog.=) 'relation'
    AND l.relation OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT t.oid FROM tree t))
    AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
      WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
    AND (NOT l.granted OR l.mode OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[]))
    AND (l.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())
  GROUP BY 1, 2
)
SELECT o.holds, ",
    blocker_columns!(),
    "
FROM others o
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) o.pid
LEFT JOIN pg_catalog.pg_prepared_xacts p ON o.pid IS NULL AND EXISTS (
  SELECT FROM pg_catalog.pg_locks n WHERE n.pid IS NULL AND n.granted
    AND n.virtualtransaction OPERATOR(pg_catalog.=) o.prepared
    AND n.transactionid::pg_catalog.text OPERATOR(pg_catalog.=) p.transaction::pg_catalog.text)
ORDER BY o.holds DESC, COALESCE(a.xact_start, p.prepared) LIMIT 20"
);

/// $1 an age in milliseconds. Transactions that still see the past, which a concurrent build waits for.
/// Of other roles an ordinary one may not see this.
const SNAPSHOTS: &str = "\
SELECT 't', a.pid, a.usename, a.application_name, a.state, a.backend_type,
  pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    a.xact_start) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8,
  pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    a.state_change) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8,
  pg_catalog.left(pg_catalog.regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 100)
FROM pg_catalog.pg_stat_activity a
WHERE a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND a.backend_xmin IS NOT NULL
  AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
  AND a.xact_start OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    pg_catalog.make_interval(secs => $1::pg_catalog.float8 OPERATOR(pg_catalog./) 1000::pg_catalog.float8))
ORDER BY a.xact_start LIMIT 5";

impl<D: Database> Runner<'_, D> {
    /// Tells who will keep a concurrent build waiting: during it only a second session can tell, for this one is busy. Who
    /// idles, and may be ended for that before long, is waited for and ended first.
    pub(super) async fn tell_who_delays(&mut self, step: &Step) -> Result<(), DatabaseError> {
        let until = self.limits.end_idle.map(|idle| Instant::now() + idle + POLL);
        let mut told = false;
        loop {
            let delaying = self.who_delays(step).await?;
            if !delaying.is_empty() && !told {
                told = true;
                let queue = self.queue(step, delaying.clone());
                (self.tell)(Progress::WaitingForSnapshots { queue });
            }
            let ended = self.end_idle(&delaying).await?;
            let early = |one: &Blocker| self.limits.end_idle.is_some_and(|idle| one.ending(idle) == Ending::Early);
            let may_be = until.is_some_and(|until| Instant::now() < until);
            if !(ended || delaying.iter().any(early)) || !may_be {
                return Ok(());
            }
            self.check_cancelled()?;
            self.pause(POLL).await?;
        }
    }

    async fn who_delays(&mut self, step: &Step) -> Result<Vec<Blocker>, DatabaseError> {
        let (long, before) = (self.limits.long_holder, std::mem::take(&mut self.blockers));
        let writers = Step { lock: LockMode::Share, ..step.clone() };
        self.look_for_blockers(&writers).await?;
        let mut delaying = std::mem::replace(&mut self.blockers, before);
        // Who idles will not end by itself soon, however young its transaction.
        let end_idle = self.limits.end_idle;
        // Without a second session nobody can be named later.
        let only_now = self.crew.is_none();
        let from = if only_now || end_idle.is_some() { Duration::ZERO } else { long };
        let stays = |one: &Blocker| {
            let idles = |idle| matches!(one.ending(idle), Ending::Due | Ending::Early);
            one.is_older_than(long) || end_idle.is_some_and(idles) || (only_now && one.ending(POLL) == Ending::Due)
        };
        match self.db.query(SNAPSHOTS, &[Some(&from.as_millis().to_string())]).await {
            Ok(rows) => {
                let known: Vec<Option<i32>> = delaying.iter().map(|one| one.pid).collect();
                delaying.extend(rows.iter().map(blocker).filter(|one| !known.contains(&one.pid)));
            }
            Err(error @ DatabaseError::Lost(_)) => return Err(error),
            Err(DatabaseError::Server(_)) => {}
        }
        delaying.retain(stays);
        Ok(delaying)
    }

    /// Waits, without taking a place in the queue, while somebody holds a lock in our way in a long
    /// transaction: an attempt would fail, and would stall others for as long as it waits. When the
    /// budget is spent the step is tried all the same.
    pub(super) async fn wait_for_long_holders(&mut self, step: &Step, retry: &Retry) -> Result<(), DatabaseError> {
        let mut told: Option<Instant> = None;
        // A weak lock makes no reader or writer queue.
        while step.lock > LockMode::ShareUpdateExclusive && !retry.is_over() {
            self.check_cancelled()?;
            self.look_for_blockers(step).await?;
            let blockers = self.blockers.clone();
            if !blockers.iter().any(|one| one.is_older_than(self.limits.long_holder)) {
                break;
            }
            if told.is_none_or(|at| at.elapsed() >= self.limits.progress) {
                told = Some(Instant::now());
                let queue = self.queue(step, blockers.clone());
                (self.tell)(Progress::Retrying { attempt: retry.attempt, wait_ms: None, queue });
            }
            self.end_idle(&blockers).await?;
            self.pause(POLL).await?;
        }
        Ok(())
    }

    /// Remembers who is in the way now. What the server refuses to show is no reason to stop.
    pub(super) async fn look_for_blockers(&mut self, step: &Step) -> Result<(), DatabaseError> {
        let Some(relation) = step.on.as_ref().or(self.plan.relation.as_ref()) else { return Ok(()) };
        let (mut holders, mut waiting) = (Vec::new(), Vec::new());
        for relation in std::iter::once(relation).chain(&step.also) {
            match who_holds(self.db, &quoted(relation), step.lock).await {
                Ok((hold, wait)) => {
                    add(&mut holders, hold);
                    add(&mut waiting, wait);
                }
                Err(error @ DatabaseError::Lost(_)) => return Err(error),
                Err(DatabaseError::Server(_)) => return Ok(()),
            }
        }
        (self.blockers, self.waiting) = (holders, waiting);
        Ok(())
    }

    /// The queue as it was last seen.
    pub(super) fn queue(&mut self, step: &Step, holders: Vec<Blocker>) -> LockQueue {
        let since = match self.wanted {
            Some((at, since)) if at == self.at => since,
            Some(_) | None => self.wanted.insert((self.at, Instant::now())).1,
        };
        let relation = step.on.as_ref().or(self.plan.relation.as_ref());
        let tables: Vec<String> = relation.into_iter().chain(&step.also).map(RelationName::written).collect();
        LockQueue {
            step: self.at,
            table: tables.join(", "),
            lock: step.lock,
            waited_ms: ms(since.elapsed()),
            holders,
            waiting: self.waiting.clone(),
        }
    }
}

/// Who is on two of the tables is named once.
fn add(all: &mut Vec<Blocker>, more: Vec<Blocker>) {
    for one in more {
        let is_it = |known: &Blocker| known.pid == one.pid && (one.pid.is_some() || known.query == one.query);
        if !all.iter().any(is_it) {
            all.push(one);
        }
    }
}

fn text(row: &Row, place: usize) -> String {
    row.get(place).cloned().flatten().unwrap_or_default()
}

pub(super) fn blocker(row: &Row) -> Blocker {
    let query = text(row, 8);
    Blocker {
        pid: text(row, 1).parse().ok(),
        user: text(row, 2),
        application: text(row, 3),
        state: text(row, 4),
        backend: text(row, 5),
        age_ms: text(row, 6).parse().ok(),
        state_ms: text(row, 7).parse().ok(),
        // Somebody else's statement, and cut: what cannot be read is not shown.
        query: if may_hold_secrets(&query) { shown(&query) } else { query },
    }
}

/// Who holds a lock on a relation that is in the way of this one, and who waits for any.
pub(crate) async fn who_holds<D: Database>(
    db: &mut D,
    relation: &str,
    lock: LockMode,
) -> Result<(Vec<Blocker>, Vec<Blocker>), DatabaseError> {
    let rows = db.query(HOLDERS, &[Some(relation), Some(conflicting(lock))]).await?;
    let (hold, wait): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| text(row, 0) == "t");
    Ok((hold.into_iter().map(blocker).collect(), wait.into_iter().map(blocker).collect()))
}

pub(crate) fn quoted(relation: &RelationName) -> String {
    let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    match &relation.schema {
        Some(schema) => format!("{}.{}", quote(schema), quote(&relation.name)),
        None => quote(&relation.name),
    }
}

/// Modes that conflict with `lock`, as an array of `pg_locks.mode` (PostgreSQL docs, table 13.2).
fn conflicting(lock: LockMode) -> &'static str {
    match lock {
        LockMode::AccessShare => "{AccessExclusiveLock}",
        LockMode::RowShare => "{ExclusiveLock,AccessExclusiveLock}",
        LockMode::RowExclusive => "{ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}",
        LockMode::ShareUpdateExclusive => {
            "{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}"
        }
        LockMode::Share => {
            "{RowExclusiveLock,ShareUpdateExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}"
        }
        LockMode::ShareRowExclusive => {
            "{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}"
        }
        LockMode::Exclusive => {
            "{RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}"
        }
        LockMode::AccessExclusive => {
            "{AccessShareLock,RowShareLock,RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}"
        }
    }
}
