//! Who is at the admin door: a configured reviewer, whose name is fixed, or whoever can read the
//! local token, who says for whom they act.

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::kernel::review::Door;

/// A person with a token of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    pub name: String,
    /// SHA-256 of the token, hex. The token itself is nowhere.
    pub token_sha256: String,
}

/// The outcome of a check of a bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Reviewer(String),
    /// The local token: the caller names the person.
    Admin,
}

/// Checks a token against all that are known; how long it takes says nothing about any of them.
pub(super) fn check(
    token: &str,
    (admin_token, reviewers): (&str, &[Reviewer]),
    peer: IpAddr,
) -> Result<Identity, Problem> {
    let given = digest(token);
    let mut found = None;
    for reviewer in reviewers {
        if equal(given.as_bytes(), reviewer.token_sha256.to_ascii_lowercase().as_bytes()) {
            found = Some(Identity::Reviewer(reviewer.name.clone()));
        }
    }
    if !admin_token.is_empty() && equal(given.as_bytes(), digest(admin_token).as_bytes()) {
        if !peer.to_canonical().is_loopback() {
            return Err(Problem::forbidden("the local token counts only on this machine: use the token of a reviewer"));
        }
        found = Some(Identity::Admin);
    }
    found.ok_or_else(Problem::unauthorized)
}

impl Identity {
    /// What its token proves.
    pub(super) fn door(&self) -> Door {
        match self {
            Self::Reviewer(_) => Door::Reviewer,
            Self::Admin => Door::Local,
        }
    }

    /// The person a command is recorded for.
    pub(super) fn person(&self, by: Option<String>) -> Result<String, Problem> {
        match (self, by) {
            (Self::Admin, Some(by)) => Ok(by),
            (Self::Admin, None) => Err(Problem::bad_request("`by` is missing: say who decides")),
            (Self::Reviewer(name), None) => Ok(name.clone()),
            (Self::Reviewer(name), Some(by)) if by == *name => Ok(by),
            (Self::Reviewer(name), Some(_)) => {
                Err(Problem::forbidden(&format!("this token is {name}'s and decides for nobody else")))
            }
        }
    }
}

fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// Looks at every byte whatever it finds.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0_u8, |sum, (a, b)| sum | (a ^ b)) == 0
}
