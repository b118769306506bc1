//! What would be found to hang on a column of the cases' tables.

use crate::kernel::facts::{CastFacts, ColumnUse, Facts, WantedUse};

/// What hangs on a column of [`super::catalog`]'s tables; `seen` is in a view, `watched` tables have a trigger, and
/// strings become nothing else without USING.
pub(super) fn hangs_on(facts: &Facts, asked: &WantedUse) -> Option<ColumnUse> {
    let mut found = ColumnUse::assumed(facts, asked)?;
    if asked.column == "seen" {
        found.refused.push("view public.report".to_owned());
    }
    if asked.relation.name == "watched" {
        found.triggers.push("touch".to_owned());
    }
    if ["text", "character varying(20)"].contains(&found.base_sql.as_str()) {
        let others = |cast: &&mut CastFacts| cast.method == Some('f') && !cast.same;
        found.casts.iter_mut().filter(others).for_each(|cast| {
            (cast.method, cast.context, cast.plain_text) = (None, None, true);
        });
    }
    Some(found)
}
