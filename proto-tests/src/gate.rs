//! A byte pump that reads along: it stops a session exactly before, or after, its n-th statement, until it is cut or
//! opened. So a fault can be put at a statement's boundary without any timing.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// On which side of a statement a session stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server never hears of it.
    Before,
    /// The server has done it, and nobody hears of that.
    After,
}

#[derive(Default)]
struct State {
    /// What the startup message of a session to be stopped contains.
    watched: Vec<u8>,
    /// Statements of such sessions so far.
    seen: Vec<String>,
    stop: Option<(usize, Moment)>,
    reached: bool,
    opened: bool,
    /// Nobody is let in.
    shut: bool,
    live: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Forwards bytes between every client and one server.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Gate {
    /// Listens on a free port and forwards to `upstream`.
    #[must_use]
    pub fn to(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let all = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = all.lock();
                let Some(server) = (!state.shut).then(|| TcpStream::connect(upstream).ok()).flatten() else { continue };
                for stream in [&client, &server] {
                    let _ = stream.set_nodelay(true);
                    state.live.push(stream.try_clone().unwrap());
                }
                drop(state);
                Connection::over(&all, client, server);
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins anew: of the sessions whose startup message contains `watched`, the one that comes to the statement
    /// of that number stops there.
    pub fn arm(&self, watched: &str, stop: Option<(usize, Moment)>) {
        let mut state = self.shared.lock();
        state.watched = watched.as_bytes().to_vec();
        state.seen.clear();
        (state.stop, state.reached, state.opened) = (stop, false, false);
    }

    /// The statements of the watched sessions since it was armed.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        self.shared.lock().seen.clone()
    }

    /// Waits until the session has stopped. False: `is_over` became true first.
    #[must_use]
    pub fn wait(&self, mut is_over: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let state = self.shared.lock();
            let (state, _) =
                self.shared.changed.wait_timeout_while(state, Duration::from_millis(50), |s| !s.reached).unwrap();
            if state.reached {
                return true;
            }
            let seen = state.seen.last().cloned();
            drop(state);
            if is_over() {
                return false;
            }
            assert!(Instant::now() < deadline, "nobody comes to the gate; the last statement was {seen:?}");
        }
    }

    /// Lets what has stopped go on.
    pub fn open(&self) {
        self.shared.lock().opened = true;
        self.shared.changed.notify_all();
    }

    /// Cuts every connection that is open now. What was stopped before the server is never delivered.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        for stream in state.live.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        state.stop = None;
        state.opened = true;
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Lets nobody in, or everybody again.
    pub fn shut(&self, on: bool) {
        self.shared.lock().shut = on;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shut(true);
        self.cut();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn stop_here(&self) {
        let mut state = self.lock();
        state.reached = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| !state.opened).unwrap());
    }

    /// What is to be done at this statement, if anything is.
    fn count(&self, sql: &[u8]) -> Option<Moment> {
        let mut state = self.lock();
        let number = state.seen.len();
        state.seen.push(String::from_utf8_lossy(sql).into_owned());
        let (_, moment) = state.stop.filter(|(at, _)| *at == number)?;
        state.stop = None;
        Some(moment)
    }
}

/// One connection's two directions.
struct Connection {
    shared: Arc<Shared>,
    holds_answers: AtomicBool,
}

impl Connection {
    fn over(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) {
        let one = Arc::new(Self { shared: Arc::clone(shared), holds_answers: AtomicBool::new(false) });
        let (other, from, to) = (Arc::clone(&one), server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || one.requests(client, server));
        std::thread::spawn(move || other.answers(from, to));
    }

    fn requests(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = self.forward_requests(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    }

    fn forward_requests(&self, from: &mut TcpStream, to: &mut TcpStream) -> std::io::Result<()> {
        let mut is_watched = false;
        loop {
            let body = message(from)?;
            let is_startup = body.get(..2) == Some(&[0, 3]);
            let watched = self.shared.lock().watched.clone();
            is_watched |= is_startup && !watched.is_empty() && body.windows(watched.len()).any(|part| part == watched);
            to.write_all(&crate::wire::untagged(&body))?;
            if is_startup {
                break;
            }
        }
        loop {
            let mut tag = [0];
            from.read_exact(&mut tag)?;
            let body = message(from)?;
            let mut texts = body.split(|byte| *byte == 0);
            let sql = if tag == [b'P'] { texts.nth(1) } else { texts.next().filter(|_| tag == [b'Q']) };
            match sql.filter(|_| is_watched).and_then(|sql| self.shared.count(sql)) {
                None => {}
                Some(Moment::Before) => self.shared.stop_here(),
                Some(Moment::After) => self.holds_answers.store(true, Ordering::SeqCst),
            }
            to.write_all(&crate::wire::framed(tag[0], &body))?;
        }
    }

    fn answers(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 65_536];
        let mut held = Vec::new();
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            held.extend_from_slice(&buffer[..count]);
            if self.holds_answers.load(Ordering::SeqCst) {
                if !ends_ready(&held) {
                    continue;
                }
                self.shared.stop_here();
                self.holds_answers.store(false, Ordering::SeqCst);
            }
            if to.write_all(&held).is_err() {
                break;
            }
            held.clear();
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}

/// The body of one message, after its length.
fn message(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    from.read_exact(&mut body)?;
    Ok(body)
}

/// Whether the bytes are whole messages, the last one a ReadyForQuery.
fn ends_ready(bytes: &[u8]) -> bool {
    bytes.ends_with(&[0, 0, 0, 5, b'I']) || bytes.ends_with(&[0, 0, 0, 5, b'T']) || bytes.ends_with(&[0, 0, 0, 5, b'E'])
}
