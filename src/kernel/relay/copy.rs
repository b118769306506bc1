//! COPY FROM STDIN: what the server does with a message depends on whether it still reads data when it comes.
//!
//! While it reads, Flush and Sync are swallowed and anything but data ends the session. Once it has failed, data is
//! ignored and the rest is answered as ever, or skipped up to Sync (PostgreSQL docs, 55.2.6). Nobody sees when that
//! was, for the error is on its way while the client goes on talking. Therefore nothing goes on behind a statement that
//! may copy before the server has said what becomes of it, what has no place in a copy makes the server say so, and
//! Syncs that it may have swallowed are counted.

use super::Relay;
use super::from_client::{Next, Question, Then};
use super::ledger::Ledger;
use crate::kernel::wire::frame::{Header, client};

/// The COPY FROM STDIN that is under way.
#[derive(Debug, Default)]
pub(super) struct CopyIn {
    stage: Stage,
    /// Syncs sent while it read: swallowed, if it had not failed before.
    syncs: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    None,
    /// The server has all that it needs to go on: it will ask for data, or answer.
    Sent,
    /// It reads data.
    Reading,
}

impl CopyIn {
    pub(super) fn sent(&mut self) {
        self.stage = Stage::Sent;
    }

    pub(super) fn begin(&mut self) {
        self.stage = Stage::Reading;
    }

    /// All that was owed was answered.
    pub(super) fn over(&mut self) {
        self.stage = Stage::None;
    }

    /// The data has ended, by the client's word or by an error: what comes of it is yet to be said.
    pub(super) fn end(&mut self) {
        if self.stage == Stage::Reading {
            self.stage = Stage::Sent;
        }
    }

    /// It was done, so that it read all that was sent before.
    pub(super) fn done(&mut self) {
        self.syncs = 0;
    }
}

impl Ledger {
    /// Whether the server is reading copy data.
    #[must_use]
    pub fn copying(&self) -> bool {
        self.copy.stage == Stage::Reading
    }

    /// Whether nothing goes on before the server has asked for data or answered.
    #[must_use]
    pub fn awaits_copy(&self) -> bool {
        self.copy.stage == Stage::Sent
    }

    /// A statement that may copy goes to the server.
    pub(super) fn copy_sent(&mut self, may: bool) {
        if may {
            self.copy.sent();
        }
    }

    /// A COPY has failed, and whether the Syncs sent meanwhile were swallowed is not known.
    #[must_use]
    pub fn unclear(&self) -> bool {
        self.copy.syncs > 0 && self.is_empty()
    }
}

impl Relay {
    /// What COPY makes of a message; `None` when it is like any other.
    pub(super) fn beside_copy(&mut self, header: Header, rest: &[u8]) -> Option<Next> {
        let asks = |question| Some(Next::Stop(Then::Ask { bytes: 0, question }));
        if self.ledger.unclear() {
            return match header.tag {
                client::TERMINATE => None,
                // Ignored either way.
                client::COPY_DATA | client::COPY_DONE | client::COPY_FAIL => Some(self.drop_message(header, rest)),
                _ => asks(Question::Settle),
            };
        }
        match self.ledger.copy.stage {
            Stage::None => None,
            Stage::Sent => Some(Next::Stop(Then::Wait)),
            Stage::Reading => match header.tag {
                client::COPY_DATA | client::COPY_DONE | client::COPY_FAIL | client::FLUSH | client::TERMINATE => None,
                client::SYNC if rest.len() < header.total() => Some(Next::Stop(Then::Partial { need: header.total() })),
                client::SYNC => {
                    self.ledger.copy.syncs += 1;
                    Some(Next::Pass)
                }
                tag => asks(Question::OutOfPlace { tag }),
            },
        }
    }

    /// Nobody is to see this message: its bytes are dropped, as they come.
    pub(super) fn drop_message(&mut self, header: Header, rest: &[u8]) -> Next {
        let bytes = header.total().min(rest.len());
        self.client_drop = header.total() - bytes;
        Next::Stop(Then::Drop { bytes })
    }

    /// Whether the server may ask for data when this portal is executed.
    pub(super) fn copies_in(&self, portal: &str) -> bool {
        if !self.copies {
            return false;
        }
        let known = match self.ledger.binding(portal) {
            Some(statement) => self.ledger.parsing(statement).or_else(|| self.names.statement(statement)),
            None => self.names.portal(portal).map(|bound| &bound.known),
        };
        known.is_none_or(|known| known.copies_in)
    }

    /// The server was sent the first byte of a message that no copy can bear: it says what became of the copy.
    pub fn provoked(&mut self) {
        self.ledger.copy.end();
    }

    /// A ReadyForQuery that nothing is owed for: a Sync that was sent while the server read copy data was not swallowed.
    pub(super) fn unexpected_ready(&mut self) {
        if self.ledger.unclear() {
            self.ledger.copy.syncs -= 1;
            self.skipping = false;
            self.dirty = false;
        }
    }

    /// It is known whether the server had taken one of the client's Syncs after the copy failed. A Sync of ours has
    /// ended the skipping since: what is to be skipped is dropped here.
    pub fn copy_cleared(&mut self, synced: bool) {
        self.ledger.copy.syncs = 0;
        self.dropping |= self.skipping && !synced;
        self.skipping = false;
        self.dirty = false;
        if self.status == super::Status::Idle {
            self.names.transaction_ended();
        }
    }

    pub(super) fn copy_failed(&mut self) {
        self.ledger.copy.end();
    }

    /// The server has done a statement: of a text of several another may copy.
    pub(super) fn copy_done(&mut self) {
        self.ledger.copy.done();
    }
}
