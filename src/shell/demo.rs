//! `lockkeeper demo`: a throw-away PostgreSQL with a large table under live traffic, and the gateway before it,
//! to try by hand or, with `--script`, to watch the whole story.
//!
//! The gateway is a child process of the same binary, used only the way anybody would use it: over the
//! wire and by its command line. Nothing here may reach around it.

mod cluster;
mod directory;
mod find;
mod gateway;
mod live;
mod process;
mod script;
mod session;
mod summary;
mod table;
mod traffic;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use cluster::Cluster;
use directory::Directory;
use gateway::Gateway;

/// Try Lockkeeper on a throw-away database under live traffic
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Play the whole story without a person, and fail unless everything is as promised
    #[arg(long)]
    pub script: bool,
    /// Rows of the table
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..=100_000_000))]
    pub rows: u64,
    /// Keep the files (database, record, logs) afterwards
    #[arg(long)]
    pub keep: bool,
    /// Directory with PostgreSQL's `postgres` and `initdb`; found by itself in the usual places
    #[arg(long, value_name = "DIR", env = "LOCKKEEPER_POSTGRES")]
    pub postgres: Option<PathBuf>,
}

/// Why the demo ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("no PostgreSQL server found (13 or newer). {}", find::REMEDY)]
    NoServer,
    #[error("{what}: {source}")]
    Io { what: String, source: std::io::Error },
    #[error("{0}")]
    Child(String),
    #[error("{what}: {}", session::told(source))]
    Database { what: String, source: tokio_postgres::Error },
    #[error("interrupted")]
    Interrupted,
    #[error("not everything is as promised: {0}")]
    Promise(String),
}

impl DemoError {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    fn database(what: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let what = what.into();
        |source| Self::Database { what, source }
    }
}

/// Where the demo talks to people.
struct Screen<'a> {
    out: &'a mut (dyn Write + Send),
    is_terminal: bool,
}

impl Screen<'_> {
    fn say(&mut self, text: &str) -> Result<(), DemoError> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(DemoError::io("the output cannot be written"))
    }

    /// Replaces the line that was printed last.
    fn refresh(&mut self, text: &str) -> Result<(), DemoError> {
        write!(self.out, "\r\x1b[K{text}")
            .and_then(|()| self.out.flush())
            .map_err(DemoError::io("the output cannot be written"))
    }
}

/// Runs the demo to its end or to Ctrl-C, and cleans up. To be called outside of any runtime.
/// The caller prints the error and exits with 1; [`DemoError::Interrupted`] is the normal end without `--script`.
pub fn run(args: &Args, out: &mut (dyn Write + Send)) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(DemoError::io("the runtime cannot be started"))?;
    let mut screen = Screen { out, is_terminal: std::io::stdout().is_terminal() };
    match runtime.block_on(on_stage(args, &mut screen)) {
        Err(DemoError::Interrupted) if !args.script => Ok(()),
        other => other,
    }
}

/// Whatever happens in between, what was started is stopped and what was written is removed.
async fn on_stage(args: &Args, screen: &mut Screen<'_>) -> Result<(), DemoError> {
    let mut interrupted = Interrupt::new()?;
    let directory = Directory::new(args.keep)?;
    let mut stage = Stage { args: args.clone(), directory, cluster: None, gateway: None };
    let result = tokio::select! {
        result = play(&mut stage, screen) => result,
        () = interrupted.wait() => Err(DemoError::Interrupted),
    };
    screen.say("\nCleaning up …")?;
    stage.strike().await;
    if args.keep {
        screen.say(&format!("The files are in {}", stage.directory.path().display()))?;
    }
    result
}

/// Everything that has to be taken down again.
struct Stage {
    args: Args,
    directory: Directory,
    cluster: Option<Cluster>,
    gateway: Option<Gateway>,
}

impl Stage {
    async fn strike(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            gateway.stop().await;
        }
        if let Some(mut cluster) = self.cluster.take() {
            cluster.stop().await;
        }
    }
}

async fn play(stage: &mut Stage, screen: &mut Screen<'_>) -> Result<(), DemoError> {
    let account = stage.directory.account()?;
    let server = find::server(stage.args.postgres.as_deref(), account.as_ref()).await?;
    screen.say(&format!("Starting a throw-away {} ({}) …", server.version, server.bin.display()))?;
    let cluster = stage.cluster.insert(Cluster::start(server, account, &stage.directory).await?);
    cluster.wait_until_ready().await?;
    let rows = stage.args.rows;
    screen.say(&format!("Creating the table orders with {} rows …", summary::thousands(rows)))?;
    let shop = cluster.create_shop().await?;
    table::create(&shop, "orders", rows).await?;
    if stage.args.script {
        return script::play(stage, screen).await;
    }
    table::create(&shop, live::OLD_TABLE, rows / 10).await?;
    let gateway = stage.gateway.insert(Gateway::start(cluster.address(), &stage.directory).await?);
    table::create(&shop, table::UNTOUCHED, rows / 10).await?;
    let traffic = traffic::Traffic::start(&cluster.application(gateway.address()), "orders", rows).await?;
    let direct = cluster.application(cluster.address());
    let untouched = traffic::Traffic::start(&direct, table::UNTOUCHED, rows / 10).await?;
    live::invite(screen, cluster, gateway)?;
    tokio::select! {
        result = live::watch(screen, &traffic, &untouched) => result,
        error = gateway.ended() => Err(error),
        error = cluster.ended() => Err(error),
    }
}

/// Ctrl-C, and what a service manager or a closed terminal sends.
struct Interrupt {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Interrupt {
    fn new() -> Result<Self, DemoError> {
        use tokio::signal::unix::{SignalKind, signal};
        let on = |kind| signal(kind).map_err(DemoError::io("signals cannot be handled"));
        Ok(Self { signals: [on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?] })
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
