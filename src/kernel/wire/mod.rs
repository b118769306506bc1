//! The wire protocol: bytes and frames.
