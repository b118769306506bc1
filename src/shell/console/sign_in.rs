//! Signing in by the identity provider: in a browser, which is led there and back, or with a code that somebody
//! enters there while the command line waits. What comes out is a token that ends with the sign-in.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::api::ApiState;
use super::door::new_secret;
use super::identity::digest;
use super::problem::Problem;
use super::view::{DeviceCode, TokenNew};
use crate::kernel::review::{Power, Vouched};
use crate::shell::audit::{Admission, Event};
use crate::shell::clock::now;
use crate::shell::oidc::{OidcError, Provider, Secrets};
use crate::shell::store::Token;

/// How long somebody may take at the provider.
pub(super) const BROWSER_TIME: Duration = Duration::from_secs(600);
/// Sign-ins under way at a time; of more, the first ones have to begin again.
const BROWSERS_MAX: usize = 1_000;
/// Codes under way at a time: for each the provider is asked every few seconds.
const DEVICES_MAX: usize = 50;
/// How long an answer waits to be fetched.
const FETCH_TIME: Duration = Duration::from_secs(60);
/// How long ended sign-ins are listed.
const LISTED_MS: u64 = 30 * 86_400_000;

/// Sign-ins under way. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct SignIns {
    provider: Option<Provider>,
    browsers: Waiting<Browser>,
    devices: Waiting<watch::Receiver<Option<Answer>>>,
}

type Answer = Result<Vouched, Arc<OidcError>>;

/// What one browser has begun.
#[derive(Debug)]
struct Browser {
    state: String,
    secrets: Secrets,
    to: String,
}

/// What a browser brings back from the provider.
pub(super) struct Brought {
    pub(super) code: String,
    pub(super) state: String,
    /// Who says so, where the provider tells (RFC 9207).
    pub(super) issuer: Option<String>,
}

impl SignIns {
    #[must_use]
    pub fn new(provider: Option<Provider>) -> Self {
        Self { provider, ..Self::default() }
    }

    pub(super) fn provider(&self) -> Option<&Provider> {
        self.provider.as_ref()
    }

    fn asked(&self) -> Result<&Provider, Problem> {
        let none = "no identity provider is configured: use a token";
        self.provider.as_ref().ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, none))
    }

    /// Begins one in a browser that will show `key` again; where it has to go.
    pub(super) async fn begin(&self, key: &str, to: &str) -> Result<String, Problem> {
        let begun = self.asked()?.begin().await?;
        let browser = Browser { state: begun.state, secrets: begun.secrets, to: to.to_owned() };
        self.browsers.put(digest(key), browser, BROWSER_TIME, BROWSERS_MAX);
        Ok(begun.url)
    }

    /// Ends it, once: who is vouched for, and where they wanted to go.
    pub(super) async fn end(&self, key: &str, brought: Brought) -> Result<(Vouched, String), Problem> {
        let provider = self.asked()?;
        let gone = "this sign-in was not begun in this browser, was ended already, or took too long: begin again";
        let browser = self.browsers.take(&digest(key)).ok_or_else(|| Problem::bad_request(gone))?;
        if !bool::from(browser.state.as_bytes().ct_eq(brought.state.as_bytes())) {
            return Err(Problem::bad_request("this is the answer to another sign-in: begin again"));
        }
        if brought.issuer.is_some_and(|issuer| issuer != provider.settings().issuer) {
            return Err(Problem::bad_request("this is the answer of another identity provider: begin again"));
        }
        Ok((provider.end(brought.code, browser.secrets).await?, browser.to))
    }

    /// Begins one by device code.
    pub(super) async fn device(&self) -> Result<DeviceCode, Problem> {
        let provider = self.asked()?.clone();
        if self.devices.len() >= DEVICES_MAX {
            let many = "too many sign-ins by code are under way: try again in a few minutes";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, many));
        }
        let code = provider.device().await?;
        let handle = new_secret()?;
        let told = DeviceCode {
            handle: handle.clone(),
            user_code: code.user_code.clone(),
            url: code.url.clone(),
            url_complete: code.url_complete.clone(),
            expires_s: code.expires.as_secs(),
        };
        let (answer, answered) = watch::channel(None);
        self.devices.put(digest(&handle), answered, code.expires + FETCH_TIME, DEVICES_MAX);
        tokio::spawn(async move {
            let entered = tokio::select! {
                entered = provider.entered(&code) => entered,
                () = answer.closed() => return,
            };
            answer.send_replace(Some(entered.map_err(Arc::new)));
        });
        Ok(told)
    }

    /// Waits for the code to be entered; nothing: not yet.
    pub(super) async fn entered(&self, handle: &str, until: tokio::time::Instant) -> Result<Option<Vouched>, Problem> {
        let gone =
            || Problem::new(StatusCode::NOT_FOUND, "there is no such sign-in, or its code has expired: begin again");
        let key = digest(handle);
        let mut answered = self.devices.get(&key).ok_or_else(gone)?;
        let answer = match tokio::time::timeout_at(until, answered.wait_for(Option::is_some)).await {
            Err(_) => return Ok(None),
            Ok(Err(_)) => return Err(gone()),
            Ok(Ok(answer)) => answer.clone(),
        };
        // It opens the door once.
        self.devices.take(&key).ok_or_else(gone)?;
        match answer {
            Some(Ok(vouched)) => Ok(Some(vouched)),
            Some(Err(error)) => Err(Problem::from(&*error)),
            None => Ok(None),
        }
    }
}

