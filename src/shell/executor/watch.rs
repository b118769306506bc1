//! Who keeps a statement waiting with which the session itself is busy: a concurrent build, or a concurrent drop or
//! detach. Seen from a second session, where one is to be had.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::holders::{blocker, blocker_columns};
use super::idle::end_idle;
use super::{Crew, Hand, Limits, Progress, Runner, ms};
use crate::kernel::plan::queue::{Blocker, LockQueue};
use crate::shell::database::{Database, DatabaseError, Done};

/// How often is looked.
const POLL: Duration = Duration::from_millis(500);

const PID: &str = "SELECT pg_catalog.pg_backend_pid()";

/// $1 the process that waits: for a lock, or for the end of transactions, which is a lock as well. A prepared
/// transaction has no process; what is waited for is its number.
const IN_ITS_WAY: &str = concat!(
    "\
WITH others AS (
  SELECT DISTINCT CASE WHEN b.pid OPERATOR(pg_catalog.<>) 0 THEN b.pid END AS pid
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1::pg_catalog.int4)) AS b (pid)
)
SELECT 't', ",
    blocker_columns!(),
    "
FROM others o
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) o.pid
LEFT JOIN pg_catalog.pg_prepared_xacts p ON o.pid IS NULL AND EXISTS (
  SELECT FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4 AND NOT l.granted
    AND l.transactionid::pg_catalog.text OPERATOR(pg_catalog.=) p.transaction::pg_catalog.text)
ORDER BY COALESCE(a.xact_start, p.prepared) LIMIT 20"
);

impl<D: Database> Runner<'_, D> {
    /// Runs a statement, and tells meanwhile who keeps it waiting.
    pub(super) async fn watched(&mut self, sql: &str) -> Result<Done, DatabaseError> {
        let plan = self.plan;
        let (Some(crew), Some(step)) = (self.crew, plan.steps.get(self.at)) else { return self.db.execute(sql).await };
        let rows = self.db.query(PID, &[]).await?;
        let pid = rows.concat().into_iter().next().flatten().unwrap_or_default();
        let queue = LockQueue { waiting: Vec::new(), ..self.queue(step, Vec::new()) };
        let mut watch = Watch { limits: self.limits, tell: self.tell, unended: &mut self.unended, queue };
        let (running, mut over) = watch::channel(());
        let statement = async {
            let done = self.db.execute(sql).await;
            drop(running);
            done
        };
        tokio::join!(statement, watch.follow((crew, &pid), &mut over)).0
    }
}

struct Watch<'a> {
    limits: &'a Limits,
    tell: &'a mut (dyn FnMut(Progress) + Send),
    unended: &'a mut Vec<i32>,
    /// Nobody's.
    queue: LockQueue,
}

impl Watch<'_> {
    /// Until the statement is over. A short one costs no session.
    async fn follow(&mut self, (crew, pid): (&dyn Crew, &str), over: &mut watch::Receiver<()>) {
        loop {
            let joined = async {
                tokio::time::sleep(self.limits.long_holder).await;
                crew.join().await
            };
            let hand = tokio::select! {
                biased;
                _ = over.changed() => return,
                hand = joined => hand,
            };
            let why = match hand {
                Ok(mut hand) => match self.look((&mut *hand, pid), over).await {
                    Ok(()) => return,
                    // Once more, in a new session.
                    Err(DatabaseError::Lost(_)) => continue,
                    Err(error @ DatabaseError::Server(_)) => error.to_string(),
                },
                Err(why) => why,
            };
            return (self.tell)(Progress::Note(format!("who keeps this waiting cannot be looked up: {why}")));
        }
    }

    async fn look(
        &mut self,
        (hand, pid): (&mut dyn Hand, &str),
        over: &mut watch::Receiver<()>,
    ) -> Result<(), DatabaseError> {
        let values = [Some(pid)];
        let (mut before, mut told) = (Vec::new(), None::<(Vec<Blocker>, Instant)>);
        let mut since = Instant::now();
        loop {
            let rows = tokio::select! {
                biased;
                _ = over.changed() => return Ok(()),
                rows = hand.rows(IN_ITS_WAY, &values) => rows?,
            };
            let seen: Vec<Blocker> = rows.iter().map(blocker).collect();
            if seen.is_empty() {
                since = Instant::now();
            }
            // Who is gone at the next look is not worth a word.
            let stays = |one: &Blocker| one.is_older_than(self.limits.long_holder) || is_among(one, &before);
            let stay: Vec<Blocker> = seen.iter().filter(|one| stays(one)).cloned().collect();
            let is_news = match &told {
                Some((known, at)) => !are_same(known, &stay) || at.elapsed() >= self.limits.progress,
                None => true,
            };
            if stay.is_empty() {
                if told.take().is_some() {
                    (self.tell)(Progress::GoesOn);
                }
            } else if is_news {
                let queue = LockQueue { holders: stay.clone(), waited_ms: ms(since.elapsed()), ..self.queue.clone() };
                (self.tell)(Progress::WaitingForSnapshots { queue });
                told = Some((stay.clone(), Instant::now()));
            }
            // To its end, though the statement may be over at once: who was ended is told.
            if let Some(idle) = self.limits.end_idle {
                end_idle(hand, (&stay, idle), self.tell, self.unended).await?;
            }
            before = seen;
            tokio::select! {
                biased;
                _ = over.changed() => return Ok(()),
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

fn is_among(one: &Blocker, others: &[Blocker]) -> bool {
    others.iter().any(|other| other.pid == one.pid)
}

fn are_same(some: &[Blocker], others: &[Blocker]) -> bool {
    some.len() == others.len() && some.iter().all(|one| is_among(one, others))
}
