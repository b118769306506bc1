//! The API as the pages call it: in this process, with the token of whoever looks.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use super::super::problem::Problem;
use super::login::Viewer;

/// Largest answer that is read, in bytes.
const ANSWER_MAX: usize = 64 << 20;

/// The routes of the API.
#[derive(Clone)]
pub(super) struct Api(Router);

impl Api {
    pub(super) fn new(routes: Router) -> Self {
        Self(routes)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, viewer: &Viewer, path: &str) -> Result<T, Problem> {
        self.call(viewer, Method::GET, path, Body::empty()).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        viewer: &Viewer,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Problem> {
        let json = serde_json::to_vec(body).map_err(|error| broken(&error))?;
        self.call(viewer, Method::POST, path, Body::from(json)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        viewer: &Viewer,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<T, Problem> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", viewer.token.as_str()))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| Problem::bad_request(&error.to_string()))?;
        request.extensions_mut().insert(ConnectInfo(viewer.peer));
        let response = match self.0.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let bytes = to_bytes(response.into_body(), ANSWER_MAX).await.map_err(|error| broken(&error))?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| broken(&error));
        }
        Err(serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Problem::new(status, "the gateway did not say what is wrong")))
    }
}

fn broken(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, &format!("an answer of the gateway cannot be read: {error}"))
}
