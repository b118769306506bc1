//! What was written becomes what it means. All mistakes are collected; with even one there are no settings.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::address;
use super::mistake::Mistake;
use super::record::{OnFailure, Parameters, Record};
use super::section::{Item, Section};
use super::settings::{ADMIN_PORT, Hold, HoldMode, Limits, ListenAddress, Listener, ListenerTls, Settings};
use super::targets::{self, Common};
use super::written::{Sources, Written};
use super::{naming, notify, oidc, people, policies, sql_console, targets::HOLD_MODES, targets::MODES};
use crate::kernel::plan;
use crate::kernel::sql::bounds;
use crate::shell::tls::{Identity, ListenerMode, TlsError};

const LISTENER_MODES: [(&str, ListenerMode); 3] =
    [("disable", ListenerMode::Disable), ("prefer", ListenerMode::Prefer), ("require", ListenerMode::Require)];
const HOUR_MS: u64 = 3_600_000;
const YEAR_S: u64 = 366 * 86_400;

/// The settings with what is doubtful about them, or everything that is wrong.
pub(super) fn settings(sources: &Sources) -> Result<(Settings, Vec<Mistake>), Vec<Mistake>> {
    let written = Written::new(sources)?;
    let settings = read(&written);
    let (mistakes, warnings) = written.into_mistakes();
    if mistakes.is_empty() { Ok((settings, warnings)) } else { Err(mistakes) }
}

fn read(written: &Written) -> Settings {
    let root = written.root();
    let defaults = Settings::default();
    let data_dir = root.path("data_dir").unwrap_or(defaults.data_dir);
    let tls = listener_tls(&root.section("tls"), "mode", None);
    let (hold, hold_mode) = hold(root.section("hold"));
    let policies = policies::read(&root);
    let common = Common {
        upstream: targets::upstream(&root),
        upstream_wins: root.is_override("upstream"),
        observe: root.choice("mode", &MODES),
        observe_wins: root.is_override("mode"),
        hold: hold_mode,
        policies: &policies,
    };
    let admin = admin(&root, defaults.admin);
    let oidc = oidc::read(&root, admin);
    let (people, reviewers) = people::read(&root, oidc.is_some());
    policies::warn_of_empty_groups(&root, &policies, (&people, oidc.is_some()));
    let targets = targets::read(&root, &common);
    let settings = Settings {
        listeners: listeners(&root, &tls.unwrap_or_default(), defaults.listeners),
        admin,
        record: record(root.section("record"), Record::in_data_dir(&data_dir)),
        data_dir,
        sql_console: sql_console::read(root.section("sql_console"), targets.iter()),
        targets: targets.into_iter().map(Arc::new).collect(),
        limits: limits(root.section("limits")),
        executor: executor(root.section("executor")),
        hold,
        reviewers,
        people: Arc::new(people),
        oidc: oidc.map(Arc::new),
        naming: naming::read(root.section("naming")),
        notifications: notify::read(&root),
        policies,
    };
    if !settings.admin.ip().to_canonical().is_loopback() && settings.reviewers.is_empty() && settings.oidc.is_none() {
        root.mistake(
            "admin",
            "The admin door could be reached from other machines, but no reviewer has a token.",
            "Add [[people]] with `token_sha256`, or [oidc], or write \"127.0.0.1:6434\".",
        );
    }
    root.finish();
    settings
}

fn admin(root: &Section<'_>, default: SocketAddr) -> SocketAddr {
    let Some(text) = root.text("admin") else {
        return default;
    };
    address::admin(&text, ADMIN_PORT).unwrap_or_else(|(what, remedy)| {
        root.mistake("admin", what, remedy);
        default
    })
}

fn listeners(root: &Section<'_>, tls: &ListenerTls, default: Vec<Listener>) -> Vec<Listener> {
    let Some(items) = root.items("listen") else {
        return default.into_iter().map(|listener| Listener { tls: tls.clone(), ..listener }).collect();
    };
    if items.is_empty() {
        root.mistake("listen", "There is no address to listen at.", "Leave the key out for 127.0.0.1:6433.");
    }
    let mut listeners: Vec<Listener> = Vec::with_capacity(items.len());
    for item in items {
        let Some(listener) = listener(root, item, tls) else {
            continue;
        };
        let again = listeners.iter().any(|other| other.address == listener.address);
        if again && !listener.address.to_string().ends_with(":0") {
            root.mistake("listen", format!("{} is written twice.", listener.address), "Keep one of them.");
        }
        listeners.push(listener);
    }
    listeners
}

