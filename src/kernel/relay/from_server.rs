//! Server to client: everything goes on; what was owed is ticked off on the way.

use compact_str::CompactString;

use super::ledger::{Owed, Path, Progress, Running};
use super::{CONFORMING, Finished, LostPin, Relay, Status};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::Known;
use crate::kernel::sql::statement::Statement;
use crate::kernel::wire::frame::{self, HEADER, Header, server};
use crate::kernel::wire::message;
use crate::kernel::wire::startup;

/// Replies longer than this are passed without being looked into (only errors with huge texts are).
const LOOK_MAX: usize = 256 * 1024;

/// SQLSTATE `transaction_resolution_unknown`.
const RESOLUTION_UNKNOWN: [u8; 5] = *b"08007";

/// How far some input may go to the client.
#[derive(Debug)]
pub struct Step {
    pub forward: usize,
    /// The input behind `forward` is the start of a reply that must be complete to `need` bytes.
    pub need: Option<usize>,
}

/// The server broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent a malformed message of type 0x{tag:02X}")]
pub struct BadServer {
    pub tag: u8,
}

impl Relay {
    /// Walks the replies. `now` is in microseconds.
    ///
    /// # Errors
    /// When a length is impossible or a reply is not shaped as it must be.
    pub fn from_server(&mut self, input: &[u8], now: u64) -> Result<Step, BadServer> {
        let mut at = self.server_skip.min(input.len());
        self.server_skip -= at;
        // Rows are counted together: only other replies end a statement.
        let mut bytes = at;
        while at < input.len() {
            let rest = input.get(at..).unwrap_or_default();
            let header = match frame::header(rest, frame::server_length_max) {
                Ok(Some(header)) => header,
                Ok(None) => return Ok(self.partial(at, bytes, HEADER)),
                Err(bad) => return Err(BadServer { tag: bad.tag }),
            };
            let here = header.total().min(rest.len());
            if here < header.total() && must_see(header) {
                return Ok(self.partial(at, bytes, header.total()));
            }
            bytes += here;
            if !matches!(header.tag, server::DATA_ROW | server::COPY_DATA) {
                self.add_bytes(std::mem::take(&mut bytes));
                self.reply(header, rest.get(HEADER..here).unwrap_or_default(), now)?;
            }
            self.server_skip = header.total() - here;
            at += here;
        }
        self.add_bytes(bytes);
        Ok(Step { forward: at, need: None })
    }

    fn partial(&mut self, forward: usize, bytes: usize, need: usize) -> Step {
        self.add_bytes(bytes);
        Step { forward, need: Some(need) }
    }

    fn add_bytes(&mut self, count: usize) {
        if let Some(Owed::Query(_) | Owed::Execute(..) | Owed::FunctionCall(_)) = self.ledger.front() {
            self.progress.bytes += count as u64;
        }
    }

    /// Any reply but rows and copy data.
    fn reply(&mut self, header: Header, body: &[u8], now: u64) -> Result<(), BadServer> {
        match header.tag {
            server::READY => self.ready(body, now)?,
            server::COMMAND_COMPLETE | server::EMPTY_QUERY | server::PORTAL_SUSPENDED => {
                self.complete(header.tag, body, now)
            }
            server::ERROR => self.error(body, now),
            server::PARSE_COMPLETE | server::BIND_COMPLETE | server::CLOSE_COMPLETE => self.named(),
            server::ROW_DESCRIPTION | server::NO_DATA => {
                if matches!(self.ledger.front(), Some(Owed::Describe)) {
                    self.ledger.pop();
                }
            }
            server::COPY_IN => self.ledger.copy_in(),
            server::PARAMETER_STATUS => self.parameter(body),
            server::AUTHENTICATION
            | server::BACKEND_KEY_DATA
            | server::COPY_BOTH
            | server::COPY_DONE
            | server::COPY_OUT
            | server::FUNCTION_RESULT
            | server::NEGOTIATE_VERSION
            | server::NOTICE
            | server::NOTIFICATION
            | server::PARAMETER_DESCRIPTION => {}
            tag => return Err(BadServer { tag }),
        }
        Ok(())
    }

    fn ready(&mut self, body: &[u8], now: u64) -> Result<(), BadServer> {
        let &[status] = body else { return Err(BadServer { tag: server::READY }) };
        self.status = Status::of(status).ok_or(BadServer { tag: server::READY })?;
        if self.status == Status::Idle {
            self.names.transaction_ended();
        }
        match self.ledger.pop() {
            Some(Owed::Query(running)) => {
                self.names.simple_query();
                self.finish(running, now);
            }
            Some(Owed::FunctionCall(running)) => self.finish(running, now),
            Some(_) => {}
            None => self.unexpected_ready(),
        }
        Ok(())
    }

    fn complete(&mut self, tag: u8, body: &[u8], now: u64) {
        let text = body.strip_suffix(&[0]).unwrap_or(body);
        self.copy_done();
        match self.ledger.front() {
            Some(Owed::Query(_)) => note(&mut self.progress, text),
            Some(Owed::Execute(..)) => {
                if let Some(Owed::Execute(mut running, portal, rows_max)) = self.ledger.pop() {
                    match tag {
                        server::COMMAND_COMPLETE => note(&mut self.progress, text),
                        // It has sent as many as were asked for, and has more.
                        server::PORTAL_SUSPENDED => self.progress.rows = u64::from(rows_max),
                        _ => {}
                    }
                    if let Some(bound) = self.names.portal(&portal) {
                        running.known = Some(bound.known.clone());
                        running.values.clone_from(&bound.values);
                    }
                    self.finish(running, now);
                }
            }
            _ => {}
        }
    }

