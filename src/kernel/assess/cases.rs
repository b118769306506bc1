//! The cases of all rules, run the same way. A case is a block of `rules/cases/<rule>.sql` that begins with
//! `-- bad`, `-- good` or `-- bad: rule, rule` (others that fire as well), and may say `-- version: 18`. Its tables are those of [`catalog`].

mod broken;
mod case;
mod hangs;
mod made;
mod pages;
mod parts;
mod tied;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Assessment, assess, wanted, wanted_below};

use case::{Case, cases, folder};
use hangs::hangs_on;
use made::{column, constraint, index, index_of, keyless, name, number, put, table};

use crate::kernel::facts::{Face, Facts, IndexFacts, Persistence, RelationFacts, RelationKind, TypeFacts};
use crate::kernel::plan::{Action, Backfill, Plan};
use crate::kernel::rules::{self, Finding, RULES, Rule, definition, find, is_definition};
use crate::kernel::sql::read::read;
use crate::kernel::sql::statement::{AlterKind, Callee, Change, ConstraintKind, LockMode, Parsed, Reading, Statement};

/// What the cases know: `orders` and `customers` are large, `small`, `empty`, `temporary` and `fresh` (new in
/// this transaction) are what they are called, `adopting` is new and takes something old along, `parts` is partitioned with `part_1` and a default
/// partition, `ranges` with `range_1` and `range_2`; `touched` has triggers.
pub(crate) fn catalog(version: u32) -> Facts {
    let mut facts = Facts::default();
    facts.server_version = version * 10_000;
    facts.current_role = "owner".to_owned();
    facts.search_path = "public".to_owned();
    facts.current_schema = Some("public".to_owned());
    facts.time_zone = "Europe/Berlin".to_owned();
    let large = (5_000_000, 1 << 30);
    put(&mut facts, table("orders", large));
    put(&mut facts, table("customers", large));
    put(&mut facts, table("small", (100, 8192)));
    put(&mut facts, table("empty", (0, 0)));
    put(&mut facts, RelationFacts { constraints: Vec::new(), ..keyless(large) });
    put(&mut facts, table("watched", large));
    put(&mut facts, hangs::touched(table("touched", large)));
    put(&mut facts, RelationFacts { persistence: Persistence::Temporary, ..table("temporary", large) });
    put(&mut facts, RelationFacts { new_in_transaction: true, ..table("fresh", large) });
    made::put_adopting(&mut facts);
    put(&mut facts, tied::tied(large));
    put(&mut facts, tied::renamed(large));
    parts::put_all(&mut facts, large);
    let view = RelationFacts { indexes: Vec::new(), constraints: Vec::new(), ..table("report", (0, 0)) };
    put(&mut facts, RelationFacts { kind: RelationKind::View, ..view.clone() });
    put(&mut facts, RelationFacts { kind: RelationKind::Sequence, name: "numbers".to_owned(), ..view.clone() });
    let matview = RelationFacts { name: "totals".to_owned(), heap_bytes: 1 << 30, rows: Some(5_000_000), ..view };
    let unique = IndexFacts { unique: true, ..index("sums", "sums_id", &["id"], false) };
    let sums = RelationFacts { name: "sums".to_owned(), indexes: vec![unique], ..matview.clone() };
    put(&mut facts, RelationFacts { kind: RelationKind::MaterializedView, ..sums });
    put(&mut facts, RelationFacts { kind: RelationKind::MaterializedView, ..matview });
    hangs::put_settings(&mut facts);
    for owner in ["orders", "customers"] {
        table(owner, large).indexes.into_iter().for_each(|index| put(&mut facts, index_of(owner, index)));
    }
    facts
}

/// What the look-up would answer: names nobody knows do not exist, functions are as in a fresh database.
fn answered(text: &str, version: u32, mut facts: Facts) -> Assessment {
    let reading = match read(text) {
        Ok(reading) => reading,
        Err(error) => return unreadable(text, &error.why),
    };
    let asked = wanted(&reading);
    let below = wanted_below(&reading, &facts);
    for relation in asked.relations.iter().chain(&below.relations) {
        if facts.relation(relation).is_none() {
            facts.put_relation(relation, None);
        }
    }
    for callee in asked.callees {
        let known = ["now", "lower", "length", "abs"];
        if matches!(&callee, Callee::Function { name, .. } if !known.contains(&name.as_str())) {
            facts.put_volatile(callee);
        }
    }
    for of in &asked.types {
        let type_sql = match of.name.as_str() {
            "int4" => "integer".to_owned(),
            "int8" => "bigint".to_owned(),
            "varchar" => of.sql.replace("varchar", "character varying"),
            "timestamptz" => "timestamp with time zone".to_owned(),
            _ => of.sql.clone(),
        };
        let domain = of.name.starts_with("checked");
        let described = TypeFacts {
            oid: 1,
            type_sql,
            is_domain: domain,
            constrained_domain: domain,
            is_array: of.sql.ends_with("[]"),
            ..TypeFacts::default()
        };
        facts.put_type(of, described);
    }
    for asked in &asked.uses {
        if let Some(found) = hangs_on(&facts, asked) {
            facts.put_use(&asked.relation, &asked.column, found);
        }
    }
    for asked in &asked.objects {
        let says = |text: &String| text == "nosuch";
        facts.put_object(asked, !says(&asked.name) && !asked.arguments.iter().flatten().any(says));
    }
    for asked in &asked.faces {
        facts.put_face(asked, Face { owner_has_all: true, ..Face::default() });
    }
    facts.server_version = version * 10_000;
    assess(text, &reading, facts)
}

