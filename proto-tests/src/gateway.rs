//! The product under test: the real binary, started per test, or one that runs already.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::binary::BINARY;
use crate::client::{Client, Session, Target};
use crate::process::{Watchdog, run, signal, wait_until};
use crate::pump::Pump;
use crate::server::Server;

/// How the gateway is started. The only place that knows its flags and the keys of its configuration.
#[derive(Default)]
pub struct GatewayOptions {
    /// `enforce` or `observe`; the product's default when absent.
    pub mode: Option<&'static str>,
    /// Lines of the configuration file; no file when empty.
    pub config: String,
    /// Address to listen on instead of a free port on loopback.
    pub listen: Option<String>,
    /// Address of the admin door instead of a free port on loopback.
    pub admin: Option<String>,
    /// Address of the upstream instead of the server's TCP address.
    pub upstream: Option<String>,
    /// Further arguments.
    pub arguments: Vec<String>,
}

impl GatewayOptions {
    /// Answers a held change with an error at once instead of letting the client wait.
    #[must_use]
    pub fn answer_at_once() -> Self {
        Self { config: "[hold]\nmode = \"answer\"\n".into(), ..Self::default() }
    }

    /// Shows clients this certificate; `mode` is `disable`, `prefer` or `require`.
    #[must_use]
    pub fn tls(mode: &str, cert: &Path, key: &Path) -> Self {
        let (cert, key) = (cert.display(), key.display());
        let config = format!("[tls]\nmode = \"{mode}\"\ncert_file = \"{cert}\"\nkey_file = \"{key}\"\n");
        Self { config, ..Self::default() }
    }

    /// Asks this much of the server's own TLS; `mode` is as libpq's `sslmode`.
    #[must_use]
    pub fn upstream_tls(mode: &str, root: &Path) -> Self {
        let target = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\n[targets.upstream_tls]";
        let root =
            if mode.starts_with("verify") { format!("root_file = \"{}\"\n", root.display()) } else { String::new() };
        Self { config: format!("{target}\nmode = \"{mode}\"\n{root}"), ..Self::default() }
    }

    /// Listens on a Unix socket before a server's Unix socket.
    #[must_use]
    pub fn unix(listen: &Path, upstream: &Path) -> Self {
        let text = |path: &Path| Some(path.to_string_lossy().into_owned());
        Self { listen: text(listen), upstream: text(upstream), ..Self::default() }
    }

    /// Checks passwords itself against `users`, and logs in to the server as `user` with the password in `secret`.
    #[must_use]
    pub fn scram(users: &Path, user: &str, secret: &Path) -> Self {
        let (users, secret) = (users.display(), secret.display());
        let target = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\n[targets.auth]\nmethod = \"scram\"";
        let server =
            format!("upstream_user = \"{user}\"\nupstream_password_file = \"{secret}\"\nallow_cleartext = true");
        Self { config: format!("{target}\nusers_file = \"{users}\"\n{server}\n"), ..Self::default() }
    }

    /// Room for so many sessions and so many connections at the door, which may stay there for so many seconds.
    #[must_use]
    pub fn room(connections: u32, entering: u32, seconds: u32) -> Self {
        let limits = format!("connections_max = {connections}\nunauthenticated_max = {entering}");
        Self { config: format!("[limits]\n{limits}\nauth_timeout_s = {seconds}\n"), ..Self::default() }
    }

    /// Gives busy sessions so many seconds when it is stopped.
    #[must_use]
    pub fn drain_for(seconds: u32) -> Self {
        Self { config: format!("[limits]\ndrain_timeout_s = {seconds}\n"), ..Self::default() }
    }

    /// Runs plans as jobs, for everybody whom the server lets in without a password, with backfills that take
    /// their time: so many percent of pause after each batch. `gone` is what a job does when its client leaves.
    #[must_use]
    pub fn jobs(gone: &str, pause_percent: u32) -> Self {
        let executor = format!("[executor]\nbatch_ms = 10\nbatch_pause_percent = {pause_percent}\nprogress_s = 1\n");
        let target = "[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\n";
        let jobs = format!("[targets.jobs]\non_client_gone = \"{gone}\"\n[[targets.jobs.logins]]\nroles = [\"*\"]\n");
        Self { config: format!("{executor}{target}{jobs}"), ..Self::default() }
    }

    /// Splits what cannot run whole in a transaction block, for everybody whom the server lets in without a
    /// password, and answers these rules like this.
    #[must_use]
    pub fn deferring(responses: &str) -> Self {
        let jobs = "[[targets.jobs.logins]]\nroles = [\"*\"]\n";
        let rules = format!("[[policy.own.rules]]\nin_transaction = \"defer\"\nresponses = {{ {responses} }}\n");
        Self { config: format!("{}{jobs}{rules}", policy("own")), ..Self::default() }
    }

    /// Judges by a shipped policy.
    #[must_use]
    pub fn policy(name: &str) -> Self {
        Self { config: policy(name), ..Self::default() }
    }

