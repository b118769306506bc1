//! What documents point at is there, and what must be documented is.
#![allow(clippy::unwrap_used, reason = "tests report by panicking")]

use std::path::Path;

use super::source::{files, root, text};

/// What a document points at: targets of links, and paths of this repository in code spans.
fn targets(document: &str) -> Vec<String> {
    let links = document.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let links =
        links.filter(|t| !t.starts_with("http") && !t.starts_with('#')).map(|t| t.split('#').next().unwrap_or(t));
    let mut found: Vec<String> = links.map(str::to_owned).collect();
    for span in document.split('`').skip(1).step_by(2) {
        if span.starts_with("transparent/") || span.starts_with("ddl/") {
            found.push(format!("/proto-tests/scripts/{span}.wire"));
        }
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

/// The type bytes of messages, by the module that lists them.
fn message_types<'a>(frame: &'a str, module: &str) -> Vec<&'a str> {
    let (_, rest) = frame.split_once(&format!("pub mod {module} {{")).unwrap();
    let (list, _) = rest.split_once('}').unwrap();
    list.split("b'").skip(1).filter_map(|rest| rest.get(..1)).collect()
}

#[test]
fn every_message_is_in_the_protocol_document() {
    let (frame, document) = (text("src/kernel/wire/frame.rs"), text("docs/PROTOCOL.md"));
    let (front, back) = document.split_once("## Backend messages").unwrap();
    for (module, part) in [("client", front), ("server", back)] {
        let types = message_types(&frame, module);
        assert!(types.len() > 10);
        for tag in types {
            assert!(part.contains(&format!("\n| `{tag}` | ")), "docs/PROTOCOL.md has no row for {tag} of a {module}");
        }
    }
}

#[test]
fn a_broken_link_and_a_new_sqlstate_are_seen() {
    let document = "[a](there.md#x) [b](gone.md) [c](https://example.org) `src/there.rs:5` `src/gone.rs` `docs/*.md`";
    let exists = |path: &Path| path.to_str().is_some_and(|p| p.contains("there"));
    assert_eq!(
        document_complaints("docs/X.md", document, exists),
        ["docs/X.md: gone.md is not there", "docs/X.md: /src/gone.rs is not there"]
    );
    assert_eq!(message_types("pub mod server { A: u8 = b'A'; B: u8 = b'1'; }", "server"), ["A", "1"]);
    assert_eq!(sqlstates("    pub const NEW: &str = \"LK009\";\n// \"LK010\""), ["LK009"]);
}
