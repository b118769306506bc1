//! TLS on both sides: what clients are answered with, and how the server's certificate is checked.
//!
//! Makes `rustls` configurations and reads certificates; it opens no connection and reads no setting.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig, ServerConnection};

mod certificate;
mod verify;

pub use certificate::{Validity, server_end_point, validity};
use verify::{AnyCertificate, RootsVerifier};

/// The protocol's name in ALPN (PostgreSQL docs, 55.2.11 SSL Session Encryption).
pub const ALPN: &[u8] = b"postgresql";

/// Plaintext of one record towards clients. libpq's non-blocking interface reads 8 KiB at a time and
/// may sleep on what is left of a larger record.
pub const RECORD_PLAINTEXT_MAX: usize = 8_192;
/// What `rustls` counts as a record's frame within `max_fragment_size`.
const RECORD_OVERHEAD: usize = 5;

/// TLS on a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListenerMode {
    /// SSLRequest is answered `N`.
    #[default]
    Disable,
    /// The client chooses.
    Prefer,
    /// Sessions without TLS are refused before a password is asked for.
    Require,
}

/// TLS towards a server, with libpq's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamMode {
    Disable,
    /// TLS if the server offers it; the certificate is not looked at.
    #[default]
    Prefer,
    /// TLS or nothing; the certificate is not looked at.
    Require,
    /// The certificate chains to a configured root.
    VerifyCa,
    /// And it is for the host name that was asked for.
    VerifyFull,
}

impl UpstreamMode {
    /// Whether the server proves who it is.
    #[must_use]
    pub fn verifies(self) -> bool {
        match self {
            Self::Disable | Self::Prefer | Self::Require => false,
            Self::VerifyCa | Self::VerifyFull => true,
        }
    }
}

/// What is wrong with a certificate or key file, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what} {remedy}", file.display())]
pub struct TlsError {
    pub file: PathBuf,
    pub what: String,
    pub remedy: String,
}

impl TlsError {
    fn new(file: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), what: what.into(), remedy: remedy.into() }
    }
}

/// A listener's certificate chain and private key, as read and checked against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
    /// The listener's own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    key: Arc<PrivateKeyDer<'static>>,
}

/// The certificates an upstream's chain may end in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    pub file: PathBuf,
    pub certificates: Vec<CertificateDer<'static>>,
}

/// What a listener with TLS needs.
#[derive(Clone, Debug)]
pub struct ServerSide {
    pub config: Arc<ServerConfig>,
    /// `tls-server-end-point` of the certificate; absent where RFC 5929 does not define it, and then
    /// SCRAM-SHA-256-PLUS cannot be offered.
    pub end_point: Option<Vec<u8>>,
}

impl Identity {
    /// What is wrong with each of the files by itself.
    pub fn flaws(cert_file: Option<&Path>, key_file: Option<&Path>) -> Vec<TlsError> {
        let certificate = cert_file.and_then(|file| certificates(file).err());
        certificate.into_iter().chain(key_file.and_then(|file| private_key(file).err())).collect()
    }

    /// Reads a PEM chain and its PEM private key.
    pub fn load(cert_file: &Path, key_file: &Path) -> Result<Self, TlsError> {
        let chain = certificates(cert_file)?;
        let key = private_key(key_file)?;
        let identity =
            Self { cert_file: cert_file.to_owned(), key_file: key_file.to_owned(), chain, key: Arc::new(key) };
        identity.certified().map(|_| identity)
    }

    fn certified(&self) -> Result<CertifiedKey, TlsError> {
        CertifiedKey::from_der(self.chain.clone(), self.key.clone_key(), &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::new(
                &self.key_file,
                format!("the private key does not belong to the certificate in {}.", self.cert_file.display()),
                "Give the key the certificate was made with; a chain file has the server's own certificate first.",
            ),
            other => TlsError::new(
                &self.cert_file,
                format!("the certificate or its key cannot be used: {other}."),
                "Use an X.509 version 3 certificate with an RSA, ECDSA or Ed25519 key.",
            ),
        })
    }
}

