//! A session on the server that is asked for facts. It reads, and it cannot do anything else: every
//! transaction of it is read-only.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::LintError;
use crate::kernel::forecast::OWN_SCHEMA;
use crate::kernel::sql::read::session::{Followed, SetTo, schemas};
use crate::kernel::sql::write::{quote_ident, quote_literal};
use crate::shell::config::{Auth, Target, UpstreamAddress, UpstreamTls};
use crate::shell::database::{Database, DatabaseError, Done, Row, ServerMessage, TransactionStatus};
use crate::shell::tls::{Roots, UpstreamMode};
use crate::shell::upstream::Upstream;

/// A look-up that takes longer is given up.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(60);
const APPLICATION: &str = "lockkeeper lint";
/// Whether it is read-only, and what it is like: where names are found, what says so, and all schemas it can look into.
const BEGINNING: &str = "\
SELECT current_setting('transaction_read_only'), current_setting('server_version_num'), array_to_string(\
ARRAY(SELECT quote_ident(s.name) FROM unnest(current_schemas(false)) WITH ORDINALITY AS s(name, place) ORDER BY s.place), ', '), \
current_setting('search_path'), array_to_string(\
ARRAY(SELECT quote_ident(nspname) FROM pg_namespace WHERE has_schema_privilege(oid, 'USAGE') ORDER BY oid), ', ')";
const POSTGRES_PORT: u16 = 5432;
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// An open session.
pub(super) struct Session {
    client: Client,
    /// Names of statements prepared so far, by their text.
    prepared: HashMap<String, String>,
    /// `server_version_num`.
    pub(super) version: u32,
    /// The schemas that names are found in, as it began.
    pub(super) search_path: String,
    /// The same as it is set, the role's own schema by its sign.
    pub(super) set_path: String,
    /// All schemas that names can be found in.
    pub(super) schemas: BTreeSet<String>,
    /// What was set since, by name.
    set: HashMap<&'static str, String>,
}

/// Who logs in where.
#[derive(Debug)]
pub(super) struct Login {
    target: Target,
    config: Config,
}

impl Login {
    /// As a URL or key-value string says. `sslmode` and `sslrootcert` mean what they mean to libpq.
    pub(super) fn from_url(url: &str) -> Result<Self, LintError> {
        let (bare, tls) = without_tls(url);
        let wrong = |what: String| LintError::new(format!("the database URL cannot be used: {what}"));
        let config: Config = bare.parse().map_err(|error: tokio_postgres::Error| wrong(said(&error)))?;
        let port = config.get_ports().first().copied().unwrap_or(POSTGRES_PORT);
        let upstream = match config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => UpstreamAddress::Tcp { host: host.clone(), port },
            Some(tokio_postgres::config::Host::Unix(folder)) => UpstreamAddress::Unix(socket(folder, port)),
            None => return Err(wrong("it names no host".to_owned())),
        };
        let mode = match tls.mode.as_deref() {
            None | Some("prefer" | "allow") => UpstreamMode::Prefer,
            Some("disable") => UpstreamMode::Disable,
            Some("require") => UpstreamMode::Require,
            Some("verify-ca") => UpstreamMode::VerifyCa,
            Some("verify-full") => UpstreamMode::VerifyFull,
            Some(other) => return Err(wrong(format!("sslmode {other} is not known"))),
        };
        let roots = match &tls.root {
            Some(file) if mode.verifies() => {
                Some(Roots::load(Path::new(file)).map_err(|error| wrong(error.to_string()))?)
            }
            Some(_) | None => None,
        };
        let target = Target { upstream, upstream_tls: UpstreamTls { mode, roots }, ..Target::default() };
        Ok(Self { target, config })
    }

    /// To the server of a configured target.
    pub(super) fn to_target(target: &Target, user: Option<&str>, database: Option<&str>) -> Result<Self, LintError> {
        let mut config = Config::new();
        let own = match &target.auth {
            Auth::Scram { upstream, .. } => Some(upstream),
            Auth::PassThrough => None,
        };
        let user = user.or_else(|| own.and_then(|login| login.user.as_deref()));
        let Some(user) = user else {
            return Err(LintError::new(format!(
                "it is not clear who logs in to target {}: give --user, or a --database-url",
                target.name
            )));
        };
        config.user(user).dbname(database.unwrap_or(user));
        if let Some(password) = own.and_then(|login| login.password.as_ref()) {
            config.password(password.reveal());
        }
        Ok(Self { target: target.clone(), config })
    }

    /// With a password from a file.
    pub(super) fn with_password(mut self, password: &[u8]) -> Self {
        self.config.password(password);
        self
    }

    /// Who logs in, for the policy.
    pub(super) fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    /// Connects, and makes sure that nothing can be changed.
    pub(super) async fn open(mut self) -> Result<Session, LintError> {
        let shown = self.target.upstream.to_string();
        let cannot = |what: String| LintError::new(format!("{shown} cannot be asked: {what}"));
        let upstream = Upstream::new(&self.target).map_err(|error| cannot(error.to_string()))?;
        let stream = upstream.connect().await.map_err(|error| cannot(error.to_string()))?;
        let timeout = STATEMENT_TIMEOUT.as_millis();
        self.config.application_name(APPLICATION).options(format!(
            "-c default_transaction_read_only=on -c statement_timeout={timeout} -c standard_conforming_strings=on \
             -c client_encoding=UTF8 -c quote_all_identifiers=off -c jit=off"
        ));
        let (client, connection) =
            self.config.connect_raw(stream, NoTls).await.map_err(|error| cannot(said(&error)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection ended");
            }
        });
        let mut session = Session {
            client,
            prepared: HashMap::new(),
            version: 0,
            search_path: String::new(),
            set_path: String::new(),
            schemas: BTreeSet::new(),
            set: HashMap::new(),
        };
        let answer = session.query(BEGINNING, &[]).await;
        match answer.map_err(|error| cannot(error.to_string()))?.concat().as_slice() {
            [Some(on), Some(version), Some(path), Some(set), Some(there)] if on == "on" => {
                session.version = version.parse().map_err(|_| cannot(format!("its version is {version}")))?;
                session.search_path.clone_from(path);
                session.schemas = schemas(there).unwrap_or_default().into_iter().collect();
                session.set_path = that_are_there(set, &session.schemas);
                Ok(session)
            }
            _ => Err(cannot("it does not keep the session read-only".to_owned())),
        }
    }
}

