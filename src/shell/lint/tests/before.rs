//! What ran before a statement: since a commit, in programs, in sessions.

use std::process::Command;

use super::{Project, check, shown};

impl Project {
    fn git(&self, arguments: &[&str]) {
        let who = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let done = Command::new("git").args(who).args(arguments).current_dir(self.path()).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

const MADE: &str = "create table a (id bigint primary key, n int);\ncreate index on a (n);";
const LATER: &str = "alter table a alter n type bigint;";

/// What is judged, after a file was changed as `change` says.
fn since(change: impl Fn(&Project)) -> Vec<String> {
    let project = Project::new(&[("001_a.sql", MADE)]);
    project.git(&["init", "-q"]);
    project.git(&["add", "."]);
    project.git(&["commit", "-qm", "one"]);
    std::fs::write(project.path().join("002_b.sql"), LATER).unwrap();
    change(&project);
    shown(&project, &project.lint("@ --since HEAD").unwrap())
}

#[test]
fn what_a_touched_file_made_before_is_not_new() {
    let write = |project: &Project, text: &str| std::fs::write(project.path().join("001_a.sql"), text).unwrap();
    let held = "002_b.sql:1:1 hold change-type t1";
    assert_eq!(since(|_| {}), [held]);
    assert_eq!(since(|project| write(project, &format!("-- of the shop\n{MADE}"))), [held]);
    assert_eq!(since(|project| project.git(&["mv", "001_a.sql", "000_a.sql"])), [held]);
    let more = format!("{MADE}\ncreate table c (id bigint primary key, n int);\ncreate index on c (n);");
    let changed = since(|project| write(project, &more));
    let expected = [
        "001_a.sql:1:1 pass  t1",
        "001_a.sql:2:1 rewrite create-index,redundant-index t2",
        "001_a.sql:3:1 pass  t3",
        "001_a.sql:4:1 bounded  t4",
        "002_b.sql:1:1 hold change-type t5",
    ];
    assert_eq!(changed, expected);
    let new = |project: &Project| std::fs::write(project.path().join("0015_n.sql"), "create table n (n int);").unwrap();
    assert_eq!(since(new).len(), 2);
}

#[test]
fn what_django_cannot_write_as_sql_may_fill_tables() {
    let made = "create table t (id bigint primary key, qty int);\n";
    let change = "alter table t alter qty type bigint;";
    for words in
        ["THIS OPERATION CANNOT BE WRITTEN AS SQL", "MIGRATION NOW PERFORMS OPERATION THAT CANNOT BE WRITTEN AS SQL:"]
    {
        let program = format!("--\n-- Raw Python operation\n--\n-- {words}\n");
        let held = "alter table t alter qty type bigint;";
        let text = format!("{made}{program}{held}");
        check(&[("a.sql", &text)], "@a.sql", &["a.sql:1:1 pass  t1", "a.sql:6:1 hold change-type t2"]);
        // At the end of a file, too.
        let files = [("a.sql", format!("{made}{program}")), ("b.sql", change.to_owned())];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let project = Project::new(&files);
        let report = project.lint("@").unwrap();
        assert_eq!(shown(&project, &report)[1], "b.sql:1:1 hold change-type t2");
        assert!(report.files[0].notes[0].contains("not judged"), "{:?}", report.files[0].notes);
    }
}

#[test]
fn programs_fill_tables_in_their_place() {
    let change = "alter table t alter a type text;";
    let files =
        |program: &'static str| [("V1__a.sql", "create table t (a int);"), (program, ""), ("V3__c.sql", change)];
    let last = |program: &'static str| {
        let project = Project::new(&files(program));
        shown(&project, &project.lint("@").unwrap()).pop().unwrap()
    };
    assert_eq!(last("V2__B.java"), "V3__c.sql:1:1 refuse change-type t3");
    assert_eq!(last("V4__B.java"), "V3__c.sql:1:1 bounded  t2");
    assert_eq!(last("notes.sql"), "V3__c.sql:1:1 bounded  t2");
    let goose = |text: &str| format!("-- +goose Up\n{text}");
    let (made, change) = (goose("create table t (a int);"), goose(change));
    let project = Project::new(&[("1_a.sql", &made), ("2_b.go", ""), ("3_c.sql", &change)]);
    assert_eq!(shown(&project, &project.lint("@").unwrap())[1], "3_c.sql:2:1 refuse change-type t3");
}

#[test]
fn the_path_that_a_file_sets_is_told_where_it_is_not_known() {
    let made = ("1.sql", "set search_path = app;\ncreate table t (a int);");
    let change = ("2.sql", "alter table t alter a type text;");
    let project = Project::new(&[made, change]);
    let report = project.lint("@").unwrap();
    assert_eq!(shown(&project, &report)[2], "2.sql:1:1 hold change-type t3");
    assert!(report.files[1].notes[0].starts_with("an earlier file sets search_path"), "{:?}", report.files[1].notes);
    // Flyway puts it back.
    let report = Project::new(&[("V1__a.sql", made.1), ("V2__b.sql", change.1)]).lint("@").unwrap();
    assert!(report.files[1].notes.is_empty());
    let unclear = "select set_config('search_path', current_user, false);\ndrop table t;";
    let project = Project::new(&[("1.sql", unclear)]);
    let report = project.lint("@").unwrap();
    assert!(report.files[0].notes[0].starts_with("line 1: what search_path is set to is not known"));
    assert_eq!(project.lint("@ --schema-name app").unwrap().files[0].statements.len(), 2);
}

#[test]
fn one_statement_of_two_parts_shares_its_transaction_with_nobody() {
    let project = Project::new(&[("a.sql", "discard all;")]);
    let report = project.lint("@a.sql").unwrap();
    assert_eq!(report.files[0].statements[0].transaction.words, "a transaction of its own");
}
