//! Everything that acts: sockets, files, clock, randomness.

pub mod audit;
pub mod auth;
pub mod catalog;
pub mod config;
pub mod console;
pub mod database;
pub mod demo;
pub mod executor;
pub mod store;
pub mod tls;
