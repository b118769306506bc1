//! `lockkeeper check`: every mistake at once, or in words what the configuration means.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::mistake::Mistake;
use super::record::{OnFailure, Parameters};
use super::settings::{Auth, ClientGone, HoldMode, ListenAddress, Listener, Settings, Target, UpstreamLogin};
use super::throttle;
use super::{Loaded, Overrides, load};
use crate::kernel::policy::{Entry, OWNERS, Policy, Review};
use crate::kernel::relay::FunctionCalls;
use crate::kernel::review::{Kind, Profile};
use crate::kernel::rules::Response;
use crate::shell::tls::{ListenerMode, UpstreamMode};

/// What a right configuration means, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    pub lines: Vec<String>,
    pub warnings: Vec<Mistake>,
}

/// Reads a configuration as a start would, and says what it means.
pub fn check(path: Option<&Path>) -> Result<Explained, Vec<Mistake>> {
    load(path, &Overrides::default()).map(|loaded| explain(&loaded))
}

/// The `check` verb: writes to `out` and answers with the exit code, 0 for right and 1 for mistakes.
pub fn run_check(path: Option<&Path>, out: &mut dyn Write) -> ExitCode {
    let name = path.map_or_else(|| "What holds without a file".to_owned(), |path| path.display().to_string());
    let (text, code) = match check(path) {
        Ok(explained) => (format!("{name} is right. It means:\n\n{explained}"), ExitCode::SUCCESS),
        Err(mistakes) => (render(&mistakes), ExitCode::FAILURE),
    };
    // A reader that has gone away (`| head`) is no mistake of the configuration.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    code
}

/// All mistakes, as people read them.
#[must_use]
pub fn render(mistakes: &[Mistake]) -> String {
    let mut text: String = mistakes.iter().map(|mistake| format!("{mistake}\n")).collect();
    let count = mistakes.len();
    text.push_str(&format!("\n{count} mistake{}. Nothing was started.\n", if count == 1 { "" } else { "s" }));
    text
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        if !self.warnings.is_empty() {
            writeln!(f, "\nWarnings")?;
            for warning in &self.warnings {
                writeln!(f, "  {}", warning.to_string().replace('\n', "\n  "))?;
            }
        }
        Ok(())
    }
}

/// What loaded settings mean.
#[must_use]
pub fn explain(loaded: &Loaded) -> Explained {
    Explained { lines: in_words(&loaded.settings), warnings: loaded.warnings.clone() }
}

/// What settings mean, line by line.
#[must_use]
pub fn in_words(settings: &Settings) -> Vec<String> {
    let mut lines = vec!["Clients connect to".to_owned()];
    lines.extend(settings.listeners.iter().map(listener));
    lines.push(super::sql_console::explained(&settings.sql_console));
    lines.push(format!("The admin door is at {}. Data is kept in {}.", settings.admin, settings.data_dir.display()));
    for entry in &settings.targets {
        lines.push(String::new());
        let mut facts = target(settings, entry).into_iter();
        lines.extend(facts.next().map(|(_, serves)| format!("Target \"{}\" serves {serves}", entry.name)));
        lines.extend(facts.map(|(what, text)| format!("  {what:<12}{text}")));
    }
    for policy in settings.policies.values() {
        if settings.targets.iter().any(|target| target.policy == policy.name) {
            lines.push(String::new());
            policy_lines(policy, &mut lines);
        }
    }
    lines.push(String::new());
    lines.extend(super::naming::explained(&settings.naming));
    changes(settings, &mut lines);
    lines.extend(super::notify::explained(&settings.notifications));
    record(settings, &mut lines);
    lines
}

fn listener(listener: &Listener) -> String {
    let tls = match (&listener.address, listener.tls.mode) {
        (ListenAddress::Unix(_), _) => "Unix socket".to_owned(),
        (ListenAddress::Tcp(_), ListenerMode::Disable) => "without TLS".to_owned(),
        (ListenAddress::Tcp(_), ListenerMode::Prefer) => {
            format!("with TLS if the client wants it{}", certificate(listener))
        }
        (ListenAddress::Tcp(_), ListenerMode::Require) => {
            format!("with TLS only{}", certificate(listener))
        }
    };
    format!("  {}, {tls}", listener.address)
}

