//! A notice in words: the shipped templates, or those that the configuration puts in their place.

use minijinja::value::Serde;
use minijinja::{Environment, Value, context};

use crate::kernel::notice::{Notice, TEST};
use crate::kernel::review::is_invisible;
use crate::shell::config::Templates;

/// A notice for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Texts {
    /// One line.
    pub(super) title: String,
    pub(super) body: String,
    pub(super) html: String,
}

/// Fills the templates in. The notice is a printable one.
pub(super) fn render(notice: &Notice, templates: &Templates) -> Result<Texts, String> {
    let mut environment = Environment::new();
    let sources = [
        ("title.txt", &templates.title, include_str!("templates/title.txt")),
        ("body.txt", &templates.body, include_str!("templates/body.txt")),
        ("email.html", &templates.html, include_str!("templates/email.html")),
    ];
    for (name, own, shipped) in &sources {
        environment.add_template(name, own.as_deref().unwrap_or(shipped)).map_err(|error| said(name, &error))?;
    }
    let fill = |name: &str, title: &str| -> Result<String, String> {
        let values = context! { title, what => what(notice), ..Value::from(Serde(notice)) };
        environment.get_template(name).and_then(|found| found.render(values)).map_err(|error| said(name, &error))
    };
    let title = fill("title.txt", "")?;
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Texts { body: fill("body.txt", &title)?, html: fill("email.html", &title)?, title })
}

fn said(name: &str, error: &minijinja::Error) -> String {
    format!("the template {name} cannot be filled in: {error}")
}

/// What happened, as the end of a sentence.
pub(super) fn what(notice: &Notice) -> String {
    let by = notice.by.as_ref().map_or_else(String::new, |by| format!(" by {by}"));
    let plain = match notice.event.as_str() {
        TEST => "says that this route works",
        "ticket.opened" => "waits for approval",
        "ticket.returned" => "waits for approval again",
        "ticket.given_back" => "did not get its lock and is still approved",
        "ticket.outcome_lost" => "has an unknown outcome",
        "ticket.finished" | "job.finished" => "is done",
        "ticket.failed" | "job.failed" => "has failed",
        "ticket.expired" => "has expired",
        "ticket.claimed" => "is about to run",
        "ticket.started" | "job.started" => "runs",
        "ticket.run_chosen" => "has another time or way to run",
        "job.interrupted" => "was interrupted and will go on",
        "job.recovered" => "goes on",
        "schema.uncertain" => "may have been changed",
        "ticket.voted" => return format!("was approved{by} and needs more"),
        "ticket.commented" => return format!("has a comment{by}"),
        "job.rate_set" => return format!("has another rate{by}"),
        "job.stopping" => return format!("is being stopped{by}"),
        "ticket.glass_broken" => return format!("was let through alone{by}"),
        "ticket.debt_reviewed" => return format!("was reviewed afterwards{by}"),
        "ticket.changes_requested" => return format!("was sent back for changes{by}"),
        other => {
            let word = other.rsplit('.').next().unwrap_or(other).replace('_', " ");
            return format!("was {word}{by}");
        }
    };
    plain.to_owned()
}

/// Other people's text so that what is seen is what is there: characters that draw nothing or change the direction
/// are spelled out.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && !matches!(c, '\n' | '\t')) || is_invisible(c) {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// The same for all that a notice says.
pub(super) fn printable_notice(notice: &Notice) -> Notice {
    let spelled = serde_json::to_value(notice).map(spelled_out).and_then(serde_json::from_value);
    // What was made from a notice is one.
    spelled.unwrap_or_else(|_| notice.clone())
}

fn spelled_out(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(values) => Value::Array(values.into_iter().map(spelled_out).collect()),
        Value::Object(values) => {
            Value::Object(values.into_iter().map(|(key, value)| (key, spelled_out(value))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// At most so many characters, and whether that is all.
pub(super) fn cut(text: &str, most: usize) -> (String, bool) {
    match text.char_indices().nth(most) {
        None => (text.to_owned(), true),
        Some((at, _)) => (format!("{}…", text.get(..at).unwrap_or_default()), false),
    }
}
