//! What the rows of a partition obey, written so that the server finds it equal to its own expression and need not
//! read the rows to know that they do (`get_qual_from_partbound` in partbounds.c).

use super::quote;
use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::{Edge, PartitionBound};

/// Types whose hash does not depend on a collation, which a CHECK cannot leave out as the server does.
const UNCOLLATED: [&str; 11] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double precision",
    "boolean",
    "uuid",
    "date",
    "bytea",
    "timestamp",
];

/// The condition of the rows between these bounds.
///
/// # Errors
/// A clause for people that says why it cannot be written.
pub fn condition(parent: &RelationFacts, bound: &PartitionBound) -> Result<String, String> {
    let key = parent.partitioned.as_ref().ok_or("how its parent is partitioned is not known")?;
    let mut columns = Vec::with_capacity(key.key.len());
    for name in &key.key {
        let column = name.as_ref().and_then(|name| parent.column(name));
        let column = column.ok_or("its partitions are told apart by an expression")?;
        columns.push(Column { name: quote::identifier(&column.name), type_sql: &column.type_sql });
    }
    match bound {
        PartitionBound::Default => Err("a default partition takes whatever the others do not".to_owned()),
        PartitionBound::List(values) => match columns.as_slice() {
            [column] => Ok(list(column, values)),
            _ => Err("its bounds do not fit its key".to_owned()),
        },
        PartitionBound::Range { from, to } if from.len() == columns.len() && to.len() == columns.len() => {
            Ok(range(&columns, from, to))
        }
        PartitionBound::Range { .. } => Err("its bounds do not fit its key".to_owned()),
        PartitionBound::Hash { modulus, remainder } => hash(parent.oid, &columns, *modulus, *remainder),
    }
}

struct Column<'a> {
    name: String,
    type_sql: &'a str,
}

impl Column<'_> {
    fn value(&self, sql: &str) -> String {
        format!("({sql})::{}", self.type_sql)
    }

    fn is(&self, operator: &str, sql: &str) -> String {
        format!("{} {operator} {}", self.name, self.value(sql))
    }
}

fn list(column: &Column<'_>, values: &[String]) -> String {
    let name = &column.name;
    let said: Vec<String> = values.iter().filter(|value| *value != "NULL").map(|value| column.value(value)).collect();
    let among = format!("{name} = ANY (ARRAY[{}])", said.join(", "));
    match (said.is_empty(), said.len() < values.len()) {
        (true, _) => format!("{name} IS NULL"),
        (false, true) => format!("{name} IS NULL OR {among}"),
        (false, false) => format!("{name} IS NOT NULL AND {among}"),
    }
}

fn range(columns: &[Column<'_>], from: &[Edge], to: &[Edge]) -> String {
    let mut terms: Vec<String> = columns.iter().map(|column| format!("{} IS NOT NULL", column.name)).collect();
    // Leading columns that have but one value are compared with that alone.
    let same = |(one, two): &(&Edge, &Edge)| matches!(one, Edge::Value(_)) && one == two;
    let mut fixed = from.iter().zip(to).take_while(same).count();
    if fixed == columns.len() {
        fixed = 0;
    }
    for (column, edge) in columns.iter().zip(from).take(fixed) {
        if let Edge::Value(sql) = edge {
            terms.push(column.is("=", sql));
        }
    }
    let free = columns.get(fixed..).unwrap_or_default();
    let lower = from.get(fixed..).unwrap_or_default();
    let upper = to.get(fixed..).unwrap_or_default();
    terms.extend(arms(free, lower, (">", ">="), &Edge::Least, true));
    terms.extend(arms(free, upper, ("<", "<="), &Edge::Greatest, false));
    terms.join(" AND ")
}

/// One arm for each column: those before it equal, it beyond its end. `open` is the end that is none.
fn arms(
    columns: &[Column<'_>],
    edges: &[Edge],
    operators: (&str, &str),
    open: &Edge,
    last_included: bool,
) -> Option<String> {
    let mut arms: Vec<String> = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for (place, (column, edge)) in columns.iter().zip(edges).enumerate() {
        let Edge::Value(sql) = edge else { break };
        let included = match edges.get(place + 1) {
            Some(next) => next == open,
            None => last_included,
        };
        let mut arm = before.clone();
        arm.push(column.is(if included { operators.1 } else { operators.0 }, sql));
        arms.push(arm.join(" AND "));
        before.push(column.is("=", sql));
    }
    match arms.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(format!("(({}))", several.join(") OR ("))),
    }
}

fn hash(oid: u32, columns: &[Column<'_>], modulus: i32, remainder: i32) -> Result<String, String> {
    let plain = |column: &Column<'_>| UNCOLLATED.iter().any(|name| column.type_sql.starts_with(name));
    if !columns.iter().all(plain) {
        return Err("no CHECK proves to the server which hash a text has".to_owned());
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let names = names.join(", ");
    Ok(format!("pg_catalog.satisfies_hash_partition('{oid}'::pg_catalog.oid, {modulus}, {remainder}, {names})"))
}