    /// Answers these rules like this, and the others as shipped: `change-type = "rewrite"`.
    #[must_use]
    pub fn answers(responses: &str) -> Self {
        let rules = format!("[[policy.own.rules]]\nresponses = {{ {responses} }}\n");
        Self { config: format!("{}{rules}", policy("own")), ..Self::default() }
    }

    /// Lets a held change expire after this many seconds.
    #[must_use]
    pub fn expire_after(seconds: u32) -> Self {
        Self { config: format!("[hold]\npending_expiry_s = {seconds}\n"), ..Self::default() }
    }

    /// Lets a client wait for an approval for this many seconds.
    #[must_use]
    pub fn wait_at_most(seconds: u32) -> Self {
        Self { config: format!("[hold]\nwait_limit_s = {seconds}\n"), ..Self::default() }
    }
}

fn policy(name: &str) -> String {
    format!("[[targets]]\nname = \"default\"\ndatabases = [\"*\"]\npolicy = \"{name}\"\n")
}

enum Kind {
    Binary(Mutex<Option<(Child, Watchdog)>>),
    Running,
    StandIn { _pump: Pump },
}

/// A running gateway and its data directory.
pub struct Gateway {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Its data directory.
    pub data: PathBuf,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    kind: Kind,
}

/// What a run of `lockkeeper lint` gave.
pub struct Linted {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs `lockkeeper lint` in a directory, with this on its standard input. Programs in the directory's `bin` are
/// found before others.
#[must_use]
pub fn lint(directory: &Path, arguments: &[&str], input: &str) -> Linted {
    let mut command = Command::new(&*BINARY);
    command.arg("lint").args(arguments).current_dir(directory);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", directory.join("bin").display()));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lint starts");
    // It need not read it.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("lint ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Linted { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// Whether a byte pump stands in for the gateway, to try the harness itself.
#[must_use]
pub fn stand_in() -> bool {
    std::env::var("LOCKKEEPER_STAND_IN").is_ok()
}

impl Gateway {
    /// Starts the gateway before `server` with its defaults.
    #[must_use]
    pub fn start(server: &Server) -> Self {
        Self::with(server, &GatewayOptions::default())
    }

    /// Starts the gateway before `server`.
    #[must_use]
    pub fn with(server: &Server, options: &GatewayOptions) -> Self {
        Self::before(&server.address.to_string(), options)
    }

    /// Starts the gateway before any upstream address.
    #[must_use]
    pub fn before(upstream: &str, options: &GatewayOptions) -> Self {
        let directory = tempfile::Builder::new().prefix("proto-gw-").tempdir().unwrap();
        let data = directory.path().join("data");
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Self { address: unknown, data, directory, arguments: Vec::new(), kind: Kind::Running };
        if stand_in() {
            let pump = Pump::to(upstream.parse().expect("the stand-in forwards over TCP"));
            gateway.address = pump.address();
            gateway.kind = Kind::StandIn { _pump: pump };
        } else if let Ok(address) = std::env::var("GATEWAY_ADDR") {
            gateway.address = address.parse().expect("GATEWAY_ADDR is HOST:PORT");
        } else {
            gateway.arguments = arguments(&gateway, upstream, options);
            gateway.kind = Kind::Binary(Mutex::new(None));
            gateway.run();
        }
        gateway
    }

    /// Starts the process; also after `kill` or `stop`, on the same data directory and, if it may, port.
    pub fn run(&mut self) {
        let path = self.directory.path().join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let before = self.log().len();
        let mut child = Command::new(&*BINARY)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", BINARY.display()));
        let watchdog = Watchdog::over(child.id(), "");
        let ready = wait_until("the gateway listens", Duration::from_secs(20), || {
            let log = self.log();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the gateway ended at once with {status}: {log}");
            }
            let rest = log[before..].split_once("listening on ")?.1.split_once('\n')?.0.to_owned();
            Some(rest)
        });
        let end = ready.find(|c: char| c.is_whitespace() || c == '"' || c == ',').unwrap_or(ready.len());
        if let Ok(address) = ready[..end].trim_end_matches(['.', ';', '\u{1b}']).parse() {
            self.address = address;
        }
        self.kind = Kind::Binary(Mutex::new(Some((child, watchdog))));
    }

    /// A session through the gateway.
    #[must_use]
    pub fn connect(&self, user: &str, database: &str) -> Client {
        self.session(user, database).connect().unwrap_or_else(|e| panic!("{e:?}; log: {}", self.log()))
    }

    /// A session through the gateway that is not opened yet.
    #[must_use]
    pub fn session(&self, user: &str, database: &str) -> Session {
        Session::at(Target::Tcp(self.address)).user(user).database(database)
    }

    /// Runs a command of the gateway's own command line against its data directory.
    pub fn cli(&self, arguments: &[&str]) -> (bool, String) {
        run(&mut self.command(arguments), "")
    }

