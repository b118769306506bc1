//! Jobs for people at a terminal.

use std::fmt::Write as _;

use super::super::text::{line, short};
use super::super::view::{JobFull, JobSummary};
use super::{LIST_WIDTH, block, grouped, plan, progress as run_progress, span, time};
use crate::kernel::job::{Event, Happening, Progress, Rate, State, StateName};
use crate::kernel::review::{Door, Instant};
use crate::shell::store::JobSeen;

/// A list, newest first as it comes.
pub(in crate::shell::console) fn list(jobs: &[JobSummary], now: Instant) -> String {
    if jobs.is_empty() {
        return "No jobs.\n".into();
    }
    let mut out = format!("{}\n", head());
    for job in jobs {
        let _ = writeln!(out, "{}", row(job, now));
    }
    out
}

/// The head of a list.
pub(in crate::shell::console) fn head() -> String {
    format!(
        "{:>6}  {:<9}  {:>8}  {:<16}  {:<24}  {:<20}  STATEMENT",
        "JOB", "STATE", "AGE", "FOR", "TABLES", "PROGRESS"
    )
}

/// One line of it.
pub(in crate::shell::console) fn row(job: &JobSummary, now: Instant) -> String {
    format!(
        "{:>6}  {:<9}  {:>8}  {:<16}  {:<24}  {:<20}  {}",
        job.id.0,
        job.state.name().as_str(),
        span(now.ms_since(job.created)),
        short(&job.requester, 16),
        short(&job.tables.join(","), 24),
        short(&brief(job.state.name(), &job.progress), 20),
        short(&job.text, LIST_WIDTH)
    )
}

fn brief(state: StateName, progress: &Progress) -> String {
    if !state.is_live() || progress.step == 0 {
        return String::new();
    }
    let percent = progress.rows.map(|rows| format!(" {}%", percent(rows.done, rows.estimate))).unwrap_or_default();
    format!("{}/{} {}{percent}", progress.step, progress.steps, progress.name)
}

pub(in crate::shell::console) fn percent(done: u64, of: u64) -> u64 {
    done.saturating_mul(100).checked_div(of).unwrap_or(100).min(100)
}

/// Where a job stands, in one line.
pub(in crate::shell::console) fn headline(seen: &JobSeen, now: Instant) -> String {
    let JobSeen { job, progress } = seen;
    let stands = match &job.state {
        State::Deferred => format!("is deferred until its transaction is committed{}", why(progress)),
        State::Queued => match &job.retry {
            Some(retry) => format!("begins in {}: {}", span(retry.at.ms_since(now)), line(&retry.why)),
            None => format!("is queued{}", why(progress)),
        },
        State::Running { .. } => format!("is running: {}{}", work(progress), why(progress)),
        State::Paused { by, .. } => format!("is paused by {} at {}", line(by), work(progress)),
        State::Waiting => match &job.retry {
            Some(retry) => {
                let next = span(retry.at.ms_since(now));
                format!("waits, next try in {next} (try {} failed: {})", retry.tries, line(&retry.why))
            }
            None => "waits".to_owned(),
        },
        State::Stopping { by, .. } => format!("is stopping, aborted by {}{}", line(by), why(progress)),
        State::Done { ms, rows, .. } => {
            let rows =
                if *rows > 0 { format!(", {}", job.order.plan.rows_done(&grouped(*rows))) } else { String::new() };
            format!("is done, in {}{rows}", span(*ms))
        }
        State::Failed { code, message, .. } => format!("has failed: {} (SQLSTATE {})", line(message), line(code)),
        State::Aborted { by, left, .. } => format!("was aborted by {}. {}", line(by), line(left)),
        State::Undone { by, .. } => format!("was undone by job {by}"),
    };
    format!("Job {} {stands}", job.id)
}