fn listener(root: &Section<'_>, item: Item<'_>, tls: &ListenerTls) -> Option<Listener> {
    match item {
        Item::Text { key, text } => match address::listen(&text) {
            Ok(address) => Some(Listener { tls: for_address(&address, tls), address }),
            Err((what, remedy)) => {
                root.mistake(key.as_str(), what, remedy);
                None
            }
        },
        Item::Section(section) => {
            let address = match section.text("address").map(|text| address::listen(&text)) {
                Some(Ok(address)) => Some(address),
                Some(Err((what, remedy))) => {
                    section.mistake("address", what, remedy);
                    None
                }
                None => {
                    section.mistake("", "The listener has no address.", "Add `address = \"127.0.0.1:6433\"`.");
                    None
                }
            };
            let own = listener_tls(&section, "tls", tls.identity.clone());
            if let (
                Some(ListenAddress::Unix(_)),
                Some(ListenerTls { mode: ListenerMode::Prefer | ListenerMode::Require, .. }),
            ) = (&address, &own)
            {
                section.mistake("tls", "A Unix socket has no TLS.", "Leave tls out for this listener.");
            }
            section.finish();
            address.map(|address| Listener { tls: for_address(&address, own.as_ref().unwrap_or(tls)), address })
        }
    }
}

/// A Unix socket stays on the machine: no TLS, as with PostgreSQL itself.
fn for_address(address: &ListenAddress, tls: &ListenerTls) -> ListenerTls {
    match address {
        ListenAddress::Tcp(_) => tls.clone(),
        ListenAddress::Unix(_) => ListenerTls::default(),
    }
}

/// Mode, certificate and key of a section; `None` when it says nothing about TLS.
fn listener_tls(section: &Section<'_>, mode_key: &str, inherited: Option<Identity>) -> Option<ListenerTls> {
    let mode = section.choice(mode_key, &LISTENER_MODES);
    let files = (section.path("cert_file"), section.path("key_file"));
    let flaws = Identity::flaws(files.0.as_deref(), files.1.as_deref());
    let flawed = !flaws.is_empty();
    flaws.into_iter().for_each(|flaw| tls_mistake(section, flaw));
    let identity = match files {
        (Some(_), Some(_)) if flawed => return None,
        (Some(cert), Some(key)) => match Identity::load(&cert, &key) {
            Ok(identity) => {
                warn_if_open(section, "key_file", &key);
                Some(identity)
            }
            Err(error) => {
                tls_mistake(section, error);
                return None;
            }
        },
        (Some(_), None) => {
            section.mistake("cert_file", "The certificate has no private key.", "Add `key_file`.");
            return None;
        }
        (None, Some(_)) => {
            section.mistake("key_file", "The private key has no certificate.", "Add `cert_file`.");
            return None;
        }
        (None, None) => inherited,
    };
    match (mode, identity) {
        (None, None) => None,
        (None, Some(identity)) => Some(ListenerTls { mode: ListenerMode::Prefer, identity: Some(identity) }),
        (Some(ListenerMode::Disable), _) => Some(ListenerTls::default()),
        (Some(mode), Some(identity)) => Some(ListenerTls { mode, identity: Some(identity) }),
        (Some(ListenerMode::Prefer | ListenerMode::Require), None) => {
            section.mistake(
                mode_key,
                "TLS needs a certificate.",
                "Add `cert_file` and `key_file`, or write \"disable\".",
            );
            None
        }
    }
}

/// A mistake within a certificate or key file, told with that file's name and the key that names it.
pub(super) fn tls_mistake(section: &Section<'_>, error: TlsError) {
    section.mistake_elsewhere(Mistake {
        file: error.file.display().to_string(),
        key: section.path.clone(),
        line: None,
        what: error.what,
        remedy: error.remedy,
    });
}

/// Warns of a file with secrets that other users of the machine can read.
pub(super) fn warn_if_open(section: &Section<'_>, key: &str, file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = std::fs::metadata(file) else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o027 != 0 {
        section.warn(
            key,
            format!("{} can be read or changed by other users of this machine (mode {mode:04o}).", file.display()),
            format!("Run `chmod 0600 {}`.", file.display()),
        );
    }
}

