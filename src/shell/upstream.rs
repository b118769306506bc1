//! One configured server: how it is reached, encrypted and asked to cancel.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::config::{Target, UpstreamAddress};
use super::net::{Address, Stream};
use super::tls::{self, TlsError, UpstreamMode};
use crate::kernel::wire::startup;

/// From the first packet to a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server of the configuration.
#[derive(Debug)]
pub struct Upstream {
    pub address: Address,
    mode: UpstreamMode,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the server does not offer TLS, but the target requires it")]
    NoTls,
    /// It said more than one byte before the handshake, or something else than yes or no.
    #[error("the server answered the TLS request with something else than S or N")]
    BadTlsAnswer,
    #[error("\"{0}\" is not a host name a certificate can be checked against")]
    BadName(String),
}

impl Upstream {
    /// # Errors
    /// When its TLS material cannot be used.
    pub fn new(target: &Target) -> Result<Self, TlsError> {
        let address = match &target.upstream {
            UpstreamAddress::Tcp { host, port } => Address::Tcp { host: host.clone(), port: *port },
            UpstreamAddress::Unix(path) => Address::Unix(path.clone()),
        };
        let mode = target.upstream_tls.mode;
        // As in libpq: a Unix socket is not encrypted.
        let tls = match address {
            Address::Unix(_) => None,
            Address::Tcp { .. } => tls::client_side(mode, target.upstream_tls.roots.as_ref())?,
        };
        Ok(Self { address, mode, tls })
    }

    /// Connects, and encrypts as configured.
    ///
    /// # Errors
    /// When there is no such connection to be had.
    pub async fn connect(&self) -> Result<Stream, ConnectError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await.map_err(|_| ConnectError::Timeout)?
    }

    async fn open(&self) -> Result<Stream, ConnectError> {
        let mut raw = self.address.connect().await?;
        let (Some(config), Address::Tcp { host, .. }) = (&self.tls, &self.address) else {
            return Ok(Stream::Plain(raw));
        };
        raw.write_all(&startup::ssl_packet()).await?;
        // One byte and not one more: nothing said in clear may be taken for something said under TLS.
        let mut answer = [0];
        raw.read_exact(&mut answer).await?;
        match &answer {
            b"S" => {}
            b"N" if self.mode == UpstreamMode::Prefer => return Ok(Stream::Plain(raw)),
            b"N" => return Err(ConnectError::NoTls),
            _ => return Err(ConnectError::BadTlsAnswer),
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| ConnectError::BadName(host.clone()))?;
        let stream = TlsConnector::from(config.clone()).connect(name, raw).await?;
        Ok(Stream::Client(Box::new(stream)))
    }

    /// Asks the server to cancel what the session with this key runs, and waits until it has heard.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn cancel(&self, process: i32, key: &[u8]) -> Result<(), ConnectError> {
        let mut stream = self.connect().await?;
        stream.write_all(&startup::cancel_packet(process, key)).await?;
        stream.flush().await?;
        // The server closes without a word when it has passed the signal on.
        let mut nothing = [0];
        match tokio::time::timeout(CONNECT_TIMEOUT, stream.read(&mut nothing)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ConnectError::Timeout),
        }
    }
}
