//! The composition root: opens what a gateway needs, listens, deals connections out, reloads, drains, stops.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use super::audit::{self, Audit, Event};
use super::cancel::Cancels;
use super::config::{self, ListenAddress, Mistake, Parameters, Settings};
use super::console::ask::{self, Tickets};
use super::console::chronicle::Chronicle;
use super::console::limits::Limits;
use super::console::sign_in::SignIns;
use super::console::{Inside, Reviewer, api, door};
use super::jobs::Jobs;
use super::net::{self, Raw};
use super::notify::Notifier;
use super::oidc::Provider;
use super::session::Shared;
use super::sqlconsole;
use super::store::{self, DataDirectory, Store};
use super::welcome::{Gate, too_many};
use crate::kernel::review::Terms;

/// Why the gateway does not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("the data directory cannot be used: {0}")]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Record(#[from] audit::OpenError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: String, error: io::Error },
    #[error(transparent)]
    Gate(#[from] super::welcome::GateError),
    #[error(transparent)]
    Api(#[from] api::ApiError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// How long the last events of tickets may take into the record; what is late is told at the next start.
const CHRONICLE_END: Duration = Duration::from_secs(5);

/// Reads the configuration again.
pub type Load = Box<dyn Fn() -> Result<Settings, Vec<Mistake>> + Send>;

/// Runs the gateway until it is told to stop. `ready` is called with the addresses it listens on.
///
/// # Errors
/// When it cannot start.
pub fn run(settings: Settings, load: Load) -> Result<(), AppError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let workers = Workers::start()?;
    runtime.block_on(serve(settings, load, &workers))
}

async fn serve(settings: Settings, load: Load, workers: &Workers) -> Result<(), AppError> {
    let directory = DataDirectory::take(&settings.data_dir)?;
    let store = Store::open(&directory.path().join(store::FILE)).await?;
    let lost = store.recover(&directory, super::clock::now()).await?;
    store.recover_jobs(&directory, super::clock::now()).await?;
    let audit = Audit::open(&record_settings(&settings))?;
    for ticket in lost {
        tracing::warn!(ticket = ticket.id.0, "was running when the gateway stopped: its outcome is unknown");
    }
    let chronicle = Chronicle::new(store.clone(), audit.clone()).await?;
    let (end, ended) = watch::channel(false);
    let chronicle = tokio::spawn(chronicle.follow(ended.clone()));
    let tickets = Tickets::new(store, ask_settings(&settings));
    let (publish, published) = watch::channel(Arc::new(settings));
    let (drain, draining) = watch::channel(false);
    let jobs = Jobs::new(tickets.clone(), audit.clone(), published.clone());
    let text_key = Arc::new(door::text_key(&directory)?);
    let shared = Shared { settings: published, tickets: tickets.clone(), jobs: jobs.clone(), text_key, draining };
    tokio::spawn(tickets.clone().expire_forever());
    let traffic = tokio::spawn(jobs.traffic().clone().follow(ended.clone()));
    let cancels = Arc::new(Cancels::default());
    let (listener, address) = bind_admin(&publish.borrow().clone()).await?;
    let notifier = Notifier::new(tickets.store.clone(), shared.settings.clone(), address, door::random_hex()?).await?;
    let state = Arc::new(api::ApiState {
        tickets: tickets.clone(),
        jobs: jobs.clone(),
        notifier: notifier.clone(),
        admin_token: door::token(&directory)?,
        reviewers: reviewers(&publish.borrow()),
        sign_ins: SignIns::new(publish.borrow().oidc.clone().map(Provider::new)),
        audit: audit.clone(),
        slack_seen: Arc::default(),
        limits: Limits::default(),
        sessions: cancels.clone(),
        reading: Arc::new(Semaphore::new(1)),
    });
    let console = sqlconsole::Shared::new(Inside::new(Arc::clone(&state)));
    open_admin((listener, address), &directory, state).await?;
    let notifying = tokio::spawn(notifier.run(ended.clone()));
    let open = Arc::new(Open::new(&publish.borrow()));
    tokio::spawn(jobs.clone().schedule_forever(shared.draining.clone()));
    tokio::spawn(jobs.run_forever(shared.draining.clone()));
    listen(&publish.borrow().clone(), (&shared, console), &audit, (workers, &open, &cancels)).await?;
    say_listening(&format!("admin on {address}"))?;
    say_listening(&format!("for reviewers at http://{address}/"))?;
    wait_for_stop((&publish, &tickets), &load, &audit).await?;
    tracing::info!("draining");
    drain.send_replace(true);
    open.drained(publish.borrow().limits.drain_timeout).await;
    // Sessions that are still there are cut off with the process; their handles write their ends.
    workers.stop();
    end.send_replace(true);
    let _ = tokio::time::timeout(CHRONICLE_END, chronicle).await;
    let _ = tokio::time::timeout(CHRONICLE_END, traffic).await;
    // What is not sent by then is sent by the next process.
    let _ = tokio::time::timeout(CHRONICLE_END, notifying).await;
    if let Err(error) = audit.close("terminated") {
        tracing::error!(%error, "the record could not be closed");
    }
    Ok(())
}

/// Threads with one runtime each. A session stays on the thread it was dealt to, so that its buffers
/// and statement cache are the thread's own and no wake-up crosses threads.
struct Workers {
    handles: Vec<Handle>,
    stop: watch::Sender<bool>,
    threads: std::sync::Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Workers {
    fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, |cores| usize::from(cores).div_ceil(2));
        let stop = watch::Sender::new(false);
        let (mut handles, mut threads) = (Vec::new(), Vec::new());
        for at in 0..count {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let mut stopped = stop.subscribe();
            let thread = std::thread::Builder::new().name(format!("worker-{at}")).spawn(move || {
                runtime.block_on(async {
                    let _ = stopped.wait_for(|on| *on).await;
                });
            })?;
            threads.push(thread);
        }
        Ok(Self { handles, stop, threads: std::sync::Mutex::new(threads) })
    }

    fn stop(&self) {
        self.stop.send_replace(true);
        let mut threads = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// How many connections there are and may be.
struct Open {
    connections: Arc<Semaphore>,
    entering: Arc<Semaphore>,
    max: usize,
}

impl Open {
    fn new(settings: &Settings) -> Self {
        let max = settings.limits.connections_max;
        let entering = settings.limits.unauthenticated_max;
        Self { connections: Arc::new(Semaphore::new(max)), entering: Arc::new(Semaphore::new(entering)), max }
    }

    async fn drained(&self, limit: Duration) {
        let all = u32::try_from(self.max).unwrap_or(u32::MAX);
        if tokio::time::timeout(limit, self.connections.acquire_many(all)).await.is_err() {
            tracing::warn!("sessions were still busy when the time to drain was over");
        }
    }
}

async fn listen(
    settings: &Settings,
    (shared, console): (&Shared, sqlconsole::Shared),
    audit: &Audit,
    running: (&Workers, &Arc<Open>, &Arc<Cancels>),
) -> Result<(), AppError> {
    let (workers, open, cancels) = running;
    for listener in &settings.listeners {
        let room = open.connections.clone();
        let gate = Arc::new(Gate::new(
            &listener.tls,
            shared.clone(),
            audit.clone(),
            cancels.clone(),
            (room, console.clone()),
        )?);
        let failed = |error| AppError::Listen { address: listener.address.to_string(), error };
        let dealer = Dealer { gate, open: open.clone(), workers: workers.handles.clone(), next: 0 };
        match &listener.address {
            ListenAddress::Tcp(address) => {
                let socket = TcpListener::bind(address).await.map_err(failed)?;
                say_listening(&format!("on {}", socket.local_addr()?))?;
                tokio::spawn(dealer.run(Socket::Tcp(socket)));
            }
            ListenAddress::Unix(path) => {
                let socket = bind_unix(path).map_err(failed)?;
                say_listening(&format!("on unix:{}", path.display()))?;
                tokio::spawn(dealer.run(Socket::Unix(socket)));
            }
        }
    }
    Ok(())
}

/// A socket file nobody listens on any more is replaced; one that is in use is not.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    Ok(listener)
}

/// Where connections come in.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection between the thread that accepted it and the one that will serve it.
enum Arrival {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket {
    /// The next to come, and its name for people.
    async fn accept(&self) -> io::Result<(String, io::Result<Arrival>)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                let stream = net::tune(&stream).and_then(|()| stream.into_std());
                Ok((peer.to_string(), stream.map(Arrival::Tcp)))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok(("[local]".to_owned(), stream.into_std().map(Arrival::Unix)))
            }
        }
    }
}

