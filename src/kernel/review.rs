//! The life of a ticket: `decide` turns a command into an event, `evolve` applies it. Nothing else moves a ticket.

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::plan::Plan;
use super::rules::Finding;

/// A point in time: microseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

/// A ticket's number, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(pub i64);

/// What a ticket is about; never changes after it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The exact text (secrets redacted in `shown`, exact in `text_hash`).
    pub shown: String,
    /// SHA-256 of the exact bytes, hex.
    pub text_hash: String,
    pub target: String,
    pub database: String,
    /// Role the session logged in as (the requester), and acts as.
    pub requester: String,
    pub role: String,
    pub search_path: String,
    pub application: String,
    pub client: String,
    pub findings: Vec<Finding>,
    pub facts: Facts,
    pub plan: Plan,
    /// Hash over the objects touched (oid, columns, …): differs at run time, back to review.
    pub objects_hash: String,
}
