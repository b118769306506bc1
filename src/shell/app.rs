//! The composition root: opens what a gateway needs, listens, deals connections out, reloads, drains, stops.

mod listen;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use self::listen::{Dealer, Open};
use super::audit::{self, Audit, Event};
use super::cancel::Cancels;
use super::config::{self, Mistake, Parameters, Settings};
use super::console::ask::{self, Tickets};
use super::console::chronicle::Chronicle;
use super::console::limits::Limits;
use super::console::sign_in::SignIns;
use super::console::{Inside, Reviewer, api, door};
use super::jobs::Jobs;
use super::notify::Notifier;
use super::oidc::Provider;
use super::session::Shared;
use super::sqlconsole;
use super::store::{self, DataDirectory, Store};
use super::welcome::Gate;
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

/// How long sessions that are given up may take to say so: as long as a client may take to hear it, and a little.
const LAST_WORDS: Duration = Duration::from_secs(3);

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
    let (give_up, out_of_time) = watch::channel(false);
    let jobs = Jobs::new(tickets.clone(), audit.clone(), published.clone());
    let text_key = Arc::new(door::text_key(&directory)?);
    let shared =
        Shared { settings: published, tickets: tickets.clone(), jobs: jobs.clone(), text_key, draining, out_of_time };
    tokio::spawn(tickets.clone().expire_forever());
    let traffic = tokio::spawn(jobs.traffic().clone().follow(ended.clone()));
    let cancels = Arc::new(Cancels::default());
    let settings = publish.borrow().clone();
    let (listener, address) = bind_admin(&settings).await?;
    let sockets = listen::bind(&settings).await?;
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
    let open = Arc::new(Open::new(&settings));
    let dealers = dealers(&settings, (&shared, console), &audit, (workers, &open, &cancels))?;
    let voice = Voice::of(&settings);
    open_admin((listener, address), &directory, state, voice).await?;
    let notifying = tokio::spawn(notifier.run(ended.clone()));
    tokio::spawn(jobs.clone().schedule_forever(shared.draining.clone()));
    tokio::spawn(jobs.run_forever(shared.draining.clone()));
    for (dealer, socket) in dealers.into_iter().zip(sockets) {
        voice.say_listening(&format!("on {}", socket.name()?))?;
        tokio::spawn(dealer.run(socket));
    }
    voice.say_listening(&format!("admin on {address}"))?;
    voice.say_listening(&format!("for reviewers at http://{address}/"))?;
    wait_for_stop((&publish, &tickets), &load, (&audit, &settings)).await?;
    let limit = publish.borrow().limits.drain_timeout;
    see_out(&open, limit, (&drain, &give_up)).await;
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

/// Waits for the sessions to end; those that do not are told that they are given up.
async fn see_out(open: &Open, limit: Duration, (drain, give_up): (&watch::Sender<bool>, &watch::Sender<bool>)) {
    tracing::info!("draining");
    drain.send_replace(true);
    if !open.drained(limit).await {
        tracing::warn!("sessions were still busy when the time to drain was over");
        give_up.send_replace(true);
        open.drained(LAST_WORDS).await;
    }
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

/// What deals out the connections of each listener.
fn dealers(
    settings: &Settings,
    (shared, console): (&Shared, sqlconsole::Shared),
    audit: &Audit,
    (workers, open, cancels): (&Workers, &Arc<Open>, &Arc<Cancels>),
) -> Result<Vec<Dealer>, AppError> {
    let mut dealers = Vec::with_capacity(settings.listeners.len());
    for listener in &settings.listeners {
        let doors = (open.connections.clone(), console.clone());
        let gate = Gate::new(&listener.tls, shared.clone(), audit.clone(), cancels.clone(), doors)?;
        let workers = workers.handles.clone();
        dealers.push(Dealer { gate: Arc::new(gate), open: open.clone(), workers, next: 0 });
    }
    Ok(dealers)
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
    voice: Voice,
) -> Result<(), AppError> {
    api::check_exposure(address, &state.reviewers, &state.sign_ins)?;
    door::write_address(directory, address)?;
    if let Some(token) = door::first_token(&state.tickets.store).await? {
        voice.say(&format!("lockkeeper operator token, told this once, good for a day: {token}"))?;
    }
    tokio::spawn(async move {
        if let Err(error) = api::serve(listener, state, std::future::pending()).await {
            tracing::error!(%error, "the admin door has closed");
        }
    });
    Ok(())
}

/// SIGTERM and SIGINT stop, SIGHUP reloads.
async fn wait_for_stop(
    known: (&watch::Sender<Arc<Settings>>, &Tickets),
    load: &Load,
    begun: (&Audit, &Settings),
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload(known, load, begun),
        }
    }
}

/// A bad file keeps the old settings. Listeners, directories and limits on connections stay until a restart.
fn reload(
    (publish, tickets): (&watch::Sender<Arc<Settings>>, &Tickets),
    load: &Load,
    (audit, begun): (&Audit, &Settings),
) {
    let error = match load() {
        Ok(settings) => {
            for key in waiting(begun, &settings) {
                tracing::warn!(key, "changed in the configuration: it waits for a restart");
            }
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

/// What holds from the start and differs in the new settings.
fn waiting(begun: &Settings, new: &Settings) -> Vec<&'static str> {
    let connections = |settings: &Settings| (settings.limits.connections_max, settings.limits.unauthenticated_max);
    let parts = [
        ("listen", begun.listeners != new.listeners),
        ("admin", begun.admin != new.admin),
        ("data_dir", begun.data_dir != new.data_dir),
        ("reviewers", begun.reviewers != new.reviewers),
        ("oidc", begun.oidc != new.oidc),
        ("record", begun.record != new.record),
        ("limits.connections_max, limits.unauthenticated_max", connections(begun) != connections(new)),
    ];
    parts.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// For people and for whoever started the process, a line at a time: on standard output, unless that is the record's.
#[derive(Clone, Copy)]
struct Voice {
    aside: bool,
}

impl Voice {
    fn of(settings: &Settings) -> Self {
        Self { aside: settings.record.stdout }
    }

    fn say_listening(self, what: &str) -> io::Result<()> {
        self.say(&format!("lockkeeper listening {what}"))
    }

    fn say(self, line: &str) -> io::Result<()> {
        let mut out: Box<dyn io::Write> = if self.aside { Box::new(io::stderr()) } else { Box::new(io::stdout()) };
        writeln!(out, "{line}")?;
        out.flush()
    }
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