/// Of a search path what names are looked up in.
fn that_are_there(path: &str, there: &BTreeSet<String>) -> String {
    let names = schemas(path).unwrap_or_default().into_iter().filter(|name| name == OWN_SCHEMA || there.contains(name));
    names.map(|name| quote_ident(&name)).collect::<Vec<_>>().join(", ")
}

fn socket(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

/// What a URL says of TLS.
#[derive(Debug, Default, PartialEq, Eq)]
struct SaidOfTls {
    mode: Option<String>,
    root: Option<String>,
}

/// The URL without what it says of TLS, which is not the driver's here.
fn without_tls(url: &str) -> (String, SaidOfTls) {
    let mut tls = SaidOfTls::default();
    let mut keep = |part: &str| {
        let value = |name: &str| part.strip_prefix(name).map(|value| value.trim_matches('\'').to_owned());
        if let Some(mode) = value("sslmode=") {
            tls.mode = Some(mode);
        } else if let Some(root) = value("sslrootcert=") {
            tls.root = Some(root);
        } else {
            return true;
        }
        false
    };
    let bare = if url.contains("://") {
        match url.split_once('?') {
            None => url.to_owned(),
            Some((before, parameters)) => {
                let kept: Vec<&str> = parameters.split('&').filter(|part| keep(part)).collect();
                if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) }
            }
        }
    } else {
        url.split_whitespace().filter(|part| keep(part)).collect::<Vec<_>>().join(" ")
    };
    (bare, tls)
}

