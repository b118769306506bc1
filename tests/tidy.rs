//! Keeps what the documents say of the code: who imports whom, what the kernel may not touch, how long a
//! file may be, which lints are on, that what a document names is there. Reads files; runs nothing.
//!
//! Each check is a function from texts to complaints, and is shown to complain at the end of its file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

use std::fs;

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/source.rs"]
mod source;

use source::{Sources, code, files, has_word, module, root, sources, text};

/// Lines of a file at most.
const LINES_MAX: usize = 450;

/// Crates the kernel may name: they compute.
const KERNEL_CRATES: &[&str] = &[
    "bytes",
    "compact_str",
    "data_encoding",
    "foldhash",
    "memchr",
    "pg_raw_parse",
    "pgwire",
    "regex_lite",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "sqlparser",
    "thiserror",
    "unicode_normalization",
    "unicode_security",
];

/// What reads a clock, a file, a socket, the environment, or writes somewhere.
const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "std::time::Instant",
    "Instant::now",
    "std::os",
    "SystemTime",
    "thread_local!",
    "println!",
    "eprintln!",
    "env!",
    "async fn",
    "await",
];

/// Crates that stay in one place each.
const PLACES: &[(&str, &[&str])] = &[
    ("pg_raw_parse", &["src/kernel/sql/read/"]),
    ("sqlparser", &["src/kernel/sql/agree.rs", "src/shell/sqlconsole/"]),
    ("pgwire", &["src/kernel/wire/message.rs"]),
    ("rusqlite", &["src/shell/store/", "src/shell/sqlconsole/"]),
    ("axum", &["src/shell/console/"]),
    ("tokio_postgres", &["src/shell/demo.rs", "src/shell/demo/", "src/shell/lint/live.rs"]),
    ("lettre", &["src/shell/notify/", "src/shell/config/notify/"]),
    ("minijinja", &["src/shell/notify/", "src/shell/config/notify.rs"]),
    ("backon", &["src/shell/executor/retry.rs", "src/shell/notify/"]),
];

/// Lints that must not be switched off for the whole workspace.
const LINTS: &[(&str, &[&str])] = &[
    ("rust", &["unsafe_code", "unreachable_pub"]),
    (
        "clippy",
        &[
            "unwrap_used",
            "expect_used",
            "panic",
            "todo",
            "unimplemented",
            "dbg_macro",
            "await_holding_lock",
            "too_many_lines",
            "too_many_arguments",
        ],
    ),
];

// ---- purity and places ---------------------------------------------------------------------------

/// Dependencies of the program as code names them.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let table = manifest["dependencies"].as_table().unwrap();
    table.keys().map(|name| name.replace('-', "_")).collect()
}

fn manifest(path: &str) -> toml::Table {
    text(path).parse().unwrap()
}

fn purity_complaints(sources: &Sources, crates: &[String]) -> Vec<String> {
    let foreign = crates.iter().map(String::as_str).filter(|name| !KERNEL_CRATES.contains(name));
    let banned: Vec<String> = IMPURE.iter().map(|w| (*w).to_owned()).chain(foreign.map(|n| format!("{n}::"))).collect();
    let kernel = sources.iter().filter(|(path, _)| path.starts_with("src/kernel/"));
    kernel
        .flat_map(|(path, code)| {
            let found =
                banned.iter().filter(move |word| has_word(code, word.trim_end_matches("::")) && code.contains(*word));
            found.map(move |word| format!("{path}: the kernel may not use {word}"))
        })
        .collect()
}

fn place_complaints(sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, places) in PLACES {
        let users = sources.iter().filter(|(_, code)| has_word(code, name)).map(|(path, _)| path);
        complaints.extend(
            users.filter(|path| !places.iter().any(|p| path.starts_with(p))).map(|path| format!("{path}: uses {name}")),
        );
    }
    complaints
}

#[test]
fn the_kernel_is_pure() {
    assert_eq!(purity_complaints(&sources(), &dependencies(&manifest("Cargo.toml"))), Vec::<String>::new());
}

#[test]
fn foreign_crates_stay_in_their_places() {
    assert_eq!(place_complaints(&sources()), Vec::<String>::new());
}

#[test]
fn the_wire_tests_know_nothing_of_the_program() {
    for member in ["proto-tests/Cargo.toml", "proto-tests/bench/Cargo.toml"] {
        let manifest = manifest(member);
        assert!(!manifest["dependencies"].as_table().unwrap().contains_key("lockkeeper"), "{member}");
    }
}

// ---- sizes and dead files ------------------------------------------------------------------------

fn size_complaint(path: &str, source: &str) -> Option<String> {
    let lines = source.lines().count();
    (lines > LINES_MAX).then(|| format!("{path}: {lines} lines, {LINES_MAX} at most"))
}

/// A file that no module declares is not compiled by anybody.
fn dead_complaint(path: &str, parents: &[String]) -> Option<String> {
    let name = module(path).pop()?.to_owned();
    (!parents.iter().any(|code| has_word(code, &format!("mod {name}")))).then(|| format!("{path}: nobody declares it"))
}

