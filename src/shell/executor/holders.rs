//! Who is in the way of a lock. Only looks: nobody is ever cancelled or terminated from here.

use std::time::Duration;

use tokio::time::Instant;

use super::retry::Retry;
use super::{Blocker, Progress, Runner};
use crate::kernel::plan::Step;
use crate::kernel::sql::read::{may_hold_secrets, shown};
use crate::kernel::sql::statement::{LockMode, RelationName};
use crate::shell::database::{Database, DatabaseError, Row};

/// How often is looked again while waiting without queueing.
const POLL: Duration = Duration::from_millis(100);

/// $1 the relation, $2 the conflicting modes. A prepared transaction has no process.
const HOLDERS: &str = "\
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
)
SELECT l.pid, a.usename, a.application_name, a.state,
  pg_catalog.floor(pg_catalog.date_part('epoch',
    pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8,
  pg_catalog.left(pg_catalog.regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 100)
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) l.pid
WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted
  AND l.relation OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT t.oid FROM tree t))
  AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
    WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
  AND l.mode OPERATOR(pg_catalog.=) ANY ($2::pg_catalog.text[])
  AND (l.pid IS NULL OR l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid())
ORDER BY a.xact_start LIMIT 20";

/// $1 an age in milliseconds. Transactions that still see the past, which a concurrent build waits for.
/// Of other roles an ordinary one may not see this.
const SNAPSHOTS: &str = "\
SELECT a.pid, a.usename, a.application_name, a.state,
  pg_catalog.floor(pg_catalog.date_part('epoch',
    pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) a.xact_start) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8,
  pg_catalog.left(pg_catalog.regexp_replace(a.query, '[[:space:]]+', ' ', 'g'), 100)
FROM pg_catalog.pg_stat_activity a
WHERE a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() AND a.backend_xmin IS NOT NULL
  AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
  AND a.xact_start OPERATOR(pg_catalog.<) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    pg_catalog.make_interval(secs => $1::pg_catalog.float8 OPERATOR(pg_catalog./) 1000::pg_catalog.float8))
ORDER BY a.xact_start LIMIT 5";

impl<D: Database> Runner<'_, D> {
    /// Tells who will keep a concurrent build waiting: during it nothing can be told, for the session is busy.
    pub(super) async fn tell_who_delays(&mut self, step: &Step) -> Result<(), DatabaseError> {
        let (long, before) = (self.limits.long_holder, std::mem::take(&mut self.blockers));
        let writers = Step { lock: LockMode::Share, ..step.clone() };
        self.look_for_blockers(&writers).await?;
        let mut delaying = std::mem::replace(&mut self.blockers, before);
        delaying.retain(|one| one.pid.is_none() || one.age.is_some_and(|age| age >= long));
        match self.db.query(SNAPSHOTS, &[Some(&long.as_millis().to_string())]).await {
            Ok(rows) => {
                let known: Vec<Option<i32>> = delaying.iter().map(|one| one.pid).collect();
                delaying.extend(rows.iter().map(blocker).filter(|one| !known.contains(&one.pid)));
            }
            Err(error @ DatabaseError::Lost(_)) => return Err(error),
            Err(DatabaseError::Server(_)) => {}
        }
        if !delaying.is_empty() {
            (self.tell)(Progress::WaitingForSnapshots { blockers: delaying });
        }
        Ok(())
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
            let long = self.limits.long_holder;
            let is_long = |blocker: &Blocker| blocker.pid.is_none() || blocker.age.is_some_and(|age| age >= long);
            if !self.blockers.iter().any(is_long) {
                break;
            }
            if told.is_none_or(|at| at.elapsed() >= self.limits.progress) {
                told = Some(Instant::now());
                let (attempt, blockers) = (retry.attempt, self.blockers.clone());
                (self.tell)(Progress::Retrying { attempt, wait_ms: 100, blockers });
            }
            self.pause(POLL).await?;
        }
        Ok(())
    }

    /// Remembers who is in the way now. What the server refuses to show is no reason to stop.
    pub(super) async fn look_for_blockers(&mut self, step: &Step) -> Result<(), DatabaseError> {
        let Some(relation) = step.on.as_ref().or(self.plan.relation.as_ref()) else { return Ok(()) };
        let (relation, modes) = (quoted(relation), conflicting(step.lock));
        match self.db.query(HOLDERS, &[Some(relation.as_str()), Some(modes)]).await {
            Ok(rows) => {
                self.blockers = rows.iter().map(blocker).collect();
                Ok(())
            }
            Err(error @ DatabaseError::Lost(_)) => Err(error),
            Err(DatabaseError::Server(_)) => Ok(()),
        }
    }
}

fn blocker(row: &Row) -> Blocker {
    let text = |place: usize| row.get(place).cloned().flatten().unwrap_or_default();
    Blocker {
        pid: text(0).parse().ok(),
        user: text(1),
        application: text(2),
        state: text(3),
        age: text(4).parse().ok().map(Duration::from_millis),
        // Somebody else's statement, and cut: what cannot be read is not shown.
        query: Some(text(5)).filter(|sql| !may_hold_secrets(sql)).unwrap_or_else(|| shown(&text(5))),
    }
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
