//! The pages of `docs/rules`: what a rule says of itself, and what the real planner makes of its cases.
//! `LOCKKEEPER_BLESS=1 cargo test --lib pages` writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::{Assessment, Case, cases};
use crate::kernel::plan::{Action, Plan, Step};
use crate::kernel::policy::Policy;
use crate::kernel::rules::{self, RULES, Response, Rule, brief_lock, definition};
use crate::kernel::sql::statement::LockMode;

/// Cases shown of each sort, and plans.
const SHOWN: usize = 6;
const PLANS: usize = 2;

fn word(response: Response) -> &'static str {
    match response {
        Response::Pass => "pass",
        Response::Warn => "warn",
        Response::Defer => "defer",
        Response::Rewrite => "rewrite",
        Response::Hold => "hold",
        Response::Refuse => "refuse",
    }
}

/// What a shipped profile answers.
fn answer(policy: &Policy, rule: &Rule) -> &'static str {
    let said = policy.entries.first().and_then(|entry| entry.responses.get(&rule.rule_id()));
    word(said.copied().unwrap_or(rule.default))
}

fn lock(rule: &Rule) -> &'static str {
    rule.lock.map_or("none", LockMode::words)
}

fn index() -> String {
    let mut page = "# Rules\n\nWhat makes a statement more than ordinary. A policy gives each rule an answer by its name; where it says nothing,\n\
        the rule's own counts, which is that of the profile `standard`. With the profile `observe` the answers are the same,\n\
        and only recorded. These pages are made from the rules, their cases and the planner by\n\
        `LOCKKEEPER_BLESS=1 cargo test --lib pages`.\n\n\
        | rule | hazard | strongest lock | standard | strict |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    for rule in RULES {
        let (standard, strict) = (answer(&Policy::standard(), rule), answer(&Policy::strict(), rule));
        let _ =
            writeln!(page, "| [{0}]({0}.md) | {1} | {2} | {standard} | {strict} |", rule.id, rule.hazard, lock(rule));
    }
    page.push_str(
        "\n## Definitions\n\nWhat a statement leaves behind that is hard to live with later. They take no lock and lose nothing, so nothing runs\n\
        instead: the statement runs with a WARNING, unless the policy says otherwise. Temporary tables are not looked at.\n\n\
        | rule | what is wrong with it | standard | strict |\n| --- | --- | --- | --- |\n",
    );
    for rule in definition::RULES {
        let (standard, strict) = (answer(&Policy::standard(), rule), answer(&Policy::strict(), rule));
        let _ = writeln!(page, "| [{0}]({0}.md) | {1} | {standard} | {strict} |", rule.id, rule.hazard);
    }
    page.push_str(
        "\n## Facts of the examples\n\nPostgreSQL 15 unless another version is named. `orders`, `customers`, `keyless`,\n\
        `touched` (with triggers, and REPLICA IDENTITY NOTHING) and `watched` (with REPLICA IDENTITY FULL) have 5 million rows in 1 GB, `small` 100, `empty` none; `parts` and `ranges` are partitioned; `temporary` is\n\
        a temporary table, `fresh` was made by the open transaction.\n",
    );
    page
}

fn page(rule: &Rule) -> String {
    let doc = &rule.doc;
    let (standard, strict) = (answer(&Policy::standard(), rule), answer(&Policy::strict(), rule));
    let mut page = format!(
        "# {}\n\n{}\n\n| | |\n| --- | --- |\n| strongest lock | {} |\n| answer | {standard} (standard), {strict} (strict) |\n\n\
        {}\n\n## Why\n\n{}\n\n## Instead\n\n{}\n\n## Versions\n\n{}\n\n## Undo\n\n{}\n",
        rule.id,
        rule.hazard,
        lock(rule),
        doc.what,
        doc.why,
        doc.instead,
        doc.versions,
        doc.undo
    );
    let judged: Vec<(Case, Assessment)> = cases(rule.id)
        .into_iter()
        .map(|case| {
            let assessment = case.assessed();
            (case, assessment)
        })
        .collect();
    plans(rule, &judged, &mut page);
    let _ = write!(page, "\n## Found\n\n```sql\n");
    for (case, assessment) in judged.iter().filter(|(case, _)| case.bad).take(SHOWN) {
        let _ = writeln!(page, "{}{}", case.sql.trim(), version(case));
        let own = assessment.findings.iter().filter(|finding| finding.rule.0 == rule.id);
        own.for_each(|finding| page.push_str(&format!("-- {}\n", finding.message)));
    }
    let _ = write!(page, "```\n\n## Not found\n\n```sql\n");
    for (case, _) in judged.iter().filter(|(case, _)| !case.bad).take(SHOWN) {
        let _ = writeln!(page, "{}{}", case.sql.trim(), version(case));
    }
    page.push_str("```\n\n[All rules](README.md)\n");
    page
}

