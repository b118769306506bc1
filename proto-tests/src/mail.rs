//! An SMTP server that stands in for a real one: STARTTLS with a certificate of its own, AUTH PLAIN after it.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver as Queue, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const PATIENCE: Duration = Duration::from_secs(30);

/// A message that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: String,
    /// Who logged in; only ever over TLS.
    pub login: Option<String>,
    pub encrypted: bool,
    /// Headers and body as sent.
    pub text: String,
}

impl Mail {
    /// A header's value, or nothing.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ");
        let found = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        found.unwrap_or_default()
    }
}

/// A mail server; it ends with the test's process.
pub struct MailServer {
    pub address: SocketAddr,
    mails: Mutex<Queue<Mail>>,
}

struct Shared {
    tls: Arc<ServerConfig>,
    password: String,
    taken: Sender<Mail>,
    /// Answers this to so many messages first.
    refuse: Mutex<Vec<&'static str>>,
}

impl MailServer {
    /// Takes mail from `user` with this password, and writes its certificate to `root`. The first messages are answered
    /// with what `refuse` has.
    pub fn start(login: (&str, &str), root: &Path, refuse: Vec<&'static str>) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(root, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, mails) = channel();
        let password = base64::engine::general_purpose::STANDARD.encode(format!("\0{}\0{}", login.0, login.1));
        let shared = Arc::new(Shared { tls: Arc::new(tls), password, taken, refuse: Mutex::new(refuse) });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || talk(stream, &shared));
            }
        });
        Self { address, mails: Mutex::new(mails) }
    }

    /// The next message that was taken.
    #[must_use]
    pub fn next(&self) -> Mail {
        let mail = self.mails.lock().unwrap().recv_timeout(PATIENCE);
        mail.unwrap_or_else(|_| panic!("no mail within {PATIENCE:?}"))
    }
}

fn talk(stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut plain = BufReader::new(stream);
    say(&mut plain, "220 localhost stands in")?;
    loop {
        let line = hear(&mut plain)?;
        match line.to_ascii_uppercase().as_str() {
            line if line.starts_with("EHLO") => say(&mut plain, "250-localhost\r\n250 STARTTLS")?,
            "STARTTLS" => {
                say(&mut plain, "220 go on")?;
                let connection = ServerConnection::new(shared.tls.clone()).ok()?;
                return transact(&mut BufReader::new(StreamOwned::new(connection, plain.into_inner())), shared);
            }
            "QUIT" => return say(&mut plain, "221 bye"),
            _ => say(&mut plain, "530 5.7.0 Must issue a STARTTLS command first")?,
        }
    }
}

fn transact<S: Read + Write>(stream: &mut BufReader<S>, shared: &Shared) -> Option<()> {
    let mut mail = Mail { from: String::new(), to: String::new(), login: None, encrypted: true, text: String::new() };
    loop {
        let line = hear(stream)?;
        let (word, rest) = line.split_once([' ', ':']).unwrap_or((&line, ""));
        let address = rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(inner, _)| inner);
        match word.to_ascii_uppercase().as_str() {
            "EHLO" => say(stream, "250-localhost\r\n250 AUTH PLAIN")?,
            "AUTH" if rest == format!("PLAIN {}", shared.password) => {
                mail.login = Some("PLAIN".to_owned());
                say(stream, "235 welcome")?;
            }
            "AUTH" => say(stream, "535 5.7.8 no")?,
            "MAIL" if mail.login.is_none() => say(stream, "530 5.7.0 Authentication required")?,
            "MAIL" => {
                let refused = {
                    let mut refuse = shared.refuse.lock().unwrap();
                    (!refuse.is_empty()).then(|| refuse.remove(0))
                };
                mail.from = address.to_owned();
                say(stream, refused.unwrap_or("250 ok"))?;
            }
            "RCPT" => {
                mail.to = address.to_owned();
                say(stream, "250 ok")?;
            }
            "DATA" => {
                say(stream, "354 go on")?;
                mail.text.clear();
                loop {
                    let line = hear(stream)?;
                    if line == "." {
                        break;
                    }
                    mail.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.text.push_str("\r\n");
                }
                let _ = shared.taken.send(mail.clone());
                say(stream, "250 taken")?;
            }
            "QUIT" => return say(stream, "221 bye"),
            _ => say(stream, "250 ok")?,
        }
    }
}

fn hear<S: Read>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

fn say<S: Read + Write>(stream: &mut BufReader<S>, text: &str) -> Option<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).ok()?;
    stream.get_mut().flush().ok()
}
