//! What works but is probably not wanted: told by `check` and at the start, never a reason to stop.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::mistake::Mistake;
use super::settings::{Auth, Listener, Settings, Target, UpstreamAddress};
use crate::shell::tls::{ListenerMode, UpstreamMode, validity};

const DAY: Duration = Duration::from_secs(86_400);
const EXPIRES_SOON: Duration = Duration::from_secs(30 * 86_400);

/// Everything doubtful about settings, at a time.
pub(super) fn of(settings: &Settings, now: SystemTime) -> Vec<Mistake> {
    let mut doubts = Vec::new();
    for listener in &settings.listeners {
        open_listener(listener, &mut doubts);
        dates(listener, now, &mut doubts);
    }
    if !settings.admin.ip().is_loopback() {
        doubts.push(doubt(
            "admin",
            format!(
                "The admin door at {} is reachable from other machines and speaks plain HTTP.",
                settings.admin
            ),
            "Bind it to 127.0.0.1 and put a proxy with TLS in front of it.",
        ));
    }
    for target in &settings.targets {
        channel_binding(settings, target, &mut doubts);
        unverified_server(target, &mut doubts);
    }
    if !settings
        .targets
        .iter()
        .any(|target| target.databases.iter().any(|pattern| pattern == "*"))
    {
        doubts.push(doubt(
            "targets",
            "Sessions for databases that no target names are refused.",
            "Add a last target without `databases` if all others should be served too.",
        ));
    }
    doubts
}

fn doubt(key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Mistake {
    Mistake {
        file: "the configuration".to_owned(),
        key: key.to_owned(),
        line: None,
        what: what.into(),
        remedy: remedy.into(),
    }
}

fn open_listener(listener: &Listener, doubts: &mut Vec<Mistake>) {
    if listener.address.is_local() {
        return;
    }
    let what = match listener.tls.mode {
        ListenerMode::Require => return,
        ListenerMode::Disable => "without TLS: passwords and data can be read on the way",
        ListenerMode::Prefer => {
            "and does not insist on TLS: an attacker on the way can have it left out"
        }
    };
    doubts.push(doubt(
        "listen",
        format!(
            "{} is reachable from other machines {what}.",
            listener.address
        ),
        "Add cert_file and key_file with mode \"require\" to [tls], or listen on 127.0.0.1.",
    ));
}

fn dates(listener: &Listener, now: SystemTime, doubts: &mut Vec<Mistake>) {
    let Some(identity) = &listener.tls.identity else {
        return;
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let Some(validity) = identity.chain.first().and_then(validity) else {
        return;
    };
    let (not_before, not_after) = (
        Duration::from_secs(validity.not_before),
        Duration::from_secs(validity.not_after),
    );
    let what = if now < not_before {
        "is not valid yet".to_owned()
    } else if now > not_after {
        "has expired: clients that verify refuse it".to_owned()
    } else if not_after.saturating_sub(now) < EXPIRES_SOON {
        let days = not_after.saturating_sub(now).as_secs() / DAY.as_secs();
        format!("expires in {days} days")
    } else {
        return;
    };
    let found = doubt(
        "tls.cert_file",
        format!(
            "The certificate in {} {what}.",
            identity.cert_file.display()
        ),
        "Renew it and reload (SIGHUP).",
    );
    if !doubts.contains(&found) {
        doubts.push(found);
    }
}

/// A client on TLS that is not offered SCRAM-SHA-256-PLUS says "I could have bound to the channel" (`y,,`),
/// and a server on TLS, which did offer it, must take that for an attack (RFC 5802, section 6).
fn channel_binding(settings: &Settings, target: &Target, doubts: &mut Vec<Mistake>) {
    let client_tls = settings
        .listeners
        .iter()
        .any(|listener| listener.tls.mode != ListenerMode::Disable);
    if target.auth != Auth::PassThrough
        || !client_tls
        || target.upstream_tls.mode == UpstreamMode::Disable
    {
        return;
    }
    doubts.push(doubt(
        &format!("targets \"{}\"", target.name),
        "Pass-through authentication with TLS on both sides: clients that support SCRAM channel binding (psql, libpq, \
         JDBC) are refused by a server on TLS, since the gateway stands between the two channels.",
        "Write `auth = { method = \"scram\", users_file = \"…\" }`, or reach the server without TLS \
         (`upstream_tls = { mode = \"disable\" }`, a Unix socket), or let clients say channel_binding=disable.",
    ));
}

fn unverified_server(target: &Target, doubts: &mut Vec<Mistake>) {
    let UpstreamAddress::Tcp { host, .. } = &target.upstream else {
        return;
    };
    let local = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if local || target.upstream_tls.mode.verifies() {
        return;
    }
    doubts.push(doubt(
        &format!("targets \"{}\"", target.name),
        format!(
            "The server at {} is not verified: somebody on the way could stand in for it.",
            target.upstream
        ),
        "Write `upstream_tls = { mode = \"verify-full\", root_file = \"…\" }`.",
    ));
}