fn version(case: &Case) -> String {
    if case.version == 15 { String::new() } else { format!(" -- PostgreSQL {}", case.version) }
}

/// The first plan of each recipe that this rule's cases lead to.
fn plans(rule: &Rule, judged: &[(Case, Assessment)], page: &mut String) {
    let mut seen: BTreeMap<(&str, usize), ()> = BTreeMap::new();
    let mut shown = 0;
    for (case, assessment) in judged.iter().filter(|(case, _)| case.bad) {
        let found = assessment.findings.iter().find(|finding| finding.rule.0 == rule.id);
        let Some(plan) = found.and_then(|finding| finding.plan.as_ref()) else { continue };
        if shown == PLANS || seen.insert((&plan.recipe, plan.steps.len()), ()).is_some() {
            continue;
        }
        shown += 1;
        if shown == 1 {
            page.push_str("\n## What runs instead\n");
        }
        let _ = write!(page, "\nFor\n\n```sql\n{}{}\n```\n\n", case.sql.trim(), version(case));
        instead(plan, page);
    }
}

fn instead(plan: &Plan, page: &mut String) {
    let summary = if plan.summary.is_empty() { "The statement itself, tried again and again" } else { &plan.summary };
    let _ = write!(page, "{}:\n\n```sql\n", summary.trim_end_matches('.'));
    for (number, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(page, "-- {}. {} ({}{})", number + 1, step.name, step.lock_words(), work(step));
        let _ = writeln!(page, "{};", step.action.sql());
    }
    page.push_str("```\n");
    if plan.steps.iter().all(|step| step.undo.is_empty()) {
        return;
    }
    let _ = write!(page, "\nUndone from the last step back:\n\n```sql\n");
    for (number, step) in plan.steps.iter().enumerate().rev().filter(|(_, step)| !step.undo.is_empty()) {
        let _ = writeln!(page, "-- {}. {}", number + 1, step.name);
        step.undo.iter().for_each(|sql| page.push_str(&format!("{sql};\n")));
    }
    page.push_str("```\n");
    if let Some(loses) = &plan.undo_loses {
        let _ = write!(page, "\nWhat undoing it loses: {}.\n", loses.trim_end_matches('.'));
    }
}

fn work(step: &Step) -> &'static str {
    match &step.action {
        Action::Backfill(_) => ", in batches",
        Action::BuildIndex { .. } | Action::Reindex { .. } => ", reads all rows",
        Action::Sql { .. } | Action::Together { .. } if step.scans => ", reads all rows",
        Action::Sql { .. } | Action::Together { .. } | Action::Later { .. } => "",
    }
}

fn pages() -> BTreeMap<String, String> {
    let own = rules::all().map(|rule| (format!("{}.md", rule.id), page(rule)));
    own.chain([("README.md".to_owned(), index())]).collect()
}

#[test]
fn the_pages_of_the_rules_are_theirs() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules"));
    let written = || -> BTreeMap<String, String> {
        let files = std::fs::read_dir(&folder).into_iter().flatten().filter_map(Result::ok);
        files
            .map(|file| {
                let name = file.file_name().into_string().expect("a name");
                (name, std::fs::read_to_string(file.path()).expect("a page"))
            })
            .collect()
    };
    let pages = pages();
    if std::env::var_os("LOCKKEEPER_BLESS").is_some() {
        std::fs::create_dir_all(&folder).expect("a folder");
        let gone = written().into_keys().filter(|name| !pages.contains_key(name));
        gone.for_each(|name| std::fs::remove_file(folder.join(name)).expect("removed"));
        pages.iter().for_each(|(name, page)| std::fs::write(folder.join(name), page).expect("written"));
    }
    let written = written();
    let differ: Vec<&String> =
        pages.keys().chain(written.keys()).filter(|n| pages.get(*n) != written.get(*n)).collect();
    assert!(differ.is_empty(), "not what the rules say, see docs/rules/README.md: {differ:?}");
}

#[test]
fn every_rule_says_how_it_is_undone_in_its_own_words() {
    let mut by_text: BTreeMap<&str, &str> = BTreeMap::new();
    let losses = ["drop-schema", "drop-table", "truncate", "mass-delete", "mass-update"];
    for rule in rules::all().filter(|rule| !losses.contains(&rule.id)) {
        assert_eq!(by_text.insert(rule.doc.undo, rule.id), None, "{}", rule.id);
    }
    assert_eq!(answer(&Policy::strict(), &brief_lock::RULE), "rewrite");
}
