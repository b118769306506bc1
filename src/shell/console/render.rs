//! Tickets for people at a terminal. Our words first, then what will run, the statement's own text last:
//! it was written by whoever wants it approved, so it is escaped and cannot push anything out of sight.

pub(super) mod explain;
pub(super) mod impact;
pub(super) mod jobs;
mod kin;
mod touches;
pub(super) mod traffic;

pub(super) use explain::verdict;
pub(super) use touches::object_words;

use std::fmt::Write as _;

use super::text::{how, labels, line, lines, short};
use super::view::{Full, Summary};
use crate::kernel::plan::{Action, Mode, Plan, Step, also_words};
use crate::kernel::review::{Conditions, Door, Event, Happening, Instant, Request, State, Ticket};
use crate::kernel::rules::Finding;
use crate::kernel::sql::agree::format_for_people;
use crate::kernel::sql::statement::RelationName;
use crate::shell::store::{Recorded, Run, StepOutcome, Waiting};

/// Characters of a statement in a list.
const LIST_WIDTH: usize = 60;
/// A statement with longer lines is shown laid out as well.
const WIDE: usize = 100;
/// Lines of a statement shown; the rest is counted.
const LINES_MAX: usize = 200;

/// How to call this program again, as it was called.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) name: String,
    /// With a blank before each.
    pub(super) options: String,
}

/// A list, newest first as it comes.
pub(super) fn list(tickets: &[Summary], now: Instant) -> String {
    if tickets.is_empty() {
        return "No tickets.\n".into();
    }
    let mut out = format!("{:>6}  {:<9}  {:>8}  {:<16}  {:<24}  STATEMENT\n", "TICKET", "STATE", "AGE", "BY", "RULES");
    for ticket in tickets {
        let _ = writeln!(
            out,
            "{:>6}  {:<9}  {:>8}  {:<16}  {:<24}  {}",
            ticket.id.0,
            ticket.state.name().as_str(),
            span(now.ms_since(ticket.opened)),
            short(&ticket.requester, 16),
            short(&ticket.rules.join(","), 24),
            short(&ticket.text, LIST_WIDTH)
        );
    }
    out
}

/// Where a ticket stands, in one line.
pub(super) fn headline(ticket: &Ticket, now: Instant) -> String {
    let stands = match &ticket.state {
        State::Pending { expires, returned: None, .. } => format!("is pending{}{}", needs(ticket), left(*expires, now)),
        State::Pending { expires, returned: Some(why), .. } => {
            format!("is pending again: {}{}{}", line(why), needs(ticket), left(*expires, now))
        }
        State::ChangesRequested { by, what, expires, .. } => {
            format!("waits for changes that {} asks for: {}{}", line(by), line(what), left(*expires, now))
        }
        State::Approved { by, note, expires, given_back, .. } => {
            let from = ticket.runs_from(now).filter(|from| *from > now);
            let from = from.map(|from| format!(", to run from {}", from.utc())).unwrap_or_default();
            let unused =
                given_back.as_ref().map(|why| format!(", not used by its last run: {why}")).unwrap_or_default();
            format!("is approved by {}{}{from}{}{unused}", names(by), quoted(note.as_deref()), left(*expires, now))
        }
        State::Claimed { by_session, .. } => format!("is about to run in session {}", line(by_session)),
        State::Running { since, by_session, .. } => {
            format!("is running in session {} for {}", line(by_session), span(now.ms_since(*since)))
        }
        State::Done { ms, tag, .. } => format!("is done: {} in {}", line(tag), span(*ms)),
        State::Failed { code, message, .. } => format!("has failed: {} (SQLSTATE {})", line(message), line(code)),
        State::Undone { job, .. } => format!("was undone by job {job}"),
        State::Unknown { why, .. } => format!("has an unknown outcome: {}", line(why)),
        State::Rejected { by, reason, .. } => format!("was rejected by {}: {}", line(by), line(reason)),
        State::Cancelled { by, reason, .. } => {
            format!("was cancelled by {}{}", line(by), quoted(reason.as_deref()))
        }
        State::Expired { was_approved: false, .. } => "has expired without a decision".into(),
        State::Expired { was_approved: true, .. } => "was approved and has expired unused".into(),
    };
    format!("Ticket {} {stands}", ticket.id)
}

