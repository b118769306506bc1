//! The ways to reach Postgres that are compared in one run.

use crate::cluster::{Cluster, free_port};
use crate::process::{Running, lower};
use crate::settings::Programs;
use crate::wire::Wire;
use crate::{Fault, Outcome};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const START_WAIT: Duration = Duration::from_secs(20);

/// What a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Direct,
    Floor,
    PgBouncer,
    Lockkeeper,
}

impl Kind {
    /// The name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Direct => "direct",
            Kind::Floor => "floor",
            Kind::PgBouncer => "pgbouncer",
            Kind::Lockkeeper => "lockkeeper",
        }
    }
}

/// A port to connect to, and the process behind it unless it is Postgres itself.
pub struct Subject {
    pub kind: Kind,
    pub port: u16,
    pub process: Option<Running>,
    /// Where the subject keeps its record, if it keeps one.
    pub record: Option<PathBuf>,
}

impl Subject {
    /// CPU time of the proxy so far; zero for Postgres itself.
    pub fn cpu(&self) -> Outcome<Duration> {
        self.process.as_ref().map_or(Ok(Duration::ZERO), Running::cpu)
    }

    /// The proxy's process id.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Running::id)
    }
}

/// Postgres without anything in between.
pub fn direct(cluster: &Cluster) -> Subject {
    Subject { kind: Kind::Direct, port: cluster.port(), process: None, record: None }
}

/// The raw byte pump built beside this program.
pub fn floor(cluster: &Cluster) -> Outcome<Subject> {
    let port = free_port()?;
    let mut command = Command::new(beside_us("floor")?);
    command.arg(format!("127.0.0.1:{port}"));
    command.arg(format!("127.0.0.1:{}", cluster.port()));
    start(Kind::Floor, port, command, cluster)
}

/// PgBouncer in session mode, its log as shipped, room for every session of the run.
pub fn pgbouncer(cluster: &Cluster) -> Outcome<Subject> {
    let port = free_port()?;
    let directory = cluster.directory();
    let users = directory.join("pgbouncer.users");
    let file = directory.join("pgbouncer.ini");
    fs::write(&users, "\"postgres\" \"\"\n")?;
    fs::write(
        &file,
        format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}\n\
             pool_mode = session\ndefault_pool_size = 2000\nmax_client_conn = 3000\n\
             ignore_startup_parameters = extra_float_digits\n",
            cluster.port(),
            users.display()
        ),
    )?;
    let mut command = Command::new(find_pgbouncer()?);
    command.arg(&file);
    lower(&mut command, cluster.account());
    start(Kind::PgBouncer, port, command, cluster)
}

/// Lockkeeper as a newcomer gets it: judging on, record on, no configuration file;
/// only the limit on connections is raised.
pub fn lockkeeper(cluster: &Cluster, program: &Path, config: Option<&str>) -> Outcome<Subject> {
    let port = free_port()?;
    let data = cluster.directory().join(format!("lockkeeper-{port}"));
    fs::create_dir_all(&data)?;
    let mut command = Command::new(program);
    command.arg("serve");
    command.args(["--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--upstream", &format!("127.0.0.1:{}", cluster.port())]);
    command.args(["--admin", &format!("127.0.0.1:{}", free_port()?)]);
    command.arg("--data-dir").arg(&data);
    if let Some(config) = config {
        let file = data.join("gateway.toml");
        fs::write(&file, config)?;
        command.arg("--config").arg(&file);
    }
    // The default limit on connections is below the number of idle sessions of a run.
    command.env("LOCKKEEPER_LIMITS__CONNECTIONS_MAX", "3000");
    let mut subject = start(Kind::Lockkeeper, port, command, cluster)?;
    subject.record = Some(data);
    Ok(subject)
}

/// The release build of Lockkeeper: built now unless a path is given.
pub fn lockkeeper_program(programs: &Programs) -> Outcome<PathBuf> {
    if let Some(given) = &programs.lockkeeper {
        return Ok(given.clone());
    }
    if !programs.no_build {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo).args(["build", "--release", "--package", "lockkeeper"]).status()?;
        if !status.success() {
            return Err("cargo build --release --package lockkeeper failed".into());
        }
    }
    beside_us("lockkeeper").or_else(|_| {
        let usual = PathBuf::from("target/release/lockkeeper");
        if usual.exists() {
            return Ok(usual);
        }
        Err("there is no release build of lockkeeper".into())
    })
}

fn start(kind: Kind, port: u16, command: Command, cluster: &Cluster) -> Outcome<Subject> {
    let log = cluster.directory().join(format!("{}-{port}.log", kind.name()));
    let mut process = Running::start(kind.name(), command, &log)?;
    if kind == Kind::PgBouncer {
        process = process.stopped_by(Signal::QUIT);
    }
    process.wait_until(START_WAIT, || Wire::connect(port, "postgres").is_ok())?;
    Ok(Subject { kind, port, process: Some(process), record: None })
}

fn beside_us(name: &str) -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().ok_or("this program has no folder")?;
    let path = folder.join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} does not exist; build it with: cargo build --release -p bench", path.display()).into())
}

fn find_pgbouncer() -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|place| place.join("pgbouncer"))
        .find(|program| program.exists())
        .ok_or_else(|| Fault::from("pgbouncer is not installed (Debian: apt-get install pgbouncer)"))
}
