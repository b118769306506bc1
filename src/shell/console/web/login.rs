//! Who looks at the page. A browser shows its token once and gets a cookie for it; the token stays here, and is
//! checked by the API on every call, so a token that is taken away ends its sessions.

use std::collections::HashMap;
use std::net::IpAddr;
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
use super::super::inside::Caller;
use super::super::problem::Problem;
use super::super::text::encoded;
use super::super::view::Me;
use super::{Web, layout};
use crate::kernel::review::Power;

const COOKIE: &str = "lockkeeper";
/// The same where browsers come by TLS: the prefix makes them see to it that it is from here, and for here only.
const SECURE_COOKIE: &str = "__Host-lockkeeper";
/// Between here and the identity provider.
const WAY_COOKIE: &str = "lockkeeper_sign_in";
/// How long a browser stays let in without showing its token again.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
/// Browsers let in at a time; of more, whoever came first has to come again.
const SESSIONS_MAX: usize = 1_000;

/// Whoever a page is made for.
#[derive(Clone)]
pub(super) struct Viewer {
    caller: Caller,
    address: IpAddr,
    /// The person everything is recorded for.
    pub(super) name: String,
    /// Whether the API has to be told that name: the token is nobody's own.
    pub(super) said: bool,
    /// In every form: what does not carry it was not sent by a page of ours.
    pub(super) seal: String,
    /// The token is this sign-in's own, and ends with it.
    signed_in: bool,
    /// What they can do somewhere.
    powers: Vec<Power>,
}

impl Viewer {
    /// As the API is told.
    pub(super) fn who(&self) -> (&Caller, IpAddr) {
        (&self.caller, self.address)
    }

    pub(super) fn can(&self, power: Power) -> bool {
        self.powers.contains(&power)
    }
}

struct Entry {
    viewer: Viewer,
    until: Instant,
}

/// Browsers that were let in, by the hash of their cookie.
#[derive(Clone, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<[u8; 32], Entry>>>);

impl Sessions {
    fn known(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, cookie: &str) -> Option<Viewer> {
        let known = self.known();
        let entry = known.get(&key(cookie)).filter(|entry| entry.until > Instant::now())?;
        Some(entry.viewer.clone())
    }

    fn put(&self, cookie: &str, viewer: Viewer, lifetime: Duration) {
        let mut known = self.known();
        let now = Instant::now();
        known.retain(|_, entry| entry.until > now);
        if known.len() >= SESSIONS_MAX {
            let oldest = known.iter().min_by_key(|(_, entry)| entry.until).map(|(key, _)| *key);
            oldest.and_then(|key| known.remove(&key));
        }
        known.insert(key(cookie), Entry { viewer, until: now + lifetime });
    }

    pub(super) fn forget(&self, cookie: &str) -> Option<Viewer> {
        self.known().remove(&key(cookie)).map(|entry| entry.viewer)
    }
}

fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

/// The cookies of one browser: what it shows, and what it is given.
pub(super) struct Cookies<'a> {
    headers: &'a HeaderMap,
    secure: bool,
}

impl<'a> Cookies<'a> {
    pub(super) fn of(web: &Web, headers: &'a HeaderMap) -> Self {
        // A proxy in front of us says how the browser came to it. Who says so falsely only keeps out themselves.
        let forwarded = headers.get("x-forwarded-proto").is_some_and(|value| value == "https");
        let provider = web.state.sign_ins.provider();
        Self { headers, secure: forwarded || provider.is_some_and(|provider| provider.settings().is_secure()) }
    }

    fn find(&self, wanted: &str) -> Option<String> {
        let all = self.headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    }

    fn name(&self) -> &'static str {
        if self.secure { SECURE_COOKIE } else { COOKIE }
    }

    pub(super) fn session(&self) -> Option<String> {
        self.find(self.name())
    }

    pub(super) fn on_the_way(&self) -> Option<String> {
        self.find(WAY_COOKIE)
    }

    /// For pages of ours only: nobody elsewhere can have it sent.
    pub(super) fn set_session(&self, value: &str, lifetime: Duration) -> String {
        let name = self.name();
        self.secured(format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", lifetime.as_secs()))
    }

    pub(super) fn set_for_the_way(&self, value: &str, lifetime: Duration) -> String {
        let about = format!("Path=/oidc; HttpOnly; SameSite=Lax; Max-Age={}", lifetime.as_secs());
        self.secured(format!("{WAY_COOKIE}={value}; {about}"))
    }

    fn secured(&self, cookie: String) -> String {
        if self.secure { cookie + "; Secure" } else { cookie }
    }
}

