//! When a backfill holds back: what others may suffer from it, and how much of that is too much. A signal over
//! its limit pauses the backfill until it is below again; one over its critical limit ends it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is looked at. The names are those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// How long ago a replica had what the primary has now, as the replica last said.
    ReplicaLagMs,
    /// WAL that a replica has not replayed yet. A replica that has stopped replaying reports no lag.
    ReplicaBehindMib,
    /// WAL that the server keeps for a replication slot.
    SlotRetainedMib,
    /// WAL files that wait for the archiver.
    ArchiveFiles,
    /// WAL that the whole server writes, on average since it was last below the limit.
    WalMibPerS,
    /// Sessions that run a statement, ours left out.
    ActiveSessions,
    /// Sessions that wait for a lock on the table.
    LockWaiters,
}

impl Signal {
    /// All of them, in the order they are told.
    pub const ALL: [Self; 7] = [
        Self::ReplicaLagMs,
        Self::ReplicaBehindMib,
        Self::SlotRetainedMib,
        Self::ArchiveFiles,
        Self::WalMibPerS,
        Self::ActiveSessions,
        Self::LockWaiters,
    ];

    /// As the configuration and the command line name it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ReplicaLagMs => "replica_lag_ms",
            Self::ReplicaBehindMib => "replica_behind_mib",
            Self::SlotRetainedMib => "slot_retained_mib",
            Self::ArchiveFiles => "archive_files",
            Self::WalMibPerS => "wal_mib_per_s",
            Self::ActiveSessions => "active_sessions",
            Self::LockWaiters => "lock_waiters",
        }
    }

    /// The signal of that name.
    #[must_use]
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.key() == key)
    }

    /// The limit where nobody has set one; 0 is none. How many sessions a server is made for, and how much WAL its
    /// disks can take, nobody can guess.
    const fn limit(self) -> u64 {
        match self {
            Self::ReplicaLagMs => 10_000,
            Self::ReplicaBehindMib => 1_024,
            Self::SlotRetainedMib => 16_384,
            Self::ArchiveFiles => 256,
            Self::LockWaiters => 10,
            Self::WalMibPerS | Self::ActiveSessions => 0,
        }
    }

    /// In words, with its value.
    #[must_use]
    pub fn said(self, who: &str, value: &str) -> String {
        match self {
            Self::ReplicaLagMs => format!("replica {who} is {value} ms behind"),
            Self::ReplicaBehindMib => format!("replica {who} has {value} MiB of WAL still to replay"),
            Self::SlotRetainedMib => format!("the server keeps {value} MiB of WAL for replication slot {who}"),
            Self::ArchiveFiles => format!("{value} WAL files wait for the archiver"),
            Self::WalMibPerS => format!("the server writes {value} MiB of WAL a second"),
            Self::ActiveSessions => format!("{value} other sessions run a statement"),
            Self::LockWaiters => format!("{value} sessions wait for a lock on the table"),
        }
    }
}

/// What was seen of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub signal: Signal,
    /// Which replica or slot.
    pub who: String,
    /// Absent: the role may not see it.
    pub value: Option<u64>,
}

/// The limits of a target. 0 is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Patterns of the replicas' names that count; empty: all.
    pub replicas: Vec<String>,
    pub limits: BTreeMap<Signal, u64>,
    pub critical: BTreeMap<Signal, u64>,
}

impl Default for Throttle {
    fn default() -> Self {
        let limits = Signal::ALL.into_iter().map(|signal| (signal, signal.limit())).collect();
        Self { replicas: Vec::new(), limits, critical: BTreeMap::new() }
    }
}

/// What the readings mean for a backfill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressure {
    Fine,
    /// It waits, for this reason.
    Pause(String),
    /// It ends, for this reason.
    Abort(String),
}

impl Throttle {
    /// With limits that were set for one job.
    #[must_use]
    pub fn with(&self, set: &BTreeMap<Signal, u64>) -> Self {
        let mut changed = self.clone();
        changed.limits.extend(set);
        changed
    }

