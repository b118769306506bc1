//! The timeouts of the client's session, whether its commits wait for the disk, and how names are quoted: read before a
//! plan, changed for it or a step, put back on every way out.

use std::collections::BTreeMap;

use std::time::Duration;

use super::{CANCELED, ms};
use crate::shell::database::{Database, DatabaseError};

const READ: &str = "SELECT s.name, s.setting FROM pg_catalog.pg_settings s \
    WHERE s.name OPERATOR(pg_catalog.=) ANY (
    '{lock_timeout,statement_timeout,transaction_timeout,deadlock_timeout,quote_all_identifiers,synchronous_commit,\
default_transaction_read_only}'::pg_catalog.text[])";

/// Those which would end a long step. `transaction_timeout` is new in 17 and absent before.
const LIFTED: [&str; 3] = ["lock_timeout", "statement_timeout", "transaction_timeout"];

/// What a step's commit waits for: its own disk. A crash of the server must not take back what is written down as done.
const DURABLE: &str = "local";
/// The only value of `synchronous_commit` that waits for less.
const ASYNCHRONOUS: &str = "off";

/// In milliseconds, 0 for none or off. Absent where the server does not know a setting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    values: BTreeMap<String, u64>,
    /// Commits of the session return before they are on the disk.
    asynchronous: bool,
}

impl Settings {
    pub(crate) async fn read<D: Database>(db: &mut D) -> Result<Self, DatabaseError> {
        let mut values = BTreeMap::new();
        let mut asynchronous = false;
        for row in db.query(READ, &[]).await? {
            let [Some(name), Some(setting)] = row.as_slice() else { continue };
            asynchronous |= name == "synchronous_commit" && setting == ASYNCHRONOUS;
            let value = if setting == "on" { Ok(1) } else { setting.parse() };
            if let Ok(value) = value {
                values.insert(name.clone(), value);
            }
        }
        Ok(Self { values, asynchronous })
    }

    pub(crate) fn get(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }

    /// The lock timeout of a brief step: ours or the client's own if that is shorter, and always below
    /// the deadlock timeout, so that in a deadlock it is we who give way.
    pub(crate) fn lock_ms(&self, ours: Duration) -> u64 {
        let own = shorter(ms(ours), self.get("lock_timeout"));
        shorter(own, self.get("deadlock_timeout").saturating_sub(1)).max(1)
    }

    pub(crate) fn statement_ms(&self, ours: Duration) -> u64 {
        shorter(ms(ours), self.get("statement_timeout"))
    }

    /// Local settings of one transaction of ours, as a query. `transaction_timeout` is lifted if it is set.
    pub(crate) fn local(&self, lock_ms: u64, statement_ms: u64) -> String {
        self.query([lock_ms, statement_ms, 0], true, Some(DURABLE))
    }

    /// The same within the client's transaction.
    pub(crate) fn in_block(&self, lock_ms: u64, statement_ms: u64) -> String {
        self.query([lock_ms, statement_ms, 0], true, None)
    }

    /// The same for the session, around what refuses a transaction block.
    pub(crate) async fn bound<D: Database>(
        &self,
        db: &mut D,
        (lock_ms, statement_ms): (u64, u64),
    ) -> Result<(), DatabaseError> {
        insist(db, &self.query([lock_ms, statement_ms, 0], false, Some(DURABLE))).await
    }

    /// Puts back what [`Settings::bound`] changed.
    pub(crate) async fn unbound<D: Database>(&self, db: &mut D) -> Result<(), DatabaseError> {
        insist(db, &self.query(LIFTED.map(|name| self.get(name)), false, Some(ASYNCHRONOUS))).await
    }

    /// `commit` is for a session whose commits do not wait.
    fn query(&self, [lock, statement, transaction]: [u64; 3], local: bool, commit: Option<&str>) -> String {
        let mut calls = vec![call("lock_timeout", lock, local), call("statement_timeout", statement, local)];
        if self.get("transaction_timeout") > 0 {
            calls.push(call("transaction_timeout", transaction, local));
        }
        calls.extend(self.waits(commit, local));
        format!("SELECT {}", calls.join(", "))
    }

    /// The query that puts back what [`Settings::in_block`] changed.
    pub(crate) fn local_back(&self) -> String {
        self.in_block(self.get("lock_timeout"), self.get("statement_timeout"))
    }

    /// Lifts the timeouts for the session, and has its commits wait. Nothing is sent if none is set.
    pub(crate) async fn lift<D: Database>(&self, db: &mut D) -> Result<(), DatabaseError> {
        match self.for_session(|_| 0, DURABLE) {
            Some(sql) => db.query(&sql, &[]).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Puts the session's own values back. A cancel that comes late and hits this is ignored.
    pub(crate) async fn put_back<D: Database>(&self, db: &mut D) -> Result<(), DatabaseError> {
        match self.for_session(|value| value, ASYNCHRONOUS) {
            Some(sql) => insist(db, &sql).await,
            None => Ok(()),
        }
    }

    /// Switches off what plans do not work with, or on again: that all names are quoted in what the server says of a
    /// definition, which then differs from ours; and that transactions are read-only, in place of a statement (of this
    /// tag) that the server lets run there too.
    pub(crate) async fn switch<D: Database>(&self, db: &mut D, tag: &str, on: bool) -> Result<(), DatabaseError> {
        let mut calls = Vec::new();
        for (name, counts) in [
            ("quote_all_identifiers", true),
            ("default_transaction_read_only", matches!(tag, "VACUUM" | "CLUSTER" | "REINDEX")),
        ] {
            if counts && self.get(name) > 0 {
                calls.push(format!("pg_catalog.set_config('{name}', '{on}', false)"));
            }
        }
        if calls.is_empty() { Ok(()) } else { insist(db, &format!("SELECT {}", calls.join(", "))).await }
    }

    /// Sets the lock timeout for the session.
    pub(crate) async fn set_lock<D: Database>(db: &mut D, ms: u64) -> Result<(), DatabaseError> {
        insist(db, &format!("SELECT {}", call("lock_timeout", ms, false))).await
    }

    fn for_session(&self, value: impl Fn(u64) -> u64, commit: &str) -> Option<String> {
        let set = LIFTED.into_iter().map(|name| (name, self.get(name))).filter(|(_, now)| *now > 0);
        let mut calls: Vec<String> = set.map(|(name, now)| call(name, value(now), false)).collect();
        calls.extend(self.waits(Some(commit), false));
        (!calls.is_empty()).then(|| format!("SELECT {}", calls.join(", ")))
    }

    fn waits(&self, commit: Option<&str>, local: bool) -> Option<String> {
        let commit = commit.filter(|_| self.asynchronous)?;
        Some(format!("pg_catalog.set_config('synchronous_commit', '{commit}', {local})"))
    }
}

/// Runs a query of our own again if a late cancel hits it.
async fn insist<D: Database>(db: &mut D, sql: &str) -> Result<(), DatabaseError> {
    for _ in 0..3 {
        match db.query(sql, &[]).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == Some(CANCELED) => {}
            Err(error) => return Err(error),
        }
    }
    db.query(sql, &[]).await.map(|_| ())
}

fn call(name: &str, ms: u64, local: bool) -> String {
    format!("pg_catalog.set_config('{name}', '{ms}', {local})")
}

/// The shorter of two timeouts, of which 0 is none.
fn shorter(ours: u64, other: u64) -> u64 {
    match (ours, other) {
        (0, other) => other,
        (ours, 0) => ours,
        (ours, other) => ours.min(other),
    }
}
