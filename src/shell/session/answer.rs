//! Answers of our own in the client's protocol: an error or a result in its turn, with the transaction
//! status the server really has.

use bytes::{BufMut, Bytes};
use tokio::sync::mpsc;

use super::{Ended, Session};
use crate::kernel::facts::Facts;
use crate::kernel::relay::ledger::Path;
use crate::kernel::relay::{Relay, Status};
use crate::kernel::sql::statement::Reading;
use crate::kernel::wire::frame::{self, HEADER};
use crate::kernel::wire::message;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::audit::{EndReason, RecordError};
use crate::shell::backstage::{Aside, Backstage, End};
use crate::shell::catalog;
use crate::shell::database::{DatabaseError, ServerMessage};

/// What a change is told when the record cannot take it.
#[must_use]
pub(super) fn no_record(error: &RecordError) -> Reply {
    Reply::fatal(sqlstate::NO_RECORD, "the record cannot be written")
        .detail(error.to_string())
        .hint("Nothing runs unrecorded. Free space or repair the record directory; the gateway goes on by itself.")
}

/// What a client is told whose server is gone.
#[must_use]
pub(super) fn server_lost(detail: impl Into<String>) -> Reply {
    Reply::fatal(sqlstate::CONNECTION_FAILURE, "the connection to the server was lost").detail(detail)
}

/// What happens to what is under way when a session is cut off.
fn left_open(relay: &Relay) -> &'static str {
    if !relay.quiet() {
        "Whether what was under way was done is not known: look before you send it again."
    } else if relay.in_transaction() {
        "The open transaction is rolled back by the server."
    } else {
        "Nothing was under way."
    }
}

/// The server closed the connection and did not say why.
#[must_use]
pub(super) fn server_silent(relay: &Relay) -> Reply {
    server_lost(format!("The server closed it without saying why. {}", left_open(relay)))
        .hint("Connect again. The server's log says what happened there.")
}

/// The gateway's time to drain is over.
#[must_use]
pub(super) fn out_of_time(relay: &Relay) -> Reply {
    Reply::fatal(sqlstate::ADMIN_SHUTDOWN, "terminating connection due to administrator command")
        .detail(format!("The gateway is stopping, and its time to drain is over. {}", left_open(relay)))
        .hint("Connect again.")
}

impl Session {
    /// An error for the statement that was just taken, in the way the protocol of `path` wants it, and
    /// with the server's transaction failed if it was in one.
    pub(super) async fn answer_error(&mut self, reply: Reply, path: Path) -> Result<(), Ended> {
        reply.put(&mut self.client.out);
        self.after_error(path).await
    }

    /// The server's own words.
    pub(super) async fn answer_server_error(&mut self, error: &ServerMessage, path: Path) -> Result<(), Ended> {
        message::put_error(&mut self.client.out, error.fields.clone());
        self.after_error(path).await
    }

    async fn after_error(&mut self, path: Path) -> Result<(), Ended> {
        // Executed before in the same pipeline: its implicit transaction must not be committed by Sync.
        let failed = self.relay.server_is_skipping();
        let fail = !failed && (self.relay.status == Status::Block || self.relay.dirty());
        match path {
            Path::Simple | Path::FunctionCall => {
                let status = self
                    .backstage(End::Sync, async |stage| {
                        if fail {
                            stage.fail_transaction().await?;
                        }
                        stage.sync().await
                    })
                    .await?;
                self.relay.synced();
                self.put_ready(status);
            }
            Path::Parse | Path::Execute => {
                if fail {
                    self.backstage(End::Flush, async |stage| stage.fail_transaction().await).await?;
                }
                self.relay.drop_to_sync();
            }
        }
        self.client.drain().await.map_err(|_| Ended::Client)
    }

    /// A result for the statement that was just taken.
    pub(super) async fn answer_done(&mut self, tag: &str, path: Path, status: Status) -> Result<(), Ended> {
        message::put_command_complete(&mut self.client.out, tag);
        match path {
            Path::Simple | Path::FunctionCall => self.put_ready(status),
            Path::Parse | Path::Execute => {}
        }
        self.client.drain().await.map_err(|_| Ended::Client)
    }

    /// Ends the answer to a simple Query with the server's ReadyForQuery.
    pub(super) async fn answer_ready(&mut self, path: Path) -> Result<(), Ended> {
        self.after_error(path).await
    }

    /// The ReadyForQuery of the server's last answer to us, passed on to the client it belongs to.
    fn put_ready(&mut self, status: Status) {
        let byte = match status {
            Status::Idle => b'I',
            Status::Block => b'T',
            Status::Failed => b'E',
        };
        self.relay.status = status;
        self.client.out.put_slice(&[frame::server::READY, 0, 0, 0, 5, byte]);
    }

