//! Who there is: people, agents and services, what they are called, which groups they are in, what they may do.
//!
//! Whoever may be behind a login counts as its requester: what a client says of itself only helps to name
//! the person, it never makes somebody a stranger to their own change.

use serde::{Deserialize, Serialize};

use super::person::same_person;

/// What a name stands for. Only people decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    #[default]
    Person,
    /// A program that acts on somebody's words.
    Agent,
    Service,
}

/// What somebody may do, on some targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    Requester,
    Reviewer,
    Operator,
    Auditor,
}

/// What a call at a door needs, and what a token can be limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// See tickets and jobs.
    Read,
    /// Speak about changes, and withdraw one's own.
    Request,
    /// Approve, reject, ask for changes.
    Decide,
    /// Run approved changes, steer jobs, hand out tokens.
    Operate,
    /// See who has which token.
    Audit,
}

impl Power {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Request, Self::Decide, Self::Operate, Self::Audit];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Request => "request",
            Self::Decide => "decide",
            Self::Operate => "operate",
            Self::Audit => "audit",
        }
    }

    /// The power of this name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|power| power.as_str() == word)
    }
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Requester, Self::Reviewer, Self::Operator, Self::Auditor];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Requester => "requester",
            Self::Reviewer => "reviewer",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }

    /// What it comes with. Nobody who operates decides by that alone.
    #[must_use]
    pub fn powers(self) -> &'static [Power] {
        match self {
            Self::Viewer => &[Power::Read],
            Self::Requester => &[Power::Read, Power::Request],
            Self::Reviewer => &[Power::Read, Power::Request, Power::Decide],
            Self::Operator => &[Power::Read, Power::Request, Power::Operate, Power::Audit],
            Self::Auditor => &[Power::Read, Power::Audit],
        }
    }
}

/// A role on the targets whose names match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub role: Role,
    /// Patterns with `*` and `?`.
    pub targets: Vec<String>,
}

/// One entry of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub kind: Kind,
    pub groups: Vec<String>,
    /// Database roles they log in as.
    pub roles: Vec<String>,
    /// Applications by which a login that several use is told to be theirs; empty: any.
    pub applications: Vec<String>,
    pub grants: Vec<Grant>,
}

/// Everybody the configuration knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub profiles: Vec<Profile>,
}

/// Somebody who decides, as far as the door could tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub name: String,
    pub kind: Kind,
    pub groups: Vec<String>,
    /// Other names of the same person: the database roles they log in as.
    pub also: Vec<String>,
}

impl Voter {
    /// Somebody of whom only the name is known: where the configuration names no people.
    #[must_use]
    pub fn named(name: String) -> Self {
        Self { name, kind: Kind::Person, groups: Vec::new(), also: Vec::new() }
    }

    /// Whether this is a name of theirs.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        same_person(&self.name, name) || self.also.iter().any(|other| same_person(other, name))
    }
}

#[cfg(test)]
impl From<&str> for Voter {
    fn from(name: &str) -> Self {
        Self::named(name.to_owned())
    }
}

impl People {
    /// Nobody is configured: names are taken as they are given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty()
    }

    /// The entry of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| same_person(&profile.name, name))
    }

    /// Who logged in as `role` with `application`, if that is one.
    #[must_use]
    pub fn of_login(&self, role: &str, application: &str) -> Option<&Profile> {
        let mut fitting = self.profiles.iter().filter(|profile| {
            let named = profile.applications.iter().any(|one| one == application);
            profile.roles.iter().any(|one| one == role) && (profile.applications.is_empty() || named)
        });
        // Two people behind one login are nobody in particular.
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

impl Profile {
    /// The patterns of the targets on which they have a power.
    pub fn on(&self, power: Power) -> impl Iterator<Item = &str> {
        let grants = self.grants.iter().filter(move |grant| grant.role.powers().contains(&power));
        grants.flat_map(|grant| grant.targets.iter().map(String::as_str))
    }

    /// Them as somebody who decides.
    #[must_use]
    pub fn voter(&self) -> Voter {
        Voter { name: self.name.clone(), kind: self.kind, groups: self.groups.clone(), also: self.roles.clone() }
    }
}
