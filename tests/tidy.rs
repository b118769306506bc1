//! Keeps what the documents say of the code: who imports whom, what the kernel may not touch, how long a
//! file may be, which lints are on, that what a document names is there. Reads files; runs nothing.
//!
//! Each check is a function from texts to complaints, and is shown to complain at the end of this file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[path = "tidy/source.rs"]
mod source;

use source::{Sources, code, files, has_word, module, root, sources, text, without_tests};

/// Lines of a file at most.
const LINES_MAX: usize = 450;

/// Crates the kernel may name: they compute.
const KERNEL_CRATES: &[&str] = &[
    "bytes",
    "compact_str",
    "foldhash",
    "memchr",
    "pg_raw_parse",
    "pgwire",
    "serde",
    "serde_json",
    "sha2",
    "sqlparser",
    "strsim",
    "thiserror",
];

/// What reads a clock, a file, a socket, the environment, or writes somewhere.
const IMPURE: &[&str] = &[
    "std::net",
    "std::fs",
    "std::io",
    "std::env",
    "std::thread",
    "std::process",
    "std::time",
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
    ("sqlparser", &["src/kernel/sql/agree.rs"]),
    ("pgwire", &["src/kernel/wire/message.rs"]),
    ("rusqlite", &["src/shell/store/"]),
    ("axum", &["src/shell/console/"]),
    ("tokio_postgres", &["src/shell/demo.rs", "src/shell/demo/"]),
    ("backon", &["src/shell/executor/retry.rs"]),
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

// ---- imports -------------------------------------------------------------------------------------

/// Modules of ours and what they may import, or do.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// The table of the architecture document: module, modules of the kernel, modules of the shell.
fn table(document: &str) -> Imports {
    let mut table = Imports::new();
    for line in document.lines().filter(|line| line.starts_with("| `kernel::") || line.starts_with("| `shell::")) {
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.replace('`', "")).collect();
        let [name, kernel, shell] = cells.as_slice() else { panic!("not three cells: {line}") };
        let list = |cell: &str, of: &str| -> Vec<String> {
            cell.split(',').map(str::trim).filter(|n| !matches!(*n, "" | "–")).map(|n| format!("{of}::{n}")).collect()
        };
        let may = [list(kernel, "kernel"), list(shell, "shell")].concat();
        table.insert(name.trim().to_owned(), may.into_iter().collect());
    }
    table
}

/// Modules of ours that a file's paths begin with: `kernel::sql`, `shell::net`.
fn imports(path: &str, code: &str) -> BTreeSet<String> {
    let mut tokens: Vec<&str> = Vec::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let length = if word > 0 {
            word
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        if !c.is_whitespace() {
            tokens.push(&rest[..length]);
        }
        rest = &rest[length..];
    }
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let starts = matches!(tokens[at], "crate" | "super") && (at == 0 || tokens[at - 1] != "::");
        if starts {
            follow(&tokens, at, module(path).iter().map(|s| (*s).to_owned()).collect(), &mut found);
        }
    }
    found
}

/// Follows one path, or each branch of a `{…}`; where it ended.
fn follow(tokens: &[&str], mut at: usize, mut path: Vec<String>, found: &mut BTreeSet<String>) -> usize {
    loop {
        match tokens.get(at).copied() {
            Some("crate") => path.clear(),
            Some("super") => drop(path.pop()),
            Some("{") => {
                while !matches!(tokens.get(at).copied(), None | Some("}")) {
                    at = follow(tokens, at + 1, path.clone(), found);
                }
                return at + 1;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphabetic() || c == '_') => path.push(word.to_owned()),
            Some(_) | None => {}
        }
        if tokens.get(at + 1) != Some(&"::") {
            break;
        }
        at += 2;
    }
    if let [folder, name, ..] = path.as_slice()
        && matches!(folder.as_str(), "kernel" | "shell")
        && name.starts_with(|c: char| c.is_ascii_lowercase())
    {
        found.insert(format!("{folder}::{name}"));
    }
    while tokens.get(at).is_some_and(|t| !matches!(*t, "," | "}" | ";" | "{")) {
        at += 1;
    }
    at
}

