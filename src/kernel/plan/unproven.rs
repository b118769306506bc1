//! Before rows are written one by one: whether one of them breaks a constraint that is NOT VALID. An UPDATE checks the
//! whole row, whatever column it sets, and would fail half way.

use super::{Action, Mode, Plan, Step, quote};
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::LockMode;

const LOOKS: &str = "DO LANGUAGE plpgsql 'DECLARE unproven ";

/// A statement that fails where one does, of the table or of one below it. Which constraints there are it asks itself.
fn sql(table: &RelationFacts) -> String {
    let words = "constraint \"%s\" of relation \"%s\" is NOT VALID, and some row breaks it: this change writes every row, \
                 and the server would refuse that one. Correct such rows and run ALTER TABLE %I.%I VALIDATE CONSTRAINT %I, \
                 or drop the constraint";
    let body = format!(
        "DECLARE unproven pg_catalog.record; broken pg_catalog.bool; BEGIN FOR unproven IN \
         WITH RECURSIVE tree (oid) AS (SELECT pg_catalog.to_regclass({})::pg_catalog.oid UNION \
         SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid) \
         SELECT n.nspname, c.relname, o.conname, CASE WHEN o.contype OPERATOR(pg_catalog.=) 'c'::pg_catalog.\"char\" \
         THEN pg_catalog.format('NOT (%s)', pg_catalog.pg_get_expr(o.conbin, o.conrelid)) \
         ELSE pg_catalog.format('%I IS NULL', a.attname) END AS breaks \
         FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.oid \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         JOIN pg_catalog.pg_constraint o ON o.conrelid OPERATOR(pg_catalog.=) c.oid \
         LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid \
         AND a.attnum OPERATOR(pg_catalog.=) o.conkey[1] \
         WHERE c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog.\"char\" AND NOT o.convalidated \
         AND o.contype OPERATOR(pg_catalog.=) ANY ('{{c,n}}'::pg_catalog.\"char\"[]) \
         AND (pg_catalog.jsonb_extract_path_text(pg_catalog.to_jsonb(o), 'conenforced') \
         OPERATOR(pg_catalog.=) 'false') IS NOT TRUE \
         ORDER BY c.oid, o.conname LOOP \
         EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM ONLY %I.%I WHERE %s)', unproven.nspname, \
         unproven.relname, unproven.breaks) INTO broken; \
         IF broken THEN RAISE EXCEPTION USING ERRCODE = '23514', SCHEMA = unproven.nspname, TABLE = unproven.relname, \
         CONSTRAINT = unproven.conname, MESSAGE = pg_catalog.format({}, unproven.conname, unproven.relname, \
         unproven.nspname, unproven.relname, unproven.conname); END IF; END LOOP; END",
        quote::literal(&quote::table(table)),
        quote::literal(words),
    );
    format!("DO LANGUAGE plpgsql {}", quote::literal(&body))
}

/// The step that looks, where there are such constraints.
pub(super) fn step(table: &RelationFacts) -> Option<Step> {
    let looks = || Step { scans: true, ..Step::sql("look at rows", sql(table), Mode::Scan, LockMode::AccessShare) };
    (table.unproven().is_some() || table.reacts.unproven).then(looks)
}

/// As people are shown it: of the catalog there is more in it than of the rows.
pub(super) fn shown(sql: &str) -> &str {
    if sql.starts_with(LOOKS) { "DO (stops here if a row breaks a constraint that is NOT VALID)" } else { sql }
}

impl Step {
    /// It changes nothing: there is nothing of it to be taken back, or to be found later.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        self.scans && self.lock == LockMode::AccessShare && matches!(self.action, Action::Sql { mode: Mode::Scan, .. })
    }
}

impl Plan {
    /// With what looks at all rows not before what runs in a transaction block, but in the job after it.
    #[must_use]
    pub fn looking_later(mut self, head: usize) -> Self {
        let looks = self.steps.iter().take_while(|step| step.only_looks()).count();
        if head > 0
            && let Some(steps) = self.steps.get_mut(..looks + head)
        {
            steps.rotate_left(looks);
        }
        self
    }
}
