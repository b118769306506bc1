//! Jobs at the admin door: what there is, what becomes of it, and the commands.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::doors::{Doors, asked, gives, takes};
use super::{Answer, ApiState, Asked, Id, Identity, Problem, Shared, WaitQuery, deadline, tickets};
use crate::kernel::job::{Command, JobId, Rate, StateName};
use crate::kernel::plan::throttle::Signal;
use crate::kernel::review::Power;
use crate::shell::console::view::{JobFull, JobPage, JobSummary};
use crate::shell::jobs::OrderError;
use crate::shell::store::{JobFilter, StoreError};

pub(super) fn doors(doors: Doors) -> Doors {
    let full = |summary| takes::<JobBody, JobFull>(summary);
    doors
        .get("/v1/jobs", Power::Read, asked::<ListQuery>(gives::<JobPage>("List jobs, newest first")), list)
        .get("/v1/jobs/{id}", Power::Read, gives::<JobFull>("One job with all that is known of it"), show)
        .get(
            "/v1/jobs/{id}/wait",
            Power::Read,
            asked::<WaitQuery>(gives::<JobFull>("Wait until a job has come further")),
            wait,
        )
        .post("/v1/jobs/{id}/pause", Power::Operate, full("Pause before the next step or batch"), pause)
        .post("/v1/jobs/{id}/resume", Power::Operate, full("Go on"), resume)
        .post("/v1/jobs/{id}/abort", Power::Operate, full("Stop, and take back what was done"), abort)
        .post("/v1/jobs/{id}/rate", Power::Operate, full("How fast a backfill goes"), rate)
        .post("/v1/jobs/{id}/undo", Power::Operate, full("Take back a job that is over"), undo)
        .post("/v1/tickets/{id}/run", Power::Operate, gives::<JobFull>("Run an approved change now, as a job"), run)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "JobQuery")]
struct ListQuery {
    /// Names of states with commas; absent: all.
    state: Option<String>,
    /// Jobs on a table of this name, with or without its schema.
    table: Option<String>,
    /// Only smaller numbers: `next` of the page before.
    before: Option<i64>,
    /// At most this many, and never more than 200.
    limit: Option<u32>,
}

/// What a command carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct JobBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) by: Option<String>,
    /// Of an abort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) reason: Option<String>,
    /// Of a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) batch_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) pause_percent: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::shell::console) limits: BTreeMap<Signal, u64>,
    /// Of an undo: data may be lost.
    #[serde(default)]
    pub(in crate::shell::console) yes: bool,
}

type Sent = Result<Json<JobBody>, axum::extract::rejection::JsonRejection>;

async fn list(State(api): Shared, who: Identity, query: Asked<ListQuery>) -> Answer<JobPage> {
    let Query(query) = query?;
    let mut states = Vec::new();
    for word in query.state.iter().flat_map(|words| words.split(',')) {
        let unknown = || Problem::bad_request(&format!("there is no state {word:?}"));
        states.push(StateName::parse(word).ok_or_else(unknown)?);
    }
    let (before, limit) = (query.before.map(JobId), query.limit.unwrap_or(0));
    let (jobs, more) = api.jobs.store().jobs(JobFilter { states, table: query.table, before, limit }).await?;
    let next = jobs.last().filter(|_| more).map(|seen| seen.job.id);
    let seen = jobs.into_iter().filter(|seen| who.sees(&seen.job.order.target));
    Ok(Json(JobPage { jobs: seen.map(JobSummary::of).collect(), next }))
}

async fn show(State(api): Shared, who: Identity, id: Id) -> Answer<JobFull> {
    let id = seen(&api, &who, id, Power::Read).await?;
    full(&api, id).await
}

/// Until it has another version or has come further.
async fn wait(State(api): Shared, who: Identity, id: Id, query: Asked<WaitQuery>) -> Answer<JobFull> {
    let Query(query) = query?;
    let (id, store) = (seen(&api, &who, id, Power::Read).await?, api.jobs.store());
    let deadline = deadline(query.timeout_s);
    let mut changes = store.watch_jobs();
    let before = store.job(id).await?;
    let mut seen = before.clone();
    while seen.job.version <= query.version && seen == before && seen.job.state.name().is_live() {
        match tokio::time::timeout_at(deadline, changes.recv()).await {
            Ok(Ok(change)) if change.id != id => {}
            Ok(_) => seen = store.job(id).await?,
            Err(_) => break,
        }
    }
    full(&api, id).await
}

async fn pause(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<JobFull> {
    let by = who.person(body?.0.by)?;
    act(&api, &who, id, Command::Pause { by }).await
}

async fn resume(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<JobFull> {
    let by = who.person(body?.0.by)?;
    act(&api, &who, id, Command::Resume { by }).await
}

async fn abort(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<JobFull> {
    let JobBody { by, reason, .. } = body?.0;
    let by = who.person(by)?;
    act(&api, &who, id, Command::Abort { by, reason }).await
}

async fn rate(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<JobFull> {
    let JobBody { by, batch_ms, pause_percent, limits, .. } = body?.0;
    let by = who.person(by)?;
    if batch_ms.is_none() && pause_percent.is_none() && limits.is_empty() {
        return Err(Problem::bad_request("say `batch_ms`, `pause_percent` or `limits`"));
    }
    act(&api, &who, id, Command::SetRate { by, rate: Rate { batch_ms, pause_percent, limits } }).await
}

async fn undo(State(api): Shared, who: Identity, id: Id, body: Sent) -> Answer<JobFull> {
    let body = body?.0;
    let by = who.person(body.by)?;
    let id = seen(&api, &who, id, Power::Operate).await?;
    let job = api.jobs.undo(id, &by, body.yes, who.door()).await?;
    full(&api, job.id).await
}

async fn run(State(api): Shared, who: Identity, id: Id) -> Answer<JobFull> {
    let ticket = tickets::seen(&api, &who, id, Power::Operate).await?;
    let job = api.jobs.run_ticket(ticket.id, who.door()).await?;
    full(&api, job.id).await
}

async fn act(api: &ApiState, who: &Identity, id: Id, command: Command) -> Answer<JobFull> {
    let id = seen(api, who, id, Power::Operate).await?;
    let job = api.jobs.act(who.door(), id, command).await?;
    full(api, job.id).await
}

/// A job that somebody sees and has a power on.
pub(super) async fn seen(api: &ApiState, who: &Identity, id: Id, power: Power) -> Result<JobId, Problem> {
    let Path(id) = id?;
    let seen = api.jobs.store().job(JobId(id)).await?;
    who.needs(power, &seen.job.order.target, StoreError::NoJob(JobId(id)))?;
    Ok(JobId(id))
}

async fn full(api: &ApiState, id: JobId) -> Answer<JobFull> {
    let store = api.jobs.store();
    let job = store.job(id).await?;
    let events = store.job_events(id).await?;
    let runs = store.journal_of_job(id).await?;
    Ok(Json(JobFull { job, events, runs }))
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Self {
        let status = match error {
            OrderError::Store(error) => return error.into(),
            OrderError::Refused(_) | OrderError::Loses { .. } => StatusCode::CONFLICT,
            OrderError::Unrecorded(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}
