//! Who the client is, and how the gateway logs in to the server: state machines over message bodies.
//!
//! No sockets here: the session reads and writes the frames. Passwords are seen only as [`Secret`]s.
//!
//! [`Secret`]: super::config::Secret

mod client;
mod server;

pub use client::{Channel, UpstreamAuth, UpstreamReply, channel};
pub use server::{Authenticated, Challenge, Mock, Offer};

use crate::kernel::wire::reply::sqlstate;

/// The mechanisms' names (PostgreSQL docs, 55.3 SASL Authentication).
pub const SCRAM_SHA_256: &str = "SCRAM-SHA-256";
pub const SCRAM_SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// Why somebody was not let in. The text may be told to a client: it does not say which part was wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The message is not what the protocol has here.
    #[error("malformed authentication message: {0}")]
    Malformed(&'static str),
    /// Unknown user or wrong password.
    #[error("password authentication failed for user \"{0}\"")]
    Failed(String),
    /// The client is at the end of another TLS channel than ours, or was made to believe so.
    #[error("SCRAM channel binding failed: {0}")]
    Binding(&'static str),
    /// The server asked for something the gateway does not answer.
    #[error("cannot log in to the server: {0}")]
    Upstream(String),
}

impl AuthError {
    /// As PostgreSQL reports the same thing.
    #[must_use]
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::Malformed(_) => sqlstate::PROTOCOL_VIOLATION,
            Self::Failed(_) => sqlstate::INVALID_PASSWORD,
            Self::Binding(_) => sqlstate::INVALID_AUTHORIZATION,
            Self::Upstream(_) => sqlstate::CANNOT_CONNECT,
        }
    }
}

/// A users file's line for a user: it holds a verifier, not the password.
#[must_use]
pub fn verifier(user: &str, password: &[u8]) -> String {
    let verifier = postgres_protocol::password::scram_sha_256(password);
    format!("\"{}\" \"{verifier}\"", user.replace('"', "\"\""))
}

/// The mechanism list of an AuthenticationSASL body (after its code) without channel binding, for a relay:
/// client and server are on different channels, which binding exists to find out.
#[must_use]
pub fn strip_plus(mechanisms: &[u8]) -> Vec<u8> {
    let names = mechanisms.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let kept = names.filter(|name| !name.ends_with(b"-PLUS"));
    let mut list = Vec::with_capacity(mechanisms.len());
    for name in kept {
        list.extend_from_slice(name);
        list.push(0);
    }
    list.push(0);
    list
}

/// Whether a SASLInitialResponse says that its client would have bound to the channel, had it been offered
/// (`y` in the GS2 header, RFC 5802, section 7).
#[must_use]
pub fn could_have_bound(body: &[u8]) -> bool {
    let name = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    body.get(name + 5..).is_some_and(|first| first.starts_with(b"y,"))
}

#[cfg(test)]
mod tests;
