//! What a judged message runs at the server: what its names mean now, as they were looked up, and not what they meant
//! when it was parsed or bound. Until it is judged, nothing else gets at it.

use super::record::Own;
use super::taken::Taken;
use super::{Ended, Session};
use crate::kernel::policy::Clearance;
use crate::kernel::relay::ledger::Path;
use crate::kernel::relay::names::{Portal, Stage};
use crate::kernel::sql::statement::{Parsed, Statement};
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::backstage::{Backstage, End};
use crate::shell::database::{Database, DatabaseError};

/// Has every prepared statement analysed again before it is used (PostgreSQL docs, DISCARD).
const FORGET_PLANS: &str = "DISCARD PLANS";

impl Session {
    /// Why the portal of an Execute cannot be run, if it cannot.
    pub(super) fn cannot_be_run(&self, taken: &Taken) -> Option<Reply> {
        let (name, bound) = self.portal(taken)?;
        match bound.stage {
            Stage::Done => Some(Reply::error("55000", format!("portal \"{name}\" cannot be run"))),
            Stage::Bound | Stage::Withdrawn if !self.relay.names.is_current(bound) => Some(
                Reply::error(
                    sqlstate::UNREAD,
                    format!("the prepared statement of portal \"{name}\" is not there any more"),
                )
                .detail(
                    "It was closed or replaced after Bind, so the change cannot be bound to what its names mean now.",
                )
                .hint("Send Parse, Bind and Execute again."),
            ),
            Stage::Bound | Stage::Withdrawn | Stage::Begun => None,
        }
    }

    /// A judged change goes on, with what its names mean now.
    pub(super) async fn forward(&mut self, taken: &Taken, clearance: Clearance) -> Result<(), Ended> {
        match self.renew(taken).await? {
            Ok(()) => self.pass_on(taken, clearance).await,
            Err(DatabaseError::Lost(why)) => Err(self.server_lost(&why)),
            Err(DatabaseError::Server(said)) => {
                self.last_error = Some(said.code.clone());
                let told = self.answer_server_error(&said, taken.path).await;
                let decided = self.decided.take();
                let own = Own { code: Some(said.code), ..Own::default() };
                self.record_own(&taken.known, (taken.path, taken.started), own, decided);
                told
            }
        }
    }

    /// A message goes on as it is. The proof that it was judged is asked for here, at the only door.
    pub(super) async fn pass_on(&mut self, taken: &Taken, _proof: Clearance) -> Result<(), Ended> {
        if taken.path == Path::Execute {
            self.bind_again().await?;
        }
        self.server.out.extend_from_slice(&taken.message);
        let now = self.now();
        self.relay.admit(taken.known.clone(), taken.path, taken.execute(), now);
        Ok(())
    }

    /// Takes the portals of changes from the server that nobody has judged yet, but for the `spared` one.
    pub(super) async fn withdraw(&mut self, spared: &str) -> Result<(), Ended> {
        let names: Vec<String> = self.relay.names.exposed(spared).map(str::to_owned).collect();
        // Observing changes nothing: they are the server's to run.
        let stage = if self.settings().judging(&self.identity.target).observe {
            Stage::Begun
        } else {
            self.backstage(End::Flush, async |stage| stage.close_portals(&names).await).await?;
            Stage::Withdrawn
        };
        names.iter().for_each(|name| self.relay.names.set_stage(name, stage));
        Ok(())
    }

    /// Has the server look up again what the names in a prepared statement mean.
    async fn renew(&mut self, taken: &Taken) -> Result<Result<(), DatabaseError>, Ended> {
        let is_prepared = |parsed: &Parsed| matches!(parsed.statement, Statement::Execute { .. });
        match taken.path {
            Path::Execute => {
                self.bind_again().await?;
                self.withdraw(&String::from_utf8_lossy(taken.portal())).await?;
                self.renew_portal(taken).await
            }
            Path::Simple => {
                self.withdraw("").await?;
                if !taken.known.statements().statements.iter().any(is_prepared) {
                    return Ok(Ok(()));
                }
                let end = self.exchange_end();
                self.try_backstage(end, async |stage| stage.execute(FORGET_PLANS).await.map(drop)).await
            }
            Path::Parse | Path::FunctionCall => Ok(Ok(())),
        }
    }

    /// Binds the portal that is to be executed anew. One that has begun goes on; one that was unknown when it was bound
    /// was judged by nothing that its names mean.
    async fn renew_portal(&mut self, taken: &Taken) -> Result<Result<(), DatabaseError>, Ended> {
        let Some((name, bound)) = self.portal(taken) else { return Ok(Ok(())) };
        let Portal { statement, values: Some(values), stage: Stage::Bound | Stage::Withdrawn, .. } = bound.clone()
        else {
            return Ok(Ok(()));
        };
        // What must not run in a transaction block must not run behind another statement of a pipeline either.
        let end = self.exchange_end();
        if let Err(error) = self.try_backstage(end, async |stage| stage.execute(FORGET_PLANS).await).await? {
            return Ok(Err(error));
        }
        self.bind_again().await?;
        let bind = async |stage: &mut Backstage<'_>| stage.bind_again(&name, &statement, values.raw()).await;
        self.try_backstage(End::Flush, bind).await
    }

    /// The portal that an Execute names.
    fn portal(&self, taken: &Taken) -> Option<(String, &Portal)> {
        let name = String::from_utf8_lossy(taken.portal()).into_owned();
        let bound = self.relay.names.portal(&name).filter(|_| taken.path == Path::Execute)?;
        Some((name, bound))
    }

    /// A Sync of ours has ended the implicit transaction in which the client had bound portals, and them with it.
    async fn bind_again(&mut self) -> Result<(), Ended> {
        if !std::mem::take(&mut self.portals_gone) {
            return Ok(());
        }
        let names = &self.relay.names;
        let lost = names.portals().filter(|(_, bound)| bound.stage == Stage::Bound && names.is_current(bound));
        let lost: Vec<_> = lost.map(|(name, bound)| (name.to_owned(), bound.clone())).collect();
        for (name, bound) in lost {
            let Some(values) = bound.values else { continue };
            self.backstage(End::Flush, async |stage| stage.bind_again(&name, &bound.statement, values.raw()).await)
                .await?;
        }
        Ok(())
    }
}
