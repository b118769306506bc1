//! The wire protocol (PostgreSQL docs, chapter 55): bytes and frames, startup, replies.
//!
//! Framing is ours: it slices exactly the declared length and checks it before a byte is kept.
//! Message bodies that we write ourselves are encoded with `pgwire`'s types, in `message` only.

pub mod frame;
pub mod message;
pub mod reply;
pub mod served;
pub mod startup;
