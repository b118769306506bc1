//! What must hold when a plan is done, as data: named checks, made beside the steps, shown, approved and stored with
//! them, and asked when all steps have run. Each is one query of the catalog, or an EXPLAIN, which is asked in a
//! read-only transaction. Their results are kept with the run.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Action, Plan, Step, guarded, quote};
use crate::kernel::facts::{Facts, RelationFacts, RelationKind};
use crate::kernel::sql::read;
use crate::kernel::sql::statement::{
    AddColumn, AlterKind, AlterTable, Change, ConstraintKind, CreateIndex, RelationName, Statement, TableConstraint,
};

/// One thing that must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// `index orders_amount_idx is valid`.
    pub name: String,
    /// A query of one row with one boolean; with `uses` an EXPLAIN.
    pub sql: String,
    /// A query like that, asked first: true means that a later step has made this one past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<String>,
    /// The index that the plan the server explains must use. What the planner does is told, and fails nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
}

/// Of a REINDEX that drops what failed tries of it have left.
pub const NOTHING_LEFT: &str = "nothing is left of tries that failed";

/// How a check came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    pub name: String,
    pub outcome: Verified,
    /// Why it could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verified {
    Holds,
    Fails,
    Untold,
}

impl Verified {
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "DOES NOT HOLD",
            Self::Untold => "could not be told",
        }
    }
}

impl Plan {
    /// The checks of the plan; of one that was stored before there were any, those that its steps make.
    #[must_use]
    pub fn checks(&self) -> Cow<'_, [Check]> {
        if self.verify.is_empty() { of_steps(self).into() } else { Cow::Borrowed(&self.verify) }
    }
}

/// Writes to a plan of several steps, or of other ones than the statement, what must hold in the end.
pub fn put(plan: &mut Plan, facts: &Facts) {
    if plan.recipe == guarded::RECIPE || !plan.rewrites() {
        return;
    }
    let mut checks = Vec::new();
    for (at, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.past.is_none()) {
        for sql in statements(step) {
            for change in changes(sql) {
                match &change {
                    Change::CreateIndex(index) => checks.extend(of_index(index, facts)),
                    Change::AlterTable(alter) => checks.extend(of_alter(plan, (at, alter), facts)),
                    _ => {}
                }
            }
        }
        if let Action::Reindex { leftovers, .. } = &step.action {
            let sql = format!("SELECT NOT EXISTS ({leftovers})");
            checks.push(check(NOTHING_LEFT.to_owned(), sql));
        }
    }
    checks.extend(left_over(plan));
    checks.extend(of_steps(plan));
    let mut seen = Vec::new();
    checks.retain(|one| {
        let is_new = !seen.contains(&one.sql);
        seen.push(one.sql.clone());
        is_new
    });
    plan.verify = checks;
}

/// That every step is in effect. A backfill proves its own end, and its probe may be false by now for rows that the
/// application has written meanwhile.
fn of_steps(plan: &Plan) -> Vec<Check> {
    let numbered = plan.steps.iter().enumerate();
    let told = numbered.filter(|(_, step)| !matches!(step.action, Action::Backfill(_)));
    told.filter_map(|(at, step)| {
        let sql = step.probe.clone()?;
        let name = format!("step {}, \"{}\", is in effect", at + 1, step.name);
        Some(Check { past: step.past.clone(), ..check(name, sql) })
    })
    .collect()
}

/// A query that must be true.
pub(super) fn check(name: String, sql: String) -> Check {
    Check { name, sql, past: None, uses: None }
}

pub(super) fn statements(step: &Step) -> Vec<&str> {
    match &step.action {
        Action::Sql { sql, .. } | Action::BuildIndex { sql, .. } | Action::Reindex { sql, .. } => vec![sql],
        Action::Together { statements } => statements.iter().map(String::as_str).collect(),
        Action::Backfill(_) | Action::Later { .. } => Vec::new(),
    }
}

pub(super) fn changes(sql: &str) -> Vec<Change> {
    let Ok(reading) = read::read(sql) else { return Vec::new() };
    let change = |statement| match statement {
        Statement::Change(change) => Some(change),
        _ => None,
    };
    reading.statements.into_iter().filter_map(|parsed| change(parsed.statement)).collect()
}

fn table<'a>(name: &RelationName, facts: &'a Facts) -> Option<&'a RelationFacts> {
    facts.relations().find(|found| found.qualified() == *name)
}

