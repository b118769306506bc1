//! `lockkeeper lint`: migration directories of every tool without a server, and with one; and its answers are
//! those the gateway gives to the same statements over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proto_tests::gateway::{Linted, lint};
use proto_tests::{Gateway, GatewayOptions, Server, case};
use serde_json::Value;

static SERVER: LazyLock<Server> = LazyLock::new(case::prepared);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")
}

fn json(linted: &Linted) -> Value {
    serde_json::from_str(&linted.out).unwrap_or_else(|error| panic!("{error}: {}{}", linted.out, linted.err))
}

fn statements(report: &Value) -> Vec<&Value> {
    let files = report["files"].as_array().unwrap();
    files.iter().flat_map(|file| file["statements"].as_array().unwrap()).collect()
}

/// A statement says what is expected of it in the line before it: `-- expect: verdict rule,rule`.
fn expected(directory: &Path, file: &Value, statement: &Value) -> Option<String> {
    let text = std::fs::read_to_string(directory.join(file["path"].as_str().unwrap())).unwrap();
    let line = usize::try_from(statement["place"]["line"].as_u64().unwrap()).unwrap();
    let before = text.lines().nth(line.checked_sub(2)?)?;
    before.strip_prefix("-- expect: ").map(|said| said.trim().to_owned())
}

fn said(statement: &Value) -> String {
    let mut rules: Vec<&str> =
        statement["findings"].as_array().unwrap().iter().map(|f| f["rule"].as_str().unwrap()).collect();
    rules.extend(statement["problems"].as_array().unwrap().iter().map(|p| p["rule"].as_str().unwrap()));
    rules.dedup();
    format!("{} {}", statement["verdict"].as_str().unwrap(), rules.join(",")).trim().to_owned()
}

#[test]
fn every_tools_directory_is_judged_as_its_files_say() {
    let mut seen = 0;
    for (directory, tool, files) in [
        ("flyway", "Flyway", 5),
        ("prisma", "Prisma", 3),
        ("sqlx", "sqlx", 3),
        ("goose", "goose", 3),
        ("golang-migrate", "golang-migrate", 3),
        ("dbmate", "dbmate", 2),
        ("plain", "a plain script", 3),
    ] {
        let mut arguments = vec!["--format", "json", directory];
        if directory == "sqlx" {
            arguments.extend(["--tool", "sqlx"]);
        }
        let linted = lint(&corpus(), &arguments, "");
        assert!(linted.code < 2, "{directory}: {}", linted.err);
        let report = json(&linted);
        assert_eq!(report["files"].as_array().unwrap().len(), files, "{directory}");
        for file in report["files"].as_array().unwrap() {
            assert_eq!(file["tool"], tool);
            for statement in file["statements"].as_array().unwrap() {
                let at = format!("{}:{}", file["path"], statement["place"]["line"]);
                let expected = expected(&corpus(), file, statement).unwrap_or_else(|| "pass".to_owned());
                assert_eq!(said(statement), expected, "{at}: {statement:#}");
                seen += 1;
            }
        }
    }
    assert!(seen > 40, "only {seen} statements");
}

#[test]
fn exit_codes_and_errors() {
    let run = |arguments: &[&str]| lint(&corpus(), arguments, "");
    assert_eq!(run(&["plain", "--fail-on", "refuse"]).code, 1);
    assert_eq!(run(&["golang-migrate/000001_tables.up.sql", "--fail-on", "observed"]).code, 2, "no verdict to fail on");
    assert_eq!(lint(&corpus(), &["-", "--fail-on", "bounded"], "alter table orders add x int;").code, 1);
    assert_eq!(run(&["golang-migrate/000001_tables.up.sql", "--fail-on", "warn"]).code, 0);
    assert_eq!(run(&["golang-migrate/000001_tables.up.sql", "--fail-on", "pass"]).code, 1);
    for (arguments, words) in [
        (vec!["nosuch.sql"], "cannot be read"),
        (vec!["--config", "nosuch.toml", "plain"], "nosuch.toml"),
        (vec!["--database-url", "postgres://a@127.0.0.1:1/d", "plain"], "cannot be asked"),
    ] {
        let linted = run(&arguments);
        assert_eq!(linted.code, 2, "{arguments:?}");
        assert!(linted.err.contains(words), "{}", linted.err);
        assert_eq!(linted.out, "");
    }
    let piped = lint(&corpus(), &["-"], "BEGIN;\nALTER TABLE orders ALTER a SET NOT NULL;\nCOMMIT;\n");
    assert_eq!(piped.code, 1);
    assert!(piped.out.contains("<standard input>:2:1") && !piped.out.contains('\u{1b}'), "{}", piped.out);
    let coloured = lint(&corpus(), &["-", "--color", "always"], "drop table t;");
    assert!(coloured.out.contains('\u{1b}'));
}

