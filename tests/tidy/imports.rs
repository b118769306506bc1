//! Who imports whom, against the table of the architecture document.
#![allow(clippy::panic, reason = "tests report by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Sources, made_up, module, sources, text};

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