fn of_index(index: &CreateIndex, facts: &Facts) -> Vec<Check> {
    let (Some(table), Some(name)) = (table(&index.relation, facts), &index.name) else { return Vec::new() };
    let valid = quote::index_probe(table, name, "i.indisvalid AND i.indisready AND i.indislive");
    let mut columns: Vec<String> = index.elements.iter().filter_map(|one| one.column.clone()).collect();
    let is_plain = columns.len() == index.elements.len();
    columns.iter_mut().for_each(|column| *column = quote::identifier(column));
    let is_simple = is_plain && index.body_sql == format!("USING btree ({})", columns.join(", "));
    let mut checks = Vec::new();
    // That of a partitioned table is valid when all parts are attached: a later step.
    if !index.only {
        checks.push(check(format!("index {name} is valid"), valid));
    }
    let as_asked = if is_simple {
        let written = (index.unique, index.body_sql.as_str());
        let mut definition = quote::index_definition(name, &table.qualified(), written);
        if table.kind == RelationKind::PartitionedTable {
            definition = definition.replacen(" ON ", " ON ONLY ", 1);
        }
        format!("pg_catalog.pg_get_indexdef(i.indexrelid) OPERATOR(pg_catalog.=) {}", quote::literal(&definition))
    } else {
        let keys = columns.iter().enumerate().filter(|_| is_plain).map(|(at, column)| {
            let at = at + 1;
            let text = format!("pg_catalog.pg_get_indexdef(i.indexrelid, {at}, false)");
            format!(" AND {text} OPERATOR(pg_catalog.=) {}", quote::literal(column))
        });
        let count = index.elements.len();
        let unique = if index.unique { "" } else { "NOT " };
        format!("i.indnatts OPERATOR(pg_catalog.=) {count} AND {unique}i.indisunique{}", keys.collect::<String>())
    };
    checks.push(check(format!("index {name} is defined as was asked for"), quote::index_probe(table, name, &as_asked)));
    checks.extend(is_simple.then(|| used(table, name, &columns)).flatten());
    checks
}

/// That the planner takes the index where no other could serve as well.
fn used(table: &RelationFacts, name: &str, columns: &[String]) -> Option<Check> {
    let first = columns.first()?;
    let leads = |definition: &str| {
        let after = definition.split_once(" USING btree (").map_or("", |(_, rest)| rest);
        after.strip_prefix(first.as_str()).is_some_and(|rest| rest.starts_with([',', ')', ' ']))
    };
    let rival = table.indexes.iter().any(|other| other.name != name && leads(&other.definition));
    if rival || !matches!(table.kind, RelationKind::Table | RelationKind::MaterializedView) {
        return None;
    }
    let from = quote::table(table);
    let sql = format!("EXPLAIN (COSTS false) SELECT {first} FROM ONLY {from} ORDER BY {first} LIMIT 1");
    Some(Check { uses: Some(name.to_owned()), ..check(format!("the planner uses index {name}"), sql) })
}

fn of_alter(plan: &Plan, (at, alter): (usize, &AlterTable), facts: &Facts) -> Vec<Check> {
    let Some(table) = table(&alter.relation, facts) else { return Vec::new() };
    let later: Vec<AlterKind> = plan
        .steps
        .iter()
        .skip(at)
        .flat_map(statements)
        .flat_map(changes)
        .filter_map(|change| match change {
            Change::AlterTable(later) if later.relation == alter.relation => Some(later.actions),
            _ => None,
        })
        .flatten()
        .map(|action| action.kind)
        .collect();
    let is_dropped =
        |of: &str| later.iter().any(|kind| matches!(kind, AlterKind::DropConstraint { name, .. } if name == of));
    let is_validated =
        |of: &str| later.iter().any(|kind| matches!(kind, AlterKind::ValidateConstraint { name } if name == of));
    let mut checks = Vec::new();
    for action in &alter.actions {
        match &action.kind {
            // It is there, and stays as it is.
            AlterKind::AddColumn(column) if column.if_not_exists && table.column(&column.name).is_some() => {}
            AlterKind::AddColumn(column) => checks.extend(of_column(table, column, facts)),
            AlterKind::SetNotNull { column } => checks.push(without_nulls(table, column)),
            AlterKind::AddConstraint(constraint) => {
                let name = constraint.name.as_deref().unwrap_or_default();
                if !name.is_empty() && !is_dropped(name) {
                    let validated = !constraint.not_valid || is_validated(name);
                    checks.extend(of_constraint(table, (name, constraint), validated));
                }
            }
            AlterKind::AddConstraintUsingIndex { name, index, primary_key } => {
                let name = name.as_ref().unwrap_or(index);
                let kind = if *primary_key { 'p' } else { 'u' };
                let more = "c.convalidated AND EXISTS (SELECT FROM pg_catalog.pg_index i \
                            WHERE i.indexrelid OPERATOR(pg_catalog.=) c.conindid AND i.indisvalid)";
                let sql = quote::constraint_probe(table, name, kind, more);
                checks.push(check(format!("constraint {name} stands on a valid index"), sql));
            }
            _ => {}
        }
    }
    checks
}