    /// Runs statements of ours on the client's server connection. Nothing may be owed.
    pub(super) async fn backstage<T>(
        &mut self,
        end: End,
        run: impl AsyncFnOnce(&mut Backstage<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, Ended> {
        match self.try_backstage(end, run).await? {
            Ok(value) => Ok(value),
            Err(DatabaseError::Lost(_)) => Err(Ended::Server),
            Err(DatabaseError::Server(error)) => {
                tracing::error!(code = error.code, message = error.message, "a statement of our own failed");
                let reply = Reply::fatal(sqlstate::UNREAD, "the gateway lost track of this session")
                    .detail(format!("{} (SQLSTATE {})", error.message, error.code));
                Err(Ended::Told(reply, EndReason::ProtocolError))
            }
        }
    }

    /// As [`Self::backstage`], with the server's errors left to the caller.
    pub(super) async fn try_backstage<T>(
        &mut self,
        end: End,
        run: impl AsyncFnOnce(&mut Backstage<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Result<T, DatabaseError>, Ended> {
        let (aside, mut heard) = mpsc::unbounded_channel();
        let mut stage = Backstage::new(&mut self.server, (self.relay.status, self.relay.encoding), end, aside);
        let result = run(&mut stage).await;
        let status = stage.status();
        drop(stage);
        self.relay.status = status;
        self.tell_aside(&mut heard);
        self.checked(end, result)
    }

    /// The facts of what a text would change. A look-up may wait for somebody's lock: a client that leaves meanwhile
    /// ends it.
    pub(super) async fn facts(&mut self, end: End, reading: &Reading) -> Result<Result<Facts, DatabaseError>, Ended> {
        let (aside, mut heard) = mpsc::unbounded_channel();
        let mut stage = Backstage::new(&mut self.server, (self.relay.status, self.relay.encoding), end, aside);
        let result = tokio::select! {
            biased;
            result = catalog::facts_of(&mut stage, reading) => result,
            () = self.client.watch() => {
                self.cancel.target().send_upstream().await;
                return Err(Ended::Client);
            }
        };
        self.relay.status = stage.status();
        drop(stage);
        self.tell_aside(&mut heard);
        let mut result = self.checked(end, result)?;
        if let Ok(facts) = &mut result {
            facts.naming.clone_from(&self.settings().naming);
        }
        Ok(result)
    }

    /// Ends the session where the server is lost, and remembers where it takes nothing more before Sync.
    fn checked<T>(&mut self, end: End, result: Result<T, DatabaseError>) -> Result<Result<T, DatabaseError>, Ended> {
        self.portals_gone |= end == End::Sync && self.relay.status == Status::Idle;
        match &result {
            Err(DatabaseError::Lost(why)) => return Err(self.server_lost(why)),
            Err(DatabaseError::Server(_)) if end == End::Flush => self.relay.server_skips(),
            Err(DatabaseError::Server(_)) | Ok(_) => {}
        }
        Ok(result)
    }

    /// What the server said meanwhile that is the client's.
    fn tell_aside(&mut self, heard: &mut mpsc::UnboundedReceiver<Aside>) {
        while let Ok(aside) = heard.try_recv() {
            if let Aside::Frame(frame) = aside {
                self.tell_frame(&frame);
            }
        }
    }

    /// The server's connection broke while the client was waiting for us.
    pub(super) fn server_lost(&mut self, why: &str) -> Ended {
        tracing::warn!(why, "lost the server");
        Ended::Told(server_lost(why), EndReason::ServerGone)
    }

    /// The server ended the session while the client was waiting; its own last words say best why.
    pub(super) fn server_left(&mut self) -> Ended {
        let words = std::mem::take(&mut self.server.held);
        if words.is_empty() {
            return self.server_lost("the server closed the connection");
        }
        match self.relay.from_server(&words, self.now()) {
            Ok(step) => self.client.out.extend_from_slice(words.get(..step.forward).unwrap_or_default()),
            Err(bad) => tracing::warn!(%bad, "the server's last words are malformed"),
        }
        Ended::Server
    }

    /// A frame the server sent on its own.
    pub(super) fn tell_frame(&mut self, frame: &Bytes) {
        let body = frame.get(HEADER..).unwrap_or_default();
        match frame.first() {
            Some(&frame::server::PARAMETER_STATUS) => self.relay.parameter(body),
            Some(&frame::server::ERROR) => self.relay.heard_error(body),
            Some(_) | None => {}
        }
        self.client.out.extend_from_slice(frame);
    }
}
