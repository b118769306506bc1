//! A plan of several steps as a job: it runs on a connection of the gateway's own, while the client waits here
//! and is told the same as if it ran on its own. A client that leaves loses nothing.

use tokio::sync::broadcast::error::RecvError;

use super::record::{self, Decided, Own};
use super::resume::Sameness;
use super::taken::Taken;
use super::{Ended, Session, words};
use crate::kernel::facts::{Facts, Persistence};
use crate::kernel::job::{self, Command, JobId, Order, Table};
use crate::kernel::plan::{Action, Mode, Plan};
use crate::kernel::relay::Status;
use crate::kernel::review::{Door, Ticket};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::config::ClientGone;
use crate::shell::database::{Database, DatabaseError, ServerMessage};
use crate::shell::executor::{self, Outcome};
use crate::shell::jobs::{Attached, Ended as JobEnded};
use crate::shell::store::StoreError;

/// What the session is, apart from its login: its settings that are not the login's own come in rows after.
/// What lives in its temporary schema another connection does not have.
const STATE: &str = "\
SELECT session_user::pg_catalog.text,
  CASE WHEN pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none' THEN pg_catalog.current_setting('role') END,
  EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
  OR EXISTS (SELECT FROM pg_catalog.pg_type AS t WHERE t.typnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())
  OR EXISTS (SELECT FROM pg_catalog.pg_proc AS p WHERE p.pronamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())";

const SETTINGS: &str = "\
SELECT s.name, s.setting FROM pg_catalog.pg_settings AS s
WHERE s.source OPERATOR(pg_catalog.=) ANY ('{client,session}'::pg_catalog.text[])
  AND s.context OPERATOR(pg_catalog.=) ANY ('{user,superuser}'::pg_catalog.text[])
  AND s.name OPERATOR(pg_catalog.<>) ALL ('{application_name,client_encoding,standard_conforming_strings,\
client_min_messages,idle_session_timeout,idle_in_transaction_session_timeout,transaction_timeout,\
transaction_isolation,transaction_read_only,transaction_deferrable}'::pg_catalog.text[])
ORDER BY s.name";

/// A session as a job needs to know it.
pub(super) struct State {
    pub(super) role: Option<String>,
    pub(super) settings: Vec<(String, String)>,
    session_user: String,
    has_temporary: bool,
}

impl Session {
    /// The job that a plan becomes, where it should and can be one.
    pub(super) async fn as_job(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        facts: &Facts,
        sameness: &Sameness,
    ) -> Result<Option<Order>, Ended> {
        let alone = self.relay.status == Status::Idle && !self.relay.dirty() && taken.values.is_none();
        if !alone || !is_long(plan) {
            return Ok(None);
        }
        let order = self.job_for(taken, plan, facts).await?.ok();
        Ok(order.map(|order| Order { sameness: Some(sameness.text().to_owned()), ..order }))
    }

