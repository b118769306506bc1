//! How a new value is computed from a row, so that a trigger in anybody's session, a batch and a proof all get
//! the same.

use super::Shadow;
use crate::kernel::facts::Facts;
use crate::kernel::plan::quote;
use crate::kernel::plan::retype::{self, between_zones};
use crate::kernel::sql::read::session::schemas;
use crate::kernel::sql::statement::{Callee, UsingForm};

/// The new value, over a row's bare columns and in the trigger.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) row_sql: String,
    /// The body of the trigger's function, between BEGIN and RETURN.
    pub(super) assign_sql: String,
    /// It names objects: the function runs as its owner, with the search path of this session.
    pub(super) names_objects: bool,
}

/// The expression, or why there is none that gives the same in every session.
pub(super) fn expression(shadow: &Shadow<'_>, facts: &Facts) -> Result<Expression, &'static str> {
    let form = shadow.change.using.map(|using| &using.form);
    let (column, new) = (quote::identifier(shadow.change.column), quote::identifier(&shadow.name));
    match form {
        None | Some(UsingForm::Casts(_)) => {
            let casts = shadow.hangs.casts.as_slice();
            let [firsts @ .., last] = casts else { return Err("its new type could not be looked up") };
            let explicit = if form.is_some() { firsts } else { &[] };
            let from = &shadow.hangs.base_sql;
            let zones = |to: &str| between_zones(from, to);
            // The last of an explicit chain is the same type again.
            if zones(&last.base_sql) && explicit.iter().all(|cast| cast.base_sql == last.base_sql) {
                return in_zone(&column, &new, facts);
            }
            if !casts.iter().all(crate::kernel::facts::CastFacts::is_settled) {
                return Err("the new values depend on settings of the session");
            }
            let chain: String = explicit.iter().map(|cast| format!("::{}", cast.type_sql)).collect();
            Ok(Expression {
                row_sql: format!("{column}{chain}"),
                assign_sql: format!("NEW.{new} := NEW.{column}{chain};"),
                names_objects: !explicit.is_empty(),
            })
        }
        Some(UsingForm::Computed(callees)) => {
            let known = |callee: &Callee| facts.is_settled(callee) || is_zone_shift(callee, &shadow.hangs.base_sql);
            if !callees.iter().all(known) {
                return Err("whether its expression gives the same in every session is not known");
            }
            if shadow.hangs.generated_columns {
                return Err("its expression may use a generated column");
            }
            let sql = shadow.change.using.map(|using| using.sql.clone()).unwrap_or_default();
            let alias = quote::identifier(&shadow.table.name);
            Ok(Expression {
                assign_sql: format!("SELECT ({sql}) INTO NEW.{new} FROM (SELECT NEW.*) AS {alias};"),
                row_sql: sql,
                names_objects: true,
            })
        }
        Some(UsingForm::Unclear) => Err("whether its expression gives the same in every session is not known"),
    }
}

/// The body of the trigger's function while a job is at work. A column that somebody renames past the gateway is found by
/// its number: no write of the application's fails by that. What cannot be had so either stays as it is, and the proof
/// that no row differs finds it.
pub(super) fn lasting(shadow: &Shadow<'_>, expression: &Expression) -> String {
    let (table, new) = (quote::identifier(&shadow.table.name), quote::identifier(&shadow.name));
    let column = quote::literal(&quote::identifier(shadow.change.column));
    let before = quote::literal(&format!("SELECT {} FROM (SELECT ($1).*) AS {table}(", expression.row_sql));
    format!(
        "{} RETURN NEW; EXCEPTION WHEN undefined_column THEN BEGIN EXECUTE (SELECT pg_catalog.concat({before}, \
         pg_catalog.string_agg(CASE WHEN a.attnum OPERATOR(pg_catalog.=) {}::pg_catalog.int2 THEN {column} \
         ELSE pg_catalog.quote_ident(a.attname) END, ', ' ORDER BY a.attnum), ')') FROM pg_catalog.pg_attribute AS a \
         WHERE a.attrelid OPERATOR(pg_catalog.=) TG_RELID AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2 \
         AND NOT a.attisdropped) INTO NEW.{new} USING NEW; EXCEPTION WHEN undefined_column THEN RETURN NEW; END;",
        expression.assign_sql, shadow.hangs.position
    )
}

/// The trigger computes the new value of whatever the application writes, and what cannot be computed is not written.
pub(super) fn refuses(shadows: &[Shadow<'_>]) -> String {
    let refused = shadows.iter().filter(|shadow| !takes_all(shadow));
    let names: Vec<String> =
        refused.map(|shadow| format!("{} as {}", shadow.change.column, shadow.target.type_sql)).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(
        " From its first step on, also while it is paused, an INSERT or UPDATE of the application's own fails where what it \
         writes cannot be had with {}.",
        names.join(" and ")
    )
}

fn takes_all(shadow: &Shadow<'_>) -> bool {
    let hangs = shadow.hangs;
    match shadow.change.using.map(|using| &using.form) {
        None | Some(UsingForm::Casts(_)) => {
            let types: Vec<&str> = std::iter::once(&hangs.base_sql)
                .chain(hangs.casts.iter().map(|cast| &cast.base_sql))
                .map(String::as_str)
                .collect();
            types.windows(2).all(|pair| matches!(pair, [from, to] if retype::takes_all(from, to)))
        }
        Some(UsingForm::Computed(_) | UsingForm::Unclear) => false,
    }
}

/// What a cast between timestamp and timestamptz means in this session, said out loud.
fn in_zone(column: &str, new: &str, facts: &Facts) -> Result<Expression, &'static str> {
    let zone = &facts.time_zone;
    // Short names may be taken for abbreviations, whose meaning is a setting.
    if !zone.contains('/') && !["UTC", "GMT"].contains(&zone.as_str()) {
        return Err("the session's TimeZone is not the name of a place or UTC");
    }
    let shifted = |of: &str| format!("pg_catalog.timezone({}, {of})", quote::literal(zone));
    Ok(Expression {
        row_sql: shifted(column),
        assign_sql: format!("NEW.{new} := {};", shifted(&format!("NEW.{column}"))),
        names_objects: false,
    })
}

/// `AT TIME ZONE` of a timestamp: its other overloads depend on settings, these do not.
fn is_zone_shift(callee: &Callee, of: &str) -> bool {
    let Callee::Function { schema: Some(schema), name } = callee else { return false };
    schema == "pg_catalog" && name == "timezone" && of.starts_with("timestamp")
}

/// A search path as a list of literals, `$user` in it being this role.
pub(super) fn search_path(facts: &Facts) -> String {
    let names = schemas(&facts.search_path).unwrap_or_default().into_iter();
    let found = names.map(|name| if name == "$user" { facts.current_role.clone() } else { name });
    let literals: Vec<String> = found.map(|name| quote::literal(&name)).collect();
    if literals.is_empty() { "''".to_owned() } else { literals.join(", ") }
}
