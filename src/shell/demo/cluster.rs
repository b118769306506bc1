//! A database server of our own: loopback only, with a password nobody knows, and gone afterwards.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Child;
use tokio_postgres::Client;

use super::DemoError;
use super::directory::{Account, Directory, random_word};
use super::find::Server;
use super::process;
use super::session::{Login, Session, connect};

/// A running server.
pub(super) struct Cluster {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
    password: String,
}

impl Cluster {
    pub(super) async fn start(
        server: Server,
        account: Option<Account>,
        directory: &Directory,
    ) -> Result<Self, DemoError> {
        let home = directory.create("postgres", account.as_ref())?;
        let data = home.join("data");
        let password = random_word()?;
        init(&server, account.as_ref(), &data, &password).await?;
        let address = free_address()?;
        let log = directory.path().join("postgres.log");
        let output = std::fs::File::create(&log).map_err(DemoError::io("the server's log cannot be created"))?;
        let errors = output.try_clone().map_err(DemoError::io("the server's log cannot be created"))?;
        let mut command = process::command(&server.bin.join("postgres"), account.as_ref());
        command.arg("-D").arg(&data);
        for setting in settings(address) {
            command.arg("-c").arg(setting);
        }
        let child =
            command.stdout(output).stderr(errors).spawn().map_err(DemoError::io("postgres cannot be started"))?;
        Ok(Self { child, log, address, password })
    }

    pub(super) async fn wait_until_ready(&mut self) -> Result<(), DemoError> {
        let login = self.superuser("postgres");
        for _ in 0..300 {
            if connect(&login).await.is_ok() {
                return Ok(());
            }
            tokio::select! {
                error = self.ended() => return Err(error),
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
        Err(DemoError::Child("the server is not ready after 30 s".into()))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn superuser(&self, database: &'static str) -> Login {
        let password = self.password.clone();
        Login { address: self.address, user: "postgres", password, database, application: "lockkeeper demo setup" }
    }

    /// The developer who owns the tables.
    pub(super) fn developer(&self, address: SocketAddr) -> Login {
        Login { address, user: "ann", password: self.password.clone(), database: "shop", application: "psql" }
    }

    /// The program whose users must not notice anything.
    pub(super) fn application(&self, address: SocketAddr) -> Login {
        Login { address, user: "app", password: self.password.clone(), database: "shop", application: "shop" }
    }

    /// Makes the database and its people; the session is the developer's own, directly to the server.
    pub(super) async fn create_shop(&self) -> Result<Client, DemoError> {
        let failed = || DemoError::database("the demo's database cannot be created");
        let Session { client, .. } = connect(&self.superuser("postgres")).await.map_err(failed())?;
        for sql in [
            format!("CREATE ROLE ann LOGIN PASSWORD '{}'", self.password),
            format!("CREATE ROLE app LOGIN PASSWORD '{}'", self.password),
            "CREATE DATABASE shop OWNER ann".to_owned(),
        ] {
            client.batch_execute(&sql).await.map_err(failed())?;
        }
        let Session { client, .. } = connect(&self.superuser("shop")).await.map_err(failed())?;
        client.batch_execute("ALTER SCHEMA public OWNER TO ann").await.map_err(failed())?;
        let Session { client, .. } = connect(&self.developer(self.address)).await.map_err(failed())?;
        Ok(client)
    }

    /// Only returns when the server is gone, which it should not be.
    pub(super) async fn ended(&mut self) -> DemoError {
        process::ended(&mut self.child, "the PostgreSQL server", &self.log).await
    }

    pub(super) async fn stop(&mut self) {
        // Immediate shutdown: nothing of it is needed any more.
        process::stop(&mut self.child, "QUIT", Duration::from_secs(10)).await;
    }
}

async fn init(server: &Server, account: Option<&Account>, data: &Path, password: &str) -> Result<(), DemoError> {
    let file = data.with_file_name("password");
    std::fs::write(&file, password).map_err(DemoError::io("the password cannot be written"))?;
    if let Some(account) = account {
        std::os::unix::fs::chown(&file, Some(account.uid), Some(account.gid))
            .map_err(DemoError::io("the password cannot be written"))?;
    }
    let mut initdb = process::command(&server.bin.join("initdb"), account);
    initdb.arg("-D").arg(data).arg(format!("--pwfile={}", file.display()));
    initdb.args(["-U", "postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]);
    process::output(initdb, "initdb").await?;
    std::fs::remove_file(&file).map_err(DemoError::io("the password file cannot be removed"))
}

/// A port that was free a moment ago.
fn free_address() -> Result<SocketAddr, DemoError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(DemoError::io("no free port"))?;
    listener.local_addr().map_err(DemoError::io("no free port"))
}

/// Durability is of no use here, and syncing would only measure this machine's disk.
fn settings(address: SocketAddr) -> Vec<String> {
    let mut settings = vec![format!("port={}", address.port())];
    settings.extend(
        [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_wal_size=4GB",
            "shared_buffers=256MB",
            "max_connections=50",
        ]
        .map(str::to_owned),
    );
    settings
}