impl ApiState {
    /// A token for somebody who is vouched for, as long as a sign-in lasts.
    pub(super) async fn admit(&self, vouched: Vouched, way: &str, peer: SocketAddr) -> Result<TokenNew, Problem> {
        let store = &self.tickets.store;
        let session = self.sign_ins.asked()?.settings().session;
        let created = now();
        let profile = match self.jobs.people().vouched(&vouched) {
            Ok(profile) => profile,
            Err(stranger) => {
                self.turned_away(way, Some(vouched.name), peer, &stranger.to_string());
                return Err(Problem::forbidden(&stranger.to_string()));
            }
        };
        store.tokens_forget(created.minus_ms(LISTED_MS)).await?;
        let token = Token {
            id: 0,
            person: profile.name,
            label: format!("signed in by {way}"),
            scopes: Power::ALL.to_vec(),
            created,
            expires: created.plus_ms(u64::try_from(session.as_millis()).unwrap_or(u64::MAX)),
            revoked: None,
            vouched: Some(vouched),
        };
        let secret = new_secret()?;
        let token = store.token_add(token, digest(&secret)).await?;
        self.note(Admission {
            what: "signed in".to_owned(),
            client: peer.to_string(),
            way: way.to_owned(),
            person: Some(token.person.clone()),
            token: Some(token.id),
            note: None,
        });
        Ok(TokenNew { token, secret })
    }

    /// Somebody came to the door and was not let in.
    pub(super) fn turned_away(&self, way: &str, person: Option<String>, peer: SocketAddr, why: &str) {
        self.note(Admission {
            what: "turned away".to_owned(),
            client: peer.to_string(),
            way: way.to_owned(),
            person,
            token: None,
            note: Some(why.to_owned()),
        });
    }

    pub(super) fn note(&self, admission: Admission) {
        self.audit.event(Event::Admission(admission));
    }
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        Self::from(&error)
    }
}

impl From<&OidcError> for Problem {
    fn from(error: &OidcError) -> Self {
        let status = match error {
            OidcError::Unreachable { .. } => StatusCode::BAD_GATEWAY,
            OidcError::Refused(_) | OidcError::Invalid(_) => StatusCode::FORBIDDEN,
            OidcError::NoDeviceCode => StatusCode::NOT_FOUND,
        };
        Self::new(status, &error.to_string())
    }
}

/// What waits to be ended, for a while, by what its beginner knows.
#[derive(Debug)]
struct Waiting<T>(Arc<Mutex<HashMap<String, (Instant, T)>>>);

impl<T> Clone for Waiting<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Waiting<T> {
    fn live<R>(&self, act: impl FnOnce(&mut HashMap<String, (Instant, T)>) -> R) -> R {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        all.retain(|_, (until, _)| *until > now);
        act(&mut all)
    }

    fn len(&self) -> usize {
        self.live(|all| all.len())
    }

    fn put(&self, key: String, value: T, time: Duration, max: usize) {
        self.live(|all| {
            if all.len() >= max {
                let first = all.iter().min_by_key(|(_, (until, _))| *until).map(|(key, _)| key.clone());
                first.and_then(|key| all.remove(&key));
            }
            all.insert(key, (Instant::now() + time, value));
        });
    }

    fn take(&self, key: &str) -> Option<T> {
        self.live(|all| all.remove(key)).map(|(_, value)| value)
    }
}

impl<T: Clone> Waiting<T> {
    fn get(&self, key: &str) -> Option<T> {
        self.live(|all| all.get(key).map(|(_, value)| value.clone()))
    }
}
