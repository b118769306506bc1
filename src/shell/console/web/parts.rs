//! Pieces that several pages show.

use maud::{Markup, html};
use serde::Deserialize;

use super::super::render::{grouped, object_words, outcome, span, time};
use super::super::text::line;
use super::sql;
use crate::kernel::facts::{RelationFacts, Touched};
use crate::kernel::plan::{Action, Mode, Plan, Step};
use crate::kernel::review::Instant;
use crate::kernel::rules::Finding;
use crate::kernel::sql::statement::LockMode;
use crate::shell::clock::now;
use crate::shell::store::{Run, StepOutcome, Waiting};

/// What has just been done on a page, for the page that comes then.
#[derive(Deserialize)]
pub(super) struct Told {
    #[serde(default)]
    pub(super) done: String,
}

/// What happened, by name, in words and when, oldest first.
pub(super) fn timeline(events: impl Iterator<Item = (&'static str, String, Instant)>) -> Markup {
    html! {
        ol.timeline {
            @for (name, words, at) in events {
                li class={ "is-" (name.replace(' ', "-")) } {
                    p { (words) }
                    p.quiet { (time(at)) }
                }
            }
        }
    }
}

/// A state, in its colour.
pub(super) fn pill(state: &str) -> Markup {
    html! { span class={ "pill is-" (state) } { (state.replace('_', " ")) } }
}

/// How long ago, and exactly when.
pub(super) fn ago(at: Instant) -> Markup {
    html! { time datetime=(time(at)) title=(time(at)) { (span(now().ms_since(at))) " ago" } }
}

/// What others cannot do while a lock of this mode is held.
fn blocks(lock: LockMode) -> &'static str {
    match lock {
        LockMode::AccessExclusive => "blocks reads and writes",
        LockMode::Exclusive | LockMode::ShareRowExclusive | LockMode::Share => "blocks writes",
        LockMode::ShareUpdateExclusive => "blocks other schema changes only",
        LockMode::RowExclusive | LockMode::RowShare | LockMode::AccessShare => "blocks nobody",
    }
}

fn weight(lock: LockMode) -> &'static str {
    match lock {
        LockMode::AccessExclusive => "heavy",
        LockMode::Exclusive | LockMode::ShareRowExclusive | LockMode::Share => "middling",
        LockMode::ShareUpdateExclusive | LockMode::RowExclusive | LockMode::RowShare | LockMode::AccessShare => "light",
    }
}

pub(super) fn lock(mode: LockMode) -> Markup {
    html! { span class={ "lock " (weight(mode)) } title={ (mode.words()) " " (blocks(mode)) } { (mode.words()) } }
}

/// The steps of a plan, and how far a run of it has come.
pub(super) fn plan(plan: &Plan, run: Option<&Run>) -> Markup {
    html! {
        @if !plan.summary.is_empty() { p { (line(&plan.summary)) } }
        @if plan.steps.iter().all(|step| step.undo.is_empty()) {
            p.warn { "No way to undo it is known." }
        } @else if let Some(lost) = &plan.undo_loses {
            p.warn { "Undoing it loses " (line(lost)) "." }
        }
        ol.steps {
            @for (index, one) in plan.steps.iter().enumerate() { (step(one, run.map(|run| reached(run, index)))) }
        }
        @if !plan.verify.is_empty() {
            details {
                summary { "What is checked in the end" }
                ul {
                    @for check in &plan.verify {
                        li { (line(&check.name)) (sql::block(&check.sql)) }
                    }
                }
            }
        }
    }
}

fn step(step: &Step, reached: Option<&'static str>) -> Markup {
    let how = match &step.action {
        Action::Sql { mode: Mode::Brief, .. } | Action::Together { .. } => {
            "for a moment: short lock timeout, tried again"
        }
        Action::Sql { mode: Mode::Scan, .. } => "as long as it takes",
        Action::Sql { mode: Mode::NoTransaction, .. } => "outside a transaction",
        Action::Sql { mode: Mode::AsIs, .. } => "as it is, for as long as it runs",
        Action::BuildIndex { .. } | Action::Reindex { .. } => "concurrently",
        Action::Backfill(_) => "in batches steered by time",
        Action::Later { .. } => "later, as a job of its own, unless this one is undone",
    };
    html! {
        li class=[reached] {
            p.step { strong { (line(&step.name)) } " " (lock(step.lock)) " " span.quiet { @for table in &step.also { "also on " (line(&table.written())) ", " } (blocks(step.lock)) ", " (how) @if let Some(estimate) = step.estimate { ", " (estimate) } } }
            @match &step.action {
                Action::Together { statements } => (sql::block(&format!("{};", statements.join(";\n")))),
                Action::Sql { .. } | Action::BuildIndex { .. } | Action::Reindex { .. } | Action::Backfill(_) | Action::Later { .. } => (sql::block(&step.action.sql())),
            }
            @if let Action::Backfill(fill) = &step.action { p.quiet { "about " (grouped(fill.rows_estimate)) " rows" } }
            @if step.probe.is_some() || !step.undo.is_empty() {
                details {
                    summary { "Undo and probe" }
                    @if !step.undo.is_empty() { p.quiet { "Undone by" } (sql::block(&step.undo.join(";\n"))) }
                    @if let Some(probe) = &step.probe { p.quiet { "Done already?" } (sql::block(probe)) }
                }
            }
        }
    }
}

