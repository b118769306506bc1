//! Where clients come in: everything is bound before anything is said, and what is accepted is dealt out to the workers.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::AppError;
use crate::shell::config::{ListenAddress, Settings};
use crate::shell::net::{self, Raw};
use crate::shell::welcome::{Gate, too_many};

/// How many connections there are and may be.
pub(super) struct Open {
    pub(super) connections: Arc<Semaphore>,
    entering: Arc<Semaphore>,
    max: usize,
}

impl Open {
    pub(super) fn new(settings: &Settings) -> Self {
        let max = settings.limits.connections_max;
        let entering = settings.limits.unauthenticated_max;
        Self { connections: Arc::new(Semaphore::new(max)), entering: Arc::new(Semaphore::new(entering)), max }
    }

    /// Waits until all sessions are over. False: they are not, and the time is.
    pub(super) async fn drained(&self, limit: Duration) -> bool {
        let all = u32::try_from(self.max).unwrap_or(u32::MAX);
        tokio::time::timeout(limit, self.connections.acquire_many(all)).await.is_ok()
    }
}

/// One socket for each listener, in order.
pub(super) async fn bind(settings: &Settings) -> Result<Vec<Socket>, AppError> {
    let mut sockets = Vec::with_capacity(settings.listeners.len());
    for listener in &settings.listeners {
        let socket = match &listener.address {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Socket::Tcp),
            ListenAddress::Unix(path) => bind_unix(path).map(Socket::Unix),
        };
        let failed = |error| AppError::Listen { address: listener.address.to_string(), error };
        sockets.push(socket.map_err(failed)?);
    }
    Ok(sockets)
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
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A clean end leaves no socket file. It goes while it is still listened on, so that it cannot be a successor's.
impl Drop for Socket {
    fn drop(&mut self) {
        let Self::Unix(socket) = self else { return };
        let address = socket.local_addr();
        if let Some(path) = address.as_ref().ok().and_then(|address| address.as_pathname()) {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A connection between the thread that accepted it and the one that will serve it.
enum Arrival {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket {
    /// Its address, for people.
    pub(super) fn name(&self) -> io::Result<String> {
        Ok(match self {
            Self::Tcp(socket) => socket.local_addr()?.to_string(),
            Self::Unix(socket) => {
                let address = socket.local_addr()?;
                format!("unix:{}", address.as_pathname().unwrap_or(Path::new("")).display())
            }
        })
    }

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
pub(super) struct Dealer {
    pub(super) gate: Arc<Gate>,
    pub(super) open: Arc<Open>,
    pub(super) workers: Vec<Handle>,
    pub(super) next: usize,
}

/// After a failed accept (no descriptors left, mostly) the next try waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Dealer {
    pub(super) async fn run(mut self, socket: Socket) {
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
