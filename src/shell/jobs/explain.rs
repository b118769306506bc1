//! What would become of a statement, without running it: read, looked up on a connection of our own that can only
//! read, and judged as the session of whoever would send it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::backstage::Backstage;
use super::super::catalog;
use super::super::config::Settings;
use super::super::database::{Database, DatabaseError};
use super::Jobs;
use super::connect::{Connection, NotConnected};
use crate::kernel::assess::{self, Assessment};
use crate::kernel::facts::Facts;
use crate::kernel::forecast::{Assumed, Forecast};
use crate::kernel::plan::Plan;
use crate::kernel::policy::{self, Clearance, Place, Verdict, Who};
use crate::kernel::review::Conditions;
use crate::kernel::rules::Finding;
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::{Reading, Statement};

/// What a look-up may take.
const LIMITS: [(&str, &str); 3] =
    [("default_transaction_read_only", "on"), ("statement_timeout", "10s"), ("lock_timeout", "1s")];
/// Without a look-up every table counts as one of this many rows, on a server of this version.
const ASSUMED_ROWS: u64 = 1_000_000;
const ASSUMED_VERSION: u32 = 150_000;

/// Who would send what, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub database: String,
    pub sql: String,
    /// Who is logged in.
    pub role: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub application: String,
    /// Inside a transaction block.
    #[serde(default)]
    pub in_transaction: bool,
}

/// What would become of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    pub target: String,
    pub policy: String,
    /// pass, warn, bounded, rewrite, defer, hold, refuse.
    pub verdict: String,
    /// The target only observes: nothing of this would happen, it would be recorded.
    #[serde(default)]
    pub observed: bool,
    /// Why its tables could not be looked up, so that each counts as a large one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<String>,
    pub findings: Vec<Finding>,
    /// What would run, at once or on approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// Of a deferred one: how many steps run in the transaction itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<usize>,
    /// Who would have to approve it, and when it may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
    /// The error a refused one gets: message, detail, hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<[String; 3]>,
}

/// Why nobody can say.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error("no target serves the database {0:?}")]
    NoTarget(String),
    #[error("what a prepared statement stands for, only the session knows that prepared it")]
    Prepared,
    #[error("the server of target {target} cannot be asked: {why}")]
    Server { target: String, why: String },
}

impl Jobs {
    /// The target that a database belongs to.
    ///
    /// # Errors
    /// There is none.
    pub fn target_of(&self, database: &str) -> Result<String, ExplainError> {
        let settings = self.settings();
        let target = settings.target_for(database);
        target.map(|target| target.name.clone()).ok_or_else(|| ExplainError::NoTarget(database.to_owned()))
    }

    /// What would become of a statement.
    ///
    /// # Errors
    /// Its target is not there, or its server cannot be asked although the gateway could log in.
    pub async fn explain(&self, question: Question) -> Result<Explained, ExplainError> {
        let settings = self.settings();
        let Some(target) = settings.target_for(&question.database) else {
            return Err(ExplainError::NoTarget(question.database));
        };
        let known = Known::read(question.sql.as_bytes(), TextEncoding::Utf8);
        let reading = known.statements();
        let policy = settings.judging(target);
        let mut explained = Explained {
            target: target.name.clone(),
            policy: target.policy.clone(),
            verdict: "pass".to_owned(),
            observed: policy.observe,
            assumed: None,
            findings: Vec::new(),
            plan: None,
            head: None,
            conditions: None,
            refusal: None,
        };
        if reading.statements.iter().any(|parsed| matches!(parsed.statement, Statement::Execute { .. })) {
            return Err(ExplainError::Prepared);
        }
        if Clearance::ordinary(&reading).is_some() {
            return Ok(explained);
        }
        let (facts, assumed) = match target.job_login(&question.role) {
            None => {
                let why = format!("target {} has no login for jobs of {}", target.name, question.role);
                (assume(&question, &reading), Some(why))
            }
            Some(login) => {
                let not_asked = |why| ExplainError::Server { target: target.name.clone(), why };
                let who = (question.role.as_str(), question.database.as_str(), "lockkeeper explain".to_owned());
                let opened = Connection::open(target, &login, who).await;
                let mut connection = opened.map_err(|error| not_asked(why_not(error)))?;
                let mut stage = connection.stage();
                let facts = look(&mut stage, &reading).await;
                (facts.map_err(|error| not_asked(error.to_string()))?, None)
            }
        };
        explained.assumed = assumed;
        let assessment = assessed(&settings, &known, &reading, facts);
        let place = Place {
            in_transaction: question.in_transaction,
            in_block: question.in_transaction,
            several: reading.statements.len() > 1,
            parameters: false,
        };
        let who = Who { target: target.name.clone(), role: question.role, application: question.application };
        Ok(explained.of(policy::judge(&policy, &who, place, &assessment)))
    }
}

impl Explained {
    fn of(mut self, verdict: Verdict) -> Self {
        verdict.name().clone_into(&mut self.verdict);
        self.findings = verdict.findings().to_vec();
        match verdict {
            Verdict::Pass { .. } | Verdict::Bounded { .. } => {}
            Verdict::Rewrite { plan, .. } => self.plan = Some(*plan),
            Verdict::Defer { plan, head, .. } => {
                self.plan = Some(*plan);
                self.head = Some(head);
            }
            Verdict::Observed { would, .. } => return Self { observed: true, ..self.of(*would) },
            Verdict::Hold(draft) => {
                self.plan = Some(draft.plan.shown());
                self.conditions = Some(draft.conditions);
            }
            Verdict::Refuse(refusal) => self.refusal = Some([refusal.message, refusal.detail, refusal.hint]),
        }
        self
    }
}

pub(super) async fn look(stage: &mut Backstage<'_>, reading: &Reading) -> Result<Facts, DatabaseError> {
    for (name, value) in LIMITS {
        stage.query("SELECT pg_catalog.set_config($1, $2, false)", &[Some(name), Some(value)]).await?;
    }
    catalog::facts_of(stage, reading).await
}

pub(super) fn assessed(settings: &Settings, known: &Known, reading: &Reading, mut facts: Facts) -> Assessment {
    facts.naming.clone_from(&settings.naming);
    assess::assess(&known.text, reading, facts)
}

fn assume(question: &Question, reading: &Reading) -> Facts {
    let assumed = Assumed {
        server_version: ASSUMED_VERSION,
        rows: ASSUMED_ROWS,
        role: question.role.clone(),
        search_path: "public".to_owned(),
        schemas: BTreeSet::new(),
    };
    Forecast::new(assumed, false).instead_of_a_server(reading, &assess::wanted(reading))
}

pub(super) fn why_not(error: NotConnected) -> String {
    match error {
        NotConnected::Later(why) => why,
        NotConnected::Refused { message, .. } => message,
    }
}