    /// The plan as a job of this session, or why it cannot be one.
    pub(super) async fn job_for(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        facts: &Facts,
    ) -> Result<Result<Order, &'static str>, Ended> {
        if facts.relations().any(|one| one.persistence == Persistence::Temporary) {
            return Ok(Err("a temporary table is only there for this session"));
        }
        if taken.known.hides() || *plan != plan.shown() {
            return Ok(Err("it holds a secret, which is not kept"));
        }
        let settings = self.settings();
        let target = settings.targets.iter().find(|target| target.name == self.identity.target.name);
        let user = self.identity.user.clone();
        let Some(login) = target.and_then(|target| target.job_login(&user)) else {
            return Ok(Err(
                "there is no login for jobs of this user: see [targets.jobs] in the gateway's configuration",
            ));
        };
        let Some(state) = self.state().await? else { return Ok(Err("the session's settings cannot be looked up")) };
        if state.has_temporary {
            return Ok(Err("the session has temporary objects, which a job's connection has not"));
        }
        if state.session_user != login.user.unwrap_or_else(|| user.clone()) {
            return Ok(Err("the session's user is not the one that jobs log in as"));
        }
        let tables = facts.worked_on().into_iter().map(|(oid, name)| Table { oid, name });
        Ok(Ok(Order {
            target: self.identity.target.name.clone(),
            database: self.identity.database.clone(),
            tables: tables.collect(),
            requester: user,
            role: state.role,
            settings: state.settings,
            application: self.identity.application.clone(),
            shown: self.shown(&taken.known).to_string(),
            plan: plan.clone(),
            sameness: None,
            ticket: None,
            undo_of: None,
            after: None,
            later: None,
        }))
    }

    /// What another connection has to take over to be like this one.
    pub(super) async fn state(&mut self) -> Result<Option<State>, Ended> {
        let end = self.exchange_end();
        let asked = self
            .try_backstage(end, async |stage| {
                let state = stage.query(STATE, &[]).await?;
                Ok::<_, DatabaseError>((state, stage.query(SETTINGS, &[]).await?))
            })
            .await?;
        let Ok((state, settings)) = asked else { return Ok(None) };
        let mut state = state.concat().into_iter();
        let (Some(Some(session_user)), Some(role), Some(Some(temporary))) = (state.next(), state.next(), state.next())
        else {
            return Ok(None);
        };
        let pairs = settings.into_iter().filter_map(|row| match row.as_slice() {
            [Some(name), Some(value)] => Some((name.clone(), value.clone())),
            _ => None,
        });
        Ok(Some(State { role, settings: pairs.collect(), session_user, has_temporary: temporary != "f" }))
    }

    /// The job of the same statement, if one is not over.
    pub(super) async fn at_work(&self, sameness: &Sameness) -> Option<Attached> {
        if self.relay.in_transaction() {
            return None;
        }
        let found = self.shared.jobs.same(sameness.text()).await;
        found.inspect_err(|error| tracing::error!(%error, "whether it is at work already is not known")).ok()?
    }

    /// Orders the job and waits for it.
    pub(super) async fn run_as_job(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        order: Order,
        decided: Decided,
    ) -> Result<(), Ended> {
        // The job tells what it changes.
        self.touching = None;
        if let Err(error) = self.intend(taken, plan, None).await {
            return self.unrecorded(taken, &error).await;
        }
        if plan.rewrites() {
            Reply::notice(plan.summary.clone()).detail(words::steps(plan)).put(&mut self.client.out);
        }
        match self.shared.jobs.order(order, Door::Session).await {
            Ok(attached) => {
                Reply::notice(format!("this is job {}", attached.id))
                    .hint(format!("{} Follow it with: lockkeeper jobs watch {}", self.if_gone(), attached.id))
                    .put(&mut self.client.out);
                self.wait_for_job(taken, plan, attached, decided).await
            }
            Err(error) => {
                let reply = Reply::error(sqlstate::NO_RECORD, format!("the job cannot be recorded: {error}"))
                    .detail("Nothing was changed.")
                    .hint("Send the statement again when the gateway's data directory is in order.");
                self.answer_held_with(taken, reply, decided).await
            }
        }
    }

    /// An approved change that leaves something for later: that outlives this session, so all of it is jobs.
    pub(super) async fn run_ticket_as_job(
        &mut self,
        taken: &Taken,
        ticket: &Ticket,
        plan: &Plan,
        decided: Decided,
    ) -> Result<(), Ended> {
        if self.relay.in_transaction() {
            let reply = Reply::error(sqlstate::HELD, "this change runs as a job, which is no part of a transaction")
                .hint("Send it by itself, outside a transaction.");
            return self.answer_held_with(taken, reply, decided).await;
        }
        match self.shared.jobs.order_ticket(ticket.id, Door::Session).await {
            Ok(attached) => {
                Reply::notice(plan.summary.clone()).detail(words::steps(plan)).put(&mut self.client.out);
                Reply::notice(format!("this is job {}", attached.id)).put(&mut self.client.out);
                self.wait_for_job(taken, plan, attached, decided).await
            }
            Err(error) => {
                let reply = Reply::error(sqlstate::HELD, format!("the approved change cannot run: {error}"))
                    .detail(
                        "What is dropped or renamed is kept for a while first, and only a job can end that. Nothing was changed.",
                    )
                    .hint("See [targets.jobs] in the configuration. The approval is not spent.");
                self.answer_held_with(taken, reply, decided).await
            }
        }
    }

    /// A plan that leaves something for later, where there is no login for the job that would do it.
    pub(super) async fn no_job_for_later(&mut self, taken: &Taken, decided: Decided) -> Result<(), Ended> {
        let reply = Reply::error(
            sqlstate::REFUSED,
            "what is dropped or renamed is kept for a while first, and only a job can end that",
        )
        .detail("Nothing was changed.")
        .hint(format!(
            "Give target {} a login for jobs ([targets.jobs] in the configuration), and send this by itself, outside a \
                 transaction; or have the policy's drop_grace_s or rename_grace_s taken away.",
            self.identity.target.name
        ));
        self.answer_held_with(taken, reply, decided).await
    }

    fn if_gone(&self) -> &'static str {
        match self.client_gone() {
            ClientGone::Continue => "It goes on if you leave; Ctrl-C aborts it.",
            ClientGone::Pause => "It pauses if you leave; Ctrl-C aborts it.",
        }
    }

    fn client_gone(&self) -> ClientGone {
        let settings = self.settings();
        let target = settings.targets.iter().find(|target| target.name == self.identity.target.name);
        target.map_or(ClientGone::default(), |target| target.jobs.on_client_gone)
    }

    /// The same statement is at work already: waits for that.
    pub(super) async fn join_job(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        attached: Attached,
        decided: Decided,
    ) -> Result<(), Ended> {
        Reply::notice(format!("this statement is at work already, as job {}: waiting for it", attached.id))
            .hint(format!("{} If it is paused: lockkeeper jobs resume {}", self.if_gone(), attached.id))
            .put(&mut self.client.out);
        self.wait_for_job(taken, plan, attached, decided).await
    }

    async fn wait_for_job(
        &mut self,
        taken: &Taken,
        plan: &Plan,
        attached: Attached,
        decided: Decided,
    ) -> Result<(), Ended> {
        let Attached { id, mut told, mut ended } = attached;
        let mut cancels = self.cancel.listen();
        let n = self.log.next_n();
        let (mut is_open, mut asked) = (true, false);
        let ended = loop {
            // Nothing, if this process is over before the job.
            let over = async { ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()) };
            tokio::select! {
                biased;
                progress = told.recv(), if is_open => match progress {
                    Ok(progress) => {
                        record::step(&mut self.log, (n, plan), &progress);
                        words::progress(&progress, &mut self.client.out);
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => is_open = false,
                },
                ended = over => break ended,
                _asked = cancels.next() => {
                    asked = true;
                    self.abort_job(id).await;
                }
                () = self.client.watch() => {
                    self.leave_job(id).await;
                    self.record_own(&taken.known, (taken.path, taken.started), Own::default(), Some(decided));
                    return Err(Ended::Client);
                }
                () = self.server.watch() => {
                    // Another connection than the job's own.
                    self.leave_job(id).await;
                    self.record_own(&taken.known, (taken.path, taken.started), Own::default(), Some(decided));
                    return Err(self.server_left());
                }
            }
        };
        // What was told last.
        while let Ok(progress) = told.try_recv() {
            record::step(&mut self.log, (n, plan), &progress);
            words::progress(&progress, &mut self.client.out);
        }
        // What somebody else has stopped was not stopped at the client's request.
        let by = if asked { None } else { self.aborter(id).await };
        self.answer_job(taken, (plan, id, by), ended.as_deref(), decided).await
    }

    async fn answer_job(
        &mut self,
        taken: &Taken,
        (plan, id, by): (&Plan, JobId, Option<String>),
        ended: Option<&JobEnded>,
        decided: Decided,
    ) -> Result<(), Ended> {
        match ended {
            Some(JobEnded::Ran(outcome)) => {
                let mut outcome = outcome.clone();
                if let (Outcome::Cancelled(_, stopped), Some(by)) = (&mut outcome, by) {
                    stopped.error = executor::error(sqlstate::QUERY_CANCELED, &format!("job {id} was aborted by {by}"));
                }
                let ran = self.conclude(taken, plan, outcome, decided).await?;
                self.go_on_after(ran)
            }
            Some(JobEnded::Not { code, message }) => {
                let error = ServerMessage {
                    fields: vec![
                        (b'S', "ERROR".to_owned()),
                        (b'V', "ERROR".to_owned()),
                        (b'C', code.clone()),
                        (b'M', message.clone()),
                        (b'D', format!("It was job {id}.")),
                        (b'H', format!("What it has done: lockkeeper jobs show {id}")),
                    ],
                    code: code.clone(),
                    message: message.clone(),
                    ..ServerMessage::default()
                };
                self.answer_server_error(&error, taken.path).await?;
                let own = Own { code: Some(error.code), ..Own::default() };
                self.record_own(&taken.known, (taken.path, taken.started), own, Some(decided));
                Ok(())
            }
            None => {
                let reply = Reply::error(sqlstate::ADMIN_SHUTDOWN, "the gateway is stopping")
                    .detail(format!("Job {id} goes on when it is started again."))
                    .hint("Send the same statement again then, to wait on.");
                self.answer_held_with(taken, reply, decided).await
            }
        }
    }

    /// Who has aborted a job, if anybody.
    async fn aborter(&self, id: JobId) -> Option<String> {
        let state = self.shared.jobs.store().job(id).await.ok()?.job.state;
        if let job::State::Stopping { by, .. } | job::State::Aborted { by, .. } = state { Some(by) } else { None }
    }

    async fn abort_job(&mut self, id: JobId) {
        let by = self.identity.user.clone();
        let command = Command::Abort { by, reason: Some("canceling statement due to user request".to_owned()) };
        self.command_job(id, command).await;
    }

    async fn leave_job(&mut self, id: JobId) {
        match self.client_gone() {
            ClientGone::Continue => {}
            ClientGone::Pause => {
                let by = format!("{} left", self.identity.user);
                self.command_job(id, Command::Pause { by }).await;
            }
        }
    }

    async fn command_job(&mut self, id: JobId, command: Command) {
        match self.shared.jobs.act(Door::Session, id, command).await {
            // Rejected: it is over already, or stopping.
            Ok(_) | Err(StoreError::JobRejected(_)) => {}
            Err(error) => tracing::error!(job = id.0, %error, "a job cannot be told"),
        }
    }
}

/// Worth a job: it lasts, or has a middle in which it can be cut off.
pub(super) fn is_long(plan: &Plan) -> bool {
    let lasts = plan.steps.iter().any(|step| {
        step.scans
            || match &step.action {
                Action::BuildIndex { .. } | Action::Reindex { .. } | Action::Backfill(_) => true,
                Action::Sql { mode: Mode::Scan | Mode::NoTransaction, .. } => true,
                Action::Sql { mode: Mode::Brief | Mode::AsIs, .. } | Action::Together { .. } | Action::Later { .. } => {
                    false
                }
            }
    });
    lasts || (plan.rewrites() && plan.steps.len() > 1)
}
