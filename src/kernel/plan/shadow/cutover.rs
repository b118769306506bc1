//! The one short transaction in which the new column takes the old one's place, with everything under the names
//! and with the properties that the change as written would have left.

use super::objects::{self, aside, constraint_aside, constraints, indexes};
use super::{Shadow, hidden};
use crate::kernel::facts::{ConstraintUse, Grant, SequenceUse};
use crate::kernel::plan::unchanged::locked_together;
use crate::kernel::plan::{helper, quote};
use crate::kernel::sql::statement::RelationName;

/// All statements, in order: first that nothing was done meanwhile that would be lost.
pub(super) fn statements(shadows: &[Shadow<'_>], unchanged: &[String]) -> Vec<String> {
    let lock = (!unchanged.is_empty()).then(|| lock(shadows)).flatten();
    // One that references another of these columns would not let go of it.
    let keys = lock.into_iter().chain(unchanged.iter().cloned()).chain(shadows.iter().flat_map(foreign_keys));
    keys.chain(shadows.iter().flat_map(replaced)).chain(shadows.iter().flat_map(hung_on)).collect()
}

/// The tables that refer to it before it: who writes to them needs it next.
fn lock(shadows: &[Shadow<'_>]) -> Option<String> {
    let own = shadows.first()?.relation();
    let keys: Vec<_> = shadows.iter().flat_map(constraints).filter(|constraint| constraint.kind == 'f').collect();
    let mut tables: Vec<String> = keys.iter().map(|key| quote::qualified(&key.schema, &key.table)).collect();
    tables.sort();
    tables.dedup();
    tables.retain(|table| *table != own);
    tables.push(own);
    let locks = tables.iter().map(|table| format!("LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE"));
    Some(locked_together(locks.collect(), keys.iter().any(|key| key.local)))
}

/// What it locks besides: where a foreign key is dropped, both of its tables are locked.
pub(super) fn locked_too(shadows: &[Shadow<'_>]) -> Vec<RelationName> {
    let keys = shadows.iter().flat_map(constraints).filter(|constraint| constraint.kind == 'f');
    let mut tables: Vec<RelationName> = keys.flat_map(objects::tables_of).collect();
    tables.retain(|table| shadows.first().is_none_or(|first| *table != first.table.qualified()));
    tables
}

fn foreign_keys(shadow: &Shadow<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for key in constraints(shadow).filter(|constraint| constraint.kind == 'f') {
        let table = quote::qualified(&key.schema, &key.table);
        if !shadow.asked.has(key) {
            all.push(format!("ALTER TABLE {table} DROP CONSTRAINT {}", quote::identifier(&key.name)));
        }
        all.extend(takes_its_name(key));
        all.extend(hidden::named(key, shadow.major));
    }
    all
}

fn replaced(shadow: &Shadow<'_>) -> Vec<String> {
    let relation = shadow.relation();
    let (old, new) = (quote::identifier(shadow.change.column), quote::identifier(&shadow.name));
    let mut all = vec![
        format!("DROP TRIGGER {} ON {relation}", quote::identifier(&shadow.trigger())),
        format!("DROP FUNCTION {}()", shadow.function()),
    ];
    if let Some(sequence) = &shadow.hangs.sequence {
        all.extend(sequence_handed_over(shadow, sequence));
    }
    // The proof goes with the old column only where USING names it.
    let proof = quote::identifier(&helper("same", shadow.change.column));
    all.push(format!("ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {proof}, DROP COLUMN {old}"));
    all.push(format!("ALTER TABLE {relation} RENAME COLUMN {new} TO {old}"));
    all
}

/// With everything that hung on the old one.
fn hung_on(shadow: &Shadow<'_>) -> Vec<String> {
    let (relation, old) = (shadow.relation(), quote::identifier(shadow.change.column));
    let mut all: Vec<String> =
        settings(shadow).map(|actions| format!("ALTER TABLE {relation} {actions}")).into_iter().collect();
    all.extend(indexes_named(shadow));
    for constraint in constraints(shadow).filter(|constraint| matches!(constraint.kind, 'c' | 'n')) {
        all.extend(takes_its_name(constraint));
    }
    if let Some(comment) = &shadow.hangs.comment {
        all.push(format!("COMMENT ON COLUMN {relation}.{old} IS {}", quote::literal(comment)));
    }
    for grant in &shadow.hangs.grants {
        all.push(granted(grant, &format!("({old}) ON TABLE {relation}")));
    }
    for statistics in &shadow.hangs.statistics_objects {
        let name = quote::qualified(&statistics.schema, &statistics.name);
        all.push(statistics.definition.clone());
        if statistics.owner != shadow.current_role {
            all.push(format!("ALTER STATISTICS {name} OWNER TO {}", quote::identifier(&statistics.owner)));
        }
        all.extend(statistics.target.map(|target| format!("ALTER STATISTICS {name} SET STATISTICS {target}")));
        all.extend(
            statistics.comment.as_ref().map(|text| format!("COMMENT ON STATISTICS {name} IS {}", quote::literal(text))),
        );
    }
    all
}

fn takes_its_name(constraint: &ConstraintUse) -> Vec<String> {
    let table = quote::qualified(&constraint.schema, &constraint.table);
    let name = quote::identifier(&constraint.name);
    let aside = quote::identifier(&constraint_aside(constraint));
    let mut all = vec![format!("ALTER TABLE {table} RENAME CONSTRAINT {aside} TO {name}")];
    all.extend(comment(constraint, &table));
    all
}

fn comment(constraint: &ConstraintUse, table: &str) -> Option<String> {
    let text = constraint.comment.as_ref()?;
    Some(format!(
        "COMMENT ON CONSTRAINT {} ON {table} IS {}",
        quote::identifier(&constraint.name),
        quote::literal(text)
    ))
}

/// Default, statistics target and options.
fn settings(shadow: &Shadow<'_>) -> Option<String> {
    let column = format!("ALTER COLUMN {}", quote::identifier(shadow.change.column));
    let hangs = shadow.hangs;
    let mut actions = Vec::new();
    match &hangs.default_sql {
        Some(default) => actions.push(format!("{column} SET DEFAULT {default}")),
        None if shadow.domain_default => actions.push(format!("{column} DROP DEFAULT")),
        None => {}
    }
    actions.extend(hangs.statistics.map(|target| format!("{column} SET STATISTICS {target}")));
    if !hangs.options.is_empty() {
        actions.push(format!("{column} SET ({})", hangs.options.join(", ")));
    }
    (!actions.is_empty()).then(|| actions.join(", "))
}

/// The old indexes went with the old column.
fn indexes_named(shadow: &Shadow<'_>) -> Vec<String> {
    let relation = shadow.relation();
    let mut all = Vec::new();
    for index in indexes(shadow) {
        let name = quote::identifier(&index.name);
        let owner = index.constraint.as_ref();
        let owner =
            owner.and_then(|owner| constraints(shadow).find(|c| c.name == *owner && matches!(c.kind, 'p' | 'u')));
        if let Some(constraint) = owner {
            let words = if constraint.kind == 'p' { "PRIMARY KEY" } else { "UNIQUE" };
            let mut add = format!(
                "ALTER TABLE {relation} ADD CONSTRAINT {name} {words} USING INDEX {}",
                quote::identifier(&aside(&index.name))
            );
            if constraint.deferrable {
                add.push_str(" DEFERRABLE");
            }
            if constraint.deferred {
                add.push_str(" INITIALLY DEFERRED");
            }
            all.push(add);
            all.extend(comment(constraint, &relation));
        } else {
            all.push(format!(
                "ALTER INDEX {} RENAME TO {name}",
                quote::qualified(&shadow.table.schema, &aside(&index.name))
            ));
        }
        let qualified = quote::qualified(&shadow.table.schema, &index.name);
        // It goes on calling the column what it was called when the index was made.
        let others =
            shadow.others.iter().filter_map(|other| Some((other.hangs.index(&index.name)?, other.column, &other.name)));
        for (index, old, new) in others.chain([(index, shadow.change.column, &shadow.name)]) {
            if index.names_it(old) {
                let (old, new) = (quote::identifier(old), quote::identifier(new));
                all.push(format!("ALTER TABLE {qualified} RENAME COLUMN {new} TO {old}"));
            }
        }
        if let Some(text) = &index.comment {
            all.push(format!("COMMENT ON INDEX {qualified} IS {}", quote::literal(text)));
        }
        if index.replica_identity {
            all.push(format!("ALTER TABLE {relation} REPLICA IDENTITY USING INDEX {name}"));
        }
        if index.clustered {
            all.push(format!("ALTER TABLE {relation} CLUSTER ON {name}"));
        }
    }
    all
}

/// A sequence that the column owns is given on; that of an identity is made anew and goes on at the same number.
fn sequence_handed_over(shadow: &Shadow<'_>, sequence: &SequenceUse) -> Vec<String> {
    let (relation, new) = (shadow.relation(), quote::identifier(&shadow.name));
    let name = quote::qualified(&sequence.schema, &sequence.name);
    let Some(identity) = shadow.hangs.identity else {
        return vec![format!("ALTER SEQUENCE {name} OWNED BY {relation}.{new}")];
    };
    let aside = helper("seq", &sequence.name);
    let when = if identity == 'a' { "ALWAYS" } else { "BY DEFAULT" };
    let mut all = vec![
        format!("ALTER SEQUENCE {name} RENAME TO {}", quote::identifier(&aside)),
        format!(
            "ALTER TABLE {relation} ALTER COLUMN {new} ADD GENERATED {when} AS IDENTITY (SEQUENCE NAME {name} {})",
            options(sequence, &shadow.target.base_sql)
        ),
        format!(
            "SELECT pg_catalog.setval({}::pg_catalog.regclass, s.last_value, s.is_called) FROM {} AS s",
            quote::literal(&name),
            quote::qualified(&sequence.schema, &aside)
        ),
    ];
    all.extend(sequence.comment.as_ref().map(|text| format!("COMMENT ON SEQUENCE {name} IS {}", quote::literal(text))));
    all.extend(sequence.grants.iter().map(|grant| granted(grant, &format!("ON SEQUENCE {name}"))));
    all
}

/// Bounds that were those of the old type become those of the new one, as `init_params` in sequence.c has it.
pub(in crate::kernel::plan) fn options(sequence: &SequenceUse, new_type: &str) -> String {
    let (old, new) = (bounds(&sequence.type_sql), bounds(new_type));
    let is_up = sequence.increment > 0;
    let changes = sequence.type_sql != new_type;
    let max = match changes && sequence.max == old.1 {
        true if is_up => new.1,
        true => -1,
        false => sequence.max,
    };
    let min = match changes && sequence.min == old.0 {
        true if is_up => 1,
        true => new.0,
        false => sequence.min,
    };
    format!(
        "START WITH {} INCREMENT BY {} MINVALUE {min} MAXVALUE {max} CACHE {}{}",
        sequence.start,
        sequence.increment,
        sequence.cache,
        if sequence.cycle { " CYCLE" } else { "" }
    )
}

fn bounds(type_sql: &str) -> (i64, i64) {
    match type_sql {
        "smallint" => (i64::from(i16::MIN), i64::from(i16::MAX)),
        "integer" => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

fn granted(grant: &Grant, on: &str) -> String {
    let to = grant.grantee.as_ref().map_or_else(|| "PUBLIC".to_owned(), |role| quote::identifier(role));
    let option = if grant.grantable { " WITH GRANT OPTION" } else { "" };
    format!("GRANT {} {on} TO {to}{option}", grant.privilege)
}
