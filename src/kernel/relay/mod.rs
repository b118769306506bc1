//! The relay: which bytes of one session may go on, and what must be decided first.
//!
//! It walks headers, keeps the ledger of what the server owes and the names of what was prepared, and
//! stops at what is not ordinary. It moves no bytes itself and never looks into rows.

mod copy;
pub mod from_client;
pub mod from_server;
pub mod ledger;
pub mod names;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use compact_str::CompactString;

use self::ledger::{Ledger, Path, Progress};
use self::names::Names;
use super::sql::encoding::TextEncoding;
use super::sql::remember::Known;

/// Names and portals one session may hold, prepared or in flight.
pub const IN_FLIGHT_MAX: usize = 65_536;

/// Texts longer than this take long enough to read to hold up the thread's other sessions.
const INLINE_MAX: usize = 32 * 1024;

/// Transaction status of a ReadyForQuery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    #[default]
    Idle,
    Block,
    Failed,
}

impl Status {
    /// By its byte in ReadyForQuery; `None` for any other byte.
    #[must_use]
    pub fn of(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Block),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }
}

/// Functions the FunctionCall message may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FunctionCalls {
    None,
    /// The large-object functions, which is what libpq uses the message for.
    #[default]
    LargeObjects,
    All,
}

/// What was finished, for the record.
#[derive(Clone, Debug)]
pub struct Finished {
    pub known: Option<Arc<Known>>,
    pub values: Option<ledger::Values>,
    pub path: Path,
    pub started: u64,
    pub ended: u64,
    pub rows: u64,
    pub bytes: u64,
    pub tag: CompactString,
    pub error: Option<[u8; 5]>,
    /// Status after it; of a statement in a pipeline, before its Sync.
    pub status: Status,
}

/// A setting the reading of statements depends on was changed behind the gateway's back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostPin {
    pub name: &'static str,
    pub value: String,
}

/// The setting that says whether a backslash in a plain string is a character.
pub(super) const CONFORMING: &str = "standard_conforming_strings";

/// What the configuration says about a session's messages.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub function_calls: FunctionCalls,
    /// Bind bodies up to this size are kept for the record; 0 keeps none.
    pub values_max: usize,
    /// Longest message that carries a text, bytes.
    pub text_max: usize,
    /// Longest message of any kind, bytes.
    pub message_max: usize,
    /// The server speaks the replication protocol as well (PostgreSQL docs, 55.4).
    pub replication: bool,
}

/// One session's relay.
#[derive(Debug)]
pub struct Relay {
    pub ledger: Ledger,
    pub names: Names,
    pub status: Status,
    pub encoding: TextEncoding,
    /// Bytes of the current message that only pass, in each direction.
    client_skip: usize,
    client_drop: usize,
    server_skip: usize,
    /// The server ignores everything up to the next Sync.
    skipping: bool,
    /// We do, after an error of our own in the extended protocol.
    dropping: bool,
    /// The server met an error in a message of ours and waits for the client's Sync.
    server_skipping: bool,
    /// Something was executed since the last Sync: what follows shares its transaction.
    dirty: bool,
    /// A statement was prepared in this session that may copy.
    copies: bool,
    /// The lexer's settings were looked up for the message that is offered next.
    fenced: bool,
    progress: Progress,
    pub finished: Vec<Finished>,
    /// The client has said goodbye.
    pub terminated: bool,
    /// The server has said that it ends the session, and why.
    pub server_leaves: bool,
    pub lost_pin: Option<LostPin>,
    function_calls: FunctionCalls,
    values_max: usize,
    /// Longer messages that carry a text are not read at all.
    text_max: usize,
    message_max: usize,
    /// Commands of the replication protocol pass.
    replication: bool,
    /// Texts longer than this are not read on the session's own thread.
    inline_max: usize,
}

/// Bytes of a name the server tells apart (`NAMEDATALEN` less its end).
const NAME_MAX: usize = 63;

/// A name in our tables is certain to be the server's own.
///
/// The server cuts names after conversion to its own encoding, so a long one, or one in another
/// encoding, is only the same for both sides when it is ASCII.
fn name(bytes: &[u8], encoding: TextEncoding) -> Option<CompactString> {
    if bytes.is_empty() {
        return Some(CompactString::const_new(""));
    }
    if bytes.is_ascii() {
        return std::str::from_utf8(bytes.get(..NAME_MAX).unwrap_or(bytes)).ok().map(CompactString::from);
    }
    let exact = encoding == TextEncoding::Utf8 && bytes.len() <= NAME_MAX;
    std::str::from_utf8(bytes).ok().filter(|_| exact).map(CompactString::from)
}

impl Relay {
    /// At the first ReadyForQuery: nothing is owed.
    #[must_use]
    pub fn new(encoding: TextEncoding, limits: Limits) -> Self {
        Self {
            ledger: Ledger::default(),
            names: Names::default(),
            status: Status::Idle,
            encoding,
            client_skip: 0,
            client_drop: 0,
            server_skip: 0,
            skipping: false,
            dropping: false,
            server_skipping: false,
            dirty: false,
            copies: false,
            fenced: false,
            progress: Progress::default(),
            finished: Vec::new(),
            terminated: false,
            server_leaves: false,
            lost_pin: None,
            function_calls: limits.function_calls,
            values_max: limits.values_max,
            text_max: limits.text_max,
            message_max: limits.message_max,
            replication: limits.replication,
            inline_max: INLINE_MAX,
        }
    }

    /// In an explicit transaction block, or behind something that runs in the same implicit one.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.dirty || self.status != Status::Idle
    }

    /// Everything is answered, and no transaction is open.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.quiet() && !self.in_transaction()
    }

    /// Strings may end elsewhere than they are read here: with `standard_conforming_strings = off` a text without
    /// backslashes is read as ever, and any other is not.
    #[must_use]
    pub fn reads_unsure(&self) -> bool {
        self.lost_pin.as_ref().is_some_and(|pin| pin.name == CONFORMING)
    }

    /// Whether something was executed since the last Sync.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    /// After an error of ours in the extended protocol: the client's messages up to Sync are dropped.
    pub fn drop_to_sync(&mut self) {
        self.dropping = true;
    }

    /// The server found an error in a message of ours: it skips until the client's Sync comes.
    pub fn server_skips(&mut self) {
        self.dropping = true;
        self.server_skipping = true;
    }

    /// A Sync of ours ended what the client had begun.
    pub fn synced(&mut self) {
        self.dropping = false;
        self.server_skipping = false;
        self.dirty = false;
    }

    /// Whether the server takes nothing more before the client's Sync.
    #[must_use]
    pub fn server_is_skipping(&self) -> bool {
        self.server_skipping
    }

    /// The next message offered need not be fenced again.
    pub fn fence_passed(&mut self) {
        self.fenced = true;
    }

    /// The client has the start of a reply, and nothing but the rest of it may follow.
    #[must_use]
    pub fn in_reply(&self) -> bool {
        self.server_skip > 0
    }

    /// Nothing is owed: everything the client sent was answered.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.ledger.is_empty() && !self.ledger.unclear()
    }
}
