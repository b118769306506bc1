//! Who looks at the page. A browser shows its token once and gets a cookie for it; the token stays here, and is
//! checked by the API on every call, so a token that is taken away ends its sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Form, FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::super::bounded::Peer;
use super::super::door::random_hex;
use super::super::problem::Problem;
use super::super::text::encoded;
use super::super::view::Me;
use super::{Web, layout};

const COOKIE: &str = "lockkeeper";
/// How long a browser stays let in without showing its token again.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Browsers let in at a time; of more, whoever came first has to come again.
const SESSIONS_MAX: usize = 1_000;
/// Wrong tokens from one address within [`TRIES_WITHIN`].
const TRIES_MAX: u32 = 10;
const TRIES_WITHIN: Duration = Duration::from_secs(60);
/// Addresses whose tries are counted.
const ADDRESSES_MAX: usize = 10_000;

/// Whoever a page is made for.
#[derive(Clone)]
pub(super) struct Viewer {
    pub(super) token: Arc<Zeroizing<String>>,
    pub(super) peer: Peer,
    /// The person everything is recorded for.
    pub(super) name: String,
    /// Whether the API has to be told that name: the token is nobody's own.
    pub(super) said: bool,
    /// In every form: what does not carry it was not sent by a page of ours.
    pub(super) seal: String,
}

struct Entry {
    viewer: Viewer,
    until: Instant,
}

/// Browsers that were let in, by the hash of their cookie.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    entries: HashMap<[u8; 32], Entry>,
    tries: HashMap<std::net::IpAddr, (Instant, u32)>,
}

impl Sessions {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, cookie: &str) -> Option<Viewer> {
        let known = self.known();
        let entry = known.entries.get(&key(cookie)).filter(|entry| entry.until > Instant::now())?;
        Some(entry.viewer.clone())
    }

    fn put(&self, cookie: &str, viewer: Viewer) {
        let mut known = self.known();
        let now = Instant::now();
        known.entries.retain(|_, entry| entry.until > now);
        if known.entries.len() >= SESSIONS_MAX {
            let oldest = known.entries.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| *key);
            oldest.and_then(|key| known.entries.remove(&key));
        }
        known.entries.insert(key(cookie), Entry { viewer, until: now + LIFETIME });
    }

    fn forget(&self, cookie: &str) {
        self.known().entries.remove(&key(cookie));
    }

    /// Counts a try, and says whether it is one too many.
    fn tries_too_often(&self, peer: Peer) -> bool {
        let mut known = self.known();
        let now = Instant::now();
        known.tries.retain(|_, (since, _)| now.duration_since(*since) < TRIES_WITHIN);
        if known.tries.len() >= ADDRESSES_MAX {
            return true;
        }
        let (_, tries) = known.tries.entry(peer.0.ip()).or_insert((now, 0));
        *tries = tries.saturating_add(1);
        *tries > TRIES_MAX
    }

    fn tried_well(&self, peer: Peer) {
        self.known().tries.remove(&peer.0.ip());
    }
}

fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

fn cookie_of(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

impl FromRequestParts<Web> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let known = cookie_of(&parts.headers).and_then(|cookie| web.sessions.find(cookie));
        known.ok_or_else(|| Redirect::to(&login_for(&parts.uri)).into_response())
    }
}

/// Where somebody has to go first, and comes back from.
fn login_for(uri: &Uri) -> String {
    let back = uri.path_and_query().map_or("/", |path| path.as_str());
    if back == "/" || back.starts_with("/live/") { "/login".into() } else { format!("/login?to={}", encoded(back)) }
}

#[derive(Deserialize)]
pub(super) struct Back {
    #[serde(default)]
    to: String,
}

/// A page of ours, or the first one.
fn inside(to: &str) -> &str {
    if to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']) { to } else { "/" }
}

pub(super) async fn form(Query(back): Query<Back>) -> Markup {
    page(inside(&back.to), "", None)
}

fn page(to: &str, by: &str, wrong: Option<&str>) -> Markup {
    layout::bare(
        "Sign in",
        html! {
            form.card.login method="post" action="/login" {
                img.mark src="/assets/icon.svg" alt="" width="48" height="48";
                h1 { "Lockkeeper" }
                @if let Some(wrong) = wrong {
                    p.flash.bad role="alert" { (wrong) }
                }
                input type="hidden" name="to" value=(to);
                label for="token" { "Your token" }
                input #token type="password" name="token" required autocomplete="current-password" autofocus;
                label for="by" { "Your name " span.quiet { "with the gateway's local token only" } }
                input #by type="text" name="by" value=(by) maxlength="64" autocomplete="username";
                button.primary type="submit" { "Sign in" }
                p.quiet {
                    "The local token is in " code { "admin.token" } " in the gateway's data directory; it counts only on the "
                    "gateway's own machine. Everybody else has a token of their own."
                }
            }
        },
    )
}

#[derive(Deserialize)]
pub(super) struct Entering {
    token: String,
    #[serde(default)]
    by: String,
    #[serde(default)]
    to: String,
}

pub(super) async fn enter(
    State(web): State<Web>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Form(entering): Form<Entering>,
) -> Response {
    let (to, by) = (inside(&entering.to).to_owned(), entering.by.trim().to_owned());
    let refuse = |status: StatusCode, why: &str| (status, page(&to, &by, Some(why))).into_response();
    if web.sessions.tries_too_often(peer) {
        return refuse(StatusCode::TOO_MANY_REQUESTS, "Too many tries from your address: wait a minute.");
    }
    match admit(&web, peer, entering.token.trim(), &by).await {
        Ok(cookie) => {
            web.sessions.tried_well(peer);
            let set = format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", LIFETIME.as_secs());
            ([(header::SET_COOKIE, set)], Redirect::to(&to)).into_response()
        }
        Err(problem) if problem.status == 401 => refuse(StatusCode::UNAUTHORIZED, "This token is not known here."),
        Err(problem) => refuse(problem.code(), &problem.detail),
    }
}

async fn admit(web: &Web, peer: Peer, token: &str, by: &str) -> Result<String, Problem> {
    let random = || random_hex().map_err(Problem::from);
    let mut viewer = Viewer {
        token: Arc::new(Zeroizing::new(token.to_owned())),
        peer,
        name: by.to_owned(),
        said: false,
        seal: random()?,
    };
    let me: Me = web.api.get(&viewer, "/v1/me").await?;
    match me.reviewer {
        Some(name) => viewer.name = name,
        None if by.is_empty() => {
            return Err(Problem::bad_request("With the local token, say your name: what you do is recorded under it."));
        }
        None => viewer.said = true,
    }
    let cookie = random()? + &random()?;
    web.sessions.put(&cookie, viewer);
    Ok(cookie)
}

pub(super) async fn leave(State(web): State<Web>, headers: HeaderMap) -> Response {
    cookie_of(&headers).into_iter().for_each(|cookie| web.sessions.forget(cookie));
    let gone = format!("{COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    ([(header::SET_COOKIE, gone)], Redirect::to("/login")).into_response()
}