#[test]
fn only_new_files_are_judged_since_a_commit() {
    let place = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(arguments);
        let done = command.current_dir(place.path()).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
    git(&["init", "-q"]);
    write("001_a.sql", "create table t (a varchar(10));\ndrop table gone;");
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    write("002_b.sql", "alter table t alter a type varchar(20);\nalter table t alter a set not null;");
    let linted = lint(place.path(), &["--since", "HEAD", "--format", "json", "."], "");
    let report = json(&linted);
    let verdicts: Vec<String> = statements(&report).into_iter().map(said).collect();
    assert_eq!(verdicts, ["bounded", "rewrite set-not-null"]);
}

/// What SARIF 2.1.0 requires (section 3 of the standard): of a log, a run, a tool, a result, a location, a rule.
#[test]
fn sarif_has_what_the_standard_requires() {
    let linted = lint(&corpus(), &["plain", "--format", "sarif"], "");
    let log = json(&linted);
    assert_eq!(log["version"], "2.1.0");
    let [run] = log["runs"].as_array().unwrap().as_slice() else { panic!("one run: {log}") };
    let driver = &run["tool"]["driver"];
    assert!(driver["name"].is_string());
    let rules: Vec<&str> =
        driver["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    let levels = ["none", "note", "warning", "error"];
    let results = run["results"].as_array().unwrap();
    assert!(results.len() > 3);
    for result in results {
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(levels.contains(&result["level"].as_str().unwrap()));
        assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
        for location in result["locations"].as_array().unwrap() {
            let place = &location["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(corpus().join(uri).is_file(), "{uri}");
            let number = |name: &str| place["region"][name].as_u64().unwrap();
            assert!(number("startLine") >= 1 && number("startColumn") >= 1);
            let (start, end) = ((number("startLine"), number("startColumn")), (number("endLine"), number("endColumn")));
            assert!(start < end, "{result}");
        }
        for suppression in result["suppressions"].as_array().into_iter().flatten() {
            assert!(["inSource", "external"].contains(&suppression["kind"].as_str().unwrap()));
        }
    }
    assert!(results.iter().any(|result| result["suppressions"].is_array()), "one is ignored");
    for invocation in run["invocations"].as_array().unwrap() {
        assert!(invocation["executionSuccessful"].is_boolean());
        for told in invocation["toolExecutionNotifications"].as_array().into_iter().flatten() {
            assert!(told["message"]["text"].is_string());
        }
    }
    assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
}

fn url(database: &str) -> String {
    format!("postgres://alice@{}/{database}", SERVER.address)
}

fn live(database: &str, text: &str, more: &[&str]) -> Value {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("1_m.up.sql"), text).unwrap();
    let url = url(database);
    let mut arguments = vec!["--format", "json", "--database-url", &url];
    arguments.extend(more);
    arguments.push("1_m.up.sql");
    json(&lint(place.path(), &arguments, ""))
}

#[test]
fn a_server_knows_what_is_large() {
    let database = SERVER.database("lint_sizes", "fixture");
    let verdicts = |text: &str| -> Vec<String> {
        statements(&live(&database, text, &["--tool", "plain"])).into_iter().map(said).collect()
    };
    assert_eq!(
        verdicts("create index on orders (amount);\ncreate index on ledger (note);\nalter table nosuch add b int;"),
        ["rewrite create-index", "bounded", "pass"]
    );
    // The column's type is known, and so is what an earlier statement made of it.
    assert_eq!(
        verdicts("alter table ledger add column v varchar(9);\nalter table ledger alter v type varchar(10);"),
        ["bounded", "bounded"]
    );
    let before = SERVER.sql(&database, "select count(*), max(oid) from pg_class");
    let report = live(&database, "drop table orders;", &[]);
    assert_eq!(report["facts"]["source"], "server");
    assert_eq!(report["facts"]["server_version"].as_u64().unwrap() / 10_000, u64::from(SERVER.major));
    assert_eq!(SERVER.sql(&database, "select count(*), max(oid) from pg_class"), before, "nothing was executed");
}

/// What the run sets of its session holds for its look-ups, and what is nowhere may be dropped if it exists.
#[test]
fn the_run_says_where_names_are_found() {
    let database = SERVER.database("lint_path", "fixture");
    let made = "create schema hidden; create schema app; grant usage on schema app to alice; \
                create table app.things as select g, now() as at from generate_series(1, 200000) g";
    SERVER.sql(&database, made);
    let verdicts = |text: &str, more: &[&str]| -> Vec<String> {
        let more = [&["--tool", "plain"], more].concat();
        statements(&live(&database, text, &more)).into_iter().map(said).collect()
    };
    let last = |text: &str| verdicts(text, &[]).pop().unwrap();
    assert_eq!(last("drop table things;"), "pass");
    for set in ["set search_path = app;", "select set_config('search_path', 'app', true);"] {
        let set = format!("begin; {set}");
        assert_eq!(last(&format!("{set} drop table things;")), "hold drop-table", "{set}");
    }
    assert_eq!(last("begin; set local search_path to app; end; drop table things;"), "pass");
    assert_eq!(last("select set_config('search_path', current_user, false); drop table things;"), "hold drop-table");
    assert_eq!(verdicts("drop table things;", &["--schema-name", "app"]), ["hold drop-table"]);
    let change = "alter table app.things alter at type timestamp;";
    assert_eq!(last(&format!("set timezone = 'UTC'; {change}")), "warn timestamp-without-zone");
    assert_eq!(last(&format!("set timezone = 'Europe/Berlin'; {change}")), "hold change-type,timestamp-without-zone");
    for nothing in ["type", "schema", "role", "extension"] {
        assert_eq!(last(&format!("drop {nothing} if exists nope;")), "pass", "{nothing}");
    }
    assert_eq!(last("create type nope as enum ('a'); drop type if exists nope;"), "hold drop-object");
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("a.sql"), "set search_path = hidden; drop table t;").unwrap();
    let linted = lint(place.path(), &["--database-url", &url(&database), "a.sql"], "");
    assert!(linted.code == 2 && linted.err.contains("grant USAGE"), "{}", linted.err);
}

