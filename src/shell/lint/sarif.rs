//! SARIF 2.1.0 (OASIS standard): what code-scanning services take.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::report::{FileReport, FoundKind, Judged, Outcome, Place, Report};
use crate::kernel::rules::{self, Rule};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// Rules of lint's own: mistakes of a file that no policy answers.
const OWN: [(&str, &str); 2] = [
    ("ignore-comment", "A comment that asks to ignore a finding names no rule, no known one, or gives no reason."),
    ("transaction-block", "A statement that the server does not run inside a transaction block is inside one."),
];

pub(super) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let results: Vec<Value> =
        report.files.iter().flat_map(|file| file.statements.iter().flat_map(|judged| results(file, judged))).collect();
    let named: BTreeSet<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    let rules: Vec<Value> = named.into_iter().map(rule).collect();
    let notes = report.files.iter().flat_map(|file| {
        file.notes
            .iter()
            .map(|note| json!({ "level": "note", "message": { "text": format!("{}: {note}", file.path) } }))
    });
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lockkeeper",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notes.collect::<Vec<_>>(),
            }],
            "properties": { "policy": report.policy, "target": report.target, "facts": report.facts.words },
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn rule(id: &str) -> Value {
    let own = OWN.iter().find(|(own, _)| *own == id).map(|(_, what)| *what);
    match rules::find(id) {
        Some(rule) => json!({
            "id": id,
            "shortDescription": { "text": rule.hazard },
            "fullDescription": { "text": format!("{} {}", rule.doc.what, rule.doc.why) },
            "help": { "text": help(rule, ""), "markdown": help(rule, "**") },
        }),
        None => json!({ "id": id, "shortDescription": { "text": own.unwrap_or(id) } }),
    }
}

/// The page of a rule in short: SARIF has no place for a relative address.
fn help(rule: &Rule, mark: &str) -> String {
    let doc = &rule.doc;
    let parts = [("Why", doc.why), ("Instead", doc.instead), ("Versions", doc.versions), ("Undo", doc.undo)];
    let parts = parts.map(|(name, text)| format!("{mark}{name}:{mark} {text}"));
    format!("{}\n\nMore: docs/rules/{}.md", parts.join("\n\n"), rule.id)
}

fn results(file: &FileReport, judged: &Judged) -> Vec<Value> {
    let mut results = Vec::new();
    for finding in &judged.findings {
        let mut said = format!("{}: {}.", finding.verdict.word(), finding.message);
        if let (FoundKind::Hazard, Some(plan)) = (finding.kind, &judged.plan) {
            said.push_str(&format!(" {}", plan.summary));
        }
        let place = finding.place.as_ref().unwrap_or(&judged.place);
        results.push(result(file, judged, (&finding.rule, level(finding.verdict)), (&said, place)));
    }
    for problem in &judged.problems {
        results.push(result(file, judged, (problem.rule, "error"), (&problem.message, &judged.place)));
    }
    for ignored in &judged.ignored {
        let mut result =
            result(file, judged, (&ignored.rule, level(judged.verdict)), (&ignored.message, &judged.place));
        result["suppressions"] = json!([{ "kind": "inSource", "justification": ignored.reason }]);
        results.push(result);
    }
    results
}

fn level(verdict: Outcome) -> &'static str {
    match verdict {
        Outcome::Pass | Outcome::Bounded => "note",
        Outcome::Warn | Outcome::Defer | Outcome::Rewrite => "warning",
        Outcome::Hold | Outcome::Refuse => "error",
    }
}

fn result(file: &FileReport, judged: &Judged, of: (&str, &str), said: (&str, &Place)) -> Value {
    let ((rule, level), (message, place)) = (of, said);
    json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&file.path) },
            "region": {
                "startLine": place.line,
                "startColumn": place.column,
                "endLine": place.end_line,
                "endColumn": place.end_column,
            },
        }}],
        "properties": { "verdict": judged.verdict, "transaction": judged.transaction.words },
    })
}

/// A relative reference (RFC 3986): what may not stand in a path is escaped.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}
