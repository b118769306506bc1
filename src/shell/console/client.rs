//! The command line's side of the admin door.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::Body;
use super::cli::CliError;
use super::door::{ADDRESS_FILE, TOKEN_FILE};
use super::problem::Problem;

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
    /// Reviewer's token; never on the command line, where others can see it
    #[arg(skip)]
    pub token: Option<String>,
}

/// One running gateway.
pub(super) struct Client {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Client {
    pub(super) fn new(connection: &Connection) -> Result<Self, CliError> {
        let written = || read(&connection.data_dir.join(ADDRESS_FILE));
        let admin = connection.admin.clone().or_else(written).unwrap_or_else(|| DEFAULT_ADMIN.to_owned());
        let base = admin.strip_prefix("http://").unwrap_or(&admin).trim_end_matches('/').to_owned();
        if base.is_empty() || base.contains("://") || base.contains(['/', '@', ' ']) {
            return Err(CliError::Usage(format!("--admin takes HOST:PORT, not {base:?}")));
        }
        let environment = || std::env::var("LOCKKEEPER_TOKEN").ok().filter(|token| !token.is_empty());
        let token_path = connection.data_dir.join(TOKEN_FILE);
        let token = connection.token.clone().or_else(environment).or_else(|| read(&token_path)).ok_or_else(|| {
            CliError::Usage(format!(
                "no token: {} cannot be read; point --data-dir at the gateway's data directory, \
                 or put your reviewer's token into LOCKKEEPER_TOKEN",
                token_path.display()
            ))
        })?;
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CliError::Usage("LOCKKEEPER_TOKEN holds more than a token: blanks or line ends".into()));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            // A proxy of the environment would be told the token.
            .proxy(None)
            .build()
            .into();
        Ok(Self { agent, base: format!("http://{base}"), token })
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
