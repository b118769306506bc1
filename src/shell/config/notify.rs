//! `[notifications]` and `[[notify]]`: who hears of what happens, and by which way.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::convert::tls_mistake;
use super::jobs::password;
use super::secret::Secret;
use super::section::Section;
use crate::kernel::notice::Subscription;
use crate::shell::tls::Roots;

mod email;

pub(super) use email::check as check_address;
pub use email::{Email, MailTls};

/// Most routes.
const ROUTES_MAX: usize = 64;
/// Bytes of a secret that signs; less could be guessed.
const SECRET_MIN: usize = 16;
const SLACK_API: &str = "https://slack.com/api";

/// Everything about notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notifications {
    /// Where people find the review page, without a slash at the end; nothing: at the admin address.
    pub url: Option<String>,
    pub templates: Templates,
    /// How long a message is tried before it is given up.
    pub give_up: Duration,
    /// How long it is remembered after that.
    pub keep: Duration,
    /// How long changes of definitions are remembered; absent: for ever.
    pub keep_definitions: Option<Duration>,
    /// How long a receiver may take for its answer.
    pub timeout: Duration,
    pub routes: Vec<Arc<Route>>,
}

/// Texts in the place of the shipped ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Templates {
    pub title: Option<String>,
    pub body: Option<String>,
    pub html: Option<String>,
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub name: String,
    pub subscription: Subscription,
    /// Statements with their string literals.
    pub literals: bool,
    pub way: Way,
}

/// By which means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Webhook(Webhook),
    Slack(Slack),
    Teams(Endpoint),
    Email(Email),
}

/// Where HTTP goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub url: String,
    /// Instead of the public authorities.
    pub roots: Option<Roots>,
}

/// Standard Webhooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub endpoint: Endpoint,
    /// The present one first.
    pub secrets: Vec<Secret>,
}

/// Slack's Web API, and its interactive messages if there is a signing secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    pub api: Endpoint,
    pub token: Secret,
    pub signing_secret: Option<Secret>,
    pub channel: String,
    /// Requesters with a Slack id of theirs are told directly as well.
    pub direct: bool,
}

impl Default for Notifications {
    fn default() -> Self {
        const DAY_S: u64 = 86_400;
        Self {
            url: None,
            templates: Templates::default(),
            give_up: Duration::from_secs(3 * DAY_S),
            keep: Duration::from_secs(30 * DAY_S),
            keep_definitions: None,
            timeout: Duration::from_secs(10),
            routes: Vec::new(),
        }
    }
}

impl Notifications {
    /// The route of this name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.name == name)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Webhook,
    Slack,
    Teams,
    Email,
}

const KINDS: [(&str, Kind); 4] =
    [("webhook", Kind::Webhook), ("slack", Kind::Slack), ("teams", Kind::Teams), ("email", Kind::Email)];

/// What is told where nothing else is said: to programs everything but definitions, which are for who asks for them.
const TO_PROGRAMS: &[&str] = &["ticket.*", "job.*"];
/// A message that moves with its ticket.
const TO_SLACK: &[&str] = &["ticket.*", "job.failed", "job.interrupted"];
/// Messages that stay as they are.
const TO_PEOPLE: &[&str] = &[
    "ticket.opened",
    "ticket.voted",
    "ticket.returned",
    "ticket.justified",
    "ticket.glass_broken",
    "ticket.approved",
    "ticket.changes_requested",
    "ticket.rejected",
    "ticket.cancelled",
    "ticket.commented",
    "ticket.expired",
    "ticket.finished",
    "ticket.failed",
    "ticket.outcome_lost",
    "ticket.given_back",
    "ticket.settled",
    "ticket.undone",
    "job.interrupted",
    "job.finished",
    "job.failed",
    "job.aborted",
];

