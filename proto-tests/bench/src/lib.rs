//! Measures Lockkeeper beside its anchors, all in one run on one machine.
//!
//! Two programs use this: `bench` (what a transaction, a large result, a
//! connection and an idle session cost the proxy) and `stall` (how long a schema
//! change holds up everybody else). `floor` is the anchor below which nobody gets.
//! Nothing in here passes or fails by a clock: the programs print figures and
//! targets, and people judge.

pub mod bulk;
pub mod cells;
pub mod cluster;
pub mod connections;
pub mod pgbench;
pub mod process;
pub mod report;
pub mod settings;
pub mod stall;
pub mod stats;
pub mod subject;
pub mod syscalls;
pub mod tables;
pub mod wire;

/// Why a measurement could not be made, in a sentence for the person who started it.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A result whose failure is a [`Fault`].
pub type Outcome<T> = Result<T, Fault>;
