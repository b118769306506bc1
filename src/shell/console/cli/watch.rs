//! What is open, kept up to date: on a terminal as a table with bars, elsewhere as a line for each thing that happens.

use std::io::{IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::client::Client;
use super::super::render;
use super::super::view::{JobFull, JobPage, News, Page};
use super::{CliError, print_line};
use crate::kernel::job::{self, Progress};
use crate::kernel::review::StateName;
use crate::shell::clock::now;

/// Rows of each kind in the table, at most.
const ROWS: usize = 15;
/// A table is drawn anew so often even if nothing happens, in seconds: ages and progress move on.
const DRAWN_S: u32 = 1;
/// Where nobody looks at a table, nothing is asked for so long.
const NEWS_S: u32 = 30;

/// One line of the table, with a bar in front of it: so much of so much.
struct Row {
    bar: Option<(u64, u64)>,
    text: String,
}

impl Row {
    fn text(text: impl Into<String>) -> Self {
        Self { bar: None, text: text.into() }
    }
}

/// A terminal that somebody looks at.
struct Screen {
    all: MultiProgress,
    rows: Vec<ProgressBar>,
}

impl Screen {
    fn of_stdout() -> Option<Self> {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        std::io::stdout().is_terminal().then_some(Self { all, rows: Vec::new() })
    }

    /// These instead of those before.
    fn show(&mut self, rows: Vec<Row>) {
        while self.rows.len() > rows.len() {
            if let Some(bar) = self.rows.pop() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        while self.rows.len() < rows.len() {
            self.rows.push(self.all.add(ProgressBar::no_length()));
        }
        for (bar, row) in self.rows.iter().zip(rows) {
            let template = if row.bar.is_some() { "{bar:20} {wide_msg}" } else { "{wide_msg}" };
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            if let Some((done, of)) = row.bar {
                bar.set_length(of);
                bar.set_position(done.min(of));
            }
            bar.set_message(row.text);
            bar.tick();
        }
    }

    /// A line above the table, which stays.
    fn say(&self, line: &str) -> Result<(), CliError> {
        Ok(self.all.println(line)?)
    }
}

/// Open tickets and live jobs, until Ctrl-C.
pub(super) fn queue(client: &Client, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    // The position first: what happens between the two calls is told twice rather than not at all.
    let mut position = client.get::<News>("/v1/tickets/watch")?.next;
    let mut screen = if json { None } else { Screen::of_stdout() };
    if screen.is_none() && !json {
        let waiting = open_tickets(client)?;
        if !waiting.tickets.is_empty() {
            writeln!(out, "{}", render::list(&waiting.tickets, now()))?;
        }
        writeln!(out, "Watching. Ctrl-C ends it.")?;
        out.flush()?;
    }
    loop {
        if let Some(screen) = &mut screen {
            screen.show(table(client)?);
        }
        let patience = if screen.is_some() { DRAWN_S } else { NEWS_S };
        let news: News = client.get(&format!("/v1/tickets/watch?after={position}&timeout_s={patience}"))?;
        position = news.next;
        for event in &news.events {
            match &screen {
                Some(screen) => screen.say(&render::news(event))?,
                None if json => print_line(event, out)?,
                None => writeln!(out, "{}", render::news(event))?,
            }
        }
        out.flush()?;
    }
}

fn open_tickets(client: &Client) -> Result<Page, CliError> {
    let open: Vec<&str> = StateName::ALL.iter().filter(|state| !state.is_over()).map(|state| state.as_str()).collect();
    client.get(&format!("/v1/tickets?limit={ROWS}&state={}", open.join(",")))
}

fn table(client: &Client) -> Result<Vec<Row>, CliError> {
    let open = open_tickets(client)?;
    let live: Vec<&str> =
        job::StateName::ALL.iter().filter(|state| state.is_live()).map(|state| state.as_str()).collect();
    let jobs: JobPage = client.get(&format!("/v1/jobs?limit={ROWS}&state={}", live.join(",")))?;
    let now = now();
    let mut rows = vec![Row::text("")];
    rows.extend(match open.tickets.as_slice() {
        [] => vec![Row::text("No open tickets.")],
        tickets => render::list(tickets, now).lines().map(Row::text).collect(),
    });
    if open.next.is_some() {
        rows.push(Row::text("        and more: lockkeeper tickets"));
    }
    if !jobs.jobs.is_empty() {
        rows.push(Row::text(""));
        // A bar's width and a blank before it.
        rows.push(Row::text(format!("{:21}{}", "", render::jobs::head())));
        rows.extend(
            jobs.jobs.iter().map(|job| Row { bar: Some(done(&job.progress)), text: render::jobs::row(job, now) }),
        );
    }
    rows.push(Row::text(""));
    rows.push(Row::text("Ctrl-C ends it."));
    Ok(rows)
}

/// How far it is: in thousandths of its steps, of which a backfill counts by its rows.
fn done(progress: &Progress) -> (u64, u64) {
    let steps = u64::from(progress.steps.max(1)) * 1_000;
    let before = u64::from(progress.step.saturating_sub(1)) * 1_000;
    let rows = progress.rows.map_or(0, |rows| render::jobs::percent(rows.done, rows.estimate) * 10);
    (before + rows, steps)
}

/// One job, until it is over.
pub(super) fn job(client: &Client, (id, json): (i64, bool), out: &mut dyn Write) -> Result<(), CliError> {
    let mut screen = if json { None } else { Screen::of_stdout() };
    let mut full: JobFull = client.get(&format!("/v1/jobs/{id}"))?;
    let mut last = String::new();
    loop {
        let line = render::jobs::headline(&full.job, now());
        let over = full.job.job.state.name();
        match &mut screen {
            Some(screen) if over.is_live() => {
                let bar = Row { bar: Some(done(&full.job.progress)), text: String::new() };
                screen.show(vec![Row::text(line.clone()), bar]);
            }
            Some(screen) => {
                screen.show(Vec::new());
                screen.say(&line)?;
            }
            None if line != last => {
                if json {
                    print_line(&full, out)?;
                } else {
                    writeln!(out, "{line}")?;
                }
                out.flush()?;
            }
            None => {}
        }
        last = line;
        match over {
            job::StateName::Done | job::StateName::Undone => return Ok(()),
            job::StateName::Failed | job::StateName::Aborted => return Err(CliError::Refused(last)),
            job::StateName::Deferred
            | job::StateName::Queued
            | job::StateName::Running
            | job::StateName::Paused
            | job::StateName::Waiting
            | job::StateName::Stopping => {}
        }
        let patience = if screen.is_some() { DRAWN_S } else { NEWS_S };
        full = client.get(&format!("/v1/jobs/{id}/wait?version={}&timeout_s={patience}", full.job.job.version))?;
    }
}
