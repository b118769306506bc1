//! Who there is: people, agents and services, what they are called, which groups they are in, what they may do.
//!
//! Whoever may be behind a login counts as its requester: what a client says of itself only helps to name
//! the person, it never makes somebody a stranger to their own change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::person::{check_name, pattern_matches, same_person};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

    /// The roles that come with it, in words.
    #[must_use]
    pub fn given_by(self) -> String {
        let roles: Vec<&str> =
            Role::ALL.into_iter().filter(|role| role.powers().contains(&self)).map(Role::as_str).collect();
        roles.join(" or ")
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
    /// Database roles they log in as: patterns with `*` and `?`, as their applications.
    pub roles: Vec<String>,
    /// Applications by which a login that several use is told to be theirs; empty: any.
    pub applications: Vec<String>,
    /// What the identity provider calls them.
    pub identities: Vec<String>,
    /// Further names by which they are known to have asked for something.
    pub also: Vec<String>,
    pub grants: Vec<Grant>,
    /// Where they are told of what concerns them.
    pub email: Option<String>,
    pub slack: Option<String>,
}

/// A grant with those who have it: names of people and of groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub grant: Grant,
    pub to: Vec<String>,
}

/// Everybody the configuration knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub profiles: Vec<Profile>,
    /// For those whom only the identity provider knows. Empty: everybody may look and ask.
    pub granted: Vec<Granted>,
    /// There is an identity provider, and whoever it vouches for is somebody.
    pub provider: bool,
}

/// Somebody for whom an identity provider vouches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vouched {
    /// By the claim that the configuration names.
    pub name: String,
    /// What else the provider calls them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Why somebody who is vouched for is nobody here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    #[error("\"{0}\" can be no name: {1}")]
    BadName(String, &'static str),
    #[error("\"{name}\" looks like {other}, and is not called that in the configuration")]
    Alike { name: String, other: String },
    #[error("\"{0}\" is the name of a group")]
    Group(String),
    #[error("{0} has no role here: none is granted to them or to a group they are in")]
    NoRole(String),
    #[error("there is no identity provider in the configuration any more")]
    NoProvider,
}

/// Somebody who decides, as far as the door could tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub name: String,
    pub kind: Kind,
    pub groups: Vec<String>,
    /// Other names of the same person: the database roles they log in as, what a provider calls them.
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
        let is_theirs = |other: &String| same_person(other, name) || pattern_matches(other, name);
        same_person(&self.name, name) || self.also.iter().any(is_theirs)
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
        self.profiles.is_empty() && !self.provider
    }

    /// Who somebody is for whom the provider vouches, with the groups it says they are in.
    ///
    /// # Errors
    /// They are nobody here, or could be taken for somebody else.
    pub fn vouched(&self, vouched: &Vouched) -> Result<Profile, Stranger> {
        if !self.provider {
            return Err(Stranger::NoProvider);
        }
        let name = check_name(&vouched.name).map_err(|why| Stranger::BadName(vouched.name.clone(), why))?;
        let is_called = |profile: &&Profile| {
            let mut names = profile.identities.iter().chain([&profile.name]);
            names.any(|one| one.eq_ignore_ascii_case(&name))
        };
        let mut profile = match self.profiles.iter().find(is_called) {
            Some(profile) => profile.clone(),
            None => self.unlisted(&name)?,
        };
        let mut also: Vec<String> = vouched.also.iter().filter_map(|one| check_name(one).ok()).collect();
        // An address also stands for the login that is usually made of it.
        also.extend(name.split_once('@').map(|(local, _)| local.to_owned()));
        also.push(name);
        profile.also.extend(also);
        // A group of the provider is no way to become a person of that name.
        let groups = vouched.groups.iter().filter(|group| self.find(group).is_none());
        for group in groups.filter(|group| !profile.groups.contains(group)).cloned().collect::<Vec<_>>() {
            let granted = self.granted.iter().filter(|granted| granted.to.contains(&group));
            profile.grants.extend(granted.map(|granted| granted.grant.clone()));
            profile.groups.push(group);
        }
        if profile.grants.is_empty() { Err(Stranger::NoRole(profile.name)) } else { Ok(profile) }
    }

    /// Somebody whom the configuration does not name: they have what their groups have.
    fn unlisted(&self, name: &str) -> Result<Profile, Stranger> {
        let names = |profile: &Profile| -> Vec<String> {
            profile.identities.iter().chain([&profile.name]).chain(&profile.roles).cloned().collect()
        };
        let alike = self.profiles.iter().find(|profile| names(profile).iter().any(|one| same_person(one, name)));
        if let Some(other) = alike {
            return Err(Stranger::Alike { name: name.to_owned(), other: other.name.clone() });
        }
        let groups = self.profiles.iter().flat_map(|profile| &profile.groups);
        if groups.chain(self.granted.iter().flat_map(|granted| &granted.to)).any(|group| same_person(group, name)) {
            return Err(Stranger::Group(name.to_owned()));
        }
        let everybody = Grant { role: Role::Requester, targets: vec!["*".to_owned()] };
        let grants = if self.granted.is_empty() { vec![everybody] } else { Vec::new() };
        Ok(Profile { name: name.to_owned(), grants, ..Profile::default() })
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
            let named = profile.applications.iter().any(|one| pattern_matches(one, application));
            profile.roles.iter().any(|one| pattern_matches(one, role)) && (profile.applications.is_empty() || named)
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
        let also = self.roles.iter().chain(&self.also).cloned().collect();
        Voter { name: self.name.clone(), kind: self.kind, groups: self.groups.clone(), also }
    }
}
