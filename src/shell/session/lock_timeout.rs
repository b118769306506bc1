//! Our lock timeout around a statement of the client's that is forwarded as it is.

use super::{Ended, Session};
use crate::kernel::relay::Status;
use crate::kernel::sql::statement::{Reading, Statement};
use crate::shell::database::Database;

/// What the session had instead.
pub(super) struct Own {
    value: String,
    ours: String,
    /// For the transaction at hand only, as SET LOCAL does it: what the session has for itself stays beneath.
    local: bool,
}

impl Session {
    /// Sets our lock timeout for the statements that come next; put back when everything is answered.
    pub(super) async fn bound_lock_timeout(&mut self, reading: &Reading) -> Result<(), Ended> {
        let ours = self.settings().executor.transaction_lock_timeout.as_millis();
        let end = self.exchange_end();
        let sql =
            "SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout'";
        let rows = self.backstage(end, async |stage| stage.query(sql, &[]).await).await?;
        let value = rows.concat().into_iter().flatten().next().unwrap_or_else(|| "0".to_owned());
        let own_ms: u128 = value.parse().unwrap_or_default();
        if own_ms > 0 && own_ms <= ours {
            return Ok(());
        }
        // A text that ends the transaction itself may go on behind it.
        let stays = !reading.statements.iter().any(|parsed| matches!(parsed.statement, Statement::Transaction(_)));
        let local = stays && self.relay.status == Status::Block;
        let ours = ours.to_string();
        let end = self.exchange_end();
        let sql = "SELECT pg_catalog.set_config('lock_timeout', $1, $2::pg_catalog.bool)";
        let values = [Some(ours.as_str()), Some(if local { "true" } else { "false" })];
        self.backstage(end, async |stage| stage.query(sql, &values).await).await?;
        self.lock_timeout.get_or_insert(Own { value, ours, local });
        Ok(())
    }

    /// Unless the client has set another one meanwhile.
    pub(super) async fn restore_lock_timeout(&mut self) -> Result<(), Ended> {
        let Some(Own { value, ours, local }) = self.lock_timeout.take() else { return Ok(()) };
        // It has gone with its transaction.
        if local && self.relay.status != Status::Block {
            return Ok(());
        }
        let end = self.exchange_end();
        let sql = "SELECT pg_catalog.set_config('lock_timeout', $1, $2::pg_catalog.bool) FROM pg_catalog.pg_settings AS s \
                   WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout' AND s.setting OPERATOR(pg_catalog.=) $3";
        let values = [Some(value.as_str()), Some(if local { "true" } else { "false" }), Some(ours.as_str())];
        self.backstage(end, async |stage| stage.query(sql, &values).await).await.map(drop)
    }
}