    /// The strictest of what the readings mean.
    #[must_use]
    pub fn judge(&self, readings: &[Reading]) -> Pressure {
        let over = |limits: &BTreeMap<Signal, u64>, word: &str| {
            let over = readings.iter().filter_map(|reading| {
                let limit = limits.get(&reading.signal).copied().filter(|limit| *limit > 0)?;
                let value = reading.value.filter(|value| *value > limit)?;
                Some(format!("{} ({word} {limit})", reading.signal.said(&reading.who, &value.to_string())))
            });
            let over: Vec<String> = over.collect();
            (!over.is_empty()).then(|| over.join("; "))
        };
        match (over(&self.critical, "critical from"), over(&self.limits, "limit")) {
            (Some(why), _) => Pressure::Abort(why),
            (None, Some(why)) => Pressure::Pause(why),
            (None, None) => Pressure::Fine,
        }
    }

    /// Whether anything depends on a signal.
    #[must_use]
    pub fn watches(&self, signal: Signal) -> bool {
        [&self.limits, &self.critical].iter().any(|limits| limits.get(&signal).is_some_and(|limit| *limit > 0))
    }

    /// What has a limit and cannot be seen.
    #[must_use]
    pub fn unseen(&self, readings: &[Reading]) -> Vec<&'static str> {
        let hidden = |signal: &Signal| {
            self.watches(*signal) && readings.iter().any(|one| one.signal == *signal && one.value.is_none())
        };
        Signal::ALL.into_iter().filter(hidden).map(Signal::key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(signal: Signal, value: Option<u64>) -> Reading {
        Reading { signal, who: "east".to_owned(), value }
    }

    #[test]
    fn over_a_limit_it_waits_and_says_why() {
        let throttle = Throttle::default();
        assert_eq!(throttle.judge(&[reading(Signal::ReplicaLagMs, Some(10_000))]), Pressure::Fine);
        let readings = [reading(Signal::ReplicaLagMs, Some(10_001)), reading(Signal::LockWaiters, Some(11))];
        let why = "replica east is 10001 ms behind (limit 10000); 11 sessions wait for a lock on the table (limit 10)";
        assert_eq!(throttle.judge(&readings), Pressure::Pause(why.to_owned()));
    }

    #[test]
    fn over_a_critical_limit_it_ends() {
        let mut throttle = Throttle::default();
        throttle.critical.insert(Signal::ActiveSessions, 5);
        let why = "6 other sessions run a statement (critical from 5)";
        assert_eq!(throttle.judge(&[reading(Signal::ActiveSessions, Some(6))]), Pressure::Abort(why.to_owned()));
    }

    #[test]
    fn what_is_set_for_a_job_counts_instead_and_none_is_none() {
        let set = BTreeMap::from([(Signal::ReplicaLagMs, 0), (Signal::WalMibPerS, 3)]);
        let throttle = Throttle::default().with(&set);
        assert_eq!(throttle.judge(&[reading(Signal::ReplicaLagMs, Some(1_000_000))]), Pressure::Fine);
        assert!(matches!(throttle.judge(&[reading(Signal::WalMibPerS, Some(4))]), Pressure::Pause(_)));
    }

    #[test]
    fn what_cannot_be_seen_is_said_if_it_matters() {
        let hidden = [reading(Signal::ReplicaLagMs, None), reading(Signal::ActiveSessions, None)];
        assert_eq!(Throttle::default().unseen(&hidden), ["replica_lag_ms"]);
        assert_eq!(Throttle::default().judge(&hidden), Pressure::Fine);
    }

    #[test]
    fn every_signal_is_found_by_its_name() {
        for signal in Signal::ALL {
            assert_eq!(Signal::of(signal.key()), Some(signal));
            assert_eq!(serde_json::to_value(signal).unwrap(), signal.key());
        }
        assert_eq!(Signal::of("nosuch"), None);
    }
}
