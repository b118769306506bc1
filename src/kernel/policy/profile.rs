//! The shipped profiles, as data.

use std::collections::BTreeMap;

use super::{Entry, Match, Policy, Review};
use crate::kernel::rules::{self, Response, RuleId, brief_lock, is_definition};

/// Rows up to which a table is small, unless the policy says otherwise: a scan or a build then takes
/// some milliseconds.
pub const SMALL_ROWS: u64 = 10_000;
/// Bytes up to which a table is small.
pub const SMALL_BYTES: u64 = 10 << 20;

/// What nobody should do through here at all.
const NEVER: &[&str] = &["drop-database", "drop-schema", "opaque-server", "opaque-function", "setting", "unreadable"];

/// Definitions that take a change of the whole table to put right.
const COSTLY_LATER: &[&str] = &["integer-key", "no-primary-key"];

pub(super) fn standard() -> Policy {
    one_entry("standard", SMALL_ROWS, SMALL_BYTES, BTreeMap::new())
}

pub(super) fn deferring() -> Policy {
    let mut policy = one_entry("defer", SMALL_ROWS, SMALL_BYTES, BTreeMap::new());
    policy.entries.iter_mut().for_each(|entry| entry.defers = true);
    policy
}

pub(super) fn strict() -> Policy {
    let responses = rules::all().filter(|rule| rule.id != brief_lock::RULE.id).map(|rule| {
        let response = match rule.id {
            id if NEVER.contains(&id) => Response::Refuse,
            id if COSTLY_LATER.contains(&id) => Response::Hold,
            _ if is_definition(&rule.rule_id()) => rule.default,
            _ => rule.default.max(Response::Hold),
        };
        (rule.rule_id(), response)
    });
    one_entry("strict", 0, 0, responses.collect())
}

fn one_entry(name: &str, small_rows: u64, small_bytes: u64, responses: BTreeMap<RuleId, Response>) -> Policy {
    Policy {
        name: name.to_owned(),
        entries: vec![Entry {
            matches: Match::default(),
            small_rows,
            small_bytes,
            defers: false,
            drop_grace: 0,
            rename_grace: 0,
            responses,
            review: Review::default(),
        }],
        observe: false,
        owners: Vec::new(),
    }
}
