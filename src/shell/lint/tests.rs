//! Directories in, reports out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

mod before;

use std::fs;
use std::path::Path;

use clap::Parser;

use super::report::{Found, Outcome, Report};
use super::{Args, github, report, sarif, text};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

struct Project {
    directory: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { directory }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Words with `@` before what is a path in the project.
    fn lint(&self, words: &str) -> Result<Report, String> {
        let words = words.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => self.path().join(name).to_string_lossy().trim_end_matches('/').to_owned(),
            None => word.to_owned(),
        });
        let line = Line::try_parse_from(std::iter::once("lint".to_owned()).chain(words)).map_err(|e| e.to_string())?;
        report(&line.args).map_err(|error| self.masked(&error.to_string()))
    }

    fn masked(&self, text: &str) -> String {
        text.replace(&*self.path().to_string_lossy(), "DIR")
    }
}

/// `file:line verdict rules; transaction`, for each statement.
fn shown(project: &Project, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &report.files {
        let path = project.masked(&file.path).replace("DIR/", "");
        for judged in &file.statements {
            let mut rules: Vec<&str> = judged.findings.iter().map(|finding| finding.rule.as_str()).collect();
            rules.extend(judged.problems.iter().map(|problem| problem.rule));
            let place = &judged.place;
            let (verdict, number) = (judged.verdict.word(), judged.transaction.number);
            lines.push(format!("{path}:{}:{} {verdict} {} t{number}", place.line, place.column, rules.join(",")));
        }
    }
    lines
}

fn check(files: &[(&str, &str)], words: &str, expected: &[&str]) {
    let project = Project::new(files);
    let report = project.lint(words).unwrap_or_else(|error| panic!("{words}: {error}"));
    assert_eq!(shown(&project, &report), expected, "{words}");
}

const INDEX: &str = "create index on orders (a);";
const TWO: &str = "create index on orders (a);\ncreate index on orders (b);";

#[test]
fn every_tool_has_its_transactions() {
    check(&[("a.sql", TWO)], "@a.sql", &["a.sql:1:1 rewrite create-index t1", "a.sql:2:1 rewrite create-index t2"]);
    check(&[("V1__a.sql", INDEX)], "@", &["V1__a.sql:1:1 refuse create-index t1"]);
    check(
        &[("V1__a.sql", INDEX), ("V1__a.sql.conf", "executeInTransaction = false\n")],
        "@",
        &["V1__a.sql:1:1 rewrite create-index t1"],
    );
    // As Flyway does by itself.
    check(&[("V1__a.sql", "create index concurrently on orders (a);")], "@", &["V1__a.sql:1:1 pass  t1"]);
    // It does not start on a file of both kinds, unless it is told to.
    let both = "create index concurrently on orders (a);\nselect 1;";
    check(&[("V1__a.sql", both)], "@", &["V1__a.sql:1:1 pass transaction-block t1", "V1__a.sql:2:1 pass  t1"]);
    check(
        &[("flyway.conf", "flyway.mixed = true\n"), ("sql/V1__a.sql", both)],
        "@sql",
        &["sql/V1__a.sql:1:1 pass  t1", "sql/V1__a.sql:2:1 pass  t2"],
    );
    assert!(Project::new(&[("V1__a.sql", both)]).lint("@").unwrap().failed);
    check(&[("m/1/migration.sql", INDEX)], "@m", &["m/1/migration.sql:1:1 rewrite create-index t1"]);
    check(
        &[("prisma/migrations/1/migration.sql", TWO)],
        "@",
        &[
            "prisma/migrations/1/migration.sql:1:1 refuse create-index t1",
            "prisma/migrations/1/migration.sql:2:1 refuse create-index t1",
        ],
    );
    check(&[("1_a.up.sql", INDEX), ("1_a.down.sql", INDEX)], "@", &["1_a.up.sql:1:1 rewrite create-index t1"]);
    check(
        &[("1_a.up.sql", INDEX), ("1_a.down.sql", INDEX)],
        "@1_a.down.sql",
        &["1_a.down.sql:1:1 rewrite create-index t1"],
    );
    check(
        &[("Cargo.toml", ""), ("migrations/1_a.sql", INDEX)],
        "@",
        &["migrations/1_a.sql:1:1 refuse create-index t1"],
    );
    let alone = format!("-- no-transaction\n{INDEX}");
    check(&[("1_a.sql", &alone)], "@", &["1_a.sql:2:1 rewrite create-index t1"]);
    let goose = format!("-- +goose Up\n{INDEX}\n-- +goose Down\ndrop table orders;");
    check(&[("1_a.sql", &goose)], "@", &["1_a.sql:2:1 refuse create-index t1"]);
    check(&[("1_a.sql", &format!("-- +goose NO TRANSACTION\n{goose}"))], "@", &["1_a.sql:3:1 rewrite create-index t1"]);
    let dbmate = format!("-- migrate:up transaction:false\n{INDEX}\n-- migrate:down\ndrop table orders;");
    check(&[("1_a.sql", &dbmate)], "@", &["1_a.sql:2:1 rewrite create-index t1"]);
}

