//! Texts read before, by exact bytes: what makes judging ordinary traffic nearly free. Bounded by bytes
//! and count; owned by one worker thread, without locks. Forgetting is always safe: the text is read again.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use super::bounds;
use super::encoding::TextEncoding;
use super::read::{self, Shown, Unreadable, UnreadableKind};
use super::shape::{self, Shapes};
use super::statement::{Parsed, Reading, Statement, TransactionControl};

/// Texts longer than this are read anew each time: long texts are rarely repeated.
pub const TEXT_BYTES_REMEMBERED: usize = 8 * 1024;

/// What one text is known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The text as read; spans refer to it.
    pub text: Arc<str>,
    pub reading: Result<Reading, Unreadable>,
    /// Every statement is ordinary or plain transaction control: passes without a look-up.
    pub ordinary: bool,
    /// Read the same whatever the settings in flight are (see [`bounds::lexically_invariant`]).
    pub invariant: bool,
    /// The server may ask the client for data while it runs (COPY FROM STDIN).
    pub copies_in: bool,
    /// For people and records: secrets replaced. The same allocation as `text` when there are none.
    pub shown: Arc<str>,
    /// The values bound to it are not recorded.
    pub values_are_secret: bool,
}

impl Known {
    /// Reads the bytes of a message.
    #[must_use]
    pub fn read(bytes: &[u8], encoding: TextEncoding) -> Self {
        let (text, reading): (Arc<str>, _) = match read::read_bytes(bytes, encoding) {
            Ok((reading, text)) if names_are_certain(&reading) => (text.into(), Ok(reading)),
            Ok((_, text)) => (text.into(), Err(uncertain_name())),
            Err(error) => (String::from_utf8_lossy(bytes).into(), Err(error)),
        };
        let Shown { text: shown, values_are_secret } = match &reading {
            Ok(_) if read::may_hold_secrets(&text) => read::shown_with_values(&text),
            Ok(_) => Shown { text: text.to_string(), values_are_secret: false },
            Err(_) => Shown { text: read::unreadable(), values_are_secret: true },
        };
        let shown = if *shown == *text { Arc::clone(&text) } else { shown.into() };
        let ordinary = reading.as_ref().is_ok_and(|reading| reading.statements.iter().all(|s| is_plain(&s.statement)));
        let (invariant, copies_in) = (bounds::lexically_invariant(bytes), may_copy_in(bytes));
        Self { invariant, copies_in, text, reading, ordinary, shown, values_are_secret }
    }

    /// A text that the server reads differently: `standard_conforming_strings` is off, and it has backslashes.
    #[must_use]
    pub fn unsure(bytes: &[u8]) -> Self {
        let why = "standard_conforming_strings is off, so its strings may end elsewhere".to_owned();
        Self {
            text: String::from_utf8_lossy(bytes).into(),
            reading: Err(Unreadable { why, kind: UnreadableKind::Encoding }),
            ordinary: false,
            invariant: false,
            copies_in: may_copy_in(bytes),
            shown: read::unreadable().into(),
            values_are_secret: true,
        }
    }

    /// Roughly what keeping it costs.
    fn bytes(&self) -> usize {
        self.text.len() + 256
    }

    /// Whether `shown` leaves something out.
    #[must_use]
    pub fn hides(&self) -> bool {
        !Arc::ptr_eq(&self.text, &self.shown)
    }

    /// What held a secret is not kept in memory longer than its statement.
    fn may_be_kept(&self) -> bool {
        self.text.len() <= TEXT_BYTES_REMEMBERED && self.reading.is_ok() && Arc::ptr_eq(&self.text, &self.shown)
    }
}

/// Both keywords name the client (`copy_file_name` of PostgreSQL's grammar), and no other spelling of them does. Read off
/// the bytes, so that it holds for texts that are not read too.
fn may_copy_in(text: &[u8]) -> bool {
    let has = |word: &[u8]| text.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
    has(b"copy") && (has(b"stdin") || has(b"stdout"))
}

/// A name that was not decoded exactly may be another one on the server.
fn names_are_certain(reading: &Reading) -> bool {
    let exact = |parsed: &Parsed| match &parsed.statement {
        Statement::Prepare { name, .. } | Statement::Execute { name } => name.is_ascii(),
        Statement::Deallocate { name } => name.as_ref().is_none_or(|name| name.is_ascii()),
        Statement::Ordinary | Statement::MovesNames | Statement::Transaction(_) | Statement::Change(_) => true,
    };
    reading.exact_names || reading.statements.iter().all(exact)
}

fn uncertain_name() -> Unreadable {
    let why = "the name of a prepared statement is not ASCII, and client_encoding is not UTF8".to_owned();
    Unreadable { why, kind: UnreadableKind::Encoding }
}

fn is_plain(statement: &Statement) -> bool {
    match statement {
        Statement::Ordinary | Statement::MovesNames => true,
        Statement::Transaction(control) => match control {
            TransactionControl::Begin
            | TransactionControl::Commit
            | TransactionControl::Rollback
            | TransactionControl::Savepoint => true,
            TransactionControl::TwoPhase => false,
        },
        Statement::Prepare { .. } | Statement::Execute { .. } | Statement::Deallocate { .. } | Statement::Change(_) => {
            false
        }
    }
}

