//! Encryption on both sides: psql as the client, certificates made for the test, and the tricks at the border
//! between clear and encrypted bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests report by panicking")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use proto_tests::client::NotConnected;
use proto_tests::{Gateway, GatewayOptions, Server, majors, process, wire};

/// A certificate for localhost, its key, and the folder both are in.
struct Certificate {
    folder: tempfile::TempDir,
    cert: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        std::fs::write(folder.path().join("cert.pem"), &cert).unwrap();
        std::fs::write(folder.path().join("key.pem"), &key).unwrap();
        Self { folder, cert, key }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self, mode: &str) -> GatewayOptions {
        GatewayOptions::tls(mode, &self.file("cert.pem"), &self.file("key.pem"))
    }
}

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(Certificate::new);
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start(majors().into_iter().max().unwrap()));

/// psql with the given `sslmode`; what it printed, or its complaint.
fn psql(gateway: &Gateway, mode: &str, sql: &str) -> Result<String, String> {
    let mut command = Command::new(std::env::var("LOCKKEEPER_PSQL").unwrap_or_else(|_| "psql".into()));
    let place = format!(
        "host=localhost port={} user=alice dbname=postgres sslmode={mode} sslrootcert={} connect_timeout=20",
        gateway.address.port(),
        CERTIFICATE.file("cert.pem").display()
    );
    let (ok, text) = process::run(command.args(["-X", "-q", "-t", "-A", "-c", sql, &place]), "");
    if ok { Ok(text.trim().to_owned()) } else { Err(text) }
}

#[test]
fn clients_may_encrypt_and_check_who_it_is() {
    let gateway = Gateway::with(&SERVER, &CERTIFICATE.options("prefer"));
    for mode in ["disable", "prefer", "require", "verify-full"] {
        assert_eq!(psql(&gateway, mode, "select 6 * 7").as_deref(), Ok("42"), "{mode}");
    }
    let rows = psql(&gateway, "require", "select count(*) from generate_series(1, 100000) g, repeat('x', 100)");
    assert_eq!(rows.as_deref(), Ok("100000"));
    gateway.assert_healthy();
}

#[test]
fn clear_text_is_refused_where_encryption_is_required() {
    let gateway = Gateway::with(&SERVER, &CERTIFICATE.options("require"));
    assert_eq!(psql(&gateway, "require", "select 1").as_deref(), Ok("1"));
    match gateway.session("scram_user", "postgres").password("pencil").connect() {
        Err(NotConnected::Refused(message)) => assert_eq!(message.field('S').as_deref(), Some("FATAL")),
        Err(NotConnected::Io(error)) => panic!("not a word of explanation: {error}"),
        Ok(_) => panic!("a session in clear text"),
    }
    gateway.assert_healthy();
}

#[test]
fn nothing_sent_before_the_handshake_counts_after_it() {
    let gateway = Gateway::with(&SERVER, &CERTIFICATE.options("prefer"));
    let session = gateway.session("alice", "postgres");
    let smuggled = [session.startup(), wire::query(b"create table smuggled(a int)")].concat();
    for extra in [1, 8, smuggled.len()] {
        let mut client = session.open().unwrap();
        client.send(&[wire::ssl_request(), smuggled[..extra].to_vec()].concat()).unwrap();
        client.patience(Duration::from_secs(20));
        client.half_close();
        let mut answer = Vec::new();
        while let Ok(Some(byte)) = client.recv_byte() {
            answer.push(byte);
        }
        assert!(!answer.contains(&b'Z'), "{extra} bytes more: {}", answer.escape_ascii());
    }
    assert_eq!(SERVER.sql("postgres", "select to_regclass('smuggled') is null"), ["t"]);
    gateway.assert_healthy();
}

#[test]
fn direct_encryption_needs_the_protocols_name() {
    let gateway = Gateway::with(&SERVER, &CERTIFICATE.options("prefer"));
    let mut client = gateway.session("alice", "postgres").open().unwrap();
    // A ClientHello of TLS 1.2 without extensions, so without ALPN.
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).unwrap();
    let bytes = [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat();
    client.send(&bytes).unwrap();
    client.patience(Duration::from_secs(20));
    client.half_close();
    let mut answer = Vec::new();
    while let Ok(Some(byte)) = client.recv_byte() {
        answer.push(byte);
    }
    // Nothing, or a TLS alert; never a handshake.
    assert!(answer.first().is_none_or(|b| *b == 0x15 || *b == b'E'), "{}", answer.escape_ascii());
    gateway.assert_healthy();
}

#[test]
fn the_servers_certificate_is_checked() {
    let server = Server::start(majors().into_iter().max().unwrap());
    server.use_tls(&CERTIFICATE.cert, &CERTIFICATE.key);
    let encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    for mode in ["require", "verify-ca", "verify-full"] {
        let gateway = Gateway::with(&server, &GatewayOptions::upstream_tls(mode, &CERTIFICATE.file("cert.pem")));
        assert_eq!(gateway.connect("alice", "postgres").rows(encrypted), ["t"], "{mode}");
    }
    let other = Certificate::new();
    let gateway = Gateway::with(&server, &GatewayOptions::upstream_tls("verify-full", &other.file("cert.pem")));
    assert!(gateway.session("alice", "postgres").connect().is_err(), "an unknown certificate was believed");
    gateway.assert_healthy();
}

#[test]
fn a_server_without_encryption_is_refused_where_it_is_required() {
    let gateway = Gateway::with(&SERVER, &GatewayOptions::upstream_tls("require", &CERTIFICATE.file("cert.pem")));
    match gateway.session("alice", "postgres").connect() {
        Err(NotConnected::Refused(message)) => assert_eq!(message.field('S').as_deref(), Some("FATAL")),
        other => panic!("{:?}", other.err()),
    }
    gateway.assert_healthy();
}