#[test]
fn what_refuses_a_transaction_is_told() {
    let concurrently = "create index concurrently on orders (a);";
    check(&[("1_a.sql", &format!("-- +goose Up\n{concurrently}"))], "@", &["1_a.sql:2:1 pass transaction-block t1"]);
    check(&[("1_a.up.sql", concurrently)], "@", &["1_a.up.sql:1:1 pass  t1"]);
    let two = format!("select 1;\n{concurrently}");
    check(&[("1_a.up.sql", &two)], "@", &["1_a.up.sql:1:1 pass  t1", "1_a.up.sql:2:1 pass transaction-block t1"]);
    check(&[("a.sql", &two)], "@", &["a.sql:1:1 pass  t1", "a.sql:2:1 pass  t2"]);
}

#[test]
fn what_the_run_made_is_no_hazard() {
    let files = [
        ("V1__a.sql", "create table t (id bigint primary key, a varchar(10));\ncreate index on t (a);"),
        ("V2__b.sql", "alter table t alter a type varchar(20);\nalter table t add check (id > 0);"),
    ];
    let harmless =
        ["V1__a.sql:1:1 pass  t1", "V1__a.sql:2:1 pass  t1", "V2__b.sql:1:1 bounded  t2", "V2__b.sql:2:1 bounded  t2"];
    check(&files, "@", &harmless);
    // A schema that is given is in use: its tables are large, and their columns known.
    let given = ["V2__b.sql:1:1 bounded  t1", "V2__b.sql:2:1 refuse add-check t1"];
    check(&files, "@V2__b.sql --schema @V1__a.sql", &given);
    check(
        &files,
        "@V2__b.sql --schema @V1__a.sql --assume-rows 10",
        &["V2__b.sql:1:1 bounded  t1", "V2__b.sql:2:1 bounded  t1"],
    );
    check(&files, "@V2__b.sql", &["V2__b.sql:1:1 refuse change-type t1", "V2__b.sql:2:1 refuse add-check t1"]);
}

#[test]
fn explicit_transactions_are_followed() {
    let text = "begin;\ncreate table t (a int);\ncreate index on t (a);\ncommit;\ndrop table t;\nstart transaction;\nselect 1;";
    check(
        &[("a.sql", text)],
        "@a.sql",
        &[
            "a.sql:1:1 pass  t1",
            "a.sql:2:1 pass  t1",
            "a.sql:3:1 pass  t1",
            "a.sql:4:1 pass  t1",
            "a.sql:5:1 hold drop-table t2",
            "a.sql:6:1 pass  t3",
            "a.sql:7:1 pass  t3",
        ],
    );
    let project = Project::new(&[("a.sql", text)]);
    let report = project.lint("@a.sql").unwrap();
    assert_eq!(report.files[0].notes, ["the transaction that begins in line 6 is not ended in the file"]);
}

#[test]
fn transactions_chain_and_are_prepared() {
    let text = "begin;\ncommit and chain;\ncreate index on orders (a);\nprepare transaction 'x';\nvacuum orders;";
    let expected = [
        "a.sql:1:1 pass  t1",
        "a.sql:2:1 pass  t1",
        "a.sql:3:1 refuse create-index t2",
        "a.sql:4:1 pass  t2",
        "a.sql:5:1 pass  t3",
    ];
    check(&[("a.sql", text)], "@a.sql", &expected);
}

