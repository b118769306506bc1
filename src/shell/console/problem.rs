//! Errors of the admin door, as RFC 9457 problem documents.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernel::review::Rejection;
use crate::shell::store::StoreError;

/// What went wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub title: String,
    /// As of HTTP.
    pub status: u16,
    pub detail: String,
    /// Of 429: to come again after so long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").to_owned();
        Self { title, status: status.as_u16(), detail: detail.to_owned(), retry_after_s: None }
    }

    pub(super) fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(super) fn bad_request(detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn forbidden(detail: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    pub(super) fn too_often(what: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        let detail = format!("too many {what}: come again in {seconds} s");
        Self { retry_after_s: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, &detail) }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "a bearer token is needed, and this is none that is known")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code();
        let mut response = (status, axum::Json(&self)).into_response();
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::NotFound(_)
            | StoreError::NoJob(_)
            | StoreError::NoChange(_)
            | StoreError::NoToken(_)
            | StoreError::NoDelivery(_) => StatusCode::NOT_FOUND,
            StoreError::JobRejected(_) => StatusCode::CONFLICT,
            StoreError::Rejected(rejection) => status_of(rejection),
            StoreError::Conflict { .. } => StatusCode::CONFLICT,
            StoreError::RequesterLimit { .. } | StoreError::TotalLimit { .. } => StatusCode::TOO_MANY_REQUESTS,
            StoreError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            StoreError::Full => StatusCode::INSUFFICIENT_STORAGE,
            StoreError::Busy
            | StoreError::ReadOnly(_)
            | StoreError::Damaged(_)
            | StoreError::Newer { .. }
            | StoreError::File(_)
            | StoreError::InUse(_)
            | StoreError::Failed(_)
            | StoreError::Gone => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, &error.to_string())
    }
}

fn status_of(rejection: &Rejection) -> StatusCode {
    match rejection {
        Rejection::OwnRequest { .. }
        | Rejection::NoPerson { .. }
        | Rejection::NoGlass { .. }
        | Rejection::OwnDebt { .. } => StatusCode::FORBIDDEN,
        Rejection::WrongState { .. }
        | Rejection::VotedAlready { .. }
        | Rejection::NoDebt
        | Rejection::TooEarly { .. }
        | Rejection::AfterApproval { .. }
        | Rejection::StaleView
        | Rejection::Overdue
        | Rejection::NotDue
        | Rejection::OtherClaim
        | Rejection::OtherChange(_) => StatusCode::CONFLICT,
        Rejection::BadName(_)
        | Rejection::BadLabel
        | Rejection::InThePast
        | Rejection::NoReason
        | Rejection::NoLabel
        | Rejection::TooLong => StatusCode::BAD_REQUEST,
    }
}
