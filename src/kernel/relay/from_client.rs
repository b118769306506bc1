//! Client to server: how far the bytes may go, and what the message behind them needs.

use std::sync::Arc;

use compact_str::CompactString;

use super::ledger::{Owed, Path, Running, Values};
use super::names::Stage;
use super::{FunctionCalls, IN_FLIGHT_MAX, Relay};
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::Known;
use crate::kernel::wire::frame::{self, HEADER, Header, client};
use crate::kernel::wire::message;
use crate::kernel::wire::reply::{Reply, sqlstate};

/// Names of a Bind must be within its first bytes.
const NAMES_MAX: usize = 4_096;

/// How far some input may go.
#[derive(Debug)]
pub struct Step {
    /// Bytes from the start of the input that go to the server.
    pub forward: usize,
    pub then: Then,
}

/// What is behind the forwarded bytes.
#[derive(Debug)]
pub enum Then {
    /// Nothing: all input was forwarded.
    More,
    /// The start of a message that must be complete (to `need` bytes) before it can be told.
    Partial { need: usize },
    /// Nothing more before the server has asked for copy data or answered ([`super::ledger::Ledger::awaits_copy`]).
    Wait,
    /// Bytes that do not go to the server.
    Drop { bytes: usize },
    /// A whole message that must be decided first. If it may go, it is offered to [`Relay::admit`].
    Ask { bytes: usize, question: Question },
    /// The session cannot go on.
    Fatal(Reply),
}

/// What has to be settled before a message may go on.
#[derive(Debug)]
pub enum Question {
    /// Everything owed must have arrived; then offer the message again.
    Settle,
    /// As Settle; in addition the lexer's settings must be looked up, for no ReadyForQuery can come
    /// before the client's Sync. Then call [`Relay::fence_passed`] and offer it again.
    Fence,
    /// As Settle; in addition the portals of changes, but for the `spared` one, must be taken from the server: what is
    /// executed next could fetch from them. Then offer it again.
    Withdraw { spared: CompactString },
    /// The server reads copy data, as far as is known, and this message has no place there. Its first byte makes the
    /// server say what became of the copy; then offer it again.
    OutOfPlace { tag: u8 },
    /// Too long to be read here: read it elsewhere, then offer it again.
    Read,
    /// More than ordinary, about to be executed.
    Judge { known: Arc<Known>, path: Path, values: Option<Values> },
    /// Longer than any text that is read; its bytes are dropped already.
    TooLong { tag: u8, bytes: usize, max: usize },
    /// A FunctionCall that is not allowed.
    Function { oid: u32 },
}

/// Reads texts, or remembers having read them.
pub trait Recall {
    /// What is known of a text; `None` when it is too long to be read here.
    fn recall(&mut self, text: &[u8], encoding: TextEncoding, inline_max: usize) -> Option<Arc<Known>>;
}

/// What one message leads to.
pub(super) enum Next {
    /// Goes to the server, whole.
    Pass,
    /// Goes to the server; bytes that are not there yet follow without being looked at.
    Stream,
    Stop(Then),
}

impl Relay {
    /// Walks the input's messages up to the first that may not simply go on.
    ///
    /// Panic-free on any bytes. `now` is in microseconds.
    pub fn from_client(&mut self, input: &[u8], recall: &mut impl Recall, now: u64) -> Step {
        let dropped = self.client_drop.min(input.len());
        if dropped > 0 {
            self.client_drop -= dropped;
            return Step { forward: 0, then: Then::Drop { bytes: dropped } };
        }
        let mut at = self.client_skip.min(input.len());
        self.client_skip -= at;
        while at < input.len() {
            let rest = input.get(at..).unwrap_or_default();
            let header = match frame::header(rest, |tag| frame::client_length_max(tag).min(self.message_max)) {
                Ok(Some(header)) => header,
                Ok(None) => return Step { forward: at, then: Then::Partial { need: HEADER } },
                Err(bad) => return Step { forward: at, then: Then::Fatal(bad_length(bad)) },
            };
            if self.ledger.len() >= IN_FLIGHT_MAX {
                let reply = Reply::fatal(sqlstate::PROGRAM_LIMIT_EXCEEDED, "too many messages without a Sync")
                    .detail(format!("{IN_FLIGHT_MAX} messages are waiting for an answer."));
                return Step { forward: at, then: Then::Fatal(reply) };
            }
            match self.message(header, rest, recall, now) {
                Next::Pass => at += header.total(),
                Next::Stream => {
                    let here = header.total().min(rest.len());
                    self.client_skip = header.total() - here;
                    at += here;
                }
                Next::Stop(then) => return Step { forward: at, then },
            }
        }
        Step { forward: at, then: Then::More }
    }

