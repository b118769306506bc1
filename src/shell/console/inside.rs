//! The API for other doors of this process: the same routes, the same checks, without a socket between.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;
use zeroize::Zeroizing;

use super::api::{self, ApiState};
use super::bounded::Peer;
use super::problem::Problem;

/// Largest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// Whoever calls. What stands behind it is looked up again for each call: a token that is revoked, or a person who
/// is taken out of the configuration, is nobody from then on.
#[derive(Clone)]
pub enum Caller {
    Token(Arc<Zeroizing<String>>),
    /// The name of a person whom the door has let in by other means.
    Person(String),
}

/// Marks a call of somebody whom a door of this process has let in.
#[derive(Clone)]
pub(super) struct LetIn(pub(super) String);

/// The routes of the API.
#[derive(Clone)]
pub struct Inside(Router);

impl Inside {
    #[must_use]
    pub fn new(state: Arc<ApiState>) -> Self {
        Self(api::router(state))
    }

    /// # Errors
    /// What the API says against it.
    pub async fn get<T: DeserializeOwned>(&self, who: (&Caller, IpAddr), path: &str) -> Result<T, Problem> {
        self.call(who, Method::GET, path, Body::empty()).await
    }

    /// # Errors
    /// What the API says against it.
    pub async fn post<T: DeserializeOwned>(
        &self,
        who: (&Caller, IpAddr),
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        let json = serde_json::to_vec(body).map_err(|error| unreadable(&error))?;
        self.call(who, Method::POST, path, Body::from(json)).await
    }

    /// An answer that is a file, as it comes.
    ///
    /// # Errors
    /// What the API says against it.
    pub async fn file(&self, who: (&Caller, IpAddr), path: &str) -> Result<Response, Problem> {
        let response = self.ask(who, Method::GET, path, Body::empty()).await?;
        if response.status().is_success() { Ok(response) } else { Err(problem(response).await) }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        who: (&Caller, IpAddr),
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<T, Problem> {
        let response = self.ask(who, method, path, body).await?;
        if !response.status().is_success() {
            return Err(problem(response).await);
        }
        let bytes = to_bytes(response.into_body(), ANSWER_MAX).await.map_err(|error| unreadable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
    }

    async fn ask(
        &self,
        (caller, address): (&Caller, IpAddr),
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<Response, Problem> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| unreadable(&error))?;
        request.extensions_mut().insert(ConnectInfo(Peer(SocketAddr::new(address, 0))));
        match caller {
            Caller::Token(token) => {
                let value = format!("Bearer {}", token.as_str()).try_into().map_err(|_| Problem::unauthorized())?;
                request.headers_mut().insert(header::AUTHORIZATION, value);
            }
            Caller::Person(name) => {
                request.extensions_mut().insert(LetIn(name.clone()));
            }
        }
        match self.0.clone().oneshot(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }
}

async fn problem(response: Response) -> Problem {
    let status = response.status();
    let silent = || Problem::new(status, "the gateway did not say what is wrong");
    match to_bytes(response.into_body(), ANSWER_MAX).await {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|_| silent()),
        Err(_) => silent(),
    }
}

fn unreadable(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &format!("an answer of the gateway cannot be read: {error}"))
}
