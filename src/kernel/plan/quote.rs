//! Small pieces of SQL text for recipes: quoted names and catalog probes. Decides nothing.
//!
//! Probes name the schema of every operator: they run under the client's own search path.

use crate::kernel::facts::RelationFacts;
use crate::kernel::sql::statement::RelationName;
use crate::kernel::sql::write;

/// An identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    write::quote_ident(name)
}

/// A string constant.
#[must_use]
pub fn literal(text: &str) -> String {
    write::quote_literal(text)
}

/// `schema.table`, quoted where needed.
#[must_use]
pub fn table(facts: &RelationFacts) -> String {
    qualified(&facts.schema, &facts.name)
}

/// `schema.name`, quoted where needed.
#[must_use]
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// The same; without a schema where none is known.
#[must_use]
pub fn relation(name: &RelationName) -> String {
    match &name.schema {
        Some(schema) => qualified(schema, &name.name),
        None => identifier(&name.name),
    }
}

/// ` WITH (…)` of options as the catalog has them, `name=value`; nothing without any.
#[must_use]
pub fn with_options(options: &[String]) -> String {
    let options = options.iter().filter_map(|option| option.split_once('='));
    let options: Vec<String> = options.map(|(name, value)| format!("{name}={}", literal(value))).collect();
    if options.is_empty() { String::new() } else { format!(" WITH ({})", options.join(", ")) }
}

/// `CREATE INDEX` as the server prints it: what follows the table's name is given.
#[must_use]
pub fn index_definition(name: &str, table: &RelationName, of: (bool, &str)) -> String {
    let (unique, body) = of;
    let unique = if unique { "UNIQUE " } else { "" };
    let on = qualified(table.schema.as_deref().unwrap_or("public"), &table.name);
    format!("CREATE {unique}INDEX {} ON {on} {body}", identifier(name))
}

/// The table's oid, in a probe: null when it is gone.
#[must_use]
pub fn oid(facts: &RelationFacts) -> String {
    format!("pg_catalog.to_regclass({})", literal(&table(facts)))
}

/// Probe: the column exists, has this type, and satisfies `more` (over `a`, empty for nothing more).
#[must_use]
pub fn column_probe(facts: &RelationFacts, column: &str, type_sql: Option<&str>, more: &str) -> String {
    let of_type = type_sql.map_or_else(String::new, |type_sql| {
        format!(" AND pg_catalog.format_type(a.atttypid, a.atttypmod) OPERATOR(pg_catalog.=) {}", literal(type_sql))
    });
    let more = if more.is_empty() { String::new() } else { format!(" AND {more}") };
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) {} AND a.attname OPERATOR(pg_catalog.=) {} \
         AND NOT a.attisdropped{of_type}{more})",
        oid(facts),
        literal(column)
    )
}

/// Probe: a constraint of this name and kind exists and satisfies `more` (over `c`).
#[must_use]
pub fn constraint_probe(facts: &RelationFacts, name: &str, kind: char, more: &str) -> String {
    constraint_probe_of(&oid(facts), name, kind, more)
}

/// The same for the table of this oid expression.
#[must_use]
pub fn constraint_probe_of(oid: &str, name: &str, kind: char, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(" AND {more}") };
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid OPERATOR(pg_catalog.=) {oid} AND c.conname OPERATOR(pg_catalog.=) {} \
         AND c.contype OPERATOR(pg_catalog.=) '{kind}'{more})",
        literal(name)
    )
}

/// Probe: the column exists and has this type, however the session's search path writes it.
#[must_use]
pub fn typed_probe(facts: &RelationFacts, column: &str, type_sql: &str) -> String {
    // Types outside pg_catalog are written with their schema, and only those of pg_catalog take modifiers here.
    if type_sql.contains('.') {
        let more =
            format!("a.atttypid OPERATOR(pg_catalog.=) pg_catalog.to_regtype({})::pg_catalog.oid", literal(type_sql));
        return column_probe(facts, column, None, &more);
    }
    column_probe(facts, column, Some(type_sql), "")
}

/// Probe: a trigger of this name.
#[must_use]
pub fn trigger_probe(facts: &RelationFacts, name: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid OPERATOR(pg_catalog.=) {} AND t.tgname OPERATOR(pg_catalog.=) {})",
        oid(facts),
        literal(name)
    )
}

/// Probe: no constraint of this name.
#[must_use]
pub fn no_constraint_probe(facts: &RelationFacts, name: &str) -> String {
    format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conrelid OPERATOR(pg_catalog.=) {} AND c.conname OPERATOR(pg_catalog.=) {})",
        oid(facts),
        literal(name)
    )
}

/// Probe: an index of this name on this table satisfies `more` (over `i`).
#[must_use]
pub fn index_probe(facts: &RelationFacts, name: &str, more: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid OPERATOR(pg_catalog.=) {} \
         AND i.indexrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({}) AND {more})",
        oid(facts),
        literal(&qualified(&facts.schema, name))
    )
}