    fn message(&mut self, header: Header, rest: &[u8], recall: &mut impl Recall, now: u64) -> Next {
        if let Some(next) = self.beside_copy(header, rest) {
            return next;
        }
        if self.dropping || self.skipping {
            return self.while_skipping(header, rest);
        }
        match header.tag {
            client::COPY_DATA | client::PASSWORD => Next::Stream,
            client::BIND => self.bind(header, rest),
            tag => {
                if header.body > self.text_max {
                    return self.too_long(header);
                }
                let Some(body) = rest.get(HEADER..header.total()) else {
                    return Next::Stop(Then::Partial { need: header.total() });
                };
                match tag {
                    client::QUERY => self.query(header, body, recall, now),
                    client::PARSE => self.parse(header, body, recall, now),
                    client::EXECUTE => self.execute(header, body, now),
                    client::DESCRIBE => self.push(Owed::Describe),
                    client::CLOSE => self.close(body),
                    client::SYNC => {
                        self.dirty = false;
                        self.push(Owed::Sync)
                    }
                    client::COPY_DONE | client::COPY_FAIL => {
                        self.ledger.copy.end();
                        Next::Pass
                    }
                    client::FUNCTION_CALL => self.function_call(header, body, now),
                    client::TERMINATE => {
                        self.terminated = true;
                        Next::Pass
                    }
                    // Flush; and what the server will refuse by its type.
                    _ => Next::Pass,
                }
            }
        }
    }

    /// Up to the next Sync nothing is executed: texts are dropped, for the server would ignore them.
    fn while_skipping(&mut self, header: Header, rest: &[u8]) -> Next {
        match header.tag {
            client::SYNC => {
                if rest.len() < header.total() {
                    return Next::Stop(Then::Partial { need: header.total() });
                }
                self.dropping = false;
                self.server_skipping = false;
                self.skipping = false;
                self.dirty = false;
                self.push(Owed::Sync)
            }
            client::TERMINATE => {
                self.terminated = true;
                Next::Stream
            }
            client::COPY_DATA if !self.dropping => Next::Stream,
            _ => self.drop_message(header, rest),
        }
    }

    /// A text or call nobody will read: it is answered with an error and its bytes are dropped.
    fn too_long(&mut self, header: Header) -> Next {
        if !self.quiet() {
            return Next::Stop(Then::Ask { bytes: 0, question: Question::Settle });
        }
        self.client_drop = header.total();
        let question = Question::TooLong { tag: header.tag, bytes: header.body, max: self.text_max };
        Next::Stop(Then::Ask { bytes: 0, question })
    }

    fn push(&mut self, owed: Owed) -> Next {
        self.ledger.push(owed);
        Next::Pass
    }

    fn query(&mut self, header: Header, body: &[u8], recall: &mut impl Recall, now: u64) -> Next {
        let Ok(text) = message::query(body) else { return malformed() };
        let known = match self.known(header, text, recall) {
            Ok(known) => known,
            Err(then) => return Next::Stop(then),
        };
        let passes = known.ordinary || (self.replication && known.is_replication_command());
        if !passes {
            return self.ask(header, known, Path::Simple, None);
        }
        // The server itself destroys the unnamed portal.
        if let Some(first) = self.before_executing(header, "") {
            return first;
        }
        self.fenced = false;
        // Its end is the end of the pipeline's transaction too.
        self.dirty = false;
        self.ledger.copy_sent(known.copies_in);
        self.push(Owed::Query(running(Some(known), None, now, Path::Simple)))
    }

