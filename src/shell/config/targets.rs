//! Targets: the servers behind the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Users;
use super::address;
use super::convert::{tls_mistake, warn_if_open};
use super::jobs::{self, password};
use super::mistake::{Mistake, nearest};
use super::section::Section;
use super::settings::{Auth, HoldMode, Target, UpstreamAddress, UpstreamLogin, UpstreamTls};
use super::throttle;
use crate::kernel::policy::Policy;
use crate::kernel::relay::FunctionCalls;
use crate::shell::tls::{Roots, UpstreamMode};

/// Whether a target only observes.
pub(super) const MODES: [(&str, bool); 2] = [("enforce", false), ("observe", true)];
pub(super) const HOLD_MODES: [(&str, HoldMode); 2] = [("wait", HoldMode::Wait), ("answer", HoldMode::Answer)];
const FUNCTION_CALLS: [(&str, FunctionCalls); 3] =
    [("none", FunctionCalls::None), ("large-objects", FunctionCalls::LargeObjects), ("all", FunctionCalls::All)];
const UPSTREAM_MODES: [(&str, UpstreamMode); 5] = [
    ("disable", UpstreamMode::Disable),
    ("prefer", UpstreamMode::Prefer),
    ("require", UpstreamMode::Require),
    ("verify-ca", UpstreamMode::VerifyCa),
    ("verify-full", UpstreamMode::VerifyFull),
];
const SCRAM_KEYS: [&str; 5] =
    ["users_file", "upstream_user", "upstream_password_file", "upstream_password_env", "allow_cleartext"];

/// What targets that say nothing themselves get, and what beats what they say.
pub(super) struct Common<'a> {
    pub(super) upstream: Option<UpstreamAddress>,
    pub(super) upstream_wins: bool,
    pub(super) observe: Option<bool>,
    pub(super) observe_wins: bool,
    pub(super) hold: HoldMode,
    pub(super) policies: &'a BTreeMap<String, Arc<Policy>>,
}

/// All targets; one with all defaults when none is written.
pub(super) fn read(root: &Section<'_>, common: &Common<'_>) -> Vec<Target> {
    let sections = root.sections("targets");
    if sections.is_empty() {
        return vec![bare(common)];
    }
    if common.upstream_wins && sections.len() > 1 {
        root.mistake(
            "upstream",
            "It is not clear which of the targets this server is for.",
            "Change the targets' own `upstream` in the file instead.",
        );
    }
    let several = sections.len() > 1;
    let mut names = BTreeSet::new();
    let mut catches_all: Option<String> = None;
    let mut targets = Vec::with_capacity(sections.len());
    for section in sections {
        let target = target(&section, common, several);
        if !names.insert(target.name.clone()) {
            section.mistake("name", format!("There are two targets named {}.", target.name), "Give each its own name.");
        } else if let Some(first) = &catches_all {
            section.mistake(
                "databases",
                format!("This target is never reached: {first} before it serves every database."),
                "Move the target with `databases = [\"*\"]` to the end.",
            );
        }
        if target.databases.iter().any(|pattern| pattern == "*") && catches_all.is_none() {
            catches_all = Some(target.name.clone());
        }
        section.finish();
        targets.push(target);
    }
    targets
}

fn bare(common: &Common<'_>) -> Target {
    let default = Target::default();
    let upstream = common.upstream.clone().unwrap_or_else(|| default.upstream.clone());
    Target {
        upstream_tls: UpstreamTls { mode: default_mode(&upstream, false), roots: None },
        upstream,
        observe: common.observe.unwrap_or(default.observe),
        hold: common.hold,
        ..default
    }
}

/// The `upstream` key of a section.
pub(super) fn upstream(section: &Section<'_>) -> Option<UpstreamAddress> {
    let text = section.text("upstream")?;
    address::upstream(&text).map_err(|(what, remedy)| section.mistake("upstream", what, remedy)).ok()
}

fn target(section: &Section<'_>, common: &Common<'_>, several: bool) -> Target {
    let default = bare(common);
    let name = section.text("name");
    if name.is_none() && several {
        section.mistake("", "The target has no name.", "With several targets, give each a `name`.");
    }
    let own = upstream(section);
    let upstream = match own {
        Some(own) if !common.upstream_wins => own,
        Some(_) | None => default.upstream,
    };
    let observe = section.choice("mode", &MODES);
    let databases = section.texts("databases").unwrap_or(default.databases);
    if databases.is_empty() {
        section.mistake("databases", "The target serves no database.", "Leave the key out to serve all.");
    }
    Target {
        name: name.unwrap_or(default.name),
        databases,
        upstream_tls: upstream_tls(&section.section("upstream_tls"), &upstream),
        upstream,
        auth: auth(section.section("auth")),
        jobs: jobs::read(section.section("jobs")),
        throttle: throttle::read(section.section("throttle")),
        end_idle: match section.number("end_idle_in_transaction_after_s", 0, 0..=86_400) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
        definitions: section.flag("definitions", default.definitions),
        observe: match observe {
            Some(own) if !common.observe_wins => own,
            Some(_) | None => default.observe,
        },
        policy: policy(section, common.policies).unwrap_or(default.policy),
        hold: section.choice("hold", &HOLD_MODES).unwrap_or(default.hold),
        startup_parameters: startup_parameters(section),
        allow_replication: section.flag("allow_replication", default.allow_replication),
        allow_function_call: section.choice("allow_function_call", &FUNCTION_CALLS).unwrap_or_default(),
    }
}

