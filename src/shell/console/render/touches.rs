//! What a change touches: its relations, and whatever else it reaches.

use std::fmt::Write as _;

use super::super::text::line;
use super::{grouped, size, words_of};
use crate::kernel::facts::{Facts, RelationFacts, Touched, TouchedObject};

pub(super) fn all(out: &mut String, facts: &Facts) {
    out.push_str("\nWhat it touches\n");
    let before = out.len();
    facts.relations().for_each(|relation| object(out, relation));
    facts.touched.iter().for_each(|touched| besides(out, touched));
    if out.len() == before {
        out.push_str("  nothing that was found in the catalog\n");
    }
}

fn object(out: &mut String, relation: &RelationFacts) {
    let rows =
        relation.rows.map_or_else(|| "rows never counted".into(), |rows| format!("about {} rows", grouped(rows)));
    let kind = format!("{:?}", relation.kind);
    let _ = writeln!(
        out,
        "  {}.{}  {}, owner {}, {rows}, {} ({} with indexes); columns: {}, indexes: {}, constraints: {}",
        line(&relation.schema),
        line(&relation.name),
        words_of(&kind),
        line(&relation.owner),
        size(relation.heap_bytes),
        size(relation.total_bytes),
        relation.columns.len(),
        relation.indexes.len(),
        relation.constraints.len()
    );
    for dependent in &relation.dependents {
        let _ = writeln!(out, "    used by {}", line(dependent));
    }
}

fn besides(out: &mut String, touched: &Touched) {
    for one in &touched.objects {
        let _ = writeln!(out, "  {}", line(&object_words(one)));
    }
    if touched.more() > 0 {
        let _ = writeln!(out, "  and {} more", grouped(touched.more()));
    }
}

/// One thing that a change touches beside its relations.
pub(in crate::shell::console) fn object_words(one: &TouchedObject) -> String {
    let rows = one.rows.map(|rows| format!(", about {} rows", grouped(rows))).unwrap_or_default();
    format!("{} {}{rows}", one.kind, one.name)
}
