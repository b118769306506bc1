//! Annotations of GitHub Actions: workflow commands on standard output
//! (GitHub docs, "Workflow commands for GitHub Actions").

use std::io::{self, Write};

use super::report::{FileReport, FoundKind, Judged, Outcome, Place, Report};

pub(super) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for file in &report.files {
        for note in &file.notes {
            writeln!(out, "::notice file={},line=1,title=lockkeeper::{}", property(&file.path), data(note))?;
        }
        for judged in &file.statements {
            statement(file, judged, out)?;
        }
    }
    Ok(())
}

fn statement(file: &FileReport, judged: &Judged, out: &mut dyn Write) -> io::Result<()> {
    let at = at(file, &judged.place);
    for finding in &judged.findings {
        let command = match finding.verdict {
            Outcome::Pass | Outcome::Bounded => "notice",
            Outcome::Warn | Outcome::Defer | Outcome::Rewrite => "warning",
            Outcome::Hold | Outcome::Refuse => "error",
        };
        let at = finding.place.as_ref().map_or_else(|| at.clone(), |place| self::at(file, place));
        let title = format!("{}: {}", finding.verdict.word(), finding.rule);
        let mut said = finding.message.clone();
        if let (FoundKind::Hazard, Some(plan)) = (finding.kind, &judged.plan) {
            let steps: Vec<String> = plan.steps.iter().map(|step| format!("{};", step.sql)).collect();
            said.push_str(&format!("\nInstead:\n{}", steps.join("\n")));
        } else {
            said.push_str(&format!("\n{}", finding.instead));
        }
        said.push_str(&format!("\nIt runs in {}.", judged.transaction.words));
        writeln!(out, "::{command} {at},title={}::{}", property(&title), data(&said))?;
    }
    for problem in &judged.problems {
        writeln!(out, "::error {at},title={}::{}", property(problem.rule), data(&problem.message))?;
    }
    for ignored in &judged.ignored {
        let said = format!("{} (ignored: {})", ignored.message, ignored.reason);
        writeln!(out, "::notice {at},title={}::{}", property(&ignored.rule), data(&said))?;
    }
    Ok(())
}

/// Columns of both ends only where they are in one line: the runner drops them otherwise.
fn at(file: &FileReport, place: &Place) -> String {
    let end = if place.line == place.end_line { format!(",endColumn={}", place.end_column) } else { String::new() };
    format!("file={},line={},endLine={},col={}{end}", property(&file.path), place.line, place.end_line, place.column)
}

/// What a message may hold is escaped as the runner undoes it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