fn certificate(listener: &Listener) -> String {
    listener.tls.identity.as_ref().map_or_else(String::new, |identity| format!(" ({})", identity.cert_file.display()))
}

/// What a target is and does: what about it, and in words.
#[must_use]
pub fn target(settings: &Settings, target: &Target) -> Vec<(&'static str, String)> {
    let databases = if target.databases.iter().any(|pattern| pattern == "*") {
        "every database".to_owned()
    } else {
        format!("the databases {}", target.databases.join(", "))
    };
    let mut lines = vec![("serves", databases)];
    let mut say = |what: &'static str, text: String| lines.push((what, text));
    say("server", format!("{}, {}", target.upstream, upstream_tls(target)));
    match &target.auth {
        Auth::PassThrough => {
            say("login", "the server checks the client's password; the gateway passes it on".to_owned())
        }
        Auth::Scram { users, upstream } => {
            let (count, s) = (users.len(), if users.len() == 1 { "" } else { "s" });
            say("login", format!("the gateway checks it with SCRAM-SHA-256; {count} user{s} known"));
            say("", upstream_login(upstream));
        }
    }
    let observes = settings.judging(target).observe;
    say(
        "mode",
        if observes { "observe: everything is judged and recorded, nothing is changed" } else { "enforce" }.to_owned(),
    );
    say("policy", target.policy.clone());
    say("held", held(settings, target.hold));
    if let Some(text) = jobs(target) {
        say("jobs", text);
    }
    say("throttle", throttle::explain(&target.throttle));
    if let Some(idle) = target.end_idle {
        let text = "sessions that idle in a transaction in the way of a change are ended";
        say("idle", format!("{text} after {}", duration(idle)));
    }
    if !target.definitions {
        say("definitions", "are not looked up: nobody is told what changes have made of them".to_owned());
    }
    if !target.startup_parameters.is_empty() {
        say("startup", format!("these settings are passed on too: {}", target.startup_parameters.join(", ")));
    }
    let calls = match target.allow_function_call {
        FunctionCalls::None => "none",
        FunctionCalls::LargeObjects => "large objects only",
        FunctionCalls::All => "all, unjudged",
    };
    let replication = if target.allow_replication { "let through, unjudged" } else { "refused" };
    say("other", format!("function calls: {calls}; replication connections: {replication}"));
    lines
}

/// For whom plans outlive their clients, if for anybody.
fn jobs(target: &Target) -> Option<String> {
    let mut who: Vec<String> = target.jobs.logins.iter().flat_map(|login| login.roles.clone()).collect();
    if matches!(target.auth, Auth::Scram { .. }) {
        who.push("everybody, with the login above".to_owned());
    }
    if !target.jobs.enabled || who.is_empty() {
        return None;
    }
    let gone = match target.jobs.on_client_gone {
        ClientGone::Continue => "goes on",
        ClientGone::Pause => "pauses",
    };
    Some(format!(
        "plans of several steps run on a connection of the gateway's own for {}; one whose client leaves {gone}",
        who.join(", ")
    ))
}

fn upstream_tls(target: &Target) -> String {
    let root = target.upstream_tls.roots.as_ref().map_or_else(String::new, |roots| roots.file.display().to_string());
    match target.upstream_tls.mode {
        UpstreamMode::Disable => "without TLS".to_owned(),
        UpstreamMode::Prefer => "with TLS if it offers it, its certificate not verified".to_owned(),
        UpstreamMode::Require => "with TLS, its certificate not verified".to_owned(),
        UpstreamMode::VerifyCa => format!("with TLS, its certificate issued by {root}"),
        UpstreamMode::VerifyFull => {
            format!("with TLS, its certificate issued by {root} for its host name")
        }
    }
}

