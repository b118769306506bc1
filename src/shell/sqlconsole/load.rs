//! The rows of the views, from the API's answers: whoever asks sees what the API shows them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rusqlite::types::Value;

use super::catalog::{self, Asker};
use super::engine::{Data, is_catalog};
use super::rows::{at, detail, events, findings, job_row, n, opt, plan_steps, step_rows, t, ticket_row};
use super::schema::{self, Table};
use super::translate::{Read, Wanted};
use crate::kernel::review::Instant;
use crate::kernel::wire::reply::Reply;
use crate::shell::audit::past::SessionSeen;
use crate::shell::clock::now;
use crate::shell::console::view::{
    Full, JobFull, JobPage, JobSummary, Page, RulePage, SessionPage, Summary, TargetPage,
};
use crate::shell::console::{Caller, Inside, Problem};
use crate::shell::jobs::TargetSeen;

/// Tickets that a list looks at, newest first, unless the query names them.
const TICKETS_MAX: usize = 2_000;
/// Tickets and jobs of which everything is looked at, unless the query names them.
const DETAILS_MAX: usize = 100;
/// Tickets of one answer of the API.
const PAGE: usize = 200;

/// The API for whoever asks.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) api: Inside,
    pub(super) caller: Caller,
    pub(super) address: IpAddr,
}

impl Door {
    pub(super) async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Reply> {
        self.api.get((&self.caller, self.address), path).await.map_err(told)
    }
}

/// What the API said against it, as PostgreSQL would.
pub(super) fn told(refused: Problem) -> Reply {
    let code = match refused.status {
        400 | 413 | 422 => "22023",
        401 => "28000",
        403 => "42501",
        404 => "02000",
        408 | 429 => "53400",
        503 => "58030",
        409 | 412 | 428 => "55000",
        _ => "XX000",
    };
    Reply::error(code, refused.detail)
}

/// What was loaded.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) data: Data,
    /// What the answer leaves out.
    pub(super) warnings: Vec<Reply>,
    /// Versions of the tickets that were seen.
    pub(super) seen: BTreeMap<i64, u32>,
}

struct Loader<'a> {
    door: &'a Door,
    me: Vec<Value>,
    parameters: &'a [Value],
    now: Instant,
    loaded: Loaded,
    details: Option<Vec<Full>>,
}

/// The rows of all relations that a query reads.
pub(super) async fn load(
    door: &Door,
    (asker, me): (&Asker, Vec<Value>),
    reads: &BTreeMap<String, Read>,
    parameters: &[Value],
) -> Result<Loaded, Reply> {
    let loaded = Loaded::default();
    let mut loader = Loader { door, me, parameters, now: now(), loaded, details: None };
    for (key, read) in reads {
        let rows = if is_catalog(read) { catalog::rows(read.table, asker) } else { loader.view(read).await? };
        loader.loaded.data.insert(key.clone(), (read.table, rows));
    }
    Ok(loader.loaded)
}

