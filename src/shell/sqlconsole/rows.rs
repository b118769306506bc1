//! What the API answers, as rows of the views.

use rusqlite::types::Value;
use serde_json::Value as Json;

use super::types;
use crate::kernel::review::{Instant, State, approvers};
use crate::kernel::sql::statement::RelationName;
use crate::shell::console::view::{Full, JobFull, JobSummary, Summary};

pub(super) fn t(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(super) fn opt(text: Option<impl Into<String>>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}

pub(super) fn n(number: impl TryInto<i64>) -> Value {
    Value::Integer(number.try_into().unwrap_or(i64::MAX))
}

pub(super) fn at(instant: Instant) -> Value {
    Value::Integer(instant.0)
}

pub(super) fn texts<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Text(types::array(items))
}

/// A field of a value that is written as JSON.
fn field(json: &Json, name: &str) -> Value {
    match json.get(name) {
        Some(Json::String(text)) => t(text.clone()),
        Some(Json::Number(number)) => number.as_i64().map_or(Value::Null, Value::Integer),
        Some(Json::Bool(truth)) => Value::Integer(i64::from(*truth)),
        Some(Json::Null) | None => Value::Null,
        Some(other) => t(other.to_string()),
    }
}

fn first(json: &Json, names: &[&str]) -> Value {
    let found = names.iter().map(|name| field(json, name));
    found.into_iter().find(|value| *value != Value::Null).unwrap_or(Value::Null)
}

pub(super) fn ticket_row(summary: Summary, now: Instant) -> Vec<Value> {
    let data = serde_json::to_value(&summary.state).unwrap_or_default();
    let decided = match &summary.state {
        State::Rejected { .. } | State::Cancelled { .. } | State::ChangesRequested { .. } => field(&data, "by"),
        _ => Value::Null,
    };
    let age = Value::Integer(now.0.saturating_sub(summary.opened.0));
    vec![
        n(summary.id.0),
        t(summary.state.name().as_str()),
        t(summary.requester),
        t(summary.target),
        t(summary.database),
        t(summary.text),
        texts(summary.rules),
        texts(summary.labels),
        texts(approvers(&summary.state)),
        at(summary.opened),
        age,
        summary.state.expires().map_or(Value::Null, at),
        decided,
        first(&data, &["reason", "what", "message", "why", "returned", "note"]),
        n(i64::from(summary.owed)),
        n(summary.version),
    ]
}

pub(super) fn detail(full: &Full) -> Vec<Value> {
    let (ticket, request) = (&full.ticket, &full.ticket.request);
    vec![
        n(ticket.id.0),
        t(ticket.state.name().as_str()),
        t(request.shown.clone()),
        t(full.review_hash.clone()),
        texts(&full.missing),
        opt(ticket.justification.clone()),
        t(request.role.clone()),
        opt(request.person.clone()),
        t(request.application.clone()),
        t(request.client.clone()),
        t(request.plan.summary.clone()),
        opt(request.plan.undo_loses.clone()),
    ]
}

pub(super) fn findings(full: &Full) -> Vec<Vec<Value>> {
    let row = |finding: &crate::kernel::rules::Finding| {
        vec![
            n(full.ticket.id.0),
            t(finding.rule.0.clone()),
            opt(finding.relation.as_ref().map(RelationName::written)),
            opt(finding.lock.map(|lock| lock.words())),
            t(finding.message.clone()),
            t(finding.instead.clone()),
            finding.rows.map_or(Value::Null, n),
            finding.bytes.map_or(Value::Null, n),
        ]
    };
    full.ticket.request.findings.iter().map(row).collect()
}

pub(super) fn plan_steps(full: &Full) -> Vec<Vec<Value>> {
    let steps = full.ticket.request.plan.steps.iter().zip(1_i64..);
    let row = |(step, number): (&crate::kernel::plan::Step, i64)| {
        vec![
            n(full.ticket.id.0),
            n(number),
            t(step.name.clone()),
            t(step.lock_words()),
            n(i64::from(step.scans)),
            t(step.action.sql()),
            opt((!step.undo.is_empty()).then(|| step.undo.join(";\n"))),
        ]
    };
    steps.map(row).collect()
}

pub(super) fn events(full: &Full) -> Vec<Vec<Value>> {
    let row = |recorded: &crate::shell::store::Recorded| {
        let data = serde_json::to_value(&recorded.event.what).unwrap_or_default();
        let by = match first(&data, &["by"]) {
            Value::Null => data.get("request").map_or(Value::Null, |request| field(request, "requester")),
            by => by,
        };
        vec![
            n(recorded.seq),
            n(full.ticket.id.0),
            n(recorded.version),
            at(recorded.event.at),
            t(recorded.event.what.name()),
            by,
            first(&data, &["text", "note", "reason", "what", "why", "message", "found", "tag"]),
        ]
    };
    full.events.iter().map(row).collect()
}

pub(super) fn job_row(job: &JobSummary) -> Vec<Value> {
    let progress = &job.progress;
    let rows = progress.rows;
    #[allow(clippy::cast_precision_loss, reason = "a percentage")]
    let percent = rows.filter(|rows| rows.estimate > 0).map(|rows| {
        let percent = (rows.done as f64 / rows.estimate as f64 * 1_000.0).round() / 10.0;
        Value::Real(percent.min(100.0))
    });
    let left = rows.and_then(|rows| rows.left_ms).map(|ms| n(ms.saturating_mul(1_000)));
    let why = match &job.state {
        crate::kernel::job::State::Failed { message, .. } => Some(message.clone()),
        crate::kernel::job::State::Aborted { left, .. } => Some(left.clone()),
        _ => progress.why.clone(),
    };
    vec![
        n(job.id.0),
        t(job.state.name().as_str()),
        n(progress.step),
        n(progress.steps),
        t(progress.name.clone()),
        rows.map_or(Value::Null, |rows| n(rows.done)),
        rows.map_or(Value::Null, |rows| n(rows.estimate)),
        percent.unwrap_or(Value::Null),
        left.unwrap_or(Value::Null),
        opt(why),
        t(job.requester.clone()),
        t(job.target.clone()),
        t(job.database.clone()),
        texts(&job.tables),
        job.ticket.map_or(Value::Null, |ticket| n(ticket.0)),
        at(job.created),
        t(job.text.clone()),
    ]
}

pub(super) fn step_rows(full: &JobFull) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    for (run, number) in full.runs.iter().zip(1_i64..) {
        for record in &run.steps {
            let at_plan = usize::try_from(record.step).ok();
            let step = at_plan.and_then(|step| run.plan.steps.get(step));
            let outcome = record.ended.as_ref().and_then(|(_, outcome)| serde_json::to_value(outcome).ok());
            rows.push(vec![
                n(full.job.job.id.0),
                n(number),
                n(i64::from(record.step) + 1),
                opt(step.map(|step| step.name.clone())),
                n(record.attempt),
                at(record.started),
                record.ended.as_ref().map_or(Value::Null, |(ended, _)| at(*ended)),
                opt(outcome.as_ref().and_then(Json::as_str)),
                opt(step.map(crate::kernel::plan::Step::lock_words)),
                opt(step.map(|step| step.action.sql())),
                opt(record.detail.clone()),
            ]);
        }
    }
    rows
}
