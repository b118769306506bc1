//! Policies: the shipped profiles, and those written in the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::policy::{Entry, Match, Policy};

/// Tables at most this large are not bothered with lock hazards, unless configured.
pub(super) const SMALL_ROWS: u64 = 10_000;
pub(super) const SMALL_BYTES: u64 = 10 << 20;

/// The shipped profiles by name.
#[must_use]
pub(super) fn built_in() -> BTreeMap<String, Arc<Policy>> {
    [
        profile("standard", SMALL_ROWS, SMALL_BYTES, false),
        profile("strict", 0, 0, false),
        profile("observe", SMALL_ROWS, SMALL_BYTES, true),
    ]
    .into_iter()
    .map(|policy| (policy.name.clone(), Arc::new(policy)))
    .collect()
}

fn profile(name: &str, small_rows: u64, small_bytes: u64, observe: bool) -> Policy {
    let entry = Entry {
        matches: Match::default(),
        small_rows,
        small_bytes,
        responses: BTreeMap::new(),
    };
    Policy {
        name: name.to_owned(),
        entries: vec![entry],
        observe,
    }
}