impl Arrival {
    /// Registers it with the runtime of the thread this is called on.
    fn open(self) -> io::Result<Raw> {
        match self {
            Self::Tcp(stream) => tokio::net::TcpStream::from_std(stream).map(Raw::Tcp),
            Self::Unix(stream) => tokio::net::UnixStream::from_std(stream).map(Raw::Unix),
        }
    }
}

/// Accepts on one listener and deals the connections out to the workers in turn.
struct Dealer {
    gate: Arc<Gate>,
    open: Arc<Open>,
    workers: Vec<Handle>,
    next: usize,
}

/// After a failed accept (no descriptors left, mostly) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Dealer {
    async fn run(mut self, socket: Socket) {
        let mut draining = self.gate.shared.draining.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                // The address is free for the next process.
                _ = draining.wait_for(|on| *on) => return,
                accepted = socket.accept() => accepted,
            };
            match accepted {
                Ok((peer, Ok(arrival))) => self.deal(peer, arrival),
                // It has gone again.
                Ok((_, Err(_))) => {}
                Err(error) => pause(&error).await,
            }
        }
    }

    fn deal(&mut self, peer: String, arrival: Arrival) {
        self.next = self.next.wrapping_add(1);
        let Some(worker) = self.workers.get(self.next % self.workers.len().max(1)) else { return };
        let (gate, open) = (self.gate.clone(), self.open.clone());
        worker.spawn(async move {
            let Ok(raw) = arrival.open() else { return };
            let Ok(entering) = open.entering.clone().try_acquire_owned() else { return turn_away(raw) };
            let welcomed = gate.welcome(raw, peer).await;
            drop(entering);
            if let Some((guest, place)) = welcomed {
                guest.run().await;
                drop(place);
            }
        });
    }
}

