//! Real PostgreSQL servers, each in a directory of its own, gone with the test.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::client::{Client, Session};
use crate::process::{Watchdog, signal, wait_until};

/// A running server.
pub struct Server {
    /// Its major version.
    pub major: u32,
    /// Its TCP address.
    pub address: SocketAddr,
    /// The directory of its Unix socket.
    pub socket_dir: PathBuf,
    bin: PathBuf,
    directory: PathBuf,
    owner: Option<(u32, u32)>,
    process: std::sync::Mutex<Option<(Child, Watchdog)>>,
}

/// The majors to test: those of `LOCKKEEPER_PG_MAJORS` that can be found. At least one must be there.
#[must_use]
pub fn majors() -> Vec<u32> {
    let wanted = std::env::var("LOCKKEEPER_PG_MAJORS").unwrap_or_else(|_| "14 15 18".into());
    let found: Vec<u32> =
        wanted.split_whitespace().filter_map(|m| m.parse().ok()).filter(|m| binaries(*m).is_some()).collect();
    assert!(!found.is_empty(), "none of the PostgreSQL majors {wanted} was found; run .ci/fetch-postgres");
    found
}

/// Where the programs of a major are.
fn binaries(major: u32) -> Option<PathBuf> {
    let named = std::env::var(format!("LOCKKEEPER_PG_{major}_BIN")).ok().map(PathBuf::from);
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(format!(".pg/{major}/bin"));
    let debian = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    let homebrew = PathBuf::from(format!("/opt/homebrew/opt/postgresql@{major}/bin"));
    named.into_iter().chain([debian, checkout, homebrew]).find(|bin| bin.join("initdb").exists())
}

/// The unprivileged user a server runs as when we are root, since it refuses to run as root.
fn unprivileged() -> Option<(u32, u32)> {
    let probe = tempfile::NamedTempFile::new().unwrap();
    if probe.as_file().metadata().unwrap().uid() != 0 {
        return None;
    }
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("a user postgres or nobody"))
}

/// Programs that an unprivileged user cannot reach (a checkout below a private home) are copied where it can.
fn reachable(bin: PathBuf, directory: &Path) -> PathBuf {
    let private = |path: &Path| fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o001 == 0);
    if !bin.ancestors().any(private) {
        return bin;
    }
    let copy = directory.join("server");
    let source = bin.parent().unwrap();
    let done = Command::new("cp").arg("-R").arg(source).arg(&copy).status().unwrap();
    assert!(done.success(), "copying {source:?} failed");
    copy.join("bin")
}

/// A port that is free, and that nobody but its asker is given: below those the system takes for connections, where
/// one of another test could stand before the server does, and a different one at each call.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Programs that run at the same time begin far from each other.
    let start = std::process::id().wrapping_mul(7_919);
    (0..COUNT)
        .map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

const HBA: &str = "\
local all all trust
host all scram_user 127.0.0.1/32 scram-sha-256
host all md5_user 127.0.0.1/32 md5
host all clear_user 127.0.0.1/32 password
host all refused_user 127.0.0.1/32 reject
host replication all 127.0.0.1/32 trust
host all all 127.0.0.1/32 trust
";

const SETTINGS: &str = "\
fsync = off
full_page_writes = off
autovacuum = off
max_connections = 200
shared_buffers = 64MB
max_wal_size = 4GB
log_lock_waits = on
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
";