/// Everything known about a ticket. `program` is how to call ours, with what finds this gateway.
pub(super) fn full(full: &Full, program: &Program, now: Instant) -> String {
    let request = &full.ticket.request;
    let mut out = headline(&full.ticket, now);
    out.push('\n');
    asked(&mut out, &full.ticket, now);
    out.push_str("\nWhy it is held\n");
    for finding in &request.findings {
        why(&mut out, finding);
    }
    touches::all(&mut out, &request.facts);
    plan(&mut out, &request.plan);
    for run in &full.runs {
        progress(&mut out, run);
    }
    statement(&mut out, request);
    if !full.may_approve.is_empty() {
        let _ = writeln!(out, "\nMay be approved by\n  {}", line(&full.may_approve.join(", ")));
    }
    kin::seen_before(&mut out, &full.kin, now);
    out.push_str("\nHistory\n");
    for event in &full.events {
        let _ = writeln!(out, "  {:>3}  {}  {}", event.version, time(event.event.at), happening(&event.event));
    }
    let _ = match full.ticket.state {
        State::Pending { .. } => writeln!(
            out,
            "\nDecide with\n  {name} approve {id} --hash {hash}{options}\n  {name} reject {id} --reason '...'{options}",
            name = program.name,
            options = program.options,
            id = full.ticket.id,
            hash = full.review_hash.get(..16).unwrap_or(&full.review_hash)
        ),
        State::ChangesRequested { .. }
        | State::Approved { .. }
        | State::Claimed { .. }
        | State::Running { .. }
        | State::Done { .. }
        | State::Failed { .. }
        | State::Undone { .. }
        | State::Unknown { .. }
        | State::Rejected { .. }
        | State::Cancelled { .. }
        | State::Expired { .. } => Ok(()),
    };
    out
}

/// One event, as it happens.
pub(super) fn news(recorded: &Recorded) -> String {
    let at = time(recorded.event.at);
    format!("{at}  ticket {}  {}", recorded.ticket, happening(&recorded.event))
}

fn asked(out: &mut String, ticket: &Ticket, now: Instant) {
    let request = &ticket.request;
    let role =
        if request.role == request.requester { String::new() } else { format!(", acting as {}", line(&request.role)) };
    let server = match request.facts.server_version {
        0 => "PostgreSQL of unknown version".to_owned(),
        version => format!("PostgreSQL {}.{}", version / 10_000, version % 10_000),
    };
    let _ = writeln!(out, "  asked by   {}{role}", line(&request.requester));
    let _ = writeln!(out, "  since      {} ({} ago)", time(ticket.opened), span(now.ms_since(ticket.opened)));
    let _ = writeln!(
        out,
        "  goes to    target {}, database {}, {server}, search_path {}",
        line(&request.target),
        line(&request.database),
        line(&request.search_path)
    );
    let application = if request.application.is_empty() { "an unnamed application" } else { &request.application };
    let _ = writeln!(out, "  came from  {} at {}", line(application), line(&request.client));
}

fn why(out: &mut String, finding: &Finding) {
    let relation = finding.relation.as_ref().map(|name| format!("  {}", qualified(name))).unwrap_or_default();
    let lock = finding.lock.map(|mode| format!("  {} lock", mode.words())).unwrap_or_default();
    let _ = writeln!(out, "  {}{relation}{lock}", line(&finding.rule.0));
    let _ = writeln!(out, "    {}", line(&finding.message));
    if !finding.instead.is_empty() {
        let _ = writeln!(out, "    instead: {}", line(&finding.instead));
    }
}

fn plan(out: &mut String, plan: &Plan) {
    let _ = writeln!(out, "\nWhat will run (recipe {})", line(&plan.recipe));
    if !plan.summary.is_empty() {
        let _ = writeln!(out, "  {}", line(&plan.summary));
    }
    for (index, one) in plan.steps.iter().enumerate() {
        step(out, index + 1, one);
    }
    if !plan.verify.is_empty() {
        out.push_str("  Then it is checked that\n");
    }
    for check in &plan.verify {
        let _ = writeln!(out, "     - {}", line(&check.name));
    }
    if plan.steps.iter().all(|step| step.undo.is_empty()) {
        out.push_str("  No way to undo it is known.\n");
    } else if let Some(lost) = &plan.undo_loses {
        let _ = writeln!(out, "  Undoing it loses {}.", line(lost));
    }
}

