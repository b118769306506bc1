//! Under the lock in which something takes the place of what a plan was made for: that it is still what it was, because
//! whatever was done to it meanwhile would be lost.

use super::quote;
use crate::kernel::facts::RelationFacts;

/// What must not have changed since the plan was made.
pub(super) struct Planned<'a> {
    pub table: &'a RelationFacts,
    /// An expression for the shape, and what it gave.
    pub shape: (String, &'a str),
    /// What of the shape the statement itself does away with.
    pub but: &'a [String],
    /// The SQLSTATE, as an expression over `changed`, and the words for what has changed, which is named behind them.
    pub error: (&'a str, String),
}

const LOOKS: &str = "DO LANGUAGE plpgsql 'DECLARE changed ";

/// A statement that fails where it has.
pub(super) fn check(of: &Planned<'_>) -> String {
    let Planned { table, shape: (now, then), but, error: (code, words) } = of;
    let but: Vec<String> = but.iter().map(|what| quote::literal(what)).collect();
    let body = format!(
        "DECLARE changed pg_catalog.text; BEGIN IF (pg_catalog.to_regclass({})::pg_catalog.oid OPERATOR(pg_catalog.=) \
         {}::pg_catalog.oid) IS NOT TRUE THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = {}; END IF; \
         SELECT pg_catalog.string_agg(coalesce(n.key, o.key), ', ' ORDER BY coalesce(n.key, o.key)) INTO changed \
         FROM pg_catalog.jsonb_each_text(({now})::pg_catalog.jsonb) AS n \
         FULL JOIN pg_catalog.jsonb_each_text({}::pg_catalog.jsonb) AS o ON o.key OPERATOR(pg_catalog.=) n.key \
         WHERE (n.value OPERATOR(pg_catalog.=) o.value) IS NOT TRUE \
         AND coalesce(n.key, o.key) OPERATOR(pg_catalog.<>) ALL (ARRAY[{}]::pg_catalog.text[]); \
         IF changed IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = {}, MESSAGE = pg_catalog.concat({}::pg_catalog.text, changed); \
         END IF; END",
        quote::literal(&quote::table(table)),
        table.oid,
        quote::literal(&format!("relation \"{}\" is another one than this was planned for", table.name)),
        quote::literal(then),
        but.join(", "),
        code,
        quote::literal(words),
    );
    format!("DO LANGUAGE plpgsql {}", quote::literal(&body))
}

/// As people are shown it: what of the catalog is compared fills pages.
pub(super) fn shown(sql: &str) -> &str {
    if sql.starts_with(LOOKS) { "DO (stops here if it has changed since this was planned)" } else { sql }
}

/// Locks that are waited for together no longer than one may be, and with those that are taken `later` too: they have the
/// rest of that time.
pub(super) fn locked_together(locks: Vec<String>, later: bool) -> String {
    if let ([only], false) = (locks.as_slice(), later) {
        return only.clone();
    }
    let rest = "PERFORM pg_catalog.set_config('lock_timeout', greatest(1, pg_catalog.floor(pg_catalog.date_part('epoch', \
                deadline OPERATOR(pg_catalog.-) pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.*) \
                1000::pg_catalog.float8)::pg_catalog.int4)::pg_catalog.text, true);";
    let locks: Vec<String> = locks.into_iter().map(|lock| format!("{lock}; {rest}")).collect();
    let body = format!(
        "DECLARE deadline pg_catalog.timestamptz := pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) \
         pg_catalog.current_setting('lock_timeout')::pg_catalog.interval; BEGIN {} END",
        locks.join(" ")
    );
    format!("DO LANGUAGE plpgsql {}", quote::literal(&body))
}

/// How many statements of a cut-over only lock and look.
pub(super) fn opening(statements: &[String]) -> usize {
    statements.iter().take_while(|sql| sql.starts_with("LOCK TABLE ") || sql.starts_with("DO ")).count()
}
