//! Process-wide map from the keys clients hold to the sessions they may cancel
//! (PostgreSQL docs, 55.2.8 Canceling Requests in Progress).
//!
//! A client gets its own server's key: each session has one server connection for all its life, so the
//! key names the same thing to both. A cancel never outlives its session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::upstream::Upstream;

type Key = (i32, Vec<u8>);

/// The sessions that can be cancelled, by key.
#[derive(Debug, Default)]
pub struct Cancels {
    sessions: Mutex<HashMap<Key, Arc<Cancellable>>>,
}

/// One session, as a CancelRequest reaches it.
#[derive(Debug)]
pub struct Cancellable {
    upstream: Arc<Upstream>,
    key: Key,
    listener: Mutex<Option<mpsc::UnboundedSender<Asked>>>,
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
    pub fn register(self: &Arc<Self>, upstream: Arc<Upstream>, process: i32, key: Vec<u8>) -> Registration {
        let key = (process, key);
        let target = Arc::new(Cancellable { upstream, key: key.clone(), listener: Mutex::default() });
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Arc<Cancellable>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// Waits until a session that listens has dealt with it. False: none listens.
    async fn tell(&self) -> bool {
        let (told, dealt_with) = oneshot::channel();
        let is_heard = self.listener().as_ref().is_some_and(|listener| listener.send(Asked { _told: told }).is_ok());
        if is_heard {
            // An error is how a dropped one arrives.
            let _ = dealt_with.await;
        }
        is_heard
    }

    fn listener(&self) -> MutexGuard<'_, Option<mpsc::UnboundedSender<Asked>>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server to cancel what this session runs.
    pub async fn send_upstream(&self) {
        if let Err(error) = self.upstream.cancel(self.key.0, &self.key.1).await {
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
