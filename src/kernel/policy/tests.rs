//! One line a verdict.

use super::*;
use crate::kernel::assess::cases::assessed;
use crate::kernel::plan::{Action, Step};

const ALONE: Place = Place { in_transaction: false, in_block: false, several: false, parameters: false };
const IN_TRANSACTION: Place = Place { in_transaction: true, in_block: true, ..ALONE };
const IN_PIPELINE: Place = Place { in_transaction: true, ..ALONE };
const SEVERAL: Place = Place { several: true, ..ALONE };

fn verdict(policy: &Policy, place: Place, text: &str) -> Verdict {
    // Definitions have a test of their own.
    let mut assessment = assessed(text);
    assessment.findings.retain(|finding| !rules::is_definition(&finding.rule));
    judge(policy, &Who::default(), place, &assessment)
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass { warnings, .. } => format!("pass {}", warnings.len()),
        Verdict::Bounded { .. } => "bounded".to_owned(),
        Verdict::Rewrite { plan, .. } => format!("rewrite {}", plan.recipe),
        Verdict::Defer { plan, head, .. } => format!("defer {} after {head}", plan.recipe),
        Verdict::Observed { would, .. } => format!("observed {}", word(would)),
        Verdict::Hold(draft) => format!("hold {}", draft.plan.recipe),
        Verdict::Refuse(_) => "refuse".to_owned(),
    }
}

fn check(policy: &Policy, place: Place, expected: &str, text: &str) {
    assert_eq!(word(&verdict(policy, place, text)), expected, "{place:?} {text}");
}

#[test]
fn lock_table_outside_a_block_is_the_servers_to_refuse() {
    let standard = Policy::standard();
    let lock = "LOCK TABLE orders";
    for (place, expected) in
        [(ALONE, "pass 0"), (SEVERAL, "hold as-is"), (IN_TRANSACTION, "hold as-is"), (IN_PIPELINE, "hold as-is")]
    {
        check(&standard, place, expected, lock);
    }
}

#[test]
fn by_itself() {
    let standard = Policy::standard();
    for (expected, text) in [
        ("pass 0", "SELECT 1"),
        ("rewrite create-index", "CREATE INDEX ON orders (a)"),
        ("rewrite guarded", "CREATE INDEX ON small (a)"),
        ("pass 0", "CREATE INDEX ON fresh (a)"),
        ("rewrite add-column", "ALTER TABLE orders ADD COLUMN x uuid DEFAULT gen_random_uuid()"),
        ("rewrite guarded", "ALTER TABLE orders ADD COLUMN x int"),
        ("rewrite guarded", "ALTER TABLE small ADD COLUMN x uuid DEFAULT gen_random_uuid()"),
        ("refuse", "ALTER TABLE orders ADD COLUMN x int NOT NULL"),
        ("hold as-is", "DROP TABLE orders"),
        ("hold as-is", "DROP TABLE small"),
        ("hold as-is", "DROP TABLE empty"),
        ("rewrite guarded", "ALTER TABLE empty DROP CONSTRAINT IF EXISTS nowhere"),
        ("pass 0", "DROP TABLE IF EXISTS nowhere"),
        ("hold change-type-aside", "ALTER TABLE orders ALTER COLUMN a TYPE bigint"),
        ("hold as-is", "UPDATE orders SET a = 1"),
        ("rewrite drop-index", "DROP INDEX orders_a_idx"),
        ("hold as-is", "ALTER TABLE orders DROP COLUMN a, ADD COLUMN x uuid DEFAULT gen_random_uuid()"),
        ("rewrite concurrently", "CREATE INDEX CONCURRENTLY ON orders (a)"),
    ] {
        check(&standard, ALONE, expected, text);
    }
}

