//! The doors to the review queue: for sessions inside the process ([`ask`]), for people and programs over
//! HTTP ([`api`]), and the command line on top of that ([`cli`]).
//!
//! Doors are thin: what a command may do is decided in `kernel::review`, and nothing here runs a change.

pub mod api;
pub mod ask;
mod bounded;
pub mod chronicle;
pub mod cli;
mod client;
pub mod door;
mod identity;
mod inside;
mod keyring;
pub mod limits;
mod problem;
mod render;
pub mod sign_in;
pub mod text;
pub mod view;
mod web;

#[cfg(test)]
mod tests;

pub use identity::Reviewer;
pub use inside::{Caller, Inside};
pub use problem::Problem;
