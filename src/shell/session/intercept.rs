//! What is more than ordinary: resolved, looked up, judged, and handed to what the verdict says.

use std::sync::Arc;

use bytes::Bytes;

use super::record::{Decided, Own};
use super::taken::Taken;
use super::{Ended, Session, prepared};
use crate::kernel::assess::{self, Assessment};
use crate::kernel::policy::{self, Clearance, Place, Verdict};
use crate::kernel::relay::Status;
use crate::kernel::relay::ledger::{Path, Values};
use crate::kernel::sql::bounds;
use crate::kernel::sql::read::UnreadableKind;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::{Change, Reading, Statement};
use crate::kernel::wire::frame::{HEADER, client};
use crate::kernel::wire::message;
use crate::kernel::wire::reply::{Reply, sqlstate};
use crate::shell::audit::Decision;
use crate::shell::backstage::End;
use crate::shell::database::{Database, DatabaseError};

impl Session {
    pub(super) async fn judge(
        &mut self,
        message: Bytes,
        known: Arc<Known>,
        path: Path,
        values: Option<Values>,
    ) -> Result<(), Ended> {
        self.portals_gone = false;
        let mut taken = Taken { message, known, path, values, prepared: Vec::new(), started: self.now() };
        let n = self.log.next_n();
        // In a failed transaction nothing can be looked up, and the server runs nothing.
        let failed = self.relay.status == Status::Failed;
        let behind = if failed { Ok(Ok(Vec::new())) } else { self.behind_names(&taken.known).await };
        let assessed = match behind {
            Ok(Ok(prepared)) => {
                taken.prepared = prepared;
                self.assessed(&taken).await
            }
            Ok(Err(error)) => self.cannot_look_up(&taken, &error).await.map(|()| None),
            Err(ended) => Err(ended),
        };
        match assessed {
            Ok(None) => Ok(()),
            Ok(Some((reading, assessment))) => self.act(&taken, &reading, assessment).await,
            Err(ended) => {
                if self.log.next_n() == n {
                    self.record_not_run(&taken.known, (path, taken.started));
                }
                Err(ended)
            }
        }
    }

    /// What a verdict needs. `None`: answered already.
    pub(super) async fn assessed(&mut self, taken: &Taken) -> Result<Option<(Reading, Assessment)>, Ended> {
        if let Some(reply) = self.cannot_be_run(taken) {
            self.refuse(taken, reply, &[]).await?;
            return Ok(None);
        }
        if self.has_altered() {
            self.tell_definitions().await?;
        }
        let reading = prepared::resolve(&taken.known, &taken.prepared);
        if let Some(clearance) = Clearance::ordinary(&reading) {
            self.forward(taken, clearance).await?;
            return Ok(None);
        }
        if self.relay.status == Status::Failed {
            self.in_failed_transaction(taken, &reading).await?;
            return Ok(None);
        }
        if unreadable(&reading) && self.server_refuses(taken).await? {
            return Ok(None);
        }
        match self.assess(taken, &reading).await? {
            Ok(assessment) => Ok(Some((reading, assessment))),
            Err(error) => {
                self.cannot_look_up(taken, &error).await?;
                Ok(None)
            }
        }
    }

    /// How an exchange of ours ends here without ending what is the client's.
    pub(super) fn exchange_end(&self) -> End {
        if self.relay.dirty() { End::Flush } else { End::Sync }
    }

    /// The server itself refuses everything but the end of the transaction: it says so best.
    async fn in_failed_transaction(&mut self, taken: &Taken, reading: &Reading) -> Result<(), Ended> {
        let ends = reading.statements.iter().any(|p| matches!(p.statement, Statement::Transaction(_)));
        if let (false, Some(clearance)) = (ends, Clearance::in_failed_transaction(reading)) {
            return self.pass_on(taken, clearance).await;
        }
        let reply = Reply::error(
            sqlstate::UNREAD,
            "current transaction is aborted: the change behind its end cannot be judged",
        )
        .hint("Send ROLLBACK first, then the change in a message of its own.");
        self.refuse(taken, reply, &[]).await
    }

    /// Lets the server parse a text that the grammar of record refuses. True: the server refuses it too,
    /// and the client has its error.
    async fn server_refuses(&mut self, taken: &Taken) -> Result<bool, Ended> {
        // What is beyond our bounds is not the server's to suffer from either.
        let beyond = taken.known.reading.as_ref().is_err_and(|error| error.kind == UnreadableKind::Bounds);
        if taken.path != Path::Simple || beyond || taken.known.text.len() > bounds::TEXT_BYTES_MAX {
            return Ok(false);
        }
        let Ok(text) = message::query(taken.message.get(HEADER..).unwrap_or_default()) else { return Ok(false) };
        let refusal = self.backstage(End::Sync, async |stage| stage.try_parse(text).await).await?;
        let Some(error) = refusal else { return Ok(false) };
        let fields = crate::shell::backstage::server_message(error.get(HEADER..).unwrap_or_default());
        // Not an error of the text: it has several statements, which a Parse cannot take.
        let routine = fields.fields.iter().find(|(code, _)| *code == b'R');
        if routine.is_some_and(|(_, routine)| routine == "exec_parse_message") {
            return Ok(false);
        }
        self.client.out.extend_from_slice(&error);
        let told = self.answer_ready(taken.path).await;
        let own = Own { code: Some(fields.code), ..Own::default() };
        self.record_own(&taken.known, (taken.path, taken.started), own, None);
        told.map(|()| true)
    }

    async fn assess(&mut self, taken: &Taken, reading: &Reading) -> Result<Result<Assessment, DatabaseError>, Ended> {
        let end = self.exchange_end();
        let facts = self.facts(end, reading).await?;
        Ok(facts.map(|facts| assess::assess(&taken.known.text, reading, facts)))
    }