fn upstream_login(login: &UpstreamLogin) -> String {
    let user =
        login.user.as_ref().map_or_else(|| "the client's own user name".to_owned(), |user| format!("user {user}"));
    let password = match (&login.password, login.allow_cleartext) {
        (None, _) => "and no password (trust, peer or the like)",
        (Some(_), false) => "and a password, never in clear without TLS",
        (Some(_), true) => "and a password, even in clear without TLS",
    };
    format!("it logs in to the server with {user} {password}")
}

fn held(settings: &Settings, mode: HoldMode) -> String {
    match mode {
        HoldMode::Wait => format!(
            "the session waits for approval up to {}, reminded every {}; in a transaction it is answered at once",
            duration(settings.hold.wait_limit),
            duration(settings.hold.reminder)
        ),
        HoldMode::Answer => "the session is answered at once with the ticket's number".to_owned(),
    }
}

const DEFERS: &str = "in a transaction block what has a safe form is split: what only changes the catalog runs there, and a \
     job does the rest after COMMIT; rules that answer rewrite by default answer defer";

const RESPONSES: [Response; 6] =
    [Response::Pass, Response::Warn, Response::Defer, Response::Rewrite, Response::Hold, Response::Refuse];

fn policy_lines(policy: &Policy, lines: &mut Vec<String>) {
    let observe = if policy.observe { " only observes" } else { "" };
    lines.push(format!("Policy \"{}\"{observe}: the first entry that matches decides", policy.name));
    for (index, entry) in policy.entries.iter().enumerate() {
        lines.push(format!("  {}. {}", index + 1, matched(entry)));
        lines.push(format!(
            "     tables of at most {} rows and {} are small: no lock hazard",
            count(entry.small_rows),
            bytes(entry.small_bytes)
        ));
        if entry.drop_grace > 0 {
            let grace = duration(Duration::from_millis(entry.drop_grace));
            lines.push(format!("     what is dropped is set aside for {grace} first"));
        }
        if entry.rename_grace > 0 {
            let grace = duration(Duration::from_millis(entry.rename_grace));
            lines.push(format!("     the old name of a renamed table or column goes on working for {grace}"));
        }
        if entry.defers {
            lines.push(format!("     {DEFERS}"));
        }
        lines.extend(reviewed(&entry.review));
        for response in RESPONSES {
            let rules: Vec<String> = entry
                .responses
                .iter()
                .filter(|(_, answer)| **answer == response)
                .map(|(rule, _)| rule.to_string())
                .collect();
            if !rules.is_empty() {
                lines.push(format!("     {:<9}{}", word(response), rules.join(", ")));
            }
        }
        lines.push("     every other rule answers as it does by default".to_owned());
    }
}

/// Who has to approve what is held, where that is not anybody else than whoever asks.
fn reviewed(review: &Review) -> Option<String> {
    let mut said = Vec::new();
    if review.people > 1 || !review.groups.is_empty() {
        let people = if review.people == 1 { "1 person".to_owned() } else { format!("{} people", review.people) };
        let group = |name: &String| match name.as_str() {
            OWNERS => "one of a table's owners".to_owned(),
            name => format!("one of {name}"),
        };
        let groups: Vec<String> = review.groups.iter().map(group).collect();
        let of = if groups.is_empty() { String::new() } else { format!(", {}", groups.join(", ")) };
        said.push(format!("approved by {people}{of}"));
    }
    if !review.break_glass.is_empty() {
        said.push(format!("{} may break the glass alone", review.break_glass.join(" and ")));
    }
    if !review.windows.is_empty() {
        let windows: Vec<String> = review.windows.iter().map(ToString::to_string).collect();
        said.push(format!("runs only {}", windows.join(" or ")));
    }
    (!said.is_empty()).then(|| format!("     what is held: {}", said.join("; ")))
}

fn matched(entry: &Entry) -> String {
    let parts = [
        ("target", &entry.matches.targets),
        ("role", &entry.matches.roles),
        ("application", &entry.matches.applications),
        ("table", &entry.matches.tables),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(_, patterns)| !patterns.is_empty())
        .map(|(what, patterns)| format!("{what} {}", patterns.join(" or ")))
        .collect();
    if said.is_empty() { "everything".to_owned() } else { said.join(", ") }
}

