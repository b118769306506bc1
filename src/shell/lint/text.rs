//! The report for people: each statement with its place, why, and what runs instead.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::report::{FileReport, FoundKind, Judged, Outcome, Place, Report};
use crate::kernel::sql::read;

/// How it looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) colours: bool,
    /// With statements that pass.
    pub(super) all: bool,
}

/// Lines of a statement that are shown.
const LINES_MAX: usize = 6;

pub(super) fn print(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let renderer = if style.colours { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    for file in &report.files {
        for note in &file.notes {
            writeln!(out, "note: {}: {note}\n", file.path)?;
        }
        for judged in &file.statements {
            if style.all || judged.severity() >= Outcome::Warn || !judged.ignored.is_empty() {
                let groups = statement(file, judged);
                writeln!(out, "{}\n", renderer.render(&groups))?;
            }
        }
    }
    summary(report, out)
}

fn statement<'a>(file: &'a FileReport, judged: &'a Judged) -> Vec<Group<'a>> {
    let severity = judged.severity();
    let level = match severity {
        Outcome::Pass | Outcome::Bounded => Level::INFO,
        Outcome::Warn | Outcome::Defer | Outcome::Rewrite => Level::WARNING,
        Outcome::Hold | Outcome::Refuse => Level::ERROR,
    };
    let own = judged.findings.is_empty() && !judged.problems.is_empty();
    let name = if own { "mistake" } else { judged.verdict.word() };
    let mut main = level.with_name(name).primary_title(title(judged));
    if let Some(rule) = first_rule(judged) {
        main = main.id(rule);
    }
    let mut group = Group::with_title(main).element(snippet(file, judged));
    let pointed = window(file, judged).is_some();
    for finding in judged.findings.iter().skip(1).filter(|finding| finding.place.is_none() || !pointed) {
        group = group.element(Level::NOTE.message(format!("{}: {}", finding.rule, finding.message)));
    }
    for problem in judged.problems.iter().skip(usize::from(judged.findings.is_empty())) {
        group = group.element(Level::ERROR.message(format!("{}: {}", problem.rule, problem.message)));
    }
    for ignored in &judged.ignored {
        let said = format!("ignored {}: {} (reason: {})", ignored.rule, ignored.message, ignored.reason);
        group = group.element(Level::NOTE.message(said));
    }
    group = group.element(Level::NOTE.message(format!("it runs in {}", judged.transaction.words)));
    for note in &judged.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(plan) = plan(judged) {
        group = group.element(Level::HELP.message(plan));
    }
    let mut told: Vec<&str> = Vec::new();
    for finding in judged.findings.iter().filter(|finding| finding.kind == FoundKind::Definition) {
        let in_hint = judged.hint.as_ref().is_some_and(|hint| hint.contains(&finding.instead));
        if !in_hint && !told.contains(&finding.rule.as_str()) {
            told.push(&finding.rule);
            group = group.element(Level::HELP.message(format!("{}: {}", finding.rule, finding.instead)));
        }
    }
    if let Some(hint) = &judged.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    vec![group]
}

fn first_rule(judged: &Judged) -> Option<&str> {
    let finding = judged.findings.first().map(|finding| finding.rule.as_str());
    finding.or_else(|| judged.problems.first().map(|problem| problem.rule))
}

/// The first finding, or what is done where there is none.
fn title(judged: &Judged) -> String {
    if let (None, Some(problem)) = (judged.findings.first(), judged.problems.first()) {
        return problem.message.clone();
    }
    match (judged.findings.first(), judged.verdict) {
        (Some(finding), _) => finding.message.clone(),
        (None, Outcome::Bounded) => "it runs as it is, under a short lock timeout and with retries".to_owned(),
        (None, _) => "nothing is found".to_owned(),
    }
}

/// The lines of the file that are shown: the statement's first, and whatever a finding points at. None where they
/// hold a secret.
fn window(file: &FileReport, judged: &Judged) -> Option<Range<usize>> {
    let place = &judged.place.bytes;
    let first_line = file.text.get(..place.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let until = file.text.get(first_line..).unwrap_or_default().split_inclusive('\n').take(LINES_MAX);
    let end = line_end(&file.text, place.end).min(first_line + until.map(str::len).sum::<usize>());
    let pointed = judged.findings.iter().filter_map(|finding| finding.place.as_ref());
    let end = pointed.map(|place| line_end(&file.text, place.bytes.end)).fold(end, usize::max);
    let source = file.text.get(first_line..end)?.trim_end();
    // What stands beside it on its lines is shown too.
    (judged.printable && !read::may_hold_secrets(source)).then(|| first_line..first_line + source.len())
}

fn snippet<'a>(file: &'a FileReport, judged: &'a Judged) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let place = &judged.place;
    let path = file.path.as_str();
    let Some(window) = window(file, judged) else {
        // Its secrets are hidden, so columns of the file mean nothing in it.
        let shown = judged.sql.lines().next().unwrap_or_default();
        return Snippet::source(shown)
            .line_start(place.line)
            .path(path)
            .annotation(AnnotationKind::Primary.span(0..shown.len()));
    };
    let source = file.text.get(window.clone()).unwrap_or_default();
    let within = |place: &Place| {
        let start = place.bytes.start.saturating_sub(window.start).min(source.len());
        // Only its first line is underlined.
        let length = source.get(start..).unwrap_or_default().lines().next().unwrap_or_default().trim_end().len();
        start..(start + length).min(place.bytes.end.saturating_sub(window.start)).max(start)
    };
    let first = judged.findings.first().and_then(|finding| finding.place.as_ref());
    let mut snippet = Snippet::source(source)
        .line_start(place.line)
        .path(path)
        .annotation(AnnotationKind::Primary.span(within(first.unwrap_or(place))));
    for finding in judged.findings.iter().skip(1) {
        if let Some(place) = &finding.place {
            let said = format!("{}: {}", finding.rule, finding.message);
            snippet = snippet.annotation(AnnotationKind::Context.span(within(place)).label(said));
        }
    }
    snippet
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.find('\n')).map_or(text.len(), |length| at + length)
}

