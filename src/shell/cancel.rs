//! Process-wide map from the keys clients hold to the sessions they may cancel
//! (PostgreSQL docs, 55.2.8 Canceling Requests in Progress).
//!
//! A client gets its own server's key: each session has one server connection for all its life, so the
//! key names the same thing to both. A cancel never outlives its session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

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
    /// Counts requests; a session that waits or runs a plan listens.
    requests: watch::Sender<u64>,
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
        let target = Arc::new(Cancellable { upstream, key: key.clone(), requests: watch::Sender::new(0) });
        self.lock().insert(key, target.clone());
        Registration { cancels: self.clone(), target }
    }

    /// Passes a CancelRequest on. Unknown keys are ignored, as the server does.
    pub async fn request(&self, process: i32, key: Vec<u8>) {
        let found = self.lock().get(&(process, key)).cloned();
        if let Some(target) = found {
            target.requests.send_modify(|count| *count += 1);
            target.send_upstream().await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<Cancellable>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cancellable {
    /// Asks the server to cancel what this session runs.
    pub async fn send_upstream(&self) {
        if let Err(error) = self.upstream.cancel(self.key.0, &self.key.1).await {
            tracing::warn!(%error, "a cancel request did not reach the server");
        }
    }
}

impl Registration {
    /// Changes with each CancelRequest.
    #[must_use]
    pub fn requests(&self) -> watch::Receiver<u64> {
        self.target.requests.subscribe()
    }

    /// The session as a CancelRequest reaches it.
    #[must_use]
    pub fn target(&self) -> Arc<Cancellable> {
        self.target.clone()
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
