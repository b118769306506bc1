//! Definitions before a change and after it, for the services that depend on the tables: looked up on the client's own
//! connection. What was rolled back has changed nothing, so nobody need understand how a transaction ended. Whatever
//! goes wrong here costs a notice, never the change.

use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::assess::Assessment;
use crate::kernel::notice::{Concern, Look, SchemaChange, SchemaOrigin, SchemaRun, afterwards, schema_changes};
use crate::kernel::review::TicketId;
use crate::kernel::sql::statement::{Reading, RelationName};
use crate::shell::backstage::End;
use crate::shell::catalog;
use crate::shell::clock::now;
use crate::shell::side::LINGER;

/// What the change that is looked at now is about, and which of its names are free.
#[derive(Debug, Default)]
pub(super) struct Touching {
    concern: Concern,
    absent: Vec<RelationName>,
}

/// Changes of the transaction that is open, or of the statement that runs.
#[derive(Debug)]
pub(super) struct Altered {
    /// Under which they are in the store.
    key: String,
    runs: Vec<SchemaRun>,
}

impl Session {
    /// Remembers what a change is about.
    pub(super) fn touches(&mut self, reading: &Reading, assessment: &Assessment) {
        if !self.settings().looks_up_definitions(&self.identity.target.name) {
            return;
        }
        let concern = Concern::of(reading);
        let is_free = |name: &&RelationName| matches!(assessment.facts.relation(name), Some(None));
        let absent = concern.names.iter().filter(is_free).cloned().collect();
        self.touching = Some(Touching { concern, absent }).filter(|touching| !touching.concern.is_empty());
    }

    /// Just before a change runs on this connection.
    pub(super) async fn note_definitions(&mut self, taken: &Taken, ticket: Option<TicketId>) {
        let Some(Touching { concern, absent }) = self.touching.take() else { return };
        // In a pipeline an error of ours would be the end of the client's transaction.
        let look = if self.relay.dirty() {
            None
        } else {
            let looked =
                self.try_backstage(End::Sync, async |stage| catalog::definitions_before(stage, &concern, &[]).await);
            looked.await.ok().and_then(|looked| {
                looked.inspect_err(|error| tracing::warn!(%error, "definitions before a change cannot be read")).ok()
            })
        };
        let identity = &self.identity;
        let origin = SchemaOrigin {
            target: identity.target.name.clone(),
            database: identity.database.clone(),
            requester: identity.user.clone(),
            person: self.person(),
            application: identity.application.clone(),
            statement: self.shown(&taken.known).to_string(),
            ticket,
            job: None,
        };
        let key = || format!("{}-{}", self.log.id(), self.log.next_n());
        let altered = self.altered.get_or_insert_with(|| Box::new(Altered { key: key(), runs: Vec::new() }));
        let run = SchemaRun::new(origin, concern, look, &absent, &altered.runs);
        if !run.is_empty() {
            let (key, n) = (altered.key.clone(), altered.runs.len());
            if let Err(error) = self.shared.tickets.store.schema_begin(key, n, run.clone()).await {
                tracing::warn!(%error, "definitions before a change cannot be kept");
            }
        }
        altered.runs.push(run);
    }

    /// Whether the transaction has ended whose changes wait to be told.
    pub(super) fn has_altered(&self) -> bool {
        self.altered.is_some() && self.relay.at_rest()
    }

    /// The transaction is over: what is different is told.
    pub(super) async fn tell_definitions(&mut self) -> Result<(), Ended> {
        let Some(altered) = self.altered.take() else { return Ok(()) };
        let (oids, names) = afterwards(&altered.runs);
        if oids.is_empty() && names.is_empty() {
            return Ok(());
        }
        let looked =
            self.try_backstage(End::Sync, async |stage| catalog::definitions_after(stage, &oids, &names).await).await;
        let after: Option<Look> = match &looked {
            Ok(Ok(look)) => Some(look.clone()),
            Ok(Err(error)) => {
                tracing::warn!(%error, "definitions after a change cannot be read");
                None
            }
            Err(_) => None,
        };
        self.definitions_are(altered.key, schema_changes(&altered.runs, after)).await;
        looked.map(drop)
    }

    /// The session ends before they are told: an open transaction is rolled back by the server; of what is not
    /// answered nobody knows.
    pub(super) async fn leave_definitions(&mut self, lost: bool) {
        if self.has_altered() && !lost {
            let told = tokio::time::timeout(LINGER, Box::pin(self.tell_definitions())).await;
            drop(told);
        }
        let Some(altered) = self.altered.take() else { return };
        let is_open = self.relay.quiet() && self.relay.in_transaction();
        let changes = if is_open { Vec::new() } else { schema_changes(&altered.runs, None) };
        self.definitions_are(altered.key, changes).await;
    }

    async fn definitions_are(&self, key: String, changes: Vec<SchemaChange>) {
        if let Err(error) = self.shared.tickets.store.schema_end(key, changes, now()).await {
            tracing::error!(%error, "a change of a definition cannot be told");
        }
    }
}
