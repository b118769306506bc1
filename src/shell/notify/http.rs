//! Calls to other services: one POST, no redirects, bounded in time and size.

use std::time::Duration;

use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::Failure;
use crate::shell::config::Endpoint;

/// Bytes of an answer that are read.
const ANSWER_MAX: u64 = 64 << 10;
/// The longest pause a receiver can ask for.
const AFTER_MAX: Duration = Duration::from_secs(3_600);

/// What a receiver said.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    /// How long it wants to be left alone.
    pub(super) after: Option<Duration>,
}

/// Sends a JSON text to an endpoint, or to a path below it.
pub(super) fn post(
    endpoint: &Endpoint,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    timeout: Duration,
) -> Result<Answer, Failure> {
    let url = format!("{}{path}", endpoint.url);
    let mut request = agent(endpoint, timeout).post(&url).header("Content-Type", "application/json; charset=utf-8");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let failed = |error: ureq::Error| Failure::again(format!("the receiver cannot be reached: {error}"));
    let mut answer = request.send(body).map_err(failed)?;
    let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // An answer that is too long or no text says no more than its status.
    let body = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string().unwrap_or_default();
    let after = after.map(|seconds| Duration::from_secs(seconds).min(AFTER_MAX));
    Ok(Answer { status: answer.status().as_u16(), body, after })
}

impl Answer {
    /// Anything but 2xx is tried again, but for 410: whoever says that wants no more of it.
    pub(super) fn accepted(self) -> Result<Self, Failure> {
        match self.status {
            200..=299 => Ok(self),
            status => {
                let said: String = self.body.chars().filter(|c| !c.is_control()).take(200).collect();
                let why = format!("the receiver answered {status} {said}").trim_end().to_owned();
                Err(Failure { why, after: self.after, fatal: status == 410 })
            }
        }
    }
}

fn agent(endpoint: &Endpoint, timeout: Duration) -> Agent {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(timeout))
        .user_agent(concat!("lockkeeper/", env!("CARGO_PKG_VERSION")));
    // Only what is plain stays on this machine, and that asks no proxy.
    if endpoint.url.starts_with("http://") {
        config = config.proxy(None);
    }
    if let Some(roots) = &endpoint.roots {
        let certificates = roots.certificates.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        let tls = TlsConfig::builder().root_certs(RootCerts::Specific(std::sync::Arc::new(certificates))).build();
        config = config.tls_config(tls);
    }
    config.build().into()
}