#[test]
fn files_are_short() {
    let all = ["src", "tests", "proto-tests"].into_iter().flat_map(|folder| files(folder, ".rs"));
    let long: Vec<String> = all.filter_map(|path| size_complaint(&path, &text(&path))).collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn every_file_is_part_of_the_program() {
    let dead = files("src", ".rs").into_iter().filter_map(|path| {
        let parts = module(&path);
        let folder = format!("src/{}", parts.split_last()?.1.join("/"));
        let parents = ["/mod.rs", ".rs", "/lib.rs", "lib.rs"].map(|end| format!("{folder}{end}"));
        let codes: Vec<String> =
            parents.iter().filter_map(|p| fs::read_to_string(root().join(p)).ok()).map(|s| code(&s)).collect();
        dead_complaint(&path, &codes)
    });
    assert_eq!(dead.collect::<Vec<_>>(), Vec::<String>::new());
}

// ---- lints and dependencies ----------------------------------------------------------------------

fn lint_complaints(manifest: &toml::Table) -> Vec<String> {
    let on = |group: &str, lint: &str| {
        let level = manifest["workspace"].get("lints").and_then(|l| l.get(group)).and_then(|g| g.get(lint));
        level.and_then(toml::Value::as_str).is_some_and(|level| level != "allow")
    };
    let wanted = LINTS.iter().flat_map(|(group, lints)| lints.iter().map(move |lint| (*group, *lint)));
    wanted.filter(|(group, lint)| !on(group, lint)).map(|(group, lint)| format!("{group}::{lint} is off")).collect()
}

#[test]
fn lints_are_on() {
    assert_eq!(lint_complaints(&manifest("Cargo.toml")), Vec::<String>::new());
    for member in ["Cargo.toml", "proto-tests/Cargo.toml", "proto-tests/bench/Cargo.toml"] {
        assert_eq!(manifest(member)["lints"]["workspace"].as_bool(), Some(true), "{member}");
    }
    for (file, lint) in
        [("src/lib.rs", "print_stdout"), ("src/lib.rs", "print_stderr"), ("src/main.rs", "print_stdout")]
    {
        assert!(text(file).contains(&format!("clippy::{lint}")), "{file} does not deny {lint}");
    }
}

#[test]
fn every_dependency_is_used_and_has_its_reason() {
    let decisions: String = files("docs/decisions", ".md").iter().map(|path| text(path)).collect();
    let code: String = files("src", ".rs").iter().map(|path| text(path)).collect();
    for name in dependencies(&manifest("Cargo.toml")) {
        assert!(has_word(&code, &name), "nothing uses {name}");
        assert!(
            decisions.contains(&format!("`{}`", name.replace('_', "-"))) || decisions.contains(&format!("`{name}`")),
            "docs/decisions says nothing of {name}"
        );
    }
}

// ---- settings ------------------------------------------------------------------------------------

/// Settings that nobody outside the configuration reads: keys without effect.
#[test]
fn every_decision_has_a_number_of_its_own() {
    let mut numbers: Vec<(String, String)> = fs::read_dir("docs/decisions")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| (name.split('-').next().unwrap_or_default().to_owned(), name.clone()))
        .collect();
    numbers.sort();
    let twice: Vec<_> = numbers.windows(2).filter(|pair| pair[0].0 == pair[1].0).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

fn idle_settings(settings: &str, sources: &Sources) -> Vec<String> {
    let fields =
        settings.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(':')).map(|(name, _)| name);
    let readers = || sources.iter().filter(|(path, _)| !path.starts_with("src/shell/config"));
    let idle = fields.filter(|name| {
        let by_itself = settings.contains(&format!("self.{name}"));
        !name.contains('(') && !by_itself && !readers().any(|(_, code)| has_word(code, name))
    });
    idle.map(|name| format!("nothing reads the setting {name}")).collect()
}

#[test]
fn every_setting_has_an_effect() {
    assert_eq!(idle_settings(&text("src/shell/config/settings.rs"), &sources()), Vec::<String>::new());
}

// ---- the checks complain -------------------------------------------------------------------------

#[test]
fn an_impure_kernel_is_seen() {
    let crates = ["tokio", "rand", "bytes"].map(str::to_owned);
    for wrong in ["use std::fs;", "let t = SystemTime::now();", "tokio::spawn(x)", "rand::random()", "println!(\"\")"] {
        assert_eq!(purity_complaints(&source::made_up("src/kernel/x.rs", wrong), &crates).len(), 1, "{wrong}");
        assert!(purity_complaints(&source::made_up("src/shell/x.rs", wrong), &crates).is_empty());
    }
    let fine =
        "// std::fs\nconst A: &str = \"std::fs\"; const B: &str = r#\"a \" std::net\"#; let c = '\"'; bytes::x()";
    assert!(purity_complaints(&source::made_up("src/kernel/x.rs", fine), &crates).is_empty());
    assert_eq!(place_complaints(&source::made_up("src/kernel/plan/x.rs", "use pg_raw_parse::Node;")).len(), 1);
    assert!(place_complaints(&source::made_up("src/kernel/sql/read/x.rs", "use pg_raw_parse::Node;")).is_empty());
}

#[test]
fn long_and_dead_files_and_silent_lints_are_seen() {
    assert!(size_complaint("x.rs", &"\n".repeat(LINES_MAX + 1)).is_some());
    assert!(size_complaint("x.rs", &"\n".repeat(LINES_MAX)).is_none());
    assert!(dead_complaint("src/kernel/x.rs", &["pub mod xy;".to_owned()]).is_some());
    assert!(dead_complaint("src/kernel/x.rs", &["pub mod x;".to_owned()]).is_none());
    let readers = source::made_up("src/shell/x.rs", "fn f() { settings.read; }");
    assert_eq!(idle_settings("    pub read: u32,\n    pub idle: u32,", &readers), ["nothing reads the setting idle"]);
    let manifest: toml::Table = "[workspace.lints.clippy]\nunwrap_used = \"allow\"\npanic = \"warn\"".parse().unwrap();
    let complaints = lint_complaints(&manifest);
    assert!(complaints.contains(&"clippy::unwrap_used is off".to_owned()));
    assert!(!complaints.contains(&"clippy::panic is off".to_owned()));
}
