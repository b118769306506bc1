//! A throw-away Postgres: found, created, started, and gone at the end.

use crate::process::{Account, Running, lower, scratch, unprivileged};
use crate::wire::Wire;
use crate::{Fault, Outcome};
use rustix::process::Signal;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START_WAIT: Duration = Duration::from_secs(60);

/// A running server and its scratch directory.
pub struct Cluster {
    // The server must end before its directory goes: fields drop in this order.
    server: Running,
    directory: tempfile::TempDir,
    bin: PathBuf,
    account: Option<Account>,
    port: u16,
}

impl Cluster {
    /// Creates and starts a server with the given settings ("name=value").
    pub fn start(bin: Option<&Path>, settings: &[&str]) -> Outcome<Cluster> {
        let bin = match bin {
            Some(bin) => bin.to_path_buf(),
            None => find_bin()?,
        };
        let account = unprivileged()?;
        let directory = scratch(account)?;
        let data = directory.path().join("data");
        create(&bin, &data, account)?;
        let port = free_port()?;
        let mut command = Command::new(bin.join("postgres"));
        command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        command.arg("-k").arg(directory.path());
        for setting in settings {
            command.args(["-c", setting]);
        }
        command.current_dir(directory.path());
        lower(&mut command, account);
        let log = directory.path().join("postgres.log");
        let server = Running::start("postgres", command, &log)?;
        let mut cluster = Cluster { server: server.stopped_by(Signal::QUIT), directory, bin, account, port };
        cluster.server.wait_until(START_WAIT, || Wire::connect(port, "postgres").is_ok())?;
        Ok(cluster)
    }

    /// The TCP port on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A directory for the files of other programs of the same run.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The account servers run under.
    pub fn account(&self) -> Option<Account> {
        self.account
    }

    /// A program of this server's version, such as pgbench.
    pub fn program(&self, name: &str) -> PathBuf {
        let own = self.bin.join(name);
        if own.exists() { own } else { PathBuf::from(name) }
    }

    /// Runs statements one by one, directly on the server.
    pub fn run(&self, database: &str, statements: &[&str]) -> Outcome<String> {
        let mut wire = Wire::connect(self.port, database)?;
        let mut value = String::new();
        for statement in statements {
            let answer = wire.query(statement)?.must();
            value = answer.map_err(|error| format!("{statement}: {error}"))?.value;
        }
        Ok(value)
    }
}

fn create(bin: &Path, data: &Path, account: Option<Account>) -> Outcome<()> {
    let mut command = Command::new(bin.join("initdb"));
    command.arg("-D").arg(data).args(["-U", "postgres", "-A", "trust"]);
    command.args(["-E", "UTF8", "--locale=C", "--no-sync"]);
    command.current_dir("/");
    lower(&mut command, account);
    let output = command.output().map_err(|error| Fault::from(format!("initdb cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The newest installed server: Debian's place, then Homebrew's, then the search path.
fn find_bin() -> Outcome<PathBuf> {
    let mut found = Vec::new();
    for (root, prefix) in
        [("/usr/lib/postgresql", ""), ("/opt/homebrew/opt", "postgresql@"), ("/usr/local/opt", "postgresql@")]
    {
        let Ok(entries) = std::fs::read_dir(root) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let major = name.strip_prefix(prefix).and_then(|rest| rest.parse::<u32>().ok());
            let bin = entry.path().join("bin");
            if let Some(major) = major
                && bin.join("initdb").exists()
            {
                found.push((major, bin));
            }
        }
    }
    let newest = found.into_iter().max_by_key(|(major, _)| *major);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|place| place.join("initdb").exists())
    };
    newest
        .map(|(_, bin)| bin)
        .or_else(on_path)
        .ok_or_else(|| "no Postgres server found; install one, or say where with --pg-bin".into())
}

/// A port nobody listens on at the moment.
pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
