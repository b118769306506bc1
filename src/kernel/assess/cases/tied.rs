//! Tables that hang on another, or whose columns hang on each other.

use super::{column, constraint, index, name, table};
use crate::kernel::facts::{Kin, KinHow, Reactions, RelationFacts, Trigger};
use crate::kernel::sql::statement::RelationName;

/// With a foreign key to `customers`, and an index over two columns.
pub(super) fn tied(size: (u64, u64)) -> RelationFacts {
    let key = "FOREIGN KEY (a) REFERENCES customers(id)";
    RelationFacts {
        indexes: vec![index("tied", "tied_b_a", &["b", "a"], false)],
        constraints: vec![constraint("tied_a_fkey", 'f', &["a"], key)],
        kin: vec![Kin {
            relation: name("customers"),
            how: KinHow::References,
            constraint: Some("tied_a_fkey".to_owned()),
            columns: vec!["a".to_owned()],
        }],
        ..table("tied", size)
    }
}

/// Column `key` was called `id`, and the old name goes on working.
pub(super) fn renamed(size: (u64, u64)) -> RelationFacts {
    let mut renamed = table("renamed", size);
    let equal = "CHECK (record_image_eq(ROW(id), ROW(key)))";
    renamed.columns.push(column("key", "bigint", true));
    renamed.constraints.push(constraint("lockkeeper_same_id", 'c', &["id", "key"], equal));
    let trigger = Trigger {
        name: "zzz_lockkeeper_sync_id".to_owned(),
        for_each_row: true,
        transition_tables: false,
        on_insert: true,
        on_update: true,
        on_delete: false,
        columns: Vec::new(),
    };
    RelationFacts { reacts: Reactions { triggers: vec![trigger], ..Reactions::default() }, ..renamed }
}

/// The tables that the steps of a statement's plan lock beside its own, by the steps' names.
fn beside(sql: &str) -> Vec<(String, Vec<String>)> {
    let assessment = super::assessed(sql);
    let plan = assessment.changes.iter().find_map(|change| change.safe.as_ref()).expect("a plan");
    let steps = plan.steps.iter().filter(|step| !step.also.is_empty());
    steps.map(|step| (step.name.clone(), step.also.iter().map(RelationName::written).collect())).collect()
}

/// Whoever is in the way there is looked for, too.
#[test]
fn a_foreign_key_locks_both_of_its_tables() {
    let customers = || vec!["public.customers".to_owned()];
    let written = vec![("expand".to_owned(), vec!["customers".to_owned()])];
    assert_eq!(beside("ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES customers"), written);
    assert!(beside("ALTER TABLE orders ADD FOREIGN KEY (a) REFERENCES orders").is_empty());
    let rehearsed = ["rehearse", "unlink"].map(|name| (name.to_owned(), customers()));
    assert_eq!(beside("DROP TABLE tied"), rehearsed);
    assert_eq!(beside("ALTER TABLE tied DROP CONSTRAINT tied_a_fkey"), [("drop".to_owned(), customers())]);
}

#[test]
fn a_change_of_type_says_that_writes_may_fail_where_they_may() {
    for (sql, fails) in [("smallint", true), ("numeric", false)] {
        let assessment = super::assessed(&format!("ALTER TABLE orders ALTER a TYPE {sql}"));
        let plan = assessment.changes.iter().find_map(|change| change.safe.as_ref()).expect("a plan");
        let said =
            "an INSERT or UPDATE of the application's own fails where what it writes cannot be had with a as smallint.";
        assert_eq!(plan.summary.contains(said), fails, "{}", plan.summary);
    }
}

/// What a statement does first counts for what it does then.
#[test]
fn a_change_beside_another_of_the_same_column_is_not_taken_for_free() {
    let mut facts = super::catalog(15);
    let mut table = facts.relation(&name("orders")).flatten().cloned().expect("it is in the catalog");
    table.constraints.push(constraint("b_nn", 'c', &["b"], "CHECK ((b IS NOT NULL))"));
    super::put(&mut facts, table);
    for (sql, waits) in [
        ("ALTER TABLE orders ALTER b SET NOT NULL", false),
        ("ALTER TABLE orders DROP CONSTRAINT b_nn, ALTER b SET NOT NULL", true),
        ("ALTER TABLE orders ALTER b DROP NOT NULL, ALTER b SET NOT NULL", true),
        ("ALTER TABLE orders ALTER a TYPE integer, ALTER a TYPE text", true),
    ] {
        let assessment = super::answered(sql, 15, facts.clone());
        let exclusive = assessment.findings.iter();
        let named = exclusive.filter(|finding| ["set-not-null", "change-type"].contains(&finding.rule.0.as_str()));
        assert_eq!(named.count() > 0, waits, "{sql}");
    }
}

/// An index that is built before the server comes to its error is as long as any other.
#[test]
fn a_statement_that_the_server_refuses_is_its_own_unless_it_builds_something_first() {
    for (sql, found) in [
        ("ALTER TABLE orders ADD PRIMARY KEY (a)", false),
        ("ALTER TABLE orders ADD PRIMARY KEY (a), ADD UNIQUE (b)", false),
        ("ALTER TABLE orders ADD UNIQUE (b), ADD PRIMARY KEY (a)", true),
        ("ALTER TABLE orders ADD PRIMARY KEY (a), ADD COLUMN z bigint UNIQUE", true),
        ("ALTER TABLE orders ADD UNIQUE (b), ALTER nowhere SET NOT NULL", false),
        ("ALTER TABLE orders ADD UNIQUE (b), ALTER nowhere SET DEFAULT 1", true),
        ("ALTER TABLE orders ADD UNIQUE (b), ADD COLUMN a bigint", false),
    ] {
        let assessment = super::answered(sql, 15, super::catalog(15));
        let named: Vec<_> = assessment.findings.iter().map(|finding| &finding.rule).collect();
        assert_eq!(
            named.iter().any(|rule| ["add-unique", "add-column-constraint"].contains(&rule.0.as_str())),
            found,
            "{sql}: {named:?}"
        );
    }
}