impl Server {
    /// Makes and starts a cluster of the given major.
    #[must_use]
    pub fn start(major: u32) -> Self {
        let bin = binaries(major).unwrap_or_else(|| panic!("PostgreSQL {major} is not installed"));
        let directory = tempfile::Builder::new().prefix("proto-pg-").tempdir().unwrap().keep();
        let owner = unprivileged();
        let bin = if owner.is_some() { reachable(bin, &directory) } else { bin };
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
        }
        let server = Self {
            major,
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            socket_dir: directory.clone(),
            bin,
            directory,
            owner,
            process: std::sync::Mutex::new(None),
        };
        server.initialise();
        server.run();
        server.sql("postgres", ROLES);
        server
    }

    /// A copy of this server that streams from it, under this name.
    #[must_use]
    pub fn standby(&self, name: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("proto-pg-").tempdir().unwrap().keep();
        let bin = self.bin.clone();
        if let Some((uid, gid)) = self.owner {
            std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
        }
        let standby = Self {
            major: self.major,
            address: SocketAddr::from(([127, 0, 0, 1], free_port())),
            socket_dir: directory.clone(),
            bin,
            directory,
            owner: self.owner,
            process: std::sync::Mutex::new(None),
        };
        // By hand, since not every build has pg_basebackup.
        let (start, stop) = match self.major {
            15.. => ("pg_backup_start('standby', true)", "pg_backup_stop(false)"),
            _ => ("pg_start_backup('standby', true, false)", "pg_stop_backup(false, false)"),
        };
        let mut session = self.connect("postgres", "postgres");
        session.rows(&format!("SELECT {start}"));
        let data = standby.directory.join("data");
        // Files that go away while they are copied are none of the copy's.
        let _ = Command::new("cp").arg("-a").arg(self.directory.join("data")).arg(&data).output().unwrap();
        let label =
            session.rows(&format!("SELECT replace(labelfile, chr(10), '~') FROM {stop}")).concat().replace('~', "\n");
        let _ = fs::remove_file(data.join("postmaster.pid"));
        let from = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.address.port());
        let mut settings = fs::read_to_string(data.join("postgresql.auto.conf")).unwrap();
        settings.push_str(&format!("primary_conninfo = '{from}'\n"));
        let files = [("backup_label", label), ("standby.signal", String::new()), ("postgresql.auto.conf", settings)];
        for (file, text) in files {
            fs::write(data.join(file), text).unwrap();
            if let Some((uid, gid)) = self.owner {
                std::os::unix::fs::chown(data.join(file), Some(uid), Some(gid)).unwrap();
            }
        }
        standby.run();
        standby
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        // The builds of other distributions keep their own copies of the libraries beside them.
        let libraries = self.bin.parent().unwrap().join("lib");
        command.current_dir(&self.directory).env("LD_LIBRARY_PATH", libraries).stdin(Stdio::null());
        command
    }

    fn initialise(&self) {
        let data = self.directory.join("data");
        let output = self
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let mut settings = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        settings.push_str(SETTINGS);
        fs::write(data.join("postgresql.conf"), settings).unwrap();
    }

    /// Gives the server a certificate and starts it again; the key is made readable for the server only.
    pub fn use_tls(&self, cert: &str, key: &str) {
        self.crash();
        let data = self.directory.join("data");
        for (name, text, mode) in [("server.crt", cert, 0o644), ("server.key", key, 0o600)] {
            let path = data.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            if let Some((uid, gid)) = self.owner {
                std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
            }
        }
        let mut settings = fs::read_to_string(data.join("postgresql.conf")).unwrap();
        settings.push_str("ssl = on\n");
        fs::write(data.join("postgresql.conf"), settings).unwrap();
        self.run();
    }

    /// Starts the server process; also after `crash` or `stop`.
    pub fn run(&self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.directory.join("log")).unwrap();
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.directory.join("data"))
            .arg("-p")
            .arg(self.address.port().to_string())
            .args(["-c", "listen_addresses=127.0.0.1", "-k"])
            .arg(&self.socket_dir)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let watchdog = Watchdog::over(child.id(), &self.directory.to_string_lossy());
        *self.process.lock().unwrap() = Some((child, watchdog));
        wait_until("the server accepts connections", Duration::from_secs(30), || {
            let ended = self.process.lock().unwrap().as_mut().and_then(|(child, _)| child.try_wait().unwrap());
            assert!(ended.is_none(), "the server ended at once with {ended:?}: {}", self.log());
            Session::to(self.address).user("postgres").database("postgres").connect().ok()
        });
    }

    /// Ends the server at once, as a crash would.
    pub fn crash(&self) {
        self.end("QUIT");
    }

    fn end(&self, name: &str) {
        let taken = self.process.lock().unwrap().take();
        if let Some((mut child, watchdog)) = taken {
            signal(child.id(), name);
            let _ = child.wait();
            drop(watchdog);
        }
    }

    /// What the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A session straight to the server.
    #[must_use]
    pub fn connect(&self, user: &str, database: &str) -> Client {
        Session::to(self.address).user(user).database(database).connect().expect("a direct session")
    }

    /// Runs SQL as the superuser and returns the rows, columns joined with `|`.
    pub fn sql(&self, database: &str, sql: &str) -> Vec<String> {
        self.connect("postgres", database).rows(sql)
    }

    /// Makes a database `name` from `template` and returns its name.
    pub fn database(&self, name: &str, template: &str) -> String {
        self.sql("postgres", &format!("create database \"{name}\" template \"{template}\" owner alice"));
        name.to_owned()
    }
}

/// The people of the tests: alice owns the tables and asks, bob reviews, the others exist for one method of logging in.
const ROLES: &str = "\
create role alice login; create role bob login; create role carol login; create role dba superuser login;
set password_encryption = 'scram-sha-256'; create role scram_user login password 'pencil';
set password_encryption = 'md5'; create role md5_user login password 'pencil';
create role clear_user login password 'pencil'; create role refused_user login;
create role walker login replication";

impl Drop for Server {
    fn drop(&mut self) {
        self.end("QUIT");
        let _ = fs::remove_dir_all(&self.directory);
    }
}
