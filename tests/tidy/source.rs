//! Reading the repository: its files, and its code without comments, strings and tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below a folder with an ending, as paths from the root.
pub(super) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            let generated = path.ends_with("/target") || path.contains("node_modules");
            found.extend(if generated { Vec::new() } else { files(&path, ending) });
        } else if path.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file's code outside tests, by path.
pub(super) type Sources = BTreeMap<String, String>;

/// The program without comments, the insides of strings, and tests.
pub(super) fn sources() -> Sources {
    let mut sources: Sources = files("src", ".rs").into_iter().map(|path| (path.clone(), code(&text(&path)))).collect();
    let mut tests = BTreeSet::new();
    for (path, source) in &mut sources {
        let (kept, modules) = without_tests(source);
        *source = kept;
        let folder = module(path).join("/");
        tests.extend(modules.into_iter().map(|name| format!("src/{folder}/{name}")));
    }
    sources.retain(|path, _| !tests.iter().any(|t| path == &format!("{t}.rs") || path.starts_with(&format!("{t}/"))));
    sources
}

/// `src/kernel/plan/mod.rs` and `src/kernel/plan.rs` are both `kernel`, `plan`.
pub(super) fn module(path: &str) -> Vec<&str> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).collect()
}

/// Source with comments and the insides of strings left out; lines keep their numbers.
pub(super) fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::with_capacity(source.len()), 0);
    let keep_lines = |out: &mut String, from: usize, to: usize| {
        out.extend(chars.get(from..to.min(chars.len())).unwrap_or_default().iter().filter(|c| **c == '\n'));
        to
    };
    let find = |from: usize, what: &[char]| {
        (from..chars.len()).find(|i| chars[*i..].starts_with(what)).map_or(chars.len(), |i| i + what.len())
    };
    while i < chars.len() {
        let word_before = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        let hashes = (i + 1..).take_while(|j| at(*j) == '#').count();
        if at(i) == '/' && at(i + 1) == '/' {
            i = (i..chars.len()).find(|j| at(*j) == '\n').unwrap_or(chars.len());
        } else if at(i) == '/' && at(i + 1) == '*' {
            i = keep_lines(&mut out, i, find(i + 2, &['*', '/']));
        } else if at(i) == 'r' && !word_before && at(i + 1 + hashes) == '"' {
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            i = keep_lines(&mut out, i, find(i + 2 + hashes, &end));
            out.push_str("\"\"");
        } else if at(i) == '"' {
            let mut end = i + 1;
            while end < chars.len() && at(end) != '"' {
                end += 1 + usize::from(at(end) == '\\');
            }
            i = keep_lines(&mut out, i, end + 1);
            out.push_str("\"\"");
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i = find(i + 2 + usize::from(at(i + 1) == '\\'), &['\'']);
            out.push_str("' '");
        } else {
            out.push(at(i));
            i += 1;
        }
    }
    out
}

/// Leaves out items under `#[cfg(test)]`; names the modules among them that are files of their own.
pub(super) fn without_tests(code: &str) -> (String, Vec<String>) {
    let (mut kept, mut modules, mut rest) = (String::new(), Vec::new(), code);
    while let Some((before, item)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let mut depth = 0_usize;
        let end = item.char_indices().find(|(_, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(c, '}' | ';')
        });
        let (item, after) = item.split_at(end.map_or(item.len(), |(at, _)| at + 1));
        if let Some((_, name)) = item.trim_end_matches(';').split_once("mod ")
            && item.ends_with(';')
        {
            modules.push(name.trim().to_owned());
        }
        rest = after;
    }
    kept.push_str(rest);
    (kept, modules)
}

/// Whether a word of code (`std::fs`, `env!`) stands in it by itself.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(part);
        let after = code[at + word.len()..].chars().next().is_some_and(part);
        !before && (!after || word.ends_with('!'))
    })
}

/// One file of a made-up program, to show that a check complains.
pub(super) fn made_up(path: &str, source: &str) -> Sources {
    let (kept, _) = without_tests(&code(source));
    Sources::from([(path.to_owned(), kept)])
}