fn of_column(table: &RelationFacts, column: &AddColumn, facts: &Facts) -> Option<Check> {
    // A helper is gone, or has another name, in the end.
    if column.name.starts_with("lockkeeper_") {
        return None;
    }
    let type_sql = facts.type_facts(&column.type_name).map(|of| of.type_sql.as_str());
    let mut more = Vec::new();
    if column.not_null.is_some() {
        more.push("a.attnotnull");
    }
    if column.default.as_ref().is_some_and(|default| !default.is_null) {
        more.push("a.atthasdef");
    }
    let sql = quote::column_probe(table, &column.name, type_sql, &more.join(" AND "));
    Some(check(format!("column {} is defined as was asked for", column.name), sql))
}

/// What the server has proven: on 18 the constraint that says so is valid too.
fn without_nulls(table: &RelationFacts, column: &str) -> Check {
    let more = "a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c \
                WHERE c.conrelid OPERATOR(pg_catalog.=) a.attrelid AND c.contype OPERATOR(pg_catalog.=) 'n' \
                AND a.attnum OPERATOR(pg_catalog.=) ANY (c.conkey) AND NOT c.convalidated)";
    check(format!("column {column} holds no nulls"), quote::column_probe(table, column, None, more))
}

fn of_constraint(table: &RelationFacts, of: (&str, &TableConstraint), validated: bool) -> Vec<Check> {
    let (name, constraint) = of;
    let mut more = Vec::new();
    let kind = match &constraint.kind {
        ConstraintKind::Check { .. } => 'c',
        ConstraintKind::ForeignKey { references } => {
            let other = references.schema.as_deref().map(|schema| quote::qualified(schema, &references.name));
            if let Some(other) = other {
                let other = quote::literal(&other);
                more.push(format!(
                    "c.confrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({other})::pg_catalog.oid"
                ));
            }
            'f'
        }
        ConstraintKind::Unique { .. } => 'u',
        ConstraintKind::PrimaryKey { .. } => 'p',
        ConstraintKind::NotNull => 'n',
        ConstraintKind::Exclude => 'x',
    };
    // A CHECK's columns are those its expression mentions, in no order.
    if !constraint.columns.is_empty() && !matches!(kind, 'c' | 'x') {
        let columns: Vec<String> = constraint.columns.iter().map(|column| quote::literal(column)).collect();
        more.push(format!(
            "ARRAY(SELECT a.attname FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k (num, at) \
             JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.conrelid \
             AND a.attnum OPERATOR(pg_catalog.=) k.num ORDER BY k.at) OPERATOR(pg_catalog.=) \
             ARRAY[{}]::pg_catalog.name[]",
            columns.join(", ")
        ));
    }
    let defined = quote::constraint_probe(table, name, kind, &more.join(" AND "));
    let mut checks = vec![check(format!("constraint {name} is defined as was asked for"), defined)];
    if validated && !constraint.not_enforced {
        let sql = quote::constraint_probe(table, name, kind, "c.convalidated");
        checks.push(check(format!("constraint {name} is validated"), sql));
    }
    if validated && matches!(constraint.kind, ConstraintKind::NotNull) {
        checks.extend(constraint.columns.iter().map(|column| without_nulls(table, column)));
    }
    checks
}