#[test]
fn the_server_of_a_configured_target_is_asked() {
    let database = SERVER.database("lint_target", "fixture");
    let place = tempfile::tempdir().unwrap();
    let config = format!("[[targets]]\nname = \"main\"\nupstream = \"{}\"\npolicy = \"strict\"\n", SERVER.address);
    std::fs::write(place.path().join("gateway.toml"), config).unwrap();
    std::fs::write(place.path().join("a.sql"), "create index on ledger (note);").unwrap();
    let login = ["--config", "gateway.toml", "--live", "--user", "alice", "--database", &database];
    let linted = lint(place.path(), &[login.as_slice(), &["--format", "json", "a.sql"]].concat(), "");
    let report = json(&linted);
    assert_eq!(
        (&report["target"], &report["policy"], &report["role"]),
        (&"main".into(), &"strict".into(), &"alice".into())
    );
    assert_eq!(said(statements(&report)[0]), "bounded", "it is empty, and that is known");
    let nobody = lint(place.path(), &["--config", "gateway.toml", "--live", "a.sql"], "");
    assert!(nobody.code == 2 && nobody.err.contains("--user"), "{}", nobody.err);
}

#[cfg(unix)]
#[test]
fn programs_print_their_sql_when_told_to() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let program = place.path().join("bin/alembic");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    std::fs::write(&program, "#!/bin/sh\n[ \"$*\" = \"upgrade --sql head\" ] && echo 'BEGIN; DROP TABLE t; COMMIT;'\n")
        .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(place.path().join("alembic.ini"), "").unwrap();
    let told = lint(place.path(), &["."], "");
    assert!(told.code == 2 && told.err.contains("alembic upgrade --sql head | lockkeeper lint -"), "{}", told.err);
    let linted = lint(place.path(), &["--run-tool", "--format", "json", "."], "");
    let report = json(&linted);
    assert_eq!(statements(&report).into_iter().map(said).collect::<Vec<_>>(), ["pass", "hold drop-table", "pass"]);
}

