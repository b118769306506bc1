//! Everything written reads back as one statement; names survive.

use super::super::statement::{AlterKind, Change, Statement};
use super::*;

fn odd_names() -> [&'static str; 10] {
    ["t", "Order", "order", "user", "a b", "a\"b", "a'b", "ä", "_x1", "1a\\"]
}

#[test]
fn quoting() {
    for (name, expected) in
        [("t", "t"), ("select", "\"select\""), ("Order", "\"Order\""), ("a\"b", "\"a\"\"b\""), ("", "\"\"")]
    {
        assert_eq!(quote_ident(name), expected);
    }
    for (value, expected) in [("a", "'a'"), ("it's", "'it''s'"), ("a\\'b", "E'a\\\\''b'")] {
        assert_eq!(quote_literal(value), expected);
    }
    assert!(KEYWORDS.is_sorted());
}

#[test]
fn all_that_is_written_reads_back() {
    for name in odd_names() {
        let table = RelationName { schema: Some(name.to_owned()), name: name.to_owned() };
        for sql in [
            create_index_concurrently(&table, name, true, "USING btree (a)"),
            drop_index_concurrently(&table),
            add_constraint_not_valid(&table, name, "CHECK (a > 0)"),
            add_not_null_guard(&table, name, name),
            validate_constraint(&table, name),
            drop_constraint(&table, name),
            add_constraint_using_index(&table, name, true, name, "DEFERRABLE"),
            set_not_null(&table, name),
            drop_not_null(&table, name),
            set_default(&table, name, "a + 1"),
            drop_default(&table, name),
            drop_column(&table, name),
            probe_column(&table, name),
            probe_not_null(&table, name),
            probe_default(&table, name),
            probe_constraint(&table, name),
            probe_validated(&table, name),
            probe_index_valid(&table, name),
            probe_index_leftover(&table, name),
            probe_not(&probe_column(&table, name)),
        ] {
            let reading = read::read(&sql).unwrap();
            let relation = match &reading.statements[0].statement {
                Statement::Change(Change::AlterTable(alter)) => Some(&alter.relation),
                Statement::Change(Change::CreateIndex(create)) => Some(&create.relation),
                _ => None,
            };
            assert!(relation.is_none_or(|relation| *relation == table), "{sql}");
            assert_eq!(checked(sql.clone()), Ok(sql));
        }
    }
}

#[test]
fn a_column_without_its_constraints() {
    for (written, bare, with_default) in [
        ("c int not null default 5 check (c > 0)", "ADD COLUMN c int", "ADD COLUMN c int DEFAULT (5)"),
        (
            "if not exists \"C\" varchar(20) collate \"C\" default 'x' || 'y'",
            "ADD COLUMN IF NOT EXISTS \"C\" varchar(20) COLLATE \"C\"",
            "ADD COLUMN IF NOT EXISTS \"C\" varchar(20) COLLATE \"C\" DEFAULT ('x' || 'y')",
        ),
        (
            "c text storage external compression pglz default (a in (1))",
            "ADD COLUMN c text STORAGE external COMPRESSION pglz",
            "ADD COLUMN c text STORAGE external COMPRESSION pglz DEFAULT (a IN (1))",
        ),
        ("c bigserial", "ADD COLUMN c bigint", "ADD COLUMN c bigint"),
    ] {
        let reading = read::read(&format!("alter table s.t add column {written}")).unwrap();
        let Statement::Change(Change::AlterTable(alter)) = &reading.statements[0].statement else {
            panic!("{written}")
        };
        let AlterKind::AddColumn(column) = &alter.actions[0].kind else { panic!("{written}") };
        assert_eq!(checked(add_column(&alter.relation, column, false)), Ok(format!("ALTER TABLE s.t {bare}")));
        assert_eq!(checked(add_column(&alter.relation, column, true)), Ok(format!("ALTER TABLE s.t {with_default}")));
    }
}

#[test]
fn only_one_statement_is_accepted() {
    assert!(checked("select 1; select 2".to_owned()).is_err());
    assert!(checked(String::new()).is_err());
    assert!(checked("selec".to_owned()).is_err());
    assert!(checked("with a as (delete from x) delete from y".to_owned()).is_ok());
}