impl Loader<'_> {
    async fn view(&mut self, read: &Read) -> Result<Vec<Vec<Value>>, Reply> {
        Ok(match read.table.name {
            "help" => schema::help().map(|row| row.map(t).to_vec()).collect(),
            "me" => vec![self.me.clone()],
            "tickets" => self.tickets(read).await?,
            "jobs" => {
                let jobs = self.jobs(read, "id").await?;
                jobs.iter().map(job_row).collect()
            }
            "job_steps" => self.job_steps(read).await?,
            "rules" => {
                let page: RulePage = self.door.get("/v1/rules").await?;
                let row = |rule: crate::shell::console::view::RuleView| {
                    let response = serde_json::to_value(rule.response).unwrap_or_default();
                    vec![t(rule.id), t(rule.hazard), opt(rule.lock), opt(response.as_str()), t(rule.instead)]
                };
                page.rules.into_iter().map(row).collect()
            }
            "targets" => {
                let page: TargetPage = self.door.get("/v1/targets").await?;
                let row = |target: TargetSeen| {
                    let about: Vec<String> =
                        target.about.iter().map(|(what, text)| format!("{what}: {text}").trim().to_owned()).collect();
                    let ms = target.answers_ms.map_or(Value::Null, n);
                    let observes = n(i64::from(target.observes));
                    let head = vec![t(target.name), t(target.policy), observes, ms, opt(target.unreachable)];
                    head.into_iter().chain([t(about.join("\n"))]).collect()
                };
                page.targets.into_iter().map(row).collect()
            }
            "sessions" => self.sessions().await?,
            "ticket_details" => self.of_details(read, "id", |full| vec![detail(full)]).await?,
            "findings" => self.of_details(read, "ticket", findings).await?,
            "plan_steps" => self.of_details(read, "ticket", plan_steps).await?,
            "ticket_events" => self.of_details(read, "ticket", events).await?,
            _ => Vec::new(),
        })
    }

    /// The values that a column must have, if the query says so.
    fn wanted(&self, read: &Read, column: &str) -> Option<Vec<String>> {
        let values = read.only.get(column)?;
        let known = values.iter().map(|wanted| match wanted {
            Wanted::Value(text) => Some(text.clone()),
            Wanted::Parameter(at) => match self.parameters.get(*at)? {
                Value::Text(text) => Some(text.clone()),
                Value::Integer(number) => Some(number.to_string()),
                Value::Null | Value::Real(_) | Value::Blob(_) => None,
            },
        });
        known.collect()
    }

    fn numbers(&self, read: &Read, column: &str) -> Option<Vec<i64>> {
        let wanted = self.wanted(read, column)?;
        let mut numbers: Vec<i64> = wanted.iter().filter_map(|text| text.trim().parse().ok()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        (numbers.len() <= DETAILS_MAX).then_some(numbers)
    }

    fn cut(&mut self, table: &Table, count: usize, narrow: &str) {
        let text = format!("{} shows what belongs to the newest {count} only", table.name);
        self.loaded.warnings.push(Reply::warning(text).hint(format!("Say which: {narrow}.")));
    }

    async fn tickets(&mut self, read: &Read) -> Result<Vec<Vec<Value>>, Reply> {
        if let Some(numbers) = self.numbers(read, "id") {
            let mut rows = Vec::new();
            for number in numbers {
                if let Some(full) = self.ticket(number).await? {
                    self.loaded.seen.insert(full.ticket.id.0, full.ticket.version);
                    rows.push(ticket_row(Summary::of(&full.ticket), self.now));
                }
            }
            return Ok(rows);
        }
        let known = |state: &String| crate::kernel::review::StateName::parse(state).is_some();
        let states: Option<Vec<String>> = self.wanted(read, "state");
        let filter = match states {
            Some(states) => {
                let states: Vec<String> = states.into_iter().filter(known).collect();
                if states.is_empty() {
                    return Ok(Vec::new());
                }
                format!("&state={}", states.join(","))
            }
            None => String::new(),
        };
        let (summaries, more) = self.list(&filter, TICKETS_MAX).await?;
        if more {
            self.cut(read.table, TICKETS_MAX, "WHERE id = …, WHERE state = 'pending'");
        }
        self.loaded.seen.extend(summaries.iter().map(|summary| (summary.id.0, summary.version)));
        let now = self.now;
        Ok(summaries.into_iter().map(|summary| ticket_row(summary, now)).collect())
    }

    /// The newest tickets, and whether there are more.
    async fn list(&self, filter: &str, count: usize) -> Result<(Vec<Summary>, bool), Reply> {
        let mut summaries = Vec::new();
        let mut before = String::new();
        while summaries.len() < count {
            let limit = PAGE.min(count - summaries.len());
            let page: Page = self.door.get(&format!("/v1/tickets?limit={limit}{filter}{before}")).await?;
            summaries.extend(page.tickets);
            match page.next {
                Some(next) => before = format!("&before={next}"),
                None => return Ok((summaries, false)),
            }
        }
        let page: Page = self.door.get(&format!("/v1/tickets?limit=1{filter}{before}")).await?;
        Ok((summaries, !page.tickets.is_empty()))
    }

    /// A ticket that whoever asks can see.
    async fn ticket(&self, number: i64) -> Result<Option<Full>, Reply> {
        let found = self.door.api.get((&self.door.caller, self.door.address), &format!("/v1/tickets/{number}")).await;
        match found {
            Ok(full) => Ok(Some(full)),
            Err(refused) if refused.status == 404 => Ok(None),
            Err(refused) => Err(told(refused)),
        }
    }

    async fn of_details(
        &mut self,
        read: &Read,
        column: &str,
        rows: impl Fn(&Full) -> Vec<Vec<Value>>,
    ) -> Result<Vec<Vec<Value>>, Reply> {
        if let Some(numbers) = self.numbers(read, column) {
            let mut found = Vec::new();
            for number in numbers {
                if let Some(full) = self.ticket(number).await? {
                    self.loaded.seen.insert(number, full.ticket.version);
                    found.extend(rows(&full));
                }
            }
            return Ok(found);
        }
        if self.details.is_none() {
            let (summaries, more) = self.list("", DETAILS_MAX).await?;
            if more {
                self.cut(read.table, DETAILS_MAX, &format!("WHERE {column} = …"));
            }
            let mut details = Vec::new();
            for summary in summaries {
                details.extend(self.ticket(summary.id.0).await?);
            }
            self.details = Some(details);
        }
        let details = self.details.as_deref().unwrap_or_default();
        self.loaded.seen.extend(details.iter().map(|full| (full.ticket.id.0, full.ticket.version)));
        Ok(details.iter().flat_map(rows).collect())
    }

    async fn jobs(&self, read: &Read, column: &str) -> Result<Vec<JobSummary>, Reply> {
        if let Some(numbers) = self.numbers(read, column) {
            let mut jobs = Vec::new();
            for number in numbers {
                jobs.extend(self.job(number).await?.map(|full| JobSummary::of(full.job)));
            }
            return Ok(jobs);
        }
        Ok(self.door.get::<JobPage>("/v1/jobs").await?.jobs)
    }

    async fn job(&self, number: i64) -> Result<Option<JobFull>, Reply> {
        let found = self.door.api.get((&self.door.caller, self.door.address), &format!("/v1/jobs/{number}")).await;
        match found {
            Ok(full) => Ok(Some(full)),
            Err(refused) if refused.status == 404 => Ok(None),
            Err(refused) => Err(told(refused)),
        }
    }

    async fn job_steps(&mut self, read: &Read) -> Result<Vec<Vec<Value>>, Reply> {
        let jobs = self.jobs(read, "job").await?;
        if jobs.len() > DETAILS_MAX {
            self.cut(read.table, DETAILS_MAX, "WHERE job = …");
        }
        let mut rows = Vec::new();
        for job in jobs.into_iter().take(DETAILS_MAX) {
            if let Some(full) = self.job(job.id.0).await? {
                rows.extend(step_rows(&full));
            }
        }
        Ok(rows)
    }

    async fn sessions(&self) -> Result<Vec<Vec<Value>>, Reply> {
        let page: SessionPage = self.door.get("/v1/sessions?live=true").await?;
        let row = |live: SessionSeen| {
            let started = live.started.parse::<jiff::Timestamp>().ok().map(|at| Instant(at.as_microsecond()));
            let info = live.info;
            vec![
                t(live.id),
                t(info.user),
                t(info.database),
                t(info.target),
                t(info.application),
                t(info.client),
                t(info.transport),
                opt(info.tls),
                t(info.auth),
                info.backend_pid.map_or(Value::Null, n),
                started.map_or(Value::Null, at),
                started.map_or(Value::Null, |started| Value::Integer(self.now.0.saturating_sub(started.0))),
            ]
        };
        Ok(page.sessions.into_iter().map(row).collect())
    }
}
