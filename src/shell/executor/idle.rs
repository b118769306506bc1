//! Ending sessions that idle in a transaction in our way, where the configuration says after how long. A statement
//! at work is never ended, nor replication, autovacuum or a prepared transaction.

use std::time::Duration;

use super::{Hand, Progress, Runner, Session};
use crate::kernel::plan::queue::{Blocker, Ending};
use crate::shell::database::{Database, DatabaseError, TransactionStatus};

/// $1 a process, $2 how long it must have idled, in milliseconds: asked again in the very statement that ends it. No
/// row: it does not idle any more. NULL: this role may not end it.
const END: &str = "\
SELECT CASE WHEN me.rolsuper OR NOT COALESCE(them.rolsuper, true) AND (
    pg_catalog.pg_has_role(a.usesysid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
  THEN pg_catalog.pg_terminate_backend(a.pid) END
FROM pg_catalog.pg_stat_activity a
JOIN pg_catalog.pg_roles me ON me.rolname OPERATOR(pg_catalog.=) current_user
LEFT JOIN pg_catalog.pg_roles them ON them.oid OPERATOR(pg_catalog.=) a.usesysid
WHERE a.pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4
  AND a.backend_type OPERATOR(pg_catalog.=) 'client backend'
  AND a.state OPERATOR(pg_catalog.=) ANY ('{idle in transaction,idle in transaction (aborted)}'::pg_catalog.text[])
  AND a.state_change OPERATOR(pg_catalog.<=) (pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
    pg_catalog.make_interval(secs => $2::pg_catalog.float8 OPERATOR(pg_catalog./) 1000::pg_catalog.float8))";

impl<D: Database> Runner<'_, D> {
    /// Ends those of them that are due. True: one was. Inside a transaction what others do is seen as it was at
    /// its first look, so nobody is ended from there.
    pub(super) async fn end_idle(&mut self, blockers: &[Blocker]) -> Result<bool, DatabaseError> {
        let Some(idle) = self.limits.end_idle else { return Ok(false) };
        if self.db.transaction_status() != TransactionStatus::Idle {
            return Ok(false);
        }
        end_idle(&mut Session(self.db), (blockers, idle), self.tell, &mut self.unended).await
    }
}

/// The same by a session at hand. Of whom it was told that they are not ended it is not told again.
pub(super) async fn end_idle(
    hand: &mut dyn Hand,
    (blockers, idle): (&[Blocker], Duration),
    tell: &mut (dyn FnMut(Progress) + Send),
    unended: &mut Vec<i32>,
) -> Result<bool, DatabaseError> {
    let mut tell_unended = |pid: i32, why: &str, tell: &mut (dyn FnMut(Progress) + Send)| {
        if !unended.contains(&pid) {
            unended.push(pid);
            tell(Progress::Note(format!("process {pid}, which is in the way, is not ended: {why}")));
        }
    };
    let mut ended = false;
    for blocker in blockers {
        let Some(pid) = blocker.pid else { continue };
        match blocker.ending(idle) {
            Ending::Due => {}
            Ending::Early | Ending::Never => continue,
            Ending::Unseen => {
                tell_unended(pid, "this role cannot see what it does (pg_read_all_stats lets it)", tell);
                continue;
            }
        }
        let values = (pid.to_string(), idle.as_millis().to_string());
        let rows = match hand.rows(END, &[Some(&values.0), Some(&values.1)]).await {
            Ok(rows) => rows,
            Err(error @ DatabaseError::Lost(_)) => return Err(error),
            Err(error) => {
                tell_unended(pid, &error.to_string(), tell);
                continue;
            }
        };
        match rows.first().and_then(|row| row.first()).map(Option::as_deref) {
            Some(Some("t")) => {
                ended = true;
                tell(Progress::EndedIdle { blocker: blocker.clone() });
            }
            Some(None) => {
                let why = "this role may not end it: make it a member of its role or of pg_signal_backend; only a \
                           superuser ends a superuser's session";
                tell_unended(pid, why, tell);
            }
            // It has gone on, or gone, meanwhile.
            Some(Some(_)) | None => {}
        }
    }
    Ok(ended)
}