/// With the server's words, which the driver keeps one level down.
fn said(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn failed(error: &tokio_postgres::Error) -> DatabaseError {
    match error.as_db_error() {
        None => DatabaseError::Lost(said(error)),
        Some(of) => DatabaseError::Server(Box::new(ServerMessage {
            severity: of.severity().to_owned(),
            code: of.code().code().to_owned(),
            message: of.message().to_owned(),
            detail: of.detail().map(str::to_owned),
            hint: of.hint().map(str::to_owned),
            fields: Vec::new(),
        })),
    }
}

impl Session {
    /// Sets what the run has set, so that look-ups see what the run would. False where that is not known, or nothing
    /// that this server takes.
    pub(super) async fn follow(&mut self, what: Followed, to: &SetTo) -> Result<bool, DatabaseError> {
        let name = what.name();
        let text = match to {
            SetTo::Unclear => return Ok(false),
            SetTo::Own if !self.set.contains_key(name) => return Ok(true),
            SetTo::Own => {
                self.simple(&format!("RESET {name}")).await?;
                self.set.remove(name);
                return Ok(true);
            }
            SetTo::Text(text) if self.set.get(name) == Some(text) => return Ok(true),
            SetTo::Text(text) => text,
        };
        let (shown, value) = (quote_literal(name), quote_literal(text));
        match self.simple(&format!("SELECT pg_catalog.set_config({shown}, {value}, false)")).await {
            Ok(_) => {
                if what == Followed::SearchPath {
                    self.sees(text).await?;
                }
                self.set.insert(name, text.clone());
                Ok(true)
            }
            Err(DatabaseError::Server(_)) => Ok(false),
            Err(lost) => Err(lost),
        }
    }

    /// What it may not use it does not find, and would take for missing.
    async fn sees(&self, path: &str) -> Result<(), DatabaseError> {
        let names = schemas(path).unwrap_or_default();
        let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
        let hidden = self
            .simple(&format!(
                "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY (ARRAY[{}]::pg_catalog.text[]) \
                 AND NOT pg_catalog.has_schema_privilege(oid, 'USAGE')",
                names.join(", ")
            ))
            .await?;
        match hidden.concat().into_iter().flatten().next() {
            None => Ok(()),
            Some(schema) => Err(DatabaseError::Server(Box::new(ServerMessage {
                severity: "ERROR".to_owned(),
                code: INSUFFICIENT_PRIVILEGE.to_owned(),
                message: format!(
                    "the run's search_path names schema {schema}, which the login may not look into: log in as the \
                     role that runs it, or grant USAGE on the schema"
                ),
                ..ServerMessage::default()
            }))),
        }
    }

    async fn simple(&self, sql: &str) -> Result<Vec<Row>, DatabaseError> {
        let answer = self.client.simple_query(sql).await.map_err(|error| failed(&error))?;
        let rows = answer.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// A statement with parameters is prepared once: values of the simple protocol are text, as they are asked for.
    async fn prepared(&mut self, sql: &str) -> Result<String, DatabaseError> {
        if let Some(name) = self.prepared.get(sql) {
            return Ok(name.clone());
        }
        let name = format!("lockkeeper_lint_{}", self.prepared.len());
        self.simple(&format!("PREPARE {name} AS {sql}")).await?;
        self.prepared.insert(sql.to_owned(), name.clone());
        Ok(name)
    }
}

impl Database for Session {
    async fn execute(&mut self, sql: &str) -> Result<Done, DatabaseError> {
        self.simple(sql).await?;
        Ok(Done::default())
    }

    async fn query(&mut self, sql: &str, parameters: &[Option<&str>]) -> Result<Vec<Row>, DatabaseError> {
        if parameters.is_empty() {
            return self.simple(sql).await;
        }
        let name = self.prepared(sql).await?;
        let values = parameters.iter().map(|value| value.map_or_else(|| "NULL".to_owned(), quote_literal));
        self.simple(&format!("EXECUTE {name} ({})", values.collect::<Vec<_>>().join(", "))).await
    }

    fn transaction_status(&self) -> TransactionStatus {
        TransactionStatus::Idle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says_of_tls_is_taken_out() {
        let tls =
            |mode: &str, root: Option<&str>| SaidOfTls { mode: Some(mode.to_owned()), root: root.map(str::to_owned) };
        for (url, bare, expected) in [
            ("postgres://a@h/d", "postgres://a@h/d", SaidOfTls::default()),
            ("postgres://a@h/d?sslmode=require", "postgres://a@h/d", tls("require", None)),
            (
                "postgres://h/d?connect_timeout=3&sslmode=verify-full&sslrootcert=/r.pem",
                "postgres://h/d?connect_timeout=3",
                tls("verify-full", Some("/r.pem")),
            ),
            ("host=h sslmode=disable dbname=d", "host=h dbname=d", tls("disable", None)),
        ] {
            assert_eq!(without_tls(url), (bare.to_owned(), expected), "{url}");
        }
        assert!(Login::from_url("postgres://a@h/d?sslmode=nosuch").is_err());
        assert!(Login::from_url("postgres:///d").is_err());
    }
}