    /// A command of the gateway's own command line that is not run yet.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&*BINARY);
        command.args(arguments).arg("--data-dir").arg(&self.data);
        command
    }

    /// Runs a command that must succeed and returns what it printed.
    pub fn must(&self, arguments: &[&str]) -> String {
        let (ok, text) = self.cli(arguments);
        assert!(ok, "lockkeeper {arguments:?}: {text}; log: {}", self.log());
        text
    }

    /// The list of tickets.
    #[must_use]
    pub fn tickets(&self) -> String {
        self.must(&["tickets"])
    }

    /// One ticket in full.
    #[must_use]
    pub fn show(&self, ticket: &str) -> String {
        self.must(&["tickets", "show", ticket])
    }

    /// Approves as somebody; the tickets' commands stand here only.
    #[must_use]
    pub fn try_approve(&self, ticket: &str, who: &str) -> (bool, String) {
        self.cli(&["approve", ticket, "--as", who])
    }

    /// Approves as somebody who may.
    pub fn approve(&self, ticket: &str, who: &str) {
        let (ok, text) = self.try_approve(ticket, who);
        assert!(ok, "approve {ticket} as {who}: {text}; log: {}", self.log());
    }

    /// Rejects as somebody.
    pub fn reject(&self, ticket: &str, who: &str, reason: &str) {
        self.must(&["reject", ticket, "--reason", reason, "--as", who]);
    }

    /// Takes a request back.
    pub fn withdraw(&self, ticket: &str, who: &str) {
        self.must(&["cancel", ticket, "--as", who]);
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &self.kind {
            Kind::Binary(process) => process.lock().unwrap().as_ref().map(|(child, _)| child.id()),
            Kind::Running | Kind::StandIn { .. } => None,
        }
    }

    /// Memory in use in kibibytes, where the system tells.
    #[must_use]
    pub fn memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Open file descriptors, where the system tells.
    #[must_use]
    pub fn descriptors(&self) -> Option<usize> {
        Some(fs::read_dir(format!("/proc/{}/fd", self.pid()?)).ok()?.count())
    }

    /// Every line of its record so far, as JSON.
    #[must_use]
    pub fn record(&self) -> Vec<serde_json::Value> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.data.join("record")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let texts = files.into_iter().map(|file| fs::read_to_string(file).unwrap_or_default());
        let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What it printed and logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes its configuration file anew, with a shipped policy, and lets it read that.
    pub fn reload_policy(&self, name: &str) {
        self.reload(&policy(name));
    }

    /// Writes its configuration file anew and lets it read that.
    pub fn reload(&self, config: &str) {
        fs::write(self.directory.path().join("gateway.toml"), config).unwrap();
        signal(self.pid().expect("it runs"), "HUP");
    }

    /// Kills the process as a power cut would.
    pub fn kill(&self) {
        self.end("KILL");
    }

    /// Asks the process to drain and waits for its end.
    pub fn stop(&self) {
        self.end("TERM");
    }

    fn end(&self, name: &str) {
        let Kind::Binary(process) = &self.kind else { return };
        let taken = process.lock().unwrap().take();
        if let Some((mut child, watchdog)) = taken {
            signal(child.id(), name);
            wait_until("the gateway ends", Duration::from_secs(30), || child.try_wait().unwrap());
            drop(watchdog);
        }
    }

    /// Panics unless the process lives and has never panicked itself.
    pub fn assert_healthy(&self) {
        if let Kind::Binary(process) = &self.kind {
            let mut process = process.lock().unwrap();
            let ended = process.as_mut().and_then(|(child, _)| child.try_wait().unwrap());
            assert!(ended.is_none(), "the gateway ended with {ended:?}: {}", self.log());
        }
        self.assert_no_panic();
    }

    fn assert_no_panic(&self) {
        let log = self.log();
        assert!(!log.contains("panicked at"), "the gateway panicked: {log}");
    }
}

fn arguments(gateway: &Gateway, upstream: &str, options: &GatewayOptions) -> Vec<String> {
    let mut list = vec!["serve".to_owned()];
    let mut option = |name: &str, value: String| list.extend([format!("--{name}"), value]);
    option("listen", options.listen.clone().unwrap_or_else(|| "127.0.0.1:0".into()));
    option("upstream", options.upstream.clone().unwrap_or_else(|| upstream.to_owned()));
    option("data-dir", gateway.data.to_string_lossy().into_owned());
    option("admin", options.admin.clone().unwrap_or_else(|| "127.0.0.1:0".into()));
    if let Some(mode) = options.mode {
        option("mode", mode.into());
    }
    if !options.config.is_empty() {
        let path: PathBuf = Path::new(gateway.directory.path()).join("gateway.toml");
        fs::write(&path, &options.config).unwrap();
        option("config", path.to_string_lossy().into_owned());
    }
    list.extend(options.arguments.iter().cloned());
    list
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of the gateway\n{}\n---", self.log());
            self.end("KILL");
        } else {
            self.assert_no_panic();
            self.end("KILL");
        }
    }
}
