//! How the copy comes by its rows. Triggers only write down the keys of rows that change: what they write conflicts
//! with nothing, so no writer ever waits for the copying or fails by it, whatever its isolation level. The rows of those
//! keys are taken out of the copy and copied again, all as of one moment: so what the copy holds is what the table held
//! then, and no unique index of it can be hurt on the way.

use super::Copy;
use crate::kernel::facts::{COPY_TRIGGER, Persistence, shape};
use crate::kernel::plan::unchanged::{self, Planned};
use crate::kernel::plan::{Action, Backfill, Differs, RowCopy, RowWrite, SortedBy, Step, quote};
use crate::kernel::sql::statement::LockMode;

/// Against a bad guess at how many keys were written down: rows are found by their key.
const BY_KEY: &str = "SELECT pg_catalog.set_config('enable_seqscan', 'off', true), \
    pg_catalog.set_config('enable_hashjoin', 'off', true), pg_catalog.set_config('enable_mergejoin', 'off', true), \
    pg_catalog.set_config('jit', 'off', true)";

impl Copy<'_> {
    fn truncate_trigger(&self) -> String {
        format!("{COPY_TRIGGER}_truncate")
    }

    /// From here on every change is written down.
    pub(super) fn sync(&self) -> Step {
        let (relation, function) = (self.relation(), self.function());
        let truncate = self.truncate_trigger();
        let mut statements = vec![self.function_sql()];
        if self.facts.current_role != self.table.owner {
            statements.push(format!("ALTER FUNCTION {function}() OWNER TO {}", quote::identifier(&self.table.owner)));
        }
        statements.extend([
            format!(
                "CREATE TRIGGER {COPY_TRIGGER} AFTER INSERT OR UPDATE OR DELETE ON {relation} FOR EACH ROW \
                 EXECUTE FUNCTION {function}()"
            ),
            format!(
                "CREATE TRIGGER {truncate} BEFORE TRUNCATE ON {relation} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            ),
            // Also for what replication writes.
            format!("ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {COPY_TRIGGER}"),
            format!("ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {truncate}"),
        ]);
        Step::together("note changes", statements, LockMode::ShareRowExclusive)
            .probed(quote::trigger_probe(self.table, COPY_TRIGGER))
            .undone_by(format!("DROP TRIGGER IF EXISTS {COPY_TRIGGER} ON {relation}"))
            .undone_by(format!("DROP TRIGGER IF EXISTS {truncate} ON {relation}"))
            .undone_by(format!("DROP FUNCTION IF EXISTS {function}()"))
    }

    /// As the table's owner, whoever writes: only the owner has rights on what is written to. Nothing is written where an
    /// exception is caught, so that no transaction gets a number more for each row.
    fn function_sql(&self) -> String {
        let log = self.log();
        let keys = || self.key().into_iter().enumerate();
        let row = |of: &str| {
            let columns = keys().map(|(_, key)| format!("{of}.{}", quote::identifier(key)));
            format!("ROW({})", columns.collect::<Vec<_>>().join(", "))
        };
        let noted = |of: &str| keys().map(|(at, _)| format!("{of}.k{at}")).collect::<Vec<_>>().join(", ");
        let (old, new) = (noted("o"), noted("n"));
        // What somebody has renamed past the gateway is found by its number.
        let numbers = keys().filter_map(|(_, key)| self.whole.columns.iter().find(|column| column.name == key));
        let numbers: Vec<String> = numbers.map(|column| format!("c{}", column.number)).collect();
        let before = quote::literal(&format!("SELECT {} FROM (SELECT ($1).*) AS t(", numbers.join(", ")));
        let by_number = format!(
            "(SELECT pg_catalog.concat({before}, pg_catalog.string_agg(pg_catalog.concat('c', a.attnum), ', ' \
             ORDER BY a.attnum), ')') FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = TG_RELID AND a.attnum > 0 \
             AND NOT a.attisdropped)"
        );
        let refused = format!(
            "RAISE EXCEPTION USING ERRCODE = '55006', MESSAGE = {}, HINT = {}",
            quote::literal(&format!("cannot truncate \"{}\" while it is copied", self.table.name)),
            quote::literal(
                "Wait for the Lockkeeper job that copies it, or abort that job; DELETE is possible meanwhile."
            )
        );
        let body = format!(
            "DECLARE o {log}; n {log}; BEGIN IF TG_OP = 'TRUNCATE' THEN {refused}; END IF; \
             BEGIN IF TG_OP <> 'INSERT' THEN o := {}; END IF; IF TG_OP <> 'DELETE' THEN n := {}; END IF; \
             EXCEPTION WHEN undefined_column THEN BEGIN \
             IF TG_OP <> 'INSERT' THEN EXECUTE {by_number} INTO o USING OLD; END IF; \
             IF TG_OP <> 'DELETE' THEN EXECUTE {by_number} INTO n USING NEW; END IF; \
             EXCEPTION WHEN undefined_column THEN RETURN NULL; END; END; \
             IF TG_OP <> 'INSERT' THEN INSERT INTO {log} VALUES ({old}); END IF; \
             IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND ROW({new}) IS DISTINCT FROM ROW({old}) THEN \
             INSERT INTO {log} VALUES ({new}); END IF; RETURN NULL; END",
            row("OLD"),
            row("NEW"),
        );
        format!(
            "CREATE FUNCTION {}() RETURNS pg_catalog.trigger LANGUAGE plpgsql SECURITY DEFINER \
             SET search_path = pg_catalog, pg_temp AS {}",
            self.function(),
            quote::literal(&body)
        )
    }

    pub(super) fn rows(&self) -> Step {
        let order = self.order.map(|index| {
            let columns = index
                .keys
                .iter()
                .filter_map(|key| self.whole.columns.iter().find(|column| Some(&column.name) == key.column.as_ref()));
            SortedBy {
                columns: columns.clone().map(|column| quote::identifier(&column.name)).collect(),
                types: columns.clone().map(|column| column.type_sql.clone()).collect(),
                descending: index.keys.first().is_some_and(|key| key.descending),
                nulls: columns.clone().any(|column| !column.not_null),
            }
        });
        let (columns, values) = (self.columns(), self.values());
        let key: Vec<String> = self.key().into_iter().map(quote::identifier).collect();
        let copy = RowCopy {
            into: self.copy(),
            values_sql: (values != columns).then(|| values.join(", ")),
            columns_sql: columns.join(", "),
            key_sql: key.join(", "),
            order,
            again: self.again(true),
            same_sql: self.same(),
            lasting: [self.table.persistence, self.persistence()] == [Persistence::Permanent; 2],
            differs: self.computed_otherwise(),
        };
        Step {
            probe: Some(self.same()),
            action: Action::Backfill(Backfill {
                relation: self.table.qualified(),
                column: String::new(),
                expression_sql: String::new(),
                pending_sql: "true".to_owned(),
                rows_estimate: self.table.rows_at_most(),
                write: Some(RowWrite::Copy(Box::new(copy))),
            }),
            scans: true,
            stands_in: Some(self.stands_in()),
            ..Step::brief("copy rows", String::new(), LockMode::AccessShare)
        }
    }

    fn joined(&self, left: &str, right: &str) -> String {
        let pairs = self
            .key()
            .into_iter()
            .enumerate()
            .map(|(at, key)| format!("{left}.{} OPERATOR(pg_catalog.=) {right}.k{at}", quote::identifier(key)));
        pairs.collect::<Vec<_>>().join(" AND ")
    }

    /// What was written down is done again: the last of these forgets it.
    pub(super) fn again(&self, forgets: bool) -> Vec<String> {
        let (copy, log) = (self.copy(), self.log());
        let keys: Vec<String> = (0..self.key().len()).map(|at| format!("k{at}")).collect();
        let changed = format!("(SELECT DISTINCT {} FROM ONLY {log})", keys.join(", "));
        let columns = self.columns();
        let of_old: Vec<String> = columns.iter().map(|column| format!("o.{column}")).collect();
        let (relation, found) = (self.relation(), self.joined("o", "l"));
        let values = self.values();
        let rows = if values == columns {
            format!("JOIN ONLY {relation} AS o ON {found}")
        } else {
            let named = values.iter().zip(&columns).map(|(value, column)| format!("{value} AS {column}"));
            let named: Vec<String> = named.collect();
            format!("CROSS JOIN LATERAL (SELECT {} FROM ONLY {relation} AS o WHERE {found}) AS o", named.join(", "))
        };
        let mut all = vec![
            BY_KEY.to_owned(),
            format!("DELETE FROM ONLY {copy} AS c USING {changed} AS l WHERE {}", self.joined("c", "l")),
            format!(
                "INSERT INTO {copy} ({}) SELECT {} FROM {changed} AS l {rows}",
                columns.join(", "),
                of_old.join(", ")
            ),
        ];
        if forgets {
            all.push(format!("DELETE FROM ONLY {log}"));
        }
        all
    }

    /// Whether both hold the same rows, but for those that were written down. What is computed when it is read is
    /// stored in neither.
    fn same(&self) -> String {
        let changed = self.anew.changed();
        let same = self.columns_that(|column| column.generated != Some('v') && !changed.contains(&column.name));
        format!("SELECT NOT {}", self.differing(&same, true))
    }

    /// What a function gave when a row was written it may no longer give.
    fn computed_otherwise(&self) -> Option<Differs> {
        let changed = self.anew.changed();
        let stored = self.columns_that(|column| column.generated == Some('s') && !changed.contains(&column.name));
        (!stored.is_empty()).then(|| Differs {
            sql: format!("SELECT {}", self.differing(&stored, false)),
            words: format!(
                "a generated column of relation \"{}\" ({}) has other values when it is computed anew than are stored: \
                 the copy is not put in its place",
                self.table.name,
                stored.join(", ")
            ),
        })
    }

    /// Whether rows differ in these columns, or are `missing` in one of them.
    fn differing(&self, columns: &[String], missing: bool) -> String {
        let row = |of: &str| {
            let columns: Vec<String> = columns.iter().map(|column| format!("{of}.{column}")).collect();
            columns.join(", ")
        };
        let keys: Vec<String> = self.key().into_iter().map(quote::identifier).collect();
        let pairs: Vec<String> = keys.iter().map(|key| format!("o.{key} OPERATOR(pg_catalog.=) c.{key}")).collect();
        let noted: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(at, key)| format!("l.k{at} OPERATOR(pg_catalog.=) coalesce(o.{key}, c.{key})"))
            .collect();
        let first = keys.first().cloned().unwrap_or_default();
        let join = if missing { "FULL" } else { "INNER" };
        format!(
            "EXISTS (SELECT FROM ONLY {} AS o {join} JOIN ONLY {} AS c ON {} \
             WHERE (o.{first} IS NULL OR c.{first} IS NULL OR NOT pg_catalog.record_image_eq(ROW({}), ROW({}))) \
             AND NOT EXISTS (SELECT FROM ONLY {} AS l WHERE {}))",
            self.relation(),
            self.copy(),
            pairs.join(" AND "),
            row("o"),
            row("c"),
            self.log(),
            noted.join(" AND ")
        )
    }

    /// The table is the one that this was planned for, and nothing but its rows has changed.
    pub(super) fn unchanged(&self) -> String {
        let words = format!(
            "relation \"{}\" has changed since its copy was planned: its definition, or what depends on it, is another: ",
            self.table.name
        );
        unchanged::check(&Planned {
            table: self.table,
            shape: (shape(&format!("{}::pg_catalog.oid", self.table.oid)), &self.whole.shape),
            but: &[],
            error: ("'55000'", words),
        })
    }
}
