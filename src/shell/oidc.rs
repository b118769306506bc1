//! The identity provider: who it vouches for. Authorization code with PKCE for browsers, device codes for the
//! command line (OpenID Connect Core 1.0 and Discovery 1.0, RFC 7636, RFC 8628).
//!
//! Nothing it says counts before its signature, issuer, audience, nonce and times have been checked.

mod claims;
mod http;

use std::sync::Arc;
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClientAuthMethod,
    CoreDeviceAuthorizationResponse, CoreErrorResponseType, CoreGenderClaim, CoreGrantType, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode,
    CoreResponseType, CoreRevocableToken, CoreRevocationErrorResponse, CoreSubjectIdentifierType,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken,
    DeviceAuthorizationUrl, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields,
    IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl, Scope, StandardErrorResponse,
    StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use self::claims::Claims;
use self::http::{Http, HttpError};
use super::config::Oidc;
use crate::kernel::review::Vouched;

/// How long what the provider publishes about itself, its keys included, is taken as known.
const METADATA_AGE: Duration = Duration::from_secs(600);
/// Keys are not fetched again sooner, whatever tokens look like.
const METADATA_PAUSE: Duration = Duration::from_secs(5);

/// Why nobody is vouched for.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    #[error("the identity provider {issuer} cannot be asked: {why}")]
    Unreachable { issuer: String, why: String },
    #[error("the identity provider did not let them in: {0}")]
    Refused(String),
    #[error("what the identity provider gave does not count: {0}")]
    Invalid(String),
    #[error("the identity provider has no sign-in by device code: use a browser, or a token")]
    NoDeviceCode,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Device {
    device_authorization_endpoint: Option<DeviceAuthorizationUrl>,
}
impl AdditionalProviderMetadata for Device {}

type Metadata = ProviderMetadata<
    Device,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;
type Tokens = StandardTokenResponse<
    IdTokenFields<
        Claims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
type Known = Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider of the configuration. Clones share what is known of it.
#[derive(Clone, Debug)]
pub struct Provider(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Arc<Oidc>,
    http: Http,
    metadata: Mutex<Option<(Instant, Metadata)>>,
}

/// A sign-in that a browser has begun. Only who has all of it can end it.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What it brings back.
    pub state: String,
    pub secrets: Secrets,
}

/// What stays here between the beginning and the end of a sign-in.
#[derive(Debug)]
pub struct Secrets {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// A device code: what its holder is told.
#[derive(Debug)]
pub struct DeviceCode {
    pub user_code: String,
    pub url: String,
    /// The address with the code in it.
    pub url_complete: Option<String>,
    pub expires: Duration,
    answer: CoreDeviceAuthorizationResponse,
}

impl Provider {
    #[must_use]
    pub fn new(settings: Arc<Oidc>) -> Self {
        let http = Http::new(settings.roots.as_ref());
        Self(Arc::new(Shared { settings, http, metadata: Mutex::default() }))
    }

    /// What was configured.
    #[must_use]
    pub fn settings(&self) -> &Oidc {
        &self.0.settings
    }

    /// Begins a sign-in in a browser.
    ///
    /// # Errors
    /// The provider cannot be asked.
    pub async fn begin(&self) -> Result<Begun, OidcError> {
        let client = self.client(&self.metadata(METADATA_AGE).await?)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let scopes = self.0.settings.scopes.iter().cloned().map(Scope::new);
        let (url, state, nonce) = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes)
            .set_pkce_challenge(challenge)
            .url();
        http::check(&url).map_err(|error| self.unreachable(&error))?;
        let secrets = Secrets { nonce, verifier };
        Ok(Begun { url: url.into(), state: state.into_secret(), secrets })
    }

