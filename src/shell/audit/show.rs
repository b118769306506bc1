//! One session's story, for a terminal. Everything that came from outside is escaped.

use std::io::{self, Write};
use std::path::Path;

use super::escape::for_terminal;
use super::event::{
    DecisionRecord, Event, Intent, Line, SessionEnded, SessionStarted, SessionTerminated, Statement, Step, TicketEvent,
};
use super::past;
use super::sessions::SessionsError;
use crate::kernel::plan::also_words;

/// Prints all lines of a session.
pub(super) fn show(directory: &Path, id: &str, json: bool, out: &mut dyn Write) -> Result<(), SessionsError> {
    past::lines(directory, id, |text| print(text, json, out).map_err(SessionsError::Output))
}

fn print(text: &[u8], json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        out.write_all(text)?;
        return out.write_all(b"\n");
    }
    let Ok(line) = serde_json::from_slice::<Line>(text) else {
        return Ok(());
    };
    let at = clock_ms(&line.at);
    match &line.event {
        Event::SessionStarted(started) => out.write_all(head(&line, started).as_bytes()),
        Event::Statement(statement) => writeln!(out, "{at}  {}", told(statement)),
        Event::Decision(decision) => writeln!(out, "{at}  {}", decided(decision)),
        Event::Intent(intent) => writeln!(out, "{at}  {}", intended(intent)),
        Event::Step(step) => writeln!(out, "{at}  {}", stepped(step)),
        Event::Verified(one) => {
            let n = one.of.n.unwrap_or_default();
            for check in &one.checks {
                writeln!(out, "{at}  {n:>4}  {}: {}", for_terminal(&check.name), check.outcome.words())?;
            }
            Ok(())
        }
        Event::EndedIdle(one) => {
            let (n, who) = (one.of.n.unwrap_or_default(), for_terminal(&one.ended.to_string()));
            writeln!(out, "{at}  {n:>4}  ended a session that idled in the way: {who}")
        }
        Event::LogGap(gap) => {
            writeln!(
                out,
                "{at}  {} statements (number {} to {}) have no line of their own",
                gap.records, gap.first_n, gap.last_n
            )
        }
        Event::SessionTerminated(SessionTerminated { by, reason, .. }) => {
            let why = reason.as_deref().map(|why| format!(": {}", for_terminal(why))).unwrap_or_default();
            writeln!(out, "{at}  ended by {}{why}", for_terminal(by))
        }
        Event::SessionEnded(ended) => writeln!(out, "{at}  {}", closed(ended)),
        Event::Ticket(event) => writeln!(out, "{}  {}", clock_ms(&event.happened), ticket(event)),
        // These belong to no session.
        Event::GatewayStarted(_)
        | Event::GatewayStopped { .. }
        | Event::GatewayReloaded { .. }
        | Event::RecordResumed { .. }
        | Event::LoginFailed(_)
        | Event::Admission(_)
        | Event::Job(_) => Ok(()),
    }
}

/// What became of a ticket of the session.
fn ticket(event: &TicketEvent) -> String {
    let note = event.note.as_deref().map(|note| format!(": {}", for_terminal(note))).unwrap_or_default();
    let by = for_terminal(&event.by);
    let by = match event.door.as_str() {
        "local" => format!("{by} (local token)"),
        "reviewer" => format!("{by} (own token)"),
        _ => by,
    };
    format!("       ticket {} {} by {by}{note}", event.ticket, for_terminal(&event.what))
}

fn head(line: &Line, started: &SessionStarted) -> String {
    let info = &started.info;
    let tls = info.tls.as_deref().map_or("no TLS".to_owned(), for_terminal);
    format!(
        "session      {}-{}\nwho          {} ({}), application {}\nfrom         {} ({}, {tls})\nto           {} database {}, backend {}\n\n{}  session started\n",
        for_terminal(&line.boot),
        started.session.0,
        for_terminal(&info.user),
        for_terminal(&info.auth),
        quoted(&info.application),
        for_terminal(&info.client),
        for_terminal(&info.transport),
        for_terminal(&info.target),
        for_terminal(&info.database),
        info.backend_pid.map_or("unknown".to_owned(), |pid| pid.to_string()),
        day_and_clock(&line.at),
    )
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "unnamed".into() } else { format!("\"{}\"", for_terminal(text)) }
}

