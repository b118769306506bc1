//! A statement that was taken from the client, and what an approval of it is for.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use ring::hmac;

use super::prepared::Prepared;
use crate::kernel::relay::ledger::{Path, Values};
use crate::kernel::review::text_hash;
use crate::kernel::sql::remember::Known;
use crate::kernel::wire::frame::HEADER;
use crate::kernel::wire::message;

/// A statement that was taken from the client and waits for its verdict.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// The whole message: Query or Execute.
    pub message: Bytes,
    pub known: Arc<Known>,
    pub path: Path,
    pub values: Option<Values>,
    /// What stands behind the names that it executes.
    pub prepared: Vec<Prepared>,
    /// When it was taken, microseconds on the session's clock.
    pub started: u64,
}

impl Taken {
    /// The portal that an Execute names.
    pub(super) fn portal(&self) -> &[u8] {
        self.execute().0
    }

    /// The portal that an Execute names, and its limit of rows.
    pub(super) fn execute(&self) -> (&[u8], i32) {
        message::execute(self.message.get(HEADER..).unwrap_or_default()).unwrap_or_default()
    }

    /// Hash (hex) of the exact text, of the values bound to it and of the texts behind the names in it: what an approval
    /// is for. It is shown and kept, so only of a text that is itself shown `whole` is it one that anybody can make.
    pub(super) fn hash(&self, key: &hmac::Key, whole: bool) -> String {
        let mut values = self.values.iter().flat_map(Values::list).peekable();
        if whole && values.peek().is_none() && self.prepared.is_empty() {
            return text_hash(&self.known.text);
        }
        let mut hash = hmac::Context::with_key(key);
        hash.update(self.known.text.as_bytes());
        for (format, value) in values {
            hash.update(b"\0");
            hash.update(&format.to_be_bytes());
            hash.update(&value.map_or(-1, |v| i64::try_from(v.len()).unwrap_or(i64::MAX)).to_be_bytes());
            hash.update(value.unwrap_or_default());
        }
        for Prepared { name, known } in &self.prepared {
            let text = known.as_ref().map_or("", |known| &known.text);
            hash.update(format!("\0prepared\0{}\0{name}{}\0{text}", name.len(), text.len()).as_bytes());
        }
        HEXLOWER.encode(hash.sign().as_ref())
    }
}