pub(super) fn read(root: &Section<'_>) -> Notifications {
    let section = root.section("notifications");
    let default = Notifications::default();
    let url = section.text("url").map(|url| url.trim_end_matches('/').to_owned());
    if let Some(url) = &url
        && !url.starts_with("https://")
        && !url.starts_with("http://")
    {
        section.mistake("url", "This is no address of a page.", "Write it as people type it: \"https://…\".");
    }
    let mut found = Notifications {
        url,
        templates: section.path("templates").map(|folder| templates(&section, &folder)).unwrap_or_default(),
        give_up: section.seconds("give_up_s", default.give_up, 60..=30 * 86_400),
        keep: section.seconds("keep_s", default.keep, 3_600..=366 * 86_400),
        keep_definitions: match section.number("keep_definitions_s", 0, 0..=100 * 366 * 86_400) {
            0 => None,
            seconds => Some(Duration::from_secs(seconds)),
        },
        timeout: section.seconds("timeout_s", default.timeout, 1..=60),
        routes: Vec::new(),
    };
    section.finish();
    for section in root.sections("notify") {
        found.routes.extend(route(section, &found.routes).map(Arc::new));
    }
    if found.routes.len() > ROUTES_MAX {
        root.mistake("notify", format!("There are more than {ROUTES_MAX} routes."), "Put some of them together.");
    }
    found
}

fn route(section: Section<'_>, others: &[Arc<Route>]) -> Option<Route> {
    let name = section.text("name").unwrap_or_default();
    let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if name.is_empty() || name.len() > 64 || !is_plain(&name) {
        let remedy = "Write name = \"…\" with letters, digits, - and _: messages and lists are told by it.";
        section.mistake("name", "The route has no name.", remedy);
    } else if others.iter().any(|other| other.name == name) {
        section.mistake("name", "Another route has the same name.", "Give each its own.");
    }
    let Some(kind) = section.choice("kind", &KINDS) else {
        // One that is there and is none was told of already.
        if !section.names().iter().any(|key| key == "kind") {
            section.mistake("kind", "The route has no kind.", "Write \"webhook\", \"slack\", \"teams\" or \"email\".");
        }
        return None;
    };
    let (way, events) = match kind {
        Kind::Webhook => (webhook(&section).map(Way::Webhook), TO_PROGRAMS),
        Kind::Slack => (slack(&section).map(Way::Slack), TO_SLACK),
        Kind::Teams => (endpoint(&section, None).map(Way::Teams), TO_PEOPLE),
        Kind::Email => (email::read(&section).map(Way::Email), TO_PEOPLE),
    };
    let list = |key: &str, default: &[&str]| {
        section.texts(key).unwrap_or_else(|| default.iter().map(|word| (*word).to_owned()).collect())
    };
    let subscription = Subscription {
        events: list("events", events),
        targets: list("targets", &["*"]),
        labels: list("labels", &[]),
        tables: list("tables", &[]),
    };
    for pattern in &subscription.events {
        let known = ["ticket.", "job.", "schema."].iter().any(|start| pattern.starts_with(start));
        if !known && !pattern.contains('*') {
            let remedy =
                "Write names such as \"ticket.opened\", \"job.failed\", \"schema.altered\", or patterns of them.";
            section.mistake("events", format!("There is no event \"{pattern}\"."), remedy);
        }
    }
    let literals = section.flag("literals", false);
    section.finish();
    Some(Route { name, subscription, literals, way: way? })
}

fn webhook(section: &Section<'_>) -> Option<Webhook> {
    let endpoint = endpoint(section, None);
    let secrets: Vec<Secret> = ["secret", "previous_secret"]
        .into_iter()
        .filter_map(|key| {
            let written = password(section, key)?;
            let secret = signing(&written);
            if secret.is_none() {
                let remedy = "Write \"whsec_\" and the base64 of 24 random bytes or more.";
                section.mistake(&format!("{key}_file"), "This is no secret to sign with.", remedy);
            }
            secret
        })
        .collect();
    if section.names().iter().all(|name| !name.starts_with("secret_")) {
        section.mistake("", "The webhook has no secret: nobody could tell its calls from others'.", "Add secret_file.");
    }
    Some(Webhook { endpoint: endpoint?, secrets })
}

/// The key behind `whsec_` and base64, as Standard Webhooks has it.
fn signing(written: &Secret) -> Option<Secret> {
    use base64::Engine as _;
    let encoded = written.reveal().strip_prefix(b"whsec_")?;
    let key = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    (key.len() >= SECRET_MIN).then(|| Secret::new(key))
}

fn slack(section: &Section<'_>) -> Option<Slack> {
    let api = endpoint(section, Some(SLACK_API));
    let token = password(section, "token");
    let channel = section.text("channel");
    if token.is_none() {
        section.mistake("", "The Slack route has no token.", "Add token_file with the bot's token (xoxb-…).");
    }
    if channel.is_none() {
        section.mistake("", "The Slack route has no channel.", "Add channel = \"C…\", the channel's id.");
    }
    let (signing_secret, direct) = (password(section, "signing_secret"), section.flag("direct", true));
    Some(Slack { api: api?, token: token?, signing_secret, channel: channel?, direct })
}