    /// Ends a sign-in in a browser: the code it brought back, for who it vouches for.
    ///
    /// # Errors
    /// It vouches for nobody.
    pub async fn end(&self, code: String, secrets: Secrets) -> Result<Vouched, OidcError> {
        let client = self.client(&self.metadata(METADATA_AGE).await?)?;
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| self.unreachable(&error))?;
        let tokens = request.set_pkce_verifier(secrets.verifier).request_async(&self.0.http).await;
        let tokens = tokens.map_err(|error| self.failed(error))?;
        self.vouched(&tokens, Some(&secrets.nonce)).await
    }

    /// Asks for a device code.
    ///
    /// # Errors
    /// The provider cannot be asked, or gives none.
    pub async fn device(&self) -> Result<DeviceCode, OidcError> {
        let metadata = self.metadata(METADATA_AGE).await?;
        let url = metadata.additional_metadata().device_authorization_endpoint.clone();
        let client = self.client(&metadata)?.set_device_authorization_url(url.ok_or(OidcError::NoDeviceCode)?);
        let scopes = self.0.settings.scopes.iter().cloned().map(Scope::new);
        let request = client.exchange_device_code().add_scopes(scopes);
        let answer: CoreDeviceAuthorizationResponse =
            request.request_async(&self.0.http).await.map_err(|error| self.failed(error))?;
        Ok(DeviceCode {
            user_code: answer.user_code().secret().clone(),
            url: answer.verification_uri().to_string(),
            url_complete: answer.verification_uri_complete().map(|url| url.secret().clone()),
            expires: answer.expires_in(),
            answer,
        })
    }

    /// Waits until somebody has entered the code, or until it has expired.
    ///
    /// # Errors
    /// Nobody did, or it vouches for nobody.
    pub async fn entered(&self, code: &DeviceCode) -> Result<Vouched, OidcError> {
        let client = self.client(&self.metadata(METADATA_AGE).await?)?;
        let request = client.exchange_device_access_token(&code.answer).map_err(|error| self.unreachable(&error))?;
        let tokens = request.request_async(&self.0.http, tokio::time::sleep, Some(code.expires)).await;
        let tokens = tokens.map_err(|error| self.failed(error))?;
        self.vouched(&tokens, None).await
    }

    fn client(&self, metadata: &Metadata) -> Result<Known, OidcError> {
        let settings = &self.0.settings;
        let secret = settings
            .client_secret
            .as_ref()
            .map(|secret| ClientSecret::new(String::from_utf8_lossy(secret.reveal()).into_owned()));
        let redirect = RedirectUrl::new(settings.callback()).map_err(|error| self.unreachable(&error))?;
        // What a provider says nothing about is the first of these.
        let basic = metadata
            .token_endpoint_auth_methods_supported()
            .is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let how = if basic { AuthType::BasicAuth } else { AuthType::RequestBody };
        let client = Known::from_provider_metadata(metadata.clone(), ClientId::new(settings.client_id.clone()), secret);
        Ok(client.set_redirect_uri(redirect).set_auth_type(how))
    }

    /// What the provider publishes about itself, at most so old.
    async fn metadata(&self, age: Duration) -> Result<Metadata, OidcError> {
        let mut known = self.0.metadata.lock().await;
        if let Some((_, metadata)) = known.as_ref().filter(|(at, _)| at.elapsed() < age) {
            return Ok(metadata.clone());
        }
        let issuer = IssuerUrl::new(self.0.settings.issuer.clone()).map_err(|error| self.unreachable(&error))?;
        let metadata: Metadata =
            Metadata::discover_async(issuer, &self.0.http).await.map_err(|error| self.unreachable(&whole(&error)))?;
        *known = Some((Instant::now(), metadata.clone()));
        Ok(metadata)
    }

    fn unreachable(&self, why: &dyn std::fmt::Display) -> OidcError {
        OidcError::Unreachable { issuer: self.0.settings.issuer.clone(), why: why.to_string() }
    }

    fn failed<R>(&self, error: openidconnect::RequestTokenError<HttpError, R>) -> OidcError
    where
        R: openidconnect::ErrorResponse + std::fmt::Display + 'static,
    {
        match error {
            openidconnect::RequestTokenError::ServerResponse(said) => OidcError::Refused(said.to_string()),
            openidconnect::RequestTokenError::Request(error) => self.unreachable(&whole(&error)),
            other => OidcError::Invalid(whole(&other)),
        }
    }
}

/// An error with what it is because of.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