/// Statements as psql sends them; each works on what the ones before it left.
const SCRIPT: &[&str] = &[
    "create table fresh (id bigint primary key, a int, b varchar(10))",
    "create index on fresh (a)",
    "alter table fresh alter column b type varchar(20)",
    "insert into fresh select g, g, 'b' from generate_series(1, 300000) g",
    "select 1",
    "create index on orders (amount)",
    "alter table orders alter column amount set not null",
    "alter table orders add column token uuid default gen_random_uuid()",
    "alter table orders add column stamped timestamptz default now()",
    "alter table orders add constraint positive check (amount > 0) not valid",
    "alter table orders validate constraint positive",
    "alter table orders add constraint small check (amount < 1000000)",
    "alter table ledger add constraint noted check (note is not null)",
    "begin",
    "create table own (a int, b bigint primary key)",
    "create index on own (a)",
    "alter table own alter column a set not null",
    "alter table orders add column c int",
    "alter table ledger add column c int",
    "create index on orders (c)",
    "commit",
    "drop table own",
    "alter table orders alter column amount type bigint",
    "alter table orders rename column token to ticket",
    "drop index orders_amount_idx",
    "update orders set amount = amount",
    "create view v as select * from ledger",
    "comment on table orders is 'all of them'",
    "truncate ledger",
    "alter table orders drop column ticket",
    "do $$ begin perform 1; end $$",
    "create index concurrently on orders (stamped)",
    "drop table fresh",
];

/// In observe mode every statement runs, and the record says what would have become of it.
fn observed(database: &str, config: &str, messages: &[&str]) -> Vec<String> {
    let options = GatewayOptions { mode: Some("observe"), config: config.to_owned(), ..GatewayOptions::default() };
    let gateway = Gateway::with(&SERVER, &options);
    let mut client = gateway.connect("alice", database);
    for message in messages {
        client.send(&proto_tests::wire::query(message.as_bytes())).unwrap();
        let answer = client.until_ready();
        assert!(proto_tests::client::error_of(&answer).is_none(), "{message}: {answer:?}");
    }
    drop(client);
    gateway.stop();
    let mut by_number: BTreeMap<u64, String> = BTreeMap::new();
    for line in gateway.record() {
        let Some(number) = line["n"].as_u64() else { continue };
        match line["event"].as_str() {
            Some("statement") => {
                let decision = line["decision"].as_str().unwrap().to_owned();
                by_number.entry(number).or_insert(decision);
            }
            Some("decision") if line["decision"] == "observe" => {
                let would = line["recipe"].as_str().unwrap();
                let findings = line["findings"].as_array().unwrap();
                // Only the statement itself runs, and perhaps with warnings about what it defines.
                let harmless = findings.iter().all(|finding| finding["lock"].is_null());
                let would = match would {
                    "rewrite" | "bounded" if findings.is_empty() => "bounded",
                    "rewrite" | "bounded" if harmless => "warn",
                    other => other,
                };
                by_number.insert(number, would.to_owned());
            }
            _ => {}
        }
    }
    by_number.into_values().collect()
}

fn policy_file(name: &str) -> String {
    format!("[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\npolicy = \"{name}\"\n")
}

#[test]
fn lint_and_gateway_answer_the_same() {
    for policy in ["standard", "strict"] {
        let database = SERVER.database(&format!("lint_same_{policy}"), "fixture");
        let text = SCRIPT.iter().map(|sql| format!("{sql};\n")).collect::<String>();
        let report = live(&database, &text, &["--tool", "plain", "--policy", policy]);
        let lint: Vec<String> =
            statements(&report).into_iter().map(|s| s["verdict"].as_str().unwrap().to_owned()).collect();
        let gateway = observed(&database, &policy_file(policy), SCRIPT);
        let differ: Vec<_> = SCRIPT.iter().zip(lint.iter().zip(&gateway)).filter(|(_, (l, g))| l != g).collect();
        assert!(differ.is_empty() && lint.len() == gateway.len(), "{policy}: {differ:#?}");
    }
}

