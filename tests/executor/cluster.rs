//! Throw-away servers: the machine's own and those named by `LOCKKEEPER_PG_<major>_BIN`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Cluster {
    pub(crate) major: u32,
    bin: PathBuf,
    dir: tempfile::TempDir,
    /// Servers refuse to run as root.
    user: Option<(u32, u32)>,
}

/// Every server there is to test.
pub(crate) fn all() -> Vec<Cluster> {
    let mut bins: Vec<(u32, PathBuf)> = Vec::new();
    for major in 14..=18 {
        let named = std::env::var_os(format!("LOCKKEEPER_PG_{major}_BIN")).map(PathBuf::from);
        let packaged = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
        if let Some(bin) = named.or_else(|| packaged.exists().then_some(packaged)) {
            bins.push((major, bin));
        }
    }
    assert!(!bins.is_empty(), "no PostgreSQL server: install one, or name its programs' folder in LOCKKEEPER_PG_15_BIN");
    bins.into_iter().map(|(major, bin)| Cluster::start(major, bin)).collect()
}

impl Cluster {
    fn start(major: u32, bin: PathBuf) -> Cluster {
        let dir = tempfile::Builder::new().prefix("lk").tempdir_in("/tmp").unwrap();
        let root = fs::metadata("/proc/self").is_ok_and(|of| std::os::unix::fs::MetadataExt::uid(&of) == 0);
        let user = root.then(|| {
            let nobody = Command::new("id").args(["-u", "nobody"]).output().unwrap();
            let id: u32 = String::from_utf8_lossy(&nobody.stdout).trim().parse().unwrap();
            std::os::unix::fs::chown(dir.path(), Some(id), Some(id)).unwrap();
            (id, id)
        });
        let cluster = Cluster { major, bin, dir, user };
        let data = cluster.data();
        cluster.command("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "--locale=C", "-E", "UTF8", "-N"]);
        let socket = cluster.dir.path().display().to_string();
        let options = format!("-k {socket} -p 5432 -c listen_addresses= -c fsync=off -c max_prepared_transactions=5");
        cluster.command("pg_ctl", &["-D", &data, "-w", "-o", &options, "-l", &format!("{socket}/log"), "start"]);
        cluster
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join(".s.PGSQL.5432")
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    fn command(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(Path::new(&self.bin).join(program));
        command.args(arguments).current_dir("/").env_remove("PGDATA").stdout(std::process::Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        assert!(command.status().unwrap().success(), "{program} {arguments:?}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.command("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }
}
