//! When the backfills of a target hold back.

use super::section::Section;
use crate::kernel::plan::throttle::{Signal, Throttle};

/// The `throttle` section of a target: each signal's limit, and its critical one.
pub(super) fn read(section: Section<'_>) -> Throttle {
    let mut throttle = Throttle { replicas: section.texts("replicas").unwrap_or_default(), ..Throttle::default() };
    for signal in Signal::ALL {
        let key = signal.key();
        let default = throttle.limits.get(&signal).copied().unwrap_or_default();
        let limit = section.number(key, default, 0..=1 << 40);
        throttle.limits.insert(signal, limit);
        let critical = format!("critical_{key}");
        let end = section.number(&critical, 0, 0..=1 << 40);
        if end > 0 && end <= limit {
            section.mistake(
                &critical,
                "It ends a backfill before the limit makes it wait.",
                format!("Make it greater than {key}."),
            );
        }
        if end > 0 {
            throttle.critical.insert(signal, end);
        }
    }
    section.finish();
    throttle
}

/// What it means, in words.
pub(super) fn explain(throttle: &Throttle) -> String {
    let set = |signal: &Signal| throttle.watches(*signal);
    let each = Signal::ALL.into_iter().filter(set).map(|signal| {
        let of = |limits: &std::collections::BTreeMap<Signal, u64>| limits.get(&signal).copied().unwrap_or_default();
        match (of(&throttle.limits), of(&throttle.critical)) {
            (0, end) => format!("{} over {end} ends them", signal.key()),
            (limit, 0) => format!("{} is over {limit}", signal.key()),
            (limit, end) => format!("{} is over {limit} (over {end} ends them)", signal.key()),
        }
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() {
        return "backfills never wait for others".to_owned();
    }
    let which = match throttle.replicas.as_slice() {
        [] => String::new(),
        patterns => format!("; of the replicas {} count", patterns.join(", ")),
    };
    format!("backfills wait while {}{which}", each.join(", or "))
}
