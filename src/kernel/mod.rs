//! Everything that decides. No I/O, no clock, no randomness: what is needed arrives as an argument.

pub mod assess;
pub mod facts;
pub mod forecast;
pub mod job;
pub mod notice;
pub mod plan;
pub mod policy;
pub mod relay;
pub mod review;
pub mod rules;
pub mod sql;
pub mod traffic;
pub mod wire;