impl Roots {
    /// Reads a PEM file of one or more root certificates.
    pub fn load(file: &Path) -> Result<Self, TlsError> {
        let roots = Self { file: file.to_owned(), certificates: certificates(file)? };
        RootsVerifier::new(&roots, true).map(|_| roots)
    }
}

/// The `rustls` configuration for clients: TLS 1.2 and 1.3, ALPN offered, no session resumption
/// (PostgreSQL has none either, and tickets cost memory for each idle session).
pub fn server_side(identity: &Identity) -> Result<ServerSide, TlsError> {
    let certified = identity.certified()?;
    let end_point = identity.chain.first().and_then(|certificate| server_end_point(certificate));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&identity.cert_file, &error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.max_fragment_size = Some(RECORD_PLAINTEXT_MAX + RECORD_OVERHEAD);
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ServerSide { config: Arc::new(config), end_point })
}

/// The `rustls` configuration towards a server. `None` when TLS is disabled.
pub fn client_side(mode: UpstreamMode, roots: Option<&Roots>) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let verifier: Arc<dyn rustls::client::danger::ServerCertVerifier> = match (mode, roots) {
        (UpstreamMode::Disable, _) => return Ok(None),
        (UpstreamMode::Prefer | UpstreamMode::Require, _) => Arc::new(AnyCertificate::new(provider())),
        (UpstreamMode::VerifyCa, Some(roots)) => Arc::new(RootsVerifier::new(roots, false)?),
        (UpstreamMode::VerifyFull, Some(roots)) => Arc::new(RootsVerifier::new(roots, true)?),
        (UpstreamMode::VerifyCa | UpstreamMode::VerifyFull, None) => {
            return Err(TlsError::new(Path::new(""), "there is no root certificate.", "Give a root certificate file."));
        }
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(Path::new(""), &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Some(Arc::new(config)))
}

/// Whether the client asked for PostgreSQL's protocol by ALPN. A client that begins with TLS directly
/// must: otherwise a page of another protocol could be tricked into talking to us.
#[must_use]
pub fn spoke_alpn(connection: &ServerConnection) -> bool {
    connection.alpn_protocol() == Some(ALPN)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn unusable(file: &Path, error: &rustls::Error) -> TlsError {
    TlsError::new(file, format!("TLS cannot be set up: {error}."), "Report this: it is a defect of the gateway.")
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| {
        TlsError::new(
            file,
            format!("the file cannot be read: {error}."),
            "Check the path (relative ones count from the configuration file) and its permissions.",
        )
    })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file)?;
    let damaged = |what: String| {
        TlsError::new(file, what, "Give a PEM file with one or more `-----BEGIN CERTIFICATE-----` blocks.")
    };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| damaged(format!("the PEM text is damaged: {error}.")))?;
    if found.is_empty() {
        return Err(damaged("there is no certificate in it.".to_owned()));
    }
    if found.iter().any(|certificate| validity(certificate).is_none()) {
        return Err(damaged("a certificate in it cannot be read.".to_owned()));
    }
    Ok(found)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = zeroize::Zeroizing::new(read(file)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let encrypted = text.windows(9).any(|window| window == b"ENCRYPTED");
        let (what, remedy) = if encrypted {
            (
                "the private key is protected by a passphrase.".to_owned(),
                "Store it without: `openssl pkey -in KEY -out NEW`.",
            )
        } else {
            let what = match error {
                rustls::pki_types::pem::Error::NoItemsFound => "there is no private key in it.".to_owned(),
                other => format!("the PEM text is damaged: {other}."),
            };
            (what, "Give a PEM file with a `-----BEGIN PRIVATE KEY-----` block.")
        };
        TlsError::new(file, what, remedy)
    })
}

#[cfg(test)]
mod tests;
