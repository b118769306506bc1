//! Requests to the provider: encrypted or within this machine, in bounded time and size, following nothing.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::http::Method;
use openidconnect::url::{Host, Url};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::shell::tls::Roots;

const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const ANSWER_MAX: u64 = 1 << 20;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("{0} is neither https nor on this machine")]
    Open(String),
    #[error("{0}")]
    Failed(#[from] ureq::Error),
    #[error("the request was given up")]
    Gone,
}

/// The client of all requests.
#[derive(Clone, Debug)]
pub(super) struct Http(ureq::Agent);

impl Http {
    pub(super) fn new(roots: Option<&Roots>) -> Self {
        let roots = match roots {
            None => RootCerts::WebPki,
            Some(roots) => {
                let own = roots.certificates.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
                RootCerts::from(own.collect::<Vec<_>>())
            }
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            // What the provider is asked is asked of nobody else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .tls_config(TlsConfig::builder().root_certs(roots).build());
        Self(config.build().into())
    }
}

/// Whether an address of the provider may be used.
pub(super) fn check(url: &Url) -> Result<(), HttpError> {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err(HttpError::Open(url.to_string())),
    }
}

fn send(agent: &ureq::Agent, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    let open = || HttpError::Open(request.uri().to_string());
    check(&Url::parse(&request.uri().to_string()).map_err(|_| open())?)?;
    let (parts, body) = request.into_parts();
    let answer = if parts.method == Method::GET {
        agent.run(openidconnect::http::Request::from_parts(parts, ()))
    } else {
        agent.run(openidconnect::http::Request::from_parts(parts, body))
    };
    let (parts, mut body) = answer?.into_parts();
    let bytes = body.with_config().limit(ANSWER_MAX).read_to_vec()?;
    Ok(HttpResponse::from_parts(parts, bytes))
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        let agent = self.0.clone();
        Box::pin(async move {
            let sent = tokio::task::spawn_blocking(move || send(&agent, request)).await;
            sent.unwrap_or(Err(HttpError::Gone))
        })
    }
}
