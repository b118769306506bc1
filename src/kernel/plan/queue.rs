//! Who is in the way of a lock, and who waits for the same: as a value, so that it is told, kept and shown alike.

use core::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::sql::statement::LockMode;

/// Somebody in the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocker {
    /// Absent: a prepared transaction, which no process holds.
    pub pid: Option<i32>,
    pub user: String,
    pub application: String,
    /// Empty where this role may not see it.
    pub state: String,
    /// What kind of process: `client backend`, `autovacuum worker`, `walsender`, …
    #[serde(default)]
    pub backend: String,
    /// Age of its transaction in milliseconds, if we may see it.
    pub age_ms: Option<u64>,
    /// So long it is in its present state.
    #[serde(default)]
    pub state_ms: Option<u64>,
    /// At most 100 characters, without secrets; of a prepared transaction its name.
    pub query: String,
}

/// Why nobody else may end a session, or that it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has done nothing in its open transaction for so long.
    Due,
    /// It may become due: not long enough yet.
    Early,
    /// It is at work, or no session of an application: never ended.
    Never,
    /// This role may not see what it does.
    Unseen,
}

impl Blocker {
    #[must_use]
    pub fn is_older_than(&self, age: Duration) -> bool {
        // A prepared transaction stays until somebody ends it by its name.
        self.pid.is_none() || self.age_ms.is_some_and(|ms| Duration::from_millis(ms) >= age)
    }

    /// Whether it may be ended where sessions that idle in a transaction so long may be. Statements at work,
    /// replication, autovacuum and prepared transactions are never ended.
    #[must_use]
    pub fn ending(&self, idle: Duration) -> Ending {
        if self.pid.is_none() {
            return Ending::Never;
        }
        match (self.backend.as_str(), self.state.as_str()) {
            ("", _) => Ending::Unseen,
            ("client backend", "") => Ending::Unseen,
            ("client backend", "idle in transaction" | "idle in transaction (aborted)") => match self.state_ms {
                Some(ms) if Duration::from_millis(ms) >= idle => Ending::Due,
                Some(_) => Ending::Early,
                None => Ending::Unseen,
            },
            (_, _) => Ending::Never,
        }
    }
}

impl core::fmt::Display for Blocker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Some(pid) = self.pid else {
            write!(f, "a prepared transaction")?;
            if !self.query.is_empty() {
                write!(f, " {} of {}", self.query, self.user)?;
            }
            return write!(f, " (see pg_prepared_xacts)");
        };
        let kind = match self.backend.as_str() {
            "" | "client backend" => String::new(),
            other => format!("{other} "),
        };
        let state = if self.state.is_empty() { "state not visible" } else { &self.state };
        write!(f, "{kind}process {pid} ({state}")?;
        if !self.user.is_empty() {
            write!(f, " by {}", self.user)?;
        }
        if !self.application.is_empty() {
            write!(f, ", {}", self.application)?;
        }
        if let Some(ms) = self.age_ms {
            write!(f, ", transaction open for {}.{} s", ms / 1000, ms % 1000 / 100)?;
        }
        write!(f, "): {}", self.query)
    }
}

/// Who is in the way, in words.
#[must_use]
pub fn in_the_way(blockers: &[Blocker]) -> String {
    let who: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    if who.is_empty() { "somebody".to_owned() } else { who.join("; ") }
}

/// The queue at a lock that a step wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LockQueue {
    /// The step, counted from 0.
    pub step: usize,
    /// The table, or several of them, with its schema where it was written; empty: no one table's.
    pub table: String,
    pub lock: LockMode,
    /// So long the step has been waiting, in milliseconds.
    pub waited_ms: u64,
    /// Those whose locks, or old snapshots, are in the way.
    pub holders: Vec<Blocker>,
    /// Others that wait for a lock on the table as well.
    pub waiting: Vec<Blocker>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(backend: &str, state: &str, state_ms: Option<u64>) -> Blocker {
        Blocker {
            pid: Some(7),
            user: "app".to_owned(),
            state: state.to_owned(),
            backend: backend.to_owned(),
            state_ms,
            query: "select 1".to_owned(),
            ..Blocker::default()
        }
    }

    #[test]
    fn only_an_applications_session_that_idles_long_enough_may_be_ended() {
        let idle = Duration::from_secs(5);
        let idles = "idle in transaction";
        for (backend, state, ms, want) in [
            ("client backend", idles, Some(5_000), Ending::Due),
            ("client backend", "idle in transaction (aborted)", Some(5_000), Ending::Due),
            ("client backend", idles, Some(4_999), Ending::Early),
            ("client backend", "active", Some(60_000), Ending::Never),
            ("client backend", "fastpath function call", Some(60_000), Ending::Never),
            ("client backend", "", None, Ending::Unseen),
            ("", "", None, Ending::Unseen),
            ("walsender", idles, Some(60_000), Ending::Never),
            ("autovacuum worker", "active", Some(60_000), Ending::Never),
        ] {
            assert_eq!(session(backend, state, ms).ending(idle), want, "{backend} {state}");
        }
        assert_eq!(
            Blocker { state: idles.to_owned(), state_ms: Some(60_000), ..Blocker::default() }.ending(idle),
            Ending::Never
        );
    }

    #[test]
    fn who_is_in_the_way_is_named() {
        let one = Blocker { age_ms: Some(61_250), ..session("client backend", "idle in transaction", None) };
        assert_eq!(one.to_string(), "process 7 (idle in transaction by app, transaction open for 61.2 s): select 1");
        let prepared = Blocker { user: "bob".to_owned(), query: "'x'".to_owned(), ..Blocker::default() };
        assert_eq!(prepared.to_string(), "a prepared transaction 'x' of bob (see pg_prepared_xacts)");
        assert_eq!(in_the_way(&[]), "somebody");
    }
}