/// An assessment against [`catalog`], as if it had been looked up.
pub(crate) fn assessed(text: &str) -> Assessment {
    answered(text, 15, catalog(15))
}

#[test]
fn every_file_is_a_rule_and_every_rule_has_its_cases() {
    let files = |folder: PathBuf, helpers: &[&str]| -> Vec<String> {
        let names =
            std::fs::read_dir(folder).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let stems = names.filter_map(|name| name.strip_suffix(".rs").map(|stem| stem.replace('_', "-")));
        let mut stems: Vec<String> = stems.filter(|stem| !helpers.contains(&stem.as_str())).collect();
        stems.sort();
        stems
    };
    let ids = |rules: &[&Rule]| -> Vec<String> { rules.iter().map(|rule| rule.id.to_owned()).collect() };
    assert_eq!(ids(RULES), files(folder(), &["copied", "locks", "mod", "subject", "watched"]));
    assert_eq!(ids(definition::RULES), files(folder().join("definition"), &["made", "mod", "need", "shape"]));
    for rule in rules::all() {
        let cases = cases(rule.id);
        assert!(cases.iter().any(|case| case.bad), "{} has no bad case", rule.id);
        assert!(cases.iter().any(|case| !case.bad), "{} has no good case", rule.id);
        for text in [rule.hazard, rule.doc.what, rule.doc.why, rule.doc.instead, rule.doc.versions, rule.doc.undo] {
            assert!(text.ends_with('.'), "{}: not a sentence: {text}", rule.id);
        }
    }
}

#[test]
fn ids_are_found_and_suggested() {
    assert!(find("create-index").is_some() && find("create_index").is_none());
}

#[test]
fn bad_cases_are_found_and_good_ones_are_not() {
    let mut shown = String::new();
    for rule in rules::all() {
        for case in cases(rule.id) {
            let mut assessment = case.assessed();
            // Definitions are not looked at in the cases of hazards, nor hazards in those of definitions.
            assessment.findings.retain(|finding| {
                let own = finding.rule.0 == rule.id;
                let style = definition::implicit_null::RULE.id;
                own || (is_definition(&finding.rule) == is_definition(&rule.rule_id()) && finding.rule.0 != style)
            });
            let found: BTreeSet<String> = assessment.findings.iter().map(|finding| finding.rule.0.clone()).collect();
            if case.bad {
                assert_eq!(found, case.expected, "{}: {}", rule.id, case.sql);
            } else {
                assert!(!found.contains(rule.id), "{}: {}", rule.id, case.sql);
            }
            show(&mut shown, &case, &assessment);
        }
    }
    insta::assert_snapshot!("findings", shown);
}

fn show(shown: &mut String, case: &Case, assessment: &Assessment) {
    let version = if case.version == 15 { String::new() } else { format!(" (version {})", case.version) };
    let _ = writeln!(shown, "{}{version}", case.sql.trim());
    for finding in &assessment.findings {
        let lock = finding.lock.map_or("no lock", LockMode::words);
        let _ = writeln!(shown, "    {} [{lock}]: {}", finding.rule, finding.message);
    }
    let plans = assessment.changes.iter().filter_map(|change| change.safe.as_ref());
    for line in plans.flat_map(told).skip(1) {
        let _ = writeln!(shown, "    {line}");
    }
}

/// The fix test: what a recipe writes is read again and must have no hazard left.
#[test]
fn plans_have_no_hazard_themselves() {
    let mut seen = 0;
    for case in RULES.iter().flat_map(|rule| cases(rule.id)) {
        let assessment = answered(&case.sql, case.version, catalog(case.version));
        for plan in assessment.changes.iter().filter_map(|change| change.safe.as_ref()) {
            seen += 1;
            harmless(plan, case.version, &assessment.findings);
        }
    }
    assert!(seen >= 30, "only {seen} plans");
}

