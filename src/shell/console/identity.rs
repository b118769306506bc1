//! Who is at the admin door: somebody with a token of their own, or whoever can read the local token.
//!
//! Where the configuration names no people, the holder of the local token says for whom they act. As soon as it
//! names some, decisions take a person's own token: the local one still operates, and decides nothing.

use std::net::IpAddr;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::kernel::policy::pattern_matches;
use crate::kernel::review::{Door, Grant, Kind, People, Power, Profile, Role, Ticket, Voter};
use crate::shell::clock::now;
use crate::shell::store::{OPERATOR, Store, Token};

/// A person with a token of their own in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    pub name: String,
    /// SHA-256 of the token, hex. The token itself is nowhere.
    pub token_sha256: String,
}

/// The outcome of a check of a bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    who: Who,
    /// What the token is for; its owner may be able to do more.
    scopes: Vec<Power>,
    /// Its number, if it was handed out.
    token: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// The local token. `alone`: nobody is configured, so the caller's word is all there is.
    Local {
        alone: bool,
    },
    /// The token that was printed at the first start.
    Operator,
    Someone(Profile),
    /// Somebody of the configuration, on a chat service's word.
    Chatting(Profile),
}

/// What tokens are checked against.
pub(super) struct Known<'a> {
    pub(super) admin_token: &'a str,
    pub(super) reviewers: &'a [Reviewer],
    pub(super) people: &'a People,
}

/// Checks a token against all that are configured; how long it takes says nothing about any of them.
pub(super) fn check(token: &str, known: &Known<'_>, peer: IpAddr) -> Result<Identity, Problem> {
    let given = digest(token);
    let mut found = None;
    for reviewer in known.reviewers {
        if equal(given.as_bytes(), reviewer.token_sha256.to_ascii_lowercase().as_bytes()) {
            let profile = known.people.find(&reviewer.name).cloned().unwrap_or_else(|| unlisted(&reviewer.name));
            found = Some(Identity { who: Who::Someone(profile), scopes: Power::ALL.to_vec(), token: None });
        }
    }
    if !known.admin_token.is_empty() && equal(given.as_bytes(), digest(known.admin_token).as_bytes()) {
        if !peer.to_canonical().is_loopback() {
            return Err(Problem::forbidden("the local token counts only on this machine: use a token of your own"));
        }
        let who = Who::Local { alone: known.people.is_empty() };
        found = Some(Identity { who, scopes: Power::ALL.to_vec(), token: None });
    }
    found.ok_or_else(Problem::unauthorized)
}

/// Checks a token against those that were handed out. Their hash is looked up, so nothing is compared byte by byte.
pub(super) async fn look_up(token: &str, store: &Store, people: &People) -> Result<Identity, Problem> {
    let found = store.token(digest(token), now()).await?.ok_or_else(Problem::unauthorized)?;
    let Token { id, person, scopes, vouched, .. } = found;
    let token = Some(id);
    // Whoever was taken out of the configuration is nobody any more, whatever a provider said.
    let profile = match vouched {
        Some(vouched) => people.vouched(&vouched).map_err(|_| Problem::unauthorized())?,
        None if person == OPERATOR => return Ok(Identity { who: Who::Operator, scopes, token }),
        None => people.find(&person).cloned().ok_or_else(Problem::unauthorized)?,
    };
    Ok(Identity { who: Who::Someone(profile), scopes, token })
}

/// Somebody whom another door of this process knows by more than a token.
pub(super) fn somebody(name: &str, people: &People) -> Result<Identity, Problem> {
    let profile = people.find(name).cloned().ok_or_else(Problem::unauthorized)?;
    Ok(Identity { who: Who::Someone(profile), scopes: Power::ALL.to_vec(), token: None })
}

/// A reviewer of `[[reviewers]]`: the same powers as before there were others.
fn unlisted(name: &str) -> Profile {
    let everywhere = |role| Grant { role, targets: vec!["*".to_owned()] };
    Profile {
        name: name.to_owned(),
        kind: Kind::Person,
        grants: vec![everywhere(Role::Reviewer), everywhere(Role::Operator)],
        ..Profile::default()
    }
}

impl Identity {
    /// Somebody whom a signed call of a chat service names: they can do what they could with a token of theirs.
    pub(super) fn chatting(profile: Profile) -> Self {
        Self { who: Who::Chatting(profile), scopes: Power::ALL.to_vec(), token: None }
    }

    /// Whether they have a power on any target.
    pub(super) fn has(&self, power: Power) -> bool {
        self.scopes.contains(&power)
            && match &self.who {
                Who::Local { alone } => *alone || power != Power::Decide,
                Who::Operator => Role::Operator.powers().contains(&power),
                // Whatever is granted to it, a program decides nothing.
                Who::Someone(profile) | Who::Chatting(profile)
                    if power == Power::Decide && profile.kind != Kind::Person =>
                {
                    false
                }
                Who::Someone(profile) | Who::Chatting(profile) => profile.on(power).next().is_some(),
            }
    }

