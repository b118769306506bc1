//! The floor: a raw byte pump between a listening port and an upstream.
//!
//! One thread, level-triggered epoll, one shared buffer, no look at the bytes. It
//! makes the fewest system calls that two sockets allow (wait, read, write, in each
//! direction), so no proxy that lets Postgres answer can cost less. It must not
//! grow a feature: its only use is to be compared with.

use std::io::Write as _;
use std::process::ExitCode;

#[cfg(target_os = "linux")]
mod pump {
    use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
    use std::io::{self, ErrorKind, Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::fd::OwnedFd;

    const BUFFER_BYTES: usize = 64 * 1024;
    const LISTENER: u64 = u64::MAX;
    const EVENTS_MAX: usize = 256;

    /// The two sockets of one connection, and what each could not yet take.
    struct Pair {
        sockets: [TcpStream; 2],
        unsent: [Vec<u8>; 2],
    }

    struct Pump {
        epoll: OwnedFd,
        upstream: SocketAddr,
        pairs: Vec<Option<Pair>>,
        free: Vec<usize>,
        buffer: Vec<u8>,
    }

    /// Runs until the process is stopped.
    pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) -> io::Result<()> {
        let listener = TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let mut pump = Pump { epoll, upstream, pairs: Vec::new(), free: Vec::new(), buffer: vec![0; BUFFER_BYTES] };
        let blank = Event { flags: EventFlags::empty(), data: EventData::new_u64(0) };
        let mut events = [blank; EVENTS_MAX];
        loop {
            let count = match epoll::wait(&pump.epoll, &mut events[..], None) {
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut closed = Vec::new();
            for event in events.iter().take(count) {
                let token = event.data.u64();
                let flags = event.flags;
                if token == LISTENER {
                    pump.accept(&listener);
                } else if let Ok(token) = usize::try_from(token)
                    && !pump.serve(token / 2, token % 2, flags)
                {
                    pump.pairs[token / 2] = None;
                    closed.push(token / 2);
                }
            }
            // A place is reused only after the batch, so that no event of the old
            // connection reaches the new one.
            closed.sort_unstable();
            closed.dedup();
            pump.free.append(&mut closed);
        }
    }

    impl Pump {
        fn accept(&mut self, listener: &TcpListener) {
            if let Ok((client, _)) = listener.accept() {
                // A connection that cannot be set up is closed by dropping it.
                let _ = self.open(client);
            }
        }

        fn open(&mut self, client: TcpStream) -> io::Result<()> {
            let server = TcpStream::connect(self.upstream)?;
            let sockets = [client, server];
            let place = self.free.pop().unwrap_or_else(|| {
                self.pairs.push(None);
                self.pairs.len() - 1
            });
            for (side, socket) in sockets.iter().enumerate() {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                let data = EventData::new_u64((place * 2 + side) as u64);
                epoll::add(&self.epoll, socket, data, EventFlags::IN)?;
            }
            self.pairs[place] = Some(Pair { sockets, unsent: [Vec::new(), Vec::new()] });
            Ok(())
        }

        /// Says whether the connection lives on.
        fn serve(&mut self, place: usize, side: usize, flags: EventFlags) -> bool {
            let Some(pair) = self.pairs.get_mut(place).and_then(Option::as_mut) else {
                return true;
            };
            let before = [interest(pair, 0), interest(pair, 1)];
            if flags.contains(EventFlags::OUT) && !flush(pair, side) {
                return false;
            }
            let readable = EventFlags::IN | EventFlags::HUP | EventFlags::ERR;
            if flags.intersects(readable) && pair.unsent[1 - side].is_empty() && !forward(pair, side, &mut self.buffer)
            {
                return false;
            }
            for (one, was) in before.into_iter().enumerate() {
                let now = interest(pair, one);
                let data = EventData::new_u64((place * 2 + one) as u64);
                if now != was && epoll::modify(&self.epoll, &pair.sockets[one], data, now).is_err() {
                    return false;
                }
            }
            true
        }
    }

    /// A side is read only while the other side has taken everything so far.
    fn interest(pair: &Pair, side: usize) -> EventFlags {
        let mut flags = EventFlags::empty();
        if pair.unsent[1 - side].is_empty() {
            flags |= EventFlags::IN;
        }
        if !pair.unsent[side].is_empty() {
            flags |= EventFlags::OUT;
        }
        flags
    }

    fn forward(pair: &mut Pair, side: usize, buffer: &mut [u8]) -> bool {
        let count = match pair.sockets[side].read(buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        };
        match pair.sockets[1 - side].write(&buffer[..count]) {
            Ok(sent) => pair.unsent[1 - side].extend_from_slice(&buffer[sent..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                pair.unsent[1 - side].extend_from_slice(&buffer[..count]);
            }
            Err(_) => return false,
        }
        true
    }

    fn flush(pair: &mut Pair, side: usize) -> bool {
        match pair.sockets[side].write(&pair.unsent[side]) {
            Ok(sent) => {
                pair.unsent[side].drain(..sent);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "floor: {reason}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn start(arguments: &[String]) -> Result<(), String> {
    let [listen, upstream] = arguments else {
        return Err("usage: floor LISTEN_ADDRESS:PORT UPSTREAM_ADDRESS:PORT".into());
    };
    let listen = listen.parse().map_err(|error| format!("{listen}: {error}"))?;
    let upstream = upstream.parse().map_err(|error| format!("{upstream}: {error}"))?;
    pump::run(listen, upstream).map_err(|error| error.to_string())
}

#[cfg(not(target_os = "linux"))]
fn start(_arguments: &[String]) -> Result<(), String> {
    Err("the floor is an epoll program and runs on Linux only".into())
}