fn harmless(plan: &Plan, version: u32, wanted: &[Finding]) {
    let loses = plan.undo_loses.is_some();
    // What the statement is for, its safe form does too: the very same loss of the very same thing.
    let is_wanted = |f: &Finding| wanted.iter().any(|w| (&w.rule, &w.message) == (&f.rule, &f.message));
    let mut facts = catalog(version);
    assert!(!plan.steps.is_empty());
    for step in &plan.steps {
        let texts = match &step.action {
            Action::Sql { sql, .. } => vec![sql],
            Action::Together { statements } => statements.iter().collect(),
            Action::BuildIndex { sql, leftover, cleanup } => {
                assert_eq!(read(leftover).unwrap().statements.len(), 1);
                assert!(answered(cleanup, version, facts.clone()).findings.is_empty(), "{cleanup}");
                vec![sql]
            }
            Action::Reindex { sql, .. } => vec![sql],
            Action::Backfill(_) | Action::Later { .. } => continue,
        };
        if let Some(probe) = &step.probe {
            assert_eq!(read(probe).unwrap().statements.len(), 1, "{probe}");
        }
        // What goes in the one transaction of a cut-over was replaced before: there only long locks count.
        let together = matches!(step.action, Action::Together { .. });
        for sql in texts {
            let again = answered(sql, version, facts.clone());
            // Whether a CHECK proves the bounds of a partition is for the server to say: tests/executor asks it.
            let proven = |f: &Finding| f.rule.0 == "attach-partition" && together;
            let hazard = |f: &&Finding| {
                !is_definition(&f.rule)
                    && f.rule.0 != "brief-lock"
                    && (f.only_lock || !(together || loses || is_wanted(f)))
                    && !proven(f)
            };
            let hazards: Vec<_> = again.findings.iter().filter(hazard).collect();
            assert!(hazards.is_empty(), "{sql}: {hazards:#?}");
            apply(&mut facts, sql);
        }
    }
}

/// What a step changes, as far as later steps depend on it.
fn apply(facts: &mut Facts, sql: &str) {
    for parsed in read(sql).unwrap().statements {
        let Statement::Change(Change::AlterTable(alter)) = parsed.statement else { continue };
        let Some(Some(mut table)) = facts.relation(&alter.relation).map(Option::<&RelationFacts>::cloned) else {
            continue;
        };
        for action in alter.actions {
            match action.kind {
                AlterKind::AddColumn(added) => {
                    let not_null = added.not_null.is_some();
                    table.columns.push(column(&added.name, &added.type_name.sql, not_null));
                }
                AlterKind::AddConstraint(added) if matches!(added.kind, ConstraintKind::Check { .. }) => {
                    let of: Vec<&str> = added.columns.iter().map(String::as_str).collect();
                    let text = format!("CHECK (({} IS NOT NULL))", of.join(", "));
                    let mut made = constraint(added.name.as_deref().unwrap_or_default(), 'c', &of, &text);
                    made.validated = false;
                    table.constraints.push(made);
                }
                AlterKind::AddConstraint(added) if matches!(added.kind, ConstraintKind::ForeignKey { .. }) => {
                    let of: Vec<&str> = added.columns.iter().map(String::as_str).collect();
                    let mut made =
                        constraint(added.name.as_deref().unwrap_or_default(), 'f', &of, &added.definition_sql);
                    made.validated = !added.not_valid;
                    table.constraints.push(made);
                }
                AlterKind::ValidateConstraint { name } => {
                    table.constraints.iter_mut().filter(|c| c.name == name).for_each(|c| c.validated = true);
                }
                AlterKind::SetNotNull { column } => {
                    table.columns.iter_mut().filter(|c| c.name == column).for_each(|c| c.not_null = true);
                }
                _ => {}
            }
        }
        put(facts, table);
    }
}

/// What will run instead and why: a summary and a line for each step. Empty for a guarded statement.
fn told(plan: &Plan) -> Vec<String> {
    if plan.summary.is_empty() {
        return Vec::new();
    }
    let steps = plan.steps.iter().enumerate().map(|(index, step)| {
        let what = match &step.action {
            Action::Sql { .. }
            | Action::Together { .. }
            | Action::BuildIndex { .. }
            | Action::Reindex { .. }
            | Action::Later { .. } => step.action.sql().into_owned(),
            Action::Backfill(backfill) => backfilled(backfill),
        };
        format!("  {}. {} ({}): {what}", index + 1, step.name, step.lock.words())
    });
    std::iter::once(plan.summary.clone()).chain(steps).collect()
}

fn backfilled(backfill: &Backfill) -> String {
    let rows = backfill.rows_estimate;
    if backfill.write.is_some() {
        return format!("{}, in batches, about {rows} rows", backfill.statement("its rows", &backfill.pending_sql));
    }
    format!(
        "set {} = {} where {}, in batches, about {rows} rows",
        backfill.column, backfill.expression_sql, backfill.pending_sql
    )
}

/// A text the grammar of record cannot read: nothing needs to be looked up.
fn unreadable(text: &str, why: &str) -> Assessment {
    let change = Statement::Change(Change::Unreadable { why: why.to_owned() });
    let statements = vec![Parsed { span: 0..text.len(), statement: change, named: Vec::new() }];
    assess(text, &Reading { statements, exact_names: true }, Facts::default())
}
