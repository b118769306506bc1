//! What a backfill's throttle looks at, asked on the backfill's own connection between two batches.

use std::time::Duration;

use tokio::time::Instant;

use super::super::executor::quoted;
use crate::kernel::plan::throttle::{Reading, Signal, Throttle};
use crate::kernel::policy::pattern_matches;
use crate::kernel::sql::statement::RelationName;
use crate::shell::database::{Database, DatabaseError, Row};

/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// $1 the table. Rows of signal, whose, and value; without a value where the role may not see it: of other roles'
/// sessions and of replicas only `pg_read_all_stats` (in `pg_monitor`) shows more than that they are there.
const LOOK_SQL: &str = "\
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
), here (at) AS (
  SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
    ELSE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0'::pg_catalog.pg_lsn) END
), replica AS (
  SELECT r.application_name AS name, r.state, pg_catalog.date_part('epoch', r.replay_lag) AS lag,
    here.at OPERATOR(pg_catalog.-) pg_catalog.pg_wal_lsn_diff(r.replay_lsn, '0/0'::pg_catalog.pg_lsn) AS behind
  FROM pg_catalog.pg_stat_replication r, here
  WHERE (r.state OPERATOR(pg_catalog.=) 'backup') IS NOT TRUE
), session AS (
  SELECT a.state, a.query FROM pg_catalog.pg_stat_activity a
  WHERE a.datid IS NOT NULL AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()
    AND (a.backend_type OPERATOR(pg_catalog.<>) 'client backend') IS NOT TRUE
), archive AS (
  SELECT pg_catalog.floor(here.at OPERATOR(pg_catalog./)
      pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::pg_catalog.numeric) AS now,
    ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(s.last_archived_wal, 9, 8))::pg_catalog.bit(32)::pg_catalog.int8
      OPERATOR(pg_catalog.*) (4294967296::pg_catalog.int8 OPERATOR(pg_catalog./)
        pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')))
      OPERATOR(pg_catalog.+) ('x' OPERATOR(pg_catalog.||) pg_catalog.substr(s.last_archived_wal, 17, 8))::pg_catalog.bit(32)::pg_catalog.int8 AS done
  FROM pg_catalog.pg_stat_archiver s, here
  WHERE pg_catalog.current_setting('archive_mode') OPERATOR(pg_catalog.<>) 'off'
    AND s.last_archived_wal OPERATOR(pg_catalog.~) '^[0-9A-F]{24}$'
)
SELECT 'wal', NULL, here.at::pg_catalog.text FROM here
UNION ALL SELECT 'replica_lag_ms', r.name,
  pg_catalog.floor(r.lag OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8::pg_catalog.text
  FROM replica r WHERE r.lag IS NOT NULL OR r.state IS NULL
UNION ALL SELECT 'replica_behind_mib', r.name,
  pg_catalog.floor(r.behind OPERATOR(pg_catalog./) 1048576::pg_catalog.numeric)::pg_catalog.text FROM replica r
UNION ALL SELECT 'slot_retained_mib', s.slot_name::pg_catalog.text,
  pg_catalog.floor((here.at OPERATOR(pg_catalog.-) pg_catalog.pg_wal_lsn_diff(s.restart_lsn, '0/0'::pg_catalog.pg_lsn))
    OPERATOR(pg_catalog./) 1048576::pg_catalog.numeric)::pg_catalog.text
  FROM pg_catalog.pg_replication_slots s, here WHERE s.restart_lsn IS NOT NULL
UNION ALL SELECT 'archive_files', NULL,
  GREATEST(0::pg_catalog.numeric, a.now OPERATOR(pg_catalog.-) a.done::pg_catalog.numeric OPERATOR(pg_catalog.-) 1::pg_catalog.numeric)::pg_catalog.text
  FROM archive a
UNION ALL SELECT 'active_sessions', NULL, CASE WHEN pg_catalog.bool_or(s.query OPERATOR(pg_catalog.=) '<insufficient privilege>')
    THEN NULL ELSE pg_catalog.count(*) FILTER (WHERE s.state OPERATOR(pg_catalog.=) 'active')::pg_catalog.text END
  FROM session s
UNION ALL SELECT 'lock_waiters', NULL, pg_catalog.count(DISTINCT l.pid)::pg_catalog.text
  FROM pg_catalog.pg_locks l WHERE NOT l.granted AND l.relation OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT t.oid FROM tree t))
    AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
      WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())";

/// A place in the WAL at a time, from which its rate is counted.
pub(super) type Mark = (u64, Instant);

/// What one look has brought: the readings, and where the WAL is now.
pub(super) async fn look<D: Database>(
    db: &mut D,
    relation: &RelationName,
    (throttle, since): (&Throttle, Option<Mark>),
) -> Result<(Vec<Reading>, Option<Mark>), DatabaseError> {
    let name = quoted(relation);
    let rows = match db.query(LOOK_SQL, &[Some(name.as_str())]).await {
        Ok(rows) => rows,
        Err(error @ DatabaseError::Lost(_)) => return Err(error),
        // What the server refuses to show is unseen.
        Err(DatabaseError::Server(_)) => Signal::ALL.map(|one| vec![Some(one.key().to_owned()), None, None]).to_vec(),
    };
    let now = Instant::now();
    let mut readings = Vec::new();
    let mut mark = None;
    for row in &rows {
        let (kind, who, value) = parts(row);
        if kind == "wal" {
            mark = value.map(|at| (at, now));
        } else if let Some(signal) = Signal::of(kind) {
            let is_replica = matches!(signal, Signal::ReplicaLagMs | Signal::ReplicaBehindMib);
            let patterns = &throttle.replicas;
            // One whose name cannot be seen may be meant.
            if is_replica
                && !who.is_empty()
                && !patterns.is_empty()
                && !patterns.iter().any(|one| pattern_matches(one, who))
            {
                continue;
            }
            readings.push(Reading { signal, who: who.to_owned(), value });
        }
    }
    if let (Some((at, now)), Some((from, then))) = (mark, since) {
        let ms = u64::try_from(now.duration_since(then).as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = at.saturating_sub(from).saturating_mul(1_000) / ms / 1_048_576;
        readings.push(Reading { signal: Signal::WalMibPerS, who: String::new(), value: Some(rate) });
    }
    Ok((readings, mark))
}

fn parts(row: &Row) -> (&str, &str, Option<u64>) {
    let text = |place: usize| row.get(place).and_then(Option::as_deref);
    (text(0).unwrap_or_default(), text(1).unwrap_or_default(), text(2).and_then(|value| value.parse().ok()))
}