fn word(response: Response) -> &'static str {
    match response {
        Response::Pass => "pass",
        Response::Warn => "warn",
        Response::Defer => "defer",
        Response::Rewrite => "rewrite",
        Response::Hold => "hold",
        Response::Refuse => "refuse",
    }
}

fn changes(settings: &Settings, lines: &mut Vec<String>) {
    let executor = &settings.executor;
    lines.push(format!(
        "Changes wait at most {} for a strong lock and try again for up to {}; in a client's transaction at most {}, and for up to {}.",
        duration(executor.lock_timeout),
        duration(executor.budget),
        duration(executor.transaction_lock_timeout),
        duration(executor.transaction_budget)
    ));
    lines.push(format!(
        "Backfills run in batches of about {} with pauses of {} % of that; connections to the server for one of them: {}.",
        duration(executor.batch),
        executor.batch_pause_percent,
        executor.backfill_sessions
    ));
    lines.push(format!(
        "A ticket nobody decides expires after {}, an approval nobody uses after {}.",
        duration(settings.hold.pending_expiry),
        duration(settings.hold.approved_expiry)
    ));
    let limits = &settings.limits;
    lines.push(format!(
        "At most {} sessions, {} of them not logged in yet, for {}; statements over {} are refused unread.",
        count(limits.connections_max as u64),
        count(limits.unauthenticated_max as u64),
        duration(limits.auth_timeout),
        bytes(limits.statement_bytes_max as u64)
    ));
    lines.extend(settings.oidc.iter().flat_map(|oidc| super::oidc::explained(oidc)));
    if !settings.people.is_empty() {
        return lines.extend(settings.people.profiles.iter().map(person));
    }
    let names: Vec<&str> = settings.reviewers.iter().map(|reviewer| reviewer.name.as_str()).collect();
    lines.push(if names.is_empty() {
        "Whoever has the token in the data directory may approve; no reviewer has a token of their own.".to_owned()
    } else {
        format!("Reviewers: {}.", names.join(", "))
    });
}

fn person(profile: &Profile) -> String {
    let list = |name: &str, of: &[String]| match of {
        [] => String::new(),
        some => format!("; {name} {}", some.join(", ")),
    };
    let kind = match profile.kind {
        Kind::Person => "",
        Kind::Agent => ", an agent",
        Kind::Service => ", a service",
    };
    let mut grants: Vec<String> = Vec::new();
    for grant in &profile.grants {
        let said = format!("{} on {}", grant.role.as_str(), grant.targets.join(", "));
        if !grants.contains(&said) {
            grants.push(said);
        }
    }
    format!(
        "{}{kind}{}{}{}",
        profile.name,
        list("in", &profile.groups),
        list("logs in as", &profile.roles),
        list("is", &grants)
    )
}

fn record(settings: &Settings, lines: &mut Vec<String>) {
    let record = &settings.record;
    let kept =
        if record.files_max == 0 { "all kept".to_owned() } else { format!("what fits into {} kept", record.files_max) };
    let parameters = match record.parameters {
        Parameters::None => "without parameters",
        Parameters::Hash => "with parameters as hashes",
        Parameters::Text => "with parameters in clear",
    };
    let stdout = if record.stdout { ", and on standard output" } else { "" };
    lines.push(format!(
        "The record is in {}, a new file every {}, {kept}, {parameters}{stdout}.",
        record.dir.display(),
        bytes(record.rotate_bytes)
    ));
    let others = match record.on_failure {
        OnFailure::Continue => "go on",
        OnFailure::Refuse => "are refused once memory is full",
    };
    lines.push(format!("While it cannot be written, changes are refused; ordinary statements {others}."));
}

fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")] {
        if millis >= unit && millis.is_multiple_of(unit) {
            return format!("{} {name}", millis / unit);
        }
    }
    format!("{millis} ms")
}

fn bytes(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes / unit);
        }
    }
    format!("{} bytes", count(bytes))
}

fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