#[test]
fn what_psql_sends_together() {
    let text = "alter table orders add x int\\; create index concurrently on orders (a);\nselect 1;";
    let expected = ["a.sql:1:1 bounded  t1", "a.sql:1:32 pass transaction-block t1", "a.sql:2:1 pass  t2"];
    check(&[("a.sql", text)], "@a.sql", &expected);
}

#[test]
fn what_another_session_or_file_did() {
    let temporary = ("1.sql", "create temp table t (a int);\ncreate table u (a int);");
    let later = ("2.sql", "alter table t alter a type text;\n\\copy u from 'x'\nalter table u alter a type text;");
    let project = Project::new(&[temporary, later]);
    let shown = shown(&project, &project.lint("@").unwrap());
    assert_eq!(shown[2..], ["2.sql:1:1 hold change-type t3", "2.sql:3:1 hold change-type t4"], "{shown:?}");
}

#[test]
fn what_a_tool_runs_besides_is_told() {
    let files = [
        ("V1__a.sql", "select 1;"),
        ("V2__B.java", ""),
        ("beforeMigrate.sql", "drop table t;"),
        ("afterMigrate__x.sql", "drop table u;"),
    ];
    let project = Project::new(&files);
    let report = project.lint("@").unwrap();
    let judged: Vec<String> = shown(&project, &report).iter().map(|line| line.split(' ').take(2).collect()).collect();
    assert_eq!(judged, ["beforeMigrate.sql:1:1hold", "V1__a.sql:1:1pass", "afterMigrate__x.sql:1:1hold"]);
    let notes: Vec<&String> = report.files.iter().flat_map(|file| &file.notes).collect();
    assert!(matches!(notes.as_slice(), [note] if note.contains("a program")), "{notes:?}");
}

#[test]
fn plain_scripts_may_lie_deep() {
    let files =
        [("2024/1.sql", "drop table a;"), ("2025/2.SQL", "drop table b;"), ("2025/down/2.sql", "drop table c;")];
    check(&files, "@", &["2024/1.sql:1:1 hold drop-table t1", "2025/2.SQL:1:1 hold drop-table t2"]);
    let goose = ("1_a.sql", "--+goose Up\ndrop table a;\n--+goose Down\ndrop table b;");
    let project = Project::new(&[goose, ("old/2_b.sql", "drop table c;")]);
    let report = project.lint("@").unwrap();
    assert_eq!(shown(&project, &report), ["1_a.sql:2:1 hold drop-table t1"]);
    let notes: Vec<&String> = report.files.iter().flat_map(|file| &file.notes).collect();
    assert!(matches!(notes.as_slice(), [note] if note.contains("a directory below")), "{notes:?}");
}

#[test]
fn a_dump_is_read() {
    let dump = "\\restrict abc\nSET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
                CREATE TABLE public.t (\n    id integer\n);\nCOPY public.t (id) FROM stdin;\n1\n2;'\n\\.\n\n\
                ALTER TABLE ONLY public.t ADD CONSTRAINT t_pkey PRIMARY KEY (id);\n\\unrestrict abc\n";
    let project = Project::new(&[("dump.sql", dump)]);
    let report = project.lint("@dump.sql").unwrap();
    assert_eq!(report.summary.statements, 5);
    assert_eq!((report.summary.rewrite, report.summary.hold, report.summary.refuse), (0, 0, 0));
    assert_eq!(report.files[0].notes.len(), 2);
}

#[test]
fn mistakes_have_a_place() {
    let text = "select 1;\ncreate table t (a int, b int int);\nselect :x;\ndrop table u;";
    let project = Project::new(&[("a.sql", text)]);
    let report = project.lint("@a.sql").unwrap();
    let expected = [
        "a.sql:1:1 pass  t1",
        "a.sql:2:30 refuse unreadable t2",
        "a.sql:3:8 refuse unreadable t3",
        "a.sql:4:1 hold drop-table t4",
    ];
    assert_eq!(shown(&project, &report), expected);
    assert!(report.files[0].statements[2].notes[0].contains("variable"));
    let bad = Project::new(&[("b.sql", "")]);
    fs::write(bad.path().join("b.sql"), b"select 1;\nselect '\xff'").unwrap();
    assert!(bad.lint("@b.sql").unwrap_err().starts_with("DIR/b.sql:2:9: this is not UTF-8"));
}

