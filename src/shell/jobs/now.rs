//! What is true now of what a ticket is about, beside what was true when it was made: asked on a connection of our own
//! that can only read, under the login of whoever asked for the change.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::backstage::Backstage;
use super::super::database::{Database, DatabaseError, Row};
use super::super::executor::{quoted, who_holds};
use super::Jobs;
use super::connect::Connection;
use super::explain::{look, why_not};
use crate::kernel::facts::RelationFacts;
use crate::kernel::plan::queue::Blocker;
use crate::kernel::review::Request;
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::LockMode;

/// A server that has not told everything by then is not asked further.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long writes are counted.
const COUNTED: Duration = Duration::from_secs(2);
/// Tables that are looked at more closely.
const TABLES_MAX: usize = 5;

/// $1 the table: what was ever written to it and its partitions.
const WRITES: &str = "\
WITH RECURSIVE tree (oid) AS (
  SELECT pg_catalog.to_regclass($1::pg_catalog.text)::pg_catalog.oid
  UNION
  SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) t.oid
)
SELECT pg_catalog.sum(pg_catalog.pg_stat_get_tuples_inserted(t.oid)
  OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_tuples_updated(t.oid)
  OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_tuples_deleted(t.oid))::pg_catalog.int8 FROM tree t";

/// Of other roles an ordinary one may not see this: then there is no number.
const AROUND: &str = "\
SELECT (SELECT pg_catalog.floor(pg_catalog.max(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
    OPERATOR(pg_catalog.-) a.xact_start)) OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8
  FROM pg_catalog.pg_stat_activity a
  WHERE a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
    AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()),
  (SELECT pg_catalog.floor(pg_catalog.max(pg_catalog.date_part('epoch', r.replay_lag))
    OPERATOR(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8 FROM pg_catalog.pg_stat_replication r)";

/// How large a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Nothing: never counted.
    pub rows: Option<u64>,
    pub bytes: u64,
    pub columns: usize,
    pub indexes: usize,
    pub constraints: usize,
}

/// A table then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableNow {
    pub name: String,
    pub then: Measured,
    /// Nothing: it is not there any more, or could not be asked for.
    pub now: Option<Measured>,
    /// Rows written a second, just now.
    pub writes_per_s: Option<u64>,
    /// Who holds a lock that the change would have to wait for.
    pub in_the_way: Vec<Blocker>,
}

/// What a ticket is about, then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FactsNow {
    /// Why nothing is known of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_asked: Option<String>,
    pub tables: Vec<TableNow>,
    /// The oldest transaction of the database, as far as the login may see.
    pub oldest_transaction_ms: Option<u64>,
    /// The replica furthest behind, as far as the login may see.
    pub replica_lag_ms: Option<u64>,
}

impl Jobs {
    /// What is true now of what a ticket is about. A server that cannot be asked is told in words.
    pub async fn facts_now(&self, request: &Request) -> FactsNow {
        let tables = tables_then(request);
        let mut facts = FactsNow { not_asked: None, tables, oldest_transaction_ms: None, replica_lag_ms: None };
        match tokio::time::timeout(PATIENCE, self.ask_now(request, &mut facts)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => facts.not_asked = Some(why),
            Err(_) => facts.not_asked = Some(format!("no answer within {} s", PATIENCE.as_secs())),
        }
        facts
    }

    async fn ask_now(&self, request: &Request, facts: &mut FactsNow) -> Result<(), String> {
        let settings = self.settings();
        let target = settings.targets.iter().find(|target| target.name == request.target);
        let target = target.ok_or_else(|| format!("target {} is not configured any more", request.target))?;
        let login = target.job_login(&request.requester);
        let none = || format!("target {} has no login for jobs of {}", target.name, request.requester);
        let who = (request.requester.as_str(), request.database.as_str(), "lockkeeper facts".to_owned());
        let opened = Connection::open(target, &login.ok_or_else(none)?, who).await;
        let mut connection = opened.map_err(|error| format!("target {}: {}", target.name, why_not(error)))?;
        let mut stage = connection.stage();
        let asked = ask(&mut stage, request, facts).await;
        asked.map_err(|error| format!("target {}: {error}", target.name))
    }
}

/// What was true of its tables when it was asked for.
#[must_use]
pub fn tables_then(request: &Request) -> Vec<TableNow> {
    request.facts.relations().map(then).collect()
}

async fn ask(stage: &mut Backstage<'_>, request: &Request, facts: &mut FactsNow) -> Result<(), DatabaseError> {
    // The same names mean the same tables.
    let path = "SELECT pg_catalog.set_config('search_path', $1, false)";
    stage.query(path, &[Some(&request.search_path)]).await?;
    let known = Known::read(request.shown.as_bytes(), TextEncoding::Utf8);
    let found = look(stage, &known.statements()).await?;
    let lock = request.plan.steps.iter().map(|step| step.lock).max().unwrap_or(LockMode::AccessExclusive);
    let mut before = Vec::new();
    for (table, relation) in facts.tables.iter_mut().zip(request.facts.relations()) {
        let now = found.relations().find(|one| one.schema == relation.schema && one.name == relation.name);
        table.now = now.map(measured);
        if now.is_some() && before.len() < TABLES_MAX {
            let name = quoted(&relation.qualified());
            table.in_the_way = who_holds(stage, &name, lock).await?.0;
            let count = number(&stage.query(WRITES, &[Some(&name)]).await?, 0);
            before.push((table, name, count));
        }
    }
    tokio::time::sleep(COUNTED).await;
    for (table, name, before) in before {
        let after = number(&stage.query(WRITES, &[Some(&name)]).await?, 0);
        let written = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        table.writes_per_s = written.map(|rows| rows / COUNTED.as_secs());
    }
    let around = stage.query(AROUND, &[]).await?;
    facts.oldest_transaction_ms = number(&around, 0);
    facts.replica_lag_ms = number(&around, 1);
    Ok(())
}

fn number(rows: &[Row], column: usize) -> Option<u64> {
    rows.first()?.get(column)?.as_ref()?.parse().ok()
}

fn then(relation: &RelationFacts) -> TableNow {
    let name = format!("{}.{}", relation.schema, relation.name);
    TableNow { name, then: measured(relation), now: None, writes_per_s: None, in_the_way: Vec::new() }
}

fn measured(relation: &RelationFacts) -> Measured {
    Measured {
        rows: relation.rows,
        bytes: relation.total_bytes,
        columns: relation.columns.len(),
        indexes: relation.indexes.len(),
        constraints: relation.constraints.len(),
    }
}