#[test]
fn in_company() {
    let standard = Policy::standard();
    for place in [IN_TRANSACTION, SEVERAL] {
        for (expected, text) in [
            ("refuse", "CREATE INDEX ON orders (a)"),
            ("bounded", "CREATE INDEX ON small (a)"),
            ("bounded", "ALTER TABLE orders ADD COLUMN x int"),
            ("bounded", "DROP INDEX orders_a_idx"),
            ("hold as-is", "DROP TABLE orders"),
            ("pass 0", "SELECT 1"),
            // The server says that it cannot be here.
            ("pass 0", "CREATE INDEX CONCURRENTLY ON orders (a)"),
            ("pass 0", "DROP INDEX CONCURRENTLY orders_a_idx"),
            ("pass 0", "REINDEX TABLE CONCURRENTLY orders"),
        ] {
            check(&standard, place, expected, text);
        }
    }
    check(&standard, ALONE, "refuse", "CREATE INDEX ON orders (a); SELECT 1");
    check(&standard, ALONE, "refuse", "CREATE INDEX ON orders (a); DROP TABLE customers");
    check(&standard, ALONE, "hold as-is", "ALTER TABLE orders ADD COLUMN x int; DROP TABLE customers");
    check(&standard, ALONE, "bounded", "ALTER TABLE orders ADD COLUMN x int; ALTER TABLE orders ADD COLUMN y int");
}

#[test]
fn a_message_does_not_lengthen_the_wait_for_its_own_locks() {
    let standard = Policy::standard();
    let add = "ALTER TABLE orders ADD COLUMN x int";
    for (alone, in_transaction, before) in [
        ("bounded", "bounded", "SET statement_timeout = 0"),
        ("refuse", "refuse", "SET lock_timeout = 0"),
        ("refuse", "refuse", "BEGIN; SET LOCAL lock_timeout = '5s'"),
        ("refuse", "refuse", "RESET ALL"),
        ("bounded", "refuse", "ROLLBACK"),
        ("bounded", "refuse", "ROLLBACK TO a"),
        ("bounded", "bounded", "COMMIT"),
        ("refuse", "refuse", "SELECT app.f()"),
        ("refuse", "refuse", "EXECUTE x"),
        ("bounded", "bounded", "SELECT lower(a), count(*) FROM small"),
    ] {
        check(&standard, ALONE, alone, &format!("{before}; {add}"));
        check(&standard, IN_TRANSACTION, in_transaction, &format!("{before}; {add}"));
        check(&standard, ALONE, "bounded", &format!("{add}; {before}"));
    }
    check(&standard, ALONE, "refuse", "SET lock_timeout = 0; DROP TABLE orders");
    check(&standard, ALONE, "hold as-is", "SET lock_timeout = 0; UPDATE orders SET a = 1");
    check(&standard, ALONE, "pass 0", "SET lock_timeout = 0; CREATE INDEX ON fresh (a)");
    check(&Policy::observe(), ALONE, "observed refuse", &format!("SET lock_timeout = 0; {add}"));
}

#[test]
fn a_name_that_may_have_changed_its_meaning_is_not_trusted() {
    let standard = Policy::standard();
    check(&standard, ALONE, "hold as-is", "ALTER TABLE small RENAME TO nowhere; DROP TABLE nowhere");
    check(&standard, ALONE, "pass 0", "CREATE TABLE made (a int); DROP TABLE made");
    check(
        &standard,
        ALONE,
        "pass 0",
        "DROP TABLE IF EXISTS nowhere; CREATE TABLE nowhere (a int); CREATE INDEX ON nowhere (a)",
    );
    check(&standard, ALONE, "bounded", "TRUNCATE empty; CREATE TABLE nowhere (a int); CREATE INDEX ON nowhere (a)");
    check(&standard, ALONE, "pass 0", "CREATE TEMP TABLE orders (a int); DELETE FROM orders");
    for text in [
        "CREATE TABLE IF NOT EXISTS orders (a int); DROP TABLE orders",
        "BEGIN; CREATE TEMP TABLE orders (a int); ROLLBACK; DROP TABLE orders",
        "BEGIN; SAVEPOINT s; CREATE TEMP TABLE orders (a int); ROLLBACK TO s; DROP TABLE orders",
        "DROP TABLE IF EXISTS nowhere; DROP TABLE orders",
        "DROP TABLE IF EXISTS nowhere; DROP TABLE IF EXISTS nowhere",
    ] {
        check(&standard, ALONE, "hold as-is", text);
    }
}