/// What runs instead, a line for each step.
fn plan(judged: &Judged) -> Option<String> {
    let plan = judged.plan.as_ref()?;
    let mut text = match judged.verdict {
        Outcome::Defer | Outcome::Rewrite => plan.summary.clone(),
        Outcome::Hold => format!("When approved: {}", plan.summary),
        Outcome::Pass | Outcome::Bounded | Outcome::Warn | Outcome::Refuse => {
            format!("By itself it would run like this: {}", plan.summary)
        }
    };
    for (place, step) in plan.steps.iter().enumerate() {
        let takes = step.estimate.map(|estimate| format!(", {estimate}")).unwrap_or_default();
        text.push_str(&format!("\n{}. {}; -- {}, {}{takes}", place + 1, step.sql, step.name, step.lock.words()));
    }
    Some(text)
}

fn summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let of = &report.summary;
    let counted: Vec<String> = Outcome::ALL
        .iter()
        .filter(|outcome| of.count(**outcome) > 0)
        .map(|outcome| format!("{} {}", of.count(*outcome), outcome.word()))
        .collect();
    let counted = if counted.is_empty() { "none".to_owned() } else { counted.join(", ") };
    writeln!(out, "{} statements in {} files by policy {}: {counted}.", of.statements, of.files, report.policy)?;
    if of.problems + of.ignored > 0 {
        writeln!(out, "Mistakes of the files themselves: {}. Findings ignored: {}.", of.problems, of.ignored)?;
    }
    if report.observe {
        writeln!(out, "The target only observes: nothing of this would be done, only recorded.")?;
    }
    let how = if report.facts.source == "server" { "Facts" } else { "Assumed" };
    writeln!(out, "{how}: {}.", report.facts.words.join("; "))
}