#[test]
fn what_cannot_be_judged_is_said() {
    let error = |files: &[(&str, &str)], words: &str| Project::new(files).lint(words).unwrap_err();
    assert!(error(&[], "@nosuch.sql").contains("cannot be read"));
    assert!(error(&[("readme.md", "")], "@").contains("has no .sql file"));
    assert!(error(&[("alembic.ini", ""), ("versions/1.py", "")], "@").contains("alembic upgrade --sql head"));
    assert!(
        error(&[("alembic.ini", ""), ("al/env.py", ""), ("al/versions/1.py", "")], "@al/versions")
            .contains("cd DIR &&")
    );
    assert!(error(&[("manage.py", "")], "@").contains("sqlmigrate"));
    let app = [("manage.py", ""), ("app/migrations/0001_initial.py", "")];
    let told = error(&app, "@app/migrations");
    assert!(told.contains("sqlmigrate") && !told.contains("app/migrations &&"), "{told}");
    assert!(error(&[("db/migrate/1_a.rb", "")], "@").contains("Ruby"));
    assert!(error(&[("a.sql", "")], "@a.sql --policy nosuch").contains("there are defer, observe, standard, strict"));
    assert!(error(&[("a.sql", "")], "@a.sql --target nosuch").contains("the configuration has default"));
    assert!(error(&[("a.sql", "")], "@a.sql --since HEAD").contains("git"));
}

#[test]
fn comments_may_say_that_it_is_meant_so() {
    let text = "-- lockkeeper:ignore drop-table nobody reads it\ndrop table t;\n-- lockkeeper:ignore drop-table\ndrop table u;";
    let expected = ["a.sql:2:1 bounded  t1", "a.sql:4:1 hold drop-table,ignore-comment t2"];
    check(&[("a.sql", text)], "@a.sql", &expected);
    let stale = "-- lockkeeper:ignore drop-column it was there once\nselect 1;";
    check(&[("a.sql", stale)], "@a.sql", &["a.sql:2:1 pass ignore-comment t1"]);
    let strict = ["a.sql:2:1 hold drop-table t1", "a.sql:4:1 hold drop-table t2"];
    check(&[("a.sql", text)], "@a.sql --no-ignore", &strict);
}

#[test]
fn the_policy_is_the_configurations() {
    let config = "[[targets]]\nname = \"main\"\npolicy = \"mine\"\n[[policy.mine.rules]]\nroles = [\"dba\"]\n\
                  responses = { drop-table = \"pass\" }\n[[policy.mine.rules]]\n";
    let project = Project::new(&[("gateway.toml", config), ("a.sql", "drop table t;")]);
    let verdict = |words: &str| project.lint(&format!("@a.sql --config @gateway.toml {words}")).unwrap();
    assert_eq!(verdict("").files[0].statements[0].verdict, Outcome::Hold);
    assert!(verdict("").failed && !verdict("--fail-on refuse").failed);
    assert_eq!(verdict("--role dba").files[0].statements[0].verdict, Outcome::Bounded);
    assert_eq!(verdict("--policy strict").files[0].statements[0].verdict, Outcome::Hold);
    let observed = verdict("--policy observe");
    assert!(observed.observe && observed.files[0].statements[0].verdict == Outcome::Hold);
}

/// The strictest verdict of a string's statements is what the gateway would answer to the string.
#[test]
fn several_statements_in_one_string() {
    for (text, expected) in [
        ("select 1; drop table t", "hold"),
        ("create index on orders (a); drop table t", "refuse"),
        ("create table new (a bigint primary key, b int); create index on new (b)", "pass"),
        ("alter table orders add a int; select 1", "bounded"),
    ] {
        let project = Project::new(&[("1_a.up.sql", text)]);
        let report = project.lint("@1_a.up.sql").unwrap();
        let worst = report.files[0].statements.iter().map(|judged| judged.verdict).max().unwrap();
        assert_eq!(worst.word(), expected, "{text}");
    }
}

