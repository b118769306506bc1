//! The sessions that are connected: process-wide map from the keys clients hold to the sessions they may cancel
//! (PostgreSQL docs, 55.2.8 Canceling Requests in Progress), and who they are, for those who may end them.
//!
//! A client gets its own server's key: each session has one server connection for all its life, so the
//! key names the same thing to both. A cancel never outlives its session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::audit::{SessionId, SessionInfo};
use super::upstream::Upstream;
use crate::kernel::review::Instant;

type Key = (i32, Vec<u8>);

/// The sessions that can be cancelled, by key.
#[derive(Debug, Default)]
pub struct Cancels {
    sessions: Mutex<HashMap<Key, Arc<Cancellable>>>,
}

/// One session, as a CancelRequest reaches it.
#[derive(Debug)]
pub struct Cancellable {
    /// Nothing: the session has no server.
    upstream: Option<Arc<Upstream>>,
    key: Key,
    listener: Mutex<Option<mpsc::UnboundedSender<Asked>>>,
    about: Connected,
    /// By whom it is ended.
    terminated: watch::Sender<Option<String>>,
}

/// A session that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    pub id: SessionId,
    pub info: SessionInfo,
    pub since: Instant,
}

/// A session that waits or runs a plan: a CancelRequest is its to deal with, so that the server hears of it once, and
/// only after the session knows.
#[derive(Debug)]
pub struct Listener(mpsc::UnboundedReceiver<Asked>);

/// A CancelRequest; dropping it tells whoever sent it that it was dealt with.
#[derive(Debug)]
pub struct Asked {
    _told: oneshot::Sender<()>,
}

/// Keeps a session reachable; dropping it ends that.
#[derive(Debug)]
pub struct Registration {
    cancels: Arc<Cancels>,
    target: Arc<Cancellable>,
}

impl Cancels {
    /// Makes a session reachable by its server's key.
    #[must_use]
    pub fn register(self: &Arc<Self>, upstream: Option<Arc<Upstream>>, key: Key, about: Connected) -> Registration {
        let terminated = watch::Sender::new(None);
        let target =
            Arc::new(Cancellable { upstream, key: key.clone(), listener: Mutex::default(), about, terminated });
        self.lock().insert(key, target.clone());
        Registration { cancels: self.clone(), target }
    }

    /// Passes a CancelRequest on. Unknown keys are ignored, as the server does.
    pub async fn request(&self, process: i32, key: Vec<u8>) {
        let found = self.lock().get(&(process, key)).cloned();
        if let Some(target) = found
            && !target.tell().await
        {
            target.send_upstream().await;
        }
    }

    /// Who is connected, in the order they came.
    #[must_use]
    pub fn connected(&self) -> Vec<Connected> {
        let mut all: Vec<Connected> = self.lock().values().map(|target| target.about.clone()).collect();
        all.sort_unstable_by_key(|one| one.id.number);
        all
    }

    /// Ends a session, as `pg_terminate_backend` does: what it runs is cancelled first. False: it is not there.
    #[must_use]
    pub fn terminate(&self, id: &SessionId, by: String) -> bool {
        let found = self.lock().values().find(|target| target.about.id == *id).cloned();
        if let Some(target) = &found {
            target.terminated.send_replace(Some(by));
            // One that waits or runs a plan brings that to its end; it reads the rest when it listens to its client again.
            let _ = target.send_asked();
        }
        found.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Cancellable>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// Waits until a session that listens has dealt with it. False: none listens.
    async fn tell(&self) -> bool {
        let Some(dealt_with) = self.send_asked() else { return false };
        // An error is how a dropped one arrives.
        let _ = dealt_with.await;
        true
    }

    /// Tells a session that listens.
    fn send_asked(&self) -> Option<oneshot::Receiver<()>> {
        let (told, dealt_with) = oneshot::channel();
        let listener = self.listener();
        listener.as_ref()?.send(Asked { _told: told }).is_ok().then_some(dealt_with)
    }

    fn listener(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Asked>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server to cancel what this session runs.
    pub async fn send_upstream(&self) {
        let Some(upstream) = &self.upstream else { return };
        if let Err(error) = upstream.cancel(self.key.0, &self.key.1).await {
            tracing::warn!(%error, "a cancel request did not reach the server");
        }
    }
}

impl Registration {
    /// From now on and as long as this lives, CancelRequests go to it and not to the server.
    #[must_use]
    pub fn listen(&self) -> Listener {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.target.listener() = Some(sender);
        Listener(receiver)
    }

    /// Says by whom the session is ended, once it is.
    #[must_use]
    pub fn terminated(&self) -> watch::Receiver<Option<String>> {
        self.target.terminated.subscribe()
    }

    /// What the client names it by.
    #[must_use]
    pub fn key(&self) -> &(i32, Vec<u8>) {
        &self.target.key
    }

    /// The session as a CancelRequest reaches it.
    #[must_use]
    pub fn target(&self) -> Arc<Cancellable> {
        self.target.clone()
    }
}

impl Listener {
    /// The next CancelRequest.
    pub async fn next(&mut self) -> Asked {
        match self.0.recv().await {
            Some(asked) => asked,
            // Another listens in its place.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sessions = self.cancels.lock();
        // Two servers may have handed out the same key: only our own entry goes.
        if sessions.get(&self.target.key).is_some_and(|target| Arc::ptr_eq(target, &self.target)) {
            sessions.remove(&self.target.key);
        }
    }
}
