//! The catalog look-ups and the executor on real servers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod altered;
mod between;
mod busy;
mod cluster;
mod compact;
mod copy;
mod incoming;
mod look_up;
mod plans;
mod prepared;
mod renamed;
mod run;
mod stalls;
mod tablespaces;
mod taken;
mod undo;
mod unproven;
mod wire;
mod writes;

use lockkeeper::kernel::assess::{self, Assessment};
use lockkeeper::kernel::plan::Plan;
use lockkeeper::kernel::sql::read::read;
use lockkeeper::shell::catalog;

use wire::Wire;

/// On every server there is: one cluster each.
fn on_each_server(run: impl AsyncFn(&cluster::Cluster)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for cluster in cluster::all() {
        println!("PostgreSQL {}", cluster.major);
        runtime.block_on(run(&cluster));
    }
}

/// Every case, one schema per case.
#[test]
fn on_real_servers() {
    on_each_server(async |cluster| {
        look_up::all(cluster).await;
        run::all(cluster).await;
        prepared::is_named(cluster).await;
        if std::env::var_os("LOCKKEEPER_STALLS").is_some() {
            stalls::all(cluster).await;
        }
    });
}

#[test]
fn what_is_done_to_a_column_while_its_type_changes_is_not_lost() {
    on_each_server(between::all);
}

#[test]
fn rows_that_break_a_constraint_are_found_before_anything_is_changed() {
    on_each_server(unproven::all);
}

#[test]
fn names_that_others_have_are_left_to_them() {
    on_each_server(taken::all);
}

#[test]
fn every_prefix_of_a_plan_can_be_taken_back() {
    on_each_server(undo::all);
}

#[test]
fn a_write_in_batches_ends_as_one_statement_would() {
    on_each_server(writes::all);
}

#[test]
fn a_compaction_in_place_ends_as_vacuum_full_would() {
    on_each_server(async |cluster| {
        tablespaces::all(cluster).await;
        compact::all(cluster).await;
    });
}

#[test]
fn a_copied_table_ends_as_the_statement_would_leave_it() {
    on_each_server(copy::all);
}

/// A session in a fresh schema that is first in its search path.
pub(crate) async fn session(cluster: &cluster::Cluster, schema: &str) -> Wire {
    let mut db = Wire::connect(&cluster.socket(), "postgres").await;
    db.run("SET client_min_messages = warning").await;
    db.run(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await;
    db.run(&format!("SET search_path = {schema}")).await;
    db.run("RESET client_min_messages").await;
    db.log.clear();
    db
}

/// A statement judged by what is there, as a session does it.
pub(crate) async fn assessed(db: &mut Wire, sql: &str) -> Assessment {
    let reading = read(sql).unwrap();
    let facts = catalog::facts_of(db, &reading).await.unwrap();
    assess::assess(sql, &reading, facts)
}

/// The safe form of a statement, or what was found.
pub(crate) async fn offered(db: &mut Wire, sql: &str) -> Result<Plan, String> {
    let assessment = assessed(db, sql).await;
    let words = assessment.findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; ");
    assessment.changes.into_iter().next().and_then(|change| change.safe).ok_or(words)
}