const MIXED: &str = "-- the first\nBEGIN;\nALTER TABLE orders ALTER COLUMN total SET NOT NULL;\nCREATE INDEX CONCURRENTLY \
                     o_t ON orders (total);\nCOMMIT;\n-- lockkeeper:ignore drop-table nobody reads it\nDROP TABLE legacy;\n\
                     CREATE INDEX orders_customer ON orders\n  (customer_id);\n\\i other.sql\nALTER TABLE orders ADD COLUM x int;\n\
                     ALTER ROLE \"bøb\" PASSWORD 'hunter2';\n";

fn printed(print: impl Fn(&Report, &mut dyn std::io::Write) -> std::io::Result<()>) -> String {
    let project = Project::new(&[("a.sql", MIXED)]);
    let report = project.lint("@a.sql").unwrap();
    let mut out = Vec::new();
    print(&report, &mut out).unwrap();
    let text = project.masked(&String::from_utf8(out).unwrap());
    assert!(!text.contains("hunter2"), "{text}");
    text
}

#[test]
fn formats() {
    let style = text::Style { colours: false, all: true };
    insta::assert_snapshot!("text", printed(|report, out| text::print(report, &style, out)));
    insta::assert_snapshot!("github", printed(github::print));
    insta::assert_snapshot!("json", printed(super::json));
    let log = printed(sarif::print).replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!("sarif", log);
}

const TABLE: &str = "create table \"Orders\" (\n    id int primary key,\n    customer bigint\n        references customers,\n    \
                     at timestamp\n);\n";

/// `line:column-column word rule`, for each finding.
fn places(report: &Report) -> Vec<String> {
    let findings = report.files.iter().flat_map(|file| &file.statements).flat_map(|judged| &judged.findings);
    let place = |found: &Found| {
        let place = found.place.as_ref().expect("a place");
        format!("{}:{}-{} {} {}", place.line, place.column, place.end_column, found.verdict.word(), found.rule)
    };
    findings.map(place).collect()
}

#[test]
fn definitions_have_places() {
    let project = Project::new(&[("a.sql", TABLE)]);
    let report = project.lint("@a.sql").unwrap();
    assert!(!report.failed);
    let found = [
        "1:14-22 warn quoted-name",
        "2:8-11 warn integer-key",
        "4:9-19 warn foreign-key-index",
        "5:8-17 warn timestamp-without-zone",
    ];
    assert_eq!(places(&report), found);
    let mut out = Vec::new();
    text::print(&report, &text::Style { colours: false, all: false }, &mut out).unwrap();
    let out = project.masked(&String::from_utf8(out).unwrap());
    insta::assert_snapshot!("definitions", out);
}

#[test]
fn what_a_definition_lacks_may_come_later() {
    let made = "create table t (a bigint references customers);";
    let lacks = ["a.sql:1:1 warn no-primary-key,foreign-key-index t1"];
    check(&[("a.sql", made)], "@a.sql", &lacks);
    let later = "create index on public.t (a);\nalter table t add primary key (a);";
    let report = Project::new(&[("a.sql", made), ("b.sql", later)]);
    let shown = shown(&report, &report.lint("@").unwrap());
    assert_eq!(shown[0], "a.sql:1:1 bounded  t1");
    // The key makes the index superfluous, and that is known from the run alone.
    assert!(shown[2].contains("redundant-index"), "{shown:?}");
}

#[test]
fn names_fit_the_configurations_patterns_and_comments_within_count() {
    let config = "[naming]\nindex = 'ix_{table}_{columns}'\n[[targets]]\nname = \"main\"\npolicy = \"mine\"\n\
                  [[policy.mine.rules]]\nresponses = { naming = \"refuse\", serial-column = \"pass\" }\n";
    let sql = "create index concurrently ix_t_a on t (a);\ncreate index concurrently t_a on t (a);\n\
               create table u (\n    id bigserial primary key,\n    -- lockkeeper: ignore json-column kept byte by byte\n    \
               raw json\n);";
    let project = Project::new(&[("gateway.toml", config), ("a.sql", sql)]);
    let report = project.lint("@a.sql --config @gateway.toml").unwrap();
    let expected = ["a.sql:1:1 pass  t1", "a.sql:2:1 refuse naming,redundant-index t2", "a.sql:3:1 pass  t3"];
    assert_eq!(shown(&project, &report), expected);
    assert_eq!(report.files[0].statements[2].ignored[0].reason, "kept byte by byte");
}