    fn error(&mut self, body: &[u8], now: u64) {
        let code = sqlstate(body);
        self.heard_error(body);
        self.copy_failed();
        match self.ledger.front() {
            Some(Owed::Query(_) | Owed::FunctionCall(_)) => self.progress.error = code,
            None | Some(Owed::Sync) => {}
            Some(_) => {
                self.failed(code, now);
                self.skipping = self.ledger.skip_to_sync();
            }
        }
    }

    /// An ErrorResponse, also one that came while a query of our own ran.
    pub fn heard_error(&mut self, body: &[u8]) {
        let fields = message::fields(body).unwrap_or_default();
        // `V` is never translated; servers before 9.6 have only the other.
        let severity = [b'V', b'S'].iter().find_map(|want| fields.iter().find(|(code, _)| code == want));
        self.server_leaves |= severity.is_some_and(|(_, word)| word == "FATAL" || word == "PANIC");
    }

    /// The statement that failed in the extended protocol goes to the record.
    fn failed(&mut self, code: Option<[u8; 5]>, now: u64) {
        let base = |known, started, path| Running { known, values: None, started, path };
        self.progress.error = code;
        let running = match self.ledger.pop() {
            Some(Owed::Parse { known, started, .. }) => base(Some(known), started, Path::Parse),
            Some(Owed::Bind { statement, values, .. }) => {
                let known = self.names.statement(&statement).cloned();
                Running { values, ..base(known, now, Path::Parse) }
            }
            Some(Owed::Execute(mut running, portal, _)) => {
                if let Some(bound) = self.names.portal(&portal) {
                    running.known = Some(bound.known.clone());
                    running.values.clone_from(&bound.values);
                }
                running
            }
            _ => return self.progress = Progress::default(),
        };
        self.finish(running, now);
    }

    /// The server has confirmed what a name stands for.
    fn named(&mut self) {
        match self.ledger.pop() {
            Some(Owed::Parse { name, known, .. }) => self.names.set_statement(name, known),
            Some(Owed::Bind { portal, statement, values }) => self.names.bind(portal, &statement, values),
            Some(Owed::CloseStatement(name)) => self.names.close_statement(&name),
            Some(Owed::ClosePortal(name)) => self.names.close_portal(&name),
            Some(_) | None => {}
        }
    }

    /// A ParameterStatus, also one that came while a query of our own ran.
    pub fn parameter(&mut self, body: &[u8]) {
        let Ok((name, value)) = message::parameter_status(body) else { return };
        let value = String::from_utf8_lossy(value);
        match name {
            b"client_encoding" => match TextEncoding::of(&value) {
                Some(encoding) => self.encoding = encoding,
                None => self.lost_pin = Some(LostPin { name: "client_encoding", value: value.into_owned() }),
            },
            b"standard_conforming_strings" if !startup::is_on(&value) => {
                self.lost_pin = Some(LostPin { name: CONFORMING, value: value.into_owned() });
            }
            b"standard_conforming_strings" if self.reads_unsure() => self.lost_pin = None,
            _ => {}
        }
    }

    /// The server answers nothing more: what became of the statements it had is not known, and that is recorded.
    pub fn abandon(&mut self, now: u64) {
        while let Some(owed) = self.ledger.pop() {
            if let Owed::Query(running) | Owed::FunctionCall(running) | Owed::Execute(running, ..) = owed {
                self.progress.error.get_or_insert(RESOLUTION_UNKNOWN);
                self.finish(running, now);
            }
        }
    }

    /// Names that SQL's PREPARE and DEALLOCATE changed; then the record.
    fn finish(&mut self, running: Running, now: u64) {
        let Progress { bytes, rows, tag, error } = std::mem::take(&mut self.progress);
        if let Some(known) = &running.known {
            for statement in known.naming() {
                self.sql_names(statement, known, error.is_none());
            }
        }
        self.finished.push(Finished {
            known: running.known,
            values: running.values,
            path: running.path,
            started: running.started,
            ended: now,
            rows,
            bytes,
            tag,
            error,
            status: self.status,
        });
    }

    /// Where a text of several statements failed in the middle, what it prepared may stand for something
    /// dangerous: that is kept; what it deallocated is kept too.
    fn sql_names(&mut self, statement: &Statement, of: &Known, done: bool) {
        match statement {
            Statement::Prepare { name, .. } => {
                if let Some(known) = of.prepared(name)
                    && (done || !known.ordinary)
                {
                    self.names.set_statement(name.as_str().into(), known);
                }
            }
            Statement::Deallocate { name } if done => match name {
                Some(name) => self.names.close_statement(name),
                None => self.names.close_all_statements(),
            },
            Statement::Deallocate { .. }
            | Statement::Ordinary
            | Statement::MovesNames
            | Statement::Transaction(_)
            | Statement::Execute { .. }
            | Statement::Change(_) => {}
        }
    }
}

/// Replies whose body is read.
fn must_see(header: Header) -> bool {
    let passes = matches!(header.tag, server::DATA_ROW | server::COPY_DATA | server::ROW_DESCRIPTION);
    !passes && header.body <= LOOK_MAX
}

/// The command tag, and the rows it counts at its end.
fn note(progress: &mut Progress, tag: &[u8]) {
    progress.tag = CompactString::from_utf8(tag).unwrap_or_default();
    let digits = tag.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (name, count) = tag.split_at(tag.len() - digits);
    if name.ends_with(b" ") {
        let add = |rows: u64, digit: &u8| rows.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        progress.rows += count.iter().fold(0, add);
    }
}

/// The SQLSTATE field of an ErrorResponse.
fn sqlstate(body: &[u8]) -> Option<[u8; 5]> {
    let fields = message::fields(body).ok()?;
    let (_, code) = fields.into_iter().find(|(code, _)| *code == b'C')?;
    code.as_bytes().try_into().ok()
}
