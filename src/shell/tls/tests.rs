use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    /// An authority, a certificate of it for `db.example`, and a self-signed one.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self { folder };
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["db.example".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
        made.write("ca.crt", &ca.pem());
        made.write("db.crt", &cert.pem());
        made.write("db.key", &key.serialize_pem());
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["own.example".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        made.write("own.crt", &params.self_signed(&own).unwrap().pem());
        made.write("own.key", &own.serialize_pem());
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self, name: &str) -> ServerSide {
        let identity = Identity::load(&self.path(&format!("{name}.crt")), &self.path(&format!("{name}.key"))).unwrap();
        server_side(&identity).unwrap()
    }

    /// Whether a handshake comes about, and then whether ALPN was spoken.
    async fn handshake(
        &self,
        server: &str,
        mode: UpstreamMode,
        root: Option<&str>,
        host: &str,
    ) -> Result<bool, String> {
        let roots = root.map(|root| Roots::load(&self.path(root)).unwrap());
        let client = client_side(mode, roots.as_ref()).unwrap().unwrap();
        let (a, b) = tokio::io::duplex(1 << 16);
        let accept = TlsAcceptor::from(self.server(server).config).accept(b);
        let connect = TlsConnector::from(client).connect(ServerName::try_from(host.to_owned()).unwrap(), a);
        let (accepted, connected) = tokio::join!(accept, connect);
        connected.map_err(|error| error.to_string())?;
        Ok(spoke_alpn(accepted.map_err(|error| error.to_string())?.get_ref().1))
    }
}

#[tokio::test]
async fn modes_look_at_what_they_say() {
    use UpstreamMode::{Prefer, Require, VerifyCa, VerifyFull};
    let made = Made::new();
    for (server, mode, root, host, good) in [
        ("db", Prefer, None, "any.example", true),
        ("own", Require, None, "any.example", true),
        ("db", VerifyCa, Some("ca.crt"), "any.example", true),
        ("db", VerifyFull, Some("ca.crt"), "db.example", true),
        ("db", VerifyFull, Some("ca.crt"), "any.example", false),
        ("own", VerifyCa, Some("ca.crt"), "own.example", false),
        ("own", VerifyFull, Some("ca.crt"), "own.example", false),
        ("own", VerifyCa, Some("own.crt"), "any.example", true),
        ("own", VerifyFull, Some("own.crt"), "own.example", true),
        ("own", VerifyFull, Some("own.crt"), "any.example", false),
    ] {
        let outcome = made.handshake(server, mode, root, host).await;
        assert_eq!(outcome.is_ok(), good, "{server} {mode:?} {root:?} {host}: {outcome:?}");
        assert!(outcome.unwrap_or(true), "ALPN is spoken");
    }
    assert!(client_side(UpstreamMode::Disable, None).unwrap().is_none());
    assert!(client_side(VerifyFull, None).is_err());
}

#[tokio::test]
async fn records_towards_clients_fit_libpq() {
    let made = Made::new();
    let (a, b) = tokio::io::duplex(1 << 20);
    let client = client_side(UpstreamMode::Require, None).unwrap().unwrap();
    let accept = TlsAcceptor::from(made.server("db").config).accept(b);
    let connect = TlsConnector::from(client).connect(ServerName::try_from("db.example").unwrap(), a);
    let (server, client) = tokio::join!(accept, connect);
    let (mut server, client) = (server.unwrap(), client.unwrap());
    server.write_all(&[7; 40_000]).await.unwrap();
    server.flush().await.unwrap();
    let (mut raw, _) = client.into_inner();
    let mut largest = 0;
    let mut total = 0;
    while total < 40_000 {
        let mut header = [0; 5];
        raw.read_exact(&mut header).await.unwrap();
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        raw.read_exact(&mut vec![0; length]).await.unwrap();
        // TLS 1.3 adds the content type and a tag of 16 bytes.
        largest = largest.max(length - 17);
        total += length - 17;
    }
    assert_eq!(total, 40_000);
    assert!(largest <= RECORD_PLAINTEXT_MAX && largest > 8_000, "{largest}");
}

/// What the TLS library says of it is for programmers, with a link.
#[tokio::test]
async fn a_connection_that_ends_without_goodbye_is_told_in_our_own_words() {
    let made = Made::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let raw = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (peer, _) = listener.accept().await.unwrap();
    let client = client_side(UpstreamMode::Require, None).unwrap().unwrap();
    let accept = TlsAcceptor::from(made.server("db").config).accept(peer);
    let connect = TlsConnector::from(client)
        .connect(ServerName::try_from("db.example").unwrap(), crate::shell::net::Raw::Tcp(raw));
    let (server, client) = tokio::join!(accept, connect);
    let mut client = crate::shell::net::Stream::Client(Box::new(client.unwrap()));
    drop(server.unwrap().into_inner().0);
    let error = client.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection was closed without a word");
}

#[test]
fn files_are_checked() {
    let made = Made::new();
    made.write("empty.pem", "");
    made.write("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    for (cert, key, expected) in [
        ("none.crt", "db.key", "cannot be read"),
        ("empty.pem", "db.key", "there is no certificate in it"),
        ("db.crt", "empty.pem", "there is no private key in it"),
        ("db.crt", "own.key", "does not belong to the certificate"),
        ("db.crt", "locked.key", "protected by a passphrase"),
    ] {
        let error = Identity::load(&made.path(cert), &made.path(key)).unwrap_err();
        assert!(error.what.contains(expected), "{cert} {key}: {error}");
    }
    assert!(Roots::load(&made.path("empty.pem")).is_err());
}

#[test]
fn certificates_are_read() {
    let made = Made::new();
    let side = made.server("db");
    // rcgen signs with ECDSA and SHA-256.
    assert_eq!(side.end_point.unwrap().len(), 32);
    let roots = Roots::load(&made.path("ca.crt")).unwrap();
    let dates = validity(&roots.certificates[0]).unwrap();
    assert!(dates.not_before < dates.not_after);
    assert_eq!(validity(&CertificateDer::from(vec![0x30, 0x00])), None);
}
