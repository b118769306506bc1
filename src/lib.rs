//! Lockkeeper: a PostgreSQL gateway through which a schema change cannot hurt production.
//!
//! Two folders. `kernel` computes: bytes into frames, text into statements, statements and facts into
//! findings, findings into a verdict, a verdict into a plan, a review command into an event. It has no
//! sockets, files, clock, randomness, environment or log. `shell` does all of that and decides nothing
//! a reviewer would want to discuss. `docs/ARCHITECTURE.md` has the import table; `tests/tidy.rs` keeps it.
// What is printed is printed by a writer the caller gives, so that it can be tested and turned away.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod kernel;
pub mod shell;