/// A file that is sent as one string: the strictest answer to its statements is the answer to the string.
#[test]
fn strings_of_several_statements_too() {
    for (number, message) in [
        "create index on orders (amount); alter table ledger add d int",
        "create table other (a int); create index on other (a); insert into other values (1)",
        "alter table ledger add e int; alter table orders add e int",
        "drop table ledger; create index on orders (amount)",
        "drop table ledger; select 1",
    ]
    .into_iter()
    .enumerate()
    {
        let database = SERVER.database(&format!("lint_string_{number}"), "fixture");
        let report = live(&database, message, &["--tool", "golang-migrate"]);
        let rank = |verdict: &str| {
            ["pass", "bounded", "warn", "rewrite", "hold", "refuse"].iter().position(|known| *known == verdict).unwrap()
        };
        let verdicts = statements(&report).into_iter().map(|s| s["verdict"].as_str().unwrap());
        let strictest = verdicts.max_by_key(|verdict| rank(verdict)).unwrap().to_owned();
        assert_eq!(observed(&database, &policy_file("standard"), &[message])[0], strictest, "{message}");
    }
}

/// The warnings of an answer: message and hint.
fn warnings(answer: &[proto_tests::wire::Message]) -> Vec<(String, String)> {
    let notices = answer.iter().filter(|m| m.tag == b'N' && m.field('V').as_deref() == Some("WARNING"));
    notices.map(|m| (m.field('M').unwrap_or_default(), m.field('H').unwrap_or_default())).collect()
}

/// What the gateway says of definitions over the wire, what it keeps, and what a policy makes of it.
#[test]
fn definitions_are_warned_of_recorded_and_the_policys_to_answer() {
    let database = SERVER.database("lint_definitions", "fixture");
    let config = "[naming]\nindex = 'ix_{table}_{columns}'\n[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\n\
                  policy = \"mine\"\n[[policy.mine.rules]]\nresponses = { json-column = \"pass\", money-column = \"refuse\" }\n";
    let options = GatewayOptions { config: config.to_owned(), ..GatewayOptions::default() };
    let gateway = Gateway::with(&SERVER, &options);
    let mut client = gateway.connect("alice", &database);
    let mut send = |sql: &str| {
        client.send(&proto_tests::wire::query(sql.as_bytes())).unwrap();
        client.until_ready()
    };
    // The comment is lint's: the gateway does not follow it.
    let answer =
        send("-- lockkeeper:ignore integer-key no\ncreate table notes (id int primary key, at timestamp, raw json)");
    let told = warnings(&answer);
    let said: Vec<&str> = told.iter().map(|(message, _)| message.as_str()).collect();
    let expected = [
        "the key id of public.notes is integer: after 2147483647 every INSERT fails",
        "at of public.notes is timestamp without time zone: it does not say which moment is meant",
    ];
    assert_eq!(said, expected);
    assert!(told[0].1.starts_with("bigint"), "{told:?}");
    assert!(proto_tests::client::error_of(&answer).is_none());
    for (sql, expected) in [
        ("create table plain (id bigint primary key)", vec![]),
        ("create temp table scratch (a timestamp)", vec![]),
        ("create table later (a bigint); alter table later add primary key (a)", vec![]),
        ("create index ix_notes_at on notes (at)", vec![]),
        (
            "create index notes_at on notes (at)",
            vec![
                "the index notes_at of public.notes does not fit the pattern ix_{table}_{columns}",
                "public.notes has an index already that does what this one would do: ix_notes_at on (at)",
            ],
        ),
        (
            "alter table notes add note bigint references plain",
            vec!["no index of public.notes begins with note, which the foreign key looks rows up by"],
        ),
    ] {
        let answer = send(sql);
        assert!(proto_tests::client::error_of(&answer).is_none(), "{sql}: {answer:?}");
        let mut told: Vec<String> = warnings(&answer).into_iter().map(|(message, _)| message).collect();
        told.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(told, expected, "{sql}");
    }
    let refused = send("alter table notes add price money");
    assert_eq!(proto_tests::client::error_of(&refused).and_then(|m| m.field('C')).as_deref(), Some("LK002"));
    drop(client);
    gateway.stop();
    let warned = gateway.record().into_iter().filter(|line| line["event"] == "decision" && line["decision"] == "warn");
    let first = warned.into_iter().next().expect("a warning is recorded");
    assert_eq!(first["findings"][0]["rule"], "integer-key");
}
