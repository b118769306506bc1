//! Signing in by device code, and out. Beginning needs no token: these are the only routes without one.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doors::{Doors, gives, takes};
use super::{Answer, Identity, Problem, Shared, deadline};
use crate::kernel::review::Power;
use crate::shell::audit::Admission;
use crate::shell::clock::now;
use crate::shell::console::bounded::Peer;
use crate::shell::console::view::{DeviceCode, Me, SignedIn};

/// How the record calls this way.
const WAY: &str = "device code";

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .open(
            "/v1/sign-in/device",
            gives::<DeviceCode>("Sign in by a code that is entered at the identity provider"),
            begin,
        )
        .open("/v1/sign-in/device/wait", takes::<DeviceWait, SignedIn>("Wait until the code was entered"), wait)
        .post("/v1/sign-out", Power::Read, gives::<Me>("Revoke the token this is sent with"), out)
}

/// Which sign-in is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct DeviceWait {
    /// As it was told to whoever began.
    pub(in crate::shell::console) handle: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) timeout_s: Option<u64>,
}

async fn begin(State(api): Shared, ConnectInfo(Peer(peer)): ConnectInfo<Peer>) -> Answer<DeviceCode> {
    api.limits.stranger(peer.ip())?;
    Ok(Json(api.sign_ins.device().await?))
}

async fn wait(
    State(api): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    body: Result<Json<DeviceWait>, JsonRejection>,
) -> Answer<SignedIn> {
    let DeviceWait { handle, timeout_s } = body?.0;
    let signed_in = match api.sign_ins.entered(&handle, deadline(timeout_s)).await {
        Ok(None) => None,
        Ok(Some(vouched)) => Some(api.admit(vouched, WAY, peer).await?),
        Err(problem) if problem.code() == StatusCode::NOT_FOUND => return Err(problem),
        Err(problem) => {
            api.turned_away(WAY, None, peer, &problem.detail);
            return Err(problem);
        }
    };
    Ok(Json(SignedIn { signed_in }))
}

async fn out(State(api): Shared, ConnectInfo(Peer(peer)): ConnectInfo<Peer>, who: Identity) -> Answer<Me> {
    let Some(token) = who.token() else {
        return Err(Problem::bad_request("this token is one of the configuration: take it out there"));
    };
    api.tickets.store.token_revoke(token, None, now()).await?;
    api.note(Admission {
        what: "signed out".to_owned(),
        client: peer.to_string(),
        way: "token".to_owned(),
        person: who.name().map(str::to_owned),
        token: Some(token),
        note: None,
    });
    Ok(Json(Me { reviewer: who.name().map(str::to_owned), powers: Vec::new() }))
}