/// Where a run stands with a step, as a class.
fn reached(run: &Run, index: usize) -> &'static str {
    let mut tries = run.steps.iter().filter(|record| usize::try_from(record.step) == Ok(index));
    match tries.next_back().map(|record| record.ended) {
        None => "waits",
        Some(None) if run.ended.is_none() => "at-work",
        Some(None) => "unknown",
        Some(Some((_, outcome))) => match outcome {
            StepOutcome::Done | StepOutcome::Skipped => "done",
            StepOutcome::Failed | StepOutcome::Cancelled => "failed",
            StepOutcome::Unknown => "unknown",
        },
    }
}

/// What the runs did, step by step.
pub(super) fn runs(runs: &[Run]) -> Markup {
    html! {
        @for run in runs {
            h3 { "Run in session " code { (line(&run.session)) } " " span.quiet { (ago(run.started)) } }
            div.wide tabindex="0" { table {
                thead { tr { th scope="col" { "Step" } th scope="col" { "Try" } th scope="col" { "Outcome" } th scope="col" { "Took" } th scope="col" { "Detail" } } }
                tbody {
                    @for record in &run.steps {
                        @let name = usize::try_from(record.step).ok().and_then(|index| run.plan.steps.get(index)).map_or("", |step| &step.name);
                        tr {
                            td { (record.step + 1) " " (line(name)) }
                            td { (record.attempt) }
                            @match record.ended {
                                None => { td { "at work" } td { (span(now().ms_since(record.started))) } },
                                Some((at, how)) => { td { (outcome(how)) } td { (span(at.ms_since(record.started))) } },
                            }
                            td { (record.detail.as_deref().map(line).unwrap_or_default()) }
                        }
                    }
                }
            } }
            @if !run.checks.is_empty() {
                p { "Checked when all steps had run:" }
                ul.checks {
                    @for check in &run.checks {
                        li {
                            (line(&check.name)) " " (check.outcome.words())
                            @if let Some(why) = &check.why { ": " (line(why)) }
                        }
                    }
                }
            }
        }
    }
}

/// The queue at the lock that a run waits for.
pub(super) fn queue(run: Option<&Run>) -> Markup {
    let Some((run, Waiting { since, queue })) = run.and_then(|run| Some((run, run.waiting.as_ref()?))) else {
        return html! {};
    };
    let mut rows = Vec::new();
    rows.extend(queue.holders.iter().map(|one| ("in the way", one)));
    rows.extend(queue.waiting.iter().map(|one| ("waits too", one)));
    html! {
        section.card aria-labelledby="lock-queue" {
            h2 #lock-queue { "Lock queue" }
            p {
                "Step " (queue.step + 1) @if run.ended.is_none() { " waits" } @else { " gave up waiting" } " for " (lock(queue.lock))
                @if !queue.table.is_empty() { " on " strong { (line(&queue.table)) } } ", since " (time(*since)) "."
            }
            div.wide tabindex="0" { table {
                thead { tr { th scope="col" { "Place" } th scope="col" { "Who" } th scope="col" { "State" } th scope="col" { "Transaction open" } th scope="col" { "Statement" } } }
                tbody {
                    @for (what, one) in rows {
                        tr {
                            td.name { (what) }
                            @match one.pid {
                                Some(pid) => { td { (line(&one.user)) " " span.quiet { "process " (pid) " " (line(&one.application)) } } },
                                None => { td { (line(&one.user)) " " span.quiet { "prepared transaction" } } },
                            }
                            td { (line(&one.state)) @if !matches!(one.backend.as_str(), "" | "client backend") { " " span.quiet { (line(&one.backend)) } } }
                            td { (one.age_ms.map(span).unwrap_or_default()) }
                            td { code { (line(&one.query)) } }
                        }
                    }
                }
            } }
        }
    }
}

/// Why a statement is more than ordinary.
pub(super) fn finding(finding: &Finding) -> Markup {
    html! {
        li {
            p { code { (line(&finding.rule.0)) } " " @if let Some(mode) = finding.lock { (lock(mode)) } }
            p { (line(&finding.message)) }
            @if !finding.instead.is_empty() { p.quiet { (line(&finding.instead)) } }
        }
    }
}

/// Whose a table is, and what is made of it.
pub(super) fn object(relation: &RelationFacts) -> Markup {
    html! {
        p.quiet {
            strong { (line(&format!("{}.{}", relation.schema, relation.name))) } " belongs to " (line(&relation.owner))
            @if !relation.dependents.is_empty() {
                "; used by " (relation.dependents.iter().map(|one| line(one)).collect::<Vec<_>>().join(", "))
            }
            "."
        }
    }
}

/// What a change touches beside its relations.
pub(super) fn besides(touched: &Touched) -> Markup {
    html! {
        ul.findings {
            @for one in &touched.objects { li { (line(&object_words(one))) } }
            @if touched.more() > 0 { li { "and " (grouped(touched.more())) " more" } }
        }
    }
}