fn import_complaints(may: &Imports, sources: &Sources) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut done = Imports::new();
    for (path, code) in sources {
        let [folder, name, ..] = module(path)[..] else { continue };
        let from = format!("{folder}::{name}");
        let Some(allowed) = may.get(&from) else {
            complaints.push(format!("{path}: the table has no row for {from}"));
            continue;
        };
        for to in imports(path, code).into_iter().filter(|to| *to != from) {
            if !allowed.contains(&to) {
                complaints.push(format!("{path}: {from} may not import {to}"));
            }
            done.entry(from.clone()).or_default().insert(to);
        }
    }
    for (from, allowed) in may {
        let unused = allowed.iter().filter(|to| !done.get(from).is_some_and(|done| done.contains(*to)));
        complaints.extend(unused.map(|to| format!("the table lets {from} import {to}, which it does not")));
    }
    complaints
}

#[test]
fn imports_are_as_the_architecture_says() {
    let may = table(&text("docs/ARCHITECTURE.md"));
    assert_eq!(import_complaints(&may, &sources()), Vec::<String>::new());
    let up = may.iter().filter(|(from, _)| from.starts_with("kernel")).flat_map(|(_, to)| to);
    assert!(
        up.clone().count() > 0 && up.clone().all(|to| to.starts_with("kernel")),
        "the kernel never imports the shell"
    );
}

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

// ---- documents -----------------------------------------------------------------------------------

/// What a document points at: targets of links, and paths of this repository in code spans.
fn targets(document: &str) -> Vec<String> {
    let links = document.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let links =
        links.filter(|t| !t.starts_with("http") && !t.starts_with('#')).map(|t| t.split('#').next().unwrap_or(t));
    let mut found: Vec<String> = links.map(str::to_owned).collect();
    for span in document.split('`').skip(1).step_by(2) {
        let path = span.split([' ', ':', '\n']).find(|word| word.contains('/')).unwrap_or_default();
        let ours = ["src/", "tests/", "proto-tests/", "config/", "deploy/", "docs/", ".ci/"];
        if ours.iter().any(|folder| path.starts_with(folder)) && !path.contains(['*', '<', '{', 'N', '…']) {
            found.push(format!("/{path}"));
        }
    }
    found
}

fn document_complaints(path: &str, document: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let missing = targets(document).into_iter().filter(|target| match target.strip_prefix('/') {
        Some(path) => !exists(Path::new(path)) && !exists(&folder.join(path)),
        None => !exists(&folder.join(target)),
    });
    missing.map(|target| format!("{path}: {target} is not there")).collect()
}

