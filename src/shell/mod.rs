//! Everything that acts: sockets, files, clock, randomness.

pub mod app;
pub mod audit;
pub mod auth;
pub mod backfill;
pub mod backstage;
pub mod cancel;
pub mod catalog;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod database;
pub mod demo;
pub mod executor;
pub mod jobs;
pub mod lint;
pub mod net;
pub mod notify;
pub mod oidc;
pub mod session;
pub mod side;
pub mod sqlconsole;
pub mod store;
pub mod tls;
pub mod upstream;
pub mod welcome;
