//! Our lock timeout around a statement of the client's that is forwarded as it is.

use super::{Ended, Session};
use crate::shell::database::Database;

impl Session {
    /// Sets our lock timeout for the statement that comes next; put back when everything is answered.
    pub(super) async fn bound_lock_timeout(&mut self) -> Result<(), Ended> {
        let ours = self.settings().executor.transaction_lock_timeout.as_millis();
        let end = self.exchange_end();
        let sql =
            "SELECT s.setting FROM pg_catalog.pg_settings AS s WHERE s.name OPERATOR(pg_catalog.=) 'lock_timeout'";
        let rows = self.backstage(end, async |stage| stage.query(sql, &[]).await).await?;
        let own = rows.concat().into_iter().flatten().next().unwrap_or_else(|| "0".to_owned());
        let own_ms: u128 = own.parse().unwrap_or_default();
        if own_ms > 0 && own_ms <= ours {
            return Ok(());
        }
        self.set_lock_timeout(&ours.to_string()).await?;
        self.lock_timeout.get_or_insert(own);
        Ok(())
    }

    async fn set_lock_timeout(&mut self, value: &str) -> Result<(), Ended> {
        let end = self.exchange_end();
        let sql = "SELECT pg_catalog.set_config('lock_timeout', $1, false)";
        self.backstage(end, async |stage| stage.query(sql, &[Some(value)]).await).await.map(drop)
    }

    pub(super) async fn restore_lock_timeout(&mut self) -> Result<(), Ended> {
        match self.lock_timeout.take() {
            Some(value) => self.set_lock_timeout(&value).await,
            None => Ok(()),
        }
    }
}