/// Too many are at the door already: a word if it costs nothing, and no waiting for whether it is heard.
fn turn_away(raw: Raw) {
    let mut word = bytes::BytesMut::new();
    too_many().put(&mut word);
    let _ = match raw {
        Raw::Tcp(stream) => stream.try_write(&word),
        Raw::Unix(stream) => stream.try_write(&word),
    };
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}

/// Those of the configuration who have a token there.
fn reviewers(settings: &Settings) -> Vec<Reviewer> {
    let reviewer =
        |r: &config::Reviewer| Reviewer { name: r.name.clone(), token_sha256: HEXLOWER.encode(&r.token_sha256) };
    settings.reviewers.iter().map(reviewer).collect()
}

async fn bind_admin(settings: &Settings) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |error| AppError::Listen { address: settings.admin.to_string(), error };
    let listener = TcpListener::bind(settings.admin).await.map_err(failed)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn open_admin(
    (listener, address): (TcpListener, SocketAddr),
    directory: &DataDirectory,
    state: Arc<api::ApiState>,
) -> Result<(), AppError> {
    api::check_exposure(address, &state.reviewers, &state.sign_ins)?;
    door::write_address(directory, address)?;
    if let Some(token) = door::first_token(&state.tickets.store).await? {
        say(&format!("lockkeeper operator token, told this once, good for a day: {token}"))?;
    }
    tokio::spawn(async move {
        if let Err(error) = api::serve(listener, state, std::future::pending()).await {
            tracing::error!(%error, "the admin door has closed");
        }
    });
    Ok(())
}

/// SIGTERM and SIGINT stop, SIGHUP reloads.
async fn wait_for_stop(known: (&watch::Sender<Arc<Settings>>, &Tickets), load: &Load, audit: &Audit) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload(known, load, audit),
        }
    }
}

/// A bad file keeps the old settings. Listeners, directories and limits on connections stay until a restart.
fn reload((publish, tickets): (&watch::Sender<Arc<Settings>>, &Tickets), load: &Load, audit: &Audit) {
    let error = match load() {
        Ok(settings) => {
            tickets.set(ask_settings(&settings));
            publish.send_replace(Arc::new(settings));
            tracing::info!("configuration reloaded");
            None
        }
        Err(mistakes) => {
            for mistake in &mistakes {
                tracing::error!(%mistake, "configuration not reloaded");
            }
            Some(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
    };
    let settings = publish.borrow().policies.keys().cloned().collect::<Vec<_>>().join(", ");
    audit.event(Event::GatewayReloaded { settings: format!("policies: {settings}"), error });
}

/// For people and for whoever started the process: one line on standard output.
fn say_listening(what: &str) -> io::Result<()> {
    say(&format!("lockkeeper listening {what}"))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn record_settings(settings: &Settings) -> audit::Settings {
    let record = &settings.record;
    audit::Settings {
        rotate_bytes: record.rotate_bytes,
        keep_files: usize::try_from(record.files_max).unwrap_or(usize::MAX),
        stdout: record.stdout,
        text_limit: record.statement_bytes_max,
        parameters: match record.parameters {
            Parameters::None => audit::ParameterMode::None,
            Parameters::Hash => audit::ParameterMode::Hash,
            Parameters::Text => audit::ParameterMode::Text,
        },
        on_failure: match record.on_failure {
            config::OnFailure::Continue => audit::OnFailure::Continue,
            config::OnFailure::Refuse => audit::OnFailure::Refuse,
        },
        ..audit::Settings::new(record.dir.clone())
    }
}

fn ask_settings(settings: &Settings) -> ask::Settings {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let terms = Terms {
        pending_ms: ms(settings.hold.pending_expiry),
        approved_ms: ms(settings.hold.approved_expiry),
        growth_factor: settings.hold.growth_factor,
    };
    ask::Settings { terms, ..ask::Settings::default() }
}
