//! A raw client over blocking sockets. Every read has a deadline, so that a hang is a failure and not a wait.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use postgres_protocol::authentication::{md5_hash, sasl};

use crate::wire::{self, Message, Reader};

/// How long a client waits for the next byte before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(s) => Self::Tcp(s.try_clone()?),
            Self::Unix(s) => Self::Unix(s.try_clone()?),
        })
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(s) => s.read(buffer),
            Self::Unix(s) => s.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.write_all(bytes),
            Self::Unix(s) => s.write_all(bytes),
        }
    }

    fn set_read_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(s) => s.set_read_timeout(Some(limit)),
            Self::Unix(s) => s.set_read_timeout(Some(limit)),
        }
    }
}

/// Where to connect.
#[derive(Clone, Debug)]
pub enum Target {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over the Unix socket of this path.
    Unix(PathBuf),
}

/// What a session asks for when it starts.
#[derive(Clone)]
pub struct Session {
    target: Target,
    version: (u16, u16),
    parameters: Vec<(String, String)>,
    password: Option<String>,
}

/// Why a session did not start.
#[derive(Debug)]
pub enum NotConnected {
    /// The socket failed or was closed.
    Io(io::Error),
    /// The other side said so.
    Refused(Message),
}

impl From<io::Error> for NotConnected {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Session {
    /// A session with the TCP address.
    #[must_use]
    pub fn to(address: SocketAddr) -> Self {
        Self::at(Target::Tcp(address))
    }

    /// A session with any target.
    #[must_use]
    pub fn at(target: Target) -> Self {
        Self { target, version: (3, 0), parameters: Vec::new(), password: None }
    }

    /// The role to log in as.
    #[must_use]
    pub fn user(self, name: &str) -> Self {
        self.parameter("user", name)
    }

    /// The database.
    #[must_use]
    pub fn database(self, name: &str) -> Self {
        self.parameter("database", name)
    }

    /// Any startup parameter; the same name twice is sent twice.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// The protocol version.
    #[must_use]
    pub fn version(mut self, major: u16, minor: u16) -> Self {
        self.version = (major, minor);
        self
    }

    /// The password to answer with.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Opens the socket and says nothing yet.
    pub fn open(&self) -> io::Result<Client> {
        let stream = match &self.target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, PATIENCE)?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
            Target::Unix(path) => Stream::Unix(UnixStream::connect(path)?),
        };
        stream.set_read_timeout(PATIENCE)?;
        Ok(Client {
            stream,
            writer: None,
            buffer: Vec::new(),
            pid: 0,
            key: Vec::new(),
            session: self.clone(),
            byte_at_a_time: false,
            greeting: Vec::new(),
        })
    }

    /// The StartupMessage.
    #[must_use]
    pub fn startup(&self) -> Vec<u8> {
        wire::startup(self.version, &self.parameters)
    }

    /// Opens the socket and logs in, up to the first ReadyForQuery.
    pub fn connect(&self) -> Result<Client, NotConnected> {
        let mut client = self.open()?;
        client.send(&self.startup())?;
        client.log_in()?;
        Ok(client)
    }
}

/// One connection.
pub struct Client {
    stream: Stream,
    writer: Option<mpsc::Sender<Vec<u8>>>,
    buffer: Vec<u8>,
    /// The process id the other side gave.
    pub pid: u32,
    /// The cancel key the other side gave.
    pub key: Vec<u8>,
    session: Session,
    /// Whether every byte is written on its own.
    pub byte_at_a_time: bool,
    /// Everything that came between StartupMessage and the first ReadyForQuery.
    pub greeting: Vec<Message>,
}