fn limits(section: Section<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        connections_max: section.size("connections_max", default.connections_max, 1..=1_000_000),
        unauthenticated_max: section.size("unauthenticated_max", default.unauthenticated_max, 1..=1_000_000),
        auth_timeout: section.seconds("auth_timeout_s", default.auth_timeout, 1..=600),
        startup_bytes_max: section.size("startup_bytes_max", default.startup_bytes_max, 256..=10_000),
        auth_message_bytes_max: section.size("auth_message_bytes_max", default.auth_message_bytes_max, 1_024..=65_536),
        message_bytes_max: section.size("message_bytes_max", default.message_bytes_max, 65_536..=0x3fff_ffff),
        statement_bytes_max: section.size(
            "statement_bytes_max",
            default.statement_bytes_max,
            1_024..=bounds::TEXT_BYTES_MAX as u64,
        ),
        drain_timeout: section.seconds("drain_timeout_s", default.drain_timeout, 0..=86_400),
    };
    section.finish();
    limits
}

fn executor(section: Section<'_>) -> plan::Limits {
    let default = plan::Limits::default();
    let executor = plan::Limits {
        lock_timeout: section.millis("lock_timeout_ms", default.lock_timeout, 1..=10_000),
        scan_lock_timeout: section.millis("scan_lock_timeout_ms", default.scan_lock_timeout, 1..=HOUR_MS),
        transaction_lock_timeout: section.millis(
            "transaction_lock_timeout_ms",
            default.transaction_lock_timeout,
            1..=60_000,
        ),
        budget: section.seconds("retry_budget_s", default.budget, 0..=7 * 86_400),
        transaction_budget: section.seconds("transaction_retry_budget_s", default.transaction_budget, 0..=3_600),
        backoff_min: section.millis("backoff_min_ms", default.backoff_min, 1..=60_000),
        backoff_max: section.millis("backoff_max_ms", default.backoff_max, 1..=HOUR_MS),
        batch: section.millis("batch_ms", default.batch, 1..=60_000),
        batch_pause_percent: u32::try_from(section.number(
            "batch_pause_percent",
            default.batch_pause_percent.into(),
            0..=10_000,
        ))
        .unwrap_or(default.batch_pause_percent),
        backfill_sessions: section.size("backfill_sessions", default.backfill_sessions, 1..=64),
        progress: section.seconds("progress_s", default.progress, 1..=3_600),
        ..default
    };
    if executor.backoff_min > executor.backoff_max {
        section.mistake(
            "backoff_max_ms",
            "The longest pause is shorter than the first.",
            "Make backoff_max_ms at least backoff_min_ms.",
        );
    }
    section.finish();
    executor
}

fn hold(section: Section<'_>) -> (Hold, HoldMode) {
    let default = Hold::default();
    let mode = section.choice("mode", &HOLD_MODES).unwrap_or_default();
    let limited = section.names().iter().any(|name| name == "wait_limit_s");
    let mut hold = Hold {
        wait_limit: section.seconds("wait_limit_s", default.wait_limit, 1..=30 * 86_400),
        reminder: section.seconds("reminder_s", default.reminder, 1..=86_400),
        pending_expiry: section.seconds("pending_expiry_s", default.pending_expiry, 1..=YEAR_S),
        approved_expiry: section.seconds("approved_expiry_s", default.approved_expiry, 1..=YEAR_S),
        growth_factor: u32::try_from(section.number("growth_factor", 2, 1..=1_000)).unwrap_or(2),
    };
    if !limited {
        hold.wait_limit = hold.wait_limit.min(hold.pending_expiry);
    }
    if hold.wait_limit > hold.pending_expiry {
        section.mistake(
            "wait_limit_s",
            "A session would wait longer than its ticket lives.",
            "Make wait_limit_s at most pending_expiry_s.",
        );
    }
    section.finish();
    (hold, mode)
}

fn record(section: Section<'_>, default: Record) -> Record {
    const PARAMETERS: [(&str, Parameters); 3] =
        [("none", Parameters::None), ("hash", Parameters::Hash), ("text", Parameters::Text)];
    const ON_FAILURE: [(&str, OnFailure); 2] = [("continue", OnFailure::Continue), ("refuse", OnFailure::Refuse)];
    let record = Record {
        dir: section.path("dir").unwrap_or(default.dir),
        rotate_bytes: section.number("rotate_bytes", default.rotate_bytes, 1 << 20..=1 << 40),
        files_max: u32::try_from(section.number("files_max", u64::from(default.files_max), 0..=1_000_000))
            .unwrap_or(default.files_max),
        stdout: section.flag("stdout", default.stdout),
        parameters: section.choice("parameters", &PARAMETERS).unwrap_or_default(),
        statement_bytes_max: section.size("statement_bytes_max", default.statement_bytes_max, 256..=64 << 20),
        on_failure: section.choice("on_failure", &ON_FAILURE).unwrap_or_default(),
    };
    section.finish();
    record
}
