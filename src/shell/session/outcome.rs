//! What became of an approved change is what became of its transaction: while that is open the ticket says that it
//! runs. As for deferred jobs, what the server says about the subtransaction's number decides.

use super::run::Ran;
use super::taken::Taken;
use super::{Ended, Session, words};
use crate::kernel::plan::as_is;
use crate::kernel::sql::statement::{Statement, TransactionControl};
use crate::shell::backstage::End;
use crate::shell::console::ask::Claim;
use crate::shell::database::{Database, DatabaseError};
use crate::shell::jobs::Fate;
use crate::shell::side::LINGER;
use crate::shell::store::StoreError;

/// SQLSTATE of a transaction that was rolled back.
const ROLLED_BACK: &str = "40000";
/// SQLSTATE of a lock that was not to be had in time.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
const NO_LOCK: &str = "its lock was not to be had";
const WHY: &str = "its transaction was rolled back, so nothing of it is there";
const NOT_KNOWN: &str = "nobody could ask what became of its transaction";

/// The number of the subtransaction a change was made in: of those that have written in this transaction and are not
/// rolled back, each locked by itself, the youngest. None: nothing was written. Whether the transaction may write comes
/// with it.
pub(super) const ITS_NUMBER: &str = "\
SELECT pg_catalog.int8pl(t.top, pg_catalog.max(pg_catalog.mod(pg_catalog.int8pl(pg_catalog.int8mi(
    l.transactionid::pg_catalog.text::pg_catalog.int8, pg_catalog.mod(t.top, 4294967296)), 4294967296), 4294967296))),
  pg_catalog.current_setting('transaction_read_only')
FROM (SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text::pg_catalog.int8 AS top) AS t,
  pg_catalog.pg_locks AS l
WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted
  AND l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock'
GROUP BY t.top";

/// A change that ran in a transaction which was open then.
pub(super) struct Unsettled {
    claim: Claim,
    tag: String,
    ms: u64,
    /// Nothing: it could not be asked for.
    xid: Option<String>,
}

impl Session {
    /// Says on the ticket what became of it, at once or when its transaction has ended.
    pub(super) async fn report(&mut self, taken: &Taken, claim: Claim, ran: &Ran) {
        let told = match ran {
            Ran::Done { tag, ms } if self.relay.in_transaction() => match self.number().await {
                // What has written nothing cannot be rolled back.
                Ok(None) => claim.finish(*ms, tag).await,
                Ok(xid) => return self.unsettled.push(Unsettled { claim, tag: tag.clone(), ms: *ms, xid }),
                Err(_) => return self.unsettled.push(Unsettled { claim, tag: tag.clone(), ms: *ms, xid: None }),
            },
            Ran::Done { tag, .. } if tag == "ROLLBACK" => match ends(taken) {
                0 | 1 => claim.fail(ROLLED_BACK, WHY).await,
                _ => claim.lose("its message ended several transactions, the last one with a ROLLBACK").await,
            },
            Ran::Done { tag, ms } => claim.finish(*ms, tag).await,
            Ran::Failed { code, .. } if code == LOCK_NOT_AVAILABLE && !may_be_there(taken) => {
                claim.give_back(NO_LOCK).await
            }
            Ran::Failed { code, .. } if taken.known.hides() => claim.fail(code, words::SECRET).await,
            Ran::Failed { code, message } => claim.fail(code, message).await,
            Ran::Overtaken => claim.fail("55000", "what it was judged by has changed").await,
            Ran::Unknown { why, .. } => claim.lose(why).await,
        };
        log_unreported(told.map(drop));
    }

    async fn number(&mut self) -> Result<Option<String>, DatabaseError> {
        let end = self.exchange_end();
        let asked = self.try_backstage(end, async |stage| stage.query(ITS_NUMBER, &[]).await).await;
        match asked {
            Ok(rows) => Ok(rows?.into_iter().next().and_then(|row| row.into_iter().next().flatten())),
            Err(_) => Err(DatabaseError::Lost(NOT_KNOWN.to_owned())),
        }
    }

    /// The transaction is over: the tickets of what ran in it say what became of it.
    pub(super) async fn settle_tickets(&mut self) -> Result<(), Ended> {
        let mut left = Ok(());
        for Unsettled { claim, tag, ms, xid } in std::mem::take(&mut self.unsettled) {
            let fate = match (&left, &xid) {
                (Ok(()), Some(xid)) => {
                    self.try_backstage(End::Sync, async |stage| Fate::of(stage, xid).await).await.map(Result::ok)
                }
                (Ok(()), None) | (Err(_), _) => Ok(None),
            };
            let told = match &fate {
                Ok(Some(Fate::Committed)) => claim.finish(ms, &tag).await,
                Ok(Some(Fate::RolledBack)) => claim.fail(ROLLED_BACK, WHY).await,
                Ok(Some(Fate::Open)) => claim.lose("its transaction is prepared: who ends it decides").await,
                Ok(Some(Fate::Forgotten) | None) | Err(_) => claim.lose(NOT_KNOWN).await,
            };
            log_unreported(told.map(drop));
            if let Err(ended) = fate {
                left = Err(ended);
            }
        }
        left
    }

    /// The session ends before its transaction: the server rolls that back, unless its end was under way.
    pub(super) async fn leave_tickets(&mut self, lost: bool) {
        if !lost {
            // What the server was told to do is done even where the client has left.
            let seen = tokio::time::timeout(LINGER, Box::pin(self.see_through())).await;
            if seen.is_ok_and(|seen| seen.is_ok()) && self.relay.at_rest() {
                let settled = tokio::time::timeout(LINGER, Box::pin(self.settle_tickets())).await;
                drop(settled);
            }
        }
        let is_open = self.relay.quiet() && self.relay.in_transaction();
        for Unsettled { claim, .. } in std::mem::take(&mut self.unsettled) {
            let told = if is_open { claim.fail(ROLLED_BACK, WHY).await } else { claim.lose(NOT_KNOWN).await };
            log_unreported(told.map(drop));
        }
    }
}

/// Whether some of what failed may have been committed by itself.
pub(super) fn may_be_there(taken: &Taken) -> bool {
    as_is::may_commit_inside(&taken.known.text, &taken.known.statements().statements)
}

/// How many transactions a message may end.
fn ends(taken: &Taken) -> usize {
    let is_end = |statement: &Statement| {
        matches!(
            statement,
            Statement::Transaction(
                TransactionControl::Commit | TransactionControl::Rollback | TransactionControl::TwoPhase
            )
        )
    };
    taken.known.statements().statements.iter().filter(|parsed| is_end(&parsed.statement)).count()
}

pub(super) fn log_unreported(outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::error!(%error, "what became of a ticket could not be recorded");
    }
}