    pub(super) fn place(&self, reading: &Reading, values: bool) -> Place {
        Place {
            in_transaction: self.relay.in_transaction(),
            in_block: self.relay.status == Status::Block && !self.relay.dirty(),
            several: reading.statements.len() > 1,
            parameters: values,
        }
    }

    pub(super) fn verdict(&self, reading: &Reading, assessment: &Assessment, values: bool) -> Verdict {
        let place = self.place(reading, values);
        policy::judge(&self.settings().judging(&self.identity.target), &self.who(), place, assessment)
    }

    /// What it touches cannot be looked up: nobody can say what it would do.
    async fn cannot_look_up(&mut self, taken: &Taken, error: &DatabaseError) -> Result<(), Ended> {
        if let DatabaseError::Server(said) = error
            && said.code == sqlstate::QUERY_CANCELED
        {
            // It was the client who cancelled: that is all it needs to hear.
            let own = Own { code: Some(said.code.clone()), ..Own::default() };
            let told = self.answer_server_error(said, taken.path).await;
            self.record_own(&taken.known, (taken.path, taken.started), own, None);
            return told;
        }
        let reply = Reply::error(sqlstate::UNREAD, "what this statement touches cannot be looked up, so it is not run")
            .detail(error.to_string())
            .hint("Try again; if it stays, the session's role may lack access to the system catalogs.");
        self.refuse(taken, reply, &[]).await
    }

    /// Refuses a statement that was taken.
    pub(super) async fn refuse(
        &mut self,
        taken: &Taken,
        reply: Reply,
        findings: &[crate::kernel::rules::Finding],
    ) -> Result<(), Ended> {
        let decided = Decided::new(Decision::Refuse, findings);
        self.record_decision(taken, &decided, findings, None);
        let own = Own { code: Some(reply.code.to_owned()), ..Own::default() };
        // A client that has left does not keep its statement out of the record.
        let told = self.answer_error(reply, taken.path).await;
        self.record_own(&taken.known, (taken.path, taken.started), own, Some(decided));
        told
    }

    /// The lexer's settings in the middle of a pipeline, asked of the server itself.
    pub(super) async fn fence(&mut self) -> Result<(), Ended> {
        self.settle().await?;
        let sql = "SELECT pg_catalog.current_setting('client_encoding'), \
                   pg_catalog.current_setting('standard_conforming_strings')";
        let rows = self.backstage(End::Flush, async |stage| stage.query(sql, &[]).await).await?;
        for (name, value) in
            [b"client_encoding\0".as_slice(), b"standard_conforming_strings\0"].iter().zip(rows.concat())
        {
            let body = [name, value.unwrap_or_default().as_bytes(), b"\0"].concat();
            self.relay.parameter(&body);
        }
        if self.has_lost_pin() {
            return Err(self.lost_pin());
        }
        self.relay.fence_passed();
        Ok(())
    }

    /// A long text is read on a thread that may take its time.
    pub(super) async fn read_elsewhere(&mut self, bytes: usize) -> Result<(), Ended> {
        let held = self.client.held.get(..bytes).unwrap_or_default();
        let body = held.get(HEADER..).unwrap_or_default();
        let text = match held.first() {
            Some(&client::PARSE) => message::parse(body).map(|(_, text)| text),
            Some(_) | None => message::query(body),
        };
        let text = Bytes::copy_from_slice(text.unwrap_or_default());
        let encoding = self.relay.encoding;
        let of = text.clone();
        let read = tokio::task::spawn_blocking(move || Known::read(&text, encoding));
        match read.await {
            Ok(known) => {
                self.recall.ready = Some((of, Arc::new(known)));
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "a text could not be read");
                let reply = Reply::fatal(sqlstate::UNREAD, "the statement cannot be read");
                Err(Ended::Told(reply, crate::shell::audit::EndReason::ProtocolError))
            }
        }
    }

    pub(super) async fn too_long(&mut self, tag: u8, bytes: usize, max: usize) -> Result<(), Ended> {
        let path = match tag {
            client::QUERY | client::FUNCTION_CALL => Path::Simple,
            _ => Path::Execute,
        };
        let reply = Reply::error(
            sqlstate::PROGRAM_LIMIT_EXCEEDED,
            format!("the statement is too long to be read: {bytes} bytes"),
        )
        .detail(format!("The gateway reads statements of at most {max} bytes."))
        .hint("Use COPY or bound parameters for large data.");
        let known = Known::too_long(bytes);
        let started = self.now();
        let own = Own { code: Some(reply.code.to_owned()), ..Own::default() };
        let told = self.answer_error(reply, path).await;
        self.record_own(&known, (path, started), own, Some(Decided::new(Decision::Refuse, &[])));
        told
    }

    pub(super) async fn refuse_function(&mut self, oid: u32) -> Result<(), Ended> {
        let reply =
            Reply::error(sqlstate::REFUSED, format!("the FunctionCall message for function {oid} is not allowed"))
                .detail("It runs a function that no statement shows.")
                .hint("Call the function with SELECT, or set allow_function_call for this target.");
        let known = Known::function_call(oid);
        let started = self.now();
        let own = Own { code: Some(reply.code.to_owned()), ..Own::default() };
        let told = self.answer_error(reply, Path::FunctionCall).await;
        self.record_own(&known, (Path::FunctionCall, started), own, Some(Decided::new(Decision::Refuse, &[])));
        told
    }
}

fn unreadable(reading: &Reading) -> bool {
    reading.statements.iter().any(|p| matches!(p.statement, Statement::Change(Change::Unreadable { .. })))
}