/// `url`, which is https unless it stays on this machine or `allow_http` says otherwise, and `root_file`.
fn endpoint(section: &Section<'_>, default: Option<&str>) -> Option<Endpoint> {
    let allow_http = section.flag("allow_http", false);
    let roots = roots(section);
    let Some(url) = section.text("url").or_else(|| default.map(str::to_owned)) else {
        section.mistake("url", "The route has no address to call.", "Add url = \"https://…\".");
        return None;
    };
    let uri = url.parse::<ureq::http::Uri>().ok();
    let host = uri.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let scheme = uri.as_ref().and_then(|uri| uri.scheme_str()).unwrap_or_default();
    let allowed = match scheme {
        "https" => true,
        "http" => allow_http || is_loopback(host),
        _ => false,
    };
    if host.is_empty() || !matches!(scheme, "http" | "https") {
        section.mistake("url", format!("\"{url}\" is no address to call."), "Write \"https://…\".");
    } else if !allowed {
        section.mistake(
            "url",
            "Messages would go over the network unencrypted.",
            "Write \"https://…\", or allow_http = true if the way to it is safe.",
        );
    } else {
        return Some(Endpoint { url: url.trim_end_matches('/').to_owned(), roots });
    }
    None
}

fn roots(section: &Section<'_>) -> Option<Roots> {
    let file = section.path("root_file")?;
    Roots::load(&file).map_err(|error| tls_mistake(section, error)).ok()
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

/// `title.txt`, `body.txt` and `email.html` in a folder; what is not there stays as shipped.
fn templates(section: &Section<'_>, folder: &Path) -> Templates {
    let one = |name: &str| -> Option<String> {
        let path = folder.join(name);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                section.mistake("templates", format!("{} cannot be read: {error}.", path.display()), "Check it.");
                return None;
            }
        };
        if let Err(error) = minijinja::Environment::new().template_from_str(&text) {
            section.mistake("templates", format!("{}: {error}.", path.display()), "Correct the template.");
        }
        Some(text)
    };
    let found = Templates { title: one("title.txt"), body: one("body.txt"), html: one("email.html") };
    if found == Templates::default() {
        let what = format!("There is no title.txt, body.txt or email.html in {}.", folder.display());
        section.mistake("templates", what, "Put one there, or leave the key out.");
    }
    found
}

/// In words, a line for each route.
pub(super) fn explained(notifications: &Notifications) -> Vec<String> {
    let mut lines = Vec::new();
    for route in &notifications.routes {
        let Subscription { events, targets, labels, tables } = &route.subscription;
        let way = match &route.way {
            Way::Webhook(webhook) => {
                let rotation = if webhook.secrets.len() > 1 { " with two secrets" } else { "" };
                format!("signed{rotation} to {}", webhook.endpoint.url)
            }
            Way::Slack(slack) => {
                let decide = if slack.signing_secret.is_some() { ", where they can be decided" } else { "" };
                let direct = if slack.direct { ", and to the requester" } else { "" };
                format!("to Slack's channel {}{decide}{direct}", slack.channel)
            }
            Way::Teams(endpoint) => format!("to Teams by {}", host_of(&endpoint.url)),
            Way::Email(email) => email.explained(),
        };
        let labels = if labels.is_empty() { String::new() } else { format!(", labelled {}", labels.join(" or ")) };
        let about = if tables.is_empty() { String::new() } else { format!(" about {}", tables.join(" or ")) };
        let literals = if route.literals { "" } else { "; literals are hidden" };
        let events = if events.iter().map(String::as_str).eq(TO_PEOPLE.iter().copied()) {
            "what waits for people or became of their changes".to_owned()
        } else {
            events.join(", ")
        };
        let of = if targets.iter().any(|target| target == "*") { String::new() } else { targets.join(", ") + ": " };
        lines.push(format!("Notification \"{}\": {of}{events}{about}{labels} goes {way}{literals}.", route.name));
    }
    if !notifications.routes.is_empty() {
        lines.push(format!(
            "Messages are tried for {} s before they are given up: lockkeeper notify list.",
            notifications.give_up.as_secs()
        ));
    }
    lines
}

/// Addresses of Teams hold a secret.
fn host_of(url: &str) -> String {
    url.parse::<ureq::http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default()
}
