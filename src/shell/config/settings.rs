//! What a configuration means: every value present, checked and in the unit the code works with.
//!
//! Built by [`super::convert`] and by `Default`, never changed afterwards: share it in an `Arc`, and
//! reload by building a whole new one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::notify::Notifications;
use super::oidc::Oidc;
use super::record::Record;
use super::secret::Secret;
use super::sql_console::SqlConsole;
use super::users::Users;
use crate::kernel::facts::NameKind;
use crate::kernel::plan;
use crate::kernel::plan::throttle::Throttle;
use crate::kernel::policy::{self, Policy};
use crate::kernel::relay::FunctionCalls;
use crate::kernel::review::People;
use crate::shell::tls::{Identity, ListenerMode, Roots, UpstreamMode};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub listeners: Vec<Listener>,
    /// Where the admin door (REST API) listens.
    pub admin: SocketAddr,
    /// Tickets, tokens and, unless configured otherwise, the record.
    pub data_dir: PathBuf,
    /// In the order written: the first whose patterns match the database serves it.
    pub targets: Vec<Arc<Target>>,
    /// By name, the shipped profiles included.
    pub policies: BTreeMap<String, Arc<Policy>>,
    pub limits: Limits,
    /// How plans run.
    pub executor: plan::Limits,
    pub hold: Hold,
    pub record: Record,
    pub reviewers: Vec<Reviewer>,
    pub people: Arc<People>,
    /// Who else vouches for people.
    pub oidc: Option<Arc<Oidc>>,
    pub sql_console: SqlConsole,
    /// Patterns for new names.
    pub naming: BTreeMap<NameKind, String>,
    pub notifications: Notifications,
}

impl Settings {
    /// The target that serves a database.
    #[must_use]
    pub fn target_for(&self, database: &str) -> Option<&Arc<Target>> {
        self.targets.iter().find(|target| target.serves(database))
    }

    /// The policy of a target. Every target's policy exists: that was checked when this was built.
    #[must_use]
    pub fn policy_of(&self, target: &Target) -> Option<&Arc<Policy>> {
        self.policies.get(&target.policy)
    }

    /// What a target's statements are judged by: its policy, which observes where the target does. A target that was
    /// taken out of the configuration keeps what it had.
    #[must_use]
    pub fn judging(&self, target: &Target) -> Arc<Policy> {
        let target = self.targets.iter().find(|now| now.name == target.name).map_or(target, |now| now);
        match self.policy_of(target) {
            Some(policy) if target.observe && !policy.observe => {
                Arc::new(Policy { observe: true, ..(**policy).clone() })
            }
            Some(policy) => policy.clone(),
            None => Arc::new(Policy::strict()),
        }
    }

    /// Whether definitions are looked up around changes on a target.
    #[must_use]
    pub fn looks_up_definitions(&self, target: &str) -> bool {
        self.targets.iter().find(|now| now.name == target).is_none_or(|now| now.definitions)
    }

    /// The bounds of a run on a target.
    #[must_use]
    pub fn limits_of(&self, target: &Target) -> plan::Limits {
        let now = self.targets.iter().find(|one| one.name == target.name).map_or(target, |one| one);
        plan::Limits { throttle: now.throttle.clone(), end_idle: now.end_idle, ..self.executor.clone() }
    }
}

/// One address clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: ListenAddress,
    pub tls: ListenerTls,
}

/// Whether and how clients may encrypt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerTls {
    pub mode: ListenerMode,
    /// Present unless the mode is `disable`.
    pub identity: Option<Identity>,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    /// The socket's full path: `/run/lockkeeper/.s.PGSQL.6433`.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reachable from this machine only.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A PostgreSQL server behind the gateway, and how it is reached and guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub name: String,
    /// Patterns with `*` and `?`, case-sensitive.
    pub databases: Vec<String>,
    pub upstream: UpstreamAddress,
    pub upstream_tls: UpstreamTls,
    pub auth: Auth,
    pub jobs: Jobs,
    /// When backfills hold back.
    pub throttle: Throttle,
    /// Sessions that idle in a transaction in the way of a change are ended after this; absent: never.
    pub end_idle: Option<Duration>,
    /// Whether definitions are looked up around changes, for those who are told of them.
    pub definitions: bool,
    /// Judge and record, change nothing.
    pub observe: bool,
    /// Name of an entry of [`Settings::policies`].
    pub policy: String,
    /// What a held statement outside a transaction does.
    pub hold: HoldMode,
    /// Startup parameters passed on besides the gateway's own list.
    pub startup_parameters: Vec<String>,
    pub allow_replication: bool,
    pub allow_function_call: FunctionCalls,
}

impl Target {
    #[must_use]
    pub fn serves(&self, database: &str) -> bool {
        self.databases.iter().any(|pattern| policy::pattern_matches(pattern, database))
    }

    /// How the gateway logs in to run plans for a user, if it may: as that very user, with the same name and so
    /// the same rights that the user's own session has.
    #[must_use]
    pub fn job_login(&self, user: &str) -> Option<UpstreamLogin> {
        let with_gateway = match &self.auth {
            Auth::Scram { upstream, .. } => Some(upstream),
            Auth::PassThrough => None,
        };
        self.jobs.login(user, with_gateway).cloned()
    }
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpstreamAddress {
    Tcp {
        host: String,
        port: u16,
    },
    /// The socket's full path: `/var/run/postgresql/.s.PGSQL.5432`.
    Unix(PathBuf),
}

impl std::fmt::Display for UpstreamAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// How the connection to the server is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    pub mode: UpstreamMode,
    /// Present when the mode is `verify-ca` or `verify-full`.
    pub roots: Option<Roots>,
}