fn step(out: &mut String, number: usize, step: &Step) {
    let scans = if step.scans { ", goes through all rows" } else { "" };
    let how = match &step.action {
        Action::Sql { mode: Mode::Brief, .. } | Action::Together { .. } => "briefly, with a lock timeout and retries",
        Action::Sql { mode: Mode::Scan, .. } => "under a weak lock, as long as it takes",
        Action::Sql { mode: Mode::NoTransaction, .. } => "outside a transaction",
        Action::Sql { mode: Mode::AsIs, .. } => "as it is",
        Action::BuildIndex { .. } | Action::Reindex { .. } => "concurrently, an invalid left-over is dropped first",
        Action::Backfill(_) => "in batches steered by time",
        Action::Later { .. } => "as a job of its own, unless this one is undone",
    };
    let takes = step.estimate.map(|estimate| format!("; {estimate}")).unwrap_or_default();
    let (name, lock, also) = (line(&step.name), step.lock.words(), line(&also_words(&step.also)));
    let _ = writeln!(out, "  {number}. {name}  {lock} lock{also}{scans}; {how}{takes}");
    let rows = match &step.action {
        Action::Backfill(fill) => format!("  -- about {} rows", grouped(fill.rows_estimate)),
        Action::Later { ms, .. } => format!("  -- {} later", span(*ms)),
        Action::Sql { .. } | Action::Together { .. } | Action::BuildIndex { .. } | Action::Reindex { .. } => {
            String::new()
        }
    };
    block(out, "     | ", &format!("{}{rows}", step.action.sql()));
    if let Some(probe) = &step.probe {
        let _ = writeln!(out, "     done already?  {}", short(probe, 400));
    }
    if !step.undo.is_empty() {
        let _ = writeln!(out, "     undo           {}", short(&step.undo.join("; "), 400));
    }
}

fn progress(out: &mut String, run: &Run) {
    let _ = writeln!(out, "\nRun {} in session {}, started {}", line(&run.run), line(&run.session), time(run.started));
    for record in &run.steps {
        let ended = match record.ended {
            None => "started, no end recorded".to_owned(),
            Some((at, how)) => format!("{} after {}", outcome(how), span(at.ms_since(record.started))),
        };
        let detail = record.detail.as_deref().map(|detail| format!(": {}", line(detail))).unwrap_or_default();
        let _ = writeln!(out, "  step {}, attempt {}: {ended}{detail}", record.step + 1, record.attempt);
    }
    for check in &run.checks {
        let why = check.why.as_deref().map(|why| format!(": {}", line(why))).unwrap_or_default();
        let _ = writeln!(out, "  checked: {} {}{why}", line(&check.name), check.outcome.words());
    }
    if let Some(waiting) = &run.waiting {
        queue(out, waiting, run.ended.is_none());
    }
}

/// Who is in the way of a run, and who else waits.
fn queue(out: &mut String, waiting: &Waiting, still: bool) {
    let Waiting { since, queue } = waiting;
    let waits = if still { "waits" } else { "gave up waiting" };
    let table = if queue.table.is_empty() { String::new() } else { format!(" on {}", line(&queue.table)) };
    let (step, lock) = (queue.step + 1, queue.lock.words());
    let _ = writeln!(out, "  step {step} {waits} for its {lock} lock{table}, since {}", time(*since));
    for holder in &queue.holders {
        let _ = writeln!(out, "    in the way:  {}", line(&holder.to_string()));
    }
    for other in &queue.waiting {
        let _ = writeln!(out, "    waits too:   {}", line(&other.to_string()));
    }
}

/// What a ticket's hash is: anybody can make that of a text that is shown whole.
pub(super) fn hash_name(request: &Request) -> &'static str {
    if request.whole_text().is_some() { "SHA-256" } else { "keyed hash" }
}

fn statement(out: &mut String, request: &Request) {
    let size = grouped(u64::try_from(request.shown.len()).unwrap_or(u64::MAX));
    let _ = writeln!(out, "\nThe statement ({size} bytes, {} {})", hash_name(request), line(&request.text_hash));
    block(out, "  | ", &request.shown);
    if request.shown.lines().any(|line| line.chars().count() > WIDE) {
        let laid_out = format_for_people(&request.shown);
        if laid_out != request.shown {
            out.push_str("  The same, laid out for reading\n");
            block(out, "  : ", &laid_out);
        }
    }
    if !request.shown.is_ascii() {
        out.push_str("  It contains characters outside ASCII: letters may not be what they look like.\n");
    }
}

