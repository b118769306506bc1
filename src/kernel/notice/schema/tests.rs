#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use super::*;
use crate::kernel::sql::read;

/// A table by its oid, name and columns.
fn table(oid: u32, name: &str, columns: &[&str]) -> Definition {
    let column = |name: &&str| DefinedColumn { name: (*name).into(), type_sql: "int".into(), ..Default::default() };
    let columns = columns.iter().map(column).collect();
    Definition { oid, schema: "public".into(), name: name.into(), kind: "table".into(), columns, ..Default::default() }
}

fn concern(sql: &str) -> Concern {
    Concern::of(&read::read(sql).unwrap())
}

/// A statement, with what is there by the names it speaks of.
fn run(sql: &str, there: &[Definition], earlier: &[SchemaRun]) -> SchemaRun {
    let concern = concern(sql);
    let find = |name: &RelationName| there.iter().find(|one| one.name == name.name).map(|one| one.oid);
    let names: Vec<Option<u32>> = concern.names.iter().map(find).collect();
    let relations = there.iter().filter(|one| names.contains(&Some(one.oid))).cloned().collect();
    let look = Look { relations, hidden: Vec::new(), names };
    let origin = SchemaOrigin { statement: sql.into(), requester: "alice".into(), ..Default::default() };
    SchemaRun::new(origin, concern, Some(look), &[], earlier)
}

fn in_words(changes: &[SchemaChange]) -> Vec<String> {
    let words = |one: &SchemaChange| {
        let lines = differences(one.before.as_ref(), one.after.as_ref());
        let lines: Vec<String> = lines.iter().map(Difference::text).collect();
        format!("{} {} by {}: {}", one.relation, one.effect.words(), one.statements.join("; "), lines.join(", "))
    };
    changes.iter().map(words).collect()
}

fn after(relations: Vec<Definition>) -> Option<Look> {
    Some(Look { relations, ..Look::default() })
}

#[test]
fn what_differs_is_told() {
    let (t, more) = (table(1, "t", &["a"]), table(1, "t", &["a", "b"]));
    let altered = [run("alter table t add b int", std::slice::from_ref(&t), &[])];
    let told = |runs: &[SchemaRun], relations| in_words(&schema_changes(runs, after(relations)));
    assert_eq!(told(&altered, vec![more.clone()]), ["public.t was altered by alter table t add b int: + column b int"]);
    assert!(told(&altered, vec![t.clone()]).is_empty(), "rolled back");
    let dropped = [run("drop table t", std::slice::from_ref(&t), &[])];
    assert_eq!(told(&dropped, vec![]), ["public.t was dropped by drop table t: - table public.t, - column a int"]);
    let created = [run("create table u(a int)", &[], &[])];
    assert_eq!(
        told(&created, vec![table(2, "u", &["a"])]),
        ["public.u was created by create table u(a int): + table public.u, + column a int"]
    );
    let renamed = [run("alter table t rename to v", std::slice::from_ref(&t), &[])];
    assert_eq!(
        told(&renamed, vec![table(1, "v", &["a"]), table(3, "t", &["a"])]),
        [
            "public.v was renamed by alter table t rename to v: - table public.t, + table public.v",
            "public.t was created by alter table t rename to v: + table public.t, + column a int",
        ],
        "what keeps the old name working is told as well"
    );
    assert!(told(&altered, vec![Definition { oid: 9, ..t }]).is_empty(), "built anew in its place, it looks the same");
}

#[test]
fn a_transaction_is_told_as_one() {
    let first = run("create table t(a int)", &[], &[]);
    let runs = vec![first];
    let second = run("alter table t add b int", &[table(1, "t", &["a"])], &runs);
    assert!(second.is_empty(), "it is told from its beginning on");
    let runs = [runs, vec![second]].concat();
    let told = schema_changes(&runs, after(vec![table(1, "t", &["a", "b"])]));
    assert_eq!(
        in_words(&told),
        ["public.t was created by create table t(a int); alter table t add b int: \
          + table public.t, + column a int, + column b int"]
    );
}

#[test]
fn what_nobody_saw_is_uncertain() {
    let runs = [run("drop table t", &[table(1, "t", &["a"])], &[]), run("create table u(a int)", &[], &[])];
    let told = schema_changes(&runs, None);
    assert_eq!(told.iter().map(|one| one.effect).collect::<Vec<_>>(), [SchemaEffect::Uncertain; 2]);
    assert_eq!(told.iter().map(|one| one.relation.as_str()).collect::<Vec<_>>(), ["public.t", "u"]);
    // In a pipeline only the names are known beforehand.
    let origin = SchemaOrigin::default();
    let blind = [SchemaRun::new(origin, concern("alter table t add b int"), None, &[], &[])];
    let told = schema_changes(&blind, after(vec![table(1, "t", &["a", "b"])]));
    assert_eq!(
        (told[0].effect, told[0].before.is_none(), told[0].after.is_some()),
        (SchemaEffect::Uncertain, true, true)
    );
    let hidden = Hidden { oid: 1, schema: "public".into(), name: "t".into() };
    let locked = Some(Look { hidden: vec![hidden], ..Look::default() });
    assert_eq!(schema_changes(&runs[..1], locked)[0].effect, SchemaEffect::Uncertain, "it is not gone");
}

#[test]
fn what_statements_are_about() {
    for (sql, names) in [
        ("create index on s.t (a)", "s.t"),
        ("alter table p attach partition q for values in (1)", "p q"),
        ("drop table a, b", "a b"),
        ("drop index i", "i"),
        ("create view v as select 1", "v"),
        ("create table t as select 1", "t"),
        ("create temporary table t(a int)", ""),
        ("alter table a rename to b", "a"),
        ("truncate t", ""),
        ("update t set a = 1", ""),
        ("grant select on t to bob", ""),
    ] {
        let dotted = |name: &RelationName| match &name.schema {
            Some(schema) => format!("{schema}.{}", name.name),
            None => name.name.clone(),
        };
        let found: Vec<String> = concern(sql).names.iter().map(dotted).collect();
        assert_eq!(found.join(" "), names, "{sql}");
    }
    assert!(concern("drop table t cascade").cascades);
    assert_eq!(concern("alter schema a rename to b").schemas, ["a"]);
    assert_eq!(concern("drop schema a").schemas, ["a"]);
}