/// Who checks the client's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The server: authentication messages are relayed.
    PassThrough,
    /// The gateway, with SCRAM-SHA-256 against a users file; it logs in to the server by itself.
    Scram { users: Arc<Users>, upstream: UpstreamLogin },
}

/// How the gateway logs in to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamLogin {
    /// Absent: under the client's user name.
    pub user: Option<String>,
    /// Absent: the server must not ask for one.
    pub password: Option<Secret>,
    /// Send the password in clear even without TLS.
    pub allow_cleartext: bool,
}

/// Plans that run on a connection of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jobs {
    pub enabled: bool,
    pub on_client_gone: ClientGone,
    /// In the order written: the first whose patterns match the requester counts.
    pub logins: Vec<JobLogin>,
}

/// Requesters for whom the gateway can log in, each under their own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobLogin {
    /// Patterns with `*` and `?`, case-sensitive.
    pub roles: Vec<String>,
    pub login: UpstreamLogin,
}

/// What a job does when the client that waits for it leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientGone {
    #[default]
    Continue,
    /// It pauses before its next step or batch.
    Pause,
}

impl Jobs {
    /// The login configured for a user, else that of all sessions, if there is one.
    fn login<'a>(&'a self, user: &str, of_sessions: Option<&'a UpstreamLogin>) -> Option<&'a UpstreamLogin> {
        let fits = |login: &&JobLogin| login.roles.iter().any(|role| policy::pattern_matches(role, user));
        let own = self.logins.iter().find(fits).map(|found| &found.login);
        if self.enabled { own.or(of_sessions) } else { None }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self { enabled: true, on_client_gone: ClientGone::default(), logins: Vec::new() }
    }
}

/// What a held statement outside a transaction does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HoldMode {
    /// The session waits and runs the statement on approval.
    #[default]
    Wait,
    /// The session gets an error with the ticket's number at once.
    Answer,
}

/// Bounds on what one client, and all together, can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub connections_max: usize,
    /// Connections that have not authenticated yet.
    pub unauthenticated_max: usize,
    /// From accept to AuthenticationOk.
    pub auth_timeout: Duration,
    /// The first packet.
    pub startup_bytes_max: usize,
    /// Messages before AuthenticationOk.
    pub auth_message_bytes_max: usize,
    /// Any message after that.
    pub message_bytes_max: usize,
    /// Longer statements are refused unread.
    pub statement_bytes_max: usize,
    /// How long draining waits for sessions at the stop.
    pub drain_timeout: Duration,
}

/// Tickets and waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// How long a session waits before it is told to come back.
    pub wait_limit: Duration,
    /// Between two reminders to a waiting session.
    pub reminder: Duration,
    pub pending_expiry: Duration,
    pub approved_expiry: Duration,
    /// A table this many times as large as when it was looked at has to be looked at again.
    pub growth_factor: u32,
}

/// Somebody who may decide on tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewer {
    pub name: String,
    /// SHA-256 of the reviewer's token.
    pub token_sha256: [u8; 32],
}

/// The port clients find the gateway at, also in socket names.
pub const LISTEN_PORT: u16 = 6433;
/// The port of the admin door.
pub const ADMIN_PORT: u16 = 6434;
/// PostgreSQL's own.
pub const UPSTREAM_PORT: u16 = 5432;

impl Default for Settings {
    fn default() -> Self {
        let data_dir = PathBuf::from("./lockkeeper-data");
        Self {
            listeners: vec![Listener {
                address: ListenAddress::Tcp(loopback(LISTEN_PORT)),
                tls: ListenerTls::default(),
            }],
            admin: loopback(ADMIN_PORT),
            record: Record::in_data_dir(&data_dir),
            data_dir,
            targets: vec![Arc::new(Target::default())],
            policies: super::policies::built_in(),
            limits: Limits::default(),
            executor: plan::Limits::default(),
            hold: Hold::default(),
            reviewers: Vec::new(),
            people: Arc::default(),
            oidc: None,
            sql_console: SqlConsole::default(),
            naming: BTreeMap::new(),
            notifications: Notifications::default(),
        }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for Target {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            databases: vec!["*".to_owned()],
            upstream: UpstreamAddress::Tcp { host: "127.0.0.1".to_owned(), port: UPSTREAM_PORT },
            upstream_tls: UpstreamTls::default(),
            auth: Auth::PassThrough,
            jobs: Jobs::default(),
            throttle: Throttle::default(),
            end_idle: None,
            definitions: true,
            observe: false,
            policy: "standard".to_owned(),
            hold: HoldMode::default(),
            startup_parameters: Vec::new(),
            allow_replication: false,
            allow_function_call: FunctionCalls::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            unauthenticated_max: 100,
            auth_timeout: Duration::from_secs(10),
            startup_bytes_max: 10_000,
            auth_message_bytes_max: 65_536,
            // PostgreSQL's own bound on a message (MaxAllocSize).
            message_bytes_max: 0x3fff_ffff,
            statement_bytes_max: 64 << 20,
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            wait_limit: Duration::from_secs(3_600),
            reminder: Duration::from_secs(60),
            pending_expiry: Duration::from_secs(24 * 3_600),
            approved_expiry: Duration::from_secs(3_600),
            growth_factor: 2,
        }
    }
}