fn block(out: &mut String, margin: &str, text: &str) {
    let all = lines(text);
    for one in all.iter().take(LINES_MAX) {
        let _ = writeln!(out, "{margin}{one}");
    }
    if all.len() > LINES_MAX {
        let _ = writeln!(out, "{margin}({} more lines: see --json)", all.len() - LINES_MAX);
    }
}

pub(super) fn happening(event: &Event) -> String {
    let name = event.what.name();
    // The name is as good as the door it came through.
    let through = match event.door {
        Door::Local => " (local token)",
        Door::Reviewer => " (own token)",
        Door::Chat => " (from a chat)",
        Door::Gateway | Door::Session => "",
    };
    let by = |by: &str| format!("{name} by {}{through}", line(by));
    match &event.what {
        Happening::Opened { request, .. } => {
            format!("{}: {}", by(&request.requester), short(&request.shown, LIST_WIDTH))
        }
        Happening::Voted { by: who, note, .. } | Happening::Approved { by: who, note, .. } => {
            format!("{}{}", by(who), quoted(note.as_deref()))
        }
        Happening::Rejected { by: who, reason } => format!("{}: {}", by(who), line(reason)),
        Happening::Cancelled { by: who, reason } => format!("{}{}", by(who), quoted(reason.as_deref())),
        Happening::Commented { by: who, text }
        | Happening::Justified { by: who, text, .. }
        | Happening::DebtReviewed { by: who, note: text }
        | Happening::GlassBroken { by: who, reason: text, .. }
        | Happening::ChangesRequested { by: who, what: text, .. } => format!("{}: {}", by(who), line(text)),
        Happening::Labelled { by: who, add, remove } => format!("{}: {}", by(who), labels(add, remove)),
        Happening::RunChosen { by: who, run, .. } => format!("{}: {}", by(who), how(*run)),
        Happening::Settled { by: who, applied, found } => {
            format!("{}: {}, {}", by(who), if *applied { "applied" } else { "not applied" }, line(found))
        }
        Happening::Started => name.to_owned(),
        Happening::Undone { job } => format!("{name} by job {job}"),
        Happening::Expired => name.to_owned(),
        Happening::Claimed { session, .. } => format!("{name} by session {}", line(session)),
        Happening::Finished { ms, tag } => format!("{name}: {} in {}", line(tag), span(*ms)),
        Happening::Failed { code, message } => format!("{name}: {} (SQLSTATE {})", line(message), line(code)),
        Happening::OutcomeLost { why } | Happening::GivenBack { why } | Happening::Returned { why, .. } => {
            format!("{name}: {}", line(why))
        }
    }
}

pub(super) fn outcome(how: StepOutcome) -> &'static str {
    match how {
        StepOutcome::Done => "done",
        StepOutcome::Skipped => "was done already",
        StepOutcome::Failed => "failed",
        StepOutcome::Cancelled => "cancelled",
        StepOutcome::Unknown => "unknown",
    }
}

pub(super) fn qualified(name: &RelationName) -> String {
    line(&name.written())
}

fn quoted(text: Option<&str>) -> String {
    text.map(|text| format!(": {}", line(text))).unwrap_or_default()
}

pub(super) fn left(expires: Instant, now: Instant) -> String {
    if expires <= now { ", its time has run out".into() } else { format!(", {} left", span(expires.ms_since(now))) }
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| line(name)).collect::<Vec<_>>().join(", ")
}

/// What is missing beyond the one approval that everything needs.
fn needs(ticket: &Ticket) -> String {
    let conditions = &ticket.request.conditions;
    if *conditions == Conditions::default() {
        return String::new();
    }
    format!(", needs {}", line(&conditions.missing(ticket.votes()).join(" and ")))
}

/// `PartitionedTable` as words.
pub(super) fn words_of(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push(' ');
        }
        out.extend(c.to_lowercase());
    }
    out
}

pub(super) fn time(at: Instant) -> String {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(timestamp) => timestamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => at.0.to_string(),
    }
}

pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        172_800_000.. => format!("{} d", ms / 86_400_000),
    }
}

pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1_024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{bytes} {name}") } else { format!("{}.{} {name}", tenths / 10, tenths % 10) }
}

pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
