//! Signing in by the identity provider: there and back.

use std::time::Duration;

use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::super::bounded::Peer;
use super::super::door::random_hex;
use super::super::problem::Problem;
use super::super::sign_in::{BROWSER_TIME, Brought};
use super::login::{self, Back, Cookies, inside};
use super::{Web, layout};

/// How the record calls this way.
const WAY: &str = "browser";

/// Leads to the provider.
pub(super) async fn begin(State(web): State<Web>, headers: HeaderMap, Query(back): Query<Back>) -> Response {
    let begun = async {
        let key = random_hex()? + &random_hex()?;
        let url = web.state.sign_ins.begin(&key, inside(&back.to)).await?;
        Ok::<_, Problem>((key, url))
    };
    match begun.await {
        // It comes back from elsewhere: a cookie that is strict about that would stay behind.
        Ok((key, url)) => {
            let set = Cookies::of(&web, &headers).set_for_the_way(&key, BROWSER_TIME);
            ([(header::SET_COOKIE, set)], Redirect::to(&url)).into_response()
        }
        Err(problem) => refused(&web, &problem),
    }
}

#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Back from the provider.
pub(super) async fn end(
    State(web): State<Web>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Response {
    let cookies = Cookies::of(&web, &headers);
    let ended = async {
        if let Some(error) = answer.error {
            let why = answer.error_description.map(|text| format!(": {text}")).unwrap_or_default();
            return Err(Problem::forbidden(&format!("the identity provider did not let you in: {error}{why}")));
        }
        let key = cookies.on_the_way().unwrap_or_default();
        let brought = Brought { code: answer.code, state: answer.state, issuer: answer.iss };
        let (vouched, to) = web.state.sign_ins.end(&key, brought).await?;
        Ok((vouched, to))
    };
    let (vouched, to) = match ended.await {
        Ok(ended) => ended,
        Err(problem) => {
            web.state.turned_away(WAY, None, peer.0, &problem.detail);
            return refused(&web, &problem);
        }
    };
    let admitted = async {
        let new = web.state.admit(vouched, WAY, peer.0).await?;
        let session = web.state.sign_ins.provider().map_or(Duration::ZERO, |provider| provider.settings().session);
        login::admit_signed_in(&web, peer, &new.secret, session).await.map(|cookie| (cookie, session))
    };
    match admitted.await {
        Ok((cookie, session)) => {
            // What it replaces may have been planted.
            cookies.session().and_then(|old| web.sessions.forget(&old));
            let set = AppendHeaders([
                (header::SET_COOKIE, cookies.set_session(&cookie, session)),
                (header::SET_COOKIE, cookies.set_for_the_way("", Duration::ZERO)),
            ]);
            // Not a redirect: that would still come from elsewhere, and the new cookie would stay behind.
            let refresh = HeaderValue::from_str(&format!("0;url={to}")).unwrap_or(HeaderValue::from_static("0;url=/"));
            (set, [(header::REFRESH, refresh)], onward(&to)).into_response()
        }
        Err(problem) => refused(&web, &problem),
    }
}

fn onward(to: &str) -> maud::Markup {
    layout::bare(
        "Signed in",
        html! {
            div.card.login {
                h1 { "Signed in" }
                p { a href=(to) { "Go on" } }
            }
        },
    )
}

fn refused(web: &Web, problem: &Problem) -> Response {
    let status = match problem.code() {
        StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
        code => code,
    };
    (status, login::page(web, "/", "", Some(&problem.detail))).into_response()
}
