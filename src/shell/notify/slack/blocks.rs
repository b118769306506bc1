//! A ticket's message in Block Kit. What others wrote stands where Slack reads no markup, or escaped.

use serde_json::{Value, json};

use super::super::texts::{Texts, cut};
use super::escaped;
use crate::kernel::notice::{Notice, TicketLine};
use crate::shell::config::Slack;

/// Slack's own limits: characters of a header, of a section, and of the statement in its block.
const HEADER_MAX: usize = 150;
const SECTION_MAX: usize = 2_900;
const STATEMENT_MAX: usize = 2_900;
const FINDINGS_MAX: usize = 8;

/// Ids of the buttons, and of the form that asks why.
pub(in crate::shell::notify) const APPROVE: &str = "lockkeeper_approve";
pub(super) const REJECT: &str = "lockkeeper_reject";
const OPEN: &str = "lockkeeper_open";

pub(in crate::shell::notify) fn message(slack: &Slack, notice: &Notice, texts: &Texts) -> Value {
    let header = json!({ "type": "plain_text", "text": cut(&texts.title, HEADER_MAX - 1).0, "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": header })];
    let mut whole = true;
    match (&notice.note, &notice.schema) {
        (Some(note), Some(_)) => blocks.push(preformatted(&cut(note, SECTION_MAX).0)),
        (Some(note), None) => blocks.push(section(note)),
        (None, _) => {}
    }
    let of = notice.ticket.as_ref().map(|ticket| (&ticket.requester, &ticket.application, &ticket.statement));
    let of = of.or_else(|| notice.job.as_ref().map(|job| (&job.requester, &job.application, &job.statement)));
    if let Some((requester, application, statement)) = of {
        let who = notice.ticket.as_ref().and_then(|ticket| ticket.person.as_ref()).unwrap_or(requester);
        blocks.push(context(&format!("Asked for by {who} as {requester} with {application}")));
        let (statement, all) = cut(statement, STATEMENT_MAX);
        whole = all;
        blocks.push(preformatted(&statement));
    }
    if let Some(event) = &notice.schema {
        let change = &event.change;
        let who = change.person.as_ref().unwrap_or(&change.requester);
        blocks.push(context(&format!("Changed by {who} with {}", change.application)));
        blocks.push(preformatted(&cut(&change.statements.join(";\n"), STATEMENT_MAX).0));
    }
    if let Some(ticket) = &notice.ticket {
        blocks.extend(details(ticket));
    }
    blocks.push(json!({ "type": "actions", "elements": buttons(slack, notice, whole) }));
    json!({ "text": escaped(&texts.title), "blocks": blocks, "unfurl_links": false })
}

fn details(ticket: &TicketLine) -> Vec<Value> {
    let mut blocks = Vec::new();
    let findings: Vec<String> =
        ticket.findings.iter().take(FINDINGS_MAX).map(|one| format!("• {} ({})", one.message, one.rule)).collect();
    if !findings.is_empty() {
        blocks.push(section(&findings.join("\n")));
    }
    if !ticket.steps.is_empty() {
        let steps: Vec<String> = ticket.steps.iter().map(|step| format!("{} ({})", step.name, step.lock)).collect();
        blocks.push(context(&format!("Runs as: {}", steps.join(" → "))));
    }
    if let Some(why) = &ticket.justification {
        blocks.push(section(&format!("Why: {why}")));
    }
    let mut stands = format!("State: {}", ticket.state.replace('_', " "));
    if !ticket.approved_by.is_empty() {
        stands.push_str(&format!(" · approved by {}", ticket.approved_by.join(", ")));
    }
    if !ticket.missing.is_empty() {
        stands.push_str(&format!(" · still needs {}", ticket.missing.join(", ")));
    }
    if ticket.concealed {
        stands.push_str(" · its literals are hidden here: decide on its page");
    }
    blocks.push(context(&stands));
    blocks
}

/// Nobody decides on what is not all there to be seen.
fn buttons(slack: &Slack, notice: &Notice, whole: bool) -> Vec<Value> {
    let button = |id: &str, text: &str| json!({ "type": "button", "action_id": id, "text": plain(text) });
    let mut buttons = Vec::new();
    if let Some(ticket) = &notice.ticket
        && ticket.is_pending()
        && slack.signing_secret.is_some()
    {
        if whole && !ticket.concealed {
            let mut approve = button(APPROVE, "Approve");
            approve["style"] = "primary".into();
            approve["value"] = json!({ "ticket": ticket.id, "seen": ticket.review_hash }).to_string().into();
            buttons.push(approve);
        }
        let mut reject = button(REJECT, "Reject…");
        reject["style"] = "danger".into();
        reject["value"] = json!({ "ticket": ticket.id }).to_string().into();
        buttons.push(reject);
    }
    let mut open = button(OPEN, "Open");
    open["url"] = notice.url.as_str().into();
    buttons.push(open);
    buttons
}

/// The form that asks why a ticket is rejected; `about` comes back with it.
pub(super) fn reason_form(about: &Value) -> Value {
    json!({
        "type": "modal",
        "callback_id": REJECT,
        "private_metadata": about.to_string(),
        "title": plain(&format!("Reject ticket {}", about["ticket"])),
        "submit": plain("Reject"),
        "close": plain("Back"),
        "blocks": [{
            "type": "input",
            "block_id": "reason",
            "label": plain("Why? The requester is told."),
            "element": { "type": "plain_text_input", "action_id": "reason", "multiline": true, "max_length": 2000 }
        }]
    })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": plain(&cut(text, SECTION_MAX).0) })
}

fn context(text: &str) -> Value {
    json!({ "type": "context", "elements": [plain(&cut(text, SECTION_MAX).0)] })
}

fn preformatted(text: &str) -> Value {
    json!({
        "type": "rich_text",
        "elements": [{ "type": "rich_text_preformatted", "elements": [{ "type": "text", "text": text }] }]
    })
}
