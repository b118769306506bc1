//! `[oidc]`: the identity provider that vouches for people.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Secret;
use super::jobs::password;
use super::section::Section;
use crate::shell::tls::Roots;

const DAY_S: u64 = 86_400;
const SESSION: Duration = Duration::from_secs(8 * 3_600);
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// An OpenID Connect provider, and what is made of what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// The issuer, as its tokens name it.
    pub issuer: String,
    pub client_id: String,
    /// Absent: a public client.
    pub client_secret: Option<Secret>,
    /// Where browsers find the review page, without a slash at the end.
    pub public_url: String,
    pub scopes: Vec<String>,
    /// The claim that names a person.
    pub person_claim: String,
    /// The claim that lists their groups.
    pub groups_claim: String,
    /// The provider's names of groups with ours; empty: they have the same names.
    pub groups: BTreeMap<String, String>,
    /// How long a sign-in lasts: so long somebody keeps what the provider has taken from them.
    pub session: Duration,
    /// How far the provider's clock may be from ours.
    pub clock_skew: Duration,
    /// Whom to trust for its certificate; absent: the public authorities.
    pub roots: Option<Roots>,
}

impl Oidc {
    /// Where the provider sends browsers back to.
    #[must_use]
    pub fn callback(&self) -> String {
        format!("{}/oidc/callback", self.public_url)
    }

    /// Whether browsers come by TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// The group that one of the provider's stands for here.
    #[must_use]
    pub fn group(&self, name: &str) -> Option<String> {
        if self.groups.is_empty() { Some(name.to_owned()) } else { self.groups.get(name).cloned() }
    }
}

/// Nothing without an issuer.
pub(super) fn read(root: &Section<'_>, admin: SocketAddr) -> Option<Oidc> {
    let section = root.section("oidc");
    if section.names().is_empty() {
        section.finish();
        return None;
    }
    let needed = |key: &str, example: &str| {
        section.text(key).filter(|text| !text.trim().is_empty()).unwrap_or_else(|| {
            section.mistake(key, "It is missing.", format!("Write `{key} = \"{example}\"`."));
            String::new()
        })
    };
    let url = |key: &str, text: String| {
        if !text.is_empty() && !is_safe(&text) {
            section.mistake(
                key,
                format!("{text} is neither an https address nor one of this machine."),
                "Write https://…; http:// is for 127.0.0.1 and localhost only.",
            );
        }
        text
    };
    let oidc = Oidc {
        issuer: url("issuer", needed("issuer", "https://login.example.com")),
        client_id: needed("client_id", "lockkeeper"),
        client_secret: password(&section, "client_secret"),
        public_url: {
            let text = section.text("public_url").unwrap_or_else(|| format!("http://{admin}"));
            url("public_url", text.trim_end_matches('/').to_owned())
        },
        scopes: section.texts("scopes").unwrap_or_else(|| vec!["email".to_owned(), "profile".to_owned()]),
        person_claim: section.text("person_claim").unwrap_or_else(|| "email".to_owned()),
        groups_claim: section.text("groups_claim").unwrap_or_else(|| "groups".to_owned()),
        groups: groups(section.section("groups")),
        session: section.seconds("session_s", SESSION, 60..=30 * DAY_S),
        clock_skew: section.seconds("clock_skew_s", CLOCK_SKEW, 0..=600),
        roots: section.path("root_file").and_then(|file| match Roots::load(&file) {
            Ok(roots) => Some(roots),
            Err(error) => {
                section.mistake("root_file", error.what.clone(), error.remedy.clone());
                None
            }
        }),
    };
    section.finish();
    Some(oidc)
}

fn groups(section: Section<'_>) -> BTreeMap<String, String> {
    let names = section.names();
    let groups = names.into_iter().filter_map(|name| section.text(&name).map(|ours| (name, ours))).collect();
    section.finish();
    groups
}

/// Encrypted, or not leaving this machine.
fn is_safe(url: &str) -> bool {
    if url.starts_with("https://") {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains(['@', '\\']) {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// In words.
pub(super) fn explained(oidc: &Oidc) -> Vec<String> {
    let minutes = oidc.session.as_secs() / 60;
    let mut lines = vec![
        format!("People sign in at {} as {}.", oidc.issuer, oidc.client_id),
        format!("  address     {} must be registered there as redirect URI", oidc.callback()),
        format!(
            "  person      the claim {}, which is a name or one of the `identities` of [[people]]",
            oidc.person_claim
        ),
    ];
    if oidc.person_claim == "email" {
        lines.push("              (the provider has to say email_verified, too)".to_owned());
    }
    lines.push(if oidc.groups.is_empty() {
        format!("  groups      the claim {}, by their own names", oidc.groups_claim)
    } else {
        let pairs: Vec<String> = oidc.groups.iter().map(|(theirs, ours)| format!("{theirs} is {ours}")).collect();
        format!("  groups      the claim {}: {}; others do not count", oidc.groups_claim, pairs.join(", "))
    });
    lines
        .push(format!("  lasts       {minutes} minutes: so long somebody keeps what the provider has taken from them"));
    lines
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn only_what_is_encrypted_leaves_the_machine() {
        for (url, safe) in [
            ("https://login.example.com", true),
            ("http://127.0.0.1:3000/x", true),
            ("http://localhost", true),
            ("http://[::1]:80/", true),
            ("http://login.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://127.0.0.1@example.com/", false),
            ("http://localhost:80@example.com/", false),
            ("ftp://127.0.0.1", false),
        ] {
            assert_eq!(is_safe(url), safe, "{url}");
        }
    }
}
