//! What the server still owes the client: one entry for each message it will answer, in order
//! (PostgreSQL docs, 55.2.3 Extended Query and 55.2.6 COPY Operations).

use std::collections::VecDeque;
use std::sync::Arc;

use compact_str::CompactString;

use super::copy::CopyIn;
use crate::kernel::sql::remember::Known;
use crate::kernel::wire::message::{self, BoundValue};

/// The parameter values of a Bind, and the formats of what it returns, kept as they came.
#[derive(Clone, Debug)]
pub struct Values(Arc<[u8]>);

impl Values {
    /// From what follows the names of a Bind.
    #[must_use]
    pub fn whole(rest: &[u8]) -> Self {
        Self(rest.into())
    }

    /// From what follows the names of a Bind; none when it has no parameters.
    #[must_use]
    pub fn of(rest: &[u8]) -> Option<Self> {
        any(rest).then(|| Self::whole(rest))
    }

    /// Whether there are parameters.
    #[must_use]
    pub fn any(&self) -> bool {
        any(&self.0)
    }

    /// What followed the names of the Bind.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.0
    }

    /// The values in order. What is not shaped like values has none: the server refuses it.
    #[must_use]
    pub fn list(&self) -> Vec<BoundValue<'_>> {
        message::bind_values(&self.0).unwrap_or_default()
    }
}

fn any(rest: &[u8]) -> bool {
    let formats = rest.first_chunk().map(|count| usize::from(u16::from_be_bytes(*count)));
    let count = formats.and_then(|formats| rest.get(2 + 2 * formats..)?.first_chunk());
    count.is_some_and(|count| *count != [0, 0])
}

/// A statement to be executed, for the record.
#[derive(Clone, Debug)]
pub struct Running {
    pub known: Option<Arc<Known>>,
    pub values: Option<Values>,
    /// Microseconds on the session's clock.
    pub started: u64,
    pub path: Path,
}

/// What the server has said so far of the statement it executes: the oldest that is owed.
#[derive(Debug, Default)]
pub struct Progress {
    pub bytes: u64,
    pub rows: u64,
    pub tag: CompactString,
    pub error: Option<[u8; 5]>,
}

/// How a statement came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Simple,
    /// Failed before it could be executed.
    Parse,
    Execute,
    FunctionCall,
}

/// One answer that is owed.
#[derive(Debug)]
pub enum Owed {
    /// Ends with ReadyForQuery.
    Query(Running),
    FunctionCall(Running),
    /// ReadyForQuery.
    Sync,
    Parse {
        name: CompactString,
        known: Arc<Known>,
        started: u64,
    },
    Bind {
        portal: CompactString,
        statement: CompactString,
        values: Option<Values>,
    },
    /// RowDescription or NoData (after ParameterDescription for a statement).
    Describe,
    /// With its portal and the rows it asks for at most; 0 is all.
    Execute(Running, CompactString, u32),
    CloseStatement(CompactString),
    ClosePortal(CompactString),
}

impl Owed {
    #[inline]
    fn names(&self) -> bool {
        match self {
            Self::Parse { known, .. } => !known.ordinary,
            Self::Query(running) | Self::Execute(running, ..) => running.known.as_ref().is_some_and(|k| !k.ordinary),
            Self::FunctionCall(_)
            | Self::Sync
            | Self::Bind { .. }
            | Self::Describe
            | Self::CloseStatement(_)
            | Self::ClosePortal(_) => false,
        }
    }
}

/// The answers owed, oldest first.
#[derive(Debug, Default)]
pub struct Ledger {
    owed: VecDeque<Owed>,
    /// How many of them may give a name to a change: a Parse, or a text with an SQL PREPARE.
    naming: usize,
    pub(super) copy: CopyIn,
}

impl Ledger {
    /// Whether everything was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// How many answers are owed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.owed.len()
    }

    /// Whether something in flight may give a name to a change.
    #[must_use]
    pub fn naming(&self) -> bool {
        self.naming > 0
    }

    /// A message that will be answered goes to the server.
    #[inline]
    pub fn push(&mut self, owed: Owed) {
        self.naming += usize::from(owed.names());
        self.owed.push_back(owed);
    }

    /// The server asks for copy data. Nothing was sent behind a statement that is known to do so.
    pub(super) fn copy_in(&mut self) {
        self.owed.truncate(1);
        self.naming = self.owed.iter().filter(|owed| owed.names()).count();
        self.copy.begin();
    }

    /// Which statement a Bind in flight makes this portal from.
    pub(super) fn binding(&self, of: &str) -> Option<&str> {
        self.owed.iter().rev().find_map(|owed| match owed {
            Owed::Bind { portal, statement, .. } if portal == of => Some(statement.as_str()),
            _ => None,
        })
    }

    /// What a Parse in flight gives this name to.
    pub(super) fn parsing(&self, of: &str) -> Option<&Arc<Known>> {
        self.owed.iter().rev().find_map(|owed| match owed {
            Owed::Parse { name, known, .. } if name == of => Some(known),
            _ => None,
        })
    }

    /// Since when the ordinary statement is under way that is answered next. None where the client keeps it waiting
    /// with copy data, or a change comes before it.
    #[inline]
    #[must_use]
    pub fn since(&self) -> Option<u64> {
        if self.copying() {
            return None;
        }
        let is_change = |known: &Known| !known.ordinary;
        for owed in &self.owed {
            match owed {
                Owed::Query(running) | Owed::FunctionCall(running) | Owed::Execute(running, ..) => {
                    return (!running.known.as_deref().is_some_and(is_change)).then_some(running.started);
                }
                Owed::Parse { known, started, .. } => return (!is_change(known)).then_some(*started),
                // What they wait for is told by what follows them.
                Owed::Bind { .. } | Owed::Describe | Owed::Sync | Owed::CloseStatement(_) | Owed::ClosePortal(_) => {}
            }
        }
        None
    }

    /// What is answered next.
    #[inline]
    pub fn front(&self) -> Option<&Owed> {
        self.owed.front()
    }

    /// What was answered.
    #[inline]
    pub fn pop(&mut self) -> Option<Owed> {
        let popped = self.owed.pop_front()?;
        self.naming -= usize::from(popped.names());
        if self.owed.is_empty() {
            self.copy.over();
        }
        Some(popped)
    }

    /// An error in the extended protocol: everything up to the next Sync stays unanswered.
    /// True when no Sync was sent yet, so that the server goes on skipping.
    pub fn skip_to_sync(&mut self) -> bool {
        while let Some(owed) = self.owed.front() {
            if matches!(owed, Owed::Sync) {
                return false;
            }
            self.pop();
        }
        true
    }
}