    fn has_on(&self, power: Power, target: &str) -> bool {
        self.has(power)
            && match &self.who {
                Who::Local { .. } | Who::Operator => true,
                Who::Someone(profile) | Who::Chatting(profile) => {
                    profile.on(power).any(|pattern| pattern_matches(pattern, target))
                }
            }
    }

    /// What cannot be seen is not there; what can be seen and not touched is forbidden.
    pub(super) fn needs(&self, power: Power, target: &str, missing: impl Into<Problem>) -> Result<(), Problem> {
        if !self.has_on(Power::Read, target) {
            return Err(missing.into());
        }
        if self.has_on(power, target) { Ok(()) } else { Err(self.lacks(power)) }
    }

    pub(super) fn lacks(&self, power: Power) -> Problem {
        let whose = match &self.who {
            Who::Local { .. } => {
                "the local token decides nothing where people are configured: use a person's own token"
            }
            Who::Operator => "the operator's token is nobody's in particular",
            Who::Someone(_) | Who::Chatting(_) => "this token, or its owner's role here, does not include that",
        };
        Problem::forbidden(&format!("{whose} (needed: {}, of the role {})", power.as_str(), power.given_by()))
    }

    /// Patterns of the targets they see; empty: all.
    pub(super) fn visible(&self) -> Vec<String> {
        let (Who::Someone(profile) | Who::Chatting(profile)) = &self.who else { return Vec::new() };
        let patterns: Vec<String> = profile.on(Power::Read).map(str::to_owned).collect();
        if patterns.iter().any(|pattern| pattern == "*") { Vec::new() } else { patterns }
    }

    /// Whether their approval would count on a ticket that waits.
    pub(super) fn can_approve(&self, ticket: &Ticket) -> bool {
        let (Who::Someone(profile) | Who::Chatting(profile)) = &self.who else { return self.has(Power::Decide) };
        self.has_on(Power::Decide, &ticket.request.target) && ticket.waits_for(&profile.voter())
    }

    pub(super) fn sees(&self, target: &str) -> bool {
        self.has_on(Power::Read, target)
    }

    /// Whether it is their own change, or they look after the target.
    pub(super) fn needs_own(&self, ticket: &Ticket, others: &[Power]) -> Result<(), Problem> {
        let target = &ticket.request.target;
        let own = match &self.who {
            Who::Local { .. } => true,
            Who::Operator => false,
            Who::Someone(profile) | Who::Chatting(profile) => ticket.is_asked_by(&profile.voter()),
        };
        if own || others.iter().any(|power| self.has_on(*power, target)) {
            return Ok(());
        }
        Err(Problem::forbidden("this is somebody else's change: only who asked for it can say that"))
    }

    /// Whether they can ask for something to be done as a login: their own ones, or any for whoever could log in anyway.
    pub(super) fn asks_as(&self, login: &str) -> bool {
        match &self.who {
            Who::Local { .. } => true,
            Who::Operator => false,
            Who::Someone(profile) | Who::Chatting(profile) => {
                profile.roles.iter().any(|pattern| pattern_matches(pattern, login))
            }
        }
    }

    /// What its token proves.
    pub(super) fn door(&self) -> Door {
        match self.who {
            Who::Local { .. } => Door::Local,
            Who::Operator | Who::Someone(_) => Door::Reviewer,
            Who::Chatting(_) => Door::Chat,
        }
    }

    /// Whose token it is, if it is somebody's.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.who {
            Who::Local { .. } => None,
            Who::Operator => Some(OPERATOR),
            Who::Someone(profile) | Who::Chatting(profile) => Some(&profile.name),
        }
    }

    /// Whether it is a token of somebody in particular.
    pub(super) fn is_somebody(&self) -> bool {
        matches!(self.who, Who::Someone(_))
    }

    /// The number of the token that was shown, if it was handed out.
    pub(super) fn token(&self) -> Option<i64> {
        self.token
    }

    /// What they can do somewhere.
    pub(super) fn powers(&self) -> Vec<Power> {
        Power::ALL.into_iter().filter(|power| self.has(*power)).collect()
    }

    /// The person a command is recorded for.
    pub(super) fn person(&self, by: Option<String>) -> Result<String, Problem> {
        match (self.name(), by) {
            (None, Some(by)) => Ok(by),
            (None, None) => Err(Problem::bad_request("`by` is missing: say who decides")),
            (Some(name), None) => Ok(name.to_owned()),
            (Some(name), Some(by)) if by == name => Ok(by),
            (Some(name), Some(_)) => {
                Err(Problem::forbidden(&format!("this token is {name}'s and decides for nobody else")))
            }
        }
    }

    /// The same as somebody who decides.
    pub(super) fn voter(&self, by: Option<String>) -> Result<Voter, Problem> {
        let name = self.person(by)?;
        Ok(match &self.who {
            Who::Someone(profile) | Who::Chatting(profile) => profile.voter(),
            Who::Local { .. } => Voter::named(name),
            Who::Operator => Voter { kind: Kind::Service, ..Voter::named(name) },
        })
    }
}

/// SHA-256 in hex.
pub(super) fn digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

/// Looks at every byte whatever it finds.
fn equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0_u8, |sum, (a, b)| sum | (a ^ b)) == 0
}
