//! Microsoft Teams by a workflow's address: an Adaptive Card with a link. Nothing is decided there.

use std::time::Duration;

use serde_json::{Value, json};

use super::http;
use super::texts::{Texts, cut};
use super::{Failure, Sent};
use crate::kernel::notice::Notice;
use crate::shell::config::Endpoint;

/// Characters of a statement and of a note: a card has at most 28 KB.
const STATEMENT_MAX: usize = 4_000;
const NOTE_MAX: usize = 1_000;

/// Sends a notice.
pub(super) fn send(endpoint: &Endpoint, notice: &Notice, texts: &Texts, timeout: Duration) -> Result<Sent, Failure> {
    http::post(endpoint, "", &[], &card(notice, texts).to_string(), timeout)?.accepted()?;
    Ok(Sent::default())
}

/// Text that others wrote stands in runs, where nothing is markup.
pub(super) fn card(notice: &Notice, texts: &Texts) -> Value {
    let run = |text: String, monospace: bool| {
        let font = if monospace { "Monospace" } else { "Default" };
        json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "fontType": font }] })
    };
    let mut body = vec![json!({
        "type": "RichTextBlock",
        "inlines": [{ "type": "TextRun", "text": texts.title, "weight": "Bolder", "size": "Medium" }]
    })];
    if let Some(note) = &notice.note {
        body.push(run(cut(note, NOTE_MAX).0, notice.schema.is_some()));
    }
    let of = notice.ticket.as_ref().map(|ticket| (&ticket.requester, &ticket.statement));
    let of = of.or_else(|| notice.job.as_ref().map(|job| (&job.requester, &job.statement)));
    if let Some((requester, statement)) = of {
        body.push(run(format!("Asked for by {requester}"), false));
        body.push(run(cut(statement, STATEMENT_MAX).0, true));
    }
    if let Some(event) = &notice.schema {
        let change = &event.change;
        body.push(run(format!("Changed by {}", change.person.as_ref().unwrap_or(&change.requester)), false));
        body.push(run(cut(&change.statements.join(";\n"), STATEMENT_MAX).0, true));
    }
    for finding in notice.ticket.iter().flat_map(|ticket| &ticket.findings).take(8) {
        body.push(run(format!("{} ({})", finding.message, finding.rule), false));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "actions": [{ "type": "Action.OpenUrl", "title": "Open", "url": notice.url }]
            }
        }]
    })
}
