//! Tokens at the admin door: handed out, listed, revoked.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doors::{Doors, gives, takes};
use super::{Answer, Id, Identity, Problem, Shared};
use crate::kernel::review::Power;
use crate::shell::audit::Admission;
use crate::shell::clock::now;
use crate::shell::console::bounded::Peer;
use crate::shell::console::door::new_secret;
use crate::shell::console::identity::digest;
use crate::shell::console::view::{TokenNew, TokenPage};
use crate::shell::store::Token;

/// Days a token lasts at most, and when nothing is said.
const DAYS_MAX: u32 = 366;
const DAYS: u32 = 30;
const DAY_MS: u64 = 86_400_000;
/// Bytes of what a token is said to be for.
const LABEL_MAX: usize = 200;

pub(super) fn doors(doors: Doors) -> Doors {
    doors
        .get("/v1/tokens", Power::Audit, gives::<TokenPage>("List all tokens, without what they are"), list)
        .post("/v1/tokens", Power::Operate, takes::<TokenBody, TokenNew>("Hand out a token; told this once"), create)
        .delete("/v1/tokens/{id}", Power::Operate, gives::<TokenPage>("Revoke a token, at once"), revoke)
}

/// Whose a token will be, and for what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::shell::console) struct TokenBody {
    /// A name of the configuration.
    pub(in crate::shell::console) person: String,
    /// read, request, decide, operate, audit; all of them when nothing is said, as far as the person's roles go.
    #[serde(default)]
    pub(in crate::shell::console) scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::shell::console) days: Option<u32>,
    /// What it is for.
    #[serde(default)]
    pub(in crate::shell::console) label: String,
}

type Sent = Result<Json<TokenBody>, axum::extract::rejection::JsonRejection>;

async fn list(State(api): Shared) -> Answer<TokenPage> {
    Ok(Json(TokenPage { tokens: api.tickets.store.tokens().await? }))
}

async fn create(
    State(api): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    who: Identity,
    body: Sent,
) -> Answer<TokenNew> {
    let TokenBody { person, scopes, days, label } = body?.0;
    let people = api.jobs.people();
    let Some(profile) = people.find(&person) else {
        let detail = format!("there is no {person:?} in the configuration: add them under [[people]]");
        return Err(Problem::bad_request(&detail));
    };
    let mut powers = Vec::new();
    for word in &scopes {
        let unknown = || Problem::bad_request(&format!("there is no scope {word:?}"));
        powers.push(Power::parse(word).ok_or_else(unknown)?);
    }
    let days = days.unwrap_or(DAYS);
    if days == 0 || days > DAYS_MAX || label.len() > LABEL_MAX {
        return Err(Problem::bad_request("a token lasts 1 to 366 days, and its label has at most 200 bytes"));
    }
    let scopes = scopes_for(&who, &profile.name, powers)?;
    let created = now();
    let token = Token {
        id: 0,
        person: profile.name.clone(),
        label,
        scopes,
        created,
        expires: created.plus_ms(u64::from(days) * DAY_MS),
        revoked: None,
        vouched: None,
    };
    let secret = new_secret()?;
    let token = api.tickets.store.token_add(token, digest(&secret)).await?;
    api.note(admission("token handed out", &who, peer, (token.id, Some(token.person.clone()))));
    Ok(Json(TokenNew { token, secret }))
}

/// Who could hand themselves a token with which somebody else decides would be two people.
fn scopes_for(who: &Identity, person: &str, asked: Vec<Power>) -> Result<Vec<Power>, Problem> {
    let theirs = who.is_somebody() && who.name() != Some(person);
    if theirs && asked.contains(&Power::Decide) {
        let detail = format!(
            "only {person} can come by a token that decides for {person}: they sign in, or have one in the \
             configuration, or are handed one with the local or the first operator's token"
        );
        return Err(Problem::forbidden(&detail));
    }
    let all = if asked.is_empty() { Power::ALL.to_vec() } else { asked };
    Ok(all.into_iter().filter(|power| !theirs || *power != Power::Decide).collect())
}

fn admission(what: &str, who: &Identity, peer: SocketAddr, (token, note): (i64, Option<String>)) -> Admission {
    Admission {
        what: what.to_owned(),
        client: peer.to_string(),
        way: "token".to_owned(),
        person: Some(who.name().unwrap_or("the local token").to_owned()),
        token: Some(token),
        note,
    }
}

async fn revoke(
    State(api): Shared,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    who: Identity,
    id: Id,
) -> Answer<TokenPage> {
    let Path(id) = id?;
    api.tickets.store.token_revoke(id, None, now()).await?;
    api.note(admission("token revoked", &who, peer, (id, None)));
    Ok(Json(TokenPage { tokens: api.tickets.store.tokens().await? }))
}