fn told(statement: &Statement) -> String {
    let result = match &statement.sqlstate {
        Some(state) => format!("ERROR {}", for_terminal(state)),
        None => for_terminal(&statement.tag),
    };
    let mut text = format!(
        "{:>4}  {:<8}{:>10}  {:>8} rows  {result:<14}  {}",
        statement.n,
        statement.decision.word(),
        duration(statement.duration_us),
        statement.rows,
        for_terminal(statement.text.trim()),
    );
    if let Some(full) = statement.text_bytes {
        text += &format!(" … ({full} bytes)");
    }
    if !statement.rules.is_empty() {
        let rules: Vec<String> = statement.rules.iter().map(|rule| for_terminal(&rule.0)).collect();
        text += &format!("  [{}]", rules.join(", "));
    }
    if let Some(ticket) = statement.ticket {
        text += &format!("  ticket {}", ticket.0);
    }
    if let Some(parameters) = &statement.parameters {
        let values: Vec<String> = parameters.iter().map(|p| p.as_deref().map_or("NULL".into(), for_terminal)).collect();
        text += &format!("  parameters ({})", values.join(", "));
    }
    text
}

fn decided(decision: &DecisionRecord) -> String {
    let mut text = format!("{:>4}  decision: {}", decision.n, decision.decision.word());
    if let Some(recipe) = &decision.recipe {
        text += &format!(", recipe {}", for_terminal(recipe));
    }
    if let Some(ticket) = decision.ticket {
        text += &format!(", ticket {}", ticket.0);
    }
    if let Some(job) = decision.job {
        text += &format!(", job {job}");
    }
    for finding in &decision.findings {
        text += &format!("\n{:20}{}: {}", "", for_terminal(&finding.rule.0), for_terminal(&finding.message));
    }
    for locked in &decision.locks {
        text += &format!("\n{:20}locks {}: {}", "", for_terminal(&locked.relation), locked.mode.words());
    }
    text
}

fn intended(intent: &Intent) -> String {
    let mut text = format!("{:>4}  about to run", intent.n);
    if let Some(ticket) = intent.ticket {
        text += &format!(", ticket {}", ticket.0);
    }
    if !intent.approvers.is_empty() {
        let approvers: Vec<String> = intent.approvers.iter().map(|name| for_terminal(name)).collect();
        text += &format!(", approved by {}", approvers.join(", "));
    }
    text += &format!(": {}", for_terminal(&intent.text));
    for (i, step) in intent.plan.steps.iter().enumerate() {
        let also = for_terminal(&also_words(&step.also));
        text += &format!("\n{:20}{}. {} ({}{also})", "", i + 1, for_terminal(&step.name), words(&step.lock));
    }
    text
}

fn stepped(step: &Step) -> String {
    let mut text = format!("{:>4}  step {} {}: {}", step.n, step.step, for_terminal(&step.name), step.outcome.word());
    if step.outcome == super::StepOutcome::Done {
        text += &format!(" in {}", duration(step.duration_us));
    }
    if let Some(error) = &step.error {
        text += &format!(": {}", for_terminal(error));
    }
    text
}

impl super::StepOutcome {
    /// As people read it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "was done already",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Unknown => "outcome unknown",
        }
    }
}

fn closed(ended: &SessionEnded) -> String {
    let counts = ended.counts;
    format!(
        "session ended ({}): {} statements, {} changes, {} held, {} refused, {} errors, {} rows, {} bytes in, {} out",
        words(&ended.reason),
        counts.statements,
        counts.changes,
        counts.held,
        counts.refused,
        counts.errors,
        counts.rows,
        counts.bytes_in,
        counts.bytes_out
    )
}

/// As the record writes it, without underscores.
fn words(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').replace('_', " ")
}

/// As long as a person wants to know.
pub(crate) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1000, us % 1000 / 100),
        1_000_000.. => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
    }
}

/// A cell of a table: one line, not too wide.
pub(super) fn cell(text: &str) -> String {
    const WIDTH: usize = 32;
    let text = for_terminal(text);
    if text.chars().count() <= WIDTH {
        return text;
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}

/// `2026-11-21 14:48:17`.
pub(super) fn day_and_clock(at: &str) -> String {
    let (at, _) = at.split_once('.').unwrap_or((at, ""));
    for_terminal(&at.replace('T', " "))
}

/// `14:48:17`.
pub(super) fn clock(at: &str) -> String {
    let text = day_and_clock(at);
    text.split_once(' ').map_or(text.clone(), |(_, clock)| clock.to_owned())
}

fn clock_ms(at: &str) -> String {
    for_terminal(at.get(11..23).unwrap_or(at))
}
