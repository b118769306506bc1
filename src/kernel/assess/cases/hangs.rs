//! What would be found to hang on a column of the cases' tables.

use crate::kernel::facts::{CastFacts, ColumnUse, Facts, Reactions, RelationFacts, TableSettings, Trigger, WantedUse};
use crate::kernel::sql::statement::RelationName;

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

/// A table with triggers, one of which fires for one column only, and without rules.
pub(super) fn touched(table: RelationFacts) -> RelationFacts {
    let trigger = |name: &str, (insert, update): (bool, bool), columns: &[&str]| Trigger {
        name: name.to_owned(),
        for_each_row: true,
        transition_tables: false,
        on_insert: insert,
        on_update: update,
        on_delete: false,
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
    };
    let triggers = vec![
        trigger("audit", (true, true), &[]),
        trigger("of_a", (false, true), &["a"]),
        trigger("on_insert", (true, false), &[]),
        trigger("touch", (false, true), &[]),
    ];
    RelationFacts { reacts: Reactions { triggers, ..Reactions::default() }, ..table }
}

/// What tells their rows apart where it is not the primary key.
pub(super) fn put_settings(facts: &mut Facts) {
    for (table, replica_identity) in [("watched", 'f'), ("touched", 'n')] {
        let settings = TableSettings { replica_identity, ..TableSettings::default() };
        facts.put_settings(&RelationName { schema: None, name: table.to_owned() }, settings);
    }
}