/// That helpers which the plan itself does away with are gone: columns, constraints, triggers, functions, sequences, indexes.
fn left_over(plan: &Plan) -> Option<Check> {
    let table = plan.relation.as_ref()?;
    let schema = table.schema.as_deref()?;
    let mut names = Vec::new();
    for sql in plan.steps.iter().flat_map(statements) {
        names.extend(helpers(sql));
    }
    // What is set aside, or kept in step for a while, stays.
    names.retain(|name| plan.steps.iter().flat_map(statements).any(|sql| does_away(sql, name)));
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    let names: Vec<String> = names.iter().map(|name| quote::literal(name)).collect();
    let any = format!("OPERATOR(pg_catalog.=) ANY (ARRAY[{}]::pg_catalog.name[])", names.join(", "));
    let of_table = quote::literal(&quote::qualified(schema, &table.name));
    let of_table = format!("OPERATOR(pg_catalog.=) pg_catalog.to_regclass({of_table})::pg_catalog.oid");
    let schema = quote::literal(&quote::identifier(schema));
    let in_schema = format!("OPERATOR(pg_catalog.=) pg_catalog.to_regnamespace({schema})::pg_catalog.oid");
    let sql = format!(
        "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_class x WHERE x.relnamespace {in_schema} AND x.relname {any}) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc x WHERE x.pronamespace {in_schema} AND x.proname {any}) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute x WHERE x.attrelid {of_table} AND NOT x.attisdropped \
         AND x.attname {any}) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint x WHERE x.conrelid {of_table} AND x.conname {any}) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger x WHERE x.tgrelid {of_table} AND x.tgname {any})"
    );
    Some(check("nothing of the plan's own is left".to_owned(), sql))
}

/// Whether a statement drops this, or gives it another name.
fn does_away(sql: &str, name: &str) -> bool {
    let Some((before, after)) = sql.split_once(name) else { return false };
    before.contains("DROP ") || before.contains(" RENAME ") && !before.contains(" TO ") && after.contains(" TO ")
}

/// Names of helpers in a text of ours.
fn helpers(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in sql.match_indices("lockkeeper_") {
        let (before, rest) = sql.split_at(at);
        let name = if before.ends_with('"') {
            rest.split('"').next().unwrap_or_default()
        } else {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
            rest.split(|c: char| !is_part(c)).next().unwrap_or_default()
        };
        names.push(name.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::plan::Mode;
    use crate::kernel::sql::statement::LockMode;

    fn plan(statements: &[&str]) -> Plan {
        let step = |sql: &&str| {
            Step::sql("run", (*sql).to_owned(), Mode::Brief, LockMode::AccessExclusive)
                .probed(format!("SELECT '{sql}'"))
        };
        Plan {
            recipe: "made-up".to_owned(),
            tag: "ALTER TABLE".to_owned(),
            summary: "because".to_owned(),
            relation: Some(RelationName { schema: Some("public".to_owned()), name: "t".to_owned() }),
            steps: statements.iter().map(step).collect(),
            undo_loses: None,
            verify: Vec::new(),
        }
    }

    #[test]
    fn a_plan_of_an_older_version_is_checked_by_its_steps() {
        let mut plan = plan(&["ALTER TABLE t ADD a int"]);
        if let Some(step) = plan.steps.first_mut() {
            step.past = Some("SELECT 2".to_owned());
        }
        let checks = plan.checks().into_owned();
        let [only] = checks.as_slice() else { panic!("{checks:?}") };
        assert_eq!(only.name, "step 1, \"run\", is in effect");
        assert_eq!(only.past.as_deref(), Some("SELECT 2"));
        let text = serde_json::to_string(&plan).expect("serialises");
        assert!(!text.contains("verify"), "the hash of an old plan stays: {text}");
        assert_eq!(serde_json::from_str::<Plan>(&text).expect("reads"), plan);
    }

    #[test]
    fn what_the_plan_does_away_with_is_looked_for_and_what_it_keeps_is_not() {
        let gone = plan(&[
            "ALTER TABLE public.t ADD COLUMN \"lockkeeper_new_a b\" int",
            "CREATE TRIGGER lockkeeper_sync_t BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION f()",
            "DROP TRIGGER lockkeeper_sync_t ON public.t",
            "ALTER TABLE public.t RENAME COLUMN \"lockkeeper_new_a b\" TO \"a b\"",
        ]);
        let sql = left_over(&gone).expect("helpers").sql;
        assert!(sql.contains("ARRAY['lockkeeper_new_a b', 'lockkeeper_sync_t']"), "{sql}");
        let kept = plan(&["ALTER TABLE public.t RENAME COLUMN a TO lockkeeper_dropped_a"]);
        assert_eq!(left_over(&kept), None);
    }
}
