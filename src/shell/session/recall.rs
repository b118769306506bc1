//! The statement cache of a worker thread, shared by its sessions.

use std::cell::RefCell;
use std::sync::Arc;

use crate::kernel::relay::from_client::Recall;
use crate::kernel::sql::encoding::TextEncoding;
use crate::kernel::sql::remember::{Known, Remember};

thread_local! {
    static MEMORY: RefCell<Remember> = RefCell::new(Remember::default());
}

/// One session's way to the cache.
#[derive(Debug, Default)]
pub struct ThreadRecall {
    /// A text that was read elsewhere because it is long, for the message that is offered next.
    pub ready: Option<Arc<Known>>,
}

impl Recall for ThreadRecall {
    fn recall(&mut self, text: &[u8], encoding: TextEncoding, inline_max: usize) -> Option<Arc<Known>> {
        if text.len() > inline_max {
            return self.ready.take().filter(|known| known.is_of(text));
        }
        Some(MEMORY.with_borrow_mut(|memory| memory.recall(text, encoding)))
    }
}