impl FromRequestParts<Web> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let known = Cookies::of(web, &parts.headers).session().and_then(|cookie| web.sessions.find(&cookie));
        let nobody = || Redirect::to(&login_for(&parts.uri)).into_response();
        let mut viewer = known.ok_or_else(nobody)?;
        // A role can change at any time.
        match web.api.get::<Me>(viewer.who(), "/v1/me").await {
            Ok(me) => viewer.powers = me.powers,
            Err(problem) if problem.status == 401 => return Err(nobody()),
            Err(problem) => return Err(layout::wrong(&problem, "/")),
        }
        Ok(viewer)
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
    pub(super) to: String,
}

/// A page of ours, or the first one.
pub(super) fn inside(to: &str) -> &str {
    if to.starts_with('/') && !to.starts_with("//") && !to.contains(['\\', '\n', '\r']) { to } else { "/" }
}

pub(super) async fn form(State(web): State<Web>, Query(back): Query<Back>) -> Markup {
    page(&web, inside(&back.to), "", None)
}

pub(super) fn page(web: &Web, to: &str, by: &str, wrong: Option<&str>) -> Markup {
    let provider = web.state.sign_ins.provider().map(|provider| provider.settings().issuer.clone());
    layout::bare(
        "Sign in",
        html! {
            form.card.login method="post" action="/login" {
                img.mark src="/assets/icon.svg" alt="" width="48" height="48";
                h1 { "Lockkeeper" }
                @if let Some(wrong) = wrong {
                    p.flash.bad role="alert" { (wrong) }
                }
                @if let Some(issuer) = &provider {
                    a.button.primary href=(format!("/oidc/login?to={}", encoded(to))) { "Sign in at " (host(issuer)) }
                    p.quiet { "Or with a token:" }
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

/// An address as far as people know it.
fn host(issuer: &str) -> &str {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
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
    headers: HeaderMap,
    Form(entering): Form<Entering>,
) -> Response {
    let (to, by) = (inside(&entering.to).to_owned(), entering.by.trim().to_owned());
    let refuse = |status: StatusCode, why: &str| (status, page(&web, &to, &by, Some(why))).into_response();
    match admit(&web, peer, entering.token.trim(), &by).await {
        Ok(cookie) => {
            let cookies = Cookies::of(&web, &headers);
            // What it replaces may have been planted.
            cookies.session().and_then(|old| web.sessions.forget(&old));
            ([(header::SET_COOKIE, cookies.set_session(&cookie, LIFETIME))], Redirect::to(&to)).into_response()
        }
        Err(problem) if problem.status == 401 => refuse(StatusCode::UNAUTHORIZED, "This token is not known here."),
        Err(problem) => refuse(problem.code(), &problem.detail),
    }
}

async fn admit(web: &Web, peer: Peer, token: &str, by: &str) -> Result<String, Problem> {
    let viewer = viewer(web, peer, token, by).await?;
    let cookie = random_hex()? + &random_hex()?;
    web.sessions.put(&cookie, viewer, LIFETIME);
    Ok(cookie)
}

/// Whose token it is, as the API says; with nobody's own token, who they say they are.
async fn viewer(web: &Web, peer: Peer, token: &str, by: &str) -> Result<Viewer, Problem> {
    let mut viewer = Viewer {
        caller: Caller::Token(Arc::new(Zeroizing::new(token.to_owned()))),
        address: peer.0.ip(),
        name: by.to_owned(),
        said: false,
        seal: random_hex()?,
        signed_in: false,
        powers: Vec::new(),
    };
    let me: Me = web.api.get(viewer.who(), "/v1/me").await?;
    viewer.powers = me.powers;
    match me.reviewer {
        Some(name) => viewer.name = name,
        None if by.is_empty() => {
            return Err(Problem::bad_request("With the local token, say your name: what you do is recorded under it."));
        }
        None => viewer.said = true,
    }
    Ok(viewer)
}

/// Lets in somebody for whom the identity provider has vouched.
pub(super) async fn admit_signed_in(web: &Web, peer: Peer, token: &str, session: Duration) -> Result<String, Problem> {
    let viewer = viewer(web, peer, token, "").await?;
    let cookie = random_hex()? + &random_hex()?;
    web.sessions.put(&cookie, Viewer { signed_in: true, ..viewer }, session);
    Ok(cookie)
}

pub(super) async fn leave(State(web): State<Web>, headers: HeaderMap) -> Response {
    let cookies = Cookies::of(&web, &headers);
    let viewer = cookies.session().and_then(|cookie| web.sessions.forget(&cookie));
    if let Some(viewer) = viewer.filter(|viewer| viewer.signed_in)
        && let Err(problem) = web.api.post::<Me>(viewer.who(), "/v1/sign-out", &serde_json::json!({})).await
    {
        tracing::warn!(
            problem = problem.detail,
            "a sign-in could not be ended: its token counts until its time is over"
        );
    }
    ([(header::SET_COOKIE, cookies.set_session("", Duration::ZERO))], Redirect::to("/login")).into_response()
}
