//! An HTTP receiver that stands in for a webhook's, Slack's or Teams' server: it keeps what came and answers as told.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

/// How long a call is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A call that came in.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// What it was answered.
    pub status: u16,
}

impl Call {
    /// A header, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.body))
    }
}

/// What a call is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// With this many seconds in Retry-After.
    Later(u16, u32),
    Json(Value),
    Redirect(String),
    /// Says nothing and keeps the connection open.
    Silence,
}

/// A receiver; it ends with the test's process.
pub struct Receiver {
    address: SocketAddr,
    calls: Mutex<Queue<Call>>,
}

type Answers = Arc<Mutex<Box<dyn FnMut(&Call) -> Reply + Send>>>;

impl Receiver {
    /// Answers every call as `answer` says.
    pub fn start(answer: impl FnMut(&Call) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, calls) = channel();
        let answers: Answers = Arc::new(Mutex::new(Box::new(answer)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, heard) = (answers.clone(), heard.clone());
                std::thread::spawn(move || serve(stream, &answers, &heard));
            }
        });
        Self { address, calls: Mutex::new(calls) }
    }

    /// Answers every call with 200.
    #[must_use]
    pub fn content() -> Self {
        Self::start(|_| Reply::Status(200))
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next call.
    #[must_use]
    pub fn next(&self) -> Call {
        let call = self.calls.lock().unwrap().recv_timeout(PATIENCE);
        call.unwrap_or_else(|_| panic!("nobody called within {PATIENCE:?}"))
    }

    /// The next call that fits; others are dropped.
    pub fn next_with(&self, fits: impl Fn(&Call) -> bool) -> Call {
        loop {
            let call = self.next();
            if fits(&call) {
                return call;
            }
        }
    }

    /// What came and was not looked at yet.
    #[must_use]
    pub fn rest(&self) -> Vec<Call> {
        self.calls.lock().unwrap().try_iter().collect()
    }
}

fn serve(mut stream: TcpStream, answers: &Answers, heard: &Sender<Call>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut call = read(&mut reader)?;
        let reply = (answers.lock().unwrap())(&call);
        let (status, more, body) = match &reply {
            Reply::Status(status) => (*status, String::new(), String::new()),
            Reply::Later(status, seconds) => (*status, format!("Retry-After: {seconds}\r\n"), String::new()),
            Reply::Json(value) => (200, "Content-Type: application/json\r\n".to_owned(), value.to_string()),
            Reply::Redirect(to) => (302, format!("Location: {to}\r\n"), String::new()),
            Reply::Silence => (0, String::new(), String::new()),
        };
        call.status = status;
        let _ = heard.send(call);
        if matches!(reply, Reply::Silence) {
            // Until the caller has had enough.
            let _ = reader.read(&mut [0]);
            return None;
        }
        let head = format!("HTTP/1.1 {status} said\r\nContent-Length: {}\r\n{more}\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Call { path, headers, body: String::from_utf8(body).ok()?, status: 0 })
}

/// Sends a POST to an address of this machine; its status and body.
pub fn post(address: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), body.to_owned())
}