#[test]
fn a_plan_for_a_transaction_fits_into_one() {
    let Verdict::Hold(draft) = verdict(&Policy::standard(), IN_TRANSACTION, "DROP TABLE orders") else {
        panic!("not held");
    };
    let modes: Vec<Mode> = draft.plan.steps.iter().filter_map(mode).collect();
    assert_eq!(modes, [Mode::Brief]);
}

fn mode(step: &Step) -> Option<Mode> {
    match &step.action {
        Action::Sql { mode, .. } => Some(*mode),
        Action::Together { .. }
        | Action::BuildIndex { .. }
        | Action::Reindex { .. }
        | Action::Backfill(_)
        | Action::Later { .. } => None,
    }
}

#[test]
fn what_is_held_although_it_has_a_safe_form_is_approved_in_that() {
    check(&Policy::strict(), ALONE, "hold create-index", "CREATE INDEX ON orders (a)");
    check(&Policy::strict(), IN_TRANSACTION, "refuse", "CREATE INDEX ON orders (a)");
    check(&Policy::strict(), ALONE, "refuse", "DROP DATABASE shop");
}

#[test]
fn observing_changes_nothing_and_says_what_would_have_been() {
    let observe = Policy::observe();
    check(&observe, ALONE, "pass 0", "SELECT 1");
    check(&observe, ALONE, "observed hold as-is", "DROP TABLE orders");
    check(&observe, IN_TRANSACTION, "observed refuse", "CREATE INDEX ON orders (a)");
}

