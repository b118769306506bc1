//! Judges the gateway from outside, over the wire, on real PostgreSQL servers.
//!
//! Nothing of the product is imported: the messages are built and read by a small codec of our own, so that a
//! mistake in the product's codec cannot cancel itself out. A failing expectation panics with what was seen;
//! that is how a harness reports, and the reason for the allowances below.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test harness reports by panicking")]

pub mod binary;
pub mod browser;
pub mod case;
pub mod catalog;
pub mod catalogue;
pub mod client;
pub mod gate;
pub mod gateway;
pub mod mail;
pub mod play;
pub mod process;
pub mod pump;
pub mod receiver;
pub mod script;
pub mod server;
pub mod twins;
pub mod wire;

pub use browser::Browser;
pub use client::{Client, Session};
pub use gate::{Gate, Moment};
pub use gateway::{Gateway, GatewayOptions};
pub use process::wait_until;
pub use server::{Server, majors};
pub use wire::Message;
