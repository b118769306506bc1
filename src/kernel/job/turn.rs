//! Whose turn it is: of jobs that work on the same table, or of which one locks what the other works on, the later one
//! waits. What both only lock besides, as the table that foreign keys of theirs refer to, they take turns on by their
//! short locks: that one of them takes hours is no reason for the other to wait.

use std::collections::BTreeSet;

use super::{Job, Order, State, StateName, Table};
use crate::kernel::review::Instant;

/// The job before this one on one of its tables: of those that are not over, the first. One that waits for its
/// transaction keeps nobody waiting; whoever has begun meanwhile goes first.
#[must_use]
pub fn behind<'a>(job: &Job, live: &'a [Job]) -> Option<&'a Job> {
    let before = |other: &&Job| {
        let begun = matches!(other.state, State::Running { .. } | State::Paused { .. } | State::Stopping { .. });
        other.id < job.id || (other.id != job.id && begun && other.started.is_some())
    };
    let counts = |other: &&Job| other.state.name().is_live() && other.state != State::Deferred && !is_for_later(other);
    live.iter().filter(counts).filter(before).find(|other| shares(job, other))
}

fn is_for_later(job: &Job) -> bool {
    job.started.is_none() && job.retry.as_ref().is_some_and(|retry| retry.tries == 0)
}

fn shares(one: &Job, other: &Job) -> bool {
    let (one, other) = (&one.order, &other.order);
    one.target == other.target && one.database == other.database && (one.is_met_by(other) || other.is_met_by(one))
}

impl Order {
    /// Whether the other one works on, or locks besides, what this one is about.
    fn is_met_by(&self, other: &Self) -> bool {
        let (own, theirs) = (self.own_tables(), other.works_on());
        own.iter().any(|own| other.tables.iter().any(|table| table.oid == own.oid) || theirs.contains(&own.name))
            || self.plan.steps.iter().filter_map(|step| step.on.as_ref()).any(|on| theirs.contains(&on.written()))
    }

    /// What its plan is of; all of its tables where that is not told.
    fn own_tables(&self) -> Vec<&Table> {
        let name = self.plan.relation.as_ref().map(|of| of.written());
        let own: Vec<&Table> = self.tables.iter().filter(|table| Some(&table.name) == name.as_ref()).collect();
        if own.is_empty() { self.tables.iter().collect() } else { own }
    }

    /// By name: its tables, their partitions, and what a cut-over locks beside them.
    fn works_on(&self) -> BTreeSet<String> {
        let tables = self.tables.iter().map(|table| table.name.clone());
        tables.chain(self.plan.locked_beside()).collect()
    }

    /// What makes it wait for the other one, for people.
    #[must_use]
    pub fn shared_with(&self, other: &Self) -> String {
        let shared: Vec<String> = self.works_on().intersection(&other.works_on()).cloned().collect();
        if shared.is_empty() { "its table under another name".to_owned() } else { shared.join(", ") }
    }
}

/// Whether somebody should take it up now.
#[must_use]
pub fn is_due(job: &Job, now: Instant) -> bool {
    let in_time = job.retry.as_ref().is_none_or(|retry| retry.at <= now);
    match job.state.name() {
        StateName::Deferred | StateName::Queued | StateName::Waiting | StateName::Stopping => in_time,
        StateName::Running
        | StateName::Paused
        | StateName::Done
        | StateName::Failed
        | StateName::Aborted
        | StateName::Undone => false,
    }
}
