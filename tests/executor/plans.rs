//! Plans as the recipes make them, written out.

use lockkeeper::kernel::plan::{Action, Backfill, Mode, Plan, Step};
use lockkeeper::kernel::sql::statement::LockMode;

use crate::look_up::name;

pub(crate) fn plan(table: &str, steps: Vec<Step>) -> Plan {
    Plan {
        recipe: "test".to_owned(),
        tag: "ALTER TABLE".to_owned(),
        summary: String::new(),
        relation: Some(name(table)),
        steps,
        undo_loses: None,
        verify: Vec::new(),
    }
}

pub(crate) fn sql(step: &str, sql: &str, mode: Mode) -> Step {
    let lock = if mode == Mode::Brief { LockMode::AccessExclusive } else { LockMode::ShareUpdateExclusive };
    Step {
        name: step.to_owned(),
        action: Action::Sql { sql: sql.to_owned(), mode },
        lock,
        scans: mode == Mode::Scan,
        probe: None,
        past: None,
        undo: Vec::new(),
        reworded: None,
        heard: false,
        ahead: Vec::new(),
        stands_for: Vec::new(),
        stands_in: None,
        expects: Vec::new(),
        estimate: None,
        on: None,
        also: Vec::new(),
        loses: Vec::new(),
    }
}

pub(crate) fn probed(step: Step, probe: &str, undo: &str) -> Step {
    Step {
        probe: Some(probe.to_owned()),
        undo: Some(undo.to_owned()).filter(|undo| !undo.is_empty()).into_iter().collect(),
        ..step
    }
}

pub(crate) fn column_probe(table: &str, column: &str, and: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_attribute a WHERE attrelid = to_regclass('{table}') AND attname = '{column}' \
         AND NOT attisdropped AND {and})"
    )
}

pub(crate) fn constraint_probe(table: &str, constraint: &str, and: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass('{table}') \
         AND conname = '{constraint}' AND {and})"
    )
}

pub(crate) fn fill(table: &str, expression: &str, rows: u64) -> Step {
    let job = Backfill {
        relation: name(table),
        column: "x".to_owned(),
        expression_sql: expression.to_owned(),
        pending_sql: "x IS NULL".to_owned(),
        rows_estimate: rows,
        write: None,
    };
    Step {
        name: "backfill".to_owned(),
        action: Action::Backfill(job),
        lock: LockMode::RowExclusive,
        scans: true,
        probe: Some(format!("SELECT NOT EXISTS (SELECT FROM {table} WHERE x IS NULL)")),
        past: None,
        undo: Vec::new(),
        reworded: None,
        heard: false,
        ahead: Vec::new(),
        stands_for: Vec::new(),
        stands_in: None,
        expects: Vec::new(),
        estimate: None,
        on: None,
        also: Vec::new(),
        loses: Vec::new(),
    }
}

/// `ADD COLUMN x uuid NOT NULL DEFAULT gen_random_uuid()`.
pub(crate) fn add_column(table: &str, rows: u64) -> Plan {
    let not_null = column_probe(table, "x", "attnotnull");
    let or_sealed = |probe: String| {
        format!(
            "{probe} OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('{table}') AND attname = 'x' AND attnotnull)"
        )
    };
    plan(
        table,
        vec![
            probed(
                sql(
                    "expand",
                    &format!("ALTER TABLE {table} ADD COLUMN x uuid, ALTER COLUMN x SET DEFAULT gen_random_uuid()"),
                    Mode::Brief,
                ),
                &column_probe(table, "x", "atthasdef"),
                &format!("ALTER TABLE {table} DROP COLUMN IF EXISTS x"),
            ),
            fill(table, "gen_random_uuid()", rows),
            probed(
                sql(
                    "guard",
                    &format!("ALTER TABLE {table} ADD CONSTRAINT nn CHECK (x IS NOT NULL) NOT VALID"),
                    Mode::Brief,
                ),
                &or_sealed(constraint_probe(table, "nn", "true")),
                &format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS nn"),
            ),
            probed(
                sql("validate", &format!("ALTER TABLE {table} VALIDATE CONSTRAINT nn"), Mode::Scan),
                &or_sealed(constraint_probe(table, "nn", "convalidated")),
                "",
            ),
            probed(
                sql("seal", &format!("ALTER TABLE {table} ALTER COLUMN x SET NOT NULL"), Mode::Brief),
                &not_null,
                &format!("ALTER TABLE {table} ALTER COLUMN x DROP NOT NULL"),
            ),
            probed(
                sql("tidy", &format!("ALTER TABLE {table} DROP CONSTRAINT nn"), Mode::Brief),
                &constraint_probe(table, "nn", "true").replace("SELECT EXISTS", "SELECT NOT EXISTS"),
                "",
            ),
        ],
    )
}

pub(crate) fn add_check(table: &str, check: &str) -> Plan {
    plan(
        table,
        vec![
            probed(
                sql("guard", &format!("ALTER TABLE {table} ADD CONSTRAINT ck CHECK ({check}) NOT VALID"), Mode::Brief),
                &constraint_probe(table, "ck", "true"),
                &format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS ck"),
            ),
            probed(
                sql("validate", &format!("ALTER TABLE {table} VALIDATE CONSTRAINT ck"), Mode::Scan),
                &constraint_probe(table, "ck", "convalidated"),
                "",
            ),
        ],
    )
}

pub(crate) fn index(table: &str, kind: &str, on: &str) -> Plan {
    let (schema, bare) = table.split_once('.').unwrap();
    let probe = |and: &str| {
        format!(
            "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             WHERE i.indrelid = to_regclass('{table}') AND c.relname = '{bare}_i' AND {and})"
        )
    };
    let cleanup = format!("DROP INDEX CONCURRENTLY IF EXISTS {schema}.{bare}_i");
    plan(
        table,
        vec![Step {
            name: "build index".to_owned(),
            action: Action::BuildIndex {
                sql: format!("CREATE {kind} INDEX CONCURRENTLY {bare}_i ON {table} ({on})"),
                leftover: probe("NOT i.indisvalid"),
                cleanup: cleanup.clone(),
            },
            lock: LockMode::ShareUpdateExclusive,
            scans: true,
            probe: Some(probe("i.indisvalid AND i.indisready")),
            past: None,
            undo: vec![cleanup],
            reworded: None,
            heard: false,
            ahead: Vec::new(),
            stands_for: Vec::new(),
            stands_in: None,
            expects: Vec::new(),
            estimate: None,
            on: None,
            also: Vec::new(),
            loses: Vec::new(),
        }],
    )
}