fn policy(section: &Section<'_>, policies: &BTreeMap<String, Arc<Policy>>) -> Option<String> {
    let name = section.text("policy")?;
    if !policies.contains_key(&name) {
        let remedy = match nearest(&name, policies.keys().map(String::as_str)) {
            Some(near) => format!("Did you mean \"{near}\"?"),
            None => format!("Write one of: {}.", policies.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        section.mistake("policy", format!("There is no policy \"{name}\"."), remedy);
    }
    Some(name)
}

/// Settings that change how SQL is read can not be let through at the start of a session: the gateway
/// would read one thing and the server another.
const NEVER_PASSED: [&str; 6] = [
    "options",
    "replication",
    "standard_conforming_strings",
    "backslash_quote",
    "client_encoding",
    "session_preload_libraries",
];

fn startup_parameters(section: &Section<'_>) -> Vec<String> {
    let names = section.texts("startup_parameters").unwrap_or_default();
    for name in &names {
        let lower = name.to_ascii_lowercase();
        if NEVER_PASSED.contains(&lower.as_str()) || lower.starts_with("local_preload") {
            section.mistake(
                "startup_parameters",
                format!("{name} cannot be passed on unread."),
                "Leave it out; the gateway handles it by itself.",
            );
        } else if lower.is_empty() || !lower.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')) {
            section.mistake(
                "startup_parameters",
                format!("\"{name}\" is not a setting's name."),
                "Write names such as \"statement_timeout\" or \"myapp.tenant\".",
            );
        }
    }
    names
}

fn default_mode(upstream: &UpstreamAddress, has_root: bool) -> UpstreamMode {
    match upstream {
        UpstreamAddress::Unix(_) => UpstreamMode::Disable,
        UpstreamAddress::Tcp { .. } if has_root => UpstreamMode::VerifyFull,
        UpstreamAddress::Tcp { .. } => UpstreamMode::Prefer,
    }
}

fn upstream_tls(section: &Section<'_>, upstream: &UpstreamAddress) -> UpstreamTls {
    let written = section.choice("mode", &UPSTREAM_MODES);
    let root_file = section.path("root_file");
    let roots =
        root_file.as_deref().and_then(|file| Roots::load(file).map_err(|error| tls_mistake(section, error)).ok());
    let mode = written.unwrap_or_else(|| default_mode(upstream, root_file.is_some()));
    let is_unix = matches!(upstream, UpstreamAddress::Unix(_));
    if is_unix && (mode != UpstreamMode::Disable || root_file.is_some()) {
        let key = if written.is_some() { "mode" } else { "root_file" };
        section.mistake(key, "The server is at a Unix socket, which has no TLS.", "Leave upstream_tls out.");
    } else if mode.verifies() && root_file.is_none() {
        section.mistake(
            "mode",
            "There is no root certificate to verify against.",
            "Add `root_file` with the authority's certificate, or the server's own if it signed itself.",
        );
    } else if !mode.verifies() && root_file.is_some() {
        section.mistake(
            "root_file",
            "The root certificate is not used: this mode does not look at the server's certificate.",
            "Write `mode = \"verify-full\"`, or leave root_file out.",
        );
    }
    UpstreamTls { mode, roots: if mode.verifies() { roots } else { None } }
}

fn auth(section: Section<'_>) -> Auth {
    let scram = section
        .choice("method", &[("pass-through", false), ("scram", true)])
        .unwrap_or_else(|| section.names().iter().any(|name| name == "users_file"));
    let users_file = section.path("users_file");
    let login = UpstreamLogin {
        user: section.text("upstream_user"),
        password: password(&section, "upstream_password"),
        allow_cleartext: section.flag("allow_cleartext", false),
    };
    let auth = if scram {
        let users = match &users_file {
            Some(file) => users(&section, file),
            None => {
                section.mistake(
                    "method",
                    "There is no users file.",
                    "Add `users_file`; `lockkeeper user NAME` makes its lines.",
                );
                Users::default()
            }
        };
        Auth::Scram { users: Arc::new(users), upstream: login }
    } else {
        for name in section.names().iter().filter(|name| SCRAM_KEYS.contains(&name.as_str())) {
            section.mistake(
                name,
                "This has no meaning with pass-through: the client logs in to the server itself.",
                "Write `method = \"scram\"`, or leave the key out.",
            );
        }
        Auth::PassThrough
    };
    section.finish();
    auth
}

/// Who is in a users file.
pub(super) fn users(section: &Section<'_>, file: &Path) -> Users {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            section.mistake(
                "users_file",
                format!("{} cannot be read: {error}.", file.display()),
                "Check the path and the permissions.",
            );
            return Users::default();
        }
    };
    let mistakes = match Users::parse(&text) {
        Ok(users) => {
            warn_if_open(section, "users_file", file);
            if users.is_empty() {
                section.warn(
                    "users_file",
                    "There is no user in the file: nobody can log in.",
                    "Add lines made by `lockkeeper user NAME`.",
                );
            }
            return users;
        }
        Err(mistakes) => mistakes,
    };
    for mistake in mistakes {
        section.mistake_elsewhere(Mistake {
            file: file.display().to_string(),
            key: String::new(),
            line: Some(mistake.line),
            what: mistake.what,
            remedy: mistake.remedy.to_owned(),
        });
    }
    Users::default()
}