/// A known text as a key, found by its bytes.
#[derive(Debug)]
struct Key(Arc<Known>);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.text.as_bytes()
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<[u8]>::borrow(self).hash(state);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Key {}

type Texts<S> = HashMap<Key, (), S>;

/// The texts one worker knows. Two generations: when the young one is full it becomes the old one, and
/// the old one's texts are forgotten unless they were asked for meanwhile.
#[derive(Debug)]
pub struct Memory<S = foldhash::fast::RandomState> {
    young: Texts<S>,
    old: Texts<S>,
    young_bytes: usize,
    old_bytes: usize,
    bytes_max: usize,
    count_max: usize,
    shapes: Shapes,
}

impl<S: BuildHasher + Default> Memory<S> {
    /// Keeps at most so many texts of at most so many bytes together.
    #[must_use]
    pub fn new(count_max: usize, bytes_max: usize) -> Self {
        Self {
            young: Texts::default(),
            old: Texts::default(),
            young_bytes: 0,
            old_bytes: 0,
            bytes_max: bytes_max / 2,
            count_max: count_max / 2,
            shapes: Shapes::default(),
        }
    }

    /// What is known of these bytes. Only for UTF8 clients and for pure ASCII: see [`Memory::get_or_read`].
    pub fn find(&mut self, bytes: &[u8]) -> Option<Arc<Known>> {
        if let Some((key, ())) = self.young.get_key_value(bytes) {
            return Some(Arc::clone(&key.0));
        }
        let (Key(known), ()) = self.old.remove_entry(bytes)?;
        self.old_bytes = self.old_bytes.saturating_sub(known.bytes());
        self.keep(Arc::clone(&known));
        Some(known)
    }

    /// Keeps what is small, readable and without secrets.
    pub fn keep(&mut self, known: Arc<Known>) {
        let bytes = known.bytes();
        if !known.may_be_kept() || bytes > self.bytes_max || self.count_max == 0 {
            return;
        }
        if self.young_bytes + bytes > self.bytes_max || self.young.len() >= self.count_max {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        if self.young.insert(Key(known), ()).is_none() {
            self.young_bytes += bytes;
        }
    }

    /// What these bytes are, from memory or read now.
    pub fn get_or_read(&mut self, bytes: &[u8], encoding: TextEncoding) -> Arc<Known> {
        let shaped = self.shapes.take(bytes);
        if shaped && let Some(known) = self.shapes.known(bytes) {
            return Arc::new(known);
        }
        // The same bytes are another text in another encoding.
        let remembered = bytes.len() <= TEXT_BYTES_REMEMBERED && (encoding == TextEncoding::Utf8 || bytes.is_ascii());
        if remembered && let Some(known) = self.find(bytes) {
            return known;
        }
        let known = Arc::new(Known::read(bytes, encoding));
        if shaped && shape::speaks_for_its_kind(&known) {
            self.shapes.keep(&known);
        } else if remembered {
            self.keep(Arc::clone(&known));
        }
        known
    }

    /// Texts kept and their bytes.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        (self.young.len() + self.old.len(), self.young_bytes + self.old_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(count: usize, bytes: usize) -> Memory {
        Memory::new(count, bytes)
    }

    #[test]
    fn finds_what_it_read() {
        let mut memory = memory(10, 1 << 20);
        let first = memory.get_or_read(b"select a", TextEncoding::Utf8);
        let second = memory.get_or_read(b"select a", TextEncoding::Utf8);
        assert!(Arc::ptr_eq(&first, &second));
        assert!(first.ordinary && first.invariant);
        assert!(!memory.get_or_read(b"drop table t", TextEncoding::Utf8).ordinary);
        assert!(memory.get_or_read(b"begin; select 1; commit", TextEncoding::Utf8).ordinary);
        assert!(!memory.get_or_read(b"prepare transaction 'x'", TextEncoding::Utf8).ordinary);
        assert!(memory.get_or_read(b"", TextEncoding::Utf8).ordinary);
        assert!(!memory.get_or_read(b"selec", TextEncoding::Utf8).ordinary);
        assert!(memory.find(b"select 2").is_none());
    }

    #[test]
    fn stays_within_its_bounds() {
        let mut memory = memory(100, 20_000);
        for n in 0..5_000 {
            memory.get_or_read(format!("select '{n}'").as_bytes(), TextEncoding::Utf8);
            memory.get_or_read(b"select 'often'", TextEncoding::Utf8);
            let (count, bytes) = memory.size();
            assert!(count <= 100 && bytes <= 20_000, "{count} {bytes}");
        }
        assert!(memory.find(b"select 'often'").is_some());
        assert!(memory.find(b"select '1'").is_none());
    }

    #[test]
    fn keeps_no_secrets_no_giants_and_no_foreign_bytes() {
        let mut memory = memory(100, 1 << 20);
        memory.get_or_read(b"alter role x password 'y'", TextEncoding::Utf8);
        memory.get_or_read(format!("select '{}'", "x".repeat(9_000)).as_bytes(), TextEncoding::Utf8);
        let foreign = memory.get_or_read("select 'ä'".as_bytes(), TextEncoding::SingleByte);
        assert_eq!(foreign.reading.as_ref().map(|r| r.exact_names), Ok(false));
        assert_eq!(memory.size().0, 0);
    }
}
