//! Slack: one message for each ticket in the route's channel, changed as the ticket moves, and words to the
//! requester. Buttons come back through the admin door: [`interaction`].

pub(super) mod blocks;
pub mod interaction;

use std::time::Duration;

use serde_json::{Value, json};

use super::http;
use super::texts::Texts;
use super::{Failure, Sent};
use crate::kernel::notice::Notice;
use crate::shell::config::Slack;

/// Characters of the text beside the blocks: notifications show it.
const TEXT_MAX: usize = 3_000;

/// Sends a notice to the channel (no recipient) or to a person; `reference`: the message that is there already.
pub(super) fn send(
    slack: &Slack,
    notice: &Notice,
    texts: &Texts,
    to: (&str, Option<&str>),
    timeout: Duration,
) -> Result<Sent, Failure> {
    let (recipient, reference) = to;
    let known = reference.and_then(|reference| reference.split_once(' '));
    if !recipient.is_empty() {
        let text = super::texts::cut(&texts.body, TEXT_MAX).0;
        call(slack, "chat.postMessage", &json!({ "channel": recipient, "text": escaped(&text) }), timeout)?;
        return Ok(Sent::default());
    }
    match known {
        // What is said about it, and what its job does, stands below it.
        Some((channel, at)) if is_aside(notice) => {
            let text =
                notice.note.as_ref().map_or_else(|| texts.title.clone(), |note| format!("{}: {note}", texts.title));
            let text = escaped(&super::texts::cut(&text, TEXT_MAX).0);
            call(slack, "chat.postMessage", &json!({ "channel": channel, "thread_ts": at, "text": text }), timeout)?;
            Ok(Sent::default())
        }
        // Each change of a definition is a message of its own.
        Some(_) if notice.schema.is_some() => post(slack, notice, texts, timeout),
        Some((channel, at)) => {
            let mut body = blocks::message(slack, notice, texts);
            body["channel"] = channel.into();
            body["ts"] = at.into();
            match call(slack, "chat.update", &body, timeout) {
                // Somebody has deleted it.
                Err(failure) if failure.why.contains("message_not_found") => post(slack, notice, texts, timeout),
                done => done.map(|_| Sent::default()),
            }
        }
        None => post(slack, notice, texts, timeout),
    }
}

fn is_aside(notice: &Notice) -> bool {
    notice.event == "ticket.commented" || notice.job.as_ref().is_some_and(|job| job.ticket.is_some())
}

fn post(slack: &Slack, notice: &Notice, texts: &Texts, timeout: Duration) -> Result<Sent, Failure> {
    let mut body = blocks::message(slack, notice, texts);
    body["channel"] = slack.channel.as_str().into();
    let answer = call(slack, "chat.postMessage", &body, timeout)?;
    let reference = match (answer["channel"].as_str(), answer["ts"].as_str()) {
        (Some(channel), Some(at)) => Some(format!("{channel} {at}")),
        _ => None,
    };
    Ok(Sent { reference })
}

/// One method of the Web API.
fn call(slack: &Slack, method: &str, body: &Value, timeout: Duration) -> Result<Value, Failure> {
    let token = format!("Bearer {}", String::from_utf8_lossy(slack.token.reveal()));
    let headers = [("Authorization", token.as_str())];
    let answer = http::post(&slack.api, &format!("/{method}"), &headers, &body.to_string(), timeout)?.accepted()?;
    let value: Value = serde_json::from_str(&answer.body)
        .map_err(|_| Failure::again(format!("Slack's answer to {method} cannot be read")))?;
    if value["ok"] == true {
        return Ok(value);
    }
    let error = value["error"].as_str().unwrap_or("no error named");
    Err(Failure { why: format!("Slack refused {method}: {error}"), after: answer.after, fatal: false })
}

/// Slack's own signs as text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
