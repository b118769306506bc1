//! A route of the kind `email`: the server it goes to, and who hears besides those whom it concerns.

use lettre::message::Mailbox;

use super::super::jobs::password;
use super::super::secret::Secret;
use super::super::section::Section;
use super::{is_loopback, roots};
use crate::shell::tls::Roots;

/// How the way to the server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the first byte.
    Tls,
    /// After STARTTLS, and not without.
    StartTls,
    None,
}

/// Where mail goes, and as whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    /// Instead of the public authorities.
    pub roots: Option<Roots>,
    pub login: Option<(String, Secret)>,
    pub from: String,
    /// They hear everything of the route, besides those whom it concerns.
    pub to: Vec<String>,
}

const TLS: [(&str, MailTls); 3] = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];

pub(super) fn read(section: &Section<'_>) -> Option<Email> {
    let allow_plain = section.flag("allow_plain", false);
    let tls = section.choice("tls", &TLS).unwrap_or(MailTls::StartTls);
    let server = server(section, tls);
    if let (Some((host, _)), MailTls::None) = (&server, tls)
        && !is_loopback(host)
        && !allow_plain
    {
        section.mistake(
            "tls",
            "Messages, and the password, would go over the network unencrypted.",
            "Write \"starttls\" or \"tls\", or allow_plain = true if the way to it is safe.",
        );
    }
    let login = match (section.text("user"), password(section, "password")) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            section.mistake("user", "A login takes a user and a password.", "Write both, or none of them.");
            None
        }
    };
    let from = section.text("from");
    if from.is_none() {
        section.mistake("from", "Mail comes from nobody.", "Add from = \"Lockkeeper <lockkeeper@…>\".");
    }
    let to = section.texts("to").unwrap_or_default();
    for (key, address) in from.iter().map(|one| ("from", one)).chain(to.iter().map(|one| ("to", one))) {
        check(section, key, address);
    }
    let roots = roots(section);
    let (host, port) = server?;
    Some(Email { host, port, tls, roots, login, from: from?, to })
}

/// Tells it when a text is no address.
pub(in crate::shell::config) fn check(section: &Section<'_>, key: &str, address: &str) {
    if address.parse::<Mailbox>().is_err() {
        section.mistake(key, format!("\"{address}\" is no mail address."), "Write \"name@example.com\".");
    }
}

fn server(section: &Section<'_>, tls: MailTls) -> Option<(String, u16)> {
    let Some(text) = section.text("server") else {
        section.mistake("server", "The route has no mail server.", "Add server = \"smtp.example.com:587\".");
        return None;
    };
    let default = match tls {
        MailTls::Tls => 465,
        MailTls::StartTls => 587,
        MailTls::None => 25,
    };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (text.as_str(), Some(default)),
    };
    let Some(port) = port.filter(|port| *port > 0 && !host.is_empty()) else {
        section.mistake("server", format!("\"{text}\" is no host and port."), "Write \"smtp.example.com:587\".");
        return None;
    };
    Some((host.to_owned(), port))
}

impl Email {
    pub(super) fn explained(&self) -> String {
        let tls = match self.tls {
            MailTls::Tls | MailTls::StartTls => "with TLS",
            MailTls::None => "without TLS",
        };
        let also = if self.to.is_empty() { String::new() } else { format!(", and to {}", self.to.join(", ")) };
        format!("by mail to those it concerns{also}, over {}:{} {tls}", self.host, self.port)
    }
}
