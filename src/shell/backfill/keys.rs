//! Walking a table along a unique key, whatever its columns' types: the last key of a batch travels as
//! text and comes back with a cast to the column's type.

use super::super::executor::{begin, end, quoted};
use super::{Batch, Locked};
use crate::kernel::plan::Backfill;
use crate::shell::database::{Database, DatabaseError};

/// $1 the table, $2 the key's columns. The comparison must be the one the index is ordered by, found by
/// its operator class and not by the search path; a key ordered in another way is not used.
const KEY: &str = "\
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), gn.nspname
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
CROSS JOIN ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[]),
    pg_catalog.unnest(i.indcollation::pg_catalog.oid[])) WITH ORDINALITY AS k(attnum, opclass, sorted_by, place)
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
  AND a.attnum OPERATOR(pg_catalog.=) k.attnum
  AND a.attcollation OPERATOR(pg_catalog.=) k.sorted_by AND a.attnotnull
JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) k.opclass AND o.opcdefault
JOIN pg_catalog.pg_amop m ON m.amopfamily OPERATOR(pg_catalog.=) o.opcfamily
  AND m.amoplefttype OPERATOR(pg_catalog.=) o.opcintype AND m.amoprighttype OPERATOR(pg_catalog.=) o.opcintype
  AND m.amopstrategy OPERATOR(pg_catalog.=) 5::pg_catalog.int2
JOIN pg_catalog.pg_operator g ON g.oid OPERATOR(pg_catalog.=) m.amopopr
  AND g.oprname OPERATOR(pg_catalog.=) '>'::pg_catalog.name
JOIN pg_catalog.pg_namespace gn ON gn.oid OPERATOR(pg_catalog.=) g.oprnamespace
JOIN pg_catalog.pg_am am ON am.oid OPERATOR(pg_catalog.=) x.relam
WHERE i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
  AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND am.amname OPERATOR(pg_catalog.=) 'btree'::pg_catalog.name
  AND k.place OPERATOR(pg_catalog.<=) i.indnkeyatts::pg_catalog.int8
  AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) ($2::pg_catalog.text[])[k.place]
  AND i.indnkeyatts::pg_catalog.int4 OPERATOR(pg_catalog.=) pg_catalog.cardinality($2::pg_catalog.text[])
ORDER BY i.indexrelid, k.place";

/// Text forms that say all: the client's own settings may drop digits or time zones.
const EXACT_TEXT: &str = "\
SELECT pg_catalog.set_config('extra_float_digits', '3', true), pg_catalog.set_config('datestyle', 'ISO', true), \
pg_catalog.set_config('intervalstyle', 'postgres', true), pg_catalog.set_config('bytea_output', 'hex', true)";

pub(super) struct Keys {
    relation: String,
    /// Quoted columns and their types.
    columns: Vec<(String, String)>,
    /// Schema of the comparison operators.
    operators: String,
}

type Range<'a> = (Option<&'a [String]>, &'a [String]);

impl Keys {
    /// Absent if there is no key to walk along.
    pub(super) async fn look_up<D: Database>(db: &mut D, job: &Backfill) -> Result<Option<Self>, DatabaseError> {
        if job.key.is_empty() {
            return Ok(None);
        }
        let relation = quoted(&job.relation);
        let names = super::super::catalog::text_array(&job.key);
        let mut rows = db.query(KEY, &[Some(relation.as_str()), Some(names.as_str())]).await?;
        // Two indexes may have the same columns; a part of one only is no key.
        rows.truncate(job.key.len());
        let mut columns = Vec::new();
        let mut schemas = Vec::new();
        for row in rows {
            if let [Some(name), Some(type_sql), Some(schema)] = row.as_slice() {
                columns.push((name.clone(), type_sql.clone()));
                schemas.push(schema.clone());
            }
        }
        let is_whole = columns.iter().map(|(name, _)| name).eq(job.key.iter());
        let Some(operators) = schemas.first().filter(|first| is_whole && schemas.iter().all(|s| s == *first)) else {
            return Ok(None);
        };
        let columns = columns.into_iter().map(|(name, type_sql)| (quote(&name), type_sql)).collect();
        Ok(Some(Self { relation, columns, operators: quote(operators) }))
    }

