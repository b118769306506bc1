//! The command line's side of the admin door.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::Body;
use super::cli::CliError;
use super::door::{ADDRESS_FILE, TOKEN_FILE};
use super::keyring::{self, Keyring};
use super::problem::Problem;
use crate::shell::clock::now;

/// Longer than the longest poll.
const TIMEOUT: Duration = Duration::from_secs(90);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Where a gateway listens that wrote nothing down.
const DEFAULT_ADMIN: &str = "127.0.0.1:6434";
/// Where a gateway keeps its data that was told nothing else.
pub(super) const DEFAULT_DATA_DIR: &str = "lockkeeper-data";
/// Largest answer, in bytes: a page of the largest tickets.
const ANSWER_MAX: u64 = 64 << 20;

/// Where the gateway is, and what opens it.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Connection {
    /// Address of the admin door [default: from the data directory, else 127.0.0.1:6434]
    #[arg(long, value_name = "HOST:PORT", env = "LOCKKEEPER_ADMIN", global = true)]
    pub admin: Option<String>,
    /// Data directory of the gateway on this machine
    #[arg(long, value_name = "DIR", env = "LOCKKEEPER_DATA_DIR", default_value = DEFAULT_DATA_DIR, global = true)]
    pub data_dir: PathBuf,
    /// A token; never on the command line, where others can see it
    #[arg(skip)]
    pub token: Option<String>,
    /// Where sign-ins are kept [default: of the user]
    #[arg(skip)]
    pub sign_ins: Option<PathBuf>,
}

impl Connection {
    /// The admin door: HOST:PORT.
    pub(super) fn address(&self) -> Result<String, CliError> {
        let written = || read(&self.data_dir.join(ADDRESS_FILE));
        let admin = self.admin.clone().or_else(written).unwrap_or_else(|| DEFAULT_ADMIN.to_owned());
        let https = admin.starts_with("https://");
        let rest = admin.strip_prefix("http://").or_else(|| admin.strip_prefix("https://")).unwrap_or(&admin);
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() || rest.contains("://") || rest.contains(['/', '@', ' ']) {
            return Err(CliError::Usage(format!("--admin takes HOST:PORT or https://HOST:PORT, not {rest:?}")));
        }
        Ok(format!("{}{rest}", if https { "https://" } else { "" }))
    }

    /// The user's sign-ins.
    pub(super) fn keyring(&self) -> Result<Keyring, CliError> {
        Ok(Keyring::new(match &self.sign_ins {
            Some(path) => path.clone(),
            None => keyring::usual_place().ok_or_else(|| {
                CliError::Refused("there is no place for sign-ins: neither XDG_CONFIG_HOME nor HOME is set".to_owned())
            })?,
        }))
    }
}

/// One running gateway.
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Client {
    pub(super) fn new(connection: &Connection) -> Result<Self, CliError> {
        let address = connection.address()?;
        let environment = || std::env::var("LOCKKEEPER_TOKEN").ok().filter(|token| !token.is_empty());
        let token_path = connection.data_dir.join(TOKEN_FILE);
        let token = match connection.token.clone().or_else(environment) {
            Some(token) => token,
            None => match connection.keyring().ok().map(|keyring| keyring.find(&address, now())).transpose()?.flatten()
            {
                Some(token) => token,
                None => read(&token_path).ok_or_else(|| {
                    CliError::Refused(format!(
                        "no token: sign in with `lockkeeper login`, put a token of yours into LOCKKEEPER_TOKEN, or \
                         point --data-dir at the gateway's data directory ({} cannot be read)",
                        token_path.display()
                    ))
                })?,
            },
        };
        if token.contains(char::is_control) {
            return Err(CliError::Refused("LOCKKEEPER_TOKEN holds more than one line".into()));
        }
        Ok(Self::with(&address, token))
    }

    /// Without a token, to come by one.
    pub(super) fn nobody(connection: &Connection) -> Result<Self, CliError> {
        Ok(Self::with(&connection.address()?, String::new()))
    }

    pub(super) fn with(address: &str, token: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            // A proxy of the environment would be told the token.
            .proxy(None)
            .build()
            .into();
        let base = if address.starts_with("https://") { address.to_owned() } else { format!("http://{address}") };
        Self { agent, base, token }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let call = self.agent.get(format!("{}{path}", self.base)).header("Authorization", self.bearer()).call();
        self.answer(call)
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &Body) -> Result<T, CliError> {
        self.post_json(path, body)
    }

    pub(super) fn post_json<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CliError> {
        let call =
            self.agent.post(format!("{}{path}", self.base)).header("Authorization", self.bearer()).send_json(body);
        self.answer(call)
    }

    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let call = self.agent.delete(format!("{}{path}", self.base)).header("Authorization", self.bearer()).call();
        self.answer(call)
    }

    /// An answer of any length, as it comes.
    pub(super) fn copy(&self, path: &str, out: &mut dyn Write) -> Result<(), CliError> {
        let call = self.agent.get(format!("{}{path}", self.base)).header("Authorization", self.bearer()).call();
        match call {
            Ok(mut response) if response.status().is_success() => {
                std::io::copy(&mut response.body_mut().as_reader(), out)?;
                Ok(())
            }
            other => self.answer(other),
        }
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn answer<T: DeserializeOwned>(
        &self,
        call: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, CliError> {
        let unreachable =
            |error: ureq::Error| CliError::Unreachable { admin: self.base.clone(), why: error.to_string() };
        let mut response = call.map_err(unreachable)?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_MAX);
        if status.is_success() {
            return body.read_json().map_err(|error| CliError::Answer(error.to_string()));
        }
        match body.read_json::<Problem>() {
            Ok(problem) => Err(CliError::Refused(problem.detail)),
            Err(_) => Err(CliError::Answer(format!("status {status}: is {} a lockkeeper?", self.base))),
        }
    }
}

/// The first line of a file; nothing when it cannot be read.
fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
