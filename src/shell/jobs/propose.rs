//! A change asked for without a session: judged as one would, on a connection of our own that can only read, and
//! filed as a ticket that runs as a job once it is approved.

use super::super::backstage::Backstage;
use super::super::clock::now;
use super::super::store::{Opened, StoreError};
use super::Jobs;
use super::connect::Connection;
use super::explain::{self, ExplainError, Question};
use super::order::OrderError;
use super::ticket::NOT_WHOLE;
use crate::kernel::policy::{self, Place, Verdict, Who};
use crate::kernel::review::{self, Command, Door, Request, RunMode, Ticket, objects_hash};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::Statement;

/// Who asks, and why.
#[derive(Clone, Debug)]
pub struct Asking {
    pub by: String,
    pub door: Door,
    /// Address and port.
    pub client: String,
    pub justification: String,
}

/// Why there is no ticket.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    #[error(transparent)]
    Explain(#[from] ExplainError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error("nobody has to approve that (it would be answered with: {0}): send it through the gateway")]
    NotHeld(String),
    #[error("nobody could approve that, it is refused: {0}")]
    Never(String),
    #[error("{0}")]
    Cannot(String),
}

impl From<StoreError> for ProposeError {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

impl Jobs {
    /// Files a change as a ticket, or finds the one that waits for the same.
    ///
    /// # Errors
    /// Nothing of it has to be approved, or it cannot run by itself.
    pub async fn propose(&self, question: Question, asking: Asking) -> Result<Ticket, ProposeError> {
        let request = self.judged_for(question, &asking).await?;
        let (ticket, opened) = self.shared.tickets.request(request).await?;
        if opened == Opened::Attached {
            return Ok(ticket);
        }
        let by = asking.by;
        let why = Command::Justify { by: by.clone(), text: asking.justification };
        let run = Command::ChooseRun { by, run: RunMode::Job };
        let (store, terms) = (self.store(), self.shared.tickets.settings().terms);
        store.act_through((asking.door, None), ticket.id, why, (now(), terms)).await?;
        Ok(store.act_through((asking.door, None), ticket.id, run, (now(), terms)).await?)
    }

    async fn judged_for(&self, question: Question, asking: &Asking) -> Result<Request, ProposeError> {
        let settings = self.settings();
        let Some(target) = settings.target_for(&question.database) else {
            return Err(ExplainError::NoTarget(question.database).into());
        };
        let known = Known::read(question.sql.as_bytes(), TextEncoding::Utf8);
        let reading = known.statements();
        if reading.statements.iter().any(|parsed| matches!(parsed.statement, Statement::Execute { .. })) {
            return Err(ExplainError::Prepared.into());
        }
        let several = reading.statements.len() != 1;
        if several {
            return Err(ProposeError::Cannot("that is not one statement: propose each by itself".to_owned()));
        }
        let Some(login) = target.job_login(&question.role) else {
            let name = &target.name;
            return Err(ProposeError::Cannot(format!(
                "target {name} has no login for jobs of {}: see [targets.jobs] in the configuration",
                question.role
            )));
        };
        let not_asked = |why| ExplainError::Server { target: target.name.clone(), why };
        let who = (question.role.as_str(), question.database.as_str(), "lockkeeper propose".to_owned());
        let opened = Connection::open(target, &login, who).await;
        let mut connection = opened.map_err(|error| not_asked(explain::why_not(error)))?;
        let mut stage: Backstage<'_> = connection.stage();
        let facts = explain::look(&mut stage, &reading).await.map_err(|error| not_asked(error.to_string()))?;
        let assessment = explain::assessed(&settings, &known, &reading, facts);
        let place = Place { in_transaction: false, in_block: false, several, parameters: false };
        let who =
            Who { target: target.name.clone(), role: question.role.clone(), application: question.application.clone() };
        let draft = match policy::judge(&settings.judging(target), &who, place, &assessment) {
            Verdict::Hold(draft) => draft,
            Verdict::Refuse(refusal) => return Err(ProposeError::Never(refusal.message)),
            other => return Err(ProposeError::NotHeld(other.name().to_owned())),
        };
        let facts = assessment.facts;
        let request = Request {
            shown: known.shown.to_string(),
            text_hash: review::text_hash(&known.text),
            target: target.name.clone(),
            database: question.database,
            requester: question.role,
            role: facts.current_role.clone(),
            person: Some(asking.by.clone()),
            search_path: facts.search_path.clone(),
            application: question.application,
            client: asking.client.clone(),
            settings: Vec::new(),
            findings: draft.findings,
            objects_hash: objects_hash(&facts),
            facts,
            plan: draft.plan.shown(),
            conditions: draft.conditions,
        };
        if request.whole_text().is_none() {
            return Err(ProposeError::Cannot(NOT_WHOLE.to_owned()));
        }
        if request.plan.reads_back().is_err() {
            return Err(ProposeError::Cannot("it cannot run as a job: send it from a session instead".to_owned()));
        }
        Ok(request)
    }
}