#[test]
fn the_first_entry_that_matches_decides() {
    let mut policy = Policy::standard();
    let mut entry = policy.entries[0].clone();
    entry.matches.tables = vec!["public.ord*".to_owned()];
    entry.responses.insert(RuleId("drop-table".to_owned()), Response::Warn);
    entry.responses.insert(RuleId("create-index".to_owned()), Response::Warn);
    policy.entries.insert(0, entry);
    check(&policy, ALONE, "pass 1", "DROP TABLE orders");
    check(&policy, ALONE, "hold as-is", "DROP TABLE customers");
    check(&policy, ALONE, "hold as-is", "DROP TABLE orders, customers");
    check(&policy, ALONE, "pass 1", "CREATE INDEX ON orders (a)");
    policy.entries[0].responses.insert(RuleId("drop-index".to_owned()), Response::Refuse);
    check(&policy, ALONE, "refuse", "DROP INDEX orders_a_idx");
    policy.entries[0].responses.insert(RuleId("privilege".to_owned()), Response::Warn);
    check(&policy, ALONE, "pass 1", "GRANT SELECT ON orders TO bob");
    check(&policy, ALONE, "hold as-is", "REVOKE SELECT ON orders, customers FROM bob");
    check(&policy, ALONE, "hold as-is", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO bob");
}

#[test]
fn what_a_change_reaches_is_answered_by_its_own_entry_where_that_is_stricter() {
    let mut policy = Policy::standard();
    let mut entry = policy.entries[0].clone();
    entry.matches.tables = vec!["public.customers".to_owned()];
    entry.small_bytes = 0;
    entry.responses.insert(RuleId("drop-table".to_owned()), Response::Refuse);
    entry.responses.insert(RuleId("truncate".to_owned()), Response::Warn);
    policy.entries.insert(0, entry);
    let reaching = |text: &str| {
        let mut assessment = assessed(text);
        let customers = RelationName { schema: Some("public".to_owned()), name: "customers".to_owned() };
        assessment.findings.iter_mut().for_each(|finding| finding.reaches.push(customers.clone()));
        word(&judge(&policy, &Who::default(), ALONE, &assessment))
    };
    check(&policy, ALONE, "hold as-is", "DROP TABLE orders CASCADE");
    assert_eq!(reaching("DROP TABLE orders CASCADE"), "refuse");
    // It makes nothing freer.
    assert_eq!(reaching("TRUNCATE orders"), "hold as-is");
    assert_eq!(reaching("DROP TABLE temporary"), "pass 0");
    assert_eq!(reaching("CREATE INDEX ON small (a)"), "rewrite create-index");
}

#[test]
fn a_transaction_block_gets_the_first_part_of_a_plan() {
    let defer = Policy::defer();
    let key = "ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES customers (id)";
    let both = "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0), ADD CONSTRAINT u UNIQUE (a)";
    for (expected, text) in [
        ("defer create-index after 0", "CREATE INDEX ON orders (a)"),
        ("defer add-column after 1", "ALTER TABLE orders ADD COLUMN x uuid DEFAULT gen_random_uuid()"),
        ("defer add-check after 1", "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0)"),
        ("defer add-foreign-key after 1", key),
        ("defer add-unique after 0", "ALTER TABLE orders ADD UNIQUE (a)"),
        ("defer combined after 0", both),
        ("bounded", "CREATE INDEX ON small (a)"),
        ("bounded", "ALTER TABLE orders ADD COLUMN x int"),
        ("bounded", "DROP INDEX orders_a_idx"),
        ("hold as-is", "DROP TABLE orders"),
        ("refuse", "ALTER TABLE orders ALTER COLUMN a TYPE bigint"),
        ("refuse", "CREATE INDEX ON orders (a); SELECT 1"),
    ] {
        check(&defer, IN_TRANSACTION, expected, text);
    }
    check(&defer, ALONE, "rewrite create-index", "CREATE INDEX ON orders (a)");
    for place in [IN_PIPELINE, SEVERAL] {
        check(&defer, place, "refuse", "CREATE INDEX ON orders (a)");
    }
    check(&defer, ALONE, "refuse", "CREATE INDEX ON orders (a); ALTER TABLE orders ADD COLUMN y int");
}

#[test]
fn what_would_be_split_elsewhere_says_where() {
    let hint = |policy: &Policy, place: Place, text: &str| match verdict(policy, place, text) {
        Verdict::Refuse(refusal) => refusal.hint,
        other => panic!("not refused: {other:?}"),
    };
    let (both, way) = ("CREATE INDEX ON orders (a); SELECT 1", "Send BEGIN, each statement, and COMMIT");
    for place in [ALONE, IN_TRANSACTION, IN_PIPELINE, SEVERAL] {
        let hint = hint(&Policy::defer(), place, both);
        assert!(hint.contains(way) && hint.contains("it is then run in its safe form"), "{hint}");
    }
    assert!(!hint(&Policy::standard(), ALONE, both).contains(way));
    let parameters = Place { parameters: true, ..IN_TRANSACTION };
    assert!(!hint(&Policy::defer(), parameters, "CREATE INDEX ON orders (a)").contains(way));
}

#[test]
fn the_strictest_answer_counts_and_rewrite_is_stricter_than_defer() {
    let mut policy = Policy::defer();
    policy.entries[0].responses.insert(RuleId("add-unique".to_owned()), Response::Rewrite);
    policy.entries[0].responses.insert(RuleId("change-type".to_owned()), Response::Defer);
    check(&policy, IN_TRANSACTION, "defer add-check after 1", "ALTER TABLE orders ADD CONSTRAINT c CHECK (a > 0)");
    check(&policy, IN_TRANSACTION, "refuse", "ALTER TABLE orders ADD UNIQUE (a)");
    check(&policy, IN_TRANSACTION, "refuse", "ALTER TABLE orders ADD CHECK (a > 0), ADD UNIQUE (a)");
    check(&policy, ALONE, "rewrite combined", "ALTER TABLE orders ADD CHECK (a > 0), ADD UNIQUE (a)");
    let Verdict::Defer { plan, head, .. } =
        verdict(&policy, IN_TRANSACTION, "ALTER TABLE orders ALTER COLUMN a TYPE bigint")
    else {
        panic!("not deferred");
    };
    assert!(head > 0 && head < plan.steps.len(), "{:?}", plan.steps);
}

#[test]
fn a_refusal_names_the_way_out() {
    let Verdict::Refuse(refusal) = verdict(&Policy::standard(), IN_TRANSACTION, "CREATE INDEX ON orders (a)") else {
        panic!("not refused");
    };
    assert!(refusal.detail.contains("create-index") && refusal.detail.contains("public.orders"), "{}", refusal.detail);
    for word in ["disable_ddl_transaction!", "atomic = False", "autocommit_block()", "-- no-transaction"] {
        assert!(refusal.hint.contains(word), "{word}");
    }
}

#[test]
fn only_what_changes_nothing_is_cleared_unseen() {
    let cleared = |text: &str| Clearance::ordinary(&crate::kernel::sql::read::read(text).unwrap()).is_some();
    assert!(cleared("SELECT 1; BEGIN; COMMIT"));
    assert!(!cleared("SELECT 1; DROP TABLE t"));
    assert!(!cleared("EXECUTE anything"));
}

#[test]
fn definitions_warn_and_change_nothing_in_how_a_statement_runs() {
    let whole = |policy: &Policy, place: Place, text: &str| judge(policy, &Who::default(), place, &assessed(text));
    let mut refusing = Policy::standard();
    for rule in rules::definition::RULES {
        refusing.entries[0].responses.insert(rule.rule_id(), Response::Refuse);
    }
    for (expected, rules, text) in [
        ("pass 1", "no-primary-key", "CREATE TABLE t (a int)"),
        ("rewrite create-index", "create-index, redundant-index", "CREATE INDEX ON orders (a)"),
        ("rewrite guarded", "json-column", "ALTER TABLE orders ADD COLUMN x json"),
        ("hold as-is", "drop-column, json-column", "ALTER TABLE orders DROP COLUMN a, ADD COLUMN x json"),
        ("refuse", "add-column-not-null, json-column", "ALTER TABLE orders ADD COLUMN x json NOT NULL"),
    ] {
        let verdict = whole(&Policy::standard(), ALONE, text);
        let found: Vec<&str> = verdict.findings().iter().map(|finding| finding.rule.0.as_str()).collect();
        assert_eq!((word(&verdict).as_str(), found.join(", ").as_str()), (expected, rules), "{text}");
        assert!(matches!(whole(&refusing, ALONE, text), Verdict::Refuse(_)), "{text}");
    }
    let inside = whole(&Policy::standard(), IN_TRANSACTION, "ALTER TABLE orders ADD COLUMN x json");
    assert_eq!((word(&inside).as_str(), inside.findings().len()), ("bounded", 1));
    let refused = whole(&Policy::standard(), IN_TRANSACTION, "ALTER TABLE orders ADD COLUMN x json, ADD UNIQUE (a)");
    assert!(refused.findings().iter().any(|finding| finding.rule.0 == "json-column"), "{refused:?}");
    // Who reviews is asked for what stops it only.
    let (why, beside) = rules::apart(refused.findings());
    assert!(why.iter().all(|finding| finding.rule.0 == "add-unique") && !beside.is_empty(), "{refused:?}");
    // Observed: recorded, and nobody is told.
    let observed = whole(&Policy::observe(), ALONE, "CREATE TABLE t (a int)");
    assert_eq!(word(&observed), "observed pass 1");
    let strict = |text| word(&whole(&Policy::strict(), ALONE, text));
    assert_eq!(strict("CREATE TABLE t (a int)"), "hold as-is");
    assert_eq!(strict("CREATE TABLE t (a bigint PRIMARY KEY, b json NOT NULL)"), "pass 1");
}