    /// The greatest key there is now; absent if the table is empty.
    pub(super) async fn last<D: Database>(
        &self,
        db: &mut D,
    ) -> Result<Option<Vec<String>>, DatabaseError> {
        let order: Vec<String> = self.columns.iter().map(|(name, _)| format!("{name} DESC")).collect();
        let sql = format!("SELECT {} FROM {} ORDER BY {} LIMIT 1", self.texts(), self.relation, order.join(", "));
        exact(db, &sql, &[]).await
    }

    /// The key `size` rows after the range's begin; absent if its end comes before.
    pub(super) async fn end_of_batch<D: Database>(
        &self,
        db: &mut D,
        range: Range<'_>,
        size: u64,
    ) -> Result<Option<Vec<String>>, DatabaseError> {
        let order: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let sql = format!(
            "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1 OFFSET {}",
            self.texts(),
            self.relation,
            self.within(range.0.is_some()),
            order.join(", "),
            size.saturating_sub(1)
        );
        exact(db, &sql, &parameters(range)).await
    }

    pub(super) fn batch(&self, job: &Backfill, range: Range<'_>, locked: Locked) -> Batch {
        let (relation, column, value) = (&self.relation, quote(&job.column), &job.expression_sql);
        let within = format!("{} AND ({})", self.within(range.0.is_some()), job.pending_sql);
        let update = format!("UPDATE {relation} SET {column} = {value}");
        let sql = match locked {
            Locked::Wait => format!("{update} WHERE {within} RETURNING 1"),
            Locked::Skip => {
                // Names of our own for the key, so that the plan's expressions stay unambiguous.
                let due = |place: usize| format!("lockkeeper_key_{place}");
                let names: Vec<String> = (0..self.columns.len()).map(due).collect();
                let picked: Vec<String> =
                    self.columns.iter().zip(&names).map(|((column, _), name)| format!("{column} AS {name}")).collect();
                let own: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
                format!(
                    "{update} FROM (SELECT {} FROM {relation} WHERE {within} FOR NO KEY UPDATE SKIP LOCKED) \
                     AS lockkeeper_due WHERE ROW({}) OPERATOR({}.=) ROW({}) AND {within} RETURNING 1",
                    picked.join(", "),
                    own.join(", "),
                    self.operators,
                    names.join(", ")
                )
            }
        };
        let sql = format!("WITH done AS ({sql}) SELECT pg_catalog.count(*) FROM done");
        Batch { sql, parameters: parameters(range) }
    }

    /// Whether any row up to `last` is still pending.
    pub(super) fn pending_query(&self, job: &Backfill, last: &[String]) -> Batch {
        let (relation, within) = (&self.relation, self.within(false));
        let sql = format!("SELECT EXISTS (SELECT FROM {relation} WHERE {within} AND ({}))", job.pending_sql);
        Batch { sql, parameters: parameters((None, last)) }
    }

    fn texts(&self) -> String {
        // Renamed, or ORDER BY would take the text for the column.
        let texts = self.columns.iter().enumerate();
        let texts: Vec<String> =
            texts.map(|(i, (name, _))| format!("{name}::pg_catalog.text AS lockkeeper_text_{i}")).collect();
        texts.join(", ")
    }

    /// `$1…` is the upper bound, and the parameters after it the lower one, if there is one.
    fn within(&self, has_begin: bool) -> String {
        let row = |first: usize| {
            let values = self.columns.iter().enumerate();
            let values: Vec<String> =
                values.map(|(i, (_, t))| format!("CAST(${}::pg_catalog.text AS {t})", first + i)).collect();
            format!("ROW({})", values.join(", "))
        };
        let own: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        let (own, operators) = (own.join(", "), &self.operators);
        let mut sql = format!("ROW({own}) OPERATOR({operators}.<=) {}", row(1));
        if has_begin {
            sql.push_str(&format!(" AND ROW({own}) OPERATOR({operators}.>) {}", row(1 + self.columns.len())));
        }
        sql
    }
}

fn parameters(range: Range<'_>) -> Vec<String> {
    range.1.iter().chain(range.0.unwrap_or_default()).cloned().collect()
}

/// One key, in a transaction of its own so that the text form's settings end with it.
async fn exact<D: Database>(db: &mut D, sql: &str, keys: &[String]) -> Result<Option<Vec<String>>, DatabaseError> {
    let parameters: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
    begin(db).await?;
    let mut result = db.query(EXACT_TEXT, &[]).await;
    if result.is_ok() {
        result = db.query(sql, &parameters).await;
    }
    let rows = end(db, result).await?;
    Ok(rows.into_iter().next().and_then(|row| row.into_iter().collect()))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
