//! A statement that was taken from the client, and what an approval of it is for.

use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::kernel::relay::ledger::{Path, Values};
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
    /// When it was taken, microseconds on the session's clock.
    pub started: u64,
}

impl Taken {
    /// The portal that an Execute names.
    pub(super) fn portal(&self) -> &[u8] {
        let named = message::execute(self.message.get(HEADER..).unwrap_or_default());
        named.map(|(portal, _)| portal).unwrap_or_default()
    }

    /// SHA-256 (hex) of the exact text and of the values bound to it: what an approval is for.
    pub(super) fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.known.text.as_bytes());
        for (format, value) in self.values.iter().flat_map(Values::list) {
            hash.update(b"\0");
            hash.update(format.to_be_bytes());
            hash.update(value.map_or(-1, |v| i64::try_from(v.len()).unwrap_or(i64::MAX)).to_be_bytes());
            hash.update(value.unwrap_or_default());
        }
        HEXLOWER.encode(&hash.finalize())
    }
}