    fn parse(&mut self, header: Header, body: &[u8], recall: &mut impl Recall, now: u64) -> Next {
        let Ok((name, text)) = message::parse(body) else { return malformed() };
        let Some(name) = self.name(name) else { return bad_name() };
        let known = match self.known(header, text, recall) {
            Ok(known) => known,
            Err(then) => return Next::Stop(then),
        };
        self.fenced = false;
        self.copies |= known.copies_in;
        self.push(Owed::Parse { name, known, started: now })
    }

    /// What a text is, once it is certain that the server's lexer sees the same.
    fn known(&mut self, header: Header, text: &[u8], recall: &mut impl Recall) -> Result<Arc<Known>, Then> {
        let bytes = header.total();
        let Some(known) = recall.recall(text, self.encoding, self.inline_max) else {
            return Err(Then::Ask { bytes, question: Question::Read });
        };
        if !known.invariant && !self.fenced {
            if !self.quiet() {
                return Err(Then::Ask { bytes, question: Question::Settle });
            }
            if self.dirty {
                return Err(Then::Ask { bytes, question: Question::Fence });
            }
        }
        // Only a session that is observed comes here without the setting.
        Ok(if self.reads_unsure() && !known.invariant { Arc::new(Known::unsure(text)) } else { known })
    }

    fn ask(&self, header: Header, known: Arc<Known>, path: Path, values: Option<Values>) -> Next {
        let question = if self.quiet() { Question::Judge { known, path, values } } else { Question::Settle };
        Next::Stop(Then::Ask { bytes: header.total(), question })
    }

    fn bind(&mut self, header: Header, rest: &[u8]) -> Next {
        // What is approved later is approved with its values.
        let watched = self.names.watching() || self.ledger.naming();
        if watched && header.body > self.text_max {
            return self.too_long(header);
        }
        let whole = watched || header.body <= self.values_max;
        let wanted = if whole { header.body } else { header.body.min(NAMES_MAX) };
        let Some(prefix) = rest.get(HEADER..HEADER + wanted) else {
            return Next::Stop(Then::Partial { need: HEADER + wanted });
        };
        let Ok(names) = message::bind_names(prefix) else { return malformed() };
        let values = match (watched, whole) {
            (true, _) => Some(Values::whole(names.rest)),
            (false, true) => Values::of(names.rest),
            (false, false) => None,
        };
        let (Some(portal), Some(statement)) = (self.name(names.portal), self.name(names.statement)) else {
            return bad_name();
        };
        self.ledger.push(Owed::Bind { portal, statement, values });
        Next::Stream
    }

    fn execute(&mut self, header: Header, body: &[u8], now: u64) -> Next {
        let Ok((portal, limit)) = message::execute(body) else { return malformed() };
        let Some(portal) = self.name(portal) else { return bad_name() };
        if let Some(first) = self.before_executing(header, &portal) {
            return first;
        }
        if self.names.watching()
            && let Some(bound) = self.names.portal(&portal).filter(|p| !p.known.ordinary)
        {
            let (known, values) = (bound.known.clone(), bound.values.clone().filter(Values::any));
            return self.ask(header, known, Path::Execute, values);
        }
        self.dirty = true;
        self.ledger.copy_sent(self.copies_in(&portal));
        self.push(Owed::Execute(running(None, None, now, Path::Execute), portal, rows_max(limit)))
    }

    /// Nothing is executed beside a change that is bound and was not judged, but for the change itself.
    fn before_executing(&self, header: Header, spared: &str) -> Option<Next> {
        if !self.names.watching() && !self.ledger.naming() {
            return None;
        }
        let question = if !self.quiet() {
            Question::Settle
        } else if self.names.exposed(spared).next().is_some() {
            Question::Withdraw { spared: spared.into() }
        } else {
            return None;
        };
        Some(Next::Stop(Then::Ask { bytes: header.total(), question }))
    }