impl Client {
    /// Sends bytes. What might not fit the socket's buffer is written beside the reading, as an event loop would;
    /// from then on everything goes that way, so that nothing overtakes.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.byte_at_a_time {
            return bytes.chunks(1).try_for_each(|b| self.stream.write_all(b));
        }
        if bytes.len() >= 32_768 && self.writer.is_none() {
            let mut stream = self.stream.try_clone()?;
            let (sender, receiver) = mpsc::channel::<Vec<u8>>();
            std::thread::spawn(move || receiver.iter().try_for_each(|bytes| stream.write_all(&bytes)));
            self.writer = Some(sender);
        }
        match &self.writer {
            Some(writer) => writer.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe.into()),
            None => self.stream.write_all(bytes),
        }
    }

    /// Sends bytes and waits until the socket took them all.
    pub fn send_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Changes how long a read waits.
    pub fn patience(&mut self, limit: Duration) {
        self.stream.set_read_timeout(limit).unwrap();
    }

    fn fill(&mut self, count: usize) -> io::Result<bool> {
        let mut chunk = [0_u8; 65_536];
        while self.buffer.len() < count {
            match self.stream.read(&mut chunk)? {
                0 => return Ok(false),
                got => self.buffer.extend_from_slice(&chunk[..got]),
            }
        }
        Ok(true)
    }

    /// One byte, as the answer to SSLRequest is.
    pub fn recv_byte(&mut self) -> io::Result<Option<u8>> {
        Ok(if self.fill(1)? { Some(self.buffer.remove(0)) } else { None })
    }

    /// The next message, or nothing when the other side closed.
    pub fn recv(&mut self) -> io::Result<Option<Message>> {
        if !self.fill(5)? {
            return Ok(None);
        }
        let length = usize::try_from(Reader(&self.buffer[1..5]).long()).unwrap();
        assert!(length >= 4, "the server sent a length of {length}");
        if !self.fill(length + 1)? {
            return Ok(None);
        }
        let rest = self.buffer.split_off(length + 1);
        let whole = std::mem::replace(&mut self.buffer, rest);
        Ok(Some(Message { tag: whole[0], body: whole[5..].to_vec() }))
    }

    /// Answers what the server asks for until the session is ready.
    pub fn log_in(&mut self) -> Result<(), NotConnected> {
        let mut scram = None;
        loop {
            let Some(message) = self.recv()? else {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            };
            self.greeting.push(message.clone());
            match message.tag {
                b'R' => self.authenticate(&message.body, &mut scram)?,
                b'K' => {
                    self.pid = Reader(&message.body).long();
                    self.key = message.body[4..].to_vec();
                }
                b'E' => return Err(NotConnected::Refused(message)),
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }

    fn authenticate(&mut self, body: &[u8], scram: &mut Option<sasl::ScramSha256>) -> io::Result<()> {
        let mut reader = Reader(body);
        let kind = reader.long();
        let password = self.session.password.clone().unwrap_or_default();
        let answer = match kind {
            0 => return Ok(()),
            3 => wire::text_message(b'p', password.as_bytes()),
            5 => {
                let user = self.session.parameters.iter().find(|(n, _)| n == "user").unwrap().1.clone();
                let salt = reader.0.try_into().unwrap();
                wire::text_message(b'p', md5_hash(user.as_bytes(), password.as_bytes(), salt).as_bytes())
            }
            10 => {
                let state = sasl::ScramSha256::new(password.as_bytes(), sasl::ChannelBinding::unsupported());
                let mut answer = b"SCRAM-SHA-256\0".to_vec();
                answer.extend_from_slice(&wire::int32(state.message().len()));
                answer.extend_from_slice(state.message());
                *scram = Some(state);
                wire::framed(b'p', &answer)
            }
            11 => {
                let state = scram.as_mut().expect("SCRAM was begun");
                state.update(reader.0)?;
                wire::framed(b'p', state.message())
            }
            12 => return scram.as_mut().expect("SCRAM was begun").finish(reader.0),
            other => panic!("the server asks for authentication {other}"),
        };
        self.send(&answer)
    }

    /// Everything up to and including the next ReadyForQuery, or to the end of the connection.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut seen = Vec::new();
        loop {
            match self.recv() {
                Ok(Some(message)) => {
                    let done = message.tag == b'Z';
                    seen.push(message);
                    if done {
                        return seen;
                    }
                }
                Ok(None) => return seen,
                Err(error) => panic!("no ReadyForQuery: {error}; seen so far: {seen:?}"),
            }
        }
    }

    /// Reads on to ReadyForQuery, unless `last` was it.
    pub fn until_ready_unless(&mut self, last: &Message) -> Vec<Message> {
        if last.tag == b'Z' { Vec::new() } else { self.until_ready() }
    }

    /// Reads on until a message's text contains `part`; panics when the session becomes ready or ends before.
    pub fn until(&mut self, part: &str) -> Message {
        let mut seen = Vec::new();
        loop {
            let Some(message) = self.recv().unwrap_or_else(|e| panic!("no {part:?}: {e}; seen {seen:?}")) else {
                panic!("closed before {part:?}; seen {seen:?}");
            };
            if message.render().contains(part) {
                return message;
            }
            assert!(message.tag != b'Z', "ready without {part:?}; seen {seen:?}");
            seen.push(message);
        }
    }

    /// Sends a statement that is held, and returns its ticket's number.
    pub fn hold(&mut self, sql: &str) -> String {
        self.send(&wire::query(sql.as_bytes())).unwrap();
        ticket_of(&self.until("ticket "))
    }

    /// Sends a simple query and returns all replies.
    pub fn query(&mut self, sql: &str) -> Vec<Message> {
        self.send(&wire::query(sql.as_bytes())).unwrap();
        self.until_ready()
    }

    /// Sends a simple query that must succeed and returns its rows, columns joined with `|`.
    pub fn rows(&mut self, sql: &str) -> Vec<String> {
        let replies = self.query(sql);
        if let Some(error) = replies.iter().find(|m| m.tag == b'E') {
            panic!("{sql}: {error:?}");
        }
        let row = |m: &Message| m.render().trim_start_matches("DataRow ").to_owned();
        replies.iter().filter(|m| m.tag == b'D').map(row).collect()
    }

    /// Asks the other side, on a new connection, to cancel what this session runs.
    pub fn cancel(&self) {
        let mut other = self.session.open().unwrap();
        other.send(&wire::cancel_request(self.pid, &self.key)).unwrap();
        let _ = other.recv_byte();
    }

    /// Closes without saying goodbye.
    pub fn vanish(self) {
        let _ = match &self.stream {
            Stream::Tcp(s) => s.shutdown(Shutdown::Both),
            Stream::Unix(s) => s.shutdown(Shutdown::Both),
        };
    }

    /// Says that nothing more will be sent, but goes on reading.
    pub fn half_close(&self) {
        let _ = match &self.stream {
            Stream::Tcp(s) => s.shutdown(Shutdown::Write),
            Stream::Unix(s) => s.shutdown(Shutdown::Write),
        };
    }
}

/// The number of the ticket that a notice or error names.
#[must_use]
pub fn ticket_of(message: &Message) -> String {
    let text = message.render();
    let rest = text.split("ticket ").nth(1).unwrap_or_else(|| panic!("no ticket in {text}"));
    rest.chars().take_while(char::is_ascii_digit).collect()
}

/// The first error among replies.
#[must_use]
pub fn error_of(replies: &[Message]) -> Option<&Message> {
    replies.iter().find(|m| m.tag == b'E')
}

/// The status byte of the last ReadyForQuery among replies.
#[must_use]
pub fn status_of(replies: &[Message]) -> Option<char> {
    replies.iter().rev().find(|m| m.tag == b'Z').map(|m| char::from(m.body[0]))
}
