//! What became of changes like this one, and of this one elsewhere.

use std::fmt::Write as _;

use super::span;
use crate::kernel::review::Instant;
use crate::shell::console::text::line;
use crate::shell::store::Kin;

pub(super) fn seen_before(out: &mut String, kin: &[Kin], now: Instant) {
    if kin.is_empty() {
        return;
    }
    out.push_str("\nSeen before\n");
    for one in kin {
        let alike = if one.same_elsewhere { "the same change" } else { "a similar change" };
        let (target, database) = (line(&one.target), line(&one.database));
        let took = one.ms.map(|ms| format!(", took {}", span(ms))).unwrap_or_default();
        let rows = one.rows.filter(|_| one.ms.is_some()).map(|rows| format!(" for {rows} rows")).unwrap_or_default();
        let (state, ago) = (one.state.as_str(), span(now.ms_since(one.opened)));
        let _ = writeln!(out, "  ticket {} is {state}: {alike} on {target}/{database}, {ago} ago{took}{rows}", one.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::review::{StateName, TicketId};

    #[test]
    fn a_rehearsal_is_told_with_its_figures() {
        let kin = Kin {
            id: TicketId(3),
            target: "staging".into(),
            database: "shop".into(),
            state: StateName::Done,
            opened: Instant(0),
            ms: Some(7),
            rows: Some(50_000),
            same_elsewhere: true,
        };
        let mut out = String::new();
        seen_before(&mut out, &[kin], Instant(2_000_000));
        let told = "ticket 3 is done: the same change on staging/shop, 2 s ago, took 7 ms for 50000 rows";
        assert_eq!(out, format!("\nSeen before\n  {told}\n"));
    }
}
