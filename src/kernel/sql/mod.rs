//! SQL text: read by PostgreSQL's own grammar, kept in our own words, written back in one place.

pub mod agree;
pub mod bounds;
pub mod encoding;
pub mod functions;
pub mod known;
pub mod likeness;
pub mod modifier;
pub mod read;
pub mod remember;
mod shape;
pub mod statement;
pub mod usage;
pub mod words;
pub mod write;
