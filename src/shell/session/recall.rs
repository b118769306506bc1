//! The statement cache of a worker thread, shared by its sessions.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;

use crate::kernel::relay::from_client::Recall;
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::{Known, Memory};

/// Texts one worker remembers, and their bytes.
const TEXTS_MAX: usize = 20_000;
const BYTES_MAX: usize = 16 << 20;

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory::new(TEXTS_MAX, BYTES_MAX));
}

/// One session's way to the cache.
#[derive(Debug, Default)]
pub(super) struct ThreadRecall {
    /// A text that was read elsewhere because it is long, for the message that is offered next.
    pub ready: Option<(Bytes, Arc<Known>)>,
}

impl Recall for ThreadRecall {
    fn recall(&mut self, text: &[u8], encoding: TextEncoding, inline_max: usize) -> Option<Arc<Known>> {
        if text.len() > inline_max {
            return self.ready.take().filter(|(of, _)| **of == *text).map(|(_, known)| known);
        }
        Some(MEMORY.with_borrow_mut(|memory| memory.get_or_read(text, encoding)))
    }
}