    fn close(&mut self, body: &[u8]) -> Next {
        let Ok((kind, name)) = message::describe(body) else { return malformed() };
        let Some(name) = self.name(name) else { return bad_name() };
        self.push(if kind == b'S' { Owed::CloseStatement(name) } else { Owed::ClosePortal(name) })
    }

    fn name(&self, bytes: &[u8]) -> Option<CompactString> {
        super::name(bytes, self.encoding)
    }

    fn function_call(&mut self, header: Header, body: &[u8], now: u64) -> Next {
        let Ok(oid) = message::function_oid(body) else { return malformed() };
        let allowed = match self.function_calls {
            FunctionCalls::None => false,
            FunctionCalls::LargeObjects => LARGE_OBJECT_FUNCTIONS.contains(&oid),
            FunctionCalls::All => true,
        };
        if !allowed {
            let question = if self.quiet() { Question::Function { oid } } else { Question::Settle };
            return Next::Stop(Then::Ask { bytes: header.total(), question });
        }
        if let Some(first) = self.before_executing(header, "") {
            return first;
        }
        self.push(Owed::FunctionCall(running(None, None, now, Path::FunctionCall)))
    }

    /// A judged message goes to the server after all; of an Execute with what it names, and its limit.
    pub fn admit(&mut self, known: Arc<Known>, path: Path, (portal, limit): (&[u8], i32), now: u64) {
        self.fenced = false;
        self.ledger.copy_sent(known.copies_in);
        match path {
            Path::Simple => {
                self.dirty = false;
                self.ledger.push(Owed::Query(running(Some(known), None, now, path)));
            }
            Path::Execute => {
                self.dirty = true;
                let portal = self.name(portal).unwrap_or_default();
                self.names.set_stage(&portal, Stage::Begun);
                self.ledger.push(Owed::Execute(running(Some(known), None, now, path), portal, rows_max(limit)));
            }
            Path::Parse | Path::FunctionCall => {}
        }
    }

    /// What a portal stands for has run without the server's portal: it has no more to give.
    pub fn portal_done(&mut self, portal: &[u8]) {
        if let Some(name) = self.name(portal) {
            self.names.set_stage(&name, Stage::Done);
        }
    }
}

fn running(known: Option<Arc<Known>>, values: Option<Values>, started: u64, path: Path) -> Running {
    Running { known, values, started, path }
}

/// The server takes what is not positive for all (PostgreSQL docs, 55.7, Execute).
fn rows_max(limit: i32) -> u32 {
    u32::try_from(limit).unwrap_or_default()
}

fn bad_name() -> Next {
    let reply = Reply::fatal(sqlstate::FEATURE_NOT_SUPPORTED, "unsupported name of a prepared statement or portal")
        .detail("It is not ASCII, and longer than 63 bytes or not in UTF8.")
        .hint("Name prepared statements and portals in ASCII.");
    Next::Stop(Then::Fatal(reply))
}

fn malformed() -> Next {
    Next::Stop(Then::Fatal(Reply::fatal(sqlstate::PROTOCOL_VIOLATION, "invalid message format")))
}

fn bad_length(bad: frame::BadLength) -> Reply {
    Reply::fatal(sqlstate::PROTOCOL_VIOLATION, bad.to_string())
        .detail(format!("Message type 0x{:02X} claims a length of {}.", bad.tag, bad.length))
}

/// `pg_proc` oids of lo_open, lo_close, loread, lowrite, lo_lseek, lo_creat, lo_tell, lo_unlink,
/// lo_create, lo_truncate, lo_lseek64, lo_tell64, lo_truncate64 (fixed in `pg_proc.dat`).
const LARGE_OBJECT_FUNCTIONS: &[u32] = &[952, 953, 954, 955, 956, 957, 958, 964, 715, 1004, 3170, 3171, 3172];