fn work(progress: &Progress) -> String {
    let mut out = match progress.step {
        0 => "before its first step".to_owned(),
        step => format!("step {step} of {}, {}", progress.steps, line(&progress.name)),
    };
    if let Some(rows) = progress.rows {
        let left = rows.left_ms.map(|ms| format!(", about {} left", span(ms))).unwrap_or_default();
        let _ = write!(
            out,
            ", {} of about {} rows ({}%), {} rows/s{left}",
            grouped(rows.done),
            grouped(rows.estimate),
            percent(rows.done, rows.estimate),
            grouped(rows.per_second)
        );
    }
    out
}

fn why(progress: &Progress) -> String {
    progress.why.as_deref().map(|why| format!("; {}", line(why))).unwrap_or_default()
}

/// Everything known about a job.
pub(in crate::shell::console) fn full(full: &JobFull, now: Instant) -> String {
    let job = &full.job.job;
    let order = &job.order;
    let mut out = headline(&full.job, now);
    let role = order.role.as_deref().map(|role| format!(", acting as {}", line(role))).unwrap_or_default();
    let tables: Vec<String> = order.tables.iter().map(|table| line(&table.name)).collect();
    let _ = writeln!(out, "\n  for        {}{role}", line(&order.requester));
    let _ = writeln!(out, "  since      {} ({} ago)", time(job.created), span(now.ms_since(job.created)));
    let _ = writeln!(out, "  works on   {}", if tables.is_empty() { "no table".to_owned() } else { tables.join(", ") });
    let _ = writeln!(out, "  goes to    target {}, database {}", line(&order.target), line(&order.database));
    if let Some(ticket) = order.ticket {
        let _ = writeln!(out, "  ticket     {ticket}");
    }
    if let Some(after) = &order.after {
        let done = match after.head {
            0 => "nothing".to_owned(),
            1 => "step 1".to_owned(),
            head => format!("steps 1 to {head}"),
        };
        let _ = writeln!(out, "  follows    transaction {}, in which {done} of the plan ran", line(&after.xid));
    }
    if let Some(of) = order.undo_of {
        let _ = writeln!(out, "  undoes     job {of}");
    }
    if job.rate != Rate::default() {
        let set = |value: Option<u32>| value.map_or("as configured".to_owned(), |value| value.to_string());
        let (batch, pause) = (set(job.rate.batch_ms), set(job.rate.pause_percent));
        let limits = job.rate.limits.iter().map(|(signal, limit)| format!(", {}: {limit}", signal.key()));
        let _ = writeln!(out, "  rate       batch ms: {batch}, pause percent: {pause}{}", limits.collect::<String>());
    }
    plan(&mut out, &order.plan);
    for run in &full.runs {
        run_progress(&mut out, run);
    }
    out.push_str("\nThe statement\n");
    block(&mut out, "  | ", &order.shown);
    out.push_str("\nHistory\n");
    for event in &full.events {
        let _ = writeln!(out, "  {:>3}  {}  {}", event.version, time(event.event.at), happening(&event.event));
    }
    out
}

pub(in crate::shell::console) fn happening(event: &Event) -> String {
    let name = event.what.name();
    let through = match event.door {
        Door::Local => " (local token)",
        Door::Reviewer => " (own token)",
        Door::Chat => " (from a chat)",
        Door::Gateway | Door::Session => "",
    };
    let by = |by: &str| format!("{name} by {}{through}", line(by));
    match &event.what {
        Happening::Ordered { by: who, .. } | Happening::Paused { by: who } | Happening::Resumed { by: who } => by(who),
        Happening::RateSet { by: who, .. } => by(who),
        Happening::Stopping { by: who, reason } => {
            format!("{}{}", by(who), reason.as_deref().map(|text| format!(": {}", line(text))).unwrap_or_default())
        }
        Happening::Released | Happening::Started | Happening::Recovered => name.to_owned(),
        Happening::Interrupted { why, .. } => format!("{name}: {}", line(why)),
        Happening::Finished { ms, .. } => format!("{name} in {}", span(*ms)),
        Happening::Failed { code, message } => format!("{name}: {} (SQLSTATE {})", line(message), line(code)),
        Happening::Aborted { by: who, left } => format!("{}: {}", by(who), line(left)),
        Happening::Undone { by } => format!("{name} by job {by}"),
    }
}
