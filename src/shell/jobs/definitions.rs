//! Definitions before a job and after it, as sessions tell them of what they run: before its first run, after the run
//! that ends it. Of a job that ends otherwise, the store tells that its changes are uncertain.

use super::super::backstage::Backstage;
use super::super::catalog;
use super::super::clock::now;
use super::super::executor::Outcome;
use super::Jobs;
use crate::kernel::job::Job;
use crate::kernel::notice::{Concern, SchemaOrigin, SchemaRun, afterwards, schema_changes};

/// Before a run: what the first run writes down stays.
pub(super) async fn before(jobs: &Jobs, stage: &mut Backstage<'_>, job: &Job) {
    let order = &job.order;
    if !jobs.settings().looks_up_definitions(&order.target) {
        return;
    }
    let known = jobs.store().schema_of_job(job.id).await;
    if known.is_ok_and(|runs| !runs.is_empty()) {
        return;
    }
    let concern = Concern::of_plan(&order.plan);
    let oids: Vec<u32> = order.tables.iter().map(|table| table.oid).collect();
    let look = catalog::definitions_before(stage, &concern, &oids).await;
    let look = look.inspect_err(|error| tracing::warn!(job = job.id.0, %error, "definitions cannot be read")).ok();
    let people = jobs.people();
    let origin = SchemaOrigin {
        target: order.target.clone(),
        database: order.database.clone(),
        requester: order.requester.clone(),
        person: people.of_login(&order.requester, &order.application).map(|one| one.name.clone()),
        application: order.application.clone(),
        statement: order.shown.clone(),
        ticket: order.ticket,
        job: Some(job.id),
    };
    let run = SchemaRun::new(origin, concern, look, &[], &[]);
    if !run.is_empty()
        && let Err(error) = jobs.store().schema_begin_job(job.id, run).await
    {
        tracing::warn!(job = job.id.0, %error, "definitions before a job cannot be kept");
    }
}

/// After a run: also a bad end may have left something. One that was cut off is gone on with.
pub(super) async fn after(jobs: &Jobs, stage: &mut Backstage<'_>, job: &Job, outcome: &Outcome) {
    if matches!(outcome, Outcome::Unknown(..)) {
        return;
    }
    let told = async {
        let runs = jobs.store().schema_of_job(job.id).await?;
        if runs.is_empty() {
            return Ok(());
        }
        let (oids, names) = afterwards(&runs);
        let look = catalog::definitions_after(stage, &oids, &names).await;
        let look = look.inspect_err(|error| tracing::warn!(job = job.id.0, %error, "definitions cannot be read")).ok();
        jobs.store().schema_end_job(job.id, schema_changes(&runs, look), now()).await
    };
    if let Err(error) = told.await {
        tracing::error!(job = job.id.0, %error, "what a job has changed cannot be told");
    }
}
