//! `[[people]]`, `[[grants]]` and `[[reviewers]]`: who there is, what they may do, by which token they are known.

use super::notify::check_address;
use super::section::Section;
use super::settings::Reviewer;
use crate::kernel::review::{Grant, Granted, Kind, People, Profile, Role, check_name, same_person};

const KINDS: [(&str, Kind); 3] = [("person", Kind::Person), ("agent", Kind::Agent), ("service", Kind::Service)];
const ROLES: [(&str, Role); 5] = [
    ("viewer", Role::Viewer),
    ("requester", Role::Requester),
    ("reviewer", Role::Reviewer),
    ("operator", Role::Operator),
    ("auditor", Role::Auditor),
];

/// Everybody, and the tokens of those who have one in the configuration. `provider`: others are known to an
/// identity provider.
pub(super) fn read(root: &Section<'_>, provider: bool) -> (People, Vec<Reviewer>) {
    let mut tokens = reviewers(root);
    let mut profiles: Vec<Profile> = Vec::new();
    for section in root.sections("people") {
        let name = named(&section, profiles.iter().map(|profile| profile.name.as_str()));
        if let (Some(name), Some(token_sha256)) = (&name, token(&section, &tokens)) {
            tokens.push(Reviewer { name: name.clone(), token_sha256 });
        }
        let profile = Profile {
            name: name.unwrap_or_default(),
            kind: section.choice("kind", &KINDS).unwrap_or_default(),
            groups: section.texts("groups").unwrap_or_default(),
            roles: section.texts("database_roles").unwrap_or_default(),
            applications: section.texts("applications").unwrap_or_default(),
            identities: identities(&section, provider, &profiles),
            email: section.text("email"),
            slack: section.text("slack"),
            ..Profile::default()
        };
        contacts(&section, &profile, &profiles);
        section.finish();
        profiles.push(profile);
    }
    let granted = grants(root, &mut profiles, provider);
    (People { profiles, granted, provider }, tokens)
}

/// What the provider calls them: one identity is one person's.
fn identities(section: &Section<'_>, provider: bool, others: &[Profile]) -> Vec<String> {
    let identities = section.texts("identities").unwrap_or_default();
    if !provider && !identities.is_empty() {
        section.mistake("identities", "There is no identity provider to vouch for that.", "Add [oidc].");
    }
    for identity in &identities {
        let is_theirs = |other: &&Profile| other.identities.iter().any(|one| same_person(one, identity));
        if let Some(other) = others.iter().find(is_theirs) {
            let what = format!("{identity} is {} already.", other.name);
            section.mistake("identities", what, "Keep one of them.");
        }
    }
    identities
}

/// A Slack id stands for one person: whoever presses a button there decides as them.
fn contacts(section: &Section<'_>, profile: &Profile, others: &[Profile]) {
    if let Some(address) = &profile.email {
        check_address(section, "email", address);
    }
    if profile.slack.is_some() && others.iter().any(|other| other.slack == profile.slack) {
        section.mistake("slack", "Another person has the same Slack id.", "Give each their own.");
    }
}

/// Without any, everybody may look and ask.
fn grants(root: &Section<'_>, profiles: &mut [Profile], provider: bool) -> Vec<Granted> {
    let mut granted = Vec::new();
    let sections = root.sections("grants");
    if sections.is_empty() {
        for profile in profiles {
            profile.grants.push(Grant { role: Role::Requester, targets: vec!["*".to_owned()] });
        }
        return granted;
    }
    for section in sections {
        let role = section.choice("role", &ROLES);
        let to = section.texts("to").unwrap_or_default();
        let targets = section.texts("targets").unwrap_or_else(|| vec!["*".to_owned()]);
        if role.is_none() || to.is_empty() {
            section.mistake("", "A grant gives a role to somebody.", "Write role = \"reviewer\" and to = [\"dba\"].");
        }
        for name in &to {
            let is_meant = |profile: &Profile| profile.name == *name || profile.groups.contains(name);
            if !provider && !profiles.iter().any(is_meant) {
                section.mistake(
                    "to",
                    format!("There is no person and no group \"{name}\"."),
                    "Add them under [[people]].",
                );
            }
            for profile in profiles.iter_mut().filter(|profile| is_meant(profile)) {
                profile.grants.extend(role.map(|role| Grant { role, targets: targets.clone() }));
            }
        }
        granted.extend(role.map(|role| Granted { grant: Grant { role, targets: targets.clone() }, to: to.clone() }));
        section.finish();
    }
    granted
}

fn reviewers(root: &Section<'_>) -> Vec<Reviewer> {
    let mut reviewers: Vec<Reviewer> = Vec::new();
    for section in root.sections("reviewers") {
        let name = named(&section, reviewers.iter().map(|reviewer| reviewer.name.as_str()));
        let has_token = section.text("token_sha256").is_some();
        if !has_token {
            section.mistake("", "The reviewer has no token.", "Add `token_sha256 = \"…\"`.");
        }
        if let (Some(name), Some(token_sha256)) = (name, token(&section, &reviewers)) {
            reviewers.push(Reviewer { name, token_sha256 });
        }
        section.finish();
    }
    reviewers
}

fn named<'a>(section: &Section<'_>, mut others: impl Iterator<Item = &'a str>) -> Option<String> {
    let Some(name) = section.text("name") else {
        section.mistake("", "The reviewer has no name.", "Add `name = \"…\"`.");
        return None;
    };
    if let Err(why) = check_name(&name) {
        section.mistake("name", format!("That is no name of a person: {why}."), "Write a plain name.");
    } else if let Some(other) = others.find(|other| same_person(other, &name)) {
        section.mistake(
            "name",
            format!("{name} and {other} are one person: letter case and look-alikes do not count."),
            "Give each one name and one token.",
        );
    }
    Some(name)
}

fn token(section: &Section<'_>, others: &[Reviewer]) -> Option<[u8; 32]> {
    let token = sha256_from_hex(&section.text("token_sha256")?);
    match token {
        None => section.mistake(
            "token_sha256",
            "This is not a SHA-256 in hexadecimal.",
            "Write 64 hexadecimal digits, as of `printf %s TOKEN | sha256sum`.",
        ),
        Some(token) if others.iter().any(|other| other.token_sha256 == token) => {
            section.mistake("token_sha256", "Another reviewer has the same token.", "Make one token for each.");
        }
        Some(_) => {}
    }
    token
}

fn sha256_from_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}