#[test]
fn what_documents_point_at_is_there() {
    let mut documents = files("docs", ".md");
    documents.extend(["README.md", "SECURITY.md", "CONTRIBUTING.md", "proto-tests/README.md"].map(str::to_owned));
    let exists = |path: &Path| root().join(path).exists();
    let missing: Vec<String> = documents.iter().flat_map(|p| document_complaints(p, &text(p), exists)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

/// The SQLSTATEs of the one table.
fn sqlstates(reply: &str) -> Vec<&str> {
    let lines = reply.lines().filter(|line| line.trim_start().starts_with("pub const") && line.contains(": &str"));
    lines.filter_map(|line| line.split('"').nth(1)).filter(|code| code.len() == 5).collect()
}

#[test]
fn every_sqlstate_is_in_the_protocol_document() {
    let (reply, document) = (text("src/kernel/wire/reply.rs"), text("docs/PROTOCOL.md"));
    let codes = sqlstates(&reply);
    assert!(codes.len() > 10);
    for code in codes {
        assert!(document.contains(&format!("`{code}`")), "docs/PROTOCOL.md does not explain {code}");
    }
}

// ---- the checks complain -------------------------------------------------------------------------

fn made_up(path: &str, source: &str) -> Sources {
    let (kept, _) = without_tests(&code(source));
    Sources::from([(path.to_owned(), kept)])
}

#[test]
fn a_wrong_import_is_seen_however_it_is_written() {
    let may = table("| module | kernel | shell |\n| `kernel::sql` | – | – |\n| `kernel::plan` | `sql`, facts | – |\n");
    assert_eq!(may["kernel::plan"], BTreeSet::from(["kernel::facts".to_owned(), "kernel::sql".to_owned()]));
    for wrong in [
        "use crate::shell::net;",
        "use crate::{shell::net::Raw, kernel::sql};",
        "use super::super::policy::{self, Policy};",
        "fn f() { crate::kernel::policy::judge() }",
        "use crate::kernel::{sql::{a, b}, policy};",
    ] {
        let complaints = import_complaints(&may, &made_up("src/kernel/plan/x.rs", wrong));
        assert!(complaints.iter().any(|c| c.contains("may not import")), "{wrong}: {complaints:?}");
    }
    let fine = "use super::quote; use super::super::sql; // crate::shell\n#[cfg(test)] mod tests { use crate::shell; }";
    let complaints = import_complaints(&may, &made_up("src/kernel/plan/x.rs", fine));
    assert_eq!(complaints, ["the table lets kernel::plan import kernel::facts, which it does not"]);
    assert!(!import_complaints(&may, &made_up("src/kernel/new.rs", "")).is_empty(), "a module without a row");
}

#[test]
fn an_impure_kernel_is_seen() {
    let crates = ["tokio", "rand", "bytes"].map(str::to_owned);
    for wrong in ["use std::fs;", "let t = SystemTime::now();", "tokio::spawn(x)", "rand::random()", "println!(\"\")"] {
        assert_eq!(purity_complaints(&made_up("src/kernel/x.rs", wrong), &crates).len(), 1, "{wrong}");
        assert!(purity_complaints(&made_up("src/shell/x.rs", wrong), &crates).is_empty());
    }
    let fine =
        "// std::fs\nconst A: &str = \"std::fs\"; const B: &str = r#\"a \" std::net\"#; let c = '\"'; bytes::x()";
    assert!(purity_complaints(&made_up("src/kernel/x.rs", fine), &crates).is_empty());
    assert_eq!(place_complaints(&made_up("src/kernel/plan/x.rs", "use pg_raw_parse::Node;")).len(), 1);
    assert!(place_complaints(&made_up("src/kernel/sql/read/x.rs", "use pg_raw_parse::Node;")).is_empty());
}

#[test]
fn long_and_dead_files_and_silent_lints_are_seen() {
    assert!(size_complaint("x.rs", &"\n".repeat(LINES_MAX + 1)).is_some());
    assert!(size_complaint("x.rs", &"\n".repeat(LINES_MAX)).is_none());
    assert!(dead_complaint("src/kernel/x.rs", &["pub mod xy;".to_owned()]).is_some());
    assert!(dead_complaint("src/kernel/x.rs", &["pub mod x;".to_owned()]).is_none());
    let manifest: toml::Table = "[workspace.lints.clippy]\nunwrap_used = \"allow\"\npanic = \"warn\"".parse().unwrap();
    let complaints = lint_complaints(&manifest);
    assert!(complaints.contains(&"clippy::unwrap_used is off".to_owned()));
    assert!(!complaints.contains(&"clippy::panic is off".to_owned()));
}

#[test]
fn a_broken_link_and_a_new_sqlstate_are_seen() {
    let document = "[a](there.md#x) [b](gone.md) [c](https://example.org) `src/there.rs:5` `src/gone.rs` `docs/*.md`";
    let exists = |path: &Path| path.to_str().is_some_and(|p| p.contains("there"));
    assert_eq!(
        document_complaints("docs/X.md", document, exists),
        ["docs/X.md: gone.md is not there", "docs/X.md: /src/gone.rs is not there"]
    );
    assert_eq!(sqlstates("    pub const NEW: &str = \"LK009\";\n// \"LK010\""), ["LK009"]);
}
